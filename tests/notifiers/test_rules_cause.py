"""Mail, text message and chat say when rules, not prices, raised an alert."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.notifiers import email, sms
from monitor.notifiers._base import Notice, headline
from tests.fakes import FakeClock
from tests.looks import START
from tests.notifiers.conftest import STARTED

BY_RULES = {"cause": "rules", "rules_from": "vip_loan@2024-04-29"}


@pytest.mark.parametrize(("more", "said"), [(BY_RULES, True), ({"cause": "lever", "lever": "L-1"}, False), ({}, False)])
def test_an_alert_that_rules_raised_says_so(more: dict[str, Any], said: bool) -> None:
    notice = Notice("loan_group.delayed_liquidation.started", "2026-01-05T10:00:00.000Z", STARTED | more)
    assert ("by new rules, not prices" in headline(notice)) is said
    text = sms.text(notice)
    assert ("By new rules, not prices." in text) is said
    assert sms.parts(text) == 1
    mail = email.compose(notice, "risk@desk.example", ["o@desk.example"], FakeClock(START))
    parts = [" ".join(p.get_content().split()) for p in mail.walk() if p.get_content_maintype() == "text"]
    assert len(parts) == 2
    assert all(("new rules, not prices (before: vip_loan@2024-04-29)" in part) is said for part in parts)
    assert ("by new rules, not prices" in str(mail["subject"])) is said
