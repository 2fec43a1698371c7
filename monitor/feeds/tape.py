"""Tapes: prices of a past day from a file (docs/replay.md), for replays and as a feed that plays the day again.

`_tapes` reads the file, whatever form it has. It refuses a cell or a row that it cannot use, with line, column, value and
remedy, and plays the rest. A file that is no tape, or is damaged, is refused as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import timedelta
from functools import lru_cache
from itertools import chain
from pathlib import Path

import msgspec

from monitor.clock import Clock, SystemClock
from monitor.core import schema
from monitor.core.money import NotANumber, number
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import FeedTrust, SomeTime
from monitor.feeds._base import FeedStats
from monitor.feeds._tapes.files import UnreadableTape
from monitor.feeds._tapes.reader import Refusal, Row, TapeFile
from monitor.feeds._tapes.survey import Survey, look_through
from monitor.telemetry import BoundedLog, log

PLAYS = True
"""It begins when it is listened to: a standby leaves it to the head."""
_GLANCE_ROWS = 200_000
"""So many rows of a feed's tape are looked at before the daemon starts, which takes half a second. All are when it plays."""


def rows(path: Path, on_refused: Callable[[Refusal], None], *, source: str = "tape") -> Iterator[Row]:
    """The tape's events in order: a time, and the quotes of that time.

    Raises OSError if the file cannot be opened, UnreadableTape if it is no tape or is damaged, both at once.
    """
    return TapeFile(path).rows(on_refused, source=source)


class Config(msgspec.Struct, frozen=True):
    """Keys of a `[[feed]]` of kind tape."""

    path: Path
    speed: str = "1"
    """How many times faster than it was, such as "60"; or "max": as fast as the prices are taken."""
    loop: bool = False
    """Begins again at the end. The jump from the last prices to the first must be confirmed like any other."""
    stale_after: SomeTime | None = None
    """When its prices are stale; without it as [prices] says."""

    def __post_init__(self) -> None:
        if self.speed == "max":
            return
        try:
            sound = 0 < number(self.speed) <= 1_000_000
        except NotANumber:
            sound = False
        if not sound:
            raise ValueError(f'speed: found {self.speed!r}, expected a number in quotes such as "60", or "max"')


class Tape:
    """A feed that plays a tape on today's clock: the first row now, each later row after its time on the tape / speed."""

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        self.name = name
        self.stats = FeedStats()
        self._config = config
        self._clock = clock
        self._log = BoundedLog()
        self._speed = None if config.speed == "max" else float(config.speed)

    async def quotes(self) -> AsyncIterator[list[Quote]]:
        """The rows as batches of quotes with the time of now. Ends with the tape, unless `loop` is set."""
        self.stats.connected = True
        self.stats.reason = ""
        problem = "the tape has ended"
        try:
            tape = await asyncio.to_thread(TapeFile, self._config.path)
            for sentence in tape.said():
                log.info("about the tape", feed=self.name, what=sentence)
            while True:
                before = self.stats.frames
                async with aclosing(self._once(tape)) as once:
                    async for batch in once:
                        yield batch
                # A tape without a single price would loop without a pause.
                if not self._config.loop or self.stats.frames == before:
                    return
        except (UnreadableTape, OSError) as e:
            # It was read when the daemon started; whoever changed the file since must not end the daemon.
            problem = str(e)
            log.error("the tape cannot be played", feed=self.name, problem=problem)
        finally:
            self.stats.connected = False
            self.stats.reason = problem

    async def _once(self, tape: TapeFile) -> AsyncGenerator[list[Quote], None]:
        started_s, start = self._clock.monotonic_s(), None
        coming = tape.rows(self._refuse, source=self.name)
        # Before its first row a tape that is not in order is sorted, which takes a while.
        first = await asyncio.to_thread(next, coming, None)
        for at, quotes in chain((first,) if first else (), coming):
            start = start or at
            wait_s = 0.0
            if self._speed is not None:
                wait_s = started_s + (at - start).total_seconds() / self._speed - self._clock.monotonic_s()
            await asyncio.sleep(max(wait_s, 0))
            if quotes:
                now = self._clock.utc()
                self.stats.frames += 1
                self.stats.quotes += len(quotes)
                self.stats.last_frame_at = now
                yield [Quote(q.asset, q.price, q.quote, q.source, now) for q in quotes]

    def _refuse(self, refusal: Refusal) -> None:
        self.stats.refused[refusal.reason] += 1
        what = {"feed": self.name, "reason": refusal.reason, "problem": str(refusal)}
        self._log.warning(self._clock.monotonic_s(), refusal.reason, "price refused", **what)


def build(name: str, config: Config, clock: Clock | None = None) -> Tape:
    """The feed of that name. Raises schema.Invalid if its file cannot be played."""
    if not config.path.is_file():
        raise schema.Invalid([schema.Problem(str(config.path), "no such file; expected a tape, CSV or CSV.gz")])
    try:
        _glance_at(config.path)
    except UnreadableTape as e:
        raise schema.Invalid([schema.Problem("path", str(e))]) from None
    except OSError as e:
        raise schema.Invalid([schema.Problem("path", f"{config.path}: cannot be read: {e.strerror or e}")]) from None
    return Tape(name, config, clock or SystemClock())


def trust(config: Config) -> FeedTrust:
    """How its prices are judged: rows come as far apart as on the tape, at the speed at which it plays."""
    try:
        spacing = _glance_at(config.path).spacing
    except (UnreadableTape, OSError):
        spacing = None  # `build` says what is wrong with the file
    if spacing is None or config.speed == "max":
        return FeedTrust(stale_after=config.stale_after)
    cadence = timedelta(seconds=round(spacing.total_seconds() / float(config.speed), 6))
    return FeedTrust(stale_after=config.stale_after, cadence=cadence)


def _glance_at(path: Path) -> Survey:
    """A look at the beginning of a tape. Raises as `rows` does."""
    found = path.stat()
    return _glanced_at(path, found.st_size, found.st_mtime_ns)


@lru_cache(16)
def _glanced_at(path: Path, _size: int, _changed_ns: int) -> Survey:
    return look_through(path, _GLANCE_ROWS)
