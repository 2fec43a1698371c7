"""What a put or a book entry would do to its group: the event is handled by a monitor of that group alone, and forgotten."""

from __future__ import annotations

from typing import NamedTuple

from monitor.core.events.events import BookEntry, GroupPut
from monitor.core.groups.outcome import Memory, Sight
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.watcher_states import WatcherStates
from monitor.core.money import exact
from monitor.core.watch.risk import RiskMonitor


class DryRun(NamedTuple):
    """The group as it would be, and the types of the alerts about it that would be raised."""

    after: Sight
    alerts: tuple[str, ...]


def would(monitor: RiskMonitor, event: GroupPut | BookEntry) -> DryRun | None:
    """None where the event states what is known already. Raises Refused as the event itself would be refused.

    Whether another group has an account is asked of the whole book first; all that follows is about the group alone.
    """
    with exact():
        if isinstance(event, GroupPut):
            id_, record = event.group.id, monitor.changes.would_put(event, monitor.rules)
        else:
            usd = monitor.board.usd
            id_, record = event.group_id, monitor.changes.would_enter(event, event.at, monitor.rules, usd)
    if record is None:
        return None
    alone = RiskMonitor(monitor.rules, _memory(monitor, id_, record))
    out = alone.handle(event)
    if out.refused is not None:
        raise out.refused
    after = alone.sight(id_)
    assert after is not None, "what was put or entered is there"
    return DryRun(after, tuple(dict.fromkeys(alert.type for alert in out.alerts if alert.subject == id_)))


def _memory(monitor: RiskMonitor, id_: str, then: GroupRecord) -> Memory | None:
    """Of one group as it is, with the prices of the coins that decide about it now or `then`; None before the first event."""
    if monitor.at is None:
        return None
    board, record, retired = monitor.board, monitor.book.find(id_), monitor.changes.retired.get(id_)
    marks = board.marks
    states = [state for state in (record.state if record else None, retired) if state is not None]
    coins = {*then.held.assets, *(record.held.assets if record else ()), *then.group.quantities(), *board.parity_assets}
    return Memory(
        at=monitor.at,
        marks=tuple(marks[asset] for asset in sorted(coins) if asset in marks),
        watchers=WatcherStates(),
        groups=(record.stored(),) if record is not None else (),
        states=tuple(states[:1]),
        heard=board.heard_of(coins),
        rates=monitor.rates.kept(),
        board=board.memory,
    )
