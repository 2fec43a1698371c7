"""What holds for every run: time told to pass changes nothing, chains are whole, and real tapes show every alert."""

import gzip
import json
import subprocess
import sys
import tomllib
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.coin_desk import START, line, loan
from tests.reference import books, run, tape
from tests.reference.desk import version
from tests.reference.model import Alert, Model

ROOT = Path(__file__).parents[2]
TAPES = ROOT.parent / "shared" / "data" / "prices"
CRASH = TAPES / "crash_2021-05-19_1m.csv.gz"
needs_tapes = pytest.mark.skipif(not CRASH.exists(), reason="the recorded price tapes of ../shared are not here")

EVERY_TYPE = {
    "loan_group.early_warning",
    "loan_group.margin_call.opened",
    "loan_group.margin_call.reminder",
    "loan_group.margin_call.cured",
    "loan_group.delayed_liquidation.started",
    "loan_group.delayed_liquidation.reminder",
    "loan_group.delayed_liquidation.cured",
    "loan_group.liquidation.triggered",
    "loan_group.liquidation.cleared",
    "loan.renewal_open",
    "loan.maturing",
    "loan.overdue",
    "rules.changed",
}


def wandering(seed: int, told: bool) -> list[Alert]:
    """Play four days of few, coarse LTVs, so that ties abound; `told` also says each quarter hour that time passed."""
    rng = Random(seed)
    news = {"renewal_window": "1d", "maturity_notice": "6h"}
    rules = [
        version(START - timedelta(days=9), **news),
        version(START + timedelta(hours=30), warnings=["0.6", "0.75"], **news),
    ]
    model = Model("desk-1", {"version": rules}, {"clear_hold_s": rng.choice((900, 3600))})
    alerts = []
    for number in range(4):
        owes = loan("COIN", "100", rate={"kind": "fixed", "daily": rng.choice(("0", "0.01"))})
        matures = START + timedelta(hours=rng.randint(-30, 60))
        owes |= {"matures_at": matures.isoformat()} if number == 3 else {}
        alerts += model.put(START, line(f"G-{number}", loans=[owes], delayed_liquidation=number % 2 == 1))
    for quarter in range(4 * 24 * 4):
        at = START + timedelta(minutes=15 * quarter)
        if rng.random() < 0.2:
            alerts += model.prices(at, {"COIN": rng.choice(("0.5", "0.72", "0.755", "0.76", "0.77", "0.91", "0.96"))})
        if told:
            alerts += model.pass_time(at)
    return alerts + model.pass_time(START + timedelta(days=9))


@pytest.mark.parametrize("seed", range(40))
def test_decision_4_telling_time_to_pass_changes_nothing(seed: int) -> None:
    alerts = wandering(seed, told=True)
    assert alerts == wandering(seed, told=False)
    assert_chains_are_whole(alerts)


def test_wandering_shows_every_type() -> None:
    assert {alert["type"] for seed in range(40) for alert in wandering(seed, told=False)} == EVERY_TYPE


def assert_chains_are_whole(alerts: list[Alert]) -> None:
    """Sequences have no gap, stages connect, episodes and supersedes follow them, ids are unique."""
    assert len({alert["id"] for alert in alerts}) == len(alerts)
    last: dict[str, Alert] = {}
    chain: dict[str, str | None] = {}
    for alert in alerts:
        if alert["type"] == "rules.changed":
            continue
        group = alert["group"]
        before = last.get(group, {"sequence": 0, "episode": 0, "stage_to": "normal", "timestamp": ""})
        leaves = alert["stage_from"] == "normal" != alert["stage_to"]
        assert alert["sequence"] == before["sequence"] + 1
        assert alert["stage_from"] == before["stage_to"]
        assert alert["episode"] == before["episode"] + leaves
        assert alert["timestamp"] >= before["timestamp"]
        if alert["stage_from"] != alert["stage_to"]:
            assert alert["supersedes"] == (None if leaves else chain[group])
            chain[group] = alert["id"]
        last[group] = alert
        assert_figures_fit(alert)


def assert_figures_fit(alert: Alert) -> None:
    """The stated debt and collateral must show the line that the alert's type claims."""
    if alert["blind"]:
        return
    debt, recognised = Decimal(alert["debt_usd"]), Decimal(alert["recognised_usd"])
    lines = {name: Decimal(level) * recognised for name, level in alert["thresholds"].items()}
    kind, reason = alert["type"].removeprefix("loan_group."), alert["reason"]
    if kind == "margin_call.opened":
        assert lines["margin_call"] <= debt < lines["liquidation"]
    elif kind == "delayed_liquidation.started":
        assert lines["liquidation"] <= debt <= lines["immediate"]
    elif kind == "liquidation.triggered" and reason in ("ltv", "immediate"):
        assert debt > lines["immediate"] if reason == "immediate" else debt >= lines["liquidation"]
    elif kind in ("delayed_liquidation.cured", "liquidation.cleared"):
        assert debt <= lines["initial"]
    elif kind in ("margin_call.cured", "early_warning"):
        assert debt < lines["margin_call"]


