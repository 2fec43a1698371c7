"""Levers and proposals as they are kept with every commit, and what a lever does to a group, as values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from monitor.core.events.levers import Proposable
from monitor.core.stages.stages import OtherLines, OtherProduct, Stage


class BeforeLever(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a lever replaced in one group: what holds again when it is taken back."""

    group: str
    life: int = 0
    deadline: datetime | None = None
    waived_until: datetime | None = None
    other_lines: OtherLines | None = None
    other_product: OtherProduct | None = None


class LeverStand(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a group stands before or after a lever."""

    product: str
    stage: Stage
    figure: Decimal | None = None
    """LTV, margin level or health factor; None while a price is missing."""
    next_line: str | None = None
    """The next line that is not crossed yet, by name."""
    next_level: Decimal | None = None
    liquidated_at: datetime | None = None
    """When it is liquidated if nothing happens: the end of its grace period, or of an overdue loan."""
    metric: str = ""
    """The level that the figure is; empty for an LTV, so that a stand of before is one of now."""
    lines: tuple[Decimal, ...] = ()
    """Beside which the figure must not be shown on the wrong side; empty in older stores."""


class LeverEffect(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a lever does to one group."""

    group: str
    before: LeverStand | None = None
    after: LeverStand | None = None
    refused: str = ""
    """Why it cannot apply to this group, in words; nothing is changed there."""
    reason: str = ""
    """The same as a short name."""

    @property
    def is_move(self) -> bool:
        """The group changes stage."""
        return self.before is not None and self.after is not None and self.before.stage != self.after.stage

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What of it another person must have seen: figures move with each price, and count only where they move a stage."""
        if self.before is None or self.after is None:
            return self.group, "", "", ""
        at = self.after.liquidated_at
        return self.group, self.before.stage, self.after.stage, "" if at is None else at.isoformat()


class OpenProposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one person asks for and another must approve."""

    id: str
    """P-1, P-2 ..."""
    act: Proposable
    by: str
    """The token."""
    person: str
    at: datetime
    expires: datetime
    effects: tuple[LeverEffect, ...]
    """As they were worked out when it was proposed."""
    lever: str = ""
    """Only of a lever that was pulled in an emergency: it stands already, and ends unless this is approved."""
    emergency: str = ""
    """Why nobody else could be asked first."""
    labels: Mapping[str, str] | None = None
    """What all groups that it is about have in common: a scope that these are within may see it."""


class LeverInForce(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lever that was pulled and can be taken back."""

    id: str
    """L-1, L-2 ..."""
    act: Proposable
    by: str
    person: str
    at: datetime
    until: datetime | None
    """When it ends by itself; None for a move, which stays."""
    former: tuple[BeforeLever, ...] = ()
    """By group what it replaced."""
    approved_by: str = ""
    emergency: str = ""
    """Why nobody else was asked first."""
    proposal: str = ""
    labels: Mapping[str, str] | None = None
    """As of OpenProposal."""


class LeversState(msgspec.Struct, frozen=True):
    """What the desk does to groups by itself, and what waits for another person."""

    proposals: tuple[OpenProposal, ...] = ()
    """In the order in which they were made."""
    in_force: tuple[LeverInForce, ...] = ()
    proposed: int = 0
    """How many proposals there were."""
    pulled: int = 0


def digest_of(effects: Iterable[LeverEffect]) -> str:
    """Names what a person saw."""
    keys = sorted((*each.key, each.refused != "") for each in effects)
    return hashlib.blake2b(msgspec.json.encode(keys), digest_size=8).hexdigest()


def grown(now: Iterable[LeverEffect], seen: Iterable[LeverEffect]) -> list[str]:
    """Groups to which it would do something else by now than was seen."""
    known = {each.key for each in seen if not each.refused}
    return [each.group for each in now if not each.refused and each.key not in known]
