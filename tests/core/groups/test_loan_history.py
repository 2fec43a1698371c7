"""The history of a group: a row for what becomes of each loan, and what each day charged, never twice (issue 4)."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.events.history import Row
from monitor.core.groups.daily_interest import Charge, Stretch, charges
from monitor.core.loans.interest import interest
from monitor.core.money import exact
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, both_books, product

pytestmark = both_books

D = Decimal
RATED = product(version(rates={"COIN": "0.01", "USDT": "0.001"}))
TWO = [loan(id="L-1", principal="50", interest="1"), loan("USDT", "10", id="L-2", opened_at="2025-12-21T10:00:00Z")]


class RowDesk(Desk):
    """A desk that keeps the rows that its monitor made."""

    def __init__(self, *lines: dict[str, Any], **more: Any) -> None:
        self.rows: list[Row] = []
        super().__init__(*lines, **{"of": RATED, **more})

    def handle(self, event: Any) -> Any:
        said = super().handle(event)
        self.rows += self.last.history
        return said

    def stretches(self, until: datetime) -> list[Stretch]:
        ended = [Stretch(r.before, RATED, r.until) for r in self.rows if r.before is not None and r.until is not None]
        seen = self.monitor.sight("G-1")
        return [*ended, *(Stretch(x, RATED, until) for x in (seen.group.loans if seen else ()))]

    def charged(self, time: str) -> list[Charge]:
        with exact():
            return list(charges(self.stretches(clock(time)), None, clock(time)))


def rated_desk() -> RowDesk:
    it = RowDesk(line(loans=TWO))
    it.price("00:00", "0.5")
    assert it.rows == [], "loans that come with their group say themselves when they were opened"
    return it


def short(it: RowDesk) -> list[str]:
    return [f"{r.kind}:{r.loan} {r.facts.get('what', '')}".strip() for r in it.rows]


def repay(**more: Any) -> dict[str, Any]:
    return {"type": "repay", "asset": "COIN", **more}


def test_a_repayment_says_what_went_to_interest_and_principal_and_what_remains() -> None:
    it = rated_desk()
    it.enter("30:00", repay(amount="11.5"))
    assert short(it) == ["repayment:L-1", "settled:L-2"]
    assert it.rows[0].at == clock("30:00")
    assert it.rows[0].facts == {
        "entry": "e-1",
        "asset": "COIN",
        "amount": "11.5",
        "interest_paid": "1.5",
        "principal_paid": "10",
        "interest_left": "0",
        "principal_left": "40",
        "ltv_after": "0.3001",
    }


def test_a_loan_that_is_paid_off_is_closed() -> None:
    it = rated_desk()
    it.enter("10:00", repay(percent="100"))
    assert short(it) == ["repayment:L-1", "loan:L-1 closed"]
    assert (it.rows[1].facts["reason"], it.rows[1].facts["principal"]) == ("repaid", "0")


def test_rule_36_each_order_has_its_own_part_of_one_repayment() -> None:
    first, second = loan(id="A", principal="10", interest="1"), loan(id="B", principal="10", interest="2")
    it = RowDesk(line(loans=[first, second]))
    it.price("00:00", "0.5")
    it.enter("01:00", repay(amount="5"))
    assert [(r.loan, r.facts["interest_paid"], r.facts["principal_paid"]) for r in it.rows] == [
        ("A", "1", "2"),
        ("B", "2", "0"),
    ]
    assert {r.facts["ltv_after"] for r in it.rows} == {"0.09"}, "refreshed when the repayment is complete"


def test_loans_that_are_borrowed_and_renewed_are_recorded() -> None:
    it = RowDesk(line(loans=[loan("USDT", "10", matures="200:00", rate={"kind": "fixed", "daily": "0.001"})]))
    it.price("00:00", "0.5")
    it.enter("01:00", {"type": "borrow", "loan": loan(id="L-9", principal="5")})
    it.enter("02:00", {"type": "renew", "loan": "L-1", "term": "60d", "rate": {"kind": "fixed", "daily": "0.002"}})
    assert short(it) == ["loan:L-9 opened", "loan:L-1 renewed"]
    assert (it.rows[0].facts["principal"], it.rows[1].facts["daily"], it.rows[1].facts["term"]) == ("5", "0.002", "60d")


def test_a_renewal_records_the_interest_that_it_paid_and_no_day_twice() -> None:
    it = RowDesk(line(loans=[loan("USDT", "10", matures="200:00", rate={"kind": "fixed", "daily": "0.001"})]))
    it.price("00:00", "0.5")
    it.enter("50:00", {"type": "renew", "loan": "L-1", "term": "60d", "rate": {"kind": "fixed", "daily": "0.002"}})
    assert short(it) == ["repayment:L-1", "loan:L-1 renewed"]
    assert [it.rows[0].facts[k] for k in ("interest_paid", "principal_paid", "interest_left")] == ["0.02", "0", "0"]
    assert sum(charge.amount for charge in it.charged("74:00")) == D("0.04")


def test_a_put_that_restates_holdings_keeps_both_principals() -> None:
    it = rated_desk()
    it.put("30:00", line(loans=[loan(id="L-1", principal="70"), loan("USDT", "3", id="L-3")]))
    assert short(it) == ["loan:L-1 restated", "loan:L-2 closed", "loan:L-3 opened"]
    facts = it.rows[0].facts
    assert (facts["principal_before"], facts["interest_before"], facts["principal"], facts["interest"]) == (
        "50", "1.5", "70", "0",
    )  # fmt: skip
    assert it.rows[1].facts["reason"] == "put"


def test_a_put_that_changes_collateral_alone_ends_no_loan() -> None:
    it = RowDesk(line(loans=[loan(id="L-1", principal="50")]))
    it.price("00:00", "0.5")
    it.put("10:00", line(loans=[loan(id="L-1", principal="50")], labels={"desk": "EU"}))
    assert it.rows == []
    it.put("30:00", line(loans=[loan(id="L-1", principal="50", interest="0.5")], labels={"desk": "US"}))
    assert short(it) == ["settled:L-1"]


def test_entries_of_collateral_make_no_rows() -> None:
    it = rated_desk()
    it.enter("30:00", {"type": "deposit", "account": "acct-G-1", "asset": "USDT", "quantity": "9"})
    it.enter("31:00", {"type": "enroll", "delayed_liquidation": True})
    assert it.rows == []


def test_what_is_refused_makes_no_rows() -> None:
    it = rated_desk()
    it.enter("30:00", repay(amount="1", loan="L-9"))
    assert it.rows == []


def test_a_group_that_is_closed_ends_its_loans() -> None:
    it = rated_desk()
    it.close("30:00")
    assert short(it) == ["loan:L-1 closed", "loan:L-2 closed"]
    assert it.rows[0].facts["interest_before"] == "1.5"


def test_rule_43_a_liquidation_says_what_it_would_leave_and_then_what_it_left() -> None:
    it = RowDesk(line(loans=[loan(principal="96")]))
    it.price("00:00", "0.5")
    it.play("01:00 1 liquidation.triggered(ltv)")
    assert it.rows[0].facts == {
        "what": "started",
        "reason": "ltv",
        "alert": it.alerts[-1].id,
        "market_usd": "100",
        "debt_usd": "96",
        "fee_usd": "2",
        "left_usd": "2",
        "shortfall_usd": "0",
    }
    assert it.enter("02:00", {"type": "liquidated", "proceeds_usd": "95"}) == "liquidation.cleared"
    assert short(it)[1:] == ["liquidation: liquidated", "loan:L-1 closed", "liquidation: cleared"]
    assert it.rows[1].facts == {
        "what": "liquidated",
        "entry": "e-1",
        "proceeds_usd": "95",
        "market_usd": "95",
        "debt_usd": "96",
        "fee_usd": "0",
        "left_usd": "0",
        "shortfall_usd": "1",
    }
    assert it.rows[2].facts["reason"] == "liquidated"
    assert it.rows[2].facts["principal_before"] == "96"


def test_a_fee_that_the_lender_states_counts() -> None:
    it = RowDesk(line(loans=[loan(principal="90")]))
    it.play("00:00 1.02 liquidation.triggered(ltv)")
    it.enter("01:00", {"type": "liquidated", "proceeds_usd": "100", "fee_usd": "3"})
    assert [it.rows[1].facts[k] for k in ("fee_usd", "left_usd", "shortfall_usd")] == ["3", "5.2", "0"]


def test_a_liquidation_while_a_price_is_missing_has_no_sums() -> None:
    it = RowDesk(line(loans=[loan(principal="90")]))
    it.enter("01:00", {"type": "liquidated", "fee_usd": "3"})
    facts = it.rows[0].facts
    assert (facts["market_usd"], facts["shortfall_usd"], facts["fee_usd"]) == (None, None, "3")


# -- what days charged --


def test_each_midnight_charges_the_principal_of_its_time_once() -> None:
    """Rule 35: half of the loan is repaid between two charges."""
    it = RowDesk(line(loans=[loan(id="L-1", principal="500")]))
    it.price("00:00", "0.01")
    it.enter("47:00", repay(amount="205"))  # 5 of interest and 200 of principal
    assert [(c.accrued_at, c.principal, c.rate, c.amount) for c in it.charged("96:00")] == [
        (clock("24:00"), 500, D("0.01"), 5), (clock("48:00"), 300, D("0.01"), 3), (clock("72:00"), 300, D("0.01"), 3),
        (clock("96:00"), 300, D("0.01"), 3),
    ]  # fmt: skip


def test_a_day_after_maturity_says_its_factor() -> None:
    it = RowDesk(line(loans=[loan(id="L-1", principal="100", matures="30:00")]))
    it.price("00:00", "0.01")
    assert [(c.late_factor, c.amount) for c in it.charged("72:00")] == [(1, 1), (3, 3), (3, 3)]


def test_charges_go_on_behind_any_of_them() -> None:
    it = rated_desk()
    it.enter("30:00", repay(amount="11"))
    every = it.charged("200:00")
    with exact():
        for i, charge in enumerate(every):
            place = (charge.day, charge.loan, charge.first)
            assert list(charges(it.stretches(clock("200:00")), place, clock("200:00"))) == every[i + 1 :]


ENTRIES = st.one_of(
    st.integers(1, 4).map(lambda n: repay(amount=str(n))),
    st.integers(1, 30).map(lambda n: repay(percent=str(n))),
    st.integers(10, 99).map(lambda n: {"type": "borrow", "loan": loan("USDT", str(n), id=f"B-{n}")}),
    st.integers(20, 60).map(lambda n: line(loans=[loan(id="L-1", principal=str(n))])),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 50), ENTRIES), max_size=8))
def test_charges_add_up_to_the_interest_that_is_owed_and_paid(steps: list[tuple[int, dict[str, Any]]]) -> None:
    """Whatever was entered and put: no day is missing, none is there twice."""
    it = RowDesk(line(loans=[loan(id="L-1", principal="50")]))
    it.price("00:00", "0.001")
    hours, charged = 0, D(0)
    owed = {"L-1": D(0)}
    for pause, what in steps:
        hours += pause
        before = _interest(it, hours)
        charged += sum((before[id_] - owed.get(id_, D(0)) for id_ in before), D(0))
        if "type" in what:
            it.enter(f"{hours}:00", what)
        else:
            it.put(f"{hours}:00", what)
        owed = _interest(it, hours)
    end = hours + 100
    after = _interest(it, end)
    charged += sum((after[id_] - owed.get(id_, D(0)) for id_ in after), D(0))
    found = it.charged(f"{end // 24 * 24}:00")
    assert sum((c.amount for c in found), D(0)) == charged
    assert len({(c.day, c.loan, c.first) for c in found}) == len(found)


def _interest(it: RowDesk, hours: int) -> dict[str, Decimal]:
    seen = it.monitor.sight("G-1")
    assert seen is not None
    at = START + timedelta(hours=hours)
    with exact():
        return {x.id: interest(x, RATED, *RATED.moment(at)) for x in seen.group.loans}


def test_dust_is_written_off_by_name() -> None:
    """Of 50 and the interest of 1.5, a payment of 51.496 leaves 0.004 COIN, worth 0.002 USD."""
    it = rated_desk()
    it.enter("30:00", repay(amount="51.496"))
    paid, closed = (row for row in it.rows if row.loan == "L-1")
    assert (paid.kind, paid.facts["interest_paid"], paid.facts["principal_paid"]) == ("repayment", "1.5", "49.996")
    assert (paid.facts["amount"], paid.facts["principal_left"]) == ("51.496", "0")
    assert (closed.facts["what"], closed.facts["reason"], closed.facts["written_off"]) == ("closed", "repaid", "0.004")
