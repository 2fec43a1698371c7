"""`check-config` says what a start would find, `check-book` what is wrong with a book, by the code that a start runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.book_lines import line, one_btc
from tests.faults.house import House, until
from tests.faults.inside import running, said
from tests.faults.test_rules_preview import TOKENS, filled
from tests.here import Here
from tests.here import here as here

BOOK = '[[book]]\nname = "loans"\nkind = "file"\npath = "book.jsonl"\n'
CHECK = ["check-config", "--config", "monitor.toml"]


def written(folder: Path, *lines: dict[str, Any] | str) -> None:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    (folder / "book.jsonl").write_text("\n".join(texts) + "\n")


async def test_a_bad_book_is_shown_by_line_cell_value_and_remedy(tmp_path: Path, here: Here) -> None:
    house = House(tmp_path)
    house.write(feed=False)
    written(tmp_path, one_btc("G-1"), {**one_btc("K"), "lables": {}}, line("N", "-1"), "{", one_btc("G-1"))
    found = await here("check-book", "book.jsonl", "--config", "monitor.toml")
    assert found.code == 1
    assert "1 group, 4 lines refused" in found.out
    rows = [" ".join(row.split()) for row in found.out.splitlines()]
    assert any(row.startswith("line 2 lables") and "did you mean 'labels'" in row for row in rows), found
    assert any(row.startswith("line 3 collateral.N-a.BTC -1 a number from 0") for row in rows), found
    assert any(row.startswith("line 4 the line is not JSON") for row in rows), found
    assert any(row.startswith("line 5 group G-1 is at line 1 already") for row in rows), found
    answer = json.loads((await here("check-book", "book.jsonl", "--config", "monitor.toml", "--json")).out)
    assert [each["place"] for each in answer["books"][0]["refused"]] == ["line 2", "line 3", "line 4", "line 5"]
    written(tmp_path, one_btc("G-1"))
    assert (await here("check-book", "book.jsonl", "--config", "monitor.toml")).code == 0
    missing = await here("check-book", "gone.jsonl", "--config", "monitor.toml")
    assert (missing.code, "cannot be read: No such file" in " ".join(missing.out.split())) == (1, True), missing


async def test_a_start_does_what_check_config_said(tmp_path: Path, here: Here) -> None:
    """The groups by stage, and the alerts that it raises, at the prices of the daemon that runs."""
    house = House(tmp_path)
    house.write(web=TOKENS, feed=False)
    async with running(house) as app:
        await filled(app)
        written(
            tmp_path,
            *(one_btc(f"B-{n}", owed=str(n * 1000)) for n in range(70, 80)),
            one_btc("D", collateral={"D-a": {"BTC": "1", "DOGE": "5"}}),
        )
        house.write(BOOK, web=TOKENS, feed=False)
        found = await here(*CHECK)
        assert found.code == 0, found
        assert "book loans (book.jsonl): 11 groups" in found.out
        assert "a first start at the prices of now: 3 margin call, 8 normal" in found.out
        assert "alerts that it would raise: 3 loan_group.margin_call.opened" in found.out
        assert "groups that hold each: DOGE (1)" in found.err
        before = len(await said(app, "loan_group.margin_call.opened"))
        await app.reload(confirmed=True)
        await until(lambda: app.monitor.sight("D") is not None, "the book is read")

        async def are_told() -> bool:
            return len(await said(app, "loan_group.margin_call.opened")) - before == 3

        await until(are_told, "the three margin calls")
    silent = await here(*CHECK)
    assert "no prices: the stages of groups are not known" in silent.err


async def test_files_in_trouble_do_not_hide_what_the_other_books_say(tmp_path: Path, here: Here) -> None:
    """The daemon starts with exactly this: one good book, one that is missing, and rates with two bad lines."""
    house = House(tmp_path)
    missing = '[[book]]\nname = "late"\nkind = "file"\npath = "late.jsonl"\n'
    rates = '[[rates]]\nname = "flexible"\nkind = "file"\nproduct = "vip_loan"\npath = "rates.csv"\n'
    written(tmp_path, *(one_btc(f"B-{n}", owed=str(n * 1000)) for n in range(70, 80)), line("N", "-1"))
    (tmp_path / "rates.csv").write_text("effective,asset,rate\n2026-01-05,USDT,often\nsoon,USDT,0.0001\n")
    house.write(BOOK + missing + rates, web=TOKENS, feed=False)
    async with running(house) as app:
        await filled(app)
        found = await here(*CHECK)
        told = json.loads((await here(*CHECK, "--json")).out)
    assert found.code == 2, found
    errors = [row for row in found.err.splitlines() if row.startswith("error: ")]
    assert len(errors) == 3, errors
    assert ["late.jsonl" in errors[0], *("rates.csv" in each for each in errors[1:])] == [True] * 3, errors
    assert "a start goes on without the files below" in " ".join(found.err.split())
    assert "book loans (book.jsonl): 10 groups, 1 line refused" in found.out
    assert "book late (late.jsonl): the file cannot be read: No such file" in found.out
    assert "a first start at the prices of now: 3 margin call, 7 normal" in found.out
    assert "alerts that it would raise: 3 loan_group.margin_call.opened" in found.out
    assert [f"error: {each}" for each in told["problems"]] == errors
    assert (told["groups"], told["stages"]) == (10, {"margin_call": 3, "normal": 7})


async def test_a_ladder_that_ends_is_warned_of(tmp_path: Path, here: Here) -> None:
    house = House(tmp_path)
    house.write(feed=False)
    rules = tmp_path / "vip_loan.toml"
    rules.write_text(
        rules.read_text().replace('BTC = [["100000000", "1"], ["inf", "0.9"]]', 'BTC = [["100000000", "1"]]')
    )
    found = await here(*CHECK)
    assert found.code == 0
    assert 'vip_loan@2024-04-29: a ladder ends before "inf" (BTC at 100000000)' in found.err


@pytest.mark.parametrize("command", [["explain", "G-50"], ["exposure"], ["levers"], ["channel"], ["duty"]])
async def test_client_commands_find_the_daemon_by_its_configuration(
    tmp_path: Path, here: Here, command: list[str]
) -> None:
    house = House(tmp_path)
    house.write(feed=False)
    lost = await here(*command, "--config", "monitor.toml")
    assert (lost.code, "has noted its port" in lost.err) == (1, True), lost
    async with running(house):
        found = await here(*command, "--config", "monitor.toml")
        assert "is the daemon running there" not in found.err, found
        assert found.code == (0 if command[0] != "explain" else 1), found