@cache
def crash() -> tuple[list[tape.Row], list[dict[str, Any]], list[Alert]]:
    rows = list(tape.rows(CRASH))
    book = books.book(1, 100, tape.summary(rows), rows[0][0], rows[-1][0])
    product = tomllib.loads(books.product_toml(second="2021-05-16T10:00:00Z"))
    return rows, book, run.expected("desk-1", product, {}, book, rows)


@needs_tapes
def test_the_crash_of_2021_shows_every_type_and_every_reason_of_a_liquidation() -> None:
    _, _, alerts = crash()
    assert {alert["type"] for alert in alerts} == EVERY_TYPE
    reasons = Counter(alert["reason"] for alert in alerts if alert["type"] == "loan_group.liquidation.triggered")
    assert set(reasons) == {"ltv", "immediate", "grace_expired", "overdue"}
    assert {alert["rules"] for alert in alerts if "rules" in alert} == {"vip_loan@2020-01-01", "vip_loan@2021-05-16"}
    assert {alert["blind"] for alert in alerts if "blind" in alert} == {False, True}
    assert max(len(alert.get("suppressed", ())) for alert in alerts) == 2


@needs_tapes
def test_the_crash_of_2021_has_whole_chains() -> None:
    assert_chains_are_whole(crash()[2])


@needs_tapes
def test_a_replay_of_the_crash_gives_the_same_alerts_from_the_command_line(tmp_path: Path) -> None:
    rows, book, _ = crash()
    product, lines, short = tmp_path / "vip_loan.toml", tmp_path / "book.jsonl", tmp_path / "short.csv"
    product.write_text(books.product_toml())
    lines.write_text("".join(json.dumps(each) + "\n" for each in book))
    with gzip.open(CRASH, "rt") as whole:
        short.write_text("".join(row for _, row in zip(range(301), whole, strict=False)))
    files = ["--product", str(product), "--book", str(lines), "--tape", str(short)]
    command = [sys.executable, "-m", "tests.reference.run", *files]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    expected = run.expected("desk-1", tomllib.loads(books.product_toml()), {}, book, rows[:300])
    assert [json.loads(alert) for alert in printed.splitlines()] == expected


@needs_tapes
def test_an_empty_cell_is_no_price() -> None:
    rows = list(tape.rows(TAPES / "crash_2024-08-05_5m.csv.gz"))
    assert "TON" not in rows[0][1]
    assert "TON" in rows[-1][1]
    assert rows[0][0] == datetime(2024, 7, 25, tzinfo=UTC)
    assert rows[0][1]["PEPE"] == "1.217e-05"


HISTORY = dict.fromkeys(("ADA", "BTC", "DOGE", "ETH", "SOL", "XMR"), ("100", "60", "130"))


def test_a_book_depends_on_its_seed_alone_and_shares_no_account() -> None:
    end = START + timedelta(days=9)
    book = books.book(7, 300, HISTORY, START, end)
    assert book == books.book(7, 300, dict(reversed(HISTORY.items())), START, end)
    assert book != books.book(8, 300, HISTORY, START, end)
    accounts = [account for each in book for account in each["collateral"]]
    assert len(set(accounts)) == len(accounts)
    assert len({each["id"] for each in book}) == 300
    assert json.loads(json.dumps(book)) == book


def test_a_book_mixes_what_the_monitor_has_to_tell_apart() -> None:
    book = books.book(7, 300, HISTORY, START, START + timedelta(days=9))
    loans = [each for group in book for each in group["loans"]]
    assets = [{asset for held in group["collateral"].values() for asset in held} for group in book]
    assert {len(group["collateral"]) for group in book} == {1, 2, 3, 4}
    assert {len(group["loans"]) for group in book} == {0, 1, 2, 3}
    assert {each["term"] for each in loans} == {"open", "30d", "60d"}
    assert {each["rate"]["kind"] for each in loans} == {"fixed", "flexible"}
    assert {"USDT", "BTC"} <= {each["asset"] for each in loans}
    assert any(books.NEVER_PRICED in held for held in assets)
    assert any(books.LISTED_LATER in held for held in assets)
    assert {group["delayed_liquidation"] for group in book} == {True, False}
    assert any("thresholds" in group for group in book)
    assert len({len(group["id"]) for group in book}) > 3
