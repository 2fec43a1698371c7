"""What becomes of a margin call that has an amount and a clock, and what is said of it (domain section 10, decision 98)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from monitor.core.events.events import BookEntry, GroupPut
from monitor.core.groups.calls import NOTHING_BOOKED, Booked, booked, call_row
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.money import ZERO, plain
from monitor.core.rules.calls import CallRules
from monitor.core.stages.calls import MarginCall, called_usd, facts_of, is_doubled, is_missed, returnable_usd
from monitor.core.stages.decision import Said, Verdict, move, say
from monitor.core.stages.stages import (
    CALL_DISPUTED,
    CALL_DUE,
    CALL_EXPIRED,
    CALL_MET,
    CALL_PARTLY_MET,
    CALL_WITHDRAWN,
    MARGIN_CALL,
    NORMAL,
    OPENED,
    RETURNABLE,
    GroupState,
    Signal,
)
from monitor.core.valuation.valuation import Holding, Weight, crossed
from monitor.core.watch.watcher import Ground

Follow = Callable[[GroupRecord, Verdict, Outcome, Mapping[str, Any]], None]
SIGNALS: Mapping[str, Signal] = {"delayed_liquidation": Signal.CALL_TO_GRACE, "liquidation": Signal.CALL_OVER}
CALL = "call"


def with_call(verdict: Verdict, held: Holding, weight: Weight) -> tuple[Verdict, dict[str, Any]]:
    """A verdict that opens a margin call, with its amount and its clock where the product has them; and what it states."""
    state, said = verdict
    if said is None or said.type != OPENED or held.version.calls is None:
        return verdict, {}
    call = _opened(said, held, held.version.calls, weight, number=1)
    return (msgspec.structs.replace(state, call=call), said), facts_of(call)


def _opened(said: Said, held: Holding, rules: CallRules, weight: Weight, number: int) -> MarginCall:
    target = rules.target_of(held.lines)
    amount = called_usd(weight.debt, weight.recognised, target, held.lines.falls, rules)
    return MarginCall(number, said.id, said.at, rules.due(said.at), target, amount)


def _is_met(record: GroupRecord, call: MarginCall) -> bool:
    """Nothing is outstanding, or the level is at the target. That is good news, so no price may be in doubt."""
    weight = record.weight
    if weight is None or record.blind:
        return False
    return not call.outstanding_usd or weight.at_or_below(call.target, record.held.lines.falls)


class CallNews(NamedTuple):
    """Something that is said of a call."""

    type: str
    at: datetime
    facts: Mapping[str, Any]
    reason: str = CALL


class CallEffects:
    """Meets, withdraws, replaces and expires calls. `follow` keeps a state and raises its alert."""

    def __init__(self, ground: Ground, follow: Follow) -> None:
        self._ground = ground
        self._follow = follow

    def book(self, old: GroupRecord | None, record: GroupRecord, event: GroupPut | BookEntry, out: Outcome) -> Booked:
        """What a put or an entry did to the group's call, before the group is decided."""
        if old is None:
            return NOTHING_BOOKED
        entry, id_ = (event.entry, event.id) if isinstance(event, BookEntry) else (None, "")
        found = booked(old, record, entry, id_, event.at, self._ground.board.usd)
        if found.state is not None and found.state != record.state:
            self._keep(record, found.state, out)
        return found

    def tell(self, record: GroupRecord, found: Booked, at: datetime, out: Outcome, place: int) -> None:
        """Says what was booked, when the group is decided: not what met the call or ended it, as that was said.

        Its row has a place before those of the decision, which followed from it.
        """
        call = record.state.call
        if not found.what or found.call is None:
            return
        facts = {**facts_of(found.call), **found.facts}
        out.history.insert(place, call_row(record, found.what, at, facts))
        if call is None or call.met_at is not None or call.number != found.call.number:
            return
        if found.what in ("disputed", "resolved"):
            self._say(record, record.state, CallNews(CALL_DISPUTED, at, facts), out)
        elif found.what == "payment" and found.value_usd > 0:
            self._say(record, record.state, CallNews(CALL_PARTLY_MET, at, facts), out)

    def look(self, record: GroupRecord, at: datetime, out: Outcome) -> None:
        """After a decision: whether the call is met, expired or replaced, and whether anything may be asked back."""
        rules = record.held.version.calls
        if rules is None:
            return
        if record.state.call is not None and record.state.stage == MARGIN_CALL:
            self._look_at_call(record, rules, at, out)
        if rules.return_below is not None and record.state.stage == NORMAL:
            self._look_at_return(record, rules, at, out)

    def end(self, record: GroupRecord, at: datetime, out: Outcome) -> None:
        """The group has left its margin call: what becomes of the call."""
        state, call = record.state, record.state.call
        assert call is not None
        state = msgspec.structs.replace(state, call=None)
        if call.met_at is not None or state.stage != NORMAL:
            self._keep(record, state, out)
            if call.met_at is None:
                out.history.append(call_row(record, "ended", at, {**facts_of(call), "stage": state.stage}))
            return
        weight = record.decisive
        is_cured = weight is not None and weight.at_or_below(call.target, record.held.lines.falls)
        is_met = not call.outstanding_usd or (call.received_usd > 0 and is_cured)
        self._tell(record, state, CallNews(CALL_MET if is_met else CALL_WITHDRAWN, at, facts_of(call)), out)

    def expire(self, record: GroupRecord, at: datetime, out: Outcome) -> None:
        """The call is due and too much of it is outstanding (section 10.6)."""
        state, call, rules = record.state, record.state.call, record.held.version.calls
        assert call is not None
        assert rules is not None
        call = msgspec.structs.replace(call, expired_at=at)
        more = {"in_transit_usd": plain(call.transit_usd(at)), "on_expiry": rules.on_expiry}
        state = msgspec.structs.replace(state, call=call)
        self._tell(record, state, CallNews(CALL_EXPIRED, at, {**facts_of(call), **more}), out)
        if (signal := SIGNALS.get(rules.on_expiry)) is not None:
            weight = self._ground.decisive(record)
            verdict = move(self._ground.rules.name, record.state, signal, at, record.held, weight)
            self._follow(record, verdict, out, {})

    def remind(self, record: GroupRecord, at: datetime, out: Outcome, *, is_past: bool) -> None:
        """A reminder of the due time; one for which it is too late by now is passed over."""
        state, call = record.state, record.state.call
        assert call is not None
        call = msgspec.structs.replace(call, told_at=at)
        state = msgspec.structs.replace(state, call=call)
        if is_past:
            self._keep(record, state, out)
        else:
            more = {"in_transit_usd": plain(call.transit_usd(at))}
            self._say(record, state, CallNews(CALL_DUE, at, {**facts_of(call), **more}), out)

    # -- within --

    def _look_at_call(self, record: GroupRecord, rules: CallRules, at: datetime, out: Outcome) -> None:
        call, weight, lines = record.state.call, record.weight, record.held.lines
        assert call is not None
        if call.met_at is None and _is_met(record, call):
            call = msgspec.structs.replace(call, met_at=at)
            state = msgspec.structs.replace(record.state, call=call)
            self._tell(record, state, CallNews(CALL_MET, at, facts_of(call)), out)
        if call.is_open and at >= call.due and is_missed(call, rules, at):
            self.expire(record, at, out)
            return
        if weight is None:
            return
        is_again = call.met_at is not None and crossed(weight, lines, "margin_call")
        if is_again or (call.is_open and is_doubled(weight.debt, weight.recognised, call, lines.falls)):
            self._open_next(record, call, weight, at, out)

    def _open_next(self, record: GroupRecord, before: MarginCall, weight: Weight, at: datetime, out: Outcome) -> None:
        """A new call in the same margin call; the one before it is over (section 10.4)."""
        rules = record.held.version.calls
        assert rules is not None
        state, said = say(self._ground.rules.name, record.state, OPENED, at)
        said = msgspec.structs.replace(said, supersedes=record.state.last_alert)
        call = _opened(said, record.held, rules, weight, before.number + 1)
        state = msgspec.structs.replace(state, last_alert=said.id, call=call)
        facts = facts_of(call)
        if before.is_open:
            facts["supersedes_call"] = before.number
            out.history.append(call_row(record, "superseded", at, facts_of(before)))
        self._follow(record, (state, said), out, facts)
        out.history.append(call_row(record, "opened", at, facts))

    def _look_at_return(self, record: GroupRecord, rules: CallRules, at: datetime, out: Outcome) -> None:
        """What may be asked back, said once until it changes by the minimum transfer (section 10.9)."""
        weight, state, level = record.weight, record.state, rules.return_below
        assert level is not None
        if weight is None or record.blind:
            return
        found = returnable_usd(weight.debt, weight.recognised, level, record.held.lines.falls)
        said = state.returnable
        has_changed = abs(found - (said or ZERO)) >= rules.minimum_usd
        if found < rules.minimum_usd:
            if said is not None and has_changed:
                self._keep(record, msgspec.structs.replace(state, returnable=None), out)
        elif said is None or has_changed:
            facts = {"returnable_usd": plain(found), "return_below": plain(level)}
            self._say(
                record, msgspec.structs.replace(state, returnable=found), CallNews(RETURNABLE, at, facts, "ltv"), out
            )

    def _tell(self, record: GroupRecord, state: GroupState, news: CallNews, out: Outcome) -> None:
        """Says it, and writes it into the history of calls."""
        self._say(record, state, news, out)
        out.history.append(call_row(record, news.type.rpartition(".")[2], news.at, news.facts))

    def _say(self, record: GroupRecord, state: GroupState, news: CallNews, out: Outcome) -> None:
        verdict = say(self._ground.rules.name, state, news.type, news.at, news.reason)
        self._follow(record, verdict, out, news.facts)

    def _keep(self, record: GroupRecord, state: GroupState, out: Outcome) -> None:
        self._follow(record, (state, None), out, {})
