"""A group under watch: what is held, where it stands, and what it weighed last. The only mutable record of core."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from monitor.core.agenda import GRACE, GROUP, HOLD, MATURITY, OVERDUE, PAST, REMINDER, Deadline
from monitor.core.alerts import Debt, Figures, GroupRef, Input
from monitor.core.book import Group, Loan
from monitor.core.lifecycle import DELAYED, MARGIN_CALL, GroupState, reminder_due
from monitor.core.money import ZERO
from monitor.core.outcome import Sight
from monitor.core.prices import PriceBoard
from monitor.core.product import Lifecycle, Product
from monitor.core.valuation import Holding, Owed, Position, Weight, holding, owed, positions


class Watched:
    """One group. `weight` is None while a price is missing; `blind` while one is not trusted."""

    __slots__ = ("blind", "calm", "group", "held", "product", "put_at", "source", "state", "version", "weight")

    def __init__(
        self,
        group: Group,
        source: str,
        version: int,
        put_at: datetime,
        state: GroupState,
        product: Product,
        at: datetime,
    ) -> None:
        self.group, self.source, self.version, self.put_at = group, source, version, put_at
        self.state, self.product = state, product
        self.weight: Weight | None = None
        self.blind = False
        self.renew(at)

    def renew(self, at: datetime) -> None:
        """Takes the holding anew: another day, other rules, other holdings."""
        self.held: Holding = holding(self.group, self.product, at)
        lines = [w for w in self.held.version.warnings if w < self.held.lines.margin_call]
        self.calm: Decimal = min([*lines, self.held.lines.margin_call])

    def sight(self) -> Sight:
        """The group as the desk sees it now; a value that no later event changes."""
        w = self
        return Sight(w.group, w.state, w.held, w.weight, w.blind, w.source, w.version, w.put_at)

    @property
    def ref(self) -> GroupRef:
        """How an alert names the group."""
        g = self.group
        return GroupRef(g.id, g.product, g.receiving_account, g.labels)

    def deadlines(self, how: Lifecycle) -> tuple[Deadline | None, Deadline | None]:
        """The next firm deadline and the next late one, see agenda.py."""
        state, id_ = self.state, self.group.id
        firm: list[Deadline] = []
        late: list[Deadline] = []
        if state.stage == DELAYED and state.deadline is not None:
            firm.append(Deadline(state.deadline, GROUP, id_, GRACE))
        reminder = reminder_due(state, how)
        if reminder is not None:
            firm.append(Deadline(reminder, GROUP, id_, REMINDER))
        if state.stage == MARGIN_CALL and state.below_since is not None and self.weight is not None and not self.blind:
            late.append(Deadline(state.below_since + how.clear_hold, GROUP, id_, HOLD))
        for due, kind, _ in self.loan_deadlines():
            if due > self.put_at:
                firm.append(Deadline(due, GROUP, id_, kind))
            else:
                # It was past when the group was put: it runs after the first evaluation, or before the next later event.
                late.append(Deadline(self.put_at, GROUP, id_, PAST))
        return min(firm, default=None), min(late, default=None)

    def loan_deadlines(self) -> list[tuple[datetime, int, Loan]]:
        """(time, MATURITY or OVERDUE, loan) of every owed term loan as far as they have not run; maturities first."""
        terms = [(x, x.matures_at) for x in self.group.loans if x.matures_at is not None and x.is_owed]
        state = self.state
        noted = [(m, MATURITY, x) for x, m in terms if (x.id, m) not in state.noted]
        called = [(self.overdue_at(m), OVERDUE, x) for x, m in terms if (x.id, m) not in state.called]
        return [*noted, *called]

    @property
    def has_past_deadlines(self) -> bool:
        """A loan's deadline was past when the group was put, and waits for the first evaluation."""
        return bool(self.group.loans) and any(due <= self.put_at for due, _, _ in self.loan_deadlines())

    def ran(self, loan: Loan, kind: int) -> GroupState:
        """The state in which a loan's deadline has run."""
        assert loan.matures_at is not None
        key = (loan.id, loan.matures_at)
        if kind == MATURITY:
            return msgspec.structs.replace(self.state, noted=(*self.state.noted, key))
        return msgspec.structs.replace(self.state, called=(*self.state.called, key))

    def overdue_at(self, matures_at: datetime) -> datetime:
        """When an unpaid loan is liquidated: a day after its maturity, or when a waiver ends."""
        due = matures_at + self.held.version.overdue_after
        waived = self.state.waived_until
        return due if waived is None else max(due, waived)

    def figures(self, board: PriceBoard) -> Figures:
        """All that an alert must hold so that anyone can recompute it."""
        held, usd = self.held, board.usd
        priced = positions(held, usd)
        loans = owed(self.group, self.product, held.day, usd)
        weight = self.weight
        known = weight is not None
        return Figures(
            ltv=weight.ltv if weight is not None else None,
            debt_usd=weight.debt if weight is not None else None,
            recognised_usd=weight.recognised if weight is not None else None,
            market_usd=sum((p.value for p in priced if p.value is not None), ZERO) if known else None,
            thresholds=held.lines,
            inputs=tuple(_input(p, board) for p in priced),
            debts=tuple(_debt(o) for o in loans),
            rules=self.product.rules_name(held.version),
        )


def _input(position: Position, board: PriceBoard) -> Input:
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
    )


def _debt(item: Owed) -> Debt:
    return Debt(item.loan.id, item.loan.asset, item.loan.principal, item.interest, item.price, item.value)
