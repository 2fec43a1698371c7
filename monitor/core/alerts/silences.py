"""What operators say, as values; and which alerts a silence hides.

A silence hides deliveries, never an evaluation or the log, and never news that is worse than what it was made for. For each
group the limit is the stage that the group was in when it was silenced, and the severity that goes with that stage; `up_to`
states another limit for all groups, `even_worse` none. Good news is never hidden: it goes only where the bad news was told.
When a silence ends, the desk is told again of each group that is still in a stage that the silence hid (watch/operators.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from monitor.core.alerts.alert import Alert
from monitor.core.alerts.alert_type import CRITICAL, INFO, SEVERITY_RANK, WARNING, Severity
from monitor.core.alerts.catalogue import BAD_STAGE_NEWS, CATALOGUE, GOOD_STAGE_NEWS, GROUP_ESCALATED, LEVER_EMERGENCY
from monitor.core.alerts.matching import Match, takes
from monitor.core.prices.decisions import PriceAct
from monitor.core.stages.stages import DEADLINE_MOVED, DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL, STAGE_RANK, Stage

UpTo = Literal[Severity, Stage]


class _Act(msgspec.Struct, frozen=True, tag_field="act"):
    pass


class Acknowledge(_Act, frozen=True, tag="acknowledge"):
    """Somebody has the stage in hand that an alert told of: its reminders stop, until a time or while the stage lasts."""

    group: str
    episode: int
    stage: Stage
    """The stage that the alert told of; another one by now is not acknowledged."""
    alert: str
    note: str = ""
    until: datetime | None = None


class Unacknowledge(_Act, frozen=True, tag="unacknowledge"):
    """Reminders begin again."""

    group: str
    alert: str


class MakeSilence(_Act, frozen=True, tag="silence", omit_defaults=True):
    """Hides the deliveries of what matches, until a time."""

    id: str
    match: Match
    until: datetime
    reason: str
    up_to: UpTo | None = None
    even_worse: bool = False


class Unsilence(_Act, frozen=True, tag="unsilence"):
    """Ends a silence before its time."""

    id: str


class TakeInHand(_Act, frozen=True, tag="take_in_hand"):
    """Somebody who was asked by a step of an escalation has its alert in hand."""

    step: str
    """The alert of the step."""
    note: str = ""


Act = Acknowledge | Unacknowledge | TakeInHand | MakeSilence | Unsilence | PriceAct


class Silence(msgspec.Struct, frozen=True):
    """A silence in force."""

    said: MakeSilence
    by: str
    at: datetime


CRITICAL_STAGES: frozenset[Stage] = frozenset({DELAYED, LIQUIDATION})
_CRITICAL_NEWS = frozenset(type_ for type_ in BAD_STAGE_NEWS if CATALOGUE[type_].severity == CRITICAL)
_TELLS_OF_CRITICAL = _CRITICAL_NEWS | {GROUP_ESCALATED, "loan_group.delayed_liquidation.reminder", DEADLINE_MOVED}


def may_hide_critical_stage(said: MakeSilence) -> bool | None:
    """Whether a silence may hide that a group is in a critical stage; None: where it covers a group that is in one now."""
    match = said.match
    if match.severity not in (None, CRITICAL):
        return False
    if match.type is not None and not any(fnmatchcase(type_, match.type) for type_ in _TELLS_OF_CRITICAL):
        return False
    if said.even_worse or said.up_to in (*CRITICAL_STAGES, CRITICAL):
        return True
    return None if said.up_to is None else False


_LIMITS: Mapping[str, tuple[str, str]] = {
    NORMAL: (NORMAL, WARNING), MARGIN_CALL: (MARGIN_CALL, WARNING),
    DELAYED: (DELAYED, CRITICAL), LIQUIDATION: (LIQUIDATION, CRITICAL),
    INFO: (NORMAL, INFO), WARNING: (MARGIN_CALL, WARNING), CRITICAL: (LIQUIDATION, CRITICAL),
}  # fmt: skip
"""By what may be hidden at worst: the worst stage, and the worst severity."""


def hides(said: MakeSilence, alert: Alert, stage: str = NORMAL) -> bool:
    """Whether a silence keeps an alert from the channels. `stage`: that of the alert's group when it was silenced."""
    if alert.type in GOOD_STAGE_NEWS or alert.type == LEVER_EMERGENCY or not takes(said.match, alert):
        return False
    if said.even_worse:
        return True
    worst_stage, worst_severity = _LIMITS[said.up_to or stage]
    told = alert.stage_to or NORMAL
    return (
        STAGE_RANK[told] >= STAGE_RANK[worst_stage] and SEVERITY_RANK[alert.severity] >= SEVERITY_RANK[worst_severity]
    )
