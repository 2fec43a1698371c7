"""Terms in which groups differ from their agreement: the line before the label before the agreement, figure by figure."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from monitor.core.events.events import GroupPut, RatesChanged
from monitor.core.loans.group import Group, GroupLine, parse_line, restated
from monitor.core.loans.interest import rate_at
from monitor.core.money import exact
from monitor.core.queries.explain import detail
from monitor.core.queries.inbox import Look
from monitor.core.rules.product import Product, RateRow, override_problems
from monitor.core.rules.terms import LabelTerms
from monitor.core.schema import Invalid, read
from monitor.core.valuation.valuation import holding
from tests.coin_desk import START, line, loan, version
from tests.core.desk import Desk, both_books, product

LADDER = {"USDT": [["1000", "0.9"], ["inf", "0.8"]], "ETH": [["inf", "0.5"]]}
TOGETHER = {"borrower": "acme", "desk": "EU"}


def agreement(*overrides: dict[str, Any], **changes: Any) -> Product:
    stated = tuple(read(LabelTerms, each) for each in overrides)
    return msgspec.structs.replace(product(version(**({"ladders": LADDER} | changes))), overrides=stated)


def group(of: Product, **changes: Any) -> Group:
    return parse_line(line(**changes), START, {"vip_loan": of})


def ladder(of: Product, asset: str = "USDT", **changes: Any) -> list[str]:
    """The shares by which a group's coin counts."""
    found = of.of(group(of, **changes)).versions[0].ladder(asset)
    return [] if found is None else [str(share) for _, share in found]


def problems(of: Product, **changes: Any) -> list[str]:
    with pytest.raises(Invalid) as refused:
        group(of, **changes)
    return [str(problem) for problem in refused.value.problems]


def test_a_product_goes_by_its_kind_unless_it_is_named() -> None:
    plain = product()
    named = msgspec.structs.replace(plain, name="acme-2026")
    assert (plain.name, plain.rules_name(plain.versions[0])) == ("vip_loan", "vip_loan@2025-01-05")
    assert (named.kind, named.rules_name(named.versions[0])) == ("vip_loan", "acme-2026@2025-01-05")


def test_scale_and_haircut_change_every_share_of_the_agreement() -> None:
    assert ladder(agreement(), terms={"scale": "0.5"}) == ["0.45", "0.40"]
    assert ladder(agreement(), terms={"haircut": "0.05"}) == ["0.85", "0.75"]
    assert ladder(agreement(), terms={"haircut": "0.85"}) == ["0.05", "0"], "a share never falls below zero"
    assert ladder(agreement(), terms={"haircut": "-0.1"}) == ["1.0", "0.9"]


def test_a_ladder_of_ones_own_stands_as_it_is_stated_also_for_a_coin_that_is_not_listed() -> None:
    own = {"scale": "0.5", "ladders": {"USDT": [["inf", "0.7"]], "SOL": [["inf", "0.3"]]}}
    assert ladder(agreement(), terms=own) == ["0.7"]
    assert ladder(agreement(), "SOL", terms=own) == ["0.3"]
    assert ladder(agreement(), "ETH", terms=own) == ["0.25"]
    assert ladder(agreement(), "SOL") == []


def test_the_line_comes_before_the_label_before_the_agreement_figure_by_figure() -> None:
    of = agreement(
        {"labels": {"borrower": "acme"}, "scale": "0.5", "grace": "2h", "thresholds": {"liquidation": "0.85"}},
    )
    mine = group(of, labels=TOGETHER, terms={"haircut": "0.1"}, thresholds={"margin_call": "0.75"})
    with exact():
        held = holding(mine, of.of(mine), START)
    assert held.lines.shown == {"initial": "0.72", "margin_call": "0.75", "liquidation": "0.85", "immediate": "0.95"}
    assert [str(share) for _, share in held.version.ladders["USDT"]] == ["0.8", "0.7"], "in place of the label's scale"
    assert held.version.grace == timedelta(hours=2)
    assert ladder(of, labels={"borrower": "beta"}) == ["0.9", "0.8"]


def test_the_first_override_whose_labels_are_all_there_counts() -> None:
    of = agreement(
        {"labels": TOGETHER, "scale": "0.1"},
        {"labels": {"desk": "EU"}, "scale": "0.2"},
        {"labels": {"borrower": "acme"}, "scale": "0.3"},
    )
    by_labels = ({"borrower": "acme"}, {"desk": "EU", "tier": "x"}, TOGETHER, {"desk": "US"})
    assert [ladder(of, labels=each)[0] for each in by_labels] == ["0.27", "0.18", "0.09", "0.9"]


