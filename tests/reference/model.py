"""The reference model of loan monitoring: a fold over events, exact, small and slow.

It is the oracle that the monitor must agree with, alert by alert and to the last digit, so it shares no code with the
monitor. It prefers what can be checked by eye against decisions 4, 5 and 11. Every price is good: staleness, confirmation and
operator acts are outside of it. Rules and readings are those of docs/domain.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from tests.reference import calls, changes, deadlines, entries, refusals, spot, state, written
from tests.reference.bounds import best
from tests.reference.entries import Refused
from tests.reference.figures import (
    EXACT,
    ZERO,
    Figures,
    band,
    climb,
    counts,
    cure,
    is_at_most,
    is_below,
    ladder_value,
    liquidation_price,
    plain,
)
from tests.reference.lenders import Rates, charge, lender_of, read_versions
from tests.reference.state import CURED, DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL, Deadline, Group
from tests.reference.terms import HOUR, Loan, Version, duration, instant_after, read_line, stamp

__all__ = ["Alert", "Model", "cure", "ladder_value", "liquidation_price"]

Alert = dict[str, Any]

LIFECYCLE: dict[str, Any] = {
    "clear_margin": "0.01",
    "clear_hold_s": 900,
    "grace_reminders": ["12h", "6h", "1h", "15m"],
    "margin_call_repeat": "24h",
    "reopen": "1h",
}


def _goes_first(over_at: datetime, other: Deadline) -> bool:
    """Whether the end of a group that was left out runs before another's deadline: of one time after all but the holds."""
    return over_at < other.due or (over_at == other.due and other.kind == state.HOLD)


