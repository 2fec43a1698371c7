"""What counts next: subjects, mails, texts, chats, the terminal and borrowers' languages say the same of a stage."""

from __future__ import annotations

import re
from typing import Any

import pytest

from monitor.cli.standing import standing
from monitor.clock import SystemClock
from monitor.notifiers import email as mail
from monitor.notifiers import sms
from monitor.notifiers._base import Notice, headline, short_moment
from monitor.notifiers._borrowers import BorrowerTexts, for_borrower
from monitor.notifiers._words import facts_of
from tests.notifiers.conftest import MakeNotice

LANGUAGES = ("en", "pl", "pt", "ru", "sv")
TRIGGERED = "loan_group.liquidation.triggered"
LIQUIDATION = {"name": "liquidation", "ltv": "0.91", "distance_percent": "12"}


def stage(to: str, **more: Any) -> dict[str, Any]:
    return {"stage": {"from": "normal", "to": to}, "deadline": None, **more}


def all_texts(notice: Notice) -> list[str]:
    """Every text of the desk: subject and both parts of a mail, SMS, chat."""
    message = mail.compose(notice, "monitor@desk.example", ["risk@desk.example"], SystemClock())
    parts = [str(part.get_content()) for part in message.iter_parts()]
    chat = "; ".join(f"{name}: {value}" for name, value in facts_of(notice))
    texts = [headline(notice), *parts, sms.text(notice), chat]
    return [re.sub(r"<[^>]+>|\s+", " ", text).replace("%", " %").replace("  ", " ") for text in texts]


def test_in_a_grace_period_it_is_the_deadline_the_immediate_line_and_the_cure_level(make_notice: MakeNotice) -> None:
    """Also where the level fell below the liquidation line again: that line means nothing then."""
    fallen = make_notice(ltv="0.8", band="margin_call")
    for text in all_texts(fallen):
        assert "14:05 UTC" in text
        assert re.search(r"[Ii]mmediate (liquidation )?above 95 %", text), text
        assert "liquidation at 91 %" not in text
    subject, plain, html, _, chat = all_texts(fallen)
    assert "cure to 72 %" in subject
    assert all(re.search("[Cc]ured at:? 72 %", text) for text in (plain, html, chat))


def test_in_a_margin_call_it_is_the_liquidation_line_and_the_cure(make_notice: MakeNotice) -> None:
    called = make_notice(
        "loan_group.margin_call.opened", severity="warning", ltv="0.76", band="restricted", next_line=LIQUIDATION,
        **stage("margin_call"),
    )  # fmt: skip
    for text in all_texts(called):
        assert re.search("[Ll]iquidation at 91 %", text), text
        assert re.search("([Cc]ured at:?|collateral to) 72 %", text), text
    assert headline(called).endswith("LTV 76.00 %, liquidation at 91 %, cured at 72 %")
    assert "Cured at 72 %" in all_texts(called)[1]


@pytest.mark.parametrize("news", ["started", "extended", "reminder"])
@pytest.mark.parametrize("more", [{}, {"blind": True}, {"cause": "rules", "rules_from": "vip_loan@2023-01-01"}])
def test_a_short_message_of_a_grace_period_keeps_the_immediate_line(
    make_notice: MakeNotice, news: str, more: dict[str, Any]
) -> None:
    text = sms.text(make_notice(f"loan_group.delayed_liquidation.{news}", zone="Europe/Stockholm", **more))
    assert "Immediate above 95%." in text
    assert "14:05 UTC 22 Nov" in text
    assert "Repay 66,396 USD" in text
    assert ("ew rules" in text) is ("cause" in more)
    assert sms.parts(text) == 1
    if not more:
        assert "USD to 72% by 14:05 UTC 22 Nov (15:05 CET)." in text, "the desk's time and the level stay"


def test_a_short_message_without_an_amount_says_the_level_too(make_notice: MakeNotice) -> None:
    assert "Cure to 72% by 14:05 UTC 22 Nov. Immediate above 95%." in sms.text(make_notice(cure=None))


def test_with_an_amount_it_is_what_is_outstanding_and_until_when(make_notice: MakeNotice) -> None:
    facts = {"outstanding_usd": "63333.34", "due": "2026-11-23T18:00:00.000Z", "called_usd": "83333.34"}
    called = make_notice(
        "loan_group.margin_call.reminder",
        severity="warning",
        next_line=LIQUIDATION,
        **stage("margin_call", facts=facts),
    )
    for text in all_texts(called):
        assert re.search(r"63,33[34]", text), text
        assert re.search(r"18:00 UTC", text), text
        assert re.search("([Cc]ured at:?|to) 72 %", text), text
    assert "63,333.34 USD outstanding, due 2026-11-23 18:00 UTC" in headline(called)
    assert "Outstanding 63,334 USD, due 18:00 UTC 23 Nov." in sms.text(called)
    met = make_notice(**stage("margin_call", facts=facts | {"outstanding_usd": "0"}))
    assert "outstanding" not in headline(met)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("grace_expired", "the grace period ended"),
        ("call_expired", "a margin call was not met in time"),
        ("overdue", "a loan was not repaid in time"),
    ],
)
def test_what_was_not_done_in_time_stands_in_the_subject_and_the_short_message(
    make_notice: MakeNotice, reason: str, words: str
) -> None:
    ended = make_notice(TRIGGERED, reason=reason, ltv="0.8", next_line=None, **stage("liquidation"))
    for text in all_texts(ended):
        assert words in text.lower(), text
        assert re.search("cleared at:? 72 %", text.lower()), text
    assert headline(ended).startswith(f"[CRITICAL] G-1001 liquidation: {words}, LTV 80.00 %")


