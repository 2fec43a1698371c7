"""Trust that goes and comes again and again: when that is an episode of its own, and when it is over. Pure.

The first loss and the first return are told as they come. A loss soon after a return begins an episode: it is told, and what
follows is counted in silence until nothing has changed for a while. How long depends on the rhythm that was seen.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

SOON = timedelta(minutes=1)
"""A loss this soon after a return is not a new one: people are still reading of the first."""
CALM_AT_LEAST, CALM_AT_MOST = timedelta(seconds=10), timedelta(minutes=10)
"""Ten seconds of calm end an episode of one change a second. Nobody waits for more than ten minutes to hear of the end."""
LASTING = timedelta(minutes=2)
"""A loss of this length right after the announcement is an outage of its own: its end is told at once."""
CALM_FACTOR = 3
"""Calm is three times the longest pause that the episode had: a price that comes once a minute is not calm in between."""


class Flap(msgspec.Struct, frozen=True):
    """The changes of trust in one thing that follow each other soon. `losses` counts how often it went."""

    last: datetime
    is_lost: bool = True
    """The last change was a loss."""
    losses: int = 1
    longest: timedelta = timedelta(0)
    """The longest pause between two changes."""
    is_on: bool = False
    """An episode was announced, and its end was not."""
    is_moving: bool = False
    """Something changed after it was announced."""

    @property
    def calm_at(self) -> datetime:
        """When the episode is over, if nothing changes until then."""
        if self.is_lost and not self.is_moving:
            return self.last + LASTING
        return self.last + min(max(CALM_AT_LEAST, CALM_FACTOR * self.longest), CALM_AT_MOST)

    def is_over(self, at: datetime) -> bool:
        """What comes now is no part of it."""
        return not self.is_on and not self.is_lost and at - self.last > SOON


def lost(flap: Flap | None, at: datetime) -> Flap:
    """Trust went. What is lost already changes nothing."""
    if flap is None or flap.is_over(at):
        return Flap(at)
    if flap.is_lost:
        return flap
    longest = max(flap.longest, at - flap.last)
    return Flap(at, losses=flap.losses + 1, longest=longest, is_on=True, is_moving=flap.is_on)


def regained(flap: Flap | None, at: datetime) -> Flap:
    """Trust came back."""
    if flap is None:
        return Flap(at, is_lost=False)
    if not flap.is_lost:
        return flap
    # The first loss may have lasted for hours: it says nothing of the rhythm of what follows.
    longest = max(flap.longest, at - flap.last) if flap.is_on else flap.longest
    return msgspec.structs.replace(flap, last=at, is_lost=False, longest=longest, is_moving=flap.is_on)
