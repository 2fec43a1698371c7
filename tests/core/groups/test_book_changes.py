"""Which groups are watched, which owns an account, what a put keeps and what a close forgets (rule 6; docs/configuration.md)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import MakeSilence
from monitor.core.alerts.titles import title_of
from monitor.core.events.events import GroupPut, OperatorAct
from monitor.core.loans.group import Group, parse_line, restated, same_line
from monitor.core.schema import Invalid
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, both_books, group, product

ENROLLED = {"delayed_liquidation": True}


def refusal(desk: Desk) -> str:
    assert desk.last.refused is not None
    return desk.last.refused.reason


# -- accounts --


@both_books
@pytest.mark.parametrize(
    ("what", "second"),
    [
        ("a collateral account", {"collateral": {"acct-G-1": {"USDT": "5"}}}),
        ("a receiving account used as collateral", {"collateral": {"in-G-1": {"USDT": "5"}}}),
        ("a receiving account", {"receiving_account": "in-G-1"}),
        ("a collateral account used as receiving account", {"receiving_account": "acct-G-1"}),
    ],
)
def test_rule_06_an_account_is_in_one_group_only_and_the_later_line_is_refused_and_named(
    what: str, second: dict[str, Any]
) -> None:
    desk = Desk(line())
    assert desk.put("00:01", line("G-2", **second)) == "book.refused:book#G-2"
    assert refusal(desk) == "account_in_use"
    assert "the current collateral account has been used" in desk.alerts[-1].facts["problem"]
    assert "belongs to group G-1" in desk.alerts[-1].facts["problem"]
    assert desk.monitor.sight("G-2") is None


@both_books
def test_a_group_may_be_its_own_receiving_and_collateral_account() -> None:
    desk = Desk(line(receiving_account="acct-G-1"))
    assert desk.put("00:01", line(receiving_account="acct-G-1", labels={"a": "b"})) == "-"
    assert desk.last.refused is None


@both_books
def test_accounts_are_free_again_after_a_close_and_after_a_changed_line() -> None:
    desk = Desk(line())
    assert desk.put("00:01", line(collateral={"other": {"USDT": "100"}})) == "-"
    assert desk.put("00:02", line("G-2", collateral={"acct-G-1": {"USDT": "100"}})) == "-"
    assert desk.close("00:03") == "-"
    assert desk.put("00:04", line("G-3", receiving_account="in-G-1", collateral={"other": {"USDT": "9"}})) == "-"
    assert desk.last.refused is None


@both_books
def test_a_refused_line_takes_no_account_and_leaves_the_group_as_it_was() -> None:
    desk = Desk(line(), line("G-2"))
    before = desk.sight("G-2")
    desk.put("00:01", line("G-2", collateral={"free": {"USDT": "7"}, "acct-G-1": {"USDT": "1"}}))
    assert desk.sight("G-2") == before
    assert desk.put("00:02", line("G-3", collateral={"free": {"USDT": "7"}})) == "-"


@both_books
def test_the_same_refusal_is_said_once_and_again_after_the_line_was_in_order() -> None:
    desk = Desk(line())
    wrong = line("G-2", receiving_account="in-G-1")
    assert desk.put("00:01", wrong) == "book.refused:book#G-2"
    assert desk.put("00:02", wrong) == "-"
    assert desk.put("00:03", line("G-2")) == "-"
    assert desk.put("00:04", wrong) == "book.refused:book#G-2"
    assert [alert.sequence for alert in desk.alerts] == [1, 2]
    assert len({alert.id for alert in desk.alerts}) == 2


@both_books
def test_whoever_puts_by_api_is_answered_and_the_desk_is_not_told() -> None:
    desk = Desk(line())
    assert desk.put("00:01", line("G-2", receiving_account="in-G-1"), source="api") == "-"
    assert refusal(desk) == "account_in_use"


# -- sources --


@both_books
def test_a_group_belongs_to_the_source_that_put_it_first() -> None:
    desk = Desk(line())
    assert desk.put("00:01", line(labels={"a": "b"}), source="other-book") == "book.refused:other-book#G-1"
    assert refusal(desk) == "other_source"
    assert "belongs to book" in desk.alerts[-1].facts["problem"]
    assert desk.close("00:02", source="other-book") == "book.refused:other-book#G-1"
    assert desk.sight().group.labels == {}
    desk.close("00:03")
    assert desk.put("00:04", line(), source="other-book") == "-"


@both_books
def test_closing_what_is_not_there_is_refused() -> None:
    desk = Desk()
    desk.close("00:00", "G-9")
    assert refusal(desk) == "unknown_group"


# -- what a put changes --


@both_books
def test_an_unchanged_line_is_no_event() -> None:
    desk = Desk(line())
    desk.play("00:01 0.8 margin_call.opened")
    desk.put("40:00", line())
    assert not desk.last.changed
    assert desk.sight().version == 1
    assert desk.sight().put_at == START


@both_books
def test_an_unchanged_line_does_not_restart_interest() -> None:
    rates = {"COIN": "0.01", "USDT": "0"}
    desk = Desk(line(), of=product(version(rates=rates)))
    desk.price("00:01", "0.5")
    desk.put("30:00", line())
    desk.pass_time("48:00")
    assert desk.sight().weight is not None
    assert desk.sight().weight.debt == Decimal(51)  # two midnights of 1 % on 50


@both_books
def test_a_line_that_was_applied_before_does_not_undo_the_entries_made_since() -> None:
    """docs/configuration.md: a book file is read again at every start; equal to the line last applied, it is no event."""
    rates = {"COIN": "0.01", "USDT": "0"}
    desk = Desk(line(), of=product(version(rates=rates)))
    desk.price("00:01", "0.5")
    desk.enter("30:00", {"type": "repay", "asset": "COIN", "amount": "40"})
    desk.enter("30:00", {"type": "deposit", "account": "acct-G-1", "asset": "USDT", "quantity": "7"})
    desk.restart()
    before = desk.sight()
    desk.put("31:00", dict(reversed(line().items())))
    assert desk.sight() == before
    assert not desk.last.changed
    desk.put("32:00", line(labels={"desk": "EU"}))  # a changed line replaces all that it states
    assert desk.sight().group.quantities() == {"USDT": 100}
    assert desk.sight().group.loans[0].principal == 100


@both_books
def test_a_put_by_api_states_what_shall_be_whatever_was_put_before() -> None:
    desk = Desk()
    desk.put("00:00", line(), source="api")
    desk.enter("00:01", {"type": "deposit", "account": "acct-G-1", "asset": "USDT", "quantity": "7"})
    desk.put("00:02", line(), source="api")
    assert desk.sight().group.quantities() == {"USDT": 100}
    desk.put("00:03", line(), source="api")
    assert not desk.last.changed


@both_books
def test_a_changed_line_replaces_the_holdings_and_keeps_stage_deadline_and_episode() -> None:
    desk = Desk(line(**ENROLLED), grace_reminders=(timedelta(hours=12),))
    desk.play("00:00 0.92 delayed_liquidation.started")
    assert desk.put("00:05", line(collateral={"new": {"USDT": "105"}}, **ENROLLED)) == "-"
    assert desk.sight().version == 2
    (reminder,) = desk.play("12:00 0.92 delayed_liquidation.reminder")
    assert (reminder.deadline, reminder.episode, reminder.sequence) == (clock("24:00"), 1, 2)
    assert reminder.figures is not None
    assert reminder.figures.recognised_usd == 105


@both_books
def test_a_changed_line_is_decided_at_once_on_the_prices_in_force() -> None:
    desk = Desk(line())
    desk.play("00:00 0.7 -")
    assert desk.put("00:01", line(collateral={"a": {"USDT": "80"}})) == "margin_call.opened"


@both_books
def test_a_changed_line_brings_its_own_interest_and_accrues_from_its_day() -> None:
    rates = {"COIN": "0.01", "USDT": "0"}
    desk = Desk(line(), of=product(version(rates=rates)))
    desk.price("00:01", "1")
    desk.put("25:00", line(loans=[loan(interest="7")]))
    assert desk.sight().weight.debt == 107
    desk.pass_time("48:00")
    assert desk.sight().weight.debt == 108


# -- what a close forgets --


@both_books
def test_a_closed_group_is_silent_and_its_clocks_are_gone() -> None:
    desk = Desk(line(**ENROLLED))
    desk.play("00:00 0.92 delayed_liquidation.started")
    assert desk.close("00:01") == "closed"
    assert desk.last.closed == {"G-1"}
    desk.play("99:00 0.99 -")


@both_books
@pytest.mark.parametrize(
    ("before", "stage"),
    [
        ("00:00 0.8 margin_call.opened", "margin_call"),
        ("00:00 0.92 delayed_liquidation.started", "delayed_liquidation"),
        ("00:00 0.96 liquidation.triggered(immediate)", "liquidation"),
    ],
)
def test_a_group_that_is_closed_in_an_episode_says_that_this_is_over_and_not_that_it_was_cured(
    before: str, stage: str
) -> None:
    desk = Desk(line(**ENROLLED))
    (bad,) = desk.play(before)
    assert desk.close("00:01") == "closed"
    said = desk.alerts[-1]
    assert (said.episode, said.sequence, said.supersedes, said.reason) == (1, 2, bad.id, "closed")
    told = desk.told(said)
    assert told["data"]["stage"] == {"from": stage, "to": None}
    assert (told["data"]["severity"], told["data"]["facts"]) == ("info", {"source": "book"})
    assert told["data"]["ltv"] == desk.told(bad)["data"]["ltv"]
    assert [told["data"][key] for key in ("cure", "liquidation_price", "deadline")] == [None, None, None]
    assert title_of(said.type) == "closed: no longer watched"
    assert [row.facts["reason"] for row in desk.last.history] == ["group_closed"]


@both_books
def test_a_group_that_is_closed_in_no_episode_says_nothing() -> None:
    desk = Desk(line())
    desk.play("00:00 0.8 margin_call.opened; 00:01 0.5 margin_call.cured")
    assert desk.close("00:02") == "-"


@both_books
def test_a_group_that_is_closed_while_a_price_is_missing_still_ends_its_episode() -> None:
    desk = Desk(line())
    desk.play("00:00 0.8 margin_call.opened")
    desk.put("00:01", line(loans=[loan("NEW", matures="240:00", rate={"kind": "fixed", "daily": "0"})]))
    assert desk.close("00:02") == "closed"
    assert desk.alerts[-1].figures is not None
    assert desk.alerts[-1].figures.ltv is None


@both_books
def test_the_end_of_a_group_that_is_closed_is_hidden_by_no_silence() -> None:
    desk = Desk(line())
    desk.play("00:00 0.8 margin_call.opened")
    silence = MakeSilence("sil-1", Match(), clock("09:00"), "maintenance", even_worse=True)
    desk.handle(OperatorAct(clock("00:01"), "ops", silence))
    assert desk.close("00:02") == "closed"
    assert desk.alerts[-1].silenced_by is None
    desk.play("10:00 ... -")


@both_books
def test_a_closed_group_that_comes_back_counts_on_and_never_reuses_an_alert_id() -> None:
    desk = Desk(line())
    desk.play("00:00 0.8 margin_call.opened")
    desk.close("00:01")
    assert desk.put("00:02", line()) == "margin_call.opened"
    assert [(alert.episode, alert.sequence) for alert in desk.alerts] == [(1, 1), (1, 2), (2, 3)]
    assert len({alert.id for alert in desk.alerts}) == 3
    assert (desk.alerts[2].supersedes, desk.alerts[2].stage_from) == (None, "normal")


@both_books
def test_counters_survive_a_close_and_a_restart() -> None:
    desk = Desk(line())
    desk.play("00:00 0.8 margin_call.opened")
    desk.close("00:01")
    desk.restart()
    assert desk.put("00:02", line()) == "margin_call.opened"
    assert [alert.sequence for alert in desk.alerts] == [1, 2, 3]


@both_books
def test_counters_survive_a_line_of_an_unknown_product_in_between() -> None:
    """A reload may take a product away between the reading of a line and its turn."""
    desk = Desk(line())
    desk.play("00:00 0.8 margin_call.opened")
    desk.close("00:01")
    stranger = Group(**{**{f: getattr(group(line()), f) for f in Group.__struct_fields__}, "product": "gone"})
    desk.handle(GroupPut(clock("00:02"), stranger, "book"))
    assert refusal(desk) == "unknown_product"
    assert desk.put("00:03", line()) == "margin_call.opened"
    assert desk.alerts[-1].sequence == 3


# -- thresholds of a group against versions of the rules, rule 9 --

TIGHTER = {"initial": "0.6", "margin_call": "0.65", "liquidation": "0.8", "immediate": "0.9"}


def test_overrides_out_of_order_are_refused_with_the_lines_that_they_make() -> None:
    with pytest.raises(Invalid, match=r"thresholds: lines out of order: initial 0.72, margin_call 0.72"):
        group(line(thresholds={"margin_call": "0.72"}))


def test_overrides_must_fit_the_versions_to_come_as_well() -> None:
    """A version that comes into force must not find a group whose lines fall: nobody could decide it then."""
    rules = product(version(), version(clock("10:00"), thresholds=TIGHTER, warnings=[]))
    fits_now_only = line(thresholds={"initial": "0.7"})
    with pytest.raises(Invalid, match="lines out of order"):
        group(fits_now_only, of=rules)


@both_books
def test_overrides_need_not_fit_a_version_that_is_past() -> None:
    rules = product(version(START - timedelta(days=9), thresholds=TIGHTER, warnings=[]), version(START))
    desk = Desk(line(thresholds={"initial": "0.7"}), of=rules)
    desk.play("00:00 0.78 margin_call.opened; 00:01 0.71 -; 00:02 0.7 margin_call.cured")
    assert desk.change("00:03", name="desk-1") == "-"
    assert desk.last.refused is None


@both_books
def test_a_line_that_came_too_late_for_its_rules_is_refused_and_not_a_broken_invariant() -> None:
    desk = Desk(of=product(version(), version(clock("10:00"))))
    stated = parse_line(line(thresholds={"initial": "0.7"}), START, desk.rules.products)
    later = product(version(), version(clock("10:00"), thresholds=TIGHTER, warnings=[]))
    desk.change("00:01", products={"vip_loan": later})
    desk.handle(GroupPut(clock("00:02"), stated, "book"))
    assert refusal(desk) == "thresholds"
    desk.pass_time("11:00")


@both_books
def test_a_flexible_loan_in_a_coin_without_a_rate_is_refused_wherever_it_comes_from() -> None:
    with pytest.raises(Invalid, match="no flexible rate for ETH"):
        group(line(loans=[loan("ETH")]))
    desk = Desk(of=product(version(rates={"USDT": "0", "COIN": "0", "ETH": "0.001"})))
    stated = parse_line(line(loans=[loan("ETH")]), START, desk.rules.products)
    desk.change("00:01", products={"vip_loan": product()})
    desk.handle(GroupPut(clock("00:02"), stated, "book"))
    assert refusal(desk) == "no_rate"


def test_restated_is_the_book_line_again() -> None:
    stated = line(
        loans=[loan(interest="0.50"), loan(id="L-2", matures="900:00", rate={"kind": "fixed", "daily": "0.0001"})],
        thresholds={"margin_call": "0.75"},
        labels={"desk": "EU"},
        contacts={"email": ["a@b.example"]},
        balances={"acct": {"USDT": "12.0"}},
    )
    once = group(stated)
    again = restated(once)
    assert same_line(group(again), once)
    assert again["loans"][0]["interest"] == "0.5"
    assert "since" not in again["loans"][0]
