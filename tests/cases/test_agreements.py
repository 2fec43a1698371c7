"""The handed case of two agreements of one kind, and what is of its kind: chains, isolated pairs, one agreement a borrower."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cases.test_tapes import ran

CASE = Path(__file__).parent / "lending" / "two-agreements-of-a-kind"
EXAMPLE = Path(__file__).parents[2] / "examples" / "agreements"
MARGIN_CALL, LIQUIDATION = "loan_group.margin_call.opened", "loan_group.liquidation.triggered"


def played(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, dict[str, Any]]:
    """By group: what a replay of the folder says of it."""
    files = [f"--{key}={folder / name}" for key, name in FILES.items()]
    code, out, err = ran(monkeypatch, capsys, tmp_path, "replay", *files, "--json")
    assert (code, err) == (0, "")
    alerts = [json.loads(line) for line in out.splitlines()]
    found = {alert["data"]["group"]["id"]: {**alert["data"], "type": alert["type"]} for alert in alerts}
    assert len(found) == len(alerts)
    return found


FILES = {"config": "monitor.toml", "tape": "tape.csv", "book": "book.jsonl"}


def test_two_agreements_of_one_kind_judge_each_group_by_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = played(CASE, tmp_path, monkeypatch, capsys)
    assert list(found) == ["C"], "E stands at 1.05555555..., no liquidation"
    assert found["C"]["type"] == LIQUIDATION
    assert abs(Decimal(found["C"]["health_factor"]) - Decimal("0.92222222")) <= Decimal("1e-8")
    assert (found["C"]["group"]["product"], found["C"]["rules"]) == ("core", "core@2023-01-01")


def test_the_example_of_agreements_says_what_was_worked_out_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Worked out by hand: BTC 60,000, ETH 3,000. What is not named here stays calm: `gold` owes 44,500 against 58,140 (by the
    agreement it would be 57,000, a margin call), `pair-usdt` is within its cap of 90,000, `emode` stands at 1.0556, and
    `arbitrum` exactly at 1, which is not below it."""
    found = played(EXAMPLE, tmp_path, monkeypatch, capsys)
    assert {id_: (each["type"], each["rules"].partition("@")[0]) for id_, each in found.items()} == {
        "plain": (MARGIN_CALL, "vip-standard"),  # 46,000 / 57,000
        "acme": (LIQUIDATION, "vip-standard"),  # 46,000 / 54,000, its line is 0.85
        "own-ladder": (
            MARGIN_CALL,
            "vip-standard",
        ),  # 46,000 / 59,400: its line's ladder stands over the label's haircut
        "beta": (MARGIN_CALL, "beta-2026"),  # 38,000 / 57,000, its line is 0.65
        "pair-usdc": (MARGIN_CALL, "btc-usdc"),  # 1.16 with 60,000 beyond its cap of 45,000
        "core": (LIQUIDATION, "aave-core"),  # 24,900 / 27,000
    }
    assert found["acme"]["thresholds"]["liquidation"] == "0.85"
    assert [found[id_]["ltv"] for id_ in ("plain", "acme", "own-ladder")] == ["0.80701754", "0.85185185", "0.77441077"]
    # 46,000 / 0.85 / 0.9 and 46,000 / 0.91 / 0.95: what follows from a figure follows from the group's own ladder.
    assert found["acme"]["liquidation_price"]["BTC"] == "60130.71895425"
    assert found["plain"]["liquidation_price"]["BTC"] == "53209.9479468"


def test_check_config_names_each_agreement_with_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = ran(monkeypatch, capsys, tmp_path, "check-config", f"--config={EXAMPLE / 'monitor.toml'}")
    assert code == 0
    assert "vip-standard (vip_loan, 1 versions, 2 overrides)" in " ".join(out.split())
    assert "aave-emode (aave_v3, 1 versions)" in " ".join(out.split())
