"""A restart is an exact continuation: deadlines, locks, requests and counters, whatever the daemon was doing when it died."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.book_lines import book_line, open_loan
from tests.crash.daemon import READY_WITHIN_S, Daemon, Died
from tests.crash.harness import GRACE_S, PRODUCT, Trial
from tests.crash.load import load
from tests.crash.receiver import SECRET
from tests.effort import examples, more_in_a_soak
from tests.feeds.venue import until

TRIGGERED = "loan_group.liquidation.triggered"
OPENED = "loan_group.margin_call.opened"
STARTED = "loan_group.delayed_liquidation.started"


def enrolled_line(id_: str, **changes: Any) -> dict[str, Any]:
    """A group that holds 10 BTC and owes 380,000 USDT: at 50,000 its LTV is 76 %."""
    account, loan = {f"{id_}-in": {"BTC": "10"}}, open_loan("L-1", "USDT", "380000")
    return book_line(
        "vip_loan", {}, {}, id_, **{"collateral": account, "loans": [loan], "delayed_liquidation": True} | changes
    )


def with_grace(time: str) -> str:
    """The product with a longer grace period."""
    return PRODUCT.replace(f'grace = "{GRACE_S}s"', f'grace = "{time}"')


def btc(price: str) -> dict[str, str]:
    return {"BTC": price}


CALM, CALLED, BREACHED = btc("50000"), btc("48000"), btc("41000")
"""LTV 76 %, 79.2 % and 92.7 %."""


def told(trial: Trial, type_: str, group: str = "G-1", channel: str = "desk") -> list[dict[str, Any]]:
    """The alerts of one type about one group that a channel was told, each once."""
    found = {
        arrival.id: arrival.body
        for arrival in trial.receiver.arrivals
        if arrival.is_told
        and arrival.channel == channel
        and arrival.body["type"] == type_
        and arrival.body["data"]["group"]["id"] == group
    }
    return list(found.values())


async def deadline(trial: Trial, group: str = "G-1") -> datetime:
    """The end of a group's grace period as the daemon shows it."""
    shown = await trial.daemon.get(f"/v1/groups/{group}")
    return datetime.fromisoformat(shown["deadline"])


async def passed(trial: Trial, at: datetime) -> None:
    """Waits until the wall clock has passed a time."""
    await asyncio.sleep(max(0.0, (at - trial.clock.utc()).total_seconds() + 0.02))


async def test_a_grace_period_that_ends_while_the_daemon_is_dead_ended_at_its_deadline(tmp_path: Path) -> None:
    async with Trial(tmp_path, seed=1, groups=0, product=with_grace("4s")) as trial:
        await trial.start()
        await trial.put(trial.labelled(enrolled_line("G-1")))
        await trial.step(CALM)
        await trial.step(BREACHED)
        due = await deadline(trial)
        await trial.daemon.kill()
        await passed(trial, due)
        assert told(trial, TRIGGERED) == []
        await trial.revive()
        await until(lambda: told(trial, TRIGGERED), "the liquidation")
        for _ in range(2):
            (liquidation,) = told(trial, TRIGGERED)
            assert datetime.fromisoformat(liquidation["timestamp"]) == due
            assert liquidation["data"]["reason"] == "grace_expired"
            assert liquidation["data"]["blind"], "its figures are of prices that nobody has confirmed since"
            noticed = datetime.fromisoformat(liquidation["data"]["detected_at"])
            assert noticed >= trial.lives[1].began_at
            await trial.daemon.kill()
            await trial.revive()
        await trial.finish()


