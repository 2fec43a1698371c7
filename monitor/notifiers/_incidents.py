"""Which notices are about one thing: pagers and boards open it once, take news of it as updates, and close it.

The stage news and reminders of a group's episode are one incident; it is over with the good news. Beside groups, what has
an end in the catalogue is one by its subject. What has no end is an incident by itself: nothing here will close it.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from monitor.core.alerts.catalogue import CATALOGUE, ENDED_BY, GOOD_STAGE_NEWS, STAGE_NEWS
from monitor.notifiers._base import Notice

KEY_LENGTH = 255
"""The shortest of the limits of those who take a key (PagerDuty)."""
_REMINDER = ".reminder"


class Incident(NamedTuple):
    """What a notice belongs to."""

    key: str
    """The same for all its notices, over restarts; at most 255 printable ASCII characters."""
    name: str
    """What kind of thing it is, for rules of the other side: a type without what happened to it."""
    is_over: bool
    """The notice is its end."""
    will_end: bool
    """Another notice will say that it is over."""
    in_hand: bool
    """Somebody has acknowledged it."""


def incident_of(notice: Notice) -> Incident:
    """The incident of a notice."""
    data = notice.data
    group = (data.get("group") or {}).get("id")
    in_hand = bool(data.get("acknowledged"))
    row = CATALOGUE.get(notice.type)
    if group is not None and _is_of_stage(notice.type):
        place = (str(group), str(data.get("episode", 0)))
        return Incident(_key(notice, "loan_group", *place), "loan_group", notice.type in GOOD_STAGE_NEWS, True, in_hand)
    if row is not None and row.ends:
        return Incident(_key(notice, row.type, _subject(notice)), _name(row.type), True, True, in_hand)
    if (end := ENDED_BY.get(notice.type)) is not None:
        return Incident(_key(notice, end, _subject(notice)), _name(end), False, True, in_hand)
    return Incident(_key(notice, notice.type, notice.id), notice.type, False, False, in_hand)


def _is_of_stage(type_: str) -> bool:
    return type_ in STAGE_NEWS or (type_.startswith("loan_group.") and type_.endswith(_REMINDER))


def _name(end: str) -> str:
    """`price.stale` and `price.suspect` are one thing, that `price.restored` ends; it is named by the first of them."""
    return CATALOGUE[end].ends[0]


def _subject(notice: Notice) -> str:
    data = notice.data
    return str(data.get("subject") or (data.get("group") or {}).get("id") or "")


def _key(notice: Notice, *parts: str) -> str:
    """Readable where it can be. A part with a colon or a character of another alphabet is told apart by its digest."""
    whole = ":".join(parts)
    plain = (
        whole
        if whole.isascii() and " " not in whole and whole.isprintable() and whole.count(":") == len(parts) - 1
        else ""
    )
    if not plain or len(plain) > KEY_LENGTH - 5:
        digest = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]
        plain = f"{parts[0]}:{digest}"
    return f"test:{plain}" if notice.data.get("test") else plain
