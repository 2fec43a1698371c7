"""What a source of changes says, one message after the other: a group is put or closed, or an entry of its book."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import NamedTuple

import msgspec

from monitor.books._base import Reader
from monitor.books._lines import decoded, repeated_key
from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.events.entries import Entry
from monitor.core.events.events import BookEntry, Event, GroupClosed, GroupPut, Noticed
from monitor.core.schema import Id, Invalid, Problem, read_or_note

_PROBLEM_CHARS = 2000  # an alert must stay under 20 kB


class _Head(msgspec.Struct, frozen=True):
    """What an entry has beside its content."""

    group: Id
    id: Id | None = None
    at: datetime | None = None


class _Put(msgspec.Struct, frozen=True):
    line: dict[str, object]


class _Close(msgspec.Struct, frozen=True):
    group: Id


class Message(NamedTuple):
    """A message as it came: where it stands in its source, and its JSON text."""

    place: str
    raw: bytes


def events_of(name: str, message: Message, at: datetime, reader: Reader) -> list[Event]:
    """What a message says. One that cannot be read is refused by its place, and those behind it go on."""
    try:
        return [_event(name, message, at, reader)]
    except Invalid as e:
        return [refused(name, message, str(e)[:_PROBLEM_CHARS], e.reason, at)]
    except RecursionError:
        return [refused(name, message, "the message is no JSON", "not_json", at)]


def refused(name: str, message: Message, problem: str, reason: str, at: datetime) -> Event:
    """A message that will never be read. All of a source have one subject, so that they do not fill the memory."""
    facts = {"problem": f"{message.place}: {problem}", "reason": reason, "source": name}
    fingerprint = hashlib.sha256(f"{message.place}\n{problem}".encode()).hexdigest()[:32]
    return Noticed(at, BOOK_REFUSED, f"{name}: messages", facts, fingerprint)


def _event(name: str, message: Message, at: datetime, reader: Reader) -> Event:
    stated = decoded(message.raw)
    if not isinstance(stated, dict):
        raise Invalid([Problem("", "the message is no object; expected one with its `type`", "wrong_type")])
    if (key := repeated_key(message.raw, stated)) is not None:
        raise Invalid([Problem("", f"the key {key!r} appears twice in one object", "repeated_key")])
    problems: list[Problem] = []
    match stated.get("type"):
        case "put":
            put = read_or_note(_Put, {k: v for k, v in stated.items() if k != "type"}, problems)
            if put is not None:
                return GroupPut(at, reader.parse(put.line, at), name)
        case "close":
            close = read_or_note(_Close, {k: v for k, v in stated.items() if k != "type"}, problems)
            if close is not None:
                return GroupClosed(at, close.group, name)
        case _:
            names = _Head.__struct_fields__
            head = read_or_note(_Head, {k: v for k, v in stated.items() if k in names}, problems)
            entry = read_or_note(Entry, {k: v for k, v in stated.items() if k not in names}, problems)
            if not problems:
                return BookEntry(at, head.group, head.id or _id_of(message.place), entry, name)
    raise Invalid(problems)


def _id_of(place: str) -> str:
    """The id of an entry that states none: a place is the same in every reading."""
    return place.replace(" ", "-")[:128]
