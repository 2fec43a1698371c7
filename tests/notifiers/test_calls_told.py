"""What people read of a margin call with an amount: how much, until when, whether a dispute is settled, and why what follows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.contacts import Manner
from monitor.notifiers._base import Notice, headline
from monitor.notifiers._borrowers import BorrowerTexts, for_borrower
from monitor.notifiers._words import facts_of
from monitor.notifiers.email import view
from tests.notifiers.conftest import MakeNotice

CALL = {
    "called_usd": "5444.45",
    "received_usd": "1920",
    "outstanding_usd": "3524.45",
    "due": "2026-11-22T14:05:59.000Z",
}
OUTSTANDING = "3,524.45 USD outstanding, due 2026-11-22 14:05 UTC"


def told(make_notice: MakeNotice, what: str, **more: Any) -> Notice:
    return make_notice(f"loan_group.margin_call.{what}", deadline=None, facts=CALL | more)


@pytest.mark.parametrize(
    ("what", "is_said"),
    [("opened", True), ("due", True), ("partly_met", True), ("expired", True), ("met", False), ("withdrawn", False)],
)
def test_the_first_line_says_how_much_is_called_and_until_when(
    make_notice: MakeNotice, what: str, is_said: bool
) -> None:
    assert (OUTSTANDING in headline(told(make_notice, what))) is is_said


def test_amounts_and_the_time_of_a_call_are_read_as_people_write_them(make_notice: MakeNotice) -> None:
    for shown in (facts_of(told(make_notice, "opened")), view(told(make_notice, "opened"))["facts"]):
        assert dict(shown).items() >= {("called", "5,444.45 USD"), ("due", "2026-11-22 14:05 UTC")}
    odd = dict(view(told(make_notice, "opened", called_usd="none", due="soon"))["facts"])
    assert (odd["called usd"], odd["due"]) == ("none", "soon"), "what is no amount and no time stays as it is"


def test_the_end_of_a_dispute_is_not_told_as_a_dispute(make_notice: MakeNotice) -> None:
    languages = ("en", "pl", "pt", "ru", "sv")
    texts = BorrowerTexts(languages[1:])
    subjects = []
    for dispute in ("open", "resolved"):
        notice = told(make_notice, "disputed", dispute=dispute, why="a word of the desk", by="ann")
        letter = for_borrower(notice, {}, ())
        letters = [texts.mail(msgspec.structs.replace(letter, manner=Manner(of))) for of in languages]
        assert "a word of the desk" not in str(letters)
        subjects.append([headline(notice).partition(":")[0], *(x.subject.partition(":")[0] for x in letters)])
    assert [x[:2] for x in subjects] == [
        ["[CRITICAL] G-1001 margin call disputed", "Margin call disputed"],
        ["[CRITICAL] G-1001 margin call dispute settled", "Margin call dispute settled"],
    ]
    assert all(before != after for before, after in zip(*subjects, strict=True))


def test_a_grace_period_that_an_expired_call_began_says_so(make_notice: MakeNotice) -> None:
    assert view(make_notice(reason="call_expired"))["reason"] == "a margin call was not met in time"
    assert view(make_notice(reason="ltv"))["reason"] is None
