"""What is not known or not in order, as status, readiness, metrics, the stream and the page show it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor.core.alerts.trouble import BadCell, Trouble
from monitor.core.text import stamp
from monitor.web.view import Daemon

PART = "part"
"""The kind of a part of the daemon that goes wrong while alerts go out all the same: a feed beside others."""


class DegradedItem(msgspec.Struct, frozen=True):
    """One thing that is not known or not in order, or many of one kind and source. It does not stop alerts.

    `kind`: the type of the alert that told of it, or `part`. `source`: the book, the channel or the part. All but the kind is
    null for a token with a scope, and for a probe without a token.
    """

    kind: str
    source: str | None
    count: int | None
    since: str | None
    text: str | None


class TroubleItem(msgspec.Struct, frozen=True):
    """One refused line, or whatever else is not mended. `watched`: its group is watched, on what was known before."""

    kind: str
    subject: str
    place: str | None
    group: str | None
    watched: bool
    since: str
    text: str
    cells: list[BadCell]


def degraded(daemon: Daemon, *, is_told: bool) -> list[DegradedItem]:
    """All of them, by kind and source. `is_told`: the caller may see the whole desk."""
    found: dict[tuple[str, str | None], list[Trouble]] = {}
    for each in daemon.view.troubles:
        found.setdefault((each.kind, each.source), []).append(each)
    of_parts = dict(daemon.health.degraded)
    if daemon.head is not None and (worries := daemon.head.state.worries):
        of_parts["head"] = "; ".join(worries)
    if not is_told:
        kinds = {kind for kind, _ in found} | ({PART} if of_parts else set())
        return [DegradedItem(kind, None, None, None, None) for kind in sorted(kinds)]
    items = [_item(kind, source, some) for (kind, source), some in found.items()]
    parts = [DegradedItem(PART, part, 1, None, text) for part, text in sorted(of_parts.items())]
    return [*items, *parts]


def _item(kind: str, source: str | None, some: Sequence[Trouble]) -> DegradedItem:
    first = some[0]
    text = f"{first.place}: {first.text}" if first.place is not None else first.text
    text = text if len(some) == 1 else f"{len(some)} of them, the first: {text}"
    return DegradedItem(kind, source, len(some), stamp(min(each.since for each in some)), text)


def shown(trouble: Trouble, *, is_watched: bool) -> TroubleItem:
    """One of them in full."""
    return TroubleItem(
        kind=trouble.kind,
        subject=trouble.subject,
        place=trouble.place,
        group=trouble.group,
        watched=is_watched,
        since=stamp(trouble.since),
        text=trouble.text,
        cells=list(trouble.cells),
    )
