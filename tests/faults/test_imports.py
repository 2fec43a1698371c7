"""Imports of a desk's own tables into a running daemon, with a real mail server and files that openpyxl writes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.terminal import missing, steps, unseen
from tests.faults.house import ROOT, Daemon, House, free_port, until
from tests.faults.test_contacts import MailServer
from tests.feeds.venue import Venue
from tests.imports.tables import HEADER, workbook

ROWS = [("acme", "USDT", 1000, "BTC", 2), ("beta", "USDT", 500, "ETH", 3), ("carp", "USDT", 70, "BTC", 1)]


async def send(daemon: Daemon, raw: bytes, **query: str) -> tuple[int, Any]:
    """Status and answer of an import named `desk`."""
    path = "/v1/import?" + urlencode({"name": "desk", "file": "desk.xlsx", **query})
    async with daemon.http.post(daemon.url + path, data=raw) as response:
        return response.status, json.loads(await response.read())


async def take(daemon: Daemon, raw: bytes, **query: str) -> Any:
    status, answer = await send(daemon, raw, **query)
    assert status == 200, answer
    return answer


def changes(answer: Any) -> list[int]:
    """Groups that are new, changed, the same, not in the file, closed."""
    return [answer["counts"][key] for key in ("new", "changed", "same", "missing", "closed")]


async def versions(daemon: Daemon) -> dict[str, int]:
    items = (await daemon.get("/v1/groups?limit=1000"))["items"]
    return {item["id"]: item["version"] for item in items if not item["id"].startswith("g")}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with Venue() as venue:
        yield House(tmp_path / "house", venue)


async def test_an_import_is_taken_as_one_whole_or_not_at_all_and_a_repeat_changes_what_changed(house: House) -> None:
    house.write()
    assert house.venue is not None
    async with Daemon(house) as daemon:
        await house.venue.marks({"BTCUSDT": "40000", "ETHUSDT": "2000"})
        await until(lambda: priced(daemon), "prices are there")
        foreign = {"id": "api-1", "product": "vip_loan", "receiving_account": "api-1", "collateral": {}, "loans": []}
        await daemon.put(foreign)
        dry = await take(daemon, workbook(HEADER, *ROWS), dry_run="true")
        assert (changes(dry), dry["taken"], await versions(daemon)) == ([3, 0, 0, 0, 0], False, {"api-1": 1})
        assert [(r["group"], r["where"], r["stage"], r["ltv"]) for r in dry["rows"]] == [
            ("acme", "Loans!A2", "normal", "0.0125"),
            ("beta", "Loans!A3", "normal", "0.08333333"),
            ("carp", "Loans!A4", "normal", "0.00175"),
        ]
        bad = await take(
            daemon,
            workbook(
                HEADER,
                *ROWS,
                ("doe", "USDT", "much", "SOL", 1),
                ("elk", "XYZ", 5, "BTC", 1),
                ("api-1", "USDT", 5, "BTC", 1),
            ),
        )
        assert (bad["taken"], len(bad["rows"]), await versions(daemon)) == (False, 3, {"api-1": 1})
        assert [(r["where"], r["value"]) for r in bad["refused"]] == [
            ("Loans!C5", "much"),
            ("Loans!B6", "XYZ"),
            ("Loans!A7", "api-1"),
        ]
        for cell, word in zip(bad["refused"], ("a number", "no flexible rate", "belongs to api"), strict=True):
            assert word in cell["what"]
        assert (await take(daemon, workbook(HEADER, *ROWS)))["taken"]
        assert await versions(daemon) == {"acme": 1, "api-1": 1, "beta": 1, "carp": 1}

        again = await take(daemon, workbook(HEADER, *ROWS))
        assert (changes(again), {c["why"] for c in again["sheets"][0]["columns"]}) == ([0, 0, 3, 0, 0], {"kept"})
        fewer = [ROWS[0], ("beta", "USDT", 600, "ETH", 3)]
        missed = await take(daemon, workbook(HEADER, *fewer))
        assert (changes(missed), missed["missing"]) == ([0, 1, 1, 1, 0], ["carp"])
        assert await versions(daemon) == {"acme": 1, "api-1": 1, "beta": 2, "carp": 1}
        assert changes(await take(daemon, workbook(HEADER, *fewer), close_missing="true")) == [0, 0, 2, 1, 1]
        assert await versions(daemon) == {"acme": 1, "api-1": 1, "beta": 2}

        audit = [a for a in (await daemon.get("/v1/audit"))["items"] if a["action"] == "import"]
        assert sorted(a["after"]["groups"]["new"] for a in audit) == [0, 0, 0, 3]
        assert {a["subject"] for a in audit} == {"import:desk"}
        await many_at_once(daemon)


async def priced(daemon: Daemon) -> bool:
    return not (await daemon.reasons()) and bool((await daemon.get("/v1/prices"))["items"])


async def many_at_once(daemon: Daemon) -> None:
    """Thousands of new groups come as blocks, and the book knows their lines again."""
    rows = "".join(f"g{i};USDT;{1000 + i},5;BTC;{i % 7 + 1}\n" for i in range(1500))
    raw = f"group;loan coin;principal;collateral coin;qty\n{rows}".encode("utf-16")
    assert changes(await take(daemon, raw, name="many")) == [1500, 0, 0, 0, 0]
    changed = raw.decode("utf-16").replace("g7;USDT;1007,5", "g7;USDT;9999,5").encode()
    assert changes(await take(daemon, changed, name="many")) == [0, 1, 1499, 0, 0]
    assert (await daemon.get("/v1/groups/g7"))["loans"][0]["principal"] == "9999.5"
    for raw, status, word in (
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), 422, "encrypted"),
        (b" " * ((32 << 20) + 1), 413, "32 MB"),
    ):
        found, problem = await send(daemon, raw, name="many")
        assert (found, word in problem["detail"]) == (status, True), problem


def section() -> tuple[str, str, list[str]]:
    """Of the README, "Watch your own book": the configuration, the table, and the commands."""
    text = (ROOT / "README.md").read_text().partition("## Watch your own book\n")[2].partition("\n## ")[0]
    blocks = dict(re.findall(r"```(toml|csv)\n(.*?)```", text, re.DOTALL))
    commands = re.findall(r"^\$ (.+)$", text, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["-m", "run", "import", "-i", "import"], commands
    return blocks["toml"], blocks["csv"], commands


async def test_the_readme_leads_from_a_table_to_a_margin_call_mail(tmp_path: Path) -> None:
    """Its commands as they stand there; only the ports are free ones, and the mail server is in this process."""
    config, table, (_, run, dry, mend, take_) = section()
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "loans.csv").write_text(table)
    async with MailServer() as mails:
        port = await free_port()
        config = config.replace("port = 8080", f"port = {port}").replace("127.0.0.1:1025", f"127.0.0.1:{mails.port}")
        (tmp_path / "config/desk.toml").write_text(config)
        assert run == ".venv/bin/monitor run --config config/desk.toml &"
        house = House(tmp_path)
        house.config = tmp_path / "config/desk.toml"
        daemon = Daemon(house)
        daemon._command = [*daemon._command[:-1], "config/desk.toml"]
        async with daemon:
            await until(lambda: priced(daemon), "prices are there")
            url = ("--url", daemon.url)
            looked = await house.ran(*dry.split()[1:], *url)
            assert looked.code == 1
            assert "B7     -200.000" in looked.out, looked
            shown = {step.command: step.shown for block in blocks_of(ROOT / "README.md") for step in steps(block)}
            assert unseen(shown[dry], looked) == [], looked
            assert mend.startswith("sed -i 's/-200.000/200.000/' loans.csv")
            (tmp_path / "loans.csv").write_text(table.replace("-200.000", "200.000"))
            taken = await house.ran(*take_.split()[1:], *url)
            assert (taken.code, "taken into import:loans: 3 new, 0 changed, 0 the same" in taken.out) == (0, True), (
                taken
            )
            assert unseen(shown[take_], taken) == [], taken
            await until(lambda: mails.of("officer@desk.example"), "the margin call arrives")
            (letter,) = [b.text for b in blocks_of(ROOT / "README.md") if b.text.startswith("Subject: ")]
            _, _, body = letter.partition("...")
            assert missing(body.splitlines(), mails.of("officer@desk.example")[0]) == []
        assert re.match(
            r"\[WARNING\] Heron-Capital margin call: LTV (7[7-9]|8\d|90)\.\d\d %", mails.of("officer@desk.example")[0]
        )
