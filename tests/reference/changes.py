"""A version of the rules that comes into force: what is said of it, and which alerts are its doing."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.reference import deadlines
from tests.reference.figures import plain
from tests.reference.state import OVERDUE, RULES_CHANGED, SEVERITY, Group, alert_id
from tests.reference.terms import Loan, Version, stamp

if TYPE_CHECKING:
    from tests.reference.model import Model


def alert(model: Model, at: datetime, former: Version, before: Decimal, after: Decimal) -> dict[str, Any]:
    """`rules.changed`: what is recognised of all collateral before and after, on the same prices."""
    coins = sorted(former.ladders.keys() | model.version.ladders.keys())
    return {
        "type": RULES_CHANGED,
        "id": alert_id(model.name, model.agreement, 0, model.changes, RULES_CHANGED),
        "timestamp": stamp(at),
        "severity": SEVERITY[RULES_CHANGED],
        "subject": model.agreement,
        "sequence": model.changes,
        "episode": 0,
        "facts": {
            "product": model.agreement,
            "from": former.rules,
            "to": model.version.rules,
            "groups": len(model.groups),
            "ladders": [coin for coin in coins if former.ladder(coin) != model.version.ladder(coin)],
            "ladders_cut": 0,
            "recognised_before_usd": plain(before),
            "recognised_after_usd": plain(after),
            "is_exact": True,
        },
    }


def has_moved(group: Group, loan: Loan, kind: int, at: datetime, former: Version, since: datetime) -> bool:
    """A date of a loan has come just as the rules came into force, and by the rules before them it would not have."""
    assert loan.matures_at is not None
    if at != since:
        return False
    times = {kind: due for due, kind in deadlines.news_times(loan.matures_at, former)}
    times[OVERDUE] = max(loan.matures_at + former.overdue_after, group.waived_until or loan.matures_at)
    return kind not in times or times[kind] > at


def shadow(group: Group) -> Group:
    """The group as it is, to be decided by other rules without a trace."""
    twin = copy(group)
    twin.used_warnings, twin.ran = set(group.used_warnings), set(group.ran)
    return twin


def cause(model: Model, twin: Group, at: datetime, former: Version, kind: str) -> dict[str, str]:
    """What an alert adds that the rules until now would not have raised on the same prices and debts."""
    now, place = model.version, len(model.alerts)
    model.version = former
    model._apply_rules(twin)
    if (known := model._known(twin)) is not None:
        model._decide(twin, at, known, on_new_prices=False)
    would_say = [alert["type"] for alert in model.alerts[place:]]
    del model.alerts[place:]
    model.version = now
    return {} if kind in would_say else {"cause": "rules", "rules_from": former.rules}