class Model:
    """A fold over `put`, `enter`, `close`, `prices` and `pass_time`; each returns the alerts that it caused, in order."""

    def __init__(
        self,
        name: str,
        product: dict[str, Any],
        lifecycle: dict[str, Any] | None = None,
        usdt_usd: str = "1",
        kind: str = "vip_loan",
        rates: list[tuple[datetime, str, Decimal]] | None = None,
        agreement: str | None = None,
    ) -> None:
        """`usdt_usd` is the worth of USDT, or "USDT" if its price comes with the others; `rates` are those of a rate file."""
        terms = LIFECYCLE | (lifecycle or {})
        self.name, self.agreement, self.lender = name, agreement or kind, lender_of(product, kind)
        self.versions = read_versions(product, kind, agreement)
        self.rates = Rates(self.versions, rates)
        by_hour = any(version.late_by_hour for version in self.versions)
        self._shortest = min(self.lender.period, HOUR) if by_hour else self.lender.period
        self.clear_margin = Decimal(terms["clear_margin"])
        self.clear_hold = timedelta(seconds=terms["clear_hold_s"])
        self.grace_reminders = [duration(text) for text in terms["grace_reminders"]]
        self.margin_call_repeat = duration(terms["margin_call_repeat"])
        self.reopen = duration(terms["reopen"])
        self.usdt_is_fixed = usdt_usd != "USDT"
        self.price: dict[str, Decimal] = {"USDT": Decimal(usdt_usd)} if self.usdt_is_fixed else {}
        self.groups: dict[str, Group] = {}  # in order of ids
        self.counts: dict[str, tuple[int, int]] = {}  # episode and sequence of closed groups
        self.labels: dict[str, dict[str, str]] = {}  # of each id, as it was put last
        self.left_out: dict[str, tuple[datetime, Group, Alert | None]] = {}  # when, and what is said at its end
        self.version = self.versions[0]
        self.now: datetime | None = None
        self.revalue_at = state.NEVER
        self.alerts: list[Alert] = []
        self.changes = 0  # of the rules
        self.replaced: tuple[Version, datetime] | None = (
            None  # the rules before these, and since when these are in force
        )

    # The events.

    def put(self, at: datetime, line: dict[str, Any]) -> list[Alert]:
        """Put a new group, or replace the line of a known one.

        A closed group that comes back starts in normal but goes on counting, so that no alert id comes twice. One that a
        snapshot left out goes on as it was, if it comes back soon enough with the labels that it had.
        """
        stated = read_line(line, self.agreement)
        little = [x for x in stated.loans if entries.is_dust(x, self._in_force(at))]
        forgotten = {x.id: replace(x, principal=ZERO, interest=ZERO) for x in little}
        group = Group(replace(stated, loans=tuple(forgotten.get(x.id, x) for x in stated.loans)), at)
        self._refuse(group)
        with localcontext(EXACT):
            self._advance(at)
            known = self.groups.get(group.line.id)
            if known is None:
                group.episode, group.sequence = self.counts.get(group.line.id, (0, 0))
                self._continue(group, at, line.get("labels", {}))
            self.labels[group.line.id] = line.get("labels", {})
            self._take(group, known, at)
            return self._collect()

    def enter(self, at: datetime, group_id: str, entry: dict[str, Any]) -> list[Alert]:
        """Apply a book entry to a group; one that is not allowed changes nothing."""
        with localcontext(EXACT):
            self._advance(at)
            known = self.groups[group_id]
            settled = [replace(loan, interest=spot.interest(known, loan)) for loan in known.line.loans]
            try:
                line, version = replace(known.line, loans=tuple(settled)), self._in_force(at)
                group = Group(entries.after(line, entry, version, self.price, lambda loan: self._hour(loan, at)), at)
                returned = entries.too_much(line, entry, version) if entry["type"] == "repay" else {}
                state.allow(known, entry, at)
                self._allow_call(known, group, entry, at)
                self._refuse(group)
            except Refused:
                return self._collect()
            self._take(group, known, at, entry)
            if returned:
                facts = {key: value for key, value in returned.items() if key != "asset"}
                self._say(group, at, state.OVERPAID, "repayment")["facts"] = {
                    "asset": returned["asset"],
                    "entry": str(entry.get("id", "")),
                    **facts,
                }
            return self._collect()

    def _take(self, group: Group, known: Group | None, at: datetime, entry: dict[str, Any] | None = None) -> None:
        """Watch a group as it stands from now on."""
        if known is not None:
            group.inherit(known)
        group.accrued = {loan.id: ZERO for loan in group.line.loans}
        self.groups = dict(sorted({**self.groups, group.line.id: group}.items()))
        deadlines.forget_gone(group)
        deadlines.schedule(group, self._in_force(at))
        self._apply_rules(group)
        version, booked = self._in_force(at), calls.Booked()
        if known is not None and version.calls is not None:
            booked = calls.book(group, known, entry, version, self.price, at)
        self._evaluate(group, at)
        self._tell_booked(group, booked, at)
        self._look_at_interest(group, at)

    def _continue(self, group: Group, at: datetime, labels: dict[str, str]) -> None:
        """Go on where the group was when a snapshot left it out. What nobody saw meanwhile neither held nor reminded."""
        left_at, left, said = self.left_out.get(group.line.id, (at, None, None))
        if left is None:
            return
        if at - left_at > self.reopen or self.labels[group.line.id] != labels:
            self._over(group.line.id, at, left, said)
            group.episode, group.sequence = self.counts[group.line.id]
            return
        del self.left_out[group.line.id]
        group.inherit(left)
        group.hold_since = None
        if group.stage == DELAYED:
            group.reminded = at
        elif group.stage == MARGIN_CALL and self.margin_call_repeat:
            group.reminded += (at - group.reminded) // self.margin_call_repeat * self.margin_call_repeat

    def close(self, at: datetime, group_id: str, source: str = "book") -> list[Alert]:
        """Forget a group and its deadlines. One in an episode says that it is over, and not how: no stage follows.

        What a person closes does not go on; what a snapshot left out is over when it can come back no more.
        """
        with localcontext(EXACT):
            self._advance(at)
            group = self.groups.pop(group_id)
            may_return = source != "api" and bool(self.reopen)
            self.left_out.pop(group_id, None)
            said = self._closing(group, at, {"source": source} | ({"left_at": stamp(at)} if may_return else {}))
            self.counts[group_id] = group.episode, group.sequence
            if may_return:
                self.left_out[group_id] = at, group, said
            elif said is not None:
                self._over(group_id, at, group, said)
            return self._collect()

    def _closing(self, group: Group, at: datetime, facts: dict[str, str]) -> Alert | None:
        """What is to be said of a group in an episode, on the figures of now, when it is over."""
        if group.stage == NORMAL:
            return None
        said = written.alert(group, at, state.CLOSED, "closed", self.version)
        said |= written.figures(group, self._known(group), self.price, self.lender)
        return said | {"stage_to": None, "deadline": None, "supersedes": group.last_stage_alert, "facts": facts}

    def _over(self, group_id: str, at: datetime, group: Group, said: Alert | None) -> None:
        """A group is closed, and comes back no more or as another life."""
        self.left_out.pop(group_id, None)
        if said is not None:
            sequence = group.sequence + 1
            id_ = state.alert_id(self.name, group_id, group.episode, sequence, state.CLOSED)
            self.alerts.append(said | {"timestamp": stamp(at), "sequence": sequence, "id": id_})
            self.counts[group_id] = group.episode, sequence

    def prices(self, at: datetime, usd: Mapping[str, str | Decimal]) -> list[Alert]:
        """Take one batch of USD prices and evaluate, in order of ids, the groups that it concerns.

        On unchanged prices an evaluation could only decide a clear hold that ends now, so other groups are skipped.
        """
        with localcontext(EXACT):
            self._advance(at)
            named = {asset: Decimal(text) for asset, text in usd.items() if asset != "USDT" or not self.usdt_is_fixed}
            changed = {asset: price for asset, price in named.items() if self.price.get(asset) != price}
            self.price.update(changed)
            for group in self.groups.values():
                if not group.assets.isdisjoint(named if self._hold_end(group) == at else changed):
                    self._evaluate(group, at, on_new_prices=True)
            return self._collect()

    def pass_time(self, at: datetime) -> list[Alert]:
        """Let the deadlines run that are due."""
        with localcontext(EXACT):
            self._advance(at)
            return self._collect()

    def _collect(self) -> list[Alert]:
        alerts, self.alerts = self.alerts, []
        return alerts

    def _refuse(self, group: Group) -> None:
        version = self._in_force(group.put_at)
        refusals.check(group, self.groups.values(), version, self.lender, self.rates, group.put_at)

    # Time: deadlines run before the event, in order, one by one (decision 5).

    def _advance(self, at: datetime) -> None:
        """Run what is due at or before `at`: accrual first, then group by group in order of ids.

        Clear holds come last of one time: they wait for a strictly later event, so that whether time was told to pass
        in between must not change the order.
        """
        if self.now is None:
            self.version, self.revalue_at = self._in_force(at), self._revaluation_after(at)
        elif at < self.now:
            raise ValueError(f"time runs backwards: {at} after {self.now}")
        self.now = at
        while True:
            ready = [group for group in self.groups.values() if state.may_run(group.next, at)]
            first = min(ready, key=lambda g: (g.next.due, g.next.kind == state.HOLD, g.line.id), default=None)
            gone = min(((left_at + self.reopen, id_) for id_, (left_at, _, _) in self.left_out.items()), default=None)
            is_over = gone is not None and gone[0] <= at and (first is None or _goes_first(gone[0], first.next))
            if self.revalue_at <= (gone[0] if is_over and gone else first.next.due if first else at):
                self._revalue(self.revalue_at)
            elif is_over and gone:
                self._over(gone[1], gone[0], *self.left_out[gone[1]][1:])
            elif first:
                self._run(first)
            else:
                return

    def _revalue(self, at: datetime) -> None:
        """Add interest, or take a new version of the rules: every group is decided on the prices before."""
        former, self.version = self.version, self._in_force(at)
        self.revalue_at = self._revaluation_after(at)
        if former is not self.version:
            self.replaced = former, at
        accrues = at == instant_after(at - timedelta(microseconds=1), self._shortest)
        before = self._recognised() if former is not self.version else ZERO
        for group in self.groups.values():
            if accrues:
                self._accrue(group, at)
            deadlines.schedule(group, self.version) if former is not self.version else None
            self._apply_rules(group)
        if former is not self.version:
            self.changes += 1
            self.alerts.append(changes.alert(self, at, former, before, self._recognised()))
        for group in self.groups.values():
            self._evaluate(group, at, former=former)
        for group in self.groups.values():
            self._look_at_interest(group, at)

    def _recognised(self) -> Decimal:
        return sum((self._figures(group).recognised for group in self.groups.values() if group.priced), ZERO)

    def _look_at_interest(self, group: Group, at: datetime) -> None:
        """Say once of a coin that its Spot balance does not pay its interest (rule 28), until it does again."""
        found, known = spot.shortfalls(group), group.short
        group.short = set(found)
        for asset, facts in found.items():
            if asset not in known:
                self._say(group, at, state.SHORTFALL, "interest")["facts"] = facts

    def _accrue(self, group: Group, at: datetime) -> None:
        """Add to each loan what an instant adds (rules 24, 25, 34), never twice for one: it is called once for each."""
        for loan in group.line.loans:
            so_far = replace(loan, interest=loan.interest + group.accrued[loan.id])
            group.accrued[loan.id] += charge(
                so_far, at, self.version, self._in_force(loan.opened_at), self.rates, self.lender.period
            )

    def _hour(self, loan: Loan, at: datetime) -> Decimal:
        """What one hour of a flexible loan costs at the rate of now; zero where there is none, which the book refuses."""
        if self.rates.at(loan.asset, at) is None:
            return ZERO
        now, any_time = self._in_force(at), timedelta(microseconds=1)
        return charge(replace(loan, matures_at=None), at, now, now, self.rates, any_time)

    def _revaluation_after(self, at: datetime) -> datetime:
        coming = [version.effective for version in self.versions if version.effective > at]
        return min([instant_after(at, self._shortest), *coming])

    def _in_force(self, at: datetime) -> Version:
        """The newest version that is effective; before the earliest one the earliest applies."""
        effective = [version for version in self.versions if version.effective <= at]
        return effective[-1] if effective else self.versions[0]

    def _run(self, group: Group) -> None:
        """Run the group's next deadline, at the deadline's own time."""
        at, kind, _ = deadline = group.next
        if kind == state.GRACE:
            self._move(group, at, LIQUIDATION, state.TRIGGERED, "grace_expired")
        elif kind == state.HOLD:
            self._move(group, at, NORMAL, CURED[MARGIN_CALL])
        elif kind == state.EXPIRY:
            self._expire(group, at)
        elif kind == state.DUE:
            group.call.told_at = at
            self._say_of_call(group, at, calls.DUE, self._transit(group.call, at))
        elif kind == state.REMINDER:
            group.reminded = at
            said = self._say(group, at, state.REMINDED[group.stage])
            if group.stage == MARGIN_CALL and group.call is not None and group.call.is_open:
                said["facts"] = group.call.facts
        else:
            # New rules that move a date into the past bring it about when they come into force.
            self._run_loan_deadline(group, max(at, self.replaced[1]) if self.replaced else at, deadline)
        self._set_next(group)

    def _run_loan_deadline(self, group: Group, at: datetime, deadline: Deadline) -> None:
        """Say what comes near, say at its maturity that a loan is overdue, and liquidate 24 hours later (reading A12)."""
        loan, kind, place = group.line.loans[deadline.loan], deadline.kind, len(self.alerts)
        is_new = self.replaced is not None and changes.has_moved(group, loan, kind, at, *self.replaced)
        group.ran.add(state.loan_key(group, deadline))
        deadlines.schedule(group, self.version)
        if kind in (state.RENEWAL, state.MATURING):
            said = state.RENEWAL_OPEN if kind == state.RENEWAL else state.NEAR_MATURITY
            self._say(group, at, said, "term")["facts"] = spot.renewal(group, loan, self.version, self.price)
        elif kind == state.MATURITY:
            self._say(group, at, state.OVERDUE_LOAN, "overdue")["facts"] = spot.overdue(loan, self.version, group)
        elif group.stage == LIQUIDATION:
            group.reason = "overdue"
        else:
            self._move(group, at, LIQUIDATION, state.TRIGGERED, "overdue")
        for said in self.alerts[place:] if is_new and self.replaced else ():
            said |= {"cause": "rules", "rules_from": self.replaced[0].rules}

    def _set_next(self, group: Group) -> None:
        hold = self._hold_end(group)
        of_call = calls.next_dates(group, self.version.calls, hold)
        group.next = deadlines.first_of(group, hold, self.grace_reminders, self.margin_call_repeat, of_call)

    def _hold_end(self, group: Group) -> datetime | None:
        return group.hold_since and group.hold_since + self.clear_hold

    # Value: what the group holds and owes under the rules in force (rules 29 and 30, reading A1).

    def _apply_rules(self, group: Group) -> None:
        """Apply the version in force and the interest so far; only listed, non-zero quantities need a price."""
        line, version, falls = group.line, self.version, self.lender.falls
        group.thresholds = version.lines_of(line)
        first = group.thresholds.get("margin_call", group.thresholds["liquidation"])
        group.warnings = tuple(level for level in version.warnings if (level > first if falls else level < first))
        group.holdings = tuple(
            (asset, quantity, ladder)
            for asset, quantity in line.collateral.items()
            if quantity and (ladder := version.ladder(asset)) is not None
        )
        # What open orders might lose is taken off net equity once the collateral ratios count (section 3.7).
        has_ratios = version.maintenance is not None and version.unlisted is None
        group.order_loss = line.order_loss if has_ratios else ZERO
        owed: dict[str, Decimal] = {}
        for loan in line.loans:
            owed[loan.asset] = owed.get(loan.asset, ZERO) + loan.principal + spot.interest(group, loan)
        group.debts = tuple((asset, quantity) for asset, quantity in owed.items() if quantity)
        group.assets = frozenset([holding[0] for holding in group.holdings] + [debt[0] for debt in group.debts])
        group.priced = group.assets <= self.price.keys()
        if not group.priced:
            # The LTV of an unknown group cannot be low throughout a hold.
            group.hold_since = None

    def _figures(self, group: Group) -> Figures:
        """Debt and recognised value (reading A1); of liabilities their maintenance margin and the net equity (rule 37)."""
        price, debt, recognised, tiers = self.price, ZERO, -group.order_loss, self.version.maintenance
        for asset, quantity in group.debts:
            value = quantity * price[asset]
            if tiers is None:
                debt += value
            else:
                debt += climb(tiers[asset], value)
                recognised -= value
        for asset, quantity, ladder in group.holdings:
            recognised += counts(ladder, quantity, price[asset])
        return Figures(debt, recognised)

    # Decisions: the stage table of decision 11.

    def _evaluate(self, group: Group, at: datetime, on_new_prices: bool = False, former: Version | None = None) -> None:
        """Decide a group on the prices in force. Of one without all prices only what is sure is decided, and nothing good.

        `former` are the rules until now: what only the new ones bring about says so.
        """
        group.priced = group.priced or group.assets <= self.price.keys()
        if group.priced:
            place, shadow = len(self.alerts), changes.shadow(group) if former not in (None, self.version) else None
            self._decide(group, at, self._figures(group), on_new_prices)
            if shadow is not None and former is not None and len(self.alerts) > place:
                said = self.alerts[place]
                said |= changes.cause(self, shadow, at, former, said["type"])
            while group.late:
                self._run_loan_deadline(group, at, group.late[0])
        elif (found := self._known(group)) is not None:
            place, shadow = len(self.alerts), changes.shadow(group) if former not in (None, self.version) else None
            self._decide(group, at, found, on_new_prices)
            if shadow is not None and former is not None and len(self.alerts) > place:
                said = self.alerts[place]
                said |= changes.cause(self, shadow, at, former, said["type"])
        self._look_at_call(group, at)
        self._set_next(group)

    # Margin calls with an amount and a clock (section 10).

    def _allow_call(self, known: Group, group: Group, entry: dict[str, Any], at: datetime) -> None:
        """An entry about a call needs an open one; a substitution may not make the level worse. Raises Refused."""
        terms = self._in_force(at).calls
        if not calls.is_taken(group, known, entry, terms, at):
            raise Refused("there is no such call, dispute or substitution")
        if entry["type"] != "withdraw" or "substitution" not in entry:
            return
        asset, quantity = known.substitutions[entry["substitution"]]
        found = []
        for line in (
            entries.without(known.line, asset, Decimal(quantity.numerator) / quantity.denominator),
            group.line,
        ):
            trial = Group(line, at)
            trial.accrued = dict(known.accrued) if line is not group.line else {x.id: ZERO for x in line.loans}
            self._apply_rules(trial)
            found.append(self._figures(trial))
        if found[1].debt * found[0].recognised > found[0].debt * found[1].recognised:
            raise Refused("the level would be worse")

    def _tell_booked(self, group: Group, booked: calls.Booked, at: datetime) -> None:
        """Say what came for a call, or that it is disputed, unless it met the call or ended it."""
        call = booked.call
        if call is None or group.call is not call or call.met:
            return
        if "dispute" in booked.facts:
            self._say_of_call(group, at, calls.DISPUTED, booked.facts)
        elif booked.value > 0:
            self._say_of_call(group, at, calls.PARTLY_MET, booked.facts)

    def _say_of_call(self, group: Group, at: datetime, kind: str, more: Mapping[str, str] | None = None) -> None:
        facts = group.call.facts
        self._say(group, at, kind, "call")["facts"] = facts | dict(more or {})

    def _transit(self, call: calls.Call, at: datetime) -> dict[str, str]:
        on_its_way = [t.value for t in call.transit if at < t.expected]
        return {"in_transit_usd": calls.money(sum(on_its_way, calls.CENT) - calls.CENT)}

    def _end_call(self, group: Group, at: datetime) -> None:
        """The margin call is over. What is cured without anything having come was cured by prices alone."""
        call = group.call
        if call is None or group.stage == MARGIN_CALL:
            return
        if group.stage == NORMAL and not call.met:
            found = self._known(group)
            cured = found is not None and (not found.debt or calls.is_at(found, call.target, self.lender.falls))
            is_met = not call.outstanding or (call.received > 0 and cured)
            self._say_of_call(group, at, calls.MET if is_met else calls.WITHDRAWN)
        group.call = None

    def _look_at_call(self, group: Group, at: datetime) -> None:
        terms, call, falls = self.version.calls, group.call, self.lender.falls
        if terms is None:
            return
        if call is not None and group.stage == MARGIN_CALL:
            found = self._figures(group) if group.priced else None
            if found is not None and not call.met and (not call.outstanding or calls.is_at(found, call.target, falls)):
                call.met = True
                self._say_of_call(group, at, calls.MET)
            if call.is_open and at >= call.due and calls.missed(call, terms, at):
                self._expire(group, at)
            elif found is not None:
                again = call.met and bool(found.debt)
                again = again and not is_below(found, group.thresholds["margin_call"], falls)
                short = calls.needed(found, call.target, falls) - Fraction(found.recognised)
                if again or (call.is_open and short >= 2 * call.amount):
                    self._open_next(group, at, found)
        if terms.return_below is not None and group.stage == NORMAL and group.priced:
            self._look_at_return(group, at, self._figures(group))

    def _open_next(self, group: Group, at: datetime, found: Figures) -> None:
        before, alert = group.call, self._say(group, at, state.OPENED)
        alert["supersedes"], group.last_stage_alert = group.last_stage_alert, alert["id"]
        terms = self.version.calls
        group.call = calls.opened(group, found, terms, self.lender.falls, at, alert["id"], before.number + 1)
        alert["facts"] = group.call.facts | ({"supersedes_call": before.number} if before.is_open else {})

    def _expire(self, group: Group, at: datetime) -> None:
        terms, call = self.version.calls, group.call
        call.expired = True
        self._say_of_call(group, at, calls.EXPIRED, self._transit(call, at) | {"on_expiry": terms.on_expiry})
        if terms.on_expiry == "delayed_liquidation":
            self._move(group, at, DELAYED, state.STARTED, "call_expired")
        elif terms.on_expiry == "liquidation":
            self._move(group, at, LIQUIDATION, state.TRIGGERED, "call_expired")

    def _look_at_return(self, group: Group, at: datetime, found: Figures) -> None:
        terms = self.version.calls
        spare = Fraction(found.recognised) - calls.needed(found, terms.return_below, self.lender.falls)
        spare = max(Fraction(int(spare * 100), 100), Fraction(0)) if spare > 0 else Fraction(0)
        changed = abs(spare - (group.returnable or 0)) >= terms.minimum
        if spare < terms.minimum:
            group.returnable = None if changed else group.returnable
        elif group.returnable is None or changed:
            group.returnable = spare
            level = Decimal(terms.return_below.numerator) / terms.return_below.denominator
            told = {"returnable_usd": calls.money(spare), "return_below": plain(level)}
            self._say(group, at, calls.RETURNABLE)["facts"] = told

    def _known(self, group: Group) -> Figures | None:
        """What is sure of a group: its figures, or the best that missing prices leave possible, if that has an end."""
        if group.priced:
            return self._figures(group)
        return best(group, self.price, self.version.maintenance, group.order_loss)

    def _decide(self, group: Group, at: datetime, figures: Figures, on_new_prices: bool) -> None:
        """Make the one move of the stage table that this evaluation calls for; in normal, without one, warn early."""
        for level in list(group.used_warnings):
            if group.priced and self._is_clear_of(figures, level):
                group.used_warnings.remove(level)
        moved = self._worsen(group, at, band(figures, group.thresholds, self.lender.falls, self.lender.passed))
        if not moved and group.stage == NORMAL:
            self._warn(group, at, figures)
        elif not moved and group.priced:
            self._improve(group, at, figures, on_new_prices)

    def _is_clear_of(self, figures: Figures, level: Decimal) -> bool:
        """A figure is on the good side of a level by the clear margin."""
        margin = self.clear_margin if self.lender.falls else -self.clear_margin
        return is_below(figures, level + margin, self.lender.falls)

    def _worsen(self, group: Group, at: datetime, reached: str) -> bool:
        """The rows that lead to a worse stage because of the LTV, naming the stage alerts that were skipped."""
        if group.stage == LIQUIDATION:
            return False
        if group.stage == DELAYED:
            # Rule 14 knows no exception, so it holds even for one that left the enrolment during its grace period.
            return reached == "immediate" and self._move(group, at, LIQUIDATION, state.TRIGGERED, "immediate")
        skipped = [state.OPENED] if group.stage == NORMAL and "margin_call" in group.thresholds else []
        enrolled = group.line.enrolled or self.lender.is_enrolled
        if reached == "immediate" and enrolled:
            return self._move(group, at, LIQUIDATION, state.TRIGGERED, "immediate", [*skipped, state.STARTED])
        if reached == "liquidation" and enrolled:
            return self._move(group, at, DELAYED, state.STARTED, "ltv", skipped)
        if reached in ("liquidation", "immediate"):
            return self._move(group, at, LIQUIDATION, state.TRIGGERED, "ltv", skipped)
        return reached == "margin_call" and group.stage == NORMAL and self._move(group, at, MARGIN_CALL, state.OPENED)

    def _improve(self, group: Group, at: datetime, figures: Figures, on_new_prices: bool) -> None:
        """The rows that lead back to normal: LTV <= initial (reading A5) with no loan overdue, or the end of a clear hold."""
        healthy = is_at_most(figures, group.thresholds["initial"], self.lender.falls)
        if group.stage == LIQUIDATION and group.reason == "overdue":
            healthy = healthy and not any(loan.is_overdue(at) for loan in group.line.loans)
        elif group.stage == MARGIN_CALL and not healthy:
            healthy = self._has_held(group, at, figures) and on_new_prices
        if healthy:
            self._move(group, at, NORMAL, CURED[group.stage])

    def _has_held(self, group: Group, at: datetime, figures: Figures) -> bool:
        """Start, keep or drop the clear hold, and tell whether it has run its length.

        An evaluation at its very end decides only on the prices of that time, so not one by the accrual or by a put.
        """
        if not self._is_clear_of(figures, group.thresholds["margin_call"]):
            group.hold_since = None
            return False
        group.hold_since = group.hold_since or at
        return at >= group.hold_since + self.clear_hold

    def _warn(self, group: Group, at: datetime, figures: Figures) -> None:
        """Warn once of the levels reached that are armed, as one alert, and use them up."""
        reached = state.passed_warnings(group, figures, self.lender.falls)
        if not reached <= group.used_warnings:
            group.used_warnings |= reached
            self._say(group, at, state.WARNED)

    # Alerts.

    def _move(
        self, group: Group, at: datetime, to: str, kind: str, reason: str = "ltv", suppressed: Sequence[str] = ()
    ) -> bool:
        """Change the stage and say so: count episodes, set the stage's clocks, use up the warnings that it passed."""
        came_from, group.stage = group.stage, to
        if came_from == NORMAL:
            group.episode += 1
            group.last_stage_alert = None
        group.reason = reason if to == LIQUIDATION else ""
        group.deadline = None
        if to == DELAYED:
            assert self.version.grace is not None
            group.deadline = at + self.version.grace
        group.reminded, group.hold_since = at, None
        if (found := self._known(group)) is not None:
            group.used_warnings |= state.passed_warnings(group, found, self.lender.falls)
        alert = self._say(group, at, kind, reason)
        alert |= {"stage_from": came_from, "suppressed": list(suppressed), "supersedes": group.last_stage_alert}
        group.last_stage_alert = alert["id"]
        if kind == state.OPENED and self.version.calls is not None and (found := self._known(group)) is not None:
            terms = self.version.calls
            group.call = calls.opened(group, found, terms, self.lender.falls, at, alert["id"], 1)
            alert["facts"] = group.call.facts
        self._end_call(group, at)
        return True

    def _say(self, group: Group, at: datetime, kind: str, reason: str = "ltv") -> Alert:
        group.sequence += 1
        alert = written.alert(group, at, kind, reason, self.version, self.lender.figure)
        alert |= written.figures(group, self._known(group), self.price, self.lender)
        alert["id"] = state.alert_id(self.name, group.line.id, group.episode, group.sequence, kind)
        self.alerts.append(alert)
        return alert
