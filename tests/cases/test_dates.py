"""The handed case of dates that cannot be: the loans are watched by their LTV, and their dates are named until mended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.books._base import PlainReader
from monitor.books._lines import judge
from monitor.cli.main import check_config
from monitor.core.alerts.catalogue import BOOK_LEFT_OUT
from monitor.core.loans.loan_dates import line_problems
from monitor.core.schema import Invalid
from monitor.engine.columns.names import Names
from monitor.engine.ingest.reader import BlockReader
from monitor.products import vip_loan
from monitor.replay.entries import read_entry
from tests.cases.test_lending import CASES, TRIGGERED, Line, replayed
from tests.coin_desk import version

CASE = "dates-that-cannot-be"
NOW = datetime(2026, 3, 25, tzinfo=UTC)
LINES = [json.loads(line) for line in (CASES / CASE / "book.jsonl").read_text().splitlines()]
PRODUCTS = {
    "vip_loan": vip_loan.load({"version": [version(rates={"USDT": "0.0001"}, ladders={"BTC": [["inf", "1"]]})]})
}
LIVE = PlainReader(lambda: PRODUCTS, is_live=True)


def dated(opened: str, matures: str | None, term: str = "30d") -> dict[str, Any]:
    first = LINES[0]
    return first | {"loans": [first["loans"][0] | {"opened_at": opened, "matures_at": matures, "term": term}]}


def test_a_replay_tells_of_no_maturity_and_names_the_dates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, alerts, _ = replayed(CASE, tmp_path, capsys)
    assert code == 0
    assert [(alert["type"], alert["data"]["facts"]["group"]) for alert in alerts] == [
        (BOOK_LEFT_OUT, "M-1"),
        (BOOK_LEFT_OUT, "M-2"),
    ], "M-3 opens later than the tape, which only a live monitor judges"
    assert all("loans[0].matures_at" in alert["data"]["facts"]["problem"] for alert in alerts)


def test_such_a_loan_is_watched_by_its_ltv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, alerts, _ = replayed(CASE, tmp_path, capsys, tape="2026-03-26T00:00:00Z,BTC,105\n2026-05-26T00:00:00Z,BTC,105\n")
    told = {alert["type"]: alert["data"]["group"]["id"] for alert in alerts if "group" in alert["data"]}
    assert set(told) == {TRIGGERED}
    assert all(alert["data"]["reason"] == "immediate" or alert["data"]["reason"] == "ltv" for alert in alerts[2:])


@pytest.mark.parametrize(
    ("line", "where"),
    [
        *zip(LINES, ["loans[0].matures_at", "loans[0].matures_at", "loans[0].opened_at"], strict=True),
        (dated("2026-02-30T00:00:00Z", "2026-03-31T00:00:00Z"), "loans[0].opened_at"),
        (dated("2026-03-01T00:00:00Z", "2026-02-30T00:00:00Z"), "loans[0].matures_at"),
        (dated("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"), "loans[0].matures_at"),
        (dated("2026-03-01T00:00:00Z", "2026-03-29T23:00:00Z"), "loans[0].matures_at"),
        (dated("2026-03-26T00:00:01Z", None, "open"), "loans[0].opened_at"),
    ],
)
def test_dates_that_cannot_be_are_left_out_and_named(line: Line, where: str) -> None:
    found = judge(json.dumps(line).encode(), NOW, LIVE)
    assert found.group is not None, found.problem
    (loan,) = found.group.loans
    assert (loan.matures_at, loan.term, loan.opened_at <= NOW) == (None, "open", True)
    assert (found.left_out_reason, found.left_out.startswith(where)) == ("dates", True), found.left_out
    assert [problem.where for problem in line_problems(line, NOW)] == [where]


@pytest.mark.parametrize(
    "line",
    [
        dated("2026-03-01T00:00:00Z", "2026-03-31T00:00:00Z"),
        dated("2026-03-01T00:00:00Z", "2026-03-30T00:00:00Z"),  # the lender's day is not ours
        dated("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"),  # renewed twice
        dated("2026-03-26T00:00:00Z", None, "open"),  # tomorrow there
    ],
)
def test_dates_that_can_be_are_used(line: Line) -> None:
    found = judge(json.dumps(line).encode(), NOW, LIVE)
    assert found.group is not None
    assert (found.left_out, found.group.loans[0].matures_at is None) == ("", line["loans"][0]["matures_at"] is None)


def test_a_fixed_rate_goes_on_without_an_end() -> None:
    line = dated("2026-03-20T00:00:00Z", "2026-03-11T00:00:00Z")
    line["loans"][0] |= {"rate": {"kind": "fixed", "daily": "0.001"}}
    found = judge(json.dumps(line).encode(), NOW, LIVE)
    assert found.group is not None
    assert (found.group.loans[0].rate.kind, found.group.loans[0].matures_at) == ("fixed", None)


def test_an_entry_of_a_replay_is_judged_like_one_by_api() -> None:
    loan = LINES[0]["loans"][0] | {"id": "L-9"}
    entry = {"group": "M-1", "id": "e-1", "at": "2026-03-25T00:00:00Z", "type": "borrow", "loan": loan}
    with pytest.raises(Invalid) as e:
        read_entry(json.dumps(entry).encode())
    assert [problem.where for problem in e.value.problems] == ["loan.matures_at"]


@pytest.mark.parametrize("is_live", [True, False])
def test_a_packed_book_leaves_such_lines_to_the_exact_path(is_live: bool) -> None:
    fine = dated("2026-03-01T00:00:00Z", "2026-03-31T00:00:00Z") | {"id": "M-0", "receiving_account": "M-0-s"}
    fine["collateral"] = {"M-0-m": {"BTC": "1"}}
    raws = [json.dumps(line).encode() for line in (fine, *LINES)]
    packed = BlockReader(lambda: PRODUCTS, Names(), is_live=is_live).pack(raws, NOW, "book")
    assert list(packed.rest) == ([1, 2, 3] if is_live else [1, 2])


def test_check_config_names_them_without_a_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES / CASE
    for name in ("monitor.toml", "vip_loan.toml", "book.jsonl"):
        (tmp_path / name).write_text((case / name).read_text())
    config = tmp_path / "monitor.toml"
    config.write_text(config.read_text() + '\n[[book]]\nname = "loans"\nkind = "file"\npath = "book.jsonl"\n')
    assert check_config(config=config) == 0
    said = " ".join(capsys.readouterr().err.split())
    for number, (group, field) in enumerate((("M-1", "matures_at"), ("M-2", "matures_at"), ("M-3", "opened_at")), 1):
        assert f"book.jsonl:{number}: group {group} is watched without these dates: loans[0].{field}" in said
