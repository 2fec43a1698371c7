"""Books: where loans and rates come from, how fresh each source is, and what of it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from monitor.core.alerts.catalogue import BOOK_LEFT_OUT, BOOK_REFUSED
from monitor.core.alerts.trouble import Trouble
from monitor.core.groups.watcher_states import BookState
from monitor.core.text import stamp, stamp_or_none
from monitor.web.auth import READ
from monitor.web.http import AFTER, LIMIT, Rejected, paged_by_name
from monitor.web.site import Call, Endpoint
from monitor.web.troubles import TroubleItem, shown
from monitor.web.view import Daemon, StatedSource

MOST_TROUBLES = 200
"""Of one source; who mends these sees the next ones."""


class SourceItem(msgspec.Struct, frozen=True):
    """A book of loans or a source of rates. Times are null before it was read; `stale`: it is older than `limit_s`.

    `refused` and `left_out` count lines, `unwatched` the groups of refused lines that are not watched at all. At most 200 are
    listed; `troubles_cut` says how many more there are.
    """

    name: str
    kind: str
    gives: str
    """`loans` or `rates`."""
    path: str | None
    as_of: str | None
    seen_at: str | None
    version: str | None
    limit_s: float | None
    stale: bool
    refused: int
    left_out: int
    unwatched: int
    troubles: list[TroubleItem]
    troubles_cut: int


class SourceList(msgspec.Struct, frozen=True):
    """Sources by name. `unwatched`: groups that are not watched, of all of them; `others`: what is of no source."""

    at: str
    items: list[SourceItem]
    unwatched: int
    others: list[TroubleItem]
    next: str | None


async def books(call: Call) -> SourceList:
    """Books of loans and sources of rates: how fresh each is, and what of it is refused."""
    after, limit = call.query.page()
    call.query.done()
    if call.caller.scope:
        raise Rejected("forbidden", "books are the whole desk's; a token with a scope cannot read them")
    return await asyncio.to_thread(_list, call.daemon, after, limit)


def _list(daemon: Daemon, after: str | None, limit: int) -> SourceList:
    stated = {each.name: each for each in daemon.sources()}
    page, cursor = paged_by_name(stated, after, limit)
    troubles = daemon.view.troubles
    others = [each for each in troubles if each.source not in stated]
    return SourceList(
        at=stamp(daemon.clock.utc()),
        items=[_item(daemon, each, [t for t in troubles if t.source == each.name]) for each in page],
        unwatched=len(daemon.view.unwatched()),
        others=_shown(daemon, others),
        next=cursor,
    )


def _item(daemon: Daemon, source: StatedSource, troubles: Sequence[Trouble]) -> SourceItem:
    state = daemon.view.books.get(source.name, BookState())
    limit = daemon.rules().books.get(source.name)
    lines = [each for each in troubles if each.is_of_a_line]
    unwatched = daemon.view.unwatched()
    return SourceItem(
        name=source.name,
        kind=source.kind,
        gives=source.gives,
        path=source.path,
        as_of=stamp_or_none(state.as_of),
        seen_at=stamp_or_none(state.seen_at or source.seen_at),
        version=state.version or None,
        limit_s=None if limit is None else limit.total_seconds(),
        stale=state.told.last is not None,
        refused=sum(each.kind == BOOK_REFUSED for each in lines),
        left_out=sum(each.kind == BOOK_LEFT_OUT for each in troubles),
        unwatched=sum(each.subject in unwatched for each in lines),
        troubles=_shown(daemon, troubles),
        troubles_cut=max(0, len(troubles) - MOST_TROUBLES),
    )


def _shown(daemon: Daemon, troubles: Sequence[Trouble]) -> list[TroubleItem]:
    unwatched = daemon.view.unwatched()
    return [
        shown(each, is_watched=each.group is not None and each.subject not in unwatched)
        for each in troubles[:MOST_TROUBLES]
    ]


ROUTES = (Endpoint("GET", "/v1/books", books, READ, (LIMIT, AFTER)),)
