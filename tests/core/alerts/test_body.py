"""The bytes of an alert in a frame that others have left: what is another alert's must never stand in it."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from monitor.core.alerts import body
from monitor.core.alerts.alert import Alert, Figures, GroupRef
from monitor.core.alerts.body import alert_body
from monitor.core.alerts.payload import NOT_A_NOTICE, OnlyInNotices, alert_item, cut
from monitor.core.prices.decisions import Pinned
from monitor.core.rules.product import Product
from monitor.core.rules.terms import Terms
from monitor.core.rules.thresholds import Metric, Thresholds
from monitor.core.text import as_json
from tests.coin_desk import START, line, loan, version
from tests.core.alerts.test_coin_texts import Case, case
from tests.core.desk import Desk, product

D = Decimal
HOSTILE = 'a"\\\0\u20ac\U0001f600'
OLDER = START - timedelta(days=700)
LADDERS = {"BTC": [["inf", "0.9"]], "ETH": [["inf", "0.85"]]}
RULES = product(version(OLDER, ladders=LADDERS), version(ladders=LADDERS))
PRODUCTS = {RULES.name: RULES}
LATER = START + timedelta(hours=5, microseconds=123_999)
STRICT = Thresholds(
    D("0.7"), D("0.75"), D("0.9"), D("0.96"), Metric("ltv", strict=("initial", "liquidation", "immediate"))
)


def opened() -> Alert:
    """A margin call."""
    desk = Desk(of=RULES)
    desk.price("00:00", "BTC=38210.40/USDT@binance-futures,ETH=1820.096/USDT@binance-futures")
    owed = [loan("USDT", "900000"), loan("USDT", "90000", id="L-2", interest="10000.00")]
    desk.put("12:58", line(collateral={"a": {"BTC": "12.5"}, "b": {"ETH": "500"}}, loans=owed, labels={"desk": "one"}))
    [alert] = desk.alerts
    return alert


def said(alert: Alert, products: dict[str, Product], durable: bool = True, only: OnlyInNotices = NOT_A_NOTICE) -> bytes:
    return msgspec.json.encode(as_json(alert_item(alert, 7, products, durable=durable, only=only)))


CHANGES: dict[str, list[Any]] = {
    "type": ["loan_group.liquidation.triggered", "loan_group.closed"],
    "id": ["evt_other", HOSTILE],
    "at": [LATER],
    "detected_at": [LATER],
    "sequence": [12],
    "episode": [3],
    "group": [
        GroupRef(HOSTILE, RULES.name, HOSTILE, {}),
        GroupRef("G-2", RULES.name, "r", {HOSTILE: HOSTILE, "long": "x" * 5000}),
        GroupRef("G-1", "unknown", "r", {}),
        None,
    ],
    "stage_from": ["margin_call", None],
    "stage_to": ["normal", "liquidation", "delayed_liquidation", None],
    "reason": ["immediate", HOSTILE, None],
    "deadline": [LATER],
    "supersedes": ["evt_before", HOSTILE],
    "suppressed": [("evt_1",), (HOSTILE, "evt_2")],
    "blind": [True],
    "facts": [{"call": 1, "text": HOSTILE}, {"cause": "rules"}, {"lever": "l", "more": [None]}, {"long": "x" * 30_000}],
    "silenced_by": ["sil_1"],
}
"""By field of an alert, other values of it."""
PINNED = Pinned("ann", START, HOSTILE)
FIGURES: dict[str, list[Any]] = {
    "ltv": [None, D("0.770")],
    "debt_usd": [D(0), D("1E+6"), D("1000000.00000000000000000001"), None],
    "recognised_usd": [D("1E+7"), D("0.00"), D("-5"), D("1E-18")],
    "market_usd": [None, D("12.50")],
    "thresholds": [STRICT, Thresholds(D(2), None, D("1.1"), None, Metric("health_factor", falls=True))],
    "rules": ["vip_loan@1999-01-01", f"vip_loan@{OLDER.date()}"],
    "terms": [Terms(haircut=D("0.05"))],
    "missing": [("BTC",)],
    "uncounted": [((HOSTILE, D("1.50")),)],
}
"""The same of its figures."""


def changed() -> Iterator[Alert]:
    alert = opened()
    figures = alert.figures
    assert figures is not None
    for name, values in CHANGES.items():
        yield from (msgspec.structs.replace(alert, **{name: value}) for value in values)
    inputs, debts = figures.inputs, figures.debts
    rows = {
        "inputs": [(), inputs[:1], tuple(msgspec.structs.replace(each, pinned=PINNED) for each in inputs), inputs * 60],
        "debts": [(), debts[:1], tuple(msgspec.structs.replace(each, pinned=PINNED, loan=HOSTILE) for each in debts)],
    }
    for name, values in (FIGURES | rows).items():
        for value in values:
            yield msgspec.structs.replace(alert, figures=msgspec.structs.replace(figures, **{name: value}))
    yield msgspec.structs.replace(alert, figures=None)
    assert {*CHANGES, "figures", "subject", "contacts"} == {*Alert.__struct_fields__}, "the last two are not shown"
    assert {*FIGURES, *rows} == {*Figures.__struct_fields__}


def test_each_field_is_that_of_the_alert_and_not_of_the_one_before() -> None:
    alert = opened()
    usual = said(alert, PRODUCTS)
    for other in changed():
        assert alert_body(alert, 7, PRODUCTS) == usual
        assert alert_body(other, 7, PRODUCTS) == said(other, PRODUCTS)
        assert alert_body(other, 7, PRODUCTS) == said(other, PRODUCTS), "in the frame that it left itself"


@pytest.mark.parametrize("url", [None, "https://risk.desk.example/#/group/G-1", HOSTILE])
@pytest.mark.parametrize("zone", [None, "Europe/Stockholm"])
@pytest.mark.parametrize("durable", [True, False])
def test_what_only_notices_say_is_that_of_now(url: str | None, zone: str | None, durable: bool) -> None:
    for alert in (opened(), msgspec.structs.replace(opened(), facts={"call": 1})):
        alert_body(alert, 7, PRODUCTS)
        for only in (OnlyInNotices(url, zone), OnlyInNotices("https://other.example", zone)):
            found = alert_body(alert, 7, PRODUCTS, durable=durable, only=only)
            assert found == said(alert, PRODUCTS, durable, only)


def test_the_alerts_of_other_ticks_need_no_frame_of_their_own() -> None:
    alert = opened()
    alert_body(alert, 7, PRODUCTS)
    before = len(body.frames)
    for n in range(10):
        at = START + timedelta(seconds=n)
        later = msgspec.structs.replace(alert, at=at, detected_at=at, deadline=at, episode=n, sequence=n)
        assert alert_body(later, n, PRODUCTS) == msgspec.json.encode(as_json(alert_item(later, n, PRODUCTS)))
    assert len(body.frames) == before


def test_no_more_frames_are_kept_than_are_bounded() -> None:
    alert = opened()
    for n in range(body.MOST_FRAMES + 10):
        alert_body(msgspec.structs.replace(alert, silenced_by=f"sil_{n}"), 7, PRODUCTS)
    assert 0 < len(body.frames) <= body.MOST_FRAMES


def alerts_of(cases: Iterator[Case], random: Random) -> Iterator[tuple[Alert, dict[str, Product]]]:
    usual = opened()
    for n, (figures, rules) in enumerate(cases):
        of = msgspec.structs.replace(RULES, versions=(rules,))
        judged = msgspec.structs.replace(figures, rules=of.rules_name(rules))
        stage = random.choice(["normal", "margin_call", "liquidation"])
        yield msgspec.structs.replace(usual, id=f"evt_{n}", stage_to=stage, figures=judged), {RULES.name: of}


@pytest.mark.parametrize("seed", [5, pytest.param(6, marks=pytest.mark.soak)])
def test_any_amounts_and_rules_give_the_bytes_of_the_item(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Amounts of zero, of 24 places and of 1E+22, ladders of all kinds, coins that are owed as well, lines that fall."""
    random, the_long_way = Random(seed), []
    monkeypatch.setattr(body, "cut", lambda data: the_long_way.append(data) or cut(data))
    for alert, products in alerts_of((case(random) for _ in range(1_500 if seed == 5 else 20_000)), random):
        assert alert_body(alert, 7, products) == said(alert, products)
    assert len(the_long_way) < 500
