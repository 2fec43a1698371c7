"""The handed case of lines that are passed, not reached: what is shown stands where it was decided."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.notifiers import sms
from monitor.notifiers._base import Notice, headline
from monitor.notifiers._borrowers import BorrowerTexts, for_borrower
from monitor.notifiers.email import compose, view
from tests.cases.test_lending import TRIGGERED, Line, of_group, replayed

CASE = "a-strict-line"
LANGUAGES = ("en", "pl", "pt", "ru", "sv")


def noticed(alert: Line) -> Notice:
    return Notice(alert["type"], alert["timestamp"], alert["data"])


def test_a_passed_line_is_shown_as_passed_in_the_metrics_own_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, alerts, _ = replayed(CASE, tmp_path, capsys)
    w, v = (of_group(alerts, group) for group in "WV")
    assert {w["type"], v["type"]} == {TRIGGERED}
    assert (w["data"]["health_factor"], w["data"]["reason"]) == ("0.999999999998717949", "health_factor")
    assert (v["data"]["ltv"], v["data"]["reason"]) == ("0.950000000001666667", "immediate")
    assert "health factor 0.999999999998717949" in headline(noticed(w))
    assert "LTV 95.0000000002 %" in headline(noticed(v))
    mail = view(noticed(w))
    assert mail["reason"] == "the health factor line was passed"
    assert "LTV" not in json.dumps(
        [mail[key] for key in ("headline", "figure", "ltv", "reason", "crossed", "following")]
    )
    assert view(noticed(v))["reason"] == "LTV is above the immediate line: no grace period is left"


@pytest.mark.parametrize(
    ("group", "owed", "told", "figure"),
    [
        ("W", "7800", None, None),  # at the line, which must be passed
        ("W", "7799.99999999", None, None),
        ("V", "57000", "loan_group.delayed_liquidation.started", "0.95"),
        ("V", "54600", "loan_group.delayed_liquidation.started", "0.91"),
        ("V", "54599.9999999", "loan_group.margin_call.opened", "0.909999999998333333"),
        ("V", "46200", "loan_group.margin_call.opened", "0.77"),
        ("V", "46199.9999999", None, None),
    ],
)
def test_levels_just_beside_a_line_are_shown_there(
    group: str, owed: str, told: str | None, figure: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def owes(line: Line) -> Line:
        return line if line["id"] != group else line | {"loans": [line["loans"][0] | {"principal": owed}]}

    _, alerts, _ = replayed(CASE, tmp_path, capsys, owes)
    mine = [alert for alert in alerts if alert["data"].get("group", {}).get("id") == group]
    assert [alert["type"] for alert in mine] == ([] if told is None else [told])
    for alert in mine:
        assert alert["data"]["ltv"] == figure
        assert Decimal(alert["data"]["debt_usd"]) == Decimal(owed)


def test_every_text_has_the_metrics_own_word_and_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mail, short message, chat and all languages of borrowers, for a level a hair beyond its line."""
    _, alerts, _ = replayed(CASE, tmp_path, capsys)
    w, v = (noticed(of_group(alerts, group)) for group in "WV")
    texts = desk_texts(w)
    for language in LANGUAGES:
        mine = for_borrower(w, {}, ("a@b.example",))
        mine = Notice(mine.type, mine.timestamp, mine.data, mine.to, mine.manner._replace(language=language))
        texts += [BorrowerTexts(LANGUAGES).mail(mine).body, BorrowerTexts(LANGUAGES).short(mine)]
    for text in texts:
        assert "LTV" not in text, text
        assert re.search(r"0[.,]999999999998717949", text), text
    mail = texts[1]
    assert re.search(r"Line reached +liquidation at 1\n", mail)
    assert re.search(r"Cleared at +1.1, or when nothing is owed", mail)
    assert re.search(r"Line reached +immediate liquidation at 95 %", desk_texts(v)[1])


def test_exactly_on_a_strict_line_a_mail_says_that_it_is_still_ahead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def owes(line: Line) -> Line:
        return line if line["id"] != "V" else line | {"loans": [line["loans"][0] | {"principal": "57000"}]}

    _, alerts, _ = replayed(CASE, tmp_path, capsys, owes)
    subject, mail, short = desk_texts(noticed(of_group(alerts, "V")))
    assert "LTV 95.00 %, cure to 72 % by" in subject
    assert "immediate liquidation above 95 %" in subject
    assert re.search(r"Line reached +liquidation at 91 %", mail)
    assert re.search(r"Next line +immediate liquidation above 95 % \(0.00 points away\)", mail)
    assert "LTV 95.00%." in short
    assert "Immediate above 95%." in short


def desk_texts(notice: Notice) -> list[str]:
    message = compose(notice, "monitor@desk.example", ["risk@desk.example"], SystemClock())
    part = message.get_body(("plain",))
    assert part is not None
    return [headline(notice), str(part.get_content()), sms.text(notice)]
