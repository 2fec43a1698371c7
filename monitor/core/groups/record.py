"""A group under watch: what is held, where it stands, and what it weighed last. The only mutable record of core."""

from __future__ import annotations

from datetime import datetime

from monitor.core.alerts.alert import Debt, Figures, GroupRef, Input
from monitor.core.deadlines import ACKNOWLEDGED, DUE, EXPIRY, GRACE, GROUP, HOLD, REMINDER, Deadline
from monitor.core.groups.outcome import Sight, StoredGroup
from monitor.core.money import ZERO
from monitor.core.prices.good_prices import PricesThen
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Lifecycle
from monitor.core.stages.calls import due_reminder, expires_at
from monitor.core.stages.decision import Calm
from monitor.core.stages.maturity import Due, dates
from monitor.core.stages.stages import DELAYED, MARGIN_CALL, GroupState, reminder_due
from monitor.core.valuation.bounds import WeightBounds
from monitor.core.valuation.shown_figures import ltv_of
from monitor.core.valuation.valuation import Holding, Owed, Position, Weight, holding, owed, positions


class GroupRecord:
    """One group. `weight` is None while a price is missing, and `bounds` are not; `blind` while one is not trusted."""

    def __init__(self, stored: StoredGroup, state: GroupState, product: Product, at: datetime) -> None:
        self.group = stored.group
        self.source = stored.source
        self.version = stored.version
        self.put_at = stored.put_at
        self.state = state
        self.product = product
        self.weight: Weight | None = None
        self.bounds: WeightBounds | None = None
        self.blind = False
        self.is_unwatched = False
        """Whoever looks at its prices is missing: it is blind, whatever they say."""
        self.renew(at)

    def renew(self, at: datetime) -> None:
        """Works out the holding again: another day, other rules, other holdings."""
        self.held: Holding = holding(self.group, self.product, at)
        self.calm: Calm | None = None
        """Between which LTVs nothing is to be decided; None until the state and the holding of now are looked at."""
        self.has_past: bool = bool(self.past_deadlines())
        """Deadlines of its loans had passed when it was put and wait for its first evaluation."""

    def keep(self, state: GroupState) -> None:
        """Takes the state that a verdict or a deadline left."""
        self.state = state
        self.calm = None

    def past_deadlines(self) -> list[Due]:
        """Those of `loan_deadlines` that had passed when the group was put."""
        return [d for d in self.loan_deadlines() if d[0] <= self.put_at]

    def stored(self) -> StoredGroup:
        """The group as a store keeps it."""
        return StoredGroup(self.group, self.source, self.version, self.put_at)

    def sight(self) -> Sight:
        """The group as the desk sees it now; a value that no later event changes."""
        return Sight(
            self.group,
            self.state,
            self.held,
            self.weight,
            self.blind,
            self.source,
            self.version,
            self.put_at,
            self.bounds,
        )

    @property
    def decisive(self) -> Weight | None:
        """What decides about the group: its weight, or the best that missing coins leave possible, if that has an end."""
        return self.weight if self.bounds is None else self.bounds.best

    @property
    def ref(self) -> GroupRef:
        """How an alert names the group."""
        g = self.group
        return GroupRef(g.id, g.product, g.receiving_account, g.labels)

    def deadlines(self, how: Lifecycle) -> tuple[Deadline | None, Deadline | None]:
        """The next firm deadline and the end of the clear hold, see core/deadlines.py.

        A loan's deadline that was past when the group was put is none of them: it runs after the first evaluation.
        """
        state, id_ = self.state, self.group.id
        firm = [Deadline(due, GROUP, id_, kind) for due, kind, _ in self.loan_deadlines() if due > self.put_at]
        hold = self.hold_end(how)
        reminder = reminder_due(state, how)
        # A reminder that is due just when a hold ends waits behind it: a cure would make it void.
        if reminder is not None and reminder != hold:
            firm.append(Deadline(reminder, GROUP, id_, REMINDER))
        if state.stage == DELAYED and state.deadline is not None:
            firm.append(Deadline(state.deadline, GROUP, id_, GRACE))
        firm += self._call_deadlines(hold)
        if state.ack is not None and state.ack.until is not None:
            firm.append(Deadline(state.ack.until, GROUP, id_, ACKNOWLEDGED))
        return min(firm, default=None), Deadline(hold, GROUP, id_, HOLD) if hold is not None else None

    def _call_deadlines(self, hold: datetime | None) -> list[Deadline]:
        """Those of a margin call with a clock. What is said before it is due waits behind a hold that ends just then."""
        call, rules = self.state.call, self.held.version.calls
        if call is None or rules is None:
            return []
        times = {EXPIRY: expires_at(call, rules), DUE: due_reminder(call, rules)}
        return [
            Deadline(at, GROUP, self.group.id, kind)
            for kind, at in times.items()
            if at is not None and (kind, at) != (DUE, hold)
        ]

    def hold_end(self, how: Lifecycle) -> datetime | None:
        """When the running clear hold is decided; None while the group is blind, as nothing is cured then."""
        state = self.state
        if state.stage != MARGIN_CALL or state.below_since is None or self.weight is None or self.blind:
            return None
        return state.below_since + how.clear_hold

    def loan_deadlines(self) -> list[Due]:
        """The dates of every owed term loan as far as they have not run, in order."""
        return dates(self.group.loans, self.state, self.held.version, self.put_at)

    def figures(self, board: PricesThen) -> Figures:
        """All that an alert must hold so that anyone can recompute it."""
        held, usd = self.held, board.usd
        priced = positions(held, usd)
        loans = owed(self.group, self.product, held.day, usd, held.minute)
        weight, version = self.decisive, held.version
        known = self.weight is not None
        if not known and weight is not None and not weight.debt:
            weight = None  # a bound that says nothing
        return Figures(
            ltv=ltv_of(held, weight) if weight is not None else None,
            debt_usd=weight.debt if weight is not None else None,
            recognised_usd=weight.recognised if weight is not None else None,
            market_usd=sum((p.value for p in priced if p.value is not None), ZERO) if known else None,
            thresholds=held.lines,
            inputs=tuple(_input(p, board) for p in priced),
            debts=tuple(_debt(o, board) for o in loans),
            rules=self.product.rules_name(version),
            missing=self.bounds.missing if self.bounds is not None else (),
            uncounted=tuple((a, q) for a, q in sorted(self.group.quantities().items()) if version.ladder(a) is None),
            terms=self.product.terms,
        )


def _input(position: Position, board: PricesThen) -> Input:
    mark = board.marks.get(position.asset)
    return Input(
        asset=position.asset,
        quantity=position.quantity,
        price=position.price,
        quote=mark.quote if mark else ("USD" if position.price is not None else None),
        quote_price=mark.quote_price if mark else position.price,
        source=mark.source if mark else ("usdt_usd" if position.price is not None else None),
        price_at=mark.price_at if mark else None,
        trust=board.trust_of(position.asset),
        value_usd=position.value,
        recognised_usd=position.recognised,
        pinned=mark.pinned if mark else None,
    )


def _debt(item: Owed, board: PricesThen) -> Debt:
    loan, mark = item.loan, board.marks.get(item.loan.asset)
    return Debt(
        loan.id, loan.asset, loan.principal, item.interest, item.price, item.value, mark.pinned if mark else None
    )
