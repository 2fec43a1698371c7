"""The facts of every type of alert are words for people, in mails and chats: no JSON, no keys of ours, nothing that is null."""

from __future__ import annotations

import re
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.core.alerts.alert_type import AMOUNT, COUNT, COUNTS, FLAG, NAMES, ROWS, TIME, Fact
from monitor.core.alerts.catalogue import CATALOGUE, OF_THE_DESK
from monitor.notifiers import email, sms
from monitor.notifiers._base import Notice, headline
from monitor.notifiers._borrowers import BorrowerTexts, examples
from monitor.notifiers._facts import told_facts
from monitor.notifiers._words import facts_of
from tests.notifiers.conftest import STARTED

WHEN = "2026-12-02T10:00:00.000Z"
ROW: dict[str, list[dict[str, Any]]] = {
    "moves": [{"group": "G-1", "from": "normal", "to": "margin_call"}],
    "cells": [{"cell": "B7", "value": "-200.000", "remedy": "state a number above 0"}, {"cell": "B8", "value": None, "remedy": "x"}],
    "troubles": [{"kind": "book.refused", "subject": "b:3", "since": WHEN, "text": "no number"}],
    "sources": [{"source": "binance", "price": "64000.5", "quote": "USDT", "age_s": "1.2", "exchange_age_s": None, "state": "good"}],
    "worse": [{"from": "normal", "to": "margin_call", "groups": 1, "debt_usd": "1234567.5"}],
    "loosened": [{"what": "ladder BTC", "from": "0.5", "to": None}],
    "refused": [{"group": "G-2", "reason": "it has no grace period"}],
    "refusals": [{"reason": "margin_call", "text": "the group is in margin call"}],
    "rates": [{"asset": "BTC", "effective": WHEN, "rate": "0.01", "counted": "0.02"}],
    "channels": [{"notifier": "mail", "reason": "refused", "failures": 3}],
    "worst": [{"group": "G-1", "product": "vip_loan", "metric": "ltv", "level": None, "band": "margin_call"}],
}  # fmt: skip
BY_SCHEMA = [
    (TIME, WHEN), (COUNT, 1234), (COUNTS, {"margin_call": 1200, "duplicate_group": 1}), (FLAG, True), (AMOUNT, "1234.5"),
    (NAMES, ["G-1", "a sentence that is long enough for a line of its own"]),
]  # fmt: skip
BAD = re.compile(
    r'\{"|\[\{|\bnull\b|\bNone\b|\d\d\d\d-\d\d-\d\dT\d\d|_cut\b|\b[Cc]ut: |duplicate_group|margin_call\b(?!\.)'
)


def sample(fact: Fact, bare: bool) -> Any:
    if bare and fact.optional:
        return None
    if bare and fact.name.endswith("_cut"):
        return 0
    if fact.schema == ROWS:
        return [] if bare else ROW.get(fact.name, ROW["moves"])
    for schema, value in BY_SCHEMA:
        if fact.schema == schema:
            return value
    return f"margin call until {WHEN}"


def notice_of(type_: str, bare: bool) -> Notice:
    row = CATALOGUE[type_]
    plain = {"id": "evt_1", "severity": row.severity, "subject": "BTC", "zone": "Europe/Stockholm"}
    about_group = type_.startswith("loan") or type_ in OF_THE_DESK
    facts = {fact.name: sample(fact, bare) for fact in row.facts}
    return Notice(type_, WHEN, (STARTED if about_group else {}) | plain | {"facts": facts})


@pytest.mark.parametrize("bare", [False, True])
def test_no_text_of_any_alert_shows_json_or_keys_of_ours(bare: bool) -> None:
    for type_ in CATALOGUE:
        notice = notice_of(type_, bare)
        shown = email.view(notice)
        mail, page = (email._TEMPLATES.get_template(name).render(shown) for name in ("mail.txt", "mail.html"))
        chat = "; ".join(f"{name}: {value}" for name, value in facts_of(notice))
        for text in (mail.partition("\n--\n")[0], page.partition("<h1")[2], chat, headline(notice), sms.text(notice)):
            text = text.replace("&#34;", '"').replace(f"<br>{type_}", "").replace(type_, "")
            assert not BAD.search(text), (type_, BAD.search(text), text)


def test_no_mail_of_a_borrower_does() -> None:
    texts = BorrowerTexts()
    for notice in examples():
        for text in (*texts.mail(notice), texts.short(notice)):
            assert not BAD.search(text), (notice.type, text)


def said(type_: str, **facts: Any) -> dict[str, list[str]]:
    return dict(told_facts(Notice(type_, WHEN, {"id": "evt_1", "zone": "Europe/Stockholm", "facts": facts})))


def test_a_lever_is_read_in_the_desks_time() -> None:
    change = f"grace period until {WHEN}"
    assert said("lever.pulled", act="extend_grace", change=change, person=None, approved_by=None, until=WHEN) == {
        "act": ["extend grace"],
        "change": ["grace period until 2026-12-02 10:00 UTC (11:00 CET)"],
        "until": ["2026-12-02 10:00 UTC (11:00 CET)"],
    }


