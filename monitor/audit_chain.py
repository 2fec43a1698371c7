"""The chain of the audit record, and what a look at it can prove.

Each record has a digest over itself and the digest before it, and a signature over that. So whoever changes, removes, adds or
moves a record without the key breaks the chain there. Two marks are signed as well: where signing began, and up to which
record old ones were deleted. What no chain shows is a tail that was cut off: a head that somebody kept shows that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec

from monitor.audit_keys import AuditKeys
from monitor.core.instants import micros_of, time_at
from monitor.core.text import stamp

_DOMAIN = b"monitor audit 1\n"
START = bytes(32)
"""The digest before the first record."""
MarkKind = Literal["begun", "pruned"]
BEGUN: Final = "begun"
PRUNED: Final = "pruned"
NAMED = 20
"""So many breaks are named; the rest is counted."""


class AuditHead(NamedTuple):
    """The last record: its number and digest. Who keeps it can show later that nothing up to there is gone."""

    number: int
    digest: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.digest.hex()}"


NO_HEAD = AuditHead(0, START)


def head_of(text: str) -> AuditHead:
    """The head that `N:DIGEST` states. Raises ValueError."""
    if not (found := re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip())):
        raise ValueError(f"found {text[:80]!r}, expected N:DIGEST, a number and 64 hexadecimal digits")
    return AuditHead(int(found[1]), bytes.fromhex(found[2]))


class AuditLink(NamedTuple):
    """One record as a store keeps it. A record from before the chain has no key; one of an old file no digest either."""

    number: int
    at: int
    """In microseconds, and `subject`: copies of what the body says, by which records are found."""
    subject: str
    body: bytes
    digest: bytes = b""
    key: str = ""
    mac: bytes = b""


class AuditMark(NamedTuple):
    """Signed: up to this record, with this digest, nothing is signed ("begun"), or all is deleted ("pruned")."""

    kind: MarkKind
    number: int
    at: int
    digest: bytes
    key: str = ""
    mac: bytes = b""


class AuditTrail(NamedTuple):
    """All that a store keeps of its audit record, in order."""

    links: Iterable[AuditLink]
    begun: AuditMark | None
    pruned: AuditMark | None
    highest: int
    """The number that the store gave last."""


def linked(before: bytes, number: int, at: datetime, subject: str, body: bytes, keys: AuditKeys) -> AuditLink:
    """The next record of a chain."""
    digest = digest_of(before, number, body)
    return AuditLink(number, micros_of(at), subject, body, digest, *keys.sign(_record(digest)))


def marked(kind: MarkKind, number: int, at: datetime, digest: bytes, keys: AuditKeys) -> AuditMark:
    """A signed mark."""
    mark = AuditMark(kind, number, micros_of(at), digest)
    key, mac = keys.sign(_mark(mark))
    return mark._replace(key=key, mac=mac)


def digest_of(before: bytes, number: int, body: bytes) -> bytes:
    """The digest of a record: over the one before, its number, and all that it says."""
    return hashlib.sha256(_DOMAIN + before + number.to_bytes(8, "big") + body).digest()


def _record(digest: bytes) -> bytes:
    return _DOMAIN + b"record\n" + digest


def _mark(mark: AuditMark) -> bytes:
    numbers = mark.number.to_bytes(8, "big") + mark.at.to_bytes(8, "big", signed=True)
    return _DOMAIN + mark.kind.encode() + b"\n" + numbers + mark.digest


# -- the look --


class AuditFinding(msgspec.Struct, frozen=True):
    """What was found: proven, not to be proven, or broken."""

    kind: Literal["proven", "unproven", "broken"]
    text: str


class AuditProof(msgspec.Struct, frozen=True):
    """What a look at an audit record can prove, and what it cannot."""

    result: Literal["proven", "unproven", "broken"]
    records: int
    signed: int
    """Records that a key at hand has signed, unchanged and in their place."""
    before_the_chain: int
    head: str
    findings: list[AuditFinding]


class _Copied(msgspec.Struct):
    """What a record says of itself that stands in columns too."""

    at: datetime
    subject: str


_copied = msgspec.json.Decoder(_Copied).decode


class _Look:
    """Goes along a trail once."""

    def __init__(self, trail: AuditTrail, keys: AuditKeys, head: AuditHead | None) -> None:
        self.keys = keys
        self.begun = trail.begun
        self.pruned = trail.pruned
        self.highest = trail.highest
        self.wanted = head
        self.last = AuditHead(trail.pruned.number, trail.pruned.digest) if trail.pruned is not None else NO_HEAD
        self.seen = {self.last.number: self.last.digest}
        """The digests at the places that are asked about."""
        self.asked = {mark.number for mark in (self.begun, head) if mark is not None}
        self.records = 0
        self.signed = 0
        self.before = 0
        self.unlinked = 0
        self.first_signed = 0
        self.has_keys = False
        """Some record names a key."""
        self.by_others: dict[str, list[int]] = {}
        self.broken: list[str] = []
        self.notes: list[AuditFinding] = []

    @property
    def begins_after(self) -> int:
        """The last record from before the chain."""
        return self.begun.number if self.begun is not None else max(self.highest, self.last.number)

    def take(self, link: AuditLink) -> None:
        """The next record."""
        self.records += 1
        number, before = link.number, self.last
        if number <= before.number:
            self.broken.append(f"record {number} is there, but records up to {before.number} were deleted as old")
            return
        if number > before.number + 1 and number - 1 > self.begins_after:
            first, last = before.number + 1, number - 1
            self.broken.append(
                f"record {first} is missing" if first == last else f"records {first} to {last} are missing"
            )
        self._match(link)
        if not link.digest:
            self.unlinked += 1
        elif link.digest != digest_of(before.digest, number, link.body):
            self.broken.append(
                f"record {number} is not what was written, or what stood before it is another record now"
            )
        self._signature(link)
        self.last = AuditHead(number, link.digest or START)
        if number in self.asked:
            self.seen[number] = self.last.digest

    def _match(self, link: AuditLink) -> None:
        try:
            said = _copied(link.body)
            is_same = (micros_of(said.at), said.subject) == (link.at, link.subject)
        except (msgspec.DecodeError, ValueError):
            is_same = False
        if not is_same:
            self.broken.append(f"record {link.number} is found by another time or subject than it states")

    def _signature(self, link: AuditLink) -> None:
        self.has_keys = self.has_keys or bool(link.key)
        if link.number <= self.begins_after and not link.key:
            self.before += 1
        elif not link.key:
            self.broken.append(f"record {link.number} is not signed")
        elif link.key not in self.keys:
            self.by_others.setdefault(link.key, [link.number, 0])[1] = link.number
        elif not self.keys.is_by(link.key, link.mac, _record(link.digest)):
            self.broken.append(f"the signature of record {link.number} is not that of key {link.key}")
        else:
            self.signed += 1
            self.first_signed = self.first_signed or link.number

    def is_marked(self, mark: AuditMark | None, name: str) -> bool:
        """A mark is there, and a key at hand has signed it."""
        if mark is None:
            return False
        if not mark.key:
            self.broken.append(f"{name} is not signed")
            return False
        if mark.key not in self.keys:
            self.by_others.setdefault(mark.key, [mark.number, mark.number])
            return False
        if not self.keys.is_by(mark.key, mark.mac, _mark(mark)):
            self.broken.append(f"{name} is not what key {mark.key} has signed")
            return False
        return True

    def conclude(self) -> AuditProof:
        """When all records are seen."""
        is_begun = self.is_marked(self.begun, "the mark where signing began")
        is_pruned = self.is_marked(self.pruned, "the mark up to where old records were deleted")
        self._ends()
        self._of_keys()
        if self.begun is None and self.has_keys:
            self.broken.append("records are signed, but the mark where signing began is gone")
        is_proven = is_begun and not self.broken
        self._say_what_is_proven(is_pruned=is_pruned, is_proven=is_proven)
        self._say_what_is_not()
        cut = [f"and {len(self.broken) - NAMED:,} more like these"] if len(self.broken) > NAMED else []
        findings = [AuditFinding("broken", text) for text in (*self.broken[:NAMED], *cut)] + self.notes
        result: Literal["proven", "unproven", "broken"] = "broken" if self.broken else "proven"
        if not self.broken and not is_proven:
            result = "unproven"
        return AuditProof(result, self.records, self.signed, self.before, str(self.last), findings)

    def _ends(self) -> None:
        """Whether the tail is there, as far as it can be known."""
        if self.highest > self.last.number and self.highest > self.begins_after:
            self.broken.append(
                f"records up to {self.highest} were written, but those after {self.last.number} are gone"
            )
        if self.begun is not None and self.seen.get(self.begun.number, self.begun.digest) != self.begun.digest:
            self.broken.append(f"record {self.begun.number} is another than when signing began behind it")
        head = self.wanted
        if head is None:
            return
        if head.number > self.last.number:
            self.broken.append(
                f"the head names record {head.number}, but the last one here is {self.last.number}: cut off"
            )
        elif self.pruned is not None and head.number < self.pruned.number:
            text = f"the head names record {head.number}, which was deleted as old; take a newer head"
            self.notes.append(AuditFinding("unproven", text))
        elif self.seen.get(head.number) != head.digest:
            self.broken.append(f"record {head.number} is another than the head says")
        else:
            text = f"all records up to {head.number} are those that stood there when the head was noted"
            self.notes.append(AuditFinding("proven", text))

    def _of_keys(self) -> None:
        for key, (first, last) in self.by_others.items():
            which = f"record {first} is" if first == last else f"records from {first} to {last} are"
            text = f"{which} signed by key {key}, which is not among the keys given"
            if self.keys:
                self.broken.append(f"{text}: add that key to the file, or take these records as forged")
            else:
                self.notes.append(AuditFinding("unproven", text))

    def _say_what_is_proven(self, *, is_pruned: bool, is_proven: bool) -> None:
        if not is_proven:
            return
        assert self.begun is not None
        what = (
            f"{self.signed:,} records, {self.first_signed} to {self.last.number}, are"
            if self.signed
            else "no record is"
        )
        text = f"{what} signed, unchanged, complete and in order" if self.signed else f"{what} signed yet"
        self.notes.insert(0, AuditFinding("proven", f"{text}; signing began at {_when(self.begun)}"))
        if is_pruned:
            assert self.pruned is not None
            text = f"the monitor deleted the records up to {self.pruned.number}, older than {_when(self.pruned)}"
            self.notes.insert(1, AuditFinding("proven", text))

    def _say_what_is_not(self) -> None:
        said = []
        if not self.keys:
            said.append(
                "without a key nobody can say who wrote these records: whoever can write the store can make others"
            )
        if self.before:
            said.append(
                f"{self.before:,} records are from before the chain: whether they were changed before signing began, nothing "
                "shows"
            )
        if self.unlinked:
            said.append("the file is from before the chain: its records have no digests")
        if self.wanted is None:
            said.append(
                "whether records at the end were cut off: compare with a head from a heartbeat (--head N:DIGEST)"
            )
        else:
            after = self.wanted.number
            said.append(f"whether records after {max(after, self.last.number)} were cut off: no later head was given")
        if self.keys:
            said.append("that nobody used the key itself: who can read it can write records that verify")
        self.notes += [AuditFinding("unproven", text) for text in said]


def look_through(trail: AuditTrail, keys: AuditKeys, head: AuditHead | None = None) -> AuditProof:
    """What can be proven about an audit record by these keys, and by a head that was kept elsewhere."""
    look = _Look(trail, keys, head)
    for link in trail.links:
        look.take(link)
    return look.conclude()


def joined(before: AuditHead, links: Iterable[tuple[int, bytes]]) -> Iterator[AuditHead]:
    """The digests of records that had none, one after the other."""
    digest = before.digest
    for number, body in links:
        digest = digest_of(digest, number, body)
        yield AuditHead(number, digest)


def _when(mark: AuditMark) -> str:
    return stamp(time_at(mark.at))
