"""Whether a venue's clock agrees with ours, and by how much a message is late or ahead (decision 41).

A sample is the time of the newest price of a message, less our time of its receipt. A slow network makes samples smaller and
never larger, so the running offset is among the largest of the last ones: lag does not become an offset. Pure: every answer
follows from what was observed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median_low

import msgspec

NONE = timedelta(0)
_SAMPLES = 32
"""The running offset is that of the last messages: half a minute of a feed that sends once a second."""
_RANK = 3
"""One or two messages that are dated a little ahead do not move the running offset."""
_STREAK = 3
"""So many messages in a row that are off by the same amount are a clock and no accident."""
_NO_LAG = timedelta(seconds=5)
"""A delay that grows by more than this from one message to the next is none."""
_FORGET = timedelta(seconds=60)
"""After so long without a message that agreed, a source is off whatever it was before."""


class ClockMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a recording keeps of a source's clock."""

    source: str
    samples: tuple[timedelta, ...] = ()
    off: tuple[timedelta, ...] = ()
    off_since: datetime | None = None
    off_at: datetime | None = None
    agreed_at: datetime | None = None
    agreed: timedelta = NONE


class SourceClock:
    """The clock of one source beside ours."""

    def __init__(self, source: str, memory: ClockMemory | None = None) -> None:
        kept = memory or ClockMemory(source)
        self.source = source
        self.agreed_at = kept.agreed_at
        """When a message agreed with our clock last; None where none ever did since the feed connected."""
        self._agreed = kept.agreed
        self._samples = list(kept.samples)
        self._off = list(kept.off)
        self._off_since = kept.off_since
        self._off_at = kept.off_at
        self.running = self._estimate()
        """The venue's clock less ours, as far as both agree: it is taken into account."""

    @property
    def memory(self) -> ClockMemory:
        """What another monitor needs to go on from here."""
        samples, off = tuple(self._samples), tuple(self._off)
        return ClockMemory(self.source, samples, off, self._off_since, self._off_at, self.agreed_at, self._agreed)

    @property
    def heard_at(self) -> datetime | None:
        """When a dated message came last."""
        return self._off_at if self._off else self.agreed_at

    @property
    def is_doubted(self) -> bool:
        """The last message was off, or is that of a source that has never agreed."""
        return bool(self._off)

    @property
    def offset(self) -> timedelta | None:
        """The venue's clock less ours, whatever it is; None before the first dated message."""
        if self._off:
            return median_low(self._off[-_STREAK:])
        return self.running if self._samples else None

    @property
    def is_off(self) -> bool:
        """The venue's clock, and not a single message, is off: its prices are late or refused."""
        if len(self._off) < _STREAK or self._off_at is None:
            return False
        return self.agreed_at is None or self._off_at - self.agreed_at > _FORGET or self.is_step

    @property
    def is_steadily_off(self) -> bool:
        """Several messages in a row were off by the same amount: one message that was held up is no clock."""
        return len(self._off) >= _STREAK

    @property
    def is_ahead(self) -> bool:
        """The last message was dated ahead."""
        return bool(self._off) and self._off[-1] > NONE

    @property
    def is_step(self) -> bool:
        """Off from one message to the next, and not by messages that come later and later."""
        if not self._off or self._off_since is None:
            return False
        if self.agreed_at is None or self._off[-1] > NONE:
            return True
        # Messages that are held up fall behind by a second in a second, and not by much more.
        return self._agreed - self._off[0] > 2 * (self._off_since - self.agreed_at) + _NO_LAG

    def observe(self, sample: timedelta, at: datetime, max_ahead: timedelta, max_late: timedelta) -> None:
        """Takes the sample of a message that came at `at`. A message that is late, but within its limit, says nothing."""
        if abs(sample) <= max_ahead:
            self._samples = [*self._samples[1 - _SAMPLES :], sample]
            self.running = self._estimate()
        if -max(max_ahead, max_late) <= sample <= max_ahead:
            self.agreed_at = at
            self._agreed = sample
            self._off = []
            self._off_since = None
            return
        if self._off and abs(sample - self._off[-1]) > max_ahead:
            self._off = []
        if not self._off:
            self._off_since = at
        # The first one is kept: it tells whether the clock went off at once, or messages came later and later.
        self._off = [*self._off[:1], *self._off[1:][2 - _STREAK :], sample] if self._off else [sample]
        self._off_at = at

    def forget(self) -> None:
        """The feed has connected again, perhaps to another machine: nothing outlives that."""
        self._samples = []
        self._off = []
        self._off_since = None
        self._off_at = None
        self.agreed_at = None
        self._agreed = NONE
        self.running = NONE

    def shift(self, delta: timedelta, at: datetime) -> None:
        """Our time moved by a jump to `at`: receipts move along."""
        if self.agreed_at is not None:
            self.agreed_at = min(self.agreed_at + delta, at)
        if self._off_since is not None:
            self._off_since = min(self._off_since + delta, at)
        if self._off_at is not None:
            self._off_at = min(self._off_at + delta, at)

    def rebase(self, moved: timedelta, at: datetime, max_ahead: timedelta) -> None:
        """Our clock turned out to be off by so much more. What is far from it then was not an offset, and the reverse."""
        known = [sample + moved for sample in (self._off or self._samples)]
        agreeing = [sample for sample in known if abs(sample) <= max_ahead]
        self._samples = agreeing
        self._off = [] if agreeing else known[-_STREAK:]
        self._off_since = at if self._off else None
        self._off_at = self._off_since
        self.agreed_at = at if agreeing else None
        self._agreed = agreeing[-1] if agreeing else NONE
        self.running = self._estimate()

    def _estimate(self) -> timedelta:
        ordered = sorted(self._samples)
        return ordered[-min(_RANK, (len(ordered) + 1) // 2)] if ordered else NONE


def common_offset(clocks: Iterable[SourceClock], max_ahead: timedelta) -> timedelta | None:
    """By how much all clocks are off, where two or more are off by the same amount and none agrees with ours."""
    offsets = []
    for clock in clocks:
        if clock.offset is None:
            continue
        if abs(clock.offset) <= max_ahead or not clock.is_step or not clock.is_steadily_off:
            return None
        offsets.append(clock.offset)
    if len(offsets) < 2 or max(offsets) - min(offsets) > max_ahead:
        return None
    return median_low(offsets)
