"""No text of others commands a terminal, begins a line, or turns the words beside it, wherever people read it."""

from __future__ import annotations

import io
import json
import re

import pytest

from monitor import telemetry
from monitor.cli import output, portfolio_tables
from monitor.control_characters import control_in, unbroken, visible
from monitor.core.loans.line_bounds import bounded_labels, label_problems
from monitor.notifiers import email, sms
from monitor.notifiers._base import Notice
from monitor.notifiers._words import facts_of
from monitor.notifiers.console import Config, ConsoleNotifier
from monitor.report.page import _PAGES
from tests.fakes import FakeClock
from tests.looks import START
from tests.notifiers.conftest import STARTED

HOSTILE = "A\r\nBcc: x\x1b[2J\x9b31m\x07\x7f\u202eevil\u2066\u2028end"
CONTROLS = "\x1b\x9b\x07\x7f\r\u202e\u2066\u2028"
NAMES = (
    "\u05e9\u05dc\u05d5\u05dd",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u0915\u094d\u200d\u0937",
    "ACME & Söhne €",
)
"""Hebrew, Persian with a joiner that keeps letters apart, Hindi with one that joins them."""


def controls(text: str) -> set[str]:
    return {c for c in text if c in CONTROLS}


def test_each_is_shown_as_an_escape_and_names_stay() -> None:
    assert visible(HOSTILE) == r"A\r\nBcc: x\x1b[2J\x9b31m\x07\x7f\u202eevil\u2066\u2028end"
    assert visible("a\nb\x1b", keeps_lines=True) == "a\nb\\x1b"
    assert control_in("ab\x1b") == r"\x1b"
    assert unbroken(" a \r\n\tb\u2028c ") == "a b c"
    for name in NAMES:
        assert (visible(name), control_in(name)) == (name, None)
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)):
        assert control_in(chr(code)) is not None, hex(code)


# The edges


def test_a_label_of_a_file_is_kept_and_named_once() -> None:
    """`book.left_out` says it: once for the same words, of a book as of a store that an older version wrote."""
    labels = {"ok": NAMES[0], "de\x1bsk": "a", "b": "x\u202e"}
    assert [(p.where, p.reason) for p in label_problems(labels)] == [
        (r"labels.de\x1bsk", "labels"),
        ("labels.b", "labels"),
    ]
    assert r"with the control character \u202e, which is shown like that; take it out" in label_problems(labels)[1].what
    assert bounded_labels(labels) == labels


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    file = io.StringIO()
    for module in (output, portfolio_tables):
        monkeypatch.setattr(module, "out", output.SafeConsole(file=file, width=200, force_terminal=False))
    monkeypatch.setattr(output, "err", output.SafeConsole(file=file, width=200, force_terminal=False))
    return file


def test_no_command_shows_them(shown: io.StringIO) -> None:
    h = HOSTILE
    output.problems([h])
    output.notes([h])
    output.say(h)
    output.acknowledged({"acknowledged": {"until": None, "note": h, "by": h}, "group": h})
    assert shown.getvalue().count("\n") == 4, "no text of others begins a line"
    silence = {
        "id": h,
        "match": {"labels": {h: h}},
        "until": h,
        "even_worse": True,
        "up_to": None,
        "by": h,
        "reason": h,
    }
    output.silences([silence])
    names = ("name", "kind", "off_at", "off_reason", "breaker", "queued", "fallback", "last_failure")
    output.channels([dict.fromkeys(names, h)])
    group = {"id": h, "product": h, "stage": h, "up_to": h}
    counts = {"hidden": 1, "told": 0, "whole": True, "types": {h: 1}}
    output.hidden({"groups": {"count": 1, "whole": True, "items": [group]}, "alerts": counts})
    sums = dict.fromkeys(("debt_usd", "market_usd", "recognised_usd"), "1")
    row = {
        "key": h,
        "groups": 1,
        "share": h,
        "is_above": False,
        "nearest_percent": None,
        "average_percent": None,
        **sums,
    }
    pair = {"issuer": h, "debt": h, "collateral": h, "groups": 1, "debt_usd": "1", "market_usd": "1"}
    rest = {"next": h, "unknown": 0, "is_exact": True}
    portfolio_tables.exposure({"by": h, "total": {"groups": 1}, "at": h, "items": [row], "wrong_way": [pair], **rest})
    said = shown.getvalue()
    assert controls(said) == set()
    assert said.count(r"\x1b") > 20
    table = output.table_of("id")
    table.add_row("A\nB")
    output.out.print(table)
    assert r"A\nB" in shown.getvalue()
    for name in NAMES:
        output.say(name)
        assert name in shown.getvalue()


def test_json_for_programs_says_the_same_without_them(capsys: pytest.CaptureFixture[str]) -> None:
    output.json({HOSTILE: NAMES})
    said = capsys.readouterr().out
    assert controls(said) == set()
    assert json.loads(said) == {HOSTILE: list(NAMES)}


@pytest.mark.parametrize("as_json", [False, True])
def test_no_line_of_the_log_has_them(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    telemetry.configure("info", as_json=as_json)
    log = structlog.get_logger("of this test")
    log.warning(HOSTILE, label=HOSTILE, more=[HOSTILE], name=NAMES[1])
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.exception("broken")
    said = capsys.readouterr().err
    telemetry.configure("warning")
    assert controls(said) == set()
    assert not any(line.startswith("Bcc") for line in said.splitlines()[:1])
    assert as_json or NAMES[1] in said
    assert as_json or said.splitlines()[0].count(r"\x1b") == 3


def notice() -> Notice:
    group = {"id": HOSTILE, "product": HOSTILE, "receiving_account": "a", "labels": {HOSTILE: HOSTILE, "who": NAMES[1]}}
    facts = {"problem": HOSTILE, HOSTILE: [HOSTILE], "deep": {HOSTILE: HOSTILE}}
    return Notice(
        "loan_group.delayed_liquidation.started",
        "2026-11-21T14:05:59.000Z",
        {**STARTED, "group": group, "facts": facts},
    )


def test_no_mail_has_them_in_a_header_or_a_line() -> None:
    mail = email.compose(notice(), "risk@desk.example", ["o@desk.example"], FakeClock(START))
    assert mail.get_all("Bcc") is None
    for part in mail.iter_parts():
        body = part.get_content()
        # The monitor's own isolates keep a name from turning its surroundings.
        assert controls(body.replace("\r\n", "\n")) == set()
        assert not re.search(r"^\s*Bcc", body, re.MULTILINE)
        assert r"\x1b[2J" in body
        assert NAMES[1] in body
    assert all(controls(str(value)) == set() and "\n" not in str(value) for value in mail.values())


def test_no_text_message_chat_or_console_has_them() -> None:
    texts = [sms.text(notice()), *(word for fact in facts_of(notice()) for word in fact)]
    assert controls("".join(texts)) == set()
    assert not any("\n" in text for text in texts)
    assert NAMES[1] in "".join(texts)
    printed = ConsoleNotifier("tty", Config())._line(notice())
    assert controls(printed) == set()
    assert printed.count("\n") == 1


def test_no_report_has_them() -> None:
    made = _PAGES.from_string("{{ name }}|{{ ours | safe }}|{{ number }}").render(name=HOSTILE, ours="<b>", number=7)
    assert controls(made) == set()
    assert made.endswith("|<b>|7")
