"""The handed cases of repayments: what the lender's page shows closes a loan, and dust is not owed."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.cli.main import main

LENDING = Path(__file__).parent / "lending"
PAGE, DUST = LENDING / "repaid-as-the-page-shows", LENDING / "all-but-dust-repaid"


def played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, entries: Path
) -> list[dict[str, Any]]:
    """The alerts of a replay of the case's tape and book with these entries; nothing may be refused."""
    monkeypatch.chdir(folder)
    files = ["--config", "monitor.toml", "--tape", "tape.csv", "--book", "book.jsonl", "--entries", str(entries)]
    monkeypatch.setattr(sys, "argv", ["monitor", "replay", *files, "--json"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of a command line that is not a test's own
        with pytest.raises(SystemExit) as ended:
            main()
    out, err = capsys.readouterr()
    assert ended.value.code == 0, err
    assert "refused" not in err
    return [json.loads(row) for row in out.splitlines()]


@pytest.mark.parametrize("paid", ["rounded-up", "rounded-down", "exact"])
def test_what_the_page_shows_closes_the_loan(
    paid: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert played(monkeypatch, capsys, PAGE, PAGE / f"{paid}.jsonl") == []


@pytest.mark.parametrize(("rounding", "returned"), [("half_even", "265.23706303"), ("up", "265.23706302")])
def test_what_is_too_much_goes_back_and_is_said(
    rounding: str,
    returned: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("monitor.toml", "book.jsonl", "tape.csv", "vip_loan.toml"):
        (tmp_path / name).write_bytes((PAGE / name).read_bytes())
    rules = (tmp_path / "vip_loan.toml").read_text()
    (tmp_path / "vip_loan.toml").write_text(
        rules.replace("[version.ladders]", f'rounding = "{rounding}"\n[version.ladders]')
    )
    (said,) = played(monkeypatch, capsys, tmp_path, PAGE / "overpaid.jsonl")
    assert (said["type"], said["data"]["severity"]) == ("loan.overpaid", "info")
    facts = {"asset": "USDT", "entry": "1", "paid": "1500", "owed": "1234.7629369728", "returned": returned}
    assert said["data"]["facts"] == facts


def test_a_cent_that_is_left_is_owed_and_grows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts = played(monkeypatch, capsys, PAGE, PAGE / "a-cent-left.jsonl")
    said = [a["type"] for a in alerts]
    assert said == ["loan.renewal_open", "loan.maturing", "loan.overdue", "loan_group.liquidation.triggered"]
    owed = [float(a["data"]["debt_usd"]) for a in alerts]
    assert 0.0129369728 < owed[0] < owed[1] < owed[2] < owed[3]


def test_a_hundred_millionth_that_is_left_makes_nobody_critical(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert played(monkeypatch, capsys, DUST, DUST / "entries.jsonl") == []


@pytest.mark.parametrize(
    ("places", "left", "critical"),
    [
        (2, "0.01", False),  # a whole unit of a coin of two places
        (2, "0.02", True),
        (6, "0.000001", False),
        (6, "0.02", True),
        (8, "0.01", False),  # worth a cent, which the lender does not ask for
        (8, "0.01000001", True),
    ],
)
def test_dust_depends_on_the_places_of_the_coin_and_on_what_it_is_worth(
    places: int,
    left: str,
    critical: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("monitor.toml", "book.jsonl", "tape.csv", "vip_loan.toml"):
        (tmp_path / name).write_bytes((DUST / name).read_bytes())
    rules = (tmp_path / "vip_loan.toml").read_text()
    stated = rules.replace("[version.ladders]", f"places = {{ USDT = {places} }}\n[version.ladders]")
    (tmp_path / "vip_loan.toml").write_text(stated)
    rows = [msgspec.json.decode(row) for row in (DUST / "entries.jsonl").read_bytes().splitlines()]
    rows[0]["amount"] = f"{1000 - float(left):.8f}"
    (tmp_path / "entries.jsonl").write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows))
    alerts = played(monkeypatch, capsys, tmp_path, tmp_path / "entries.jsonl")
    assert any(a["data"]["severity"] == "critical" for a in alerts) == critical
