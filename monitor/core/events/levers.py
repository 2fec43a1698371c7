"""What the desk does to groups by itself (decision 89), and what one person proposes and another approves (decision 90)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor.core.alerts.silences import Act, MakeSilence
from monitor.core.events.entries import ExtendGrace, Lever, MoveProduct, OverrideLines
from monitor.core.money import plain
from monitor.core.prices.decisions import Pin
from monitor.core.text import stamp

MOST_GROUPS = 100
"""Groups of one lever: a look ahead at them takes 6 ms, on a busy machine 50, and core does nothing else meanwhile."""


class _LeverAct(msgspec.Struct, frozen=True, tag_field="act"):
    pass


class PullLever(_LeverAct, frozen=True, tag="pull"):
    """A lever on these groups; those to which it cannot apply are left as they are, and named."""

    lever: Lever
    groups: tuple[str, ...]


class EndLever(_LeverAct, frozen=True, tag="end_lever"):
    """Ends a lever before its time: what it changed, and nothing has changed since, is as it was before."""

    id: str
    reason: str


class Approve(_LeverAct, frozen=True, tag="approve", omit_defaults=True):
    """Another person wants it too."""

    id: str
    seen: str = ""
    """The digest of the effects that the person saw; empty: those that were worked out when it was proposed."""


class Reject(_LeverAct, frozen=True, tag="reject"):
    """Somebody does not want it, or takes it back."""

    id: str
    reason: str


LeverAct = PullLever | EndLever | Approve | Reject
Proposable = PullLever | Pin | MakeSilence
"""What may need another person."""
OperatorSays = Act | LeverAct


def kind_of(act: Proposable) -> str:
    """`override`, `waive`, `pin`, `silence`, for example."""
    what = act.lever if isinstance(act, PullLever) else act
    return str(type(what).__struct_config__.tag)


def reason_of(act: Proposable) -> str:
    """Why it is asked for."""
    return act.lever.reason if isinstance(act, PullLever) else act.reason


def until_of(act: Proposable) -> datetime | None:
    """When it ends by itself; None for a move."""
    what = act.lever if isinstance(act, PullLever) else act
    return None if isinstance(what, MoveProduct) else what.until


def change_in_words(act: Proposable) -> str:
    """What it changes, as a person would say it."""
    if isinstance(act, Pin):
        return f"{act.asset} is {plain(act.price)} USD"
    if isinstance(act, MakeSilence):
        limit = "whatever it becomes" if act.even_worse else f"up to {act.up_to or 'the stage of now'}"
        return f"silence, {limit}"
    lever = act.lever
    match lever:
        case ExtendGrace():
            return f"grace period until {stamp(lever.until)}"
        case OverrideLines():
            return ", ".join(f"{name} {plain(level)}" for name, level in lever.thresholds.items())
        case MoveProduct():
            return f"product {lever.product}"
    return f"no liquidation of overdue loans before {stamp(lever.until)}"
