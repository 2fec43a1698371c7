"""Mail, text message and chat say when rules, not prices, raised an alert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.contacts import Manner
from monitor.notifiers import email, sms
from monitor.notifiers._base import Notice, headline
from monitor.notifiers._borrowers import BorrowerTexts, for_borrower
from tests.fakes import FakeClock
from tests.looks import START
from tests.notifiers.conftest import STARTED

BY_RULES = {"cause": "rules", "rules_from": "vip_loan@2023-01-01"}


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
    assert all(("new rules, not prices (before: vip_loan@2023-01-01)" in part) is said for part in parts)
    assert ("by new rules, not prices" in str(mail["subject"])) is said


@pytest.mark.parametrize("language", ["en", "pl", "pt", "ru", "sv"])
@pytest.mark.parametrize("template", [None, "short"])
def test_a_borrower_is_told_too_and_nothing_of_a_lever(language: str, template: str | None) -> None:
    texts = BorrowerTexts(("pl", "pt", "ru", "sv"))
    words = {"en": "not prices", "pl": "a nie ceny", "pt": "não os preços", "ru": "не цены", "sv": "inte priser"}[
        language
    ]

    def told(more: dict[str, Any]) -> list[str]:
        whole = Notice("loan_group.delayed_liquidation.started", "2026-01-05T10:00:00.000Z", STARTED | more)
        notice = for_borrower(whole, {}, ("+15550100",))
        assert set(notice.data) & {"rules_from", "lever"} == set()
        assert notice.data.get("cause") in (None, "rules")
        mine = msgspec.structs.replace(notice, manner=Manner(language, template))
        return [texts.mail(mine).body, texts.short(mine)]

    assert all(words in text for text in told(BY_RULES))
    assert all(words not in text for text in told({"cause": "lever", "lever": "L-1"}) + told({}))


def test_words_of_a_desk_that_are_older_leave_the_cause_out(tmp_path: Path) -> None:
    ours = Path(email.__file__).parent / "templates" / "borrower" / "pl.words.txt"
    (tmp_path / "de.words.txt").write_text(
        "".join(x for x in ours.open(encoding="utf-8") if "by_rules" not in x), "utf-8"
    )
    notice = Notice("loan_group.delayed_liquidation.started", "2026-01-05T10:00:00.000Z", STARTED | BY_RULES)
    mine = msgspec.structs.replace(for_borrower(notice, {}, ("+15550100",)), manner=Manner("de", None))
    assert "ceny" not in BorrowerTexts(("de",), tmp_path).short(mine)


def test_a_version_whose_text_changed_does_not_look_like_the_one_in_force() -> None:
    more = {"cause": "rules", "rules_from": STARTED["rules"]}
    notice = Notice("loan_group.delayed_liquidation.started", "2026-01-05T10:00:00.000Z", STARTED | more)
    assert email.view(notice)["cause"] == "new rules, not prices (the text of vip_loan@2024-04-29 was changed)"
