"""The contract is true: it is valid OpenAPI, it has every route, and every answer is as it says."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from monitor.config import WebConfig
from monitor.core.events.entries import Entry
from monitor.core.schema import read
from monitor.web.app import Server
from monitor.web.page import PATHS
from tests.book_lines import line
from tests.web.desk import Desk
from tests.web.sse import stream
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


def conforms(contract: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """What of a value the schema does not allow; unknown keys are named too."""
    resource = Resource(contents=contract, specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:contract", resource)
    absolute = _absolute(schema)
    return [e.message for e in Draft202012Validator(absolute, registry=registry).iter_errors(value)]


def _absolute(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: f"urn:contract{v}" if k == "$ref" else _absolute(v) for k, v in schema.items()}
    return [_absolute(v) for v in schema] if isinstance(schema, list) else schema


def closed(contract: dict[str, Any]) -> dict[str, Any]:
    """The contract with every object closed, so that a key that it does not know is found."""
    for schema in contract["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return contract


@pytest.fixture
async def contract(http: Session) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(http, "GET", "/openapi.json"))[2]
    return found


async def test_the_document_is_valid(contract: dict[str, Any]) -> None:
    assert [str(e) for e in OpenAPIV31SpecValidator(contract).iter_errors()] == []


async def test_every_route_is_in_the_document_and_nothing_else(contract: dict[str, Any], desk: Desk) -> None:
    """What aiohttp serves against what the document names."""
    server = Server(
        WebConfig(port=0), desk.view, desk, desk.store, desk.health, desk.metrics,  # type: ignore[arg-type]
        desk.feeds, lambda: desk.rules, desk.clock,
    )  # fmt: skip
    await server.start()
    try:
        assert server._runner is not None
        served = set()
        for route in server._runner.app.router.routes():
            assert route.resource is not None
            served.add(
                (route.method.lower(), re.sub(r"\[\^/\]\+", "", route.resource.canonical).replace("{id:}", "{id}"))
            )
    finally:
        await server.stop()
    named = {(method, path) for path, operations in contract["paths"].items() for method in operations}
    pages = {(method, path) for method in ("get", "head") for path in PATHS}
    assert pages <= served
    assert served - pages == named


async def test_every_alert_meets_the_schema_of_its_type(desk: Desk, http: Session, contract: dict[str, Any]) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    desk.prices({"BTC": "10000", "SOL": "20"})
    items = (await ask(http, "GET", "/v1/alerts"))[2]["items"]
    assert items
    for item in items:
        schema = contract["components"]["schemas"][f"alert.{item['type']}"]
        assert conforms(contract, schema, item) == []


async def test_operation_ids_are_unique(contract: dict[str, Any]) -> None:
    ids = [op["operationId"] for ops in contract["paths"].values() for op in ops.values()]
    assert len(ids) == len(set(ids))


async def test_every_answer_is_as_the_document_says(desk: Desk, http: Session, contract: dict[str, Any]) -> None:
    """Successes and problems of every path, on a desk in which everything has happened."""
    term = {**line()["loans"][0], "id": "L-2", "term": "30d", "rate": {"kind": "fixed", "daily": "0.001"},
            "matures_at": "2026-03-31T10:00:00Z"}  # fmt: skip
    stated = line(collateral={"a": {"BTC": "4", "SOL": "6000", "DOGE": "1"}}, delayed_liquidation=True)
    stated["loans"].append(term)
    asked: list[tuple[str, str, Any]] = [
        ("PUT", "/v1/groups/G-1", stated),
        ("PUT", "/v1/groups/G-1", {**stated, "vip_level": 3}),
        ("PUT", "/v1/groups/G-2", line("G-2", collateral={"b": {"BTC": "1", "ETH": "1"}})),
        ("PUT", "/v1/groups/G-2", {"id": 5}),
        ("POST", "/v1/groups/G-1/entries", {"type": "enroll", "delayed_liquidation": True, "id": "e", "at": None}),
        ("POST", "/v1/groups/G-1/entries", {"type": "enroll", "delayed_liquidation": True, "id": "e"}),
        (
            "POST",
            "/v1/groups/G-1/entries",
            {"type": "withdraw", "account": "a", "asset": "BTC", "quantity": "9", "id": "f"},
        ),
        ("POST", "/v1/groups/G-1/what-if", {"shock": {"BTC": "-90%"}}),
        ("POST", "/v1/groups/G-9/what-if", {}),
        ("POST", "/v1/stress", {"shocks": {"BTC": "-90%"}}),
        (
            "POST",
            "/v1/stress",
            {"matrix": {"x": {"asset": "BTC", "shocks": ["-10%"]}, "y": {"asset": "ETH", "shocks": ["1"]}}},
        ),
        ("POST", "/v1/stress", {"reverse": {"share": "0.1"}}),
        ("POST", "/v1/stress", {}),
        ("POST", "/v1/rates", {"product": "vip_loan", "rates": {"USDT": "0.0002"}}),
        ("POST", "/v1/rates", {"product": "vip_loan", "rates": {"USDT": 1}}),
        ("DELETE", "/v1/groups/G-2", None),
    ]
    answered = [await _asked(http, *a) for a in asked]
    desk.prices({"BTC": "10000", "SOL": "20"})
    desk.notice()
    opened = next(x.alert.id for x in desk.store.log if x.alert.type.endswith("triggered"))
    quiet = {"match": {"group": "G-*"}, "until": "2026-03-02T14:00:00Z", "reason": "a test"}
    for method, path, body in (
        ("POST", f"/v1/alerts/{opened}/ack", {"note": "mine", "until": "2026-03-02T13:00:00Z"}),
        ("GET", f"/v1/alerts/{opened}", None),
        ("GET", "/v1/groups/G-1", None),
        ("GET", "/v1/groups", None),
        ("POST", "/v1/silences?preview=true", quiet),
        ("POST", "/v1/silences", quiet),
        ("POST", "/v1/silences", {}),
        ("GET", "/v1/silences", None),
        ("DELETE", f"/v1/alerts/{opened}/ack", None),
        ("DELETE", "/v1/silences/none", None),
    ):
        answered.append(await _asked(http, method, path, body))
    (silence,) = desk.risk.silences
    answered.append(await _asked(http, "DELETE", f"/v1/silences/{silence.said.id}"))
    alert, delivery = desk.store.log[0].alert.id, next(iter(desk.store.sent))
    for path in (
        "/healthz", "/readyz", "/openapi.json", "/v1/status", "/v1/groups", "/v1/groups/G-1", "/v1/groups/none", "/v1/alerts",
        f"/v1/alerts/{alert}", "/v1/deliveries", f"/v1/deliveries/{delivery}", "/v1/rates", "/v1/prices", "/v1/fund",
        "/v1/audit", "/v1/groups?x=1", "/v1/groups/G-1/history?kind=loan", "/v1/groups/G-1/history?kind=repayment",
        "/v1/groups/G-1/history?kind=liquidation", "/v1/groups/G-1/history?kind=interest", "/v1/groups/G-1/history",
        "/metrics", "/v1/groups/G-1/ltv", "/v1/groups/G-1/timeline", "/v1/channels", "/v1/feeds", "/v1/session",
        "/v1/exposure", "/v1/exposure?by=asset&limit=1", "/v1/exposure?by=label.borrower", "/v1/exposure?by=x",
    ):  # fmt: skip
        answered.append(await _asked(http, "GET", path))
    answered.append(await _asked(http, "POST", f"/v1/deliveries/{delivery}/retry"))
    answered.append(await _asked(http, "POST", "/v1/session", {"token": "any"}))
    answered.append(await _asked(http, "DELETE", "/v1/session"))
    strict = closed(contract)
    seen = set()
    for method, path, status, media, value in answered:
        template = _template(path)
        seen.add((method.lower(), template))
        responses = strict["paths"][template][method.lower()]["responses"]
        assert str(status) in responses, (method, path, status, value)
        response = responses[str(status)]
        if "$ref" in response:
            response = strict["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        if "content" not in response:
            assert value == ""
            continue
        assert media in response["content"], (path, media)
        assert conforms(strict, response["content"][media]["schema"], value) == [], (method, path)
    everything = {(m, p) for p, ops in contract["paths"].items() for m in ops}
    assert everything - seen == {("get", "/v1/stream")}


async def _asked(http: Session, method: str, path: str, body: Any = None) -> tuple[str, str, int, str, Any]:
    async with http.request(method, path, json=body) as r:
        value = await (r.json(content_type=None) if "json" in r.content_type else r.text())
        return method, path, r.status, r.content_type, value


def _template(path: str) -> str:
    parts = path.partition("?")[0].split("/")
    if len(parts) > 3:
        parts[3] = "{id}"
    return "/".join(parts)


async def test_bodies_of_the_document_are_those_that_are_read(contract: dict[str, Any]) -> None:
    """Every kind of entry is listed with its keys."""
    schema = contract["paths"]["/v1/groups/{id}/entries"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    deposit = {"type": "deposit", "account": "a", "asset": "BTC", "quantity": "1"}
    assert read(Entry, deposit)  # type: ignore[arg-type]
    assert conforms(contract, schema, deposit) == []
    assert conforms(contract, schema, {**deposit, "type": "deposti"}) != []
    line_schema = contract["paths"]["/v1/groups/{id}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert conforms(contract, line_schema, line()) == []
    assert conforms(contract, line_schema, {**line(), "loans": "none"}) != []


async def test_events_of_the_stream_are_the_shapes_of_the_lists(
    desk: Desk, http: Session, contract: dict[str, Any]
) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    desk.notice()
    strict = closed(contract)
    shapes = {
        "alert": ("AlertItem", lambda d: [d]), "groups": ("GroupRow", lambda d: d["rows"]),
        "prices": ("PriceItem", lambda d: d["items"]), "counts": ("GroupCounts", lambda d: [d["groups"]]),
    }  # fmt: skip
    async with stream(http, "after=0") as reader:
        for _ in range(5):
            event = await reader.next()
            if event.name in shapes:
                name, items = shapes.pop(event.name)
                found = items(event.data)
                assert found
                for item in found:
                    assert conforms(strict, {"$ref": f"#/components/schemas/{name}"}, item) == []
    assert not shapes
