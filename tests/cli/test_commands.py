"""Exit codes of the commands that ask a running daemon: 0 fine, 1 found trouble, 2 wrong use (docs/operations.md)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House
from tests.here import Here

COMMANDS = [
    (["explain", "G"], 0, "LTV"),
    (["explain", "nobody"], 1, "there is no group nobody"),
    (["explain", "G", "--url", "http://127.0.0.1:9"], 1, "is the daemon running there"),
    (["explain", "G", "--token-file", "absent"], 2, "absent: cannot be read"),
    (["what-if", "G", "--repay", "USDT=10"], 0, "LTV"),
    (["what-if", "G", "--shock", "BTC=20.000"], 2, "may be 20 or 20,000"),
    (["what-if", "G", "--shock", "BTC"], 2, "expected ASSET=VALUE"),
    (["stress", "--shock", "BTC=30000"], 0, "shortfall"),
    (["stress", "--reverse", "0.5"], 0, "is not reached"),
    (["stress", "--x", "BTC=30000,20000", "--y", "ETH=2000"], 0, "ETH down, BTC across"),
    (["stress", "--x", "BTC=-10%"], 2, "a matrix has two sides"),
    (["stress", "--shock", "BTC"], 2, "expected ASSET=VALUE"),
    (["stress"], 2, "expected exactly one of"),
    (["exposure", "--by", "asset"], 0, "days to sell"),
    (["exposure", "--by", "label.borrower"], 0, "groups by borrower"),
    (["exposure", "--by", "borrower"], 0, "groups by borrower"),
    (["exposure", "--by", "coins"], 2, "expected asset, product, or a label"),
    (["what-if", "G", "--shok", "BTC=-20%"], 2, "shock"),
    (["exposure", "asset"], 2, "has no use for 'asset'"),
]


async def test_a_command_tells_wrong_use_from_trouble(tmp_path: Path, here: Here) -> None:
    house = House(tmp_path)
    house.write(feed=False)
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G", labels={"borrower": "ACME"}))
        for command, code, word in COMMANDS:
            url = [] if "--url" in command else ["--url", daemon.url]
            ended = await here(*command, *url)
            assert ended.code == code, (command, ended)
            assert word in ended.out + ended.err, (command, ended)
            assert (ended.out + ended.err).count(word) == 1 or code == 0, (command, ended)
            assert "Traceback" not in ended.err
        process = await house.ran("explain", "nobody", "--url", daemon.url)
    assert (process.code, "there is no group nobody" in process.err) == (1, True)


async def test_an_operator_acknowledges_and_silences(tmp_path: Path, here: Here) -> None:
    """One after the other at one daemon: what the command says, and how it ends."""
    house = House(tmp_path)
    house.write(feed=False)
    async with Daemon(house) as daemon:
        # Debt without collateral is due for liquidation whatever the prices are.
        await daemon.put(one_btc("G", btc="0", labels={"borrower": "ACME"}))
        ((alert, type_),) = [(a["data"]["id"], a["type"]) for a in (await daemon.get("/v1/alerts"))["items"]]
        assert type_ == "loan_group.liquidation.triggered"
        for command, code, word in (
            (["ack", alert, "--note", "called", "--until", "2h"], 0, "is in hand of loopback"),
            (["ack", alert, "--until", "soon"], 2, "--until"),
            (["ack", "evt_none"], 1, "there is no alert evt_none"),
            (["ack", alert, "--undo"], 0, "not acknowledged any more"),
            (["silence"], 0, "nothing is silenced"),
            (["silence", "--match", "label.borrower=ACME", "--until", "3d", "--preview"], 0, "would have been hidden"),
            (["silence", "--match", "group=G*"], 2, "states --until and --reason"),
            (["silence", "--match", "grp=G*", "--until", "2h", "--reason", "x"], 2, "expected one of type="),
            (["silence", "--match", "group=G*", "--until", "2h", "--reason", "a test"], 0, "group=G*"),
        ):
            ended = await here(*command, "--url", daemon.url)
            assert ended.code == code, (command, ended)
            assert word in " ".join((ended.out + ended.err).split()), (command, ended)
            assert "Traceback" not in ended.err
        made = json.loads((await house.ran("silence", "--json", "--url", daemon.url)).out)
        ended = await house.ran("silence", "--delete", made[0]["id"], "--url", daemon.url)
        assert "is told now" in ended.out, ended
        assert (await daemon.get("/v1/silences"))["items"] == []


async def test_an_operator_decides_about_a_price(tmp_path: Path, here: Here) -> None:
    """One after the other at one daemon whose coin has no feed: what the command says, and how it ends."""
    house = House(tmp_path)
    house.write(feed=False)
    why = ("--reason", "the venue is down")
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G"))
        for command, code, word in (
            (["price", "btc"], 0, "BTC no price USD missing"),
            (["price", "DOGE"], 1, "no feed prices this coin and no group needs it"),
            (["price", "BTC", "--pin", "40000", "--until", "2h"], 2, "states --reason"),
            (["price", "BTC", "--pin", "40000", *why], 2, "a pin states --until"),
            (["price", "BTC", "--pin", "40000", "--until", "8d", *why], 2, "is not within 7 days"),
            (["price", "BTC", "--pin", "40000", "--until", "2020-01-01T00:00:00Z", *why], 2, "is not within 7 days"),
            (["price", "BTC", "--pin", "1e-19", "--until", "2h", *why], 2, "from 1e-18 to 1e15"),
            (["price", "BTC", "--pin", "-5", "--until", "2h", *why], 2, "negative price"),
            (["price", "BTC", "--pin", "1e16", "--until", "2h", *why], 2, "from 1e-18 to 1e15"),
            (["price", "BTC", "--believe", "--pin", "40000", "--until", "2h", *why], 2, "one thing at a time"),
            (["price", "BTC", "--believe", *why], 1, "no price of BTC waits to be confirmed: it is missing"),
            (["price", "BTC", "--exclude", "venue", *why], 1, "no feed has this name"),
            (["price", "BTC", "--release", *why], 1, "no decision about BTC"),
            (["price", "BTC", "--pin", "40000", "--until", "2h", *why], 0, "pinned at 40,000 USD until"),
            (["price", "BTC", "--pin", "4000", "--until", "2h", *why], 1, "confirm it (--yes"),
            (["price", "BTC", "--pin", "4000", "--until", "2h", "--yes", *why], 0, "BTC 4,000 USD good"),
            (["explain", "G"], 0, "BTC: pinned by loopback until"),
            (["price", "BTC", "--release", *why], 0, "BTC 4,000 USD stale"),
        ):
            ended = await here(*command, "--url", daemon.url)
            assert ended.code == code, (command, ended)
            assert word in " ".join((ended.out + ended.err).split()), (command, ended)
            assert "Traceback" not in ended.err
        shown = json.loads((await house.ran("price", "BTC", "--json", "--url", daemon.url)).out)
    assert (shown["asset"], shown["decisions"]) == ("BTC", [])


def test_a_command_that_only_asks_the_daemon_does_not_load_the_monitor_itself() -> None:
    loaded = "import sys, monitor.cli.main; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert not {"monitor.core.watch.risk", "monitor.daemon.event_log", "monitor.engine.book", "numpy"} & {*modules}
