"""Liveness, readiness with its reasons, and the status."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import pytest

from tests.book_lines import line
from tests.looks import START
from tests.web.desk import CALM, WebDesk, serving
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


async def test_alive_is_not_ready(desk: WebDesk, http: Session) -> None:
    desk.health.set("store", "the disk is full")
    assert (await ask(http, "GET", "/healthz"))[0] == 200
    status, _, found = await ask(http, "GET", "/readyz")
    assert (status, found["ready"], found["reasons"]) == (503, False, {"store": "the disk is full"})
    desk.health.set("store", None)
    assert (await ask(http, "GET", "/readyz"))[0] == 200


async def test_not_ready_while_no_price_that_a_group_needs_is_trusted() -> None:
    """One stale coin is told; when all are, nothing can be decided any more."""
    desk = WebDesk(trust=True)
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        stated = line(collateral={"a": {"BTC": "5", "ETH": "10"}}, loans=[])
        await ask(http, "PUT", "/v1/groups/G-1", stated)
        desk.clock.now += timedelta(seconds=8)
        desk.prices({"BTC": "40000"})
        desk.pass_time(timedelta(seconds=4))
        status, _, found = await ask(http, "GET", "/readyz")
        assert (status, found["prices"]["untrusted_assets"], found["prices"]["oldest_asset"]) == (200, ["ETH"], "ETH")
        assert found["prices"]["oldest_age_s"] == 12.0
        desk.pass_time(timedelta(seconds=10))
        status, _, found = await ask(http, "GET", "/readyz")
        assert status == 503
        assert found["reasons"] == {"prices": "no price that a group needs is trusted (2: BTC, ETH); tape: not started"}


@pytest.mark.parametrize("why", ["stale", "missing"])
async def test_a_rate_that_the_configuration_states_is_no_trusted_price(why: str) -> None:
    """Nearly every group owes USDT, which is worth the stated 1 whatever the feeds do: it must not keep us ready."""
    desk = WebDesk(trust=True, priced={a: p for a, p in CALM.items() if why == "stale" or a != "SOL"})
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        coin = "BTC" if why == "stale" else "SOL"
        await ask(http, "PUT", "/v1/groups/G-1", line(collateral={"a": {coin: "5"}}))
        if why == "stale":
            assert (await ask(http, "GET", "/readyz"))[0] == 200
            desk.pass_time(timedelta(seconds=11))
        status, _, found = await ask(http, "GET", "/readyz")
    assert (status, found["prices"]["needed"], found["prices"]["untrusted_assets"]) == (503, 2, [coin])
    assert found["reasons"]["prices"] == f"no price that a group needs is trusted (1: {coin}); tape: not started"


async def test_a_desk_that_needs_only_the_stated_rate_is_ready(desk: WebDesk, http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line(collateral={"a": {}}))
    assert (await ask(http, "GET", "/readyz"))[0] == 200


async def test_the_oldest_undelivered_notice_is_told(desk: WebDesk, http: Session) -> None:
    desk.metrics.oldest_undelivered.labels("risk-desk").set(42.5)
    assert (await ask(http, "GET", "/readyz"))[2]["oldest_undelivered_s"] == {"risk-desk": 42.5}


async def test_the_status_shows_feeds_and_what_they_refused(desk: WebDesk, http: Session) -> None:
    stats = desk.feeds["tape"]
    stats.connected, stats.reason, stats.frames, stats.last_frame_at = False, "connection refused", 12, START
    stats.ignored["delivery contract"] += 2
    stats.refused["not_a_number"] += 1
    found = (await ask(http, "GET", "/v1/status"))[2]
    assert found["feeds"]["tape"] == {
        "connected": False,
        "reason": "connection refused",
        "cause": "connection refused",
        "clock_offset_s": None,
        "clock_off": False,
        "instruments": "builtin",
        "states": {},
        "dropped": {},
        "frames": 12,
        "quotes": 0,
        "reconnects": 0,
        "ignored": {"delivery contract": 2},
        "refused": {"not_a_number": 1},
        "last_frame_at": "2026-03-02T12:00:00.000Z",
        "last_frame_age_s": 0.0,
        "lag_s": 0.0,
    }
    assert (found["name"], found["rules"], found["groups"]["total"]) == ("desk-1", ["vip_loan@2024-04-29"], 0)


async def test_a_stream_without_a_heartbeat_is_a_reason_not_to_be_ready(
    desk: WebDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that dies unseen would leave every page frozen and calm."""
    from monitor.web import stream

    async def broken(self: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(stream.Hub, "run", broken)
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        status, _, found = await ask(http, "GET", "/readyz")
    assert status == 503
    assert "the stream's heartbeat stopped" in found["reasons"]["web"]
