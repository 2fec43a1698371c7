"""`binance_vip` against a server of the documented bodies (domain section 4.1), with every fault that a venue has."""

import random
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from monitor.books import _vip_extra, binance_vip
from monitor.books._binance import ACCOUNT
from monitor.books._weights import SPOT_IP
from monitor.core.events.events import BookEntry, GroupClosed, GroupPut, LenderSaid, RatesChanged
from monitor.core.schema import Invalid, read
from tests.books.venues.desk import BookDesk, rules_of
from tests.books.venues.server import Answer, Seen
from tests.books.venues.vip import ALL, BEGINS_MS, USD, VipVenue, faults
from tests.coin_desk import version
from tests.core.desk import product

D = Decimal
LADDERS = {"BTC": [["10000000", "1"], ["inf", "0.8"]], "ETH": [["inf", "0.9"]]}
PRODUCT = product(version(ladders=LADDERS, rates={"USDT": "0.0001"}))


def desk_of(folder: Path, accounts: tuple[str, ...] = ("1", "2", "3", "4"), **config: Any) -> tuple[BookDesk, VipVenue]:
    desk = BookDesk("binance_vip", config, rules_of(PRODUCT), folder)
    keys = [{"id": account, **desk.key_files(account)} for account in accounts]
    desk.config |= {**desk.key_files("main"), "account": keys, "every": config.get("every", "10s")}
    return desk, VipVenue(desk.venue)


def filled(vip: VipVenue) -> None:
    vip.hold("1", BTC="1.5", DOGE="9")
    vip.hold("2", BTC="0.5", ETH="10")
    vip.hold("3", ETH="100")
    vip.hold("4")
    vip.borrow("1,2", "BTC,ETH", "USDT", "40000", "R1")
    vip.borrow("2", "ETH", "USDC", "1000", "R1")
    vip.borrow("3", "BTC,ETH", "USDT", "50000", "R3")


def held(desk: BookDesk) -> dict[str, Any]:
    """The monitor's book in the words of `VipVenue.groups`."""
    found = {}
    for id_ in desk.monitor.book.ids():
        record = desk.monitor.book.find(id_)
        assert record is not None
        group = record.group
        if not any(loan.is_owed for loan in group.loans):
            continue  # settled, and left out by the next readings
        found[group.receiving_account] = {
            "debts": {loan.id: loan.principal + loan.interest for loan in group.loans},
            "collateral": {a: {c: q for c, q in coins.items() if q} for a, coins in group.collateral.items()},
        }
    return found


def prices(desk: BookDesk) -> None:
    desk.price(**{asset: str(price) for asset, price in USD.items()})


