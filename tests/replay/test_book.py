"""A replay judges a book as the daemon does: a bad line is refused and named, and the rest applies."""

from __future__ import annotations

import json
from pathlib import Path

from tests.book_lines import one_btc
from tests.faults.house import House

TAPE = "at,asset,price\n2026-03-02T00:00:00Z,BTC,64000\n2026-03-02T00:01:00Z,BTC,6.4e4\n"


def test_a_second_line_of_a_group_and_a_bad_one_are_refused(tmp_path: Path) -> None:
    """The first line of a group has it, as in the daemon; its margin call is the only alert of a group."""
    house = House(tmp_path)
    house.write(feed=False)
    (tmp_path / "tape.csv").write_text(TAPE)
    twice = json.dumps(one_btc("G", owed="10000"))
    repeated_key = json.dumps(one_btc("H")).replace('"id"', '"id": "X", "id"', 1)
    (tmp_path / "book.jsonl").write_text("\n".join(["# a comment", json.dumps(one_btc("G")), twice, "{", repeated_key]))
    ended = house.command("replay", "--config", "monitor.toml", "--tape", "tape.csv", "--book", "book.jsonl", "--json")
    assert ended.code == 0, ended
    alerts = [json.loads(text) for text in ended.out.splitlines()]
    refused = {a["data"]["subject"]: a["data"]["facts"]["reason"] for a in alerts if a["type"] == "book.refused"}
    assert refused == {
        "book.jsonl:3": "duplicate_group",
        "book.jsonl:4": "not_json",
        "book.jsonl:5": "repeated_key",
    }
    others = [a for a in alerts if a["type"] != "book.refused"]
    assert [(a["type"], a["data"]["group"]["id"]) for a in others] == [("loan_group.margin_call.opened", "G")]
