"""What a put or a book entry would do to its group, by the code that would do it; nothing is changed."""

from __future__ import annotations

from typing import NamedTuple

from monitor.core import deadlines
from monitor.core.events.events import BookEntry, GroupPut
from monitor.core.groups.loan_book import weigh_now
from monitor.core.groups.outcome import Sight
from monitor.core.groups.record import GroupRecord
from monitor.core.money import exact
from monitor.core.stages.decision import WeighedGroup, judge, move
from monitor.core.stages.maturity import NEWS, ran
from monitor.core.stages.stages import GroupState, Signal
from monitor.core.valuation.interest_cover import shortfalls
from monitor.core.watch.risk import RiskMonitor


class DryRun(NamedTuple):
    """The group as it would be, and the types of the alerts that would be raised."""

    after: Sight
    alerts: tuple[str, ...]


def would(monitor: RiskMonitor, event: GroupPut | BookEntry) -> DryRun | None:
    """None where the event states what is known already. Raises Refused as the event itself would be refused."""
    with exact():
        if isinstance(event, GroupPut):
            record = monitor.changes.would_put(event, monitor.rules)
        else:
            record = monitor.changes.would_enter(event, event.at, monitor.rules, monitor.board.usd)
        return None if record is None else _followed(monitor, record, event)


def _followed(monitor: RiskMonitor, record: GroupRecord, event: GroupPut | BookEntry) -> DryRun:
    weigh_now(record, monitor.board)
    before = record.state
    state, alerts = _judged(monitor, record, event)
    alerts += ["loan.interest_shortfall"] * any(
        each.asset not in before.short for each in shortfalls(record.group, record.product, record.held)
    )
    return DryRun(record.sight()._replace(state=state), tuple(dict.fromkeys(alerts)))


def _judged(monitor: RiskMonitor, record: GroupRecord, event: GroupPut | BookEntry) -> tuple[GroupState, list[str]]:
    """The stage table's verdict, then the dates of loans that had passed when the group was put."""
    weight, name = record.decisive, monitor.rules.name
    if weight is None:
        return record.state, []
    seen = WeighedGroup(record.group, record.held, weight, record.blind, event.at, is_settled=False)
    state, said = judge(name, record.state, seen, monitor.rules.lifecycle)
    alerts = [said.type] if said is not None else []
    if record.weight is None:
        return state, alerts
    for _, kind, loan in record.past_deadlines():
        state = ran(state, loan, kind)
        if kind == deadlines.OVERDUE:
            state, said = move(name, state, Signal.OVERDUE, event.at, record.held, weight)
            alerts += [said.type] if said is not None else []
        else:
            alerts.append(NEWS[kind])
    return state, alerts
