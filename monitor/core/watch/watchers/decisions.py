"""What operators have decided about prices: pins, sources that are left out, candidates that they believe (decision 51)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.groups.loan_book import EXACT_SUMS
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.watcher_states import DecisionState
from monitor.core.money import plain
from monitor.core.prices.decisions import (
    FAR,
    LONGEST,
    MOST_IN_FORCE,
    Believe,
    Decision,
    Exclude,
    Pin,
    PriceAct,
    PriceStanding,
    Release,
)
from monitor.core.prices.quote import HIGHEST, LOWEST, MISSING, USDT, PriceChange
from monitor.core.refusal import Refused
from monitor.core.text import plain_or_none, stamp
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.watcher import BookChange, Ground, Watcher

DECIDED, ENDED = "price.decided", "price.decision_ended"


class PriceDecisions(Watcher):
    """The decisions in force. The board obeys them; the desk hears when one begins and when one ends."""

    phases = (deadlines.DECISION,)

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._board = ground.board
        self._in_force: dict[str, Decision] = {}
        """By key, in the order in which they were made."""
        self._said: dict[str, int] = {}
        """By asset: how many alerts there were about decisions."""

    # -- what is remembered --

    def kept(self) -> DecisionState:
        """Those in force, and the numbers of their alerts."""
        return DecisionState(self.in_force, dict(self._said))

    def restore(self, memory: Memory) -> None:
        """Takes what was kept. A pin is in force again at once: it needs no feed to confirm it."""
        self._said = dict(memory.watchers.decisions.said)
        for decision in memory.watchers.decisions.in_force:
            self._plan(decision)
        if self._in_force:
            self._board.take_decisions(self.in_force, memory.at)

    @property
    def in_force(self) -> tuple[Decision, ...]:
        """In the order in which they were made."""
        return tuple(self._in_force.values())

    def standing(self, asset: str) -> PriceStanding:
        """How a price stands now, with the decisions about it."""
        mark = self._board.marks.get(asset)
        mine = tuple(d for d in self._in_force.values() if d.asset == asset)
        usd, trust = self._board.usd.get(asset), self._board.trust_of(asset)
        if mark is None:
            return PriceStanding(usd, None, trust, None, mine)
        return PriceStanding(usd, mark.source, trust, mark.candidate, mine)

    # -- what operators say --

    def take(self, act: PriceAct, by: str, at: datetime, out: Outcome) -> BookChange:
        """One decision. Raises Refused, and changes nothing then."""
        match act:
            case Believe():
                facts = {"act": "believe", "price": plain(self._check_candidate(act, at))}
                change = self._board.believe(act, at)
            case Exclude() | Pin():
                self._check_known(act.asset, at)
                self._check(act, at)
                self._plan(Decision(act, by, at))
                facts = _facts(act)
                change = self._obey(at, out)
            case Release():
                return BookChange(at, self._release(act, by, at, out))
        self._tell(DECIDED, act.asset, facts | {"by": by, "reason": act.reason}, at, out)
        return BookChange(at, change)

    def lift(self, pin: Pin, at: datetime, out: Outcome) -> BookChange | None:
        """Ends this very pin before its time; None where it is not in force any more."""
        key = Decision(pin, "", at).key
        if (standing := self._in_force.get(key)) is None or standing.said != pin:
            return None
        self._end(key)
        change = self._obey(at, out)
        self._tell_end(standing, None, at, out)
        return BookChange(at, change)

    def due(self, deadline: Deadline, out: Outcome) -> BookChange:
        """The time of a decision is over."""
        ended = self._end(deadline.subject)
        change = self._obey(deadline.at, out)
        self._tell_end(ended, None, deadline.at, out)
        return BookChange(deadline.at, change)

    def _release(self, act: Release, by: str, at: datetime, out: Outcome) -> PriceChange:
        mine = [d for d in self.in_force if d.asset == act.asset]
        if act.source is not None:
            mine = [d for d in mine if isinstance(d.said, Exclude) and d.said.source == act.source]
        if not mine:
            what = f"no decision about {act.asset}" if act.source is None else f"{act.asset} takes {act.source} already"
            raise Refused("unknown_decision", f"{what}; there is nothing to release")
        for decision in mine:
            self._end(decision.key)
        change = self._obey(at, out)
        for decision in mine:
            self._tell_end(decision, act, at, out, by)
        return change

    def _plan(self, decision: Decision) -> None:
        key = decision.key
        self._in_force[key] = decision
        self._ground.agenda.set(deadlines.DECISION, key, Deadline(decision.said.until, deadlines.DECISION, key))

    def _end(self, key: str) -> Decision:
        self._ground.agenda.set(deadlines.DECISION, key, None)
        return self._in_force.pop(key)

    def _obey(self, at: datetime, out: Outcome) -> PriceChange:
        out.memory_changed = True
        return self._board.take_decisions(self.in_force, at)

    # -- what is refused --

    def _check_candidate(self, act: Believe, at: datetime) -> Decimal:
        self._check_known(act.asset, at)
        candidate = self._board.candidate(act.asset, at)
        if candidate is None:
            text = f"no price of {act.asset} waits to be confirmed; pin a price, or exclude a source"
            raise Refused("nothing_to_believe", text)
        if abs(candidate - act.price) > self._ground.rules.trust.confirm_jump * act.price:
            text = f"{act.asset} waits at {plain(candidate)} by now, not at {plain(act.price)}; look at it again"
            raise Refused("other_candidate", text)
        return candidate

    def _check_known(self, asset: str, at: datetime) -> None:
        is_priced = asset in self._board.marks or self._board.sources(asset, at)
        if not is_priced and asset not in self._ground.book.needed():
            raise Refused("unknown_asset", f"{asset}: no feed prices this coin and no group needs it")

    def _check(self, act: Exclude | Pin, at: datetime) -> None:
        if not at < act.until <= at + LONGEST:
            text = f"until {stamp(act.until)} is not within {LONGEST.days} days after {stamp(at)}"
            raise Refused("bad_until", text)
        key = Decision(act, "", at).key
        if key not in self._in_force and len(self._in_force) >= MOST_IN_FORCE:
            raise Refused("too_many_decisions", f"{MOST_IN_FORCE} decisions are in force; release one of them first")
        if isinstance(act, Exclude):
            self._check_source(act)
        else:
            self._check_pin(act)

    def _check_source(self, act: Exclude) -> None:
        trust = self._ground.rules.trust
        known = {*trust.sources, *trust.feeds, *(h.source for h in self._board.heard)}
        if act.source not in known:
            named = ", ".join(sorted(known)) or "none"
            raise Refused("unknown_source", f"{act.source}: no feed has this name; there are: {named}")

    def _check_pin(self, act: Pin) -> None:
        if not LOWEST <= act.price <= HIGHEST:
            raise Refused("bad_price", f"price {act.price}; a price is a number from 1e-18 to 1e15")
        if act.asset == USDT and USDT not in self._board.parity_assets:
            raise Refused("stated_rate", "the configuration states what USDT is worth: change prices.usdt_usd there")
        last = self._board.usd.get(act.asset)
        if last is not None and not act.confirmed and not last < act.price * FAR < last * FAR * FAR:
            text = f"{plain(act.price)} is {plain(FAR)} times away from the last price {plain(last)} or more"
            raise Refused("far_from_last", f'{text}; confirm it (--yes, or "confirmed": true) if it is meant')

    # -- alerts --

    def _tell_end(
        self, ended: Decision, act: Release | None, at: datetime, out: Outcome, by: str | None = None
    ) -> None:
        facts = _facts(ended.said) | {"by": ended.by, "reason": ended.said.reason}
        facts["ended_by"], facts["why"] = by, "its time is over" if act is None else act.reason
        self._tell(ENDED, ended.asset, facts, at, out)

    def _tell(self, type_: str, asset: str, facts: dict[str, Any], at: datetime, out: Outcome) -> None:
        standing = self.standing(asset)
        exposed = self._ground.book.exposure([asset], self._board, EXACT_SUMS)
        self._said[asset] = self._said.get(asset, 0) + 1
        facts = {
            "asset": asset,
            **facts,
            "price_now": plain_or_none(standing.price_usd),
            "trust": standing.trust,
            "groups": exposed.groups,
            "debt_usd": plain(exposed.debt),
            "group_ids": list(exposed.ids),
            "group_ids_cut": exposed.groups - len(exposed.ids),
        }
        statement = Statement(type_, asset, self._said[asset], facts, blind=standing.trust == MISSING)
        raise_alert(out, self._ground.rules.name, statement, at)


def _facts(said: Exclude | Pin) -> dict[str, Any]:
    if isinstance(said, Pin):
        return {"act": "pin", "price": plain(said.price), "until": stamp(said.until)}
    return {"act": "exclude", "source": said.source, "until": stamp(said.until)}
