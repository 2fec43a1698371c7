"""How a head stands, for people and programs."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from monitor.lease.database import DatabaseState
from monitor.lease.peer import HeadAnswer
from monitor.lease.terms import Basis

PeerSays = Literal["not asked", "reaches the database", "does not reach the database", "does not answer"]


MAX_OFFSET_S = 0.25
"""Further from the clock of the database no head decides: its deadlines would fall at other times than those of its peer."""


def clock_trouble(offset_s: float | None) -> str | None:
    """What is wrong with a clock that is so far off that of the database."""
    if offset_s is None or abs(offset_s) <= MAX_OFFSET_S:
        return None
    text = f"the clock of this machine is {offset_s:+.3f} s off that of the database"
    return f"{text}, at most {MAX_OFFSET_S * 1000:.0f} ms; mend the time service of both"


class HeadState(msgspec.Struct, frozen=True):
    """How this head stands. `holder`: the head that has the lease; empty where nobody has. `version` is the holder's.

    `lease_age_s`: since its newest beat that this head knows of. `basis`: on what an active head sends.
    `clock_offset_s`: this machine's clock less that of the database. `trouble`: why the database is not
    reached; empty where it is. `database`: as it was looked at last; null where it never was, or for a caller of no desk.
    """

    role: Literal["active", "standby"]
    epoch: int
    holder: str
    version: str
    lease_age_s: float | None
    basis: Basis | None
    clock_offset_s: float | None
    peer: str
    peer_says: PeerSays
    trouble: str
    database: DatabaseState | None = None

    @property
    def silence(self) -> str | None:
        """Why this head sends nothing, or None."""
        if self.role == "standby":
            return f"standby: {self.holder_named}"
        if self.basis == "over":
            return "another head has the lease, and this one ends"
        if self.basis == "none" and self.peer:
            return "cut off from the database and the peer: another head may be sending, so this one is silent"
        return None

    @property
    def worries(self) -> list[str]:
        """What stops no alert now, and keeps another head from taking over, or from finding all that was committed."""
        found = [] if self.database is None else [f"database: {trouble}" for trouble in self.database.troubles]
        if (clock := clock_trouble(self.clock_offset_s)) is not None:
            found.append(clock)
        if self.role == "active" and self.peer_says == "does not answer":
            found.append(f"the peer {self.peer} does not answer: nobody would take over")
        return found

    @property
    def holder_named(self) -> str:
        """Who decides, in words."""
        if self.holder:
            return f"the head {self.holder} has the lease"
        return "who has the lease is not known" if self.trouble else "no head is known to have the lease"

    @property
    def open(self) -> HeadState:
        """Without what a database says of itself, which only people of the desk may read."""
        trouble = "the database is not reached; the log says why" if self.trouble else ""
        return msgspec.structs.replace(self, trouble=trouble, database=None)


class LeaseHead(Protocol):
    """What a daemon shows of its lease."""

    @property
    def state(self) -> HeadState:
        """Now."""

    def answer(self) -> HeadAnswer:
        """To the peer. It may be a promise: see `terms.Watch.asked`."""