@pytest.mark.soak
async def test_a_margin_call_that_comes_due_while_the_daemon_is_dead_expired_at_its_time(tmp_path: Path) -> None:
    """Amount, payment and due time are in the commit: after a kill the call is what it was, and expires when it was due."""
    calls = 'grace = "24h"\nmargin_call_expiry = "3s"\non_expiry = "liquidation"'
    async with Trial(tmp_path, seed=1, groups=0, product=with_grace("24h").replace('grace = "24h"', calls)) as trial:
        await trial.start()
        await trial.put(trial.labelled(enrolled_line("G-1")))
        await trial.step(CALM)
        await trial.step(CALLED)
        called = (await trial.daemon.get("/v1/groups/G-1"))["call"]
        await trial.daemon.kill()
        await passed(trial, datetime.fromisoformat(called["due"]))
        await trial.revive()
        await until(lambda: told(trial, TRIGGERED), "the liquidation")
        (liquidation,) = told(trial, TRIGGERED)
        assert (liquidation["timestamp"], liquidation["data"]["reason"]) == (called["due"], "call_expired")
        kept = (await trial.daemon.get("/v1/groups/G-1/calls"))["items"]
        assert [(x["what"], x["called_usd"]) for x in kept] == [
            (w, called["called_usd"]) for w in ("opened", "expired")
        ]
        await trial.finish()


async def test_a_deadline_stands_through_every_restart_and_is_kept_to_the_second(tmp_path: Path) -> None:
    async with Trial(tmp_path, seed=1, groups=0, product=with_grace("10s")) as trial:
        await trial.start()
        await trial.put(trial.labelled(enrolled_line("G-1")))
        await trial.step(CALM)
        await trial.step(BREACHED)
        due = await deadline(trial)
        while trial.kills < 2 or trial.clock.utc() < due - timedelta(seconds=5):
            await trial.daemon.kill()
            await trial.revive()
            assert await deadline(trial) == due
        await until(lambda: told(trial, TRIGGERED), "the liquidation")
        (liquidation,) = told(trial, TRIGGERED)
        assert datetime.fromisoformat(liquidation["timestamp"]) == due
        assert datetime.fromisoformat(liquidation["data"]["detected_at"]) - due < timedelta(seconds=2)
        await trial.finish()


@more_in_a_soak
async def test_kills_while_it_starts_lose_nothing(tmp_path: Path) -> None:
    """While it makes its first file, and while it takes up again what there is to send."""
    async with Trial(tmp_path, seed=3, groups=12) as trial:
        made = [tmp_path / "var" / f"monitor.db{suffix}" for suffix in (".lock", ".new", "", "-wal")]
        for number in range(len(made)):
            # What is renamed a moment later may be missed; then the next is time enough.
            await _killed_while_starting(trial, lambda number=number: any(x.exists() for x in made[number:]))
        await trial.start()
        await trial.put_book()
        await trial.step(trial.market.swing(0.2))
        await trial.step(trial.market.swing(0.5))
        await trial.daemon.kill()
        await trial.bury()
        for after_s in (0, 0.03, 0.1, 0.01, 0.06)[: examples(2, 5)]:
            await _killed_while_starting(trial, lambda: "store opened" in trial.daemon.errors, after_s)
        await trial.start()
        await trial.step(trial.market.swing(0.5))
        await trial.finish()


async def _killed_while_starting(trial: Trial, is_time: Callable[[], bool], after_s: float = 0) -> None:
    """Kills a start so long after something is seen of it."""
    daemon = await trial.spawn()
    for _ in range(int(READY_WITHIN_S / 0.0005)):
        if is_time():
            break
        await asyncio.sleep(0.0005)
    assert is_time(), daemon.errors
    await asyncio.sleep(after_s)
    daemon.signal(signal.SIGKILL)
    await trial.bury()


@more_in_a_soak
async def test_kills_while_it_stops_lose_nothing(tmp_path: Path) -> None:
    async with Trial(tmp_path, seed=4, groups=12, trouble=0.25) as trial:
        await trial.start()
        await trial.put_book()
        for number, after_s in enumerate((0, 0.01, 0.06, 0.005, 0.03, 0.12)[: examples(2, 6)]):
            await trial.step(trial.market.swing(number / 6))
            trial.terminate()
            await asyncio.sleep(after_s)
            trial.daemon.signal(signal.SIGKILL)
            await trial.revive()
        assert trial.kills > 1, "the kills came too late"
        await trial.finish()


