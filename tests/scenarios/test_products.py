"""Every product through `monitor replay --json`, against the reference model: the same alerts, figures and stages, exactly.

Random books around the lines of the shipped file, with entries, over prices in which a version of the rules comes into
force. The contract test (tests/products) says that a product agrees with itself; this says that it is right.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from monitor import plugins
from tests.effort import examples, more_in_a_soak
from tests.reference import run
from tests.reference.lenders import LENDERS
from tests.reference.lots import Lot, lot
from tests.scenarios.agreement import first_difference, flat
from tests.scenarios.command import ROOT, replayed, write

LEAST = {"loan_group.liquidation.triggered", "loan_group.liquidation.cleared"}


def played(of: Lot, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The alerts of the command and of the reference."""
    write(folder, of.kind, of.product, of.book, of.rows, of.entries)
    printed, _ = replayed(folder)
    theirs = run.expected("desk-1", of.table, {}, of.book, of.rows, kind=of.kind, entries=of.entries)
    return [flat(line) for line in printed], theirs


def shipped(kind: str) -> str:
    return (ROOT / "config" / "products" / f"{kind}.toml").read_text()


def test_the_reference_knows_every_product() -> None:
    assert sorted(LENDERS) == plugins.kinds("products")


@more_in_a_soak
@pytest.mark.parametrize("kind", plugins.kinds("products"))
def test_a_replay_of_every_product_agrees_with_the_reference_model_alert_by_alert(kind: str, tmp_path: Path) -> None:
    of = lot(kind, shipped(kind), seed=1, groups=examples(60, 120))
    ours, theirs = played(of, tmp_path)
    assert first_difference(ours, theirs) is None
    kinds = Counter(alert["type"] for alert in ours)
    assert kinds.keys() >= LEAST
    assert len({alert["rules"] for alert in ours if "rules" in alert}) >= 2


def other_interest(text: str, period: str, stated: dict[str, str]) -> str:
    """The file with another period, and with keys in each version in place of its own."""
    own = re.compile(rf"^({'|'.join(['period', *stated])}) = .*\n", re.MULTILINE)
    keys = "".join(f"{key} = {value}\n" for key, value in stated.items())
    return f'period = "{period}"\n' + own.sub("", text).replace("[version.ladders]", f"{keys}[version.ladders]")


OTHER_INTEREST = {
    "compounding": ("bybit_loan", "hour", {"hours": '"full"', "rounding": '"up"', "places": "{ USDT = 2 }"}),
    "late by the hour": ("vip_loan", "day", {"late_interest": '"hour"', "terms": '["7d", "45d"]'}),
    "both": ("vip_loan", "day", {"late_interest": '"hour"', "compounding": "true", "compounding_places": "24"}),
    "quotas": ("bybit_loan", "hour", {"interest_free": '{ USDT = "20000", BTC = "0.5" }'}),
    "below zero": ("cross_margin_pro", "hour", {}),
}


@pytest.mark.parametrize("name", OTHER_INTEREST)
def test_other_interest_agrees_with_the_reference_model_alert_by_alert(name: str, tmp_path: Path) -> None:
    kind, period, stated = OTHER_INTEREST[name]
    text = other_interest(shipped(kind), period, stated)
    if name == "below zero":
        text = re.sub(r'^(USDT|BTC) = "0\.', r'\1 = "-0.', text, flags=re.MULTILINE)
    of = lot(kind, text, seed=5, groups=examples(12, 80))
    ours, theirs = played(of, tmp_path)
    assert first_difference(ours, theirs) is None
    assert Counter(alert["type"] for alert in ours)["loan_group.liquidation.triggered"] > 2


def test_an_agreement_under_a_name_of_its_own_agrees_with_the_reference_model(tmp_path: Path) -> None:
    of, name = lot("vip_loan", shipped("vip_loan"), seed=3, groups=20), "acme-2026"
    book = [{**line, "product": name} for line in of.book]
    write(tmp_path, of.kind, of.product, book, of.rows, of.entries)
    config = tmp_path / "monitor.toml"
    config.write_text(config.read_text().replace("[[product]]", f'[[product]]\nname = "{name}"'))
    printed, _ = replayed(tmp_path)
    theirs = run.expected("desk-1", of.table, {}, book, of.rows, kind=of.kind, entries=of.entries, agreement=name)
    ours = [flat(line) for line in printed]
    assert first_difference(ours, theirs) is None
    assert {alert["rules"].partition("@")[0] for alert in ours if "rules" in alert} == {name}
    assert {alert["subject"] for alert in ours if alert["type"] == "rules.changed"} == {name}


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10, 20))
@pytest.mark.parametrize("kind", plugins.kinds("products"))
def test_many_books_of_every_product_agree(kind: str, seed: int, tmp_path: Path) -> None:
    ours, theirs = played(lot(kind, shipped(kind), seed, groups=150), tmp_path)
    assert first_difference(ours, theirs) is None