def test_a_spread_is_added_to_flexible_rates_and_never_makes_them_negative() -> None:
    of = agreement({"labels": {"borrower": "acme"}, "rate_spread": "0.0005"})
    borrowed = [loan("USDT", "10"), loan(id="L-2")]
    plain, dear = (group(of, loans=borrowed, labels=labels) for labels in ({}, {"borrower": "acme"}))
    cheap = group(of, loans=borrowed, terms={"rate_spread": "-0.001"})
    rates = [[str(rate_at(x, of.of(g), START)) for x in g.loans] for g in (plain, dear, cheap)]
    assert rates == [["0.001503", "0"], ["0.002003", "0.0005"], ["0.000503", "0"]]


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        ({"scale": "1.2"}, "terms.scale: found 1.2: the share 0.9 of USDT becomes 1.08; no coin counts more than 1"),
        ({"haircut": "-0.2"}, "terms.haircut: found -0.2: the share 0.9 of USDT becomes 1.1"),
        ({"scale": "0.9", "haircut": "0.1"}, "terms.haircut: found 0.1 beside scale 0.9; state one of them"),
        ({"scale": "0"}, "terms.scale: found '0', expected a number above 0"),
        ({"haircutt": "0.1"}, "terms.haircutt: unknown key (value '0.1'); did you mean 'haircut'?"),
        (
            {"ladders": {"BTC": [["10", "0.5"], ["inf", "0.6"]]}},
            "terms.ladders.BTC[1]: share 0.6 rises above 0.5 of the tier before",
        ),
        (
            {"ladders": {"BTC": [["inf", "1.1"]]}},
            "terms.ladders.BTC[0][1]: found '1.1', expected a number from 0 up to 1",
        ),
    ],
)
def test_terms_that_cannot_be_are_refused_with_place_value_and_remedy(stated: dict[str, Any], problem: str) -> None:
    (found,) = problems(agreement(), terms=stated)
    assert found.startswith(problem)


def test_a_grace_period_needs_an_agreement_that_has_one() -> None:
    (version_,) = agreement().versions
    none = msgspec.structs.replace(agreement(), versions=(msgspec.structs.replace(version_, grace=None),))
    (found,) = problems(none, terms={"grace": "2h"})
    assert found == "terms.grace: found 2h, but the agreement has no grace period; leave it out"


def test_lines_of_the_group_are_checked_against_those_of_its_label() -> None:
    of = agreement({"labels": {"borrower": "acme"}, "thresholds": {"liquidation": "0.8"}})
    assert group(of, thresholds={"margin_call": "0.85"}).thresholds
    (found,) = problems(of, thresholds={"margin_call": "0.85"}, labels={"borrower": "acme"})
    assert found.startswith("thresholds: lines out of order: initial 0.72, margin_call 0.85, liquidation 0.8")


def test_each_problem_of_an_override_has_its_place() -> None:
    of = agreement(
        {"labels": {"borrower": "a"}, "thresholds": {"liquidation": "0.75"}},
        {"labels": {"borrower": "b"}, "scale": "2"},
        {"labels": {"borrower": "a"}},
        {"labels": {"borrower": "c"}, "ladders": {"BTC": []}},
        {"labels": {"borrower": "d"}, "haircut": "0.01", "thresholds": {"margin_call": "0.78"}},
    )
    assert [str(p).partition(";")[0] for p in override_problems(of, "override")] == [
        "override[0].thresholds: lines out of order: initial 0.72, margin_call 0.77, liquidation 0.75, immediate 0.95",
        "override[1].scale: found 2: the share 0.9 of USDT becomes 1.8",
        "override[2].labels: borrower a stands in override[0] too, and only that one counts",
        "override[3].ladders.BTC: is empty",
    ]


def test_a_group_with_terms_is_stated_again_as_a_line_that_reads_alike() -> None:
    terms = {
        "ladders": {"BTC": [["10", "0.5"], ["inf", "0.4"]]},
        "scale": "0.9",
        "rate_spread": "-0.0001",
        "grace": "90m",
    }
    kept = group(agreement(), terms=terms)
    shown = json.loads(json.dumps(restated(kept)))
    assert shown["terms"] == terms
    assert read(GroupLine, shown).terms == kept.terms
    assert "terms" not in restated(group(agreement()))
    assert group(agreement(), terms={}).terms is None