@pytest.mark.soak
async def test_kills_in_the_middle_of_a_checkpoint_lose_nothing(tmp_path: Path) -> None:
    async with Trial(tmp_path, seed=5, groups=12, plan=["during checkpoint"] * 3) as trial:
        await trial.start()
        await trial.put_book()
        for number in range(3):
            await trial.step(trial.market.swing(0.2 + number / 6))
            trial.terminate()
            await trial.revive()
        assert trial.kills == 3
        await trial.finish()


@pytest.mark.soak
async def test_kills_while_it_reloads_lose_nothing(tmp_path: Path) -> None:
    """The reload brings other keys, so that the channels are made again, and a version of the rules to come."""
    another = PRODUCT + PRODUCT[: PRODUCT.index("[[version]]", 5)].replace("2020-01-01", "2090-01-01")
    keys = (SECRET, f"{SECRET} whsec_bmV3IGtleSBvZiB0aGUgZGVzaywgMzIgYnl0ZXM=")
    async with Trial(tmp_path, seed=6, groups=12, trouble=0.25) as trial:
        await trial.start()
        await trial.put_book()
        async with load(trial, seed=6):
            for number, after_s in enumerate((0.01, 0.04, None, 0, 0.02, 0.08)[: examples(3, 6)]):
                await asyncio.sleep(0.2)
                trial.write_config(keys[(number + 1) % 2])
                (tmp_path / "product.toml").write_text((another, PRODUCT)[number % 2])
                trial.daemon.signal(signal.SIGHUP)
                if after_s is None:
                    await until(lambda: "configuration reloaded" in trial.daemon.errors, "the end of the reload")
                else:
                    await asyncio.sleep(after_s)
                trial.daemon.signal(signal.SIGKILL)
                await trial.revive()
        await trial.finish()


async def test_one_daemon_holds_the_store_and_a_kill_sets_it_free(tmp_path: Path) -> None:
    async with Trial(tmp_path, seed=7, groups=2) as trial:
        await trial.start()
        await trial.put_book()
        for _ in range(2):
            second = await Daemon.spawn(tmp_path, trial.config, tmp_path / "second.log")
            try:
                with pytest.raises(Died):
                    await second.ready()
                assert await second.ended() == 1
            finally:
                await second.kill()
            assert "is in use by another monitor" in second.errors
            await trial.step(trial.market.swing(0.1))
            await trial.daemon.kill()
            await trial.revive()
        await trial.finish()


@pytest.mark.parametrize(("place", "is_known"), [("before commit", False), ("after commit", True)])
async def test_an_entry_that_was_cut_off_is_one_entry_when_it_is_asked_again(
    place: str, is_known: bool, tmp_path: Path
) -> None:
    async with Trial(tmp_path, seed=8, groups=0) as trial:
        trial.plan = ["", f"{place}:1"]
        await trial.start()
        await trial.put(trial.labelled(enrolled_line("G-1")))
        await trial.step(CALM)
        await trial.daemon.kill()
        await trial.revive()
        with pytest.raises(Died):
            await trial.deposit("e-1", "G-1", "G-1-in", "BTC", "0.5")
        await trial.revive()
        for is_repeated in (is_known, True):
            answer = await trial.deposit("e-1", "G-1", "G-1-in", "BTC", "0.5")
            assert answer["duplicate"] is is_repeated
        await trial.finish()


async def test_an_entry_to_a_group_of_a_file_outlives_restarts_until_its_line_changes(tmp_path: Path) -> None:
    async with Trial(tmp_path, seed=10, groups=0) as trial:
        first = trial.labelled(enrolled_line("G-1"))
        trial.file(first)
        await trial.start()
        await trial.step(CALLED)
        await trial.deposit("e-1", "G-1", "G-1-in", "BTC", "0.5")
        for _ in range(2):
            await trial.daemon.kill()
            await trial.revive()
            assert await holds(trial) == "10.5"
        trial.file(trial.labelled(enrolled_line("G-1", collateral={"G-1-in": {"BTC": "11"}})))
        for _ in range(100):
            if await holds(trial) == "11":
                break
            await asyncio.sleep(0.05)
        assert await holds(trial) == "11"
        await trial.finish()


