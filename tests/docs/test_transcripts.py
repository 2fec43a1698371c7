"""Transcripts of the documents that need a market or a desk of their own: what the program prints is what stands there."""

from __future__ import annotations

import asyncio
import gzip
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from aiohttp import web

from tests.book_lines import one_btc
from tests.docs.blocks import ALL, Block
from tests.docs.terminal import steps, unseen
from tests.faults.house import Daemon, House, environment, until
from tests.feeds.venue import Venue
from tests.forks import Ended
from tests.here import Here

PEOPLE = """
[four_eyes]
enabled = true

[[person]]
name = "anna"
tokens = ["anna-desk"]

[[person]]
name = "bo"
tokens = ["bo-desk"]
"""
CUSTODIAN = """
[[feed]]
name = "custodian"
kind = "http_poll"
url = "http://127.0.0.1:{port}/nav"
every = "1s"
quote = "USDT"
allow_private = true
prices = [{{ asset = "BTC", path = "data.BTC" }}]
"""


def shown(file: str, beginning: str) -> Block:
    (block,) = [b for b in ALL if b.file == file and b.text.startswith(f"$ {beginning}")]
    return block


async def test_an_operator_decides_between_sources_and_two_people_about_a_lever(tmp_path: Path, here: Here) -> None:
    """README.md and docs/levers.md: one source stands still while the market falls to half, and then a loan is late."""
    async with Venue() as venue:
        custodian = web.AppRunner(_nav())
        await custodian.setup()
        await web.TCPSite(custodian, "127.0.0.1", 0).start()
        house = desk(tmp_path, venue, custodian.addresses[0][1])
        async with Daemon(house) as daemon:
            falling = asyncio.create_task(fall(venue))
            await until(lambda: contradicted(here, daemon), "the sources contradict each other")
            for block in (shown("README.md", "monitor price BTC\n"), shown("README.md", "monitor price BTC --exclude")):
                await printed(block, here, daemon)
            assert (await daemon.ask("PUT", "/v1/groups/G-1042", LATE, Authorization=f"Bearer {BOSS}"))[0] == 201
            for block in (shown("docs/levers.md", "monitor override"), shown("docs/levers.md", "monitor extend")):
                await printed(block, here, daemon)
            falling.cancel()
        await custodian.cleanup()


BOSS = "boss-boss-boss-boss-boss"
LATE = one_btc("G-1042", owed="28500", delayed_liquidation=True)


def _nav() -> web.Application:
    async def nav(_: web.Request) -> web.Response:
        return web.json_response({"data": {"BTC": "61012.5"}})

    app = web.Application()
    app.router.add_get("/nav", nav)
    return app


def desk(folder: Path, venue: Venue, port: int) -> House:
    """Two people, and a custodian that is asked first."""
    house = House(folder, venue)
    for name in ("anna-desk", "bo-desk"):
        (folder / name).write_text(name * 4)
        (folder / name).chmod(0o600)
    tokens = [f'{{ name = "{name}", role = "operator", secret_file = "{name}" }}' for name in ("anna-desk", "bo-desk")]
    tokens.append(f'{{ name = "boss", role = "admin", secret = "{BOSS}" }}')
    more = CUSTODIAN.format(port=port) + PEOPLE
    house.write(more, name="desk-1", stale_after_s=60, web=f"port = 0\ntokens = [{', '.join(tokens)}]")
    house.config.write_text(house.config.read_text().replace('name = "venue"', 'name = "binance"'))
    return house


async def fall(venue: Venue) -> None:
    """The market falls from 61,012.5 to 31,000.5, and says so again and again."""
    for second in range(1000):
        await venue.marks({"BTCUSDT": "61012.5" if second < 10 else "31000.5"})
        await asyncio.sleep(0.1)


async def contradicted(here: Here, daemon: Daemon) -> bool:
    looked = await here("price", "BTC", "--url", daemon.url, "--token-file", "anna-desk")
    return "live sources differ" in looked.out


async def printed(block: Block, here: Here, daemon: Daemon) -> None:
    for command, lines in steps(block):
        ended = await here(*shlex.split(command)[1:], "--url", daemon.url, "--token-file", "anna-desk")
        assert ended.code == 0, (block.where, ended)
        assert unseen(lines, Ended(ended.code, ended.out.replace("by anna-desk", "by loopback"), ended.err)) == [], (
            block.where,
            ended,
        )


def test_the_book_of_the_benchmark_has_the_size_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/scale.md and docs/operations.md, with a hundredth of the groups."""
    making, counting = steps(shown("docs/scale.md", ".venv/bin/python -m bench"))
    assert [making, counting] == list(steps(shown("docs/operations.md", ".venv/bin/python -m bench")))
    _, _, module, *words = shlex.split(making.command.replace("100000", "1000"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [module, *words])
    runpy.run_module(module, run_name="__main__")
    lines, size = counting.shown[0].split()[:2]
    raw = (tmp_path / "var/large/book.jsonl").read_bytes()
    assert raw.count(b"\n") * 100 == int(lines)
    assert 0.97 < len(raw) * 100 / int(size) < 1.03


@pytest.mark.soak
async def test_a_log_that_is_cut_in_place_goes_on_at_its_new_end(tmp_path: Path) -> None:
    """docs/operations.md, "Logs": logrotate copies the file and truncates it, and the daemon has it open all the while."""
    (rules,) = [b.text for b in ALL if b.file == "docs/operations.md" and "copytruncate" in b.text]
    assert "copytruncate\n}" in rules
    house = House(tmp_path)
    house.write(feed=False)
    log = tmp_path / "monitor.log"
    with log.open("ab") as appended:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor", "run", "--config", "monitor.toml", cwd=tmp_path, env=environment(),
            stdout=asyncio.subprocess.DEVNULL, stderr=appended,
        )  # fmt: skip
    try:
        await until(lambda: b"store opened" in log.read_bytes(), "the daemon has logged")
        (tmp_path / "monitor.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
        with log.open("r+b") as cut:
            cut.truncate()
        await until(lambda: log.stat().st_size or process.send_signal(1), "the next line, of a reload", step_s=0.2)
        assert log.read_bytes()[:1] != b"\0"
    finally:
        process.terminate()
        await process.wait()