@both_books
def test_a_reload_that_changes_an_override_decides_its_groups_again_and_says_why() -> None:
    desk = Desk(line(labels={"borrower": "acme"}), line("G-2"), of=agreement(ladders={"USDT": [["inf", "1"]]}))
    desk.play("00:01  0.80  margin_call.opened margin_call.opened:G-2")
    (rules,) = desk.monitor.rules.products.values()
    harder = read(LabelTerms, {"labels": {"borrower": "acme"}, "scale": "0.85"})
    changed = {"vip_loan": msgspec.structs.replace(rules, overrides=(harder,))}
    assert desk.change("00:02", products=changed) == "liquidation.triggered(ltv)"
    told = desk.told(desk.alerts[-1])["data"]
    assert (told["cause"], told["rules_from"], told["group"]["id"]) == ("rules", "vip_loan@2025-01-05", "G-1")
    assert (told["recognised_usd"], told["ltv"]) == ("85", "0.94117647")
    assert told["cure"]["by_asset"] == {"USDT": "30.71895425"}, "80 / 0.72 / 0.85 - 100"
    desk.restart()
    assert desk.sight().held.version.ladders["USDT"][0][1] == Decimal("0.85")


@both_books
def test_terms_of_a_line_survive_a_restart_and_entries() -> None:
    desk = Desk(line(terms={"scale": "0.9"}), of=agreement(ladders={"USDT": [["inf", "1"]]}))
    desk.play("00:01  0.70  margin_call.opened")
    desk.restart()
    with exact():
        assert desk.sight().weight is not None
    assert desk.sight().held.version.ladders["USDT"][0][1] == Decimal("0.9")
    assert desk.monitor.book.find("G-1") is not None
    assert desk.enter("00:02", {"type": "repay", "asset": "COIN", "amount": "1"}) == "-"
    assert desk.sight().held.version.ladders["USDT"][0][1] == Decimal("0.9")


def test_an_agreement_with_groups_cannot_be_taken_away_or_renamed() -> None:
    desk = Desk(line())
    renamed = msgspec.structs.replace(product(), name="acme-2026")
    assert desk.change("00:01", products={"acme-2026": renamed}) == "-"
    assert str(desk.last.refused).startswith(
        "group G-1 has product 'vip_loan', which is not configured; add its [[product]] again or close the group first"
    )
    assert list(desk.monitor.rules.products) == ["vip_loan"]


def test_an_agreement_with_groups_does_not_become_one_of_another_kind() -> None:
    desk = Desk(line())
    other = msgspec.structs.replace(product(), kind="bybit_loan", name="vip_loan")
    assert desk.change("00:01", products={"vip_loan": other}) == "-"
    assert str(desk.last.refused) == (
        "product 'vip_loan' would be of kind bybit_loan, and group G-1 is in it under kind vip_loan; give the new agreement "
        "another name, or close the group first"
    )
    desk.close("00:02")
    desk.change("00:03", products={"vip_loan": other})
    assert desk.last.refused is None


def test_explain_names_where_each_figure_is_from() -> None:
    of = agreement({"labels": {"borrower": "acme"}, "scale": "0.5", "thresholds": {"liquidation": "0.85"}})
    own = {"haircut": "0.1", "ladders": {"ETH": [["inf", "0.4"]]}}
    desk = Desk(line(labels={"borrower": "acme"}, terms=own), of=of)
    sight = desk.sight()
    shown = detail(Look(START, sight, {}, {}, frozenset(), desk.monitor.rules)).terms
    assert [(each.figure, each.value, each.origin) for each in shown] == [
        ("thresholds.liquidation", "0.85", "borrower acme"),
        ("ladders.ETH", "0.4 up to inf", "line"),
        ("haircut", "0.1", "line"),
    ]


def test_a_put_that_a_label_moves_to_other_terms_is_under_them() -> None:
    of = agreement({"labels": {"borrower": "acme"}, "scale": "0.5"})
    desk = Desk(line(), of=of)
    desk.handle(GroupPut(START + timedelta(minutes=1), group(of, labels={"borrower": "acme"}), "book"))
    assert desk.sight().held.version.ladders["USDT"][0][1] == Decimal("0.45")


@both_books
def test_rates_of_an_agreement_reach_its_groups_alone_and_a_spread_stands_over_them() -> None:
    flat = version(ladders={"USDT": [["inf", "1"]]}, rates={"COIN": "0"})
    agreements = {name: msgspec.structs.replace(product(flat), name=name) for name in ("acme", "beta")}
    desk = Desk()
    assert desk.change("00:00", products=agreements) == "-"
    desk.put("00:01", line("G-1", product="acme"))
    desk.put("00:01", line("G-2", product="acme", terms={"rate_spread": "0.001"}))
    desk.put("00:01", line("G-3", product="beta"))
    rows = (RateRow(START + timedelta(hours=1), "COIN", Decimal("0.01")),)
    desk.handle(RatesChanged(START + timedelta(minutes=2), "acme", "api", rows))
    desk.pass_time("24:30")
    owed = [dict(desk.sight(id_).held.debts)["COIN"] for id_ in ("G-1", "G-2", "G-3")]
    assert owed == [Decimal(101), Decimal("101.1"), Decimal(100)]
    assert desk.monitor.rules.products["acme"].name == "acme"
