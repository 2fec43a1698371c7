"""What is open on a pager or a board, over a kill of the daemon."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta
from typing import Any

from monitor.clock import SystemClock
from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, Ticker, until
from tests.notifiers.service import Service, serving


def _notifier(service: Service) -> str:
    return (
        '[[notifier]]\nname = "am"\nkind = "alertmanager"\nallow_private = true\nresolve_after = "2s"\n'
        f'urls = ["{service.url}"]\n'
    )


def _of(service: Service, group: str) -> list[dict[str, Any]]:
    return [a for got in service.got for a in got.json if a["labels"]["subject"] == group]


def _is_firing(service: Service, group: str) -> bool:
    last = _of(service, group)[-1:]
    return bool(last) and datetime.fromisoformat(last[0]["endsAt"]) > SystemClock().utc()


async def test_alertmanager_hears_of_what_is_open_over_a_kill_until_it_is_over(house: House) -> None:
    async with serving() as service:
        house.write(_notifier(service))
        assert house.venue is not None
        async with Daemon(house) as daemon, Ticker(house.venue, BTC="100000"):
            await daemon.put(one_btc("G-1", owed="80000"), one_btc("G-2", owed="78000"))
            await until(lambda: len(_of(service, "G-1")) > 1 and len(_of(service, "G-2")) > 1, "a repetition")
            daemon.signal(signal.SIGKILL)
            await daemon.ended()
            before = len(service.got)
            await daemon.again()
            await until(lambda: len(service.got) > before, "what is open, after the restart", within_s=20)
            assert {a["labels"]["subject"] for a in service.got[before].json} >= {"G-1", "G-2"}
            assert len({a["startsAt"] for a in _of(service, "G-1")}) == 1
            await daemon.put(one_btc("G-1", owed="1000"))
            await until(lambda: not _is_firing(service, "G-1"), "the end")
            assert _is_firing(service, "G-2")
            ended = len(_of(service, "G-1"))
            others = len(_of(service, "G-2"))
            await until(lambda: len(_of(service, "G-2")) > others + 2, "more repetitions")
            assert len(_of(service, "G-1")) == ended
            then = (SystemClock().utc() + timedelta(hours=1)).isoformat()
            silence = {"match": {"group": "G-2"}, "until": then, "reason": "it is moved", "even_worse": True}
            assert (await daemon.ask("POST", "/v1/silences", silence))[0] == 201
            assert (await daemon.ask("DELETE", "/v1/groups/G-2"))[0] == 204
            await until(lambda: not _is_firing(service, "G-2"), "the end of a group that is closed under a silence")
            (said,) = (await daemon.get("/v1/alerts?type=loan_group.closed"))["items"]
            assert said["data"]["facts"] == {"source": "api"}
