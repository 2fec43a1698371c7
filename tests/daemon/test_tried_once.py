"""The test of a channel: one attempt, and how it ended in words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.daemon import subscriptions
from monitor.notifiers._base import DeliveryError, Notice, Receipt


class Channel:
    """Does what it is told with a notice."""

    name = "desk"

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.attempts = 0

    async def send(self, notice: Notice) -> Receipt:
        self.attempts += 1
        if self.outcome == "hangs":
            await asyncio.sleep(60)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return Receipt("HTTP 200")

    async def close(self) -> None:
        """Nothing to free."""


@pytest.mark.parametrize(
    ("outcome", "delivered", "detail"),
    [
        ("takes it", True, "HTTP 200"),
        (DeliveryError("HTTP 401", retry=True), False, "HTTP 401"),
        ("hangs", False, "no answer within 0 s"),
    ],
)
async def test_a_test_says_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, outcome: Any, delivered: bool, detail: str
) -> None:
    monkeypatch.setattr(subscriptions, "TRY_S", 0.05)
    channel = Channel(outcome)
    tested = await subscriptions.tried_once(channel, Notice("monitor.heartbeat", "now", {}, ()), SystemClock())
    assert (tested.delivered, tested.detail, channel.attempts) == (delivered, detail, 1)
