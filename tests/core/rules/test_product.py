"""Product files (docs/configuration.md): what is refused, with its place, and which version is in force."""

import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor import plugins
from monitor.core.schema import Invalid
from monitor.products import vip_loan
from tests.coin_desk import START, THRESHOLDS, clock, version
from tests.core.desk import product

ROOT = Path(__file__).parents[3]


def problems(*versions: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(Invalid) as e:
        vip_loan.load({"version": list(versions), **more})
    return [str(p) for p in e.value.problems]


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "products").glob("*.toml")), ids=lambda p: p.name)
def test_the_files_that_ship_are_in_order(path: Path) -> None:
    kind = path.stem.removesuffix("_demo")
    loaded = plugins.module("products", kind).load(tomllib.loads(path.read_text()))
    assert (loaded.kind, len(loaded.versions) > 0) == (kind, True)


def test_what_a_version_may_leave_out_is_that_of_the_vip_loan() -> None:
    stated = {key: value for key, value in version().items() if key not in ("renewal_window", "maturity_notice")}
    (plain,) = product(stated).versions
    assert plain.grace == timedelta(hours=24)  # rule 13
    assert plain.overdue_after == timedelta(hours=24)  # reading A12
    assert plain.clearance.share == Decimal("0.02")  # rule 3
    assert plain.late_interest_factor == 3  # rule 25
    assert plain.renewal_window == timedelta(days=7)  # rule 27
    assert plain.maturity_notice == timedelta(hours=24)


def test_versions_are_in_force_from_their_date_and_the_first_before_as_well() -> None:
    two = product(version(clock("10:00"), warnings=["0.6"]), version(START))  # the file's order does not matter
    assert two.version_at(clock("-99:00")).effective == START
    assert two.version_at(clock("09:59")).effective == START
    assert two.version_at(clock("10:00")).effective == clock("10:00")
    assert [v.effective for v in two.versions_from(clock("09:00"))] == [START, clock("10:00")]
    assert [v.effective for v in two.versions_from(clock("-99:00"))] == [START, clock("10:00")]
    assert [v.effective for v in two.versions_from(clock("10:00"))] == [clock("10:00")]


WRONG: list[tuple[dict[str, Any], str]] = [
    # change                                                       problem
    ({"thresholds": THRESHOLDS | {"margin_call": "0.72"}}, "version[0].thresholds: lines out of order"),
    (
        {"thresholds": THRESHOLDS | {"initial": "0"}},
        "version[0].thresholds.initial: found '0', expected a number above 0",
    ),
    ({"thresholds": {"initial": "0.7"}}, "version[0].thresholds.margin_call: is missing"),
    ({"warnings": ["0.77"]}, "version[0].warnings[0]: found 0.77, expected less than margin_call 0.77"),
    ({"ladders": {"BTC": []}}, "version[0].ladders.BTC: is empty"),
    ({"ladders": {"BTC": [["100", "1"], ["100", "0.9"]]}}, "version[0].ladders.BTC[1]: bound 100 is not above 100"),
    ({"ladders": {"BTC": [["200", "1"], ["100", "0.9"]]}}, "version[0].ladders.BTC[1]: bound 100 is not above 200"),
    ({"ladders": {"BTC": [["0", "1"]]}}, "version[0].ladders.BTC[0]: bound 0 is not above 0"),
    ({"ladders": {"BTC": [["100", "0.9"], ["inf", "1"]]}}, "version[0].ladders.BTC[1]: share 1 rises above 0.9"),
    ({"ladders": {"BTC": [["inf", "1"], ["100", "0.9"]]}}, 'version[0].ladders.BTC[0]: "inf" ends a ladder'),
    (
        {"ladders": {"BTC": [["100", "1.1"]]}},
        "version[0].ladders.BTC[0][1]: found '1.1', expected a number from 0 up to 1",
    ),
    ({"ladders": {"BTC": [["lots", "1"]]}}, "version[0].ladders.BTC[0]: found 'lots', expected a USD value"),
    ({"ladders": {"BTC": [["1e999", "1"]]}}, "version[0].ladders.BTC[0]: found '1e999', expected a USD value"),
    ({"ladders": {"BTC": [["0." + "0" * 40 + "1", "1"]]}}, "expected a USD value"),
    ({"ladders": {"b tc": [["inf", "1"]]}}, "version[0].ladders: found 'b tc', expected the name of a coin"),
    ({"rates": {"USDT": "2"}}, "version[0].rates.USDT: found '2', expected a number from -1 up to 1"),
    ({"rates": {"USDT": 0.1}}, "version[0].rates.USDT: found 0.1, expected a decimal number in quotes"),
    ({"grace": 24}, "version[0].grace: found 24, expected a duration"),
    ({"late_interest_factor": "0.5"}, "version[0].late_interest_factor: found '0.5', expected a number from 1"),
    ({"graces": "24h"}, "version[0].graces: unknown key (value '24h'); did you mean 'grace'?"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_with_a_version_is_named_with_its_place(change: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in problems(version(**change)))


def test_every_problem_of_a_file_is_named_at_once() -> None:
    said = problems(
        version(warnings=["0.8"], ladders={"BTC": []}), version(ladders={"ETH": [["inf", "1"], ["5", "1"]]})
    )
    assert len(said) == 4  # the warning, the empty ladder, the tier after inf, and the date that stands twice
    assert any("stands twice" in problem for problem in said)


def test_a_file_without_versions_or_with_strange_keys_is_refused() -> None:
    assert problems() == ["version: is empty; a product has at least one [[version]]"]
    assert "unknown key" in problems(version(), verison=[])[0]
