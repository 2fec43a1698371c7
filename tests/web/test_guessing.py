"""Somebody who guesses tokens gets nowhere, locks nobody out, and is told of once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
from structlog.testing import capture_logs

from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.events.events import Noticed
from monitor.core.schema import read
from monitor.web.app import Server
from monitor.web.guessing import MOST_FAILURES
from monitor.web_table import WebConfig
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

SECRET = "abcdefghijklmnopqrstuvwxyz0123456789"
CONFIG = read(WebConfig, {"port": 0, "tokens": [{"name": "ops", "role": "admin", "secret": SECRET}]})


@asynccontextmanager
async def opened(desk: WebDesk) -> AsyncIterator[tuple[list[Noticed], aiohttp.ClientSession]]:
    """What the desk is told, and a client."""
    told: list[Noticed] = []
    server = Server(CONFIG, msgspec.structs.replace(desk.handed_over(), tell=told.append))
    host, port = await server.start()
    try:
        async with aiohttp.ClientSession(base_url=f"http://{host}:{port}") as http:
            yield told, http
    finally:
        await server.stop()


async def guess(http: aiohttp.ClientSession, path: str = "/v1/groups", secret: str = "guess") -> tuple[int, Any]:
    status, _, problem = await ask(http, "GET", path, Authorization=f"Bearer {secret}")
    return status, problem


async def test_after_twenty_wrong_tokens_a_minute_there_is_no_answer_but_the_right_one_passes(desk: WebDesk) -> None:
    async with opened(desk) as (_, http):
        desk.clock.now += timedelta(seconds=20)
        paths = ("/v1/groups", "/metrics", "/healthz", "/readyz")
        found = [(await guess(http, paths[n % 4], f"guess-{n}"))[0] for n in range(MOST_FAILURES)]
        assert found == [401, 401, 200, 200] * 5, "an open path answers, and the guess counts"
        for path in ("/v1/groups", "/readyz"):
            status, problem = await guess(http, path)
            assert (status, problem["type"]) == (429, "urn:loan-monitor:too-many-failures")
        assert problem["retry_after_s"] == 40
        assert (await guess(http, secret=SECRET))[0] == 200
        status, _, _ = await ask(http, "POST", "/v1/session", {"token": SECRET})
        assert status == 200
        desk.clock.now += timedelta(seconds=41)
        assert (await guess(http))[0] == 401


async def test_the_desk_is_told_once_and_the_log_has_a_line_a_minute(desk: WebDesk) -> None:
    async with opened(desk) as (told, http):
        with capture_logs() as logs:
            for _ in range(MOST_FAILURES + 30):
                await guess(http)
        assert [line["event"] for line in logs].count("a wrong token was sent to the API") == 1
        assert not any("guess" in str(line.get("authorization", "")) for line in logs)
        (alert,) = told
        assert (alert.kind, alert.subject) == ("security.guessing", "API")
        assert alert.facts == {"address": "127.0.0.1", "wrong": MOST_FAILURES + 1, "within_s": "60"}
        assert set(alert.facts) == {fact.name for fact in CATALOGUE["security.guessing"].facts}
        assert desk.metrics.registry.get_sample_value("monitor_web_wrong_tokens_total") == MOST_FAILURES + 30
        for _ in range(5):  # it goes on for hours: one alert
            desk.clock.now += timedelta(minutes=50)
            for _ in range(MOST_FAILURES + 2):
                await guess(http)
        assert len(told) == 1
        desk.clock.now += timedelta(minutes=61)
        for _ in range(MOST_FAILURES + 2):
            await guess(http)
        assert len(told) == 2


async def test_a_page_whose_session_is_over_is_no_guesser(desk: WebDesk) -> None:
    async with opened(desk) as (told, http):
        for _ in range(MOST_FAILURES + 5):
            status, _, _ = await ask(http, "GET", "/v1/groups", Cookie="monitor_session=of-yesterday")
            assert status == 401
        assert told == []
