"""A recorded event log as a tape: the prices that were in force, as the long CSV that `monitor replay --tape` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from monitor.core.money import plain
from monitor.core.prices.board import PriceBoard
from monitor.replay.run import Recording

HEADER = "at,asset,price,source"


def tape_of(path: Path, on_lost: Callable[[str], None]) -> Iterator[str]:
    """The lines of the tape. Raises event_log.Torn.

    A row is the price of a coin in USD that was believed, at the time from which it was: a replay takes every price of a
    tape as good, and so decides on these as the day did. The last rows say the prices once more at the end of the record,
    so that all deadlines until then run.
    """
    yield HEADER
    recording = Recording(path, lambda _: None, on_lost)
    known: dict[str, tuple[Decimal, str]] = {}
    last: datetime | None = None
    for at, _ in recording.steps():
        assert recording.replay is not None
        board = recording.replay.monitor.board
        yield from _sorted(_moved(board, known, last, at))
        last = at
    if last is not None:
        assert recording.replay is not None
        yield from _sorted((last, asset, usd, source) for asset, (usd, source) in known.items())


_Price = tuple[datetime, str, Decimal, str]


def _moved(
    board: PriceBoard, known: dict[str, tuple[Decimal, str]], last: datetime | None, at: datetime
) -> Iterator[_Price]:
    """The prices that are others since the last event. One that was believed by a deadline counts from that time on."""
    for asset, usd in board.usd.items():
        mark = board.marks.get(asset)
        # A rate that the configuration states is no price of the day: whoever replays the tape states it again.
        if mark is None or (asset in known and known[asset][0] == usd):
            continue
        known[asset] = usd, mark.source
        since = at if last is None or not last < mark.changed_at < at else mark.changed_at
        yield since, asset, usd, mark.source


def _sorted(prices: Iterator[_Price]) -> Iterator[str]:
    for at, asset, usd, source in sorted(prices):
        yield f"{at.isoformat().replace('+00:00', 'Z')},{asset},{plain(usd)},{source}"
