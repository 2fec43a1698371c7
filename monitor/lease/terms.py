"""When a head may send and when another may take over: arithmetic of monotonic seconds, without a clock or a database.

Each machine counts by its own clock, and only lengths of time are compared. The holder counts from when it *sent* a beat, the
standby from when it first had *seen* it: so the holder's time is always over first.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

GUARD = 0.05
"""The share of a lease that its holder leaves unused: clocks run apart, and the wire is a moment away."""
BEATS = 5
"""Beats in the time of a lease: three may be lost before it ends."""

Basis = Literal["lease", "peer", "none", "over"]
"""On what a head sends: its lease, or the word of its peer that it does not reach the database either. `none`: nothing is
sent until the database or the peer is back. `over`: another head has the lease, and this one is at its end."""


class Beat(msgspec.Struct, frozen=True):
    """What the row of the lease says."""

    epoch: int
    """Grows with each head that takes over."""
    at: datetime | None
    """The newest beat of the holder, by the database's clock; None where the lease was never held."""
    is_free: bool = False
    """The holder has given it back."""
    ttl_s: float = 0.0
    """How long the holder holds it after a beat."""


class Tenure:
    """The holder's side."""

    def __init__(self, ttl_s: float, sent_s: float) -> None:
        """`sent_s`: when the request was sent by which it took the lease."""
        self._length_s = ttl_s * (1 - GUARD)
        self._lease_until_s = sent_s + self._length_s
        self._peer_until_s = float("-inf")
        self._is_over = False

    def beaten(self, sent_s: float) -> None:
        """The database has answered a beat that was sent then."""
        self._lease_until_s = max(self._lease_until_s, sent_s + self._length_s)

    def excused(self, sent_s: float) -> None:
        """The peer has answered a question of then: it does not reach the database, and takes no lease for one length."""
        self._peer_until_s = max(self._peer_until_s, sent_s + self._length_s)

    def over(self) -> None:
        """Another head has the lease, or it was given back."""
        self._is_over = True

    def basis(self, now_s: float) -> Basis:
        """On what it sends now."""
        if self._is_over:
            return "over"
        if now_s < self._lease_until_s:
            return "lease"
        return "peer" if now_s < self._peer_until_s else "none"

    def may_send(self, now_s: float) -> bool:
        """Whether bytes may go now."""
        return self.basis(now_s) in ("lease", "peer")

    def left_s(self, now_s: float) -> float:
        """How long the lease lasts; below zero where it has ended."""
        return self._lease_until_s - now_s


class Watch:
    """The standby's side: since when the holder is silent."""

    def __init__(self, ttl_s: float) -> None:
        self._own_ttl_s = ttl_s
        self._beat: Beat | None = None
        self._since_s = 0.0
        self._answered_s = float("-inf")
        self._promised_until_s = float("-inf")
        self.is_taking = False
        """A request to take the lease is under way, and may be heard at any moment."""

    def seen(self, beat: Beat, sent_s: float, answered_s: float) -> None:
        """What the database answered to a question. After a gap the holder has its time anew, as it was cut off too."""
        is_gap = sent_s - self._answered_s > self._ttl_s / 2
        if beat != self._beat or is_gap:
            self._beat = beat
            self._since_s = answered_s
        self._answered_s = answered_s

    @property
    def _ttl_s(self) -> float:
        """The longer one, where the two heads are configured otherwise."""
        return max(self._own_ttl_s, 0.0 if self._beat is None else self._beat.ttl_s)

    def may_take(self, now_s: float) -> bool:
        """Whether the holder's time is over, by this clock. The database's own clock has a say as well (`rows.take`)."""
        if self._beat is None or now_s < self._promised_until_s:
            return False
        return self._beat.is_free or self._beat.at is None or now_s - self._since_s >= self._ttl_s

    def reaches(self, now_s: float) -> bool:
        """The database has answered lately."""
        return now_s - self._answered_s < self._ttl_s / 2

    def asked(self, now_s: float) -> bool:
        """The other head asks whether this one reaches the database. A no is a promise to take no lease for its length."""
        if self.reaches(now_s) or self.is_taking:
            return True
        self._promised_until_s = now_s + self._ttl_s
        return False

    @property
    def beat(self) -> Beat | None:
        """As it was seen last."""
        return self._beat
