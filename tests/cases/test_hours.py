"""The handed case of the hour at borrowing: a lender that charges begun hours charges one at once (domain section 9.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.test_repaid import LENDING, played

HOUR = LENDING / "the-hour-at-borrowing"


def test_two_hours_repay_what_was_borrowed_for_55_minutes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert played(monkeypatch, capsys, HOUR, HOUR / "repaid.jsonl") == []


@pytest.mark.parametrize(("hours", "owed"), [("begun", "50002"), ("full", "50001.5")])
def test_hours_that_stand(
    hours: str, owed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of 13:20, 14:00, 15:00 and 16:00."""
    for name in ("monitor.toml", "book.jsonl", "tape.csv", "cross_margin_classic.toml"):
        (tmp_path / name).write_bytes((HOUR / name).read_bytes())
    rules = (tmp_path / "cross_margin_classic.toml").read_text()
    stated = rules.replace("[version.rates]", f'hours = "{hours}"\n[version.rates]')
    (tmp_path / "cross_margin_classic.toml").write_text(stated)
    said = played(monkeypatch, capsys, tmp_path, HOUR / "standing.jsonl")
    (last,) = [a for a in said if a["type"] == "loan_group.liquidation.triggered"]
    assert last["data"]["debt_usd"] == owed
