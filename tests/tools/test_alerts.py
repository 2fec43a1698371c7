"""What is made from the catalogue of alerts is what the catalogue says."""

from __future__ import annotations

from tools import alerts


def test_the_page_about_alerts_is_current() -> None:
    text = alerts.PAGE.read_text(encoding="utf-8")
    assert text == alerts.page(text), "run: python -m tools.alerts"


def test_the_dashboards_words_are_current() -> None:
    assert alerts.WORDS.read_text(encoding="utf-8") == alerts.words(), "run: python -m tools.alerts"
