"""What was found before a start and is not mended is told again; what is of a source that is gone is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from datetime import datetime
from typing import Any

from monitor.config import Config, Part
from monitor.core.alerts.catalogue import BOOK_GAP, BOOK_LEFT_OUT, BOOK_REFUSED, RULES_DRIFT
from monitor.core.alerts.state_alerts import UNMENDED
from monitor.core.alerts.trouble import Trouble
from monitor.core.events.events import API, Noticed
from monitor.core.text import MOST_NAMED, stamp
from monitor.running import Running
from monitor.web.view import StatedSource, View

TOLD_AFTER_S = 10.0
"""A file is read twice within this, and a lender asked: what is mended by then is not told again."""
OF_SOURCES = frozenset({BOOK_REFUSED, BOOK_LEFT_OUT, BOOK_GAP, RULES_DRIFT})

Tell = Callable[[Noticed], Coroutine[Any, Any, None]]


def stated_sources(config: Config, seen: Mapping[str, datetime] = {}) -> tuple[StatedSource, ...]:
    """Where loans and rates come from, and when rates were read last. Addresses may hold secrets, so none is shown."""
    kinds = {"loans": config.books, "rates": config.rates}
    return tuple(
        StatedSource(part.name, part.kind, gives, _path(part), seen.get(part.name) if gives == "rates" else None)
        for gives, parts in kinds.items()
        for part in parts
    )


def _path(part: Part) -> str | None:
    path = getattr(part.config, "path", None)
    return str(path) if path else None


def of_gone_sources(troubles: Iterable[Trouble], config: Config, at: datetime) -> list[Noticed]:
    """Nobody will ever mend what a source had that is not configured any more."""
    names = {API, *(source.name for source in stated_sources(config))}
    gone = [t for t in troubles if t.kind in OF_SOURCES and t.source is not None and t.source not in names]
    return [Noticed(at, t.kind, t.subject, {"source": t.source}, clears=True) for t in gone]


async def tell_again(running: Running, view: View, is_loading: Callable[[], bool], tell: Tell) -> None:
    """Once, some seconds after a start: one notice of all that was found before it and is not mended."""
    began = running.clock.utc()
    await asyncio.sleep(TOLD_AFTER_S)
    while is_loading():  # noqa: ASYNC110  nobody says when a large book is read
        await asyncio.sleep(1.0)
    if old := [trouble for trouble in view.troubles if trouble.since < began]:
        unwatched = await asyncio.to_thread(view.unwatched)
        await tell(Noticed(running.clock.utc(), UNMENDED, "start", _facts(old, unwatched)))


def _facts(old: list[Trouble], unwatched: Collection[str]) -> dict[str, Any]:
    count = sum(trouble.subject in unwatched for trouble in old if trouble.is_of_a_line)
    things = "1 thing is" if len(old) == 1 else f"{len(old)} things are"
    loans = f"; {count} loan group{'s are' if count != 1 else ' is'} not watched" if count else ""
    rows = [{"kind": t.kind, "subject": t.subject, "since": stamp(t.since), "text": t.text} for t in old[:MOST_NAMED]]
    return {
        "problem": f"{things} not mended since before the start{loans}; the first: {old[0].subject}: {old[0].text}",
        "count": len(old),
        "unwatched": count,
        "troubles": rows,
        "troubles_cut": len(old) - len(rows),
    }
