"""Coins that the figures of an alert are without are named in every text: no collateral there, or no price."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.notifiers import email, sms
from monitor.notifiers._base import Notice, coins_apart
from monitor.notifiers._words import facts_of
from tests.fakes import FakeClock
from tests.looks import START
from tests.notifiers.conftest import STARTED

XBT = {"uncounted": [{"asset": "XBT", "quantity": "5"}]}
MATIC = {"missing": ["MATIC"], "bound": True, "blind": True}


def with_coins(more: dict[str, Any]) -> Notice:
    return Notice("loan_group.delayed_liquidation.started", "2026-01-05T10:00:00.000Z", STARTED | more)


@pytest.mark.parametrize(
    ("more", "words", "short"),
    [
        (XBT, "5 XBT is not collateral under vip_loan", "5 XBT not counted."),
        (MATIC, "No price of MATIC: the figures are the best that they can be", "No price of MATIC."),
        (
            {"uncounted": [{"asset": "币安人生", "quantity": "1200"}]},
            "1,200 币安人生 is not collateral under vip_loan",
            "1,200 ???? not counted.",
        ),
    ],
)
def test_mail_chat_and_text_message_name_them(more: dict[str, Any], words: str, short: str) -> None:
    notice = with_coins(more)
    assert words in coins_apart(notice.data)
    assert ("note", words) in facts_of(notice)
    assert short in sms.text(notice)
    mail = email.compose(notice, "risk@desk.example", ["o@desk.example"], FakeClock(START))
    parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    assert len(parts) == 2
    assert all(words in " ".join(part.split()) for part in parts)


def test_of_many_coins_five_are_named() -> None:
    many = [{"asset": f"C{i}", "quantity": "1"} for i in range(9)]
    found = coins_apart(with_coins({"uncounted": many, "missing": [f"M{i}" for i in range(7)]}).data)
    assert found[5:] == ["4 more coins are not collateral", "No price of M0, M1, M2, M3, M4 and 2 more"]
