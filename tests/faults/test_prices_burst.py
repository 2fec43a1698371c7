"""50,000 quotes a second while core is slowed: it decides on new prices, keeps no heap of old ones, and counts each drop."""

from __future__ import annotations

import asyncio
import gc
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.core.events.events import MarkPrices
from monitor.core.watch.risk import RiskMonitor
from tests.faults.house import House, now_s, until
from tests.faults.inside import running
from tests.feeds.venue import Venue, frame, mark

COINS = 500
FRAMES_A_SECOND = 100
SLOWED_S = 0.08
"""What core takes more for each event: eight messages come meanwhile."""
_CLOCK = SystemClock()


class SlowedCore:
    """Core that takes its time; notes how old each price was when it had been evaluated."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ages_s: list[float] = []
        self.handled = 0
        handle = RiskMonitor.handle

        def slowed(monitor: RiskMonitor, event: Any) -> Any:
            outcome = handle(monitor, event)
            if isinstance(event, MarkPrices):
                threading.Event().wait(SLOWED_S)
                now = _CLOCK.utc()
                for batch in (*event.frames, event.quotes):
                    self.handled += len(batch)
                    self.ages_s += [(now - quote.at).total_seconds() for quote in batch][:1]
            return outcome

        monkeypatch.setattr(RiskMonitor, "handle", slowed)


class Burst:
    """A venue's market as text, ready to be sent with other prices and times: composing it must not be what is measured."""

    def __init__(self) -> None:
        symbols = ["BTCUSDT", *(f"C{n}USDT" for n in range(1, COINS))]
        text = frame([mark(symbol, "PRICE", 0) for symbol in symbols])
        self._parts = text.replace('"E":0', '"E":TIME').split("PRICE")

    def message(self, price: str, at_ms: int) -> str:
        return price.join(self._parts).replace("TIME", str(at_ms))


def resident_mb() -> float:
    for row in Path("/proc/self/status").read_text().splitlines():
        if row.startswith("VmRSS"):
            return int(row.split()[1]) / 1024
    raise AssertionError("no VmRSS")


async def burst(house: House, venue: Venue, core: SlowedCore, seconds: float) -> float:
    """Sends at the stated rate for so long, then looks at what became of it; the rate that it reached."""
    house.write(stale_after_s=60)
    market, sent, memory = Burst(), 0, []
    async with running(house) as app:
        (feed,) = app.sources.feeds.values()
        await venue.send(market.message("50000", int(_CLOCK.utc().timestamp() * 1000)))
        await until(lambda: core.handled, "the first message, which core meets unprepared")
        core.ages_s.clear()
        core.handled = 0
        began_s = now_s()
        number = 0
        while now_s() - began_s < seconds:
            price = f"{50_000 + number % 100}.{number:06}"
            await venue.send(market.message(price, int(_CLOCK.utc().timestamp() * 1000)))
            number += 1
            sent += COINS
            if number % FRAMES_A_SECOND == 0:
                memory.append(resident_mb())
            await asyncio.sleep(max(0.0, began_s + number / FRAMES_A_SECOND - now_s()))

        def arrived() -> int:
            lost = feed.ignored["conflated"] + feed.ignored["repeated"] + feed.ignored["older"]
            return int(core.handled + lost + app.sequencer._metrics.conflated._value.get())

        await until(lambda: arrived() >= sent, "all that was sent is handled or counted", 10)
        rate = sent / (now_s() - began_s)
        assert arrived() == sent, "every price is handled or counted, once"
        assert core.handled < sent / 2, "core was slower than the venue"
        assert {str(app.monitor.board.usd[asset]) for asset in ("BTC", "C1", "C499")} == {str(Decimal(price))}
        ages_s = sorted(core.ages_s)
        assert ages_s[int(len(ages_s) * 0.99)] < 1.0, (ages_s[-5:], rate)
        half = memory[len(memory) // 2 :]
        gc.collect()
        assert max(half) - min(half) < max(10.0, 0.1 * min(half)), memory
        return rate


@pytest.fixture
def at_home(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.chdir(house.folder)
    return house


async def test_a_burst_is_decided_on_by_its_newest_prices(
    at_home: House, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await burst(at_home, venue, SlowedCore(monkeypatch), 4)


@pytest.mark.soak
async def test_a_minute_of_a_burst_keeps_its_memory(
    at_home: House, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = await burst(at_home, venue, SlowedCore(monkeypatch), 60)
    assert rate > 45_000, f"the machine is too busy for this test: {rate:,.0f} a second"