def test_lists_are_lines_and_say_how_much_is_left_out() -> None:
    moves = [
        {"from": "normal", "to": "margin_call", "groups": 1},
        {"from": "normal", "to": "liquidation", "groups": 14},
    ]
    assert said(
        "rules.held", moves=moves, groups=[{"group": "a_1", "from": "normal", "to": "margin_call"}], groups_cut=1200
    ) == {
        "moves": ["normal → margin call: 1 group", "normal → liquidation: 14 groups"],
        "groups": ["a_1: normal → margin call", "and 1,200 more"],
    }
    assert said("price.stale", group_ids=["G_1", "G-2"], group_ids_cut=3, price="64000.50", groups=5) == {
        "which groups": ["G_1, G-2 and 3 more"], "price": ["64,000.50"], "groups": ["5"],
    }  # fmt: skip
    assert said("book.refused", cells=ROW["cells"]) == {
        "cells": ["B7: value -200.000, state a number above 0", "B8: x"]
    }
    assert said("price.contradiction", sources=ROW["sources"], worse=ROW["worse"]) == {
        "sources": ["binance: price 64,000.5, quote USDT, age 1.2 s, state good"],
        "worse": ["normal → margin call: 1 group, debt 1,234,567.5 USD"],
    }


def test_the_reason_of_the_first_line_does_not_stand_for_many() -> None:
    reasons = {"negative": 41, "duplicate_group": 1}
    assert said("book.refused", reason="negative", reasons=reasons, count=42, lines=["a: not JSON", "b: x"], lines_cut=40) == {
        "reasons": ["negative 41, duplicate group 1"], "count": ["42"], "lines": ["a: not JSON", "b: x", "and 40 more"],
    }  # fmt: skip
    assert said("book.refused", reason="negative") == {"reason": ["negative"]}


def test_a_version_that_was_changed_in_place_is_told_apart() -> None:
    assert said("rules.changed", **{"from": "v@1", "to": "v@1"})["to"] == ["v@1, its text was changed"]
    assert said("rules.changed", **{"from": "v@1", "to": "v@2"})["to"] == ["v@2"]


def test_facts_of_a_plug_in_may_be_anything() -> None:
    odd = {
        "deep": [1, {"a": None, "b": [None, True]}],
        "x_cut": "many",
        "n": 1.5,
        "x": ["y"],
        "when": "2026-99-99T10:00:00.000Z",
    }
    assert said("new.x", **odd) == {
        "deep": ["1", "b yes"], "x cut": ["many"], "n": ["1.5"], "x": ["y"], "when": ["2026-99-99T10:00:00.000Z"],
    }  # fmt: skip


def test_a_mail_shows_lines_below_their_name_in_both_parts() -> None:
    facts = {"moves": [{"group": g, "from": "normal", "to": "margin_call"} for g in ("<G-1>", "G-2")]}
    notice = Notice("rules.held", WHEN, {"id": "evt_1", "severity": "warning", "facts": facts})
    message = email.compose(notice, "monitor@desk.example", ["risk@desk.example"], SystemClock())
    mail, page = [str(part.get_content()) for part in message.iter_parts()]
    assert "Moves:\n  <G-1>: normal → margin call\n  G-2: normal → margin call\n" in mail
    assert "<br>&lt;G-1&gt;: normal → margin call<br>G-2: normal → margin call</div>" in page


MANY: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("book.refused", "book", {"count": 42, "reasons": {"duplicate_group": 1, "negative": 41}, "reason": "negative"},
     "42 lines", "41 negative, 1 duplicate group"),
    ("book.left_out", "book", {"count": 4, "reasons": {"dates": 4}}, "4 lines", "4 dates"),
    ("monitor.unmended", "start", {"count": 3, "unwatched": 1, "troubles": ROW["troubles"]},
     "3 things, 1 group not watched", "b:3: no number"),
    ("rules.held", "configuration", {"groups_moved": 15, "groups": ROW["moves"]}, "15 groups would move", ""),
    ("config.refused", "configuration", {"problems": ["fund: found -1"], "problems_cut": 0}, "1 problem", "fund: found -1"),
    ("delivery.failing", "channels", {"channels": [{"notifier": "mail"}, {"notifier": "sms"}]}, "2 channels", "mail, sms"),
    ("feed.down", "binance", {"assets": ["BTC", "ETH"], "assets_cut": 1500}, "1,502 coins", ""),
    ("price.missing", "BTC", {"also": ["ETH"]}, "2 coins", ""),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "subject", "facts", "count", "detail"), MANY)
def test_one_notice_of_many_says_how_many_in_subject_and_short_message(
    type_: str, subject: str, facts: dict[str, Any], count: str, detail: str
) -> None:
    notice = Notice(type_, WHEN, {"id": "evt_1", "severity": "warning", "subject": subject, "facts": facts})
    whole = f"{count}: {detail}" if detail else count
    assert headline(notice).endswith(f": {whole}")
    assert f". {whole}. Ref evt_1" in sms.text(notice)
    long = Notice(type_, WHEN, notice.data | {"subject": "loans of the whole desk " * 5})
    assert f". {count}" in sms.text(long)
    assert sms.parts(sms.text(long)) == 1


def test_a_short_message_without_room_for_the_first_still_counts() -> None:
    rows = [{"kind": "book.refused", "subject": "loans.jsonl:1", "since": WHEN, "text": "a reason of many words " * 5}]
    facts = {"count": 1200, "unwatched": 1100, "troubles": rows}
    whole = Notice(
        "monitor.unmended", WHEN, {"id": "evt_1", "severity": "warning", "subject": "start of the desk", "facts": facts}
    )
    assert ". 1,200 things, 1,100 groups not watched. Ref evt_1" in sms.text(whole)


def test_one_of_a_kind_is_not_counted() -> None:
    one = Notice(
        "book.refused",
        WHEN,
        {"id": "evt_1", "subject": "b:3", "facts": {"reason": "negative", "problem": "x", "place": "b:3"}},
    )
    assert headline(one) == "[INFO] b:3 loan book line refused"
    odd = Notice(
        "config.refused", WHEN, {"id": "evt_1", "subject": "b:3", "facts": {"problems": [], "count": "x", "reasons": 1}}
    )
    assert headline(odd) == "[INFO] b:3 reload refused"
