"""Who gets in: every route against every role, hosts and origins; and how refusals look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from monitor.core.schema import read
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk, serving

ROLES = ("viewer", "feeder", "operator", "admin")
TOKENS = read(WebConfig, {"tokens": [{"name": r, "role": r, "secret": f"s-{r}"} for r in ROLES]})

# Each path with the roles that may ask, and the status for them on a desk with one group and one delivery.
MATRIX: list[tuple[str, str, Any, set[str], int]] = [
    ("GET", "/v1/groups", None, {*ROLES}, 200),
    ("GET", "/v1/groups/G-1", None, {*ROLES}, 200),
    ("PUT", "/v1/groups/G-1", line(), {"feeder", "admin"}, 200),
    ("POST", "/v1/groups/G-1/entries", {"type": "deposit"}, {"feeder", "admin"}, 422),
    ("POST", "/v1/groups/G-1/what-if", {}, {*ROLES}, 200),
    ("DELETE", "/v1/groups/G-9", None, {"feeder", "admin"}, 404),
    ("GET", "/v1/groups/G-1/ltv", None, {*ROLES}, 200),
    ("GET", "/v1/groups/G-1/timeline", None, {*ROLES}, 200),
    ("GET", "/v1/alerts", None, {*ROLES}, 200),
    ("GET", "/v1/alerts/evt_none", None, {*ROLES}, 404),
    ("POST", "/v1/alerts/evt_none/ack", {}, {"operator", "admin"}, 404),
    ("DELETE", "/v1/alerts/evt_none/ack", None, {"operator", "admin"}, 404),
    ("GET", "/v1/silences", None, {*ROLES}, 200),
    ("POST", "/v1/silences", {}, {"operator", "admin"}, 422),
    ("DELETE", "/v1/silences/sil_none", None, {"operator", "admin"}, 404),
    ("GET", "/v1/deliveries", None, {*ROLES}, 200),
    ("GET", "/v1/deliveries/dlv_1_risk-desk", None, {*ROLES}, 200),
    ("POST", "/v1/deliveries/dlv_1_risk-desk/retry", None, {"operator", "admin"}, 200),
    ("POST", "/v1/deliveries/replay", {"notifier": "none", "after": 0}, {"operator", "admin"}, 422),
    ("GET", "/v1/endpoints", None, {"admin"}, 200),
    ("POST", "/v1/endpoints", {"url": "http://10.0.0.1/x"}, {"admin"}, 422),
    ("GET", "/v1/endpoints/none", None, {"admin"}, 404),
    ("DELETE", "/v1/endpoints/none", None, {"admin"}, 404),
    ("POST", "/v1/endpoints/none/rotate", {}, {"admin"}, 404),
    ("POST", "/v1/endpoints/none/disable", None, {"admin"}, 404),
    ("POST", "/v1/endpoints/none/enable", None, {"admin"}, 404),
    ("POST", "/v1/endpoints/none/test", None, {"admin"}, 404),
    ("GET", "/v1/endpoints/none/deliveries", None, {"admin"}, 404),
    ("GET", "/v1/groups/G-1/history?kind=loan", None, {*ROLES}, 200),
    ("POST", "/v1/groups/G-1/calls", {"type": "deposit"}, {"operator", "admin"}, 422),
    ("GET", "/v1/groups/G-1/calls", None, {*ROLES}, 200),
    ("GET", "/v1/groups/G-1/statement?day=2026-03-02", None, {*ROLES}, 200),
    ("GET", "/v1/borrowers/ACME/statement?day=2026-03-02", None, {*ROLES}, 200),
    ("POST", "/v1/import", {}, {"admin"}, 404),
    ("GET", "/v1/fund", None, {*ROLES}, 404),
    ("GET", "/v1/books", None, {*ROLES}, 200),
    ("GET", "/v1/shards", None, {*ROLES}, 200),
    ("POST", "/v1/reload", None, {"admin"}, 404),
    ("POST", "/v1/rules/preview", {"products": []}, {"admin"}, 422),
    ("POST", "/v1/stress", {"shocks": {"BTC": "-1%"}}, {*ROLES}, 200),
    ("GET", "/v1/exposure", None, {*ROLES}, 200),
    ("GET", "/v1/rates", None, {*ROLES}, 200),
    ("POST", "/v1/rates", {"product": "vip_loan", "rates": {"USDT": "0.0002"}}, {"operator", "admin"}, 200),
    ("GET", "/v1/prices", None, {*ROLES}, 200),
    ("GET", "/v1/prices/BTC", None, {*ROLES}, 200),
    ("GET", "/v1/levers", None, {*ROLES}, 200),
    ("POST", "/v1/levers", {}, {"operator", "admin"}, 422),
    ("DELETE", "/v1/levers/none", None, {"operator", "admin"}, 404),
    ("GET", "/v1/proposals", None, {*ROLES}, 200),
    ("GET", "/v1/proposals/none", None, {*ROLES}, 404),
    ("POST", "/v1/proposals/none/approve", {}, {"operator", "admin"}, 404),
    ("POST", "/v1/proposals/none/reject", {"reason": "x"}, {"operator", "admin"}, 404),
    ("POST", "/v1/prices/BTC/decisions", {}, {"operator", "admin"}, 422),
    ("DELETE", "/v1/prices/BTC/decisions", None, {"operator", "admin"}, 404),
    ("GET", "/v1/channels", None, {*ROLES}, 200),
    ("POST", "/v1/channels/none/enable", None, {"operator", "admin"}, 404),
    ("POST", "/v1/channels/none/disable", {"reason": "x"}, {"operator", "admin"}, 404),
    ("POST", "/v1/channels/none/test", None, {"operator", "admin"}, 404),
    ("POST", "/v1/deliveries/retry", {"notifier": "none"}, {"operator", "admin"}, 200),
    ("GET", "/v1/escalations", None, {*ROLES}, 200),
    ("GET", "/v1/rota", None, {*ROLES}, 200),
    ("GET", "/v1/feeds", None, {*ROLES}, 200),
    ("GET", "/v1/session", None, {*ROLES}, 200),
    ("DELETE", "/v1/session", None, {*ROLES}, 204),
    ("GET", "/v1/audit", None, {"admin"}, 200),
    ("GET", "/v1/status", None, {*ROLES}, 200),
    ("GET", "/v1/stream?limit=0", None, {*ROLES}, 400),
    ("GET", "/metrics", None, {*ROLES}, 200),
]


async def ask(
    session: aiohttp.ClientSession, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, Any], Any]:
    async with session.request(method, path, json=body, headers=headers) as r:
        is_json = "json" in r.content_type
        return r.status, dict(r.headers), await (r.json(content_type=None) if is_json else r.text())


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer s-{name}"}


async def test_every_role_may_do_what_it_is_for_and_nothing_else(desk: WebDesk) -> None:
    desk.notice()
    async with serving(desk, TOKENS) as url, aiohttp.ClientSession(base_url=url) as session:
        await ask(session, "PUT", "/v1/groups/G-1", line(), **bearer("admin"))
        for method, path, body, allowed, status in MATRIX:
            got, _, problem = await ask(session, method, path, body)
            assert (got, problem["type"]) == (401, "urn:loan-monitor:unauthorized"), path
            desk.clock.now += timedelta(minutes=1)  # more than 20 wrong tokens within one are 429
            got, headers, _ = await ask(session, method, path, body, Authorization="Bearer wrong")
            assert got == 401, path
            assert headers["WWW-Authenticate"] == "Bearer"
            for role in ROLES:
                got, _, answer = await ask(session, method, path, body, **bearer(role))
                assert got == (status if role in allowed else 403), (role, method, path, answer)


async def test_the_matrix_names_every_route_that_needs_a_token(http: aiohttp.ClientSession) -> None:
    """A new route must be put into the matrix."""
    _, _, contract = await ask(http, "GET", "/openapi.json")
    guarded = {
        (method.upper(), path)
        for path, ops in contract["paths"].items()
        for method, op in ops.items()
        if "security" in op
    }
    patterns = dict.fromkeys(("G-1", "G-9", "ACME", "evt_none", "dlv_1_risk-desk", "sil_none", "BTC", "none"), "{id}")
    named = set()
    for method, path, *_ in MATRIX:
        parts = [patterns.get(p, p) for p in path.partition("?")[0].split("/")]
        named.add((method, "/".join(parts)))
    assert guarded == named


async def test_open_paths_answer_without_a_token_and_tell_no_reasons(desk: WebDesk) -> None:
    """A probe has no token; the texts may name groups."""
    desk.health.set("book", "G-1 was refused")
    async with serving(desk, TOKENS) as url, aiohttp.ClientSession(base_url=url) as session:
        assert (await ask(session, "GET", "/healthz"))[0] == 200
        assert (await ask(session, "GET", "/openapi.json"))[0] == 200
        status, _, ready = await ask(session, "GET", "/readyz")
        assert (status, ready["reasons"], ready["prices"]) == (503, {"book": None}, None)
        _, _, ready = await ask(session, "GET", "/readyz", **bearer("viewer"))
        assert ready["reasons"] == {"book": "G-1 was refused"}


async def test_without_tokens_only_loopback_names_are_answered(http: aiohttp.ClientSession) -> None:
    """A name that an attacker rebinds to 127.0.0.1 reaches the port, but with its own name in Host."""
    assert (await ask(http, "GET", "/v1/groups", Host="localhost:1"))[0] == 200
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example"):
        for method, path in (
            ("GET", "/v1/groups"),
            ("GET", "/healthz"),
            ("GET", "/nowhere"),
            ("DELETE", "/v1/groups/G-1"),
        ):
            status, _, problem = await ask(http, method, path, Host=host)
            assert (status, problem["type"]) == (403, "urn:loan-monitor:foreign-host")


async def test_with_tokens_any_name_is_answered(desk: WebDesk) -> None:
    async with serving(desk, TOKENS) as url, aiohttp.ClientSession(base_url=url) as session:
        assert (await ask(session, "GET", "/v1/groups", Host="desk.example", **bearer("viewer")))[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_page_of_another_origin_changes_nothing(
    desk: WebDesk, http: aiohttp.ClientSession, origin: str
) -> None:
    status, _, problem = await ask(http, "PUT", "/v1/groups/G-1", line(), Origin=origin)
    assert (status, problem["type"]) == (403, "urn:loan-monitor:cross-origin")
    assert desk.view.sight("G-1") is None


async def test_our_own_page_may_change_and_no_answer_is_shared_with_others(http: aiohttp.ClientSession) -> None:
    """There is no CORS header: a page elsewhere can read nothing."""
    ours = str(http._base_url).rstrip("/")
    status, headers, _ = await ask(http, "PUT", "/v1/groups/G-1", line(), Origin=ours)
    assert status == 201
    assert not any(name.lower().startswith("access-control") for name in headers)


async def test_every_answer_has_the_security_headers(http: aiohttp.ClientSession) -> None:
    for path in ("/healthz", "/v1/groups", "/nowhere", "/v1/groups?x=1", "/metrics"):
        _, headers, _ = await ask(http, "GET", path)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Server"] == "loan-monitor"


async def test_unknown_paths_and_methods_are_problems_too(http: aiohttp.ClientSession) -> None:
    for path in ("/v1/silence", "/v1/alerts/evt_1/acks", "/v1/groups/", "/v2"):
        status, headers, problem = await ask(http, "GET", path)
        assert (status, headers["Content-Type"]) == (404, "application/problem+json")
        assert problem["instance"] == path
    status, headers, problem = await ask(http, "PATCH", "/v1/groups/G-1")
    assert (status, headers["Allow"]) == (405, "DELETE, GET, PUT")
    assert {"type", "title", "status", "detail", "instance"} <= problem.keys()


async def test_an_unforeseen_error_is_a_problem_without_a_trace(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    desk.look = None
    status, headers, problem = await ask(http, "GET", "/v1/groups/G-1")
    assert (status, headers["Content-Type"]) == (500, "application/problem+json")
    assert problem["type"] == "urn:loan-monitor:internal"
    assert "Traceback" not in str(problem)
    assert "NoneType" not in str(problem)


async def test_a_store_that_is_down_is_said_and_may_be_tried_again(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    desk.store.is_down = True
    for method, path, body in (
        ("GET", "/v1/alerts", None),
        ("PUT", "/v1/groups/G-1", line()),
        ("GET", "/v1/deliveries", None),
    ):
        status, headers, problem = await ask(http, method, path, body)
        assert (status, headers["Retry-After"]) == (503, "1")
        assert problem["detail"] == "the disk is full; try again"
    assert (await ask(http, "GET", "/v1/groups"))[0] == 200
