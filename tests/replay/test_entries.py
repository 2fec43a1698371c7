"""`monitor replay --entries`: book entries of past days, each at its time among the rows of the tape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monitor.core.alerts.alert import Alert
from monitor.core.rules.settings import Rules
from monitor.replay import run as replay
from monitor.replay.entries import EntryTape
from tests.coin_desk import START, clock, line, loan
from tests.core.desk import product, quotes, shorten
from tests.faults.house import House
from tests.replay.test_run import written


def deposit(at: str, quantity: str, id_: str = "E-1", group: str = "G-1", **changes: Any) -> dict[str, Any]:
    content = {"type": "deposit", "account": f"acct-{group}", "asset": "USDT", "quantity": quantity}
    return {"group": group, "id": id_, "at": clock(at).isoformat()} | content | changes


def played(lines: list[Any], rows: str, entries: list[Any]) -> tuple[list[Alert], list[str]]:
    """Alerts of a tape given as rows of "time  prices", with entries; and what of these was refused, without its file."""
    rules = replay.without_trust(Rules("desk-1", {"vip_loan": product()}))
    split = [row.split() for row in rows.split(";")]
    tape = ((clock(at), list(quotes(what, clock(at)))) for at, what in split)
    refused: list[str] = []
    with written(lines) as book, written(entries) as stated:
        steps = replay.tape(rules, book, tape, entries=EntryTape(stated, refused.append))
        alerts = [x.alert for _, alerts in steps for x in alerts]
        return alerts, [text.removeprefix(f"{stated}:") for text in refused]


def short(alerts: list[Alert]) -> str:
    return " ".join(shorten(alert, START) for alert in alerts)


def account(group: str = "G-1") -> dict[str, Any]:
    return {"collateral": {f"acct-{group}": {"USDT": "100"}}}


def test_an_entry_is_an_event_of_its_own_time_between_two_rows() -> None:
    alerts, refused = played([line(**account())], "00:00 0.8; 02:00 0.8", [deposit("01:00", "20")])
    assert short(alerts) == "margin_call.opened margin_call.cured@01:00"
    assert refused == []


def test_entries_of_a_time_come_before_its_prices_and_after_the_deadlines_of_it() -> None:
    enrolled = line(delayed_liquidation=True, **account())
    alerts, _ = played([enrolled], "00:00 0.7; 01:00 0.8", [deposit("01:00", "20")])
    assert short(alerts) == ""
    alerts, _ = played([enrolled], "00:00 0.7; 01:00 0.8", [deposit("01:00", "1")])
    assert short(alerts) == "margin_call.opened@01:00"
    alerts, _ = played([enrolled], "00:00 0.92; 24:00 0.92", [deposit("24:00", "100")])
    assert short(alerts).split()[-2:] == ["liquidation.triggered(grace_expired)@24:00", "liquidation.cleared@24:00"]


def test_an_entry_at_the_time_of_the_first_row_finds_the_book_put() -> None:
    alerts, refused = played([line(**account())], "00:00 0.8", [deposit("00:00", "20")])
    assert (short(alerts), refused) == ("", [])


def test_a_renewal_moves_the_maturity_so_that_nothing_is_overdue() -> None:
    owes = loan(matures="12:00", opened_at="2025-12-06T12:00:00Z")
    renew = {
        "group": "G-1",
        "id": "R-1",
        "at": clock("11:00").isoformat(),
        "type": "renew",
        "loan": "L-1",
        "term": "30d",
        "rate": {"kind": "flexible"},
    }
    rows = "00:00 0.5; 48:00 0.5"
    assert "overdue" in short(played([line(loans=[owes])], rows, [])[0])
    alerts, refused = played([line(loans=[owes])], rows, [renew])
    assert ("overdue" in short(alerts), refused) == (False, [])


def test_the_same_id_twice_is_one_entry_and_with_other_content_it_is_refused() -> None:
    """A deposit of 5 leaves the margin call open; a second one would cure it."""
    half = deposit("01:00", "5")
    assert short(played([line(**account())], "00:00 0.8; 02:00 0.8", [half, half])[0]) == "margin_call.opened"
    other = deposit("01:00", "50")
    alerts, refused = played([line(**account())], "00:00 0.8; 02:00 0.8", [half, other])
    assert short(alerts) == "margin_call.opened"
    assert refused == ["2: id: found 'E-1', the id of another entry of group G-1; each entry has an id of its own"]


def test_what_cannot_be_used_is_named_with_its_line_and_the_rest_applies() -> None:
    early, late = deposit("00:30", "1", "E-9"), deposit("09:00", "1", "E-8")
    entries: list[Any] = [
        "# a comment",
        "[1]",
        "{",
        '{"group":"G-1","group":"G-1"}',
        {"group": "G-1", "id": "E-1", "type": "depositt"},
        deposit("00:00", "5", "E-2"),
        deposit("02:00", "5", "E-3", account="nobody"),
        deposit("02:00", "5", "E-4", group="G-2"),
        early,
        deposit("02:00", "20", "E-3"),
        late,
        "{",
    ]
    alerts, refused = played([line(**account())], "01:00 0.8; 03:00 0.8", entries)
    assert short(alerts) == "margin_call.opened@01:00 margin_call.cured@02:00"
    expected = [
        "2: the line is no object; expected an entry with its group, id, at and type",
        "3: the line is not JSON: ",
        "4: the key 'group' appears twice in one object",
        "5: at: is missing; type: found 'depositt', expected one of",
        "6: at: found 2026-01-05T00:00:00.000Z, before the start of the tape, 2026-01-05T01:00:00.000Z, when the book is put",
        "7: account nobody is not a collateral account of the group; it has: acct-G-1",
        "8: there is no group G-2; put it first",
        "9: at: found 2026-01-05T00:30:00.000Z, older than 2026-01-05T02:00:00.000Z before it; sort the lines",
        "11: at: found 2026-01-05T09:00:00.000Z, after the end of the tape, 2026-01-05T03:00:00.000Z; it was not applied",
        "12: the line is not JSON: ",
    ]
    by_line = sorted(refused, key=lambda text: int(text.partition(":")[0]))
    assert len(by_line) == len(expected)
    for found, start in zip(by_line, expected, strict=True):
        assert found.startswith(start)


def test_a_tape_without_rows_applies_nothing_and_says_so() -> None:
    rules = Rules("desk-1", {"vip_loan": product()})
    refused: list[str] = []
    with written([line()]) as book, written([deposit("00:00", "1")]) as stated:
        assert list(replay.tape(rules, book, [], entries=EntryTape(stated, refused.append))) == []
    assert [text.partition(":1: ")[2] for text in refused] == [
        "at: found 2026-01-05T00:00:00.000Z, but the tape has no rows; it was not applied"
    ]


def test_the_command_takes_entries_with_a_tape_and_names_what_it_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write(feed=False)
    (tmp_path / "tape.csv").write_text("at,asset,price\n2026-01-05T00:00:00Z,COIN,1\n2026-01-06T00:00:00Z,COIN,1\n")
    (tmp_path / "book.jsonl").write_text("")
    (tmp_path / "entries.jsonl").write_text(json.dumps(deposit("01:00", "1")) + "\n")
    command = ["replay", "--config", "monitor.toml", "--tape", "tape.csv", "--book", "book.jsonl"]
    ended = house.command(*command, "--entries", "entries.jsonl", "--json")
    assert (ended.code, ended.out) == (0, "")
    assert "refused: entries.jsonl:1: there is no group G-1" in ended.err
    assert house.command("replay", "--config", "monitor.toml", "--entries", "entries.jsonl", "--log", "x").code == 2
    assert "no-such: no such file" in house.command(*command, "--entries", "no-such").err
