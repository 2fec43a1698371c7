"""The real daemon in the quiet time of a route: over a kill and a reload, and never for what is critical."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta
from typing import Any

from monitor.clock import SystemClock
from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, until, webhook

ROUTE = '[[route]]\nmatch = { type = "loan_group.*" }\nto = ["hook"]\n'


def hours_around_now() -> tuple[str, datetime]:
    """Quiet hours, and when they end."""
    now = SystemClock().utc().replace(second=0, microsecond=0)
    begins, ends = now - timedelta(hours=2), now + timedelta(hours=2)
    return f"{begins:%H:%M}-{ends:%H:%M}", ends


async def rows(daemon: Daemon, group: str) -> list[dict[str, Any]]:
    return [d for d in (await daemon.get("/v1/deliveries?limit=1000"))["items"] if d["subject"] == group]


async def test_the_night_is_kept_over_a_kill_and_ends_with_a_reload(house: House, receiver: SignedReceiver) -> None:
    assert house.venue is not None
    hours, ends = hours_around_now()
    quiet = f'quiet = {{ hours = ["{hours}"], calendar = "house" }}\n'
    calendar = '[[calendar]]\nname = "house"\ndays = [2021-01-01]\n'
    house.write(webhook("hook", receiver.url()), ROUTE + quiet, calendar)
    async with Daemon(house) as daemon:
        await house.venue.marks({"BTCUSDT": "64000"})
        await daemon.put(one_btc("G-1"), one_btc("G-2"), one_btc("G-3", owed="62000"))
        await until(lambda: len(receiver.got) == 1, "what is critical comes at once")
        assert (receiver.got[0]["type"], receiver.got[0]["data"]["group"]["id"]) == (
            "loan_group.liquidation.triggered",
            "G-3",
        )
        (held,) = await rows(daemon, "G-1")
        assert (held["type"], held["state"]) == ("loan_group.margin_call.opened", "pending")
        assert datetime.fromisoformat(held["held_until"]) == ends
        told = (await daemon.get("/v1/groups/G-1/timeline"))["items"][-1]["told"]
        assert [t["held_until"] for t in told] == [held["held_until"]]
        assert (await daemon.ask("DELETE", "/v1/groups/G-2"))[0] == 204

        daemon.signal(signal.SIGKILL)
        await daemon.ended()
        await daemon.again()
        await house.venue.marks({"BTCUSDT": "64000"})
        channels = (await daemon.get("/v1/channels"))["items"]
        assert [(c["name"], c["held"], c["queued"]) for c in channels] == [("hook", 1, 0)]
        assert len(receiver.got) == 1

        house.write(webhook("hook", receiver.url()), ROUTE)
        await daemon.reload()
        await until(lambda: len(receiver.got) == 2, "what was held, as nothing is quiet any more")
        assert receiver.got[1]["data"]["group"]["id"] == "G-1"
        assert [d["state"] for d in await rows(daemon, "G-2")] == ["superseded"]
        assert [d["held_until"] for d in await rows(daemon, "G-1")] == [None]
    assert receiver.bad == []