def test_orders_that_share_a_receiving_or_a_collateral_account_are_one_group(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        assert held(desk) == vip.groups()
        assert sorted(desk.monitor.book.ids()) == ["book-1", "book-3"]
        loan = desk.monitor.book.find("book-3").group.loans[0]  # type: ignore[union-attr]
        assert loan.id == "756783308056935436"
        assert [a.facts for a in desk.alerts if a.type.startswith("book.")] == []

    desk.play(work)


def test_a_configured_group_has_its_own_name_lines_and_enrolment(tmp_path: Path) -> None:
    lines = {"initial": "0.6", "margin_call": "0.7", "liquidation": "0.8", "immediate": "0.9"}
    table = {
        "id": "ACME", "receiving_account": "R1", "collateral_accounts": ["1", "2"], "thresholds": lines,
        "delayed_liquidation": True, "labels": {"desk": "north"}, "vip_level": 3,
    }  # fmt: skip
    desk, vip = desk_of(tmp_path, group=[table])
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        record = desk.monitor.book.find("ACME")
        assert record is not None
        assert (record.held.lines.liquidation, record.group.delayed_liquidation) == (D("0.8"), True)
        assert (record.group.labels, record.group.vip_level) == ({"desk": "north"}, 3)
        assert sorted(desk.monitor.book.ids()) == ["ACME", "book-3"]

    desk.play(work)


def test_a_group_keeps_its_name_while_an_order_of_it_goes_on(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        vip.say(min(vip.orders), "Repaid")  # the only one that names account 1
        await desk.wait(minutes=1)
        assert held(desk) == vip.groups()
        assert sorted(desk.monitor.book.ids()) == ["book-1", "book-3"]
        assert '"named":{"756783308056935435":"book-1"' in desk.monitor.books.states["book"].position

    desk.play(work)


def test_an_account_that_goes_to_another_group_is_taken_after_the_first_has_left_it(tmp_path: Path) -> None:
    """Rule 6. The group that takes it stands first in the reading."""
    desk, vip = desk_of(tmp_path, group=[{"id": "AAA", "collateral_accounts": ["4"]}])
    filled(vip)
    vip.hold("4", ETH="100")
    vip.borrow("4", "ETH", "USDT", "1000", "R4")
    both = vip.borrow("2,3", "ETH", "USDT", "10", "R1")

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        assert sorted(desk.monitor.book.ids()) == ["AAA", "book-1"]
        for order in [o for o in vip.orders if o == both or vip.orders[o]["receiving"] == "R3"]:
            vip.say(order, "Repaid")
        vip.borrow("3,4", "ETH", "USDT", "500", "R4")
        await desk.wait(seconds=40)
        assert held(desk) == vip.groups()
        assert desk.said("book.refused") == []

    desk.play(work)


def test_a_group_whose_account_another_still_had_is_put_again(tmp_path: Path) -> None:
    """The one that had it is left out, which counts when it is left out twice."""
    desk, vip = desk_of(tmp_path, group=[{"id": "AAA", "collateral_accounts": ["4"]}])
    vip.hold("3", ETH="100")
    vip.hold("4", ETH="100")
    order = vip.borrow("3", "ETH", "USDT", "50000", "R3")

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        vip.say(order, "Repaid")
        vip.borrow("3,4", "ETH", "USDT", "500", "R4")
        await desk.wait(minutes=1)
        assert held(desk) == vip.groups()
        assert list(desk.monitor.book.ids()) == ["AAA"]
        assert desk.monitor.standing("book.refused") == ()

    desk.play(work)


@pytest.mark.parametrize("holds_interest", [True, False])
def test_the_higher_debt_counts_until_a_reconcile_has_shown_which_is_right(
    tmp_path: Path, holds_interest: bool
) -> None:
    """Reading A2."""
    desk, vip = desk_of(tmp_path)
    vip.holds_interest = holds_interest
    vip.hold("3", ETH="100")
    order = vip.borrow("3", "ETH", "USDC", "50000", "R3")
    vip.orders[order]["interest"] = D("2000")

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        total = D(52_000) if holds_interest else D(50_000)
        assert held(desk)["R3"]["debts"] == {order: total + 2_000}
        prices(desk)
        await desk.wait(minutes=1)
        assert held(desk) == vip.groups()
        desk.restart()
        assert '"debt":"' in desk.monitor.books.states["book"].position

    desk.play(work)
    assert desk.said("book.drift") == []


def test_liquidation_comes_from_the_state_of_the_request_and_settles_the_group(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    filled(vip)

    async def work(_: BookDesk) -> None:
        prices(desk)
        await desk.wait(minutes=1)
        order = next(o for o in vip.orders if vip.orders[o]["receiving"] == "R3")
        vip.say(order, "Liquidating")
        await desk.wait(minutes=1)
        (alert,) = desk.said("loan_group.liquidation.triggered")
        assert (alert.subject, alert.reason) == ("book-3", "lender")
        assert alert.facts["lender"].startswith("liquidation (Liquidating)")
        vip.say(order, "Liquidated")
        await desk.wait(minutes=1)
        assert [(e.group_id, e.id) for e in desk.events if isinstance(e, BookEntry)] == [
            ("book-3", f"liquidated-{order}")
        ]
        assert [a.subject for a in desk.said("loan_group.liquidation.cleared")] == ["book-3"]
        assert list(desk.monitor.book.ids()) == ["book-1"]

    desk.play(work)


def test_an_order_that_is_gone_is_asked_for_before_anything_follows(tmp_path: Path) -> None:
    """Also where its state is not due for long."""
    desk, vip = desk_of(tmp_path, status_every="1h")
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        order = next(o for o in vip.orders if vip.orders[o]["receiving"] == "R3")
        vip.say(order, "Liquidated")
        desk.venue.fail(binance_vip.STATUSES.path, Answer(500, {}), Answer(503, {}))
        await desk.wait(minutes=1)
        assert [e.id for e in desk.events if isinstance(e, BookEntry)] == [f"liquidated-{order}"]

    desk.play(work)


class Watched:
    """Every state of the monitor's book must be one that the server had."""

    def __init__(self, desk: BookDesk, vip: VipVenue) -> None:
        self.desk = desk
        self.vip = vip
        self.states = [vip.groups()]
        self.torn: list[Any] = []

    def note(self) -> None:
        """The server has changed."""
        self.states.append(self.vip.groups())

    def look(self) -> None:
        """Looks after each event at each group that is there."""
        take = self.desk.handle

        def handle(event: Any) -> Any:
            alerts = take(event)
            for id_, group in held(self.desk).items():
                if not any(state.get(id_) == group for state in self.states):
                    self.torn.append((id_, group))
            return alerts

        self.desk.handle = handle  # type: ignore[method-assign]


def test_a_repayment_between_orders_and_balances_is_never_read_by_half(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    vip.hold("3", ETH="100")
    order = vip.borrow("3", "ETH", "USDT", "50000", "R3")
    watched = Watched(desk, vip)
    watched.look()
    serve, times = vip._account, [0]

    def paying(query: dict[str, str]) -> Any:
        times[0] += 1
        old = serve(query)
        if times[0] % 5 == 3:
            vip.orders[order]["principal"] -= 1000
            vip.hold("3", ETH=str(100 - times[0]))
            watched.note()
        return old if times[0] % 2 else serve(query)

    desk.venue.on(ACCOUNT.path, paying)

    async def work(_: BookDesk) -> None:
        desk.price(USDT="1")
        await desk.wait(minutes=10)
        assert len(watched.states) > 5
        assert watched.torn == []
        assert held(desk)["R3"]["debts"][order] < 46_000

    desk.play(work)


def test_a_coin_that_moves_between_two_accounts_is_never_counted_twice_or_not_at_all(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    vip.hold("1", ETH="60")
    vip.hold("2", ETH="40")
    vip.borrow("1,2", "ETH", "USDT", "50000", "R1")
    watched = Watched(desk, vip)
    watched.look()
    serve, times = vip._account, [0]

    def moving(query: dict[str, str]) -> Any:
        answer = serve(query)
        times[0] += 1
        if times[0] % 9 == 5:  # after one account was read, before the other
            there = "60" if times[0] % 2 else "10"
            vip.hold("1", ETH=there)
            vip.hold("2", ETH=str(100 - int(there)))
            watched.note()
        return answer

    desk.venue.on(ACCOUNT.path, moving)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=10)
        assert len(watched.states) > 5
        assert watched.torn == []

    desk.play(work)


def test_an_answer_that_lacks_rows_closes_nothing(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        before = len(desk.events)
        for body in ({"rows": [], "total": 3}, {"rows": [{"orderId": 1}, {"orderId": 1}], "total": 2}, {"rows": []}):
            desk.venue.fail(binance_vip.ORDERS.path, *[Answer(200, body)] * 12)
            await desk.wait(minutes=1)
            desk.venue.clear_faults()
        assert not any(isinstance(event, GroupClosed | GroupPut) for event in desk.events[before:])
        assert desk.said("book.refused") == []

    desk.play(work)


def test_the_lenders_level_is_reconciled_at_each_poll(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    filled(vip)

    async def work(_: BookDesk) -> None:
        prices(desk)
        await desk.wait(minutes=1)
        assert desk.said("book.drift") == []
        desk.price(ETH="2500")
        await desk.wait(seconds=30)
        assert {a.subject for a in desk.said("book.drift")} == {"book-1", "book-3"}
        desk.price(ETH="3000")
        await desk.wait(minutes=2)
        assert {a.subject for a in desk.said("book.agreed")} == {"book-1", "book-3"}

    desk.play(work)


def test_rules_of_the_exchange_are_held_against_ours_once_and_their_end_is_said(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path, rules_every="1m")
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=3)
        assert desk.said("rules.drift") == []
        vip.ratios["ETH"] = [("90%", "1-1000000"), ("85%", "1000000-5000000"), ("0%", ">5000000")]
        await desk.wait(minutes=4)
        (alert,) = desk.said("rules.drift")
        assert alert.subject == "book: vip_loan ladder ETH"
        assert (alert.facts["lender"], alert.facts["ours"]) == ("0.9 to 1000000, 0.85 to 5000000, then 0", "0.9")
        vip.ratios["ETH"] = [("90%", ">1")]
        await desk.wait(minutes=2)
        assert [a.subject for a in desk.said("rules.agreed")] == [alert.subject]

    desk.play(work)


def test_flexible_rates_are_taken_from_the_exchange_before_the_loans_that_need_them(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path, rules_every="1m")
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        assert "USDC" in desk.monitor.rules.products["vip_loan"].rated(desk.clock.utc())
        vip.rates["USDC"] = "0.0009"
        await desk.wait(minutes=3)
        given = [row.rate for e in desk.events if isinstance(e, RatesChanged) for row in e.rows if row.asset == "USDC"]
        assert given == [D("0.00015"), D("0.0009")]

    desk.play(work)


def test_rates_that_are_not_taken_are_held_against_ours(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path, take_rates=False)
    vip.hold("3", ETH="100")
    vip.borrow("3", "ETH", "USDT", "50000", "R3")

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        (alert,) = desk.said("rules.drift")
        assert (alert.facts["figure"], alert.facts["lender"], alert.facts["ours"]) == ("rate USDT", "0.00016", "0.0001")

    desk.play(work)


def test_an_account_without_a_key_or_with_a_refused_one_is_named_and_closes_nothing(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path, accounts=("1", "2"))
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        assert list(desk.monitor.book.ids()) == ["book-1"]
        (alert,) = desk.said("book.refused")
        assert (alert.subject, "[[book.account]]" in alert.facts["problem"]) == ("book: account 3", True)
        assert "book" not in desk.monitor.books.states
        vip.locked.add("1")
        await desk.wait(minutes=1)
        assert list(desk.monitor.book.ids()) == ["book-1"]
        assert any("code -2015" in a.facts["problem"] for a in desk.said("book.refused"))
        asked = len(desk.venue.asked(ACCOUNT.path))
        vip.locked.clear()
        await desk.wait(minutes=6)
        assert len(desk.venue.asked(ACCOUNT.path)) > asked
        assert desk.monitor.standing("book.refused") == ("book: account 3",)

    desk.play(work)


def test_a_key_of_the_book_that_is_refused_is_named_and_tried_again_from_its_file(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        for path in {call.path for call in ALL}:
            desk.venue.fail(path, *[Answer(401, {"code": -2015, "msg": "Invalid API-key."})] * 2)
        (tmp_path / "key-main").write_text("key-new")
        await desk.wait(minutes=4)
        assert [a.subject for a in desk.said("book.refused")] == ["book"]
        assert sorted(desk.monitor.book.ids()) == ["book-1", "book-3"]
        desk.venue.clear_faults()
        await desk.wait(minutes=6)
        assert desk.monitor.standing("book.refused") == ()
        assert desk.venue.asked(binance_vip.ORDERS.path)[-1].key == "key-new"

    desk.play(work)


def test_keys_that_cannot_be_read_are_named_and_tried_again(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    filled(vip)
    for name in ("key-main", "secret-3"):
        (tmp_path / name).rename(tmp_path / f"{name}.gone")

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        (alert,) = desk.said("book.refused")
        assert "key-main" in alert.facts["problem"]
        (tmp_path / "key-main.gone").rename(tmp_path / "key-main")
        await desk.wait(minutes=6)
        assert list(desk.monitor.book.ids()) == ["book-1"]
        assert desk.monitor.standing("book.refused") == ("book: account 3",)
        (tmp_path / "secret-3.gone").rename(tmp_path / "secret-3")
        await desk.wait(minutes=1)
        assert held(desk) == vip.groups()
        assert desk.monitor.standing("book.refused") == ()

    desk.play(work)


EMPTY = ["totalDebt", "residualInterest", "loanCoin", "loanDate"]


@pytest.mark.parametrize("field", EMPTY)
def test_an_empty_text_is_unknown_and_never_zero(tmp_path: Path, field: str) -> None:
    desk, vip = desk_of(tmp_path)
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        before = held(desk)
        row_of = vip._row
        vip._row = lambda order: {**row_of(order), field: ""}  # type: ignore[method-assign]
        await desk.wait(minutes=1)
        assert held(desk) == before
        assert {a.facts["group"] for a in desk.said("book.refused")} == {"book-1", "book-3"}

    desk.play(work)


def test_a_balance_that_cannot_be_read_is_a_wait(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    filled(vip)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        before = held(desk)
        for bad in ({"balances": [{"asset": "BTC", "free": "", "locked": "0"}]}, {"balances": None}, [], {}):
            desk.venue.fail(ACCOUNT.path, *([Answer(200, bad)] * 8))
            await desk.wait(seconds=10)
            assert held(desk) == before

    desk.play(work)


def test_orders_of_many_pages_are_read_twice_and_a_row_that_shifts_away_is_never_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One order goes and one comes while pages are read: the total stays, those behind move up, and one is never seen."""
    monkeypatch.setattr(binance_vip, "PAGE", 10)
    desk, vip = desk_of(tmp_path, accounts=("3",))
    vip.hold("3", ETH="1000000")
    for _ in range(25):
        vip.borrow("3", "ETH", "USDT", "10", "R3")
    watched = Watched(desk, vip)
    watched.look()
    serve, left = vip._paged, [8]

    def shifting(query: dict[str, str], rows: list[dict[str, Any]]) -> Any:
        if query.get("current") == "2" and left[0] and "principal" in rows[0]:
            left[0] -= 1
            vip.say(next(iter(vip.orders)), "Repaid")
            vip.borrow("3", "ETH", "USDT", "10", "R3")
            watched.note()
            rows = list(vip.orders.values())
        return serve(query, rows)

    vip._paged = shifting  # type: ignore[method-assign]

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=3)
        assert left == [0]
        assert watched.torn == []
        assert held(desk) == vip.groups()

    desk.play(work)


def test_fixed_and_flexible_terms_as_the_exchange_writes_them(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path)
    vip.hold("3", ETH="100")
    expires = BEGINS_MS + 30 * 86_400_000
    vip.borrow("3", "ETH", "USDT", "1000", "R3", rate="0.0365", term="30days", expires=expires)
    vip.borrow("3", "ETH", "USDT", "2000", "R3", rate="flexible rate", term="30days", expires=0)
    vip.borrow("3", "ETH", "USDT", "3000", "R3", rate=0.05, term="open term", expires=0)

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        fixed, flexible, open_ = desk.monitor.book.find("book-3").group.loans  # type: ignore[union-attr]
        assert (fixed.term, fixed.rate.daily) == ("30d", D("0.0001"))
        assert fixed.matures_at is not None
        assert round(fixed.matures_at.timestamp() * 1000) == expires
        for each in (flexible, open_):
            assert (each.term, each.rate.kind, each.matures_at) == ("open", "flexible", None)

    desk.play(work)


def test_what_is_institutional_is_tolerated_where_it_is_absent(tmp_path: Path) -> None:
    desk, vip = desk_of(tmp_path, institutional=True)
    filled(vip)
    desk.venue.on(_vip_extra.MAX_BORROWABLE.path, lambda _: {"amount": "12.5"})

    async def work(_: BookDesk) -> None:
        await desk.wait(minutes=1)
        assert desk.venue.asked(_vip_extra.FORCED.path)[0].status == 404
        (*_, said) = [e for e in desk.events if isinstance(e, LenderSaid)]
        assert said.readings[0].figures["max_borrowable"] == '{"amount":"12.5"}'
        assert said.readings[0].figures["yearly rate USDT"] == "0.0647"

    desk.play(work)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_url": "http://api.binance.com"}, "https"),
        ({"secret_file": None}, "either a secret_file"),
        ({"account": [{"id": "1", "api_key_file": "a", "secret_file": "b"}] * 2}, "account 1 stands twice"),
        ({"group": [{"id": "A", "collateral_accounts": ["1"]}, {"id": "B", "collateral_accounts": ["1"]}]}, "twice"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_words(change: dict[str, Any], words: str) -> None:
    table: dict[str, Any] = {"api_key_file": "k", "secret_file": "s", "account": []} | change
    with pytest.raises(Invalid, match=words):
        read(binance_vip.Config, {k: v for k, v in table.items() if v is not None})


# -- a day --


def weight_of(seen: Seen) -> int:
    return next((call.weight for call in ALL if call.path == seen.path), 20 if seen.path == ACCOUNT.path else 1)


def a_day(folder: Path, seed: int, hours: float, every: str) -> tuple[BookDesk, int]:
    """A day of things that happen and of faults; the book must equal the server's at every quiet point. Returns how many."""
    desk, vip = desk_of(folder, every=every)
    chance = random.Random(seed)
    filled(vip)
    vip.orders[min(vip.orders)]["interest"] = D("2000")
    quiet = 0

    async def work(_: BookDesk) -> None:
        nonlocal quiet
        prices(desk)
        await desk.wait(minutes=6)  # until a reconcile has shown what the debt is
        ends_s = desk.clock.monotonic_s() + hours * 3600
        while desk.clock.monotonic_s() < ends_s:
            for _ in range(chance.randrange(1, 6)):
                await desk.wait(seconds=chance.choice((0.3, 7, 90)))
                vip.happen(chance)
                desk.venue.latency_s = chance.choice((0.0, 0.0, 0.4))
                desk.venue.clock_offset_ms += chance.choice((0, 0, -1500, 900, 40_000))
                if chance.random() < 0.6:
                    faults(desk.venue, chance)
            await desk.wait(minutes=chance.choice((8, 20)))
            desk.venue.clear_faults()
            await desk.wait(minutes=12)
            assert held(desk) == vip.groups(), f"seed {seed}, {desk.clock.utc()}"
            quiet += 1

    desk.play(work)
    return desk, quiet


def judge_limits(desk: BookDesk) -> None:
    """By the venue's own log."""
    for call in ALL:
        by_key = {seen.key for seen in desk.venue.asked(call.path)}
        assert desk.venue.most_in(60, weight_of, of=call.path) <= call.limit, call.path
        assert len(by_key) <= 1
    times = sorted(s.at_s for call in ALL for s in desk.venue.asked(call.path))
    assert min((b - a for a, b in pairwise(times)), default=1.0) >= 1.0
    assert desk.venue.most_in(60, weight_of, of=ACCOUNT.path) <= SPOT_IP


def test_a_day_of_traffic_with_faults_equals_the_server_at_every_quiet_point(tmp_path: Path) -> None:
    desk, quiet = a_day(tmp_path, seed=2026, hours=24, every="5m")
    assert quiet > 30
    judge_limits(desk)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
def test_quarters_of_days_as_dense_as_a_desk_has_it(tmp_path: Path, seed: int) -> None:
    desk, quiet = a_day(tmp_path, seed, hours=6, every="10s")
    assert quiet > 8
    judge_limits(desk)
