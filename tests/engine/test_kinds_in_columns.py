"""What products other than a plain loan ask of the book of columns: one at a time, as the agreement tests mix them all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.core.events.events import GroupClosed, GroupPut, GroupsPut, MarkPrices, ProductsChanged, TimePassed
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.snapshot import Prices
from monitor.core.loans.group import parse_line
from monitor.core.portfolio.group_list import GroupQuery, PlainGroupLists
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import Quote
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Lifecycle, Rules, Trust
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.columnar_groups import ColumnarGroups
from monitor.engine.group_list import ColumnarGroupLists
from monitor.engine.ingest.reader import BlockReader
from monitor.engine.screen.layout import Layout
from monitor.products import cross_collateral, cross_margin_pro, vip_loan
from tests.book_lines import book_line
from tests.coin_desk import version
from tests.products.shelf import START, shipped

D = Decimal
TRUSTED = Trust(enabled=False)


def of_groups(out: Outcome) -> list[str]:
    """What is said of groups, in its order."""
    return [f"{a.subject} {a.type}" for a in out.alerts if a.group is not None]


class ColumnsDesk:
    """A monitor whose groups are all in columns."""

    def __init__(self, *products: Product) -> None:
        self.rules = Rules("desk-1", {p.kind: p for p in products}, Lifecycle(), TRUSTED)
        self.book = ColumnarBook(fold_at=0)
        self.monitor = RiskMonitor(self.rules, book=self.book)

    @property
    def columnar(self) -> ColumnarGroups:
        assert self.book.columnar is not None
        return self.book.columnar

    def put(self, *lines: dict[str, Any], at: datetime = START) -> None:
        """One by one, and so into one block."""
        for stated in lines:
            self.monitor.handle(GroupPut(at, parse_line(stated, at, self.rules.products), "book"))

    def put_all(self, *lines: dict[str, Any], at: datetime = START) -> None:
        """As one batch, and so into a block of its own."""
        batch, rest = BlockReader(lambda: self.rules.products, self.book.names).pack(
            [json.dumps(stated).encode() for stated in lines], at, "book"
        )
        assert rest == []
        self.monitor.handle(GroupsPut(at, "book", batch))

    def price(self, at: datetime = START, **prices: str) -> list[str]:
        quotes = tuple(Quote(a, D(p), "USD", "feed", at) for a, p in prices.items())
        return of_groups(self.monitor.handle(MarkPrices(at, quotes)))

    def wait(self, at: datetime) -> list[str]:
        return of_groups(self.monitor.handle(TimePassed(at)))

    def reload(self, *products: Product, at: datetime = START) -> Any:
        self.rules = msgspec.structs.replace(self.rules, products={p.kind: p for p in products})
        return self.monitor.handle(ProductsChanged(at, self.rules))


def rated(product: Product, place: int, **rates: str) -> Product:
    """The product with other rates in one of its versions."""
    versions = list(product.versions)
    found = {coin: D(rate) for coin, rate in rates.items()}
    versions[place] = msgspec.structs.replace(versions[place], rates={**versions[place].rates, **found})
    return msgspec.structs.replace(product, versions=tuple(versions))


def test_an_hour_touches_the_blocks_of_those_products_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = ColumnsDesk(shipped("cross_margin_classic"), shipped("vip_loan"))
    desk.put_all(book_line("vip_loan", {"BTC": "1"}, {"USDT": "1000"}, "V-1"))
    desk.put_all(book_line("cross_margin_classic", {"BTC": "1"}, {"USDT": "1000"}, "C-1"))
    owed: list[int] = []
    owe = desk.columnar.screen.owe
    monkeypatch.setattr(desk.columnar.screen, "owe", lambda number, *rest: (owed.append(number), owe(number, *rest)))
    desk.wait(START + timedelta(hours=1))
    assert owed == [1]
    desk.wait(datetime(2026, 1, 6, tzinfo=UTC))
    assert sorted(set(owed[1:])) == [0, 1]


def test_a_midnight_lays_no_block_again_and_other_ladders_do(monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[int] = []
    lay = Layout.lay_again
    monkeypatch.setattr(
        Layout, "lay_again", lambda self, number, tiers: (laid.append(number), lay(self, number, tiers))
    )
    product = shipped("vip_loan")
    desk = ColumnsDesk(product)
    desk.put_all(book_line("vip_loan", {"BTC": "1"}, {"USDT": "50000"}))
    desk.price(BTC="100000")
    laid.clear()  # a first price is above all that a block is laid for
    owed = desk.columnar.screen.fast.debt[0]
    desk.wait(datetime(2026, 1, 6, tzinfo=UTC))
    desk.price(START + timedelta(days=1), BTC="100001")
    assert laid == []
    assert desk.columnar.screen.fast.debt[0] > owed
    last = product.versions[-1]
    lower = {coin: tuple((bound, share / 2) for bound, share in ladder) for coin, ladder in last.ladders.items()}
    versions = *product.versions[:-1], msgspec.structs.replace(last, ladders=lower)
    desk.reload(msgspec.structs.replace(product, versions=versions), at=START + timedelta(days=1))
    assert laid == [0]
    assert desk.columnar.screen.fast.recognised[0] < 60_000


def test_a_group_that_crosses_its_line_by_interest_is_named_at_that_hour() -> None:
    """1.3 is the line; 1,000 USDT grow by 1 an hour on 1,302 USDT of collateral."""
    product = rated(shipped("cross_margin_classic"), 0, USDT="0.001")
    desk = ColumnsDesk(product)
    desk.put_all(book_line(product.kind, {"COIN": "1302"}, {"USDT": "1000"}))
    assert desk.price(COIN="1") == ["G-1 loan_group.early_warning"]
    first = START.replace(minute=0) + timedelta(hours=1)
    assert desk.wait(first) == []
    assert desk.wait(first + timedelta(minutes=59)) == []
    assert desk.wait(first + timedelta(hours=1)) == ["G-1 loan_group.margin_call.opened"]


def test_a_reload_that_changes_a_rate_of_the_past_alone_is_seen() -> None:
    """The version in force is the same; what loans owe is not."""
    product = shipped("vip_loan")
    assert len(product.versions) > 1
    early = product.versions[1].effective - timedelta(days=10)
    desk = ColumnsDesk(product)
    desk.put_all(book_line("vip_loan", {"BTC": "1"}, {"USDT": "70000"}, opened_at=early.isoformat()), at=early)
    desk.price(early, BTC="100000")
    desk.wait(START)
    out = desk.reload(rated(product, 0, USDT="0.02"))
    assert of_groups(out) == ["G-1 loan_group.margin_call.opened"]


def test_a_reload_that_changes_the_free_days_of_the_past_alone_is_seen() -> None:
    """What loans owed hides nothing of it: one that was opened early in the version had its free days behind it."""

    def retired(free: int) -> Product:
        lines = {"initial": "0.6", "margin_call": "0.75", "liquidation": "0.9"}
        base = {"thresholds": lines, "ladders": {"BTC": [["inf", "1"]]}, "rates": {"USDT": "0.01"}}
        dates = datetime(2025, 9, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC)
        return cross_collateral.load(
            {
                "version": [
                    base | {"effective": at, "free_days": {"USDT": n}} for at, n in zip(dates, (free, 3), strict=True)
                ]
            }
        )

    opened, early = "2025-12-20T10:00:00Z", datetime(2026, 1, 2, tzinfo=UTC)
    desk = ColumnsDesk(retired(3))
    desk.put_all(book_line("cross_collateral", {"BTC": "1"}, {"USDT": "74000"}, opened_at=opened), at=early)
    assert desk.price(early, BTC="100000") == []
    assert desk.wait(START)[0] == "G-1 loan_group.margin_call.opened"
    out = desk.reload(retired(60))
    desk.price(START + timedelta(seconds=1), BTC="100000.5")
    assert out.refused is None
    assert desk.columnar.screen.fast.debt[0] == 74_000


def test_a_reload_that_does_not_fit_a_group_is_refused_also_where_one_like_it_was_closed() -> None:
    product = shipped("vip_loan")
    desk = ColumnsDesk(product)
    desk.put(*(book_line("vip_loan", {"BTC": "1"}, {"USDC": "1"}, f"G-{k}") for k in range(6)))
    desk.monitor.handle(GroupClosed(START, "G-0", "book"))
    versions = tuple(
        msgspec.structs.replace(v, rates={k: r for k, r in v.rates.items() if k != "USDC"}) for v in product.versions
    )
    assert desk.reload(msgspec.structs.replace(product, versions=versions)).refused is not None
    pro = shipped("cross_margin_pro")
    desk = ColumnsDesk(pro)
    stated = [book_line(pro.kind, {"USDT": "10"}, {"ETH": "1"}, f"G-{k}") for k in range(6)]
    for one in stated:
        one["loans"][0] |= {
            "rate": {"kind": "fixed", "daily": "0"},
            "term": "30d",
            "matures_at": "2026-02-04T10:00:00Z",
        }
    desk.put(*stated)
    desk.monitor.handle(GroupClosed(START, "G-0", "book"))
    versions = tuple(
        msgspec.structs.replace(v, liability_tiers={k: t for k, t in (v.liability_tiers or {}).items() if k != "ETH"})
        for v in pro.versions
    )
    refused = desk.reload(msgspec.structs.replace(pro, versions=versions)).refused
    assert refused is not None
    assert refused.reason == "no_tier"


def test_a_product_whose_groups_are_all_closed_may_go_though_a_block_still_has_their_rows() -> None:
    vip, classic = shipped("vip_loan"), shipped("cross_margin_classic")
    desk = ColumnsDesk(vip, classic)
    desk.put(*(book_line("vip_loan", {"BTC": "1"}, {"USDT": "1000"}, f"V-{k}") for k in range(3)))
    desk.put(book_line(classic.kind, {"BTC": "1"}, {"USDT": "1000"}, "C-1"))
    desk.monitor.handle(GroupClosed(START, "C-1", "book"))
    assert desk.reload(vip).refused is None
    assert desk.wait(START + timedelta(days=2)) == []
    assert desk.price(START + timedelta(days=2), BTC="1300")[-1] == "V-2 loan_group.early_warning"


def test_another_formula_of_net_equity_makes_other_coins_count() -> None:
    tiers = {"USDT": [["1000", 10, "0.2", "0.05"], ["inf", 5, "0.5", "0.1"]]}
    base = {"effective": datetime(2024, 1, 1, tzinfo=UTC), "liability_tiers": tiers, "rates": {"USDT": "0"}}
    plain = cross_margin_pro.load({"version": [base]})
    haircut = cross_margin_pro.load(
        {"version": [base | {"net_equity": "haircut", "ladders": {"BTC": [["inf", "0.5"]]}}]}
    )
    desk = ColumnsDesk(plain)
    desk.put_all(book_line(plain.kind, {"BTC": "1", "COIN": "100"}, {"USDT": "2000"}))
    assert desk.price(BTC="2000", COIN="5") == []
    assert desk.columnar.screen.fast.debt[0] == 150
    assert desk.columnar.screen.fast.recognised[0] == 500
    assert of_groups(desk.reload(haircut)) == ["G-1 loan_group.liquidation.triggered"]
    assert desk.columnar.screen.fast.recognised[0] == -1000
    desk.reload(plain)
    assert desk.columnar.screen.fast.recognised[0] == 500
    desk.reload(cross_margin_pro.load({"version": [base | {"net_equity": "haircut"}]}))
    assert desk.columnar.screen.fast.recognised[0] == -2000


def test_two_loans_of_a_coin_are_one_liability() -> None:
    tiers = {"USDT": [["1000", 10, "0.2", "0.05"], ["inf", 5, "0.5", "0.1"]]}
    pro = cross_margin_pro.load(
        {"version": [{"effective": datetime(2024, 1, 1, tzinfo=UTC), "liability_tiers": tiers, "rates": {"USDT": "0"}}]}
    )
    desk, stated = ColumnsDesk(pro), book_line(pro.kind, {"BTC": "1"}, {"USDT": "800"})
    stated["loans"].append(stated["loans"][0] | {"id": "L-2"})
    desk.put_all(stated)
    desk.price(BTC="5000")
    assert desk.columnar.screen.fast.debt[0] == 50 + 60  # not twice 40


def test_the_worst_come_first_also_where_net_equity_is_negative() -> None:
    """Like groups without recognised collateral: their level has no value to put in order."""
    pro = shipped("cross_margin_pro")
    desk = ColumnsDesk(pro)
    groups = {"G-fair": "1.2", "G-poor": "1.0001", "G-bankrupt": "0.5", "G-rich": "9"}
    desk.put_all(*(book_line(pro.kind, {"BTC": share}, {"USDT": "10000"}, id_) for id_, share in groups.items()))
    desk.price(BTC="10000")
    board: PriceBoard = desk.monitor.board
    prices = Prices(board.usd, frozenset(board.untrusted))
    watched = [w for id_ in desk.book.ids() if (w := desk.book.find(id_)) is not None]
    for group_lists in (ColumnarGroupLists(desk.book), PlainGroupLists(lambda: watched)):
        page = group_lists.page(GroupQuery(), (), prices)
        assert [s.group.id for s in page.rows] == ["G-bankrupt", "G-poor", "G-fair", "G-rich"]


def test_interest_that_is_paid_in_another_coin_is_cheaper_in_columns_too() -> None:
    pro = rated(shipped("cross_margin_pro"), -1, USDT="0.001")
    desk = ColumnsDesk(pro)
    stated = [book_line(pro.kind, {"BTC": "1"}, {"USDT": "1000"}, id_) for id_ in ("G-1", "G-2")]
    stated[1]["loans"][0]["rate"] = {"kind": "flexible", "paid_in": "BNB"}
    at = datetime(2026, 3, 1, tzinfo=UTC)
    desk.put_all(*stated, at=at)
    desk.price(at, BTC="10000")
    desk.wait(at + timedelta(hours=10))
    desk.price(at + timedelta(hours=10), BTC="10000.5")
    owed = 10_000.5 - desk.columnar.screen.fast.recognised[:2]
    assert np.allclose(owed, [1010, 1009.5], rtol=1e-12)


def test_a_version_that_begins_with_an_hour_is_told_of_in_the_same_order_by_both_books() -> None:
    """Interest and rules of one instant: the new version decides all groups together, and once."""
    at = START.replace(minute=0) + timedelta(hours=1)
    products = []
    for kind in ("cross_margin_classic", "vip_loan"):
        product = shipped(kind)
        last = product.versions[-1]
        lines = {k: v * D("1.2" if last.thresholds.falls else "0.8") for k, v in last.thresholds.stated.items()}
        harder = msgspec.structs.replace(
            last, effective=at, warnings=(), thresholds=msgspec.structs.replace(last.thresholds, **lines)
        )
        products.append(msgspec.structs.replace(product, versions=(*product.versions, harder)))
    desk = ColumnsDesk(*products)
    lines = [book_line("vip_loan", {"BTC": "1"}, {"USDT": "65000"}, f"G-{k}") for k in (1, 3)]
    lines += [book_line("cross_margin_classic", {"BTC": "1"}, {"USDT": "70000"}, f"G-{k}") for k in (2, 4)]
    desk.put(*lines)
    desk.price(BTC="100000")
    plain = RiskMonitor(desk.rules)
    for stated in lines:
        plain.handle(GroupPut(START, parse_line(stated, START, desk.rules.products), "book"))
    plain.handle(MarkPrices(START, (Quote("BTC", D(100000), "USD", "feed", START),)))
    told = of_groups(plain.handle(TimePassed(at)))
    assert desk.wait(at) == told
    assert [name.split()[0] for name in told] == ["G-1", "G-2", "G-3", "G-4"]


def test_a_late_loan_alone_makes_a_daily_product_add_interest_by_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 USDT that mature at 11:15 grow by 3 at 12:00 and at 13:00, where they pass 77 % of 1,304. No hour before is looked at."""
    product = vip_loan.load({"version": [version(rates={"USDT": "0.024"}, late_interest="hour", grace="1h")]})
    desk = ColumnsDesk(product)
    stated = book_line("vip_loan", {"USDT": "1304"}, {"USDT": "1000"})
    dates = {"opened_at": "2025-12-06T11:15:00Z", "matures_at": "2026-01-05T11:15:00Z"}
    stated["loans"][0] |= {"term": "30d", **dates}
    desk.put_all(stated)
    desk.price(USDT="1")
    owed: list[datetime] = []
    renew = desk.columnar.renew
    monkeypatch.setattr(desk.columnar, "renew", lambda at, rules: (owed.append(at), renew(at, rules)))
    hour = START.replace(minute=0)
    assert desk.wait(hour + timedelta(hours=1, minutes=30)) == ["G-1 loan.overdue"]
    assert owed == []
    said = {n: desk.wait(hour + timedelta(hours=n)) for n in (2, 3, 4)}
    assert owed == [hour + timedelta(hours=n) for n in (2, 3, 4)]
    assert said == {2: [], 3: ["G-1 loan_group.margin_call.opened"], 4: []}
