"""A margin call with an amount and a clock, as answers show it (domain section 10, docs/calls.md)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor.core.money import exact, plain
from monitor.core.rules.calls import CallRules
from monitor.core.stages.calls import CallStatus, MarginCall, expires_at
from monitor.core.text import stamp, stamp_or_none


class CallBrief(msgspec.Struct, frozen=True):
    """A call in a row of the list."""

    number: int
    status: CallStatus
    called_usd: str
    outstanding_usd: str
    due: str


class OnItsWay(msgspec.Struct, frozen=True):
    """What is announced and has not arrived. `counts`: its own time has not passed, so it counts against expiry."""

    entry: str
    kind: str
    asset: str
    quantity: str
    value_usd: str
    expected: str
    counts: bool


class DisputeShown(msgspec.Struct, frozen=True):
    """A dispute about a part of the call; `resolved_at` is null while it is open."""

    entry: str
    amount_usd: str
    reason: str
    by: str
    at: str
    resolved_at: str | None


class CallShown(msgspec.Struct, frozen=True):
    """The last call of a group's margin call.

    `alert` is the one that opened it: from its figures, `target` and the rules anyone recomputes `called_usd`.
    `outstanding_usd` is that less what was received since, each at the prices of its arrival. `expires_at` is when the call
    expires if nothing happens; null where it does not.
    """

    number: int
    status: CallStatus
    alert: str
    opened_at: str
    due: str
    expires_at: str | None
    target: str
    called_usd: str
    received_usd: str
    outstanding_usd: str
    in_transit_usd: str
    minimum_transfer_usd: str
    rounding_usd: str
    on_expiry: str
    met_at: str | None
    expired_at: str | None
    announced: list[OnItsWay]
    disputes: list[DisputeShown]


def call_brief(call: MarginCall) -> CallBrief:
    """The call for a list."""
    return CallBrief(call.number, call.status, plain(call.amount_usd), plain(call.outstanding_usd), stamp(call.due))


def call_shown(call: MarginCall, rules: CallRules, at: datetime) -> CallShown:
    """The call at a time."""
    with exact():
        return CallShown(
            number=call.number,
            status=call.status,
            alert=call.alert,
            opened_at=stamp(call.opened_at),
            due=stamp(call.due),
            expires_at=stamp_or_none(expires_at(call, rules)),
            target=plain(call.target),
            called_usd=plain(call.amount_usd),
            received_usd=plain(call.received_usd),
            outstanding_usd=plain(call.outstanding_usd),
            in_transit_usd=plain(call.transit_usd(at)),
            minimum_transfer_usd=plain(rules.minimum_usd),
            rounding_usd=plain(rules.step_usd),
            on_expiry=rules.on_expiry,
            met_at=stamp_or_none(call.met_at),
            expired_at=stamp_or_none(call.expired_at),
            announced=[
                OnItsWay(
                    a.id, a.kind, a.asset, plain(a.quantity), plain(a.value_usd), stamp(a.expected), at < a.expected
                )
                for a in call.announced
            ],
            disputes=[
                DisputeShown(d.id, plain(d.amount_usd), d.reason, d.by, stamp(d.at), stamp_or_none(d.resolved_at))
                for d in call.disputes
            ],
        )
