"""The alert as the outside sees it: docs/alerts.md, key by key."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from monitor.core.alerts.body import alert_body
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.alerts.payload import BODY_LIMIT, OnlyInNotices, alert_item
from monitor.core.money import EXACT
from monitor.core.prices.decisions import Pinned
from monitor.core.rules.settings import Trust
from monitor.core.stages.stages import TABLE
from monitor.core.text import as_json, stamp
from tests.coin_desk import START, clock, line, loan, version
from tests.core.alerts.slow_body import slow_body
from tests.core.desk import Desk, both_books, product

D = Decimal
LADDERS = {"BTC": [["inf", "1"]], "ETH": [["1000000", "0.9"], ["inf", "0.7"]], "USDT": [["inf", "1"]]}
RULES = product(version(ladders=LADDERS, rates={"USDT": "0", "COIN": "0"}))
KEYS = [
    "id", "cursor", "severity", "test", "durable", "blind", "sequence", "episode", "detected_at", "group", "stage", "reason",
    "ltv", "debt_usd", "recognised_usd", "market_usd", "thresholds", "cure", "liquidation_price", "inputs", "debts",
    "inputs_cut", "rules", "band", "next_line", "deadline", "supersedes", "suppressed",
]  # fmt: skip


def example() -> Desk:
    """The figures of the example in docs/alerts.md: 1,000,000 owed on 1,296,673.2 recognised."""
    stated = line(
        receiving_account="acct-1",
        collateral={"acct-1": {"BTC": "12.5"}, "acct-2": {"ETH": "500"}},
        loans=[loan("USDT", "900000"), loan("USDT", "90000", id="L-2", interest="10000.00")],
        labels={"borrower": "ACME"},
    )
    desk = Desk(of=RULES)
    desk.price("00:00", "BTC=38210.40/USDT@binance-futures,ETH=1820.096/USDT@binance-futures")
    assert desk.put("12:58", stated) == "margin_call.opened"
    return desk


@both_books
def test_the_whole_object_of_the_example() -> None:
    desk = example()
    told = desk.told(desk.alerts[0])
    assert list(told) == ["type", "timestamp", "data"]
    assert told["type"] == "loan_group.margin_call.opened"
    assert told["timestamp"] == "2026-01-05T12:58:00.000Z"
    body = told["data"]
    assert sorted(body) == sorted(KEYS)
    in_usdt = {"asset": "USDT", "price": "1"}
    assert body | {"id": "evt_..."} == {
        "id": "evt_...",
        "cursor": 1,
        "severity": "warning",
        "test": False,
        "durable": True,
        "blind": False,
        "group": {"id": "G-1", "product": "vip_loan", "receiving_account": "acct-1", "labels": {"borrower": "ACME"}},
        "sequence": 1,
        "episode": 1,
        "stage": {"from": "normal", "to": "margin_call"},
        "reason": "ltv",
        "ltv": "0.77120434",
        "debt_usd": "1000000",
        "recognised_usd": "1296673.2",
        "market_usd": "1387678",
        "thresholds": {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"},
        "deadline": None,
        "band": "margin_call",
        "next_line": {"name": "liquidation", "ltv": "0.91", "distance_percent": "15.25"},
        "detected_at": "2026-01-05T12:58:00.000Z",
        "cure": {
            "to_ltv": "0.72",
            "repay_usd": "66395.3",
            "add_recognised_usd": "92215.69",
            # ETH: 89,952 USD at 90 % fill its tier up to 1m, the other 11,258.89 count 70 %; by 1,820.096 a coin.
            "by_asset": {"BTC": "2.41336623", "ETH": "58.25853526"},
        },
        # (1,000,000 / 0.91 - 819,043.2) / 12.5 and (1,000,000 / 0.91 - 477,630) / 0.9 / 500
        "liquidation_price": {"BTC": "22388.63191209", "ETH": "1380.60244201", "USDT": "1.179972612"},
        "inputs": [
            {
                "asset": "BTC",
                "quantity": "12.5",
                "price": "38210.4",
                "quote": "USDT",
                "quote_price": "38210.4",
                "source": "binance-futures",
                "price_at": "2026-01-05T00:00:00.000Z",
                "trust": "good",
                "value_usd": "477630",
                "recognised_usd": "477630",
            },
            {
                "asset": "ETH",
                "quantity": "500",
                "price": "1820.096",
                "quote": "USDT",
                "quote_price": "1820.096",
                "source": "binance-futures",
                "price_at": "2026-01-05T00:00:00.000Z",
                "trust": "good",
                "value_usd": "910048",
                "recognised_usd": "819043.2",
            },
        ],
        "debts": [
            {"loan": "L-1", "principal": "900000", "interest": "0", "value_usd": "900000"} | in_usdt,
            {"loan": "L-2", "principal": "90000", "interest": "10000", "value_usd": "100000"} | in_usdt,
        ],
        "inputs_cut": 0,
        "rules": "vip_loan@2025-01-05",
        "supersedes": None,
        "suppressed": [],
    }


@both_books
def test_promise_2_anyone_can_recompute_an_alert_from_the_alert_alone() -> None:
    desk = example()
    body = desk.told(desk.alerts[0])["data"]
    value = {i["asset"]: D(i["quantity"]) * D(i["price"]) for i in body["inputs"]}
    assert {i["asset"]: D(i["value_usd"]) for i in body["inputs"]} == value
    assert sum(value.values()) == D(body["market_usd"])
    assert sum(D(i["recognised_usd"]) for i in body["inputs"]) == D(body["recognised_usd"])
    debts = [(D(d["principal"]) + D(d["interest"])) * D(d["price"]) for d in body["debts"]]
    assert sum(debts) == D(body["debt_usd"])
    assert D(body["debt_usd"]) >= D(body["thresholds"]["margin_call"]) * D(body["recognised_usd"])


@both_books
def test_the_price_of_a_coin_is_in_usd_and_the_quote_as_received() -> None:
    desk = Desk(of=RULES, trust=Trust(enabled=False, usdt_usd="0.998"))
    desk.price("00:00", "BTC=50000.0/USDT@spot,COIN=400")
    desk.put("00:01", line(collateral={"a": {"BTC": "1", "USDT": "100"}}))
    body = desk.told(desk.alerts[0])["data"]
    btc, usdt = body["inputs"]
    assert (btc["price"], btc["quote"], btc["quote_price"], btc["source"]) == ("49900", "USDT", "50000", "spot")
    assert (usdt["price"], usdt["quote"], usdt["quote_price"], usdt["source"]) == ("0.998", "USD", "0.998", "usdt_usd")
    assert usdt["price_at"] is None


@both_books
def test_deadline_supersedes_and_suppressed_are_told() -> None:
    desk = Desk(line(delayed_liquidation=True))
    first, second = desk.play("00:00 0.92 delayed_liquidation.started; 00:01 0.96 liquidation.triggered(immediate)")
    assert desk.told(first)["data"]["deadline"] == "2026-01-06T00:00:00.000Z"
    assert desk.told(first)["data"]["suppressed"] == ["loan_group.margin_call.opened"]
    assert desk.told(second)["data"]["supersedes"] == first.id
    assert desk.told(second)["data"]["deadline"] is None


@both_books
def test_a_deadline_that_passed_is_told_with_its_time_and_when_it_was_noticed() -> None:
    desk = Desk(line(delayed_liquidation=True), grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started; 25:00 ... liquidation.triggered(grace_expired)@24:00")
    told = desk.told(desk.alerts[1])
    assert told["timestamp"] == "2026-01-06T00:00:00.000Z"
    assert told["data"]["detected_at"] == "2026-01-06T01:00:00.000Z"


def test_every_type_has_its_documented_severity() -> None:
    want = {
        "info": {
            "loan_group.early_warning",
            "loan_group.margin_call.cured",
            "loan_group.delayed_liquidation.cured",
            "loan_group.liquidation.cleared",
            "loan.renewal_open",
            "loan.maturing",
            "price.restored",
            "rules.changed",
            "monitor.recovered",
            "monitor.heartbeat",
            "fund.restored",
            "exposure.restored",
        },
        "warning": {
            "loan_group.margin_call.opened",
            "loan_group.margin_call.reminder",
            "loan.interest_shortfall",
            "price.stale",
            "price.suspect",
            "book.refused",
            "book.drift",
            "delivery.failing",
            "monitor.clock_jump",
            "exposure.concentration",
        },
        "critical": {
            "loan_group.delayed_liquidation.started",
            "loan_group.delayed_liquidation.reminder",
            "loan_group.liquidation.triggered",
            "loan.overdue",
            "monitor.degraded",
            "fund.exceeded",
        },
    }
    assert {
        severity: {t for t in types if CATALOGUE[t].severity == severity} for severity, types in want.items()
    } == want
    assert {row.alert for row in TABLE.values()} <= set(CATALOGUE)


@both_books
def test_an_alert_without_a_group_says_its_subject_and_facts() -> None:
    desk = Desk()
    desk.notice("00:00", "book.refused", "books/a.jsonl:7", facts={"problem": "no JSON"}, fingerprint="x")
    body = desk.told(desk.alerts[0])["data"]
    assert (body["subject"], body["facts"], body["blind"]) == ("books/a.jsonl:7", {"problem": "no JSON"}, False)
    assert "group" not in body


@both_books
def test_a_test_and_a_not_durable_alert_say_so() -> None:
    desk = example()
    body = as_json(alert_item(desk.alerts[0], 7, RULES_BY_KIND, durable=False, test=True).data)
    assert (body["cursor"], body["durable"], body["test"]) == (7, False, True)


@both_books
def test_a_notice_leads_to_its_page_and_the_log_does_not() -> None:
    desk = example()
    body = as_json(
        alert_item(
            desk.alerts[0], 7, RULES_BY_KIND, only=OnlyInNotices(url="https://risk.desk.example/#/group/G-1")
        ).data
    )
    assert body["url"] == "https://risk.desk.example/#/group/G-1"
    assert "url" not in desk.told(desk.alerts[0])["data"]


RULES_BY_KIND = {"vip_loan": RULES}


@both_books
def test_without_the_version_of_the_alert_nothing_is_computed_by_other_rules() -> None:
    desk = example()
    other = {"vip_loan": product(version(START + timedelta(days=1)))}
    for products in (other, {}):
        body = as_json(alert_item(desk.alerts[0], 1, products).data)
        assert (body["cure"], body["liquidation_price"]) == (None, None)
        assert body["ltv"] == "0.77120434"


# -- 20 kB --


def large(assets: int = 200, loans: int = 1) -> tuple[dict[str, Any], dict[str, Any]]:
    names = [f"C{i:03}" for i in range(assets)]
    rules = product(version(ladders={name: [["inf", "0.9"]] for name in names}))
    owed = [loan(principal=str(10**9 * assets // loans), id=f"L-{i:03}") for i in range(loans)]
    desk = Desk(of=rules)
    desk.price("00:00", ",".join(f"{name}={100 + i}.12345678/USDT@binance-futures" for i, name in enumerate(names)))
    desk.price("00:00", "COIN=0.0007")
    desk.put("00:01", line(collateral={"a": {name: f"{i + 1}.5" for i, name in enumerate(names)}}, loans=owed))
    alert = desk.alerts[-1]
    return desk.told(alert), msgspec.to_builtins(alert.figures)


@both_books
def test_a_group_with_200_assets_stays_below_20_kb_with_counts_and_whole_sums() -> None:
    told, figures = large()
    body = told["data"]
    assert len(msgspec.json.encode(told)) < 20_000
    assert len(body["inputs"]) + body["inputs_cut"] == 200
    assert body["inputs_cut"] > 100
    values = [D(i["value_usd"]) for i in body["inputs"]]
    assert values == sorted(values, reverse=True)
    whole = sorted((D(i["value_usd"]) for i in figures["inputs"]), reverse=True)
    assert values == whole[: len(values)]  # the largest stay
    assert D(body["market_usd"]) == sum(whole)
    assert D(body["recognised_usd"]) == sum(D(i["recognised_usd"]) for i in figures["inputs"])
    named = {i["asset"] for i in body["inputs"]}
    assert set(body["cure"]["by_asset"]) == named == set(body["liquidation_price"])


@both_books
def test_a_group_with_500_loans_stays_below_20_kb() -> None:
    told, _ = large(assets=2, loans=500)
    body = told["data"]
    assert len(msgspec.json.encode(told)) < 20_000
    assert len(body["debts"]) + body["debts_cut"] == 500
    assert D(body["debt_usd"]) == 500 * D(4_000_000) * D("0.0007")


@both_books
def test_a_body_that_fits_is_not_cut() -> None:
    told, _ = large(assets=20)
    assert told["data"]["inputs_cut"] == 0
    assert "debts_cut" not in told["data"]
    assert BODY_LIMIT < 20_000


@pytest.mark.parametrize(
    ("when", "text"),
    [("00:00", "2026-01-05T00:00:00.000Z"), ("00:00:01.0019", "2026-01-05T00:00:01.001Z")],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(when: str, text: str) -> None:
    assert stamp(clock(when)) == text


@both_books
def test_the_envelope_takes_its_type_and_time_from_the_alert() -> None:
    desk = example()
    told = desk.told(desk.alerts[0])
    assert list(told) == ["type", "timestamp", "data"]
    assert (told["type"], told["timestamp"]) == ("loan_group.margin_call.opened", "2026-01-05T12:58:00.000Z")


HOSTILE = '"\\\u20ac\U0001f600'


@pytest.mark.parametrize("labels", [0, 1, 32, 500])
@pytest.mark.parametrize(("assets", "loans"), [(1, 1), (40, 3), (3, 40), (200, 200)])
def test_labels_go_first_then_debts_and_inputs_last(labels: int, assets: int, loans: int) -> None:
    """An older store may hold labels beyond the bounds. Inputs and debts stay whole as long as labels can go."""
    desk = Desk(of=product(version(ladders={f"C{i:03}": [["inf", "0.9"]] for i in range(assets)})))
    desk.price("00:00", ",".join(f"C{i:03}=100.12345678/USDT@binance-futures" for i in range(assets)))
    desk.price("00:00", "COIN=0.0007")
    owed = [loan(principal=str(10**9 * assets // loans), id=f"L{i:03}" + "x" * 124) for i in range(loans)]
    held = {"a" * 128: {f"C{i:03}": "1.5" for i in range(assets)}}
    desk.put("00:01", line("G" * 128, receiving_account="r" * 128, collateral=held, loans=owed))
    alert = desk.alerts[-1]
    assert alert.group is not None
    many = {f"k{i}{HOSTILE * 5}": HOSTILE * 25 for i in range(labels)}
    group = msgspec.structs.replace(alert.group, labels=many)
    body = as_json(alert_item(msgspec.structs.replace(alert, group=group), 1, desk.monitor.rules.products))
    assert len(msgspec.json.encode(body)) < 20_000
    data = body["data"]
    assert len(data["group"]["labels"]) + data.get("labels_cut", 0) == labels
    assert len(data["debts"]) + data.get("debts_cut", 0) == loans
    assert len(data["inputs"]) + data["inputs_cut"] == assets
    if data.get("debts_cut", 0):
        assert data["group"]["labels"] == {}
    if data["inputs_cut"]:
        assert len(data["debts"]) <= 5
    if (assets, loans) in ((1, 1), (40, 3)):
        assert data["inputs_cut"] == data.get("debts_cut", 0) == 0, "labels alone had to go"


@pytest.mark.parametrize("about", ["price.stale", "loan_group.margin_call.opened"])
@pytest.mark.parametrize("fact", ["x" * 50_000, ["G" * 128] * 500, [{"text": HOSTILE * 50}] * 300, {"a": "x" * 30_000}])
def test_long_facts_never_make_a_body_too_long(about: str, fact: Any) -> None:
    alert = msgspec.structs.replace(example().alerts[0], type=about, facts={"short": "stays", "long": fact})
    if about == "price.stale":
        alert = msgspec.structs.replace(alert, group=None, figures=None)
    body = as_json(alert_item(alert, 1, {"vip_loan": RULES}))
    assert len(msgspec.json.encode(body)) < 20_000
    assert body["data"]["facts"]["short"] == "stays"
    assert body["data"]["facts_cut"] == 1


@pytest.mark.parametrize("about", sorted(CATALOGUE))
def test_the_bytes_of_every_type_are_those_of_the_long_way(about: str) -> None:
    """With a group and figures, with a group alone, with facts, pins and nulls, and with neither."""
    whole = msgspec.structs.replace(example().alerts[0], type=about)
    assert whole.figures is not None
    pinned = Pinned("ann", START, 'because of "it"')
    dark = msgspec.structs.replace(whole.figures.inputs[0], price=None, price_at=None, value_usd=None, pinned=pinned)
    pins = tuple(msgspec.structs.replace(debt, pinned=pinned) for debt in whole.figures.debts)
    blind = msgspec.structs.replace(whole.figures, ltv=None, debt_usd=None, inputs=(dark,), debts=pins)
    facts = {"loan": "L-1", "rate": "0.0001", "cause": "rules", "rules_from": "2026-01-05", "list": ["a", 1, None]}
    late = START + timedelta(hours=24, microseconds=123_999)
    for alert in (
        whole,
        msgspec.structs.replace(whole, figures=None, facts=facts, deadline=late, silenced_by="sil_1"),
        msgspec.structs.replace(whole, figures=blind, blind=True, reason=None, supersedes="evt_1", suppressed=("a",)),
        msgspec.structs.replace(whole, figures=None, group=None, subject="BTC \u20ac", facts=facts),
    ):
        body = alert_body(alert, 3, RULES_BY_KIND)
        assert body == slow_body(alert, 3, RULES_BY_KIND)
        assert body == msgspec.json.encode(as_json(alert_item(alert, 3, RULES_BY_KIND)))


def test_a_body_that_is_cut_is_the_item_that_is_cut() -> None:
    alert = msgspec.structs.replace(example().alerts[0], facts={"long": "x" * 50_000})
    only = OnlyInNotices("https://risk.desk.example/#/group/G-1", "Europe/Stockholm")
    body = alert_body(alert, 3, RULES_BY_KIND, durable=False, only=only)
    assert body == msgspec.json.encode(as_json(alert_item(alert, 3, RULES_BY_KIND, durable=False, only=only)))
    assert len(body) < 20_000


def test_the_band_is_exact_however_many_digits_the_sums_have() -> None:
    [alert] = example().alerts
    line, recognised = D("0.77"), D("100000000000000.2000000000000001")
    on_it = EXACT.multiply(line, recognised)
    for debt, band, ahead in (
        (on_it, "margin_call", "liquidation"),
        (EXACT.subtract(on_it, D("1e-18")), "restricted", "margin_call"),
    ):
        assert alert.figures is not None
        figures = msgspec.structs.replace(alert.figures, debt_usd=debt, recognised_usd=recognised)
        moved = msgspec.structs.replace(alert, figures=figures, stage_to="normal")
        data = as_json(alert_item(moved, 1, {RULES.name: RULES}))["data"]
        assert (data["band"], data["next_line"]["name"]) == (band, ahead)