def test_the_lender_alone_clears_what_it_liquidates(make_notice: MakeNotice) -> None:
    theirs = make_notice(TRIGGERED, reason="lender", next_line=None, **stage("liquidation"))
    assert "cleared" not in headline(theirs)
    assert "when the lender no longer liquidates" in all_texts(theirs)[1]


def test_a_level_is_in_its_own_words_on_its_own_side(make_notice: MakeNotice) -> None:
    """Exactly on a strict line nothing is crossed; a hair beyond it is."""
    lines = {"initial": "1.1", "liquidation": "1"}
    line = {"name": "liquidation", "level": "1", "distance_percent": "0", "strict": True}
    how = {"metric": "health_factor", "ltv": "1", "thresholds": lines, "cure": None, "reason": "health_factor"}
    on = make_notice(
        "loan_group.early_warning", severity="info", health_factor="1", band="restricted", next_line=line,
        **how, **stage("normal"),
    )  # fmt: skip
    plain = all_texts(on)[1]
    assert "Line reached initial level at 1.1" in plain
    assert "Next line liquidation below 1 (0 away)" in plain
    figure = "0.999999999998717949"
    beyond = make_notice(
        TRIGGERED, health_factor=figure, band="liquidation", next_line=None, **how, **stage("liquidation")
    )
    for text in all_texts(beyond):
        assert f"health factor {figure}" in text.replace("health factor: ", "health factor "), text
        assert "LTV" not in text, text
    plain = all_texts(beyond)[1]
    assert "Line reached liquidation at 1" in plain
    assert "Reason the health factor line was passed" in plain


@pytest.mark.parametrize(
    ("ltv", "away"),
    [("0.933333", "1.67"), ("0.9333", "1.67"), ("0.91839999", "3.16"), ("0.949999", "0.0001"), ("0.94999", "0.001"),
     ("0.95", "0.00"), ("0.94995", "0.005"), ("0.94990", "0.01")],
)  # fmt: skip
def test_a_distance_is_rounded_to_the_nearest_and_never_to_nothing_before_the_line(
    make_notice: MakeNotice, ltv: str, away: str
) -> None:
    data = make_notice(ltv=ltv).data
    assert f"immediate liquidation above 95 % ({away} points away)" in mail.view(make_notice(ltv=ltv))["following"]
    shown = standing({**data, "stage": "delayed_liquidation"})
    assert f"next: immediate liquidation above 95 % ({away} points away)" in list(shown)


def test_the_terminal_says_the_same(make_notice: MakeNotice) -> None:
    data = make_notice().data
    answer = {**data, "ltv": "0.8", "band": "margin_call", "stage": "delayed_liquidation"}
    shown = list(standing(answer, "Europe/Stockholm"))
    assert shown[0] == "LTV 80.00 % = debt 1,000,000.00 / recognised 1,088,914.12 USD"
    assert shown[2:] == [
        "grace period ends 2026-11-22 14:05 UTC (15:05 CET)",
        "next: immediate liquidation above 95 % (15.00 points away)",
        "cured at 72 %",
    ]
    call = {"status": "open", "outstanding_usd": "10", "due": "2026-07-22T23:30:00.000Z"}
    called = list(standing({**answer, "stage": "margin_call", "deadline": None, "call": call}, "Europe/Stockholm"))
    assert "margin call: 10.00 USD outstanding, due 2026-07-22 23:30 UTC (2026-07-23 01:30 CEST)" in called


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_borrower_reads_it_in_every_language(make_notice: MakeNotice, language: str) -> None:
    texts = BorrowerTexts(LANGUAGES)

    def told(type_: str, **changes: Any) -> tuple[str, str]:
        notice = for_borrower(make_notice(type_, **changes), {}, ("a@b.example",))
        notice = Notice(
            notice.type, notice.timestamp, notice.data, notice.to, notice.manner._replace(language=language)
        )
        letter = texts.mail(notice)
        return letter.subject + "\n" + letter.body, texts.short(notice)

    for text in told("loan_group.delayed_liquidation.started", zone="Europe/Stockholm"):
        assert "15:05 CET" in text
        assert "95 %" in text
        assert "72 %" in text
    ended = told(TRIGGERED, reason="grace_expired", next_line=None, **stage("liquidation"))
    words = texts._templates.get_template(f"{language}.words.txt").module.reasons["grace_expired"]  # type: ignore[attr-defined]
    assert words in ended[0].partition("\n")[0]
    assert words in ended[1].lower() or words in ended[1]
    facts = {"outstanding_usd": "63333.34", "due": "2026-11-23T18:00:00.000Z"}
    for text in told("loan_group.margin_call.reminder", next_line=LIQUIDATION, **stage("margin_call", facts=facts)):
        assert "18:00 UTC" in text
        assert "91 %" in text
    level = {"metric": "health_factor", "health_factor": "0.98", "thresholds": {"initial": "1.1", "liquidation": "1"}}
    for text in told(TRIGGERED, reason="health_factor", next_line=None, **level, **stage("liquidation")):
        assert "LTV" not in text


def test_a_time_in_the_desks_zone_has_its_date_where_that_is_another_one() -> None:
    assert short_moment("2026-11-22T14:05:59.000Z", "Europe/Stockholm") == "14:05 UTC 22 Nov (15:05 CET)"
    assert short_moment("2026-11-22T23:30:00.000Z", "Europe/Stockholm") == "23:30 UTC 22 Nov (23 Nov 00:30 CET)"
    assert short_moment("2026-11-22T14:05:59.000Z", "Etc/UTC") == "14:05 UTC 22 Nov"
    assert short_moment("2026-11-22T14:05:59.000Z") == "14:05 UTC 22 Nov"
