"""Notifiers: breaker, queue, last attempts."""

from __future__ import annotations

from datetime import timedelta

import aiohttp

from monitor.core.text import stamp
from monitor.notifiers._base import ChannelState
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


async def test_channels_say_how_they_do(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    at = desk.clock.now
    desk.channels = [
        ChannelState("risk-desk", "webhook", True, 3, at - timedelta(minutes=2), None, at, "HTTP 500", held=7),
        ChannelState("desk-mail", "email", False, 0, None, at, None, None),
    ]
    found = (await ask(http, "GET", "/v1/channels"))[2]
    assert found["items"] == [
        {
            "name": "desk-mail",
            "kind": "email",
            "breaker": "closed",
            "queued": 0,
            "held": 0,
            "oldest_at": None,
            "oldest_age_s": None,
            "last_delivered_at": stamp(at),
            "last_failed_at": None,
            "last_failure": None,
            "fallback": None,
            "off_at": None,
            "off_reason": None,
        },
        {
            "name": "risk-desk",
            "kind": "webhook",
            "breaker": "open",
            "queued": 3,
            "held": 7,
            "oldest_at": "2026-03-02T11:58:00.000Z",
            "oldest_age_s": 120.0,
            "last_delivered_at": None,
            "last_failed_at": stamp(at),
            "last_failure": "HTTP 500",
            "fallback": None,
            "off_at": None,
            "off_reason": None,
        },
    ]
    assert (await ask(http, "GET", "/v1/channels?limit=1"))[2]["next"] == "desk-mail"
