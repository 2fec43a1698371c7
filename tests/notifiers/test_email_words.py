"""What a mail says: text and page, read as a treasurer reads them."""

from __future__ import annotations

from email.message import EmailMessage
from html.parser import HTMLParser

import pytest

from monitor.clock import SystemClock
from monitor.notifiers import email as mail
from monitor.notifiers._base import Notice
from tests.notifiers.conftest import MakeNotice

RISK = "risk@desk.example"


class Text(HTMLParser):
    """The visible words of a page, its tags, and whatever it would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.loads += [f"{k}={v}" for k, v in attrs if k in ("src", "href", "background") or "url(" in (v or "")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "tags are closed in order"

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def html_of(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def page_of(message: EmailMessage) -> Text:
    page = Text()
    page.feed(html_of(message))
    assert page.open == []
    return page


def written(notice: Notice) -> EmailMessage:
    return mail.compose(notice, "monitor@desk.example", [RISK], SystemClock())


SHOWN = [
    "91.84 %", "liquidation at 91 %", "immediate liquidation above 95 % (3.16 points away)", "2026-11-22 14:05 UTC",
    "1,000,000.00", "1,088,914.12", "66,395.30 USD", "92,215.69 USD", "72 %", "2.41336623", "not by this asset",
    "31,250.5", "12.5", "38,210.4", "binance-futures", "477,630.00", "81,250,000,000", "no price", "(missing)",
    "and 3 more", "L-1", "900,000", "144.000001", "900,144.00", "margin call → delayed liquidation",
    "Not sent separately: margin call", "ACME", "vip_loan@2024-04-29", "cursor 1042", "evt_abcdefghijklmnopqrstuvwxyz",
]  # fmt: skip


@pytest.mark.parametrize("words", SHOWN)
def test_text_and_page_say_all_that_a_treasurer_needs(make_notice: MakeNotice, words: str) -> None:
    message = written(make_notice())
    assert words in text_of(message)
    assert words in " ".join(page_of(message).words)


def test_the_page_loads_nothing_and_runs_nothing(make_notice: MakeNotice) -> None:
    page = page_of(written(make_notice()))
    assert page.loads == []
    assert not {"script", "img", "link", "iframe", "style", "form"} & set(page.tags)


def test_a_blind_group_and_a_notice_that_is_not_durable_say_so(make_notice: MakeNotice) -> None:
    for words, changes in (("true LTV may be worse", {"blind": True}), ("could not be written", {"durable": False})):
        message = written(make_notice(**changes))
        assert words in text_of(message)
        assert words in " ".join(page_of(message).words)
        assert words not in text_of(written(make_notice()))


def test_good_news_asks_for_nothing(make_notice: MakeNotice) -> None:
    cure = {"to_ltv": "0.72", "repay_usd": "0", "add_recognised_usd": "0", "by_asset": {"BTC": "0"}}
    message = written(
        make_notice(
            "loan_group.margin_call.cured",
            severity="info",
            ltv="0.7",
            cure=cure,
            deadline=None,
            reason=None,
            stage={"from": "margin_call", "to": "normal"},
            band="normal",
            next_line={"name": "initial", "ltv": "0.72", "distance_percent": "2.77"},
        )
    )
    assert "WHAT TO DO" not in text_of(message)
    assert "margin call at 77 % (7.00 points away)" not in text_of(message)
    assert "initial level at 72 % (2.00 points away)" in text_of(message)


def test_the_band_decides_what_is_shown_as_crossed_whatever_the_shown_figure_has_lost(make_notice: MakeNotice) -> None:
    triggered = "loan_group.liquidation.triggered"
    at_95 = text_of(written(make_notice(triggered, ltv="0.95", reason="ltv")))
    assert "Line reached           liquidation at 91 %" in at_95
    above = text_of(written(make_notice(triggered, ltv="0.95", reason="immediate", band="immediate")))
    assert "Line reached           immediate liquidation at 95 %" in above
    assert "no grace period is left" in above


def test_debt_without_recognised_collateral_is_said(make_notice: MakeNotice) -> None:
    message = written(make_notice(ltv=None, recognised_usd="0"))
    assert "no collateral is recognised" in text_of(message)


@pytest.mark.parametrize(
    "type_",
    ["price.stale", "price.suspect", "price.restored", "book.refused", "monitor.degraded", "delivery.failing", "new.x"],
)
def test_an_alert_about_no_group_shows_its_subject_and_facts(plain_notice: MakeNotice, type_: str) -> None:
    message = written(plain_notice(type_, "BTC <b>", more={"deep": [1, {"a": None}]}))
    for shown in (text_of(message), " ".join(page_of(message).words)):
        assert "BTC <b>" in shown
        assert "no quote for 10 s" in shown
        assert "G-1, G-2" in shown
        assert "LTV" not in shown


def test_a_test_notice_is_marked_as_one_everywhere(make_notice: MakeNotice, plain_notice: MakeNotice) -> None:
    for notice in (make_notice(test=True), plain_notice(test=True)):
        message = written(notice)
        assert message["Subject"].startswith("TEST ")
        assert "TEST: this notice was asked for by hand" in text_of(message)
        assert "TEST: this notice was asked for by hand" in " ".join(page_of(message).words)


def test_an_alert_with_hardly_anything_in_it_is_still_a_mail() -> None:
    message = written(Notice("loan.overdue", "2026-11-21T14:05:59.000Z", {"id": "evt_1"}))
    assert "loan overdue" in message["Subject"]
    assert "evt_1" in text_of(message)


def test_a_mail_says_in_words_why_a_renewal_would_be_refused(make_notice: MakeNotice) -> None:
    refusals = [
        {"reason": "margin_call", "text": "the group is in margin call"},
        {"reason": "x", "text": "no interest"},
    ]
    refused = text_of(written(make_notice("loan.renewal_open", facts={"loan": "L-1", "refusals": refusals})))
    assert "the group is in margin call, no interest" in refused
    allowed = text_of(written(make_notice("loan.renewal_open", facts={"loan": "L-1", "refusals": []})))
    assert "none" in allowed.partition("efusals")[2].split("\n")[0]