async def holds(trial: Trial) -> str:
    """The BTC of the group."""
    shown = await trial.daemon.get("/v1/groups/G-1")
    (quantity,) = [item["quantity"] for item in shown["contributions"] if item["asset"] == "BTC"]
    return str(quantity)


async def test_a_group_that_was_closed_before_the_kill_goes_on_counting_when_it_comes_back(tmp_path: Path) -> None:
    """An id that is in the log already is never said again: starting the count over would make its margin call unheard."""
    async with Trial(tmp_path, seed=9, groups=0) as trial:
        await trial.start()
        await trial.put(trial.labelled(enrolled_line("G-1")))
        await trial.step(CALLED)
        await trial.close("G-1")
        await trial.daemon.kill()
        await trial.revive()
        await trial.step(CALLED)
        await trial.put(trial.labelled(enrolled_line("G-1")))
        await until(lambda: len(told(trial, OPENED)) == 2, "a second margin call")
        await trial.finish()


async def test_a_change_that_was_answered_is_in_the_history_after_a_kill_and_there_once(tmp_path: Path) -> None:
    async with Trial(tmp_path, seed=1, groups=0) as trial:
        await trial.start()
        await trial.put(trial.labelled(enrolled_line("G-1")))
        await trial.step(CALM)
        for n in range(3):
            repay = {"type": "repay", "asset": "USDT", "amount": "1000", "id": f"r-{n}"}
            await trial.daemon.post("/v1/groups/G-1/entries", repay)
            await trial.daemon.kill()
            await trial.revive()
            await trial.daemon.post("/v1/groups/G-1/entries", repay)
        restated = enrolled_line("G-1")
        restated["loans"][0]["principal"] = "300000"
        await trial.put(trial.labelled(restated))
        await trial.daemon.kill()
        await trial.revive()
        repaid = await trial.daemon.items("/v1/groups/G-1/history?kind=repayment")
        assert [(x["entry"], x["principal_left"]) for x in repaid] == [
            ("r-0", "379000"), ("r-1", "378000"), ("r-2", "377000"),
        ]  # fmt: skip
        loans = await trial.daemon.items("/v1/groups/G-1/history?kind=loan")
        assert [(x["what"], x["principal_before"], x["principal"]) for x in loans] == [
            ("opened", None, "380000"),
            ("restated", "377000", "300000"),
        ]


async def test_a_fund_that_is_exceeded_is_said_once_whatever_dies(tmp_path: Path) -> None:
    """At 37,000 the group's 10 BTC leave 10,000 USD unpaid."""
    async with Trial(tmp_path, seed=1, groups=0, product=with_grace("1s")) as trial:
        trial.config.write_text(trial.config.read_text() + '\n[fund]\nbalance_usd = "5000"\n')
        await trial.start()
        await trial.put(trial.labelled(enrolled_line("G-1", delayed_liquidation=False)))
        await trial.step(BREACHED)
        for price in ("38500", "37000"):
            await trial.step(btc(price))
        for _ in range(2):
            await _until_exceeded(trial)
            await trial.daemon.kill()
            await trial.revive()
        fund = await _until_exceeded(trial)
        assert (fund["balance_usd"], fund["groups"], fund["in_liquidation"]) == ("5000", 1, 1)
        said = await trial.daemon.items("/v1/alerts?type=fund.*")
        assert [x["type"] for x in said] == ["fund.exceeded"]
        assert said[0]["data"]["facts"]["worst"] == ["G-1"]


async def _until_exceeded(trial: Trial) -> dict[str, Any]:
    for _ in range(200):
        shown: dict[str, Any] = await trial.daemon.get("/v1/fund")
        if shown["exceeded"]:
            return shown
        await asyncio.sleep(0.05)
    raise AssertionError(shown)
