"""What the desk does to groups by itself (decision 89), and what one person proposes and another approves (decision 90)."""

from __future__ import annotations

import msgspec

from monitor.core.alerts.silences import Act, MakeSilence
from monitor.core.events.entries import Lever
from monitor.core.prices.decisions import Pin

MOST_GROUPS = 200
"""Groups of one lever: each is weighed twice for its preview, and core does nothing else meanwhile (about 20 ms)."""


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
