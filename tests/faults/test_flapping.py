"""Fault test 15 against the running daemon: a price that crosses a line a thousand times is told once on the wire."""

from __future__ import annotations

import asyncio

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, until, webhook

CROSSINGS = 1000
OPENED, CURED = "loan_group.margin_call.opened", "loan_group.margin_call.cured"


async def test_a_thousand_crossings_of_a_line_are_one_margin_call_and_after_the_hold_one_cure(
    house: House, receiver: SignedReceiver
) -> None:
    """A debt of 77,000 against one BTC: a basis point below and above the line in turn, then calm."""
    assert house.venue is not None
    house.write(webhook("hook", receiver.url()), more='[lifecycle]\nclear_hold = "1s"\nclear_margin = "0.01"\n')
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1", owed="77000"))
        for number in range(CROSSINGS):
            await house.venue.marks({"BTCUSDT": ("100013", "99987")[number % 2]}, messages=1)
            await asyncio.sleep(0.001)
        await until(lambda: receiver.of(OPENED), "the margin call")
        evaluated = await daemon.http.get(f"{daemon.url}/metrics")
        assert _handled(await evaluated.text()) > CROSSINGS / 10, "the daemon saw next to none of it"
        for _ in range(15):
            await house.venue.marks({"BTCUSDT": "102000"}, messages=1)
            await asyncio.sleep(0.1)
        await until(lambda: receiver.of(CURED), "the cure")
        news = [body for body in receiver.got if body["type"].startswith("loan_group.")]
        assert [body["type"] for body in news] == [OPENED, CURED]
        assert [body["data"]["sequence"] for body in news] == [1, 2]
        assert {a["type"] for a in await daemon.alerts("&type=loan_group.*")} == {OPENED, CURED}
        assert receiver.bad == []


def _handled(metrics: str) -> float:
    """How many batches of prices core has decided on."""
    (line,) = [x for x in metrics.splitlines() if x.startswith('monitor_handle_seconds_count{event="MarkPrices"}')]
    return float(line.rpartition(" ")[2])
