"""A channel that is away: its fallback takes over, over kills and silences, and the desk sees it all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, until, webhook

SMS = '[[notifier]]\nname = "phone"\nkind = "sms"\nto = ["+15550100"]\nfile = "var/sms.log"\n'
ONLY_HOOK = '[[route]]\nmatch = { type = "loan_group.*" }\nto = ["hook"]\n\n[[route]]\nto = ["phone"]\n'


def texts(house: House) -> list[str]:
    path = Path(house.folder / "var/sms.log")
    lines = path.read_text().splitlines() if path.exists() else []
    return [str(json.loads(line)["text"]) for line in lines]


def of_group(house: House, words: str) -> list[str]:
    return [text for text in texts(house) if re.search(rf"G-1 .*{words}", text)]


async def test_a_dead_webhook_hands_over_and_the_good_news_follows_over_a_kill(house: House) -> None:
    assert house.venue is not None
    hook = webhook("hook", "http://127.0.0.1:9/") + 'fallback = "phone"\nfallback_after = "2s"\n'
    house.write(hook, SMS, ONLY_HOOK)
    async with Daemon(house) as daemon:
        await house.venue.marks({"BTCUSDT": "100000"})
        await daemon.put(one_btc("G-1"))
        await house.venue.marks({"BTCUSDT": "50000"})
        await until(lambda: of_group(house, "iquidation"), "the bad news on the fallback", within_s=30)
        await until(lambda: [t for t in texts(house) if "failing" in t], "the outage on the other channel", within_s=30)
        daemon.process.kill()
        await daemon.process.wait()
    async with Daemon(house) as daemon:
        await house.venue.marks({"BTCUSDT": "200000"})
        await until(lambda: of_group(house, "cleared|over"), "the good news on the fallback", within_s=30)
        assert len(of_group(house, "liquidation\\.")) <= 1
        page: Any = await house.ran("channel", "--json", "--url", daemon.url)
        rows = {row["name"]: row for row in json.loads(page.out)}
        assert (rows["hook"]["fallback"], rows["hook"]["off_at"]) == ("phone", None)
        switched = await house.ran("channel", "disable", "hook", "--reason", "moved", "--url", daemon.url)
        assert switched.code == 0, switched
        await until(lambda: [t for t in texts(house) if "switched off" in t], "the switch on the other channel")
        assert (await house.ran("channel", "enable", "hook", "--url", daemon.url)).code == 0
        assert (await house.ran("retry", "--url", daemon.url)).code == 2
        again = await house.ran("retry", "--notifier", "phone", "--url", daemon.url, "--json")
        assert json.loads(again.out) == {"count": 0, "passed_over": 0, "more": False}


async def test_on_return_the_current_stage_comes_and_never_an_older_one_after_it(
    house: House, receiver: SignedReceiver
) -> None:
    """Fault test 20: margin call, delayed, cured, margin call, while the endpoint is down; a replay brings them all."""
    assert house.venue is not None
    house.write(webhook("hook", receiver.url()))
    is_down = True

    async def answer(_: dict[str, Any]) -> int:
        return 503 if is_down else 200

    receiver.answer = answer
    async with Daemon(house) as daemon:
        await house.venue.marks({"BTCUSDT": "100000"})
        await daemon.put(one_btc("G-1", delayed_liquidation=True))
        for count, price in enumerate(("64000", "54000", "200000", "64000"), 1):
            await house.venue.marks({"BTCUSDT": price})
            await until(lambda least=count: _raised(daemon, least), f"alert {count}")
        is_down = False
        await until(lambda: receiver.got, "the return", within_s=70)
        first = receiver.got[0]
        assert (first["type"], first["data"]["sequence"]) == ("loan_group.margin_call.opened", 4)
        numbers = [body["data"]["sequence"] for body in receiver.got if body["data"].get("group")]
        assert numbers == sorted(numbers)
        begun = len(receiver.got)
        asked = {"notifier": "hook", "after": 0, "types": ["loan_group.*"]}
        assert (await daemon.ask("POST", "/v1/deliveries/replay", asked))[1]["sent"] == 4
        await until(lambda: len(_told(receiver, begun)) >= 4, "the replay")
        assert _told(receiver, begun) == [
            "margin_call.opened",
            "delayed_liquidation.started",
            "delayed_liquidation.cured",
            "margin_call.opened",
        ]


def _told(receiver: SignedReceiver, begun: int) -> list[str]:
    """The news of the group from a place in the order of what came."""
    names = [body["type"] for body in receiver.got[begun:]]
    return [name.removeprefix("loan_group.") for name in names if name.startswith("loan_group.")]


async def _raised(daemon: Daemon, least: int) -> bool:
    return len((await daemon.ask("GET", "/v1/alerts?group=G-1"))[1]["items"]) >= least
