"""The contract is true: it is valid OpenAPI, it has every route, and every answer is as it says."""

from __future__ import annotations

import asyncio
import re
from typing import Any, NamedTuple

import aiohttp
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from monitor.core.events.entries import Entry
from monitor.core.schema import read
from monitor.web import ack_page, page
from monitor.web.app import Server
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.faults.house import PRODUCT
from tests.web.desk import WebDesk, serving
from tests.web.sse import stream
from tests.web.test_admission import MATRIX, ask

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


async def test_every_route_is_in_the_document_and_nothing_else(contract: dict[str, Any], desk: WebDesk) -> None:
    """What aiohttp serves against what the document names."""
    server = Server(WebConfig(port=0), desk.handed_over())
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
    pages = {(method, path) for method in ("get", "head") for path in page.PATHS}
    pages |= {(method, "/ack/{token}") for method in ("get", "head", "post")} | {("post", ack_page.SMS_PATH)}
    assert pages <= served
    assert served - pages == named


async def test_every_alert_meets_the_schema_of_its_type(desk: WebDesk, http: Session, contract: dict[str, Any]) -> None:
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


class Answered(NamedTuple):
    """One request and its answer."""

    method: str
    path: str
    status: int
    media: str
    value: Any


TERM = {
    **line()["loans"][0],
    "id": "L-2",
    "term": "30d",
    "rate": {"kind": "fixed", "daily": "0.001"},
    "matures_at": "2026-03-31T10:00:00Z",
}
STATED = line(collateral={"a": {"BTC": "4", "SOL": "6000", "DOGE": "1"}}, delayed_liquidation=True)
STATED["loans"].append(TERM)
ENROLL = {"type": "enroll", "delayed_liquidation": True, "id": "e"}
WITHDRAW = {"type": "withdraw", "account": "a", "asset": "BTC", "quantity": "9", "id": "f"}
OTHER_RULES = PRODUCT.format(initial="0.1", margin_call="0.2", grace="24h").splitlines()
TWO_SHOCKS = {"x": {"asset": "BTC", "shocks": ["-10%"]}, "y": {"asset": "ETH", "shocks": ["1"]}}
QUIET = {"match": {"group": "G-*"}, "until": "2026-03-02T14:00:00Z", "reason": "a test"}
LEVER = {
    "lever": {
        "type": "override",
        "thresholds": {"margin_call": "0.85"},
        "until": "2026-03-02T14:00:00Z",
        "reason": "x",
    },
    "select": {"product": "vip_loan"},
}
PINNED = {"pin": "10500", "until": "2026-03-02T14:00:00Z", "reason": "a test"}
NOTED = {"note": "mine", "until": "2026-03-02T13:00:00Z"}

CALM: list[tuple[str, str, Any]] = [
    ("PUT", "/v1/groups/G-1", STATED),
    ("PUT", "/v1/groups/G-1", {**STATED, "vip_level": 3}),
    ("PUT", "/v1/groups/G-2", line("G-2", collateral={"b": {"BTC": "1", "ETH": "1"}})),
    ("PUT", "/v1/groups/G-2", {"id": 5}),
    ("PUT", "/v1/groups/G-3?dry_run=true", line("G-3", collateral={"c": {"BTC": "1"}})),
    ("POST", "/v1/groups/G-1/entries?dry_run=true", ENROLL),
    ("POST", "/v1/groups/G-1/entries", {**ENROLL, "at": None}),
    ("POST", "/v1/groups/G-1/entries", ENROLL),
    ("POST", "/v1/groups/G-1/entries", WITHDRAW),
    ("POST", "/v1/groups/G-1/what-if", {"shock": {"BTC": "-90%"}}),
    ("POST", "/v1/groups/G-9/what-if", {}),
    ("POST", "/v1/rules/preview", {"products": [{"kind": "vip_loan", "lines": OTHER_RULES}]}),
    ("POST", "/v1/rules/preview", {"products": [{"kind": "vip_loan", "lines": ["= ="]}]}),
    ("POST", "/v1/stress", {"shocks": {"BTC": "-90%"}}),
    ("POST", "/v1/stress", {"matrix": TWO_SHOCKS}),
    ("POST", "/v1/stress", {"reverse": {"share": "0.1"}}),
    ("POST", "/v1/stress", {}),
    ("POST", "/v1/rates", {"product": "vip_loan", "rates": {"USDT": "0.0002"}}),
    ("POST", "/v1/rates", {"product": "vip_loan", "rates": {"USDT": 1}}),
    ("DELETE", "/v1/groups/G-2", None),
    ("POST", "/v1/endpoints", {"url": "http://127.0.0.1:1/hook", "name": "theirs", "types": ["loan_group.*"]}),
    ("POST", "/v1/endpoints", {"url": "http://127.0.0.1:1/hook", "name": "theirs"}),
    ("POST", "/v1/endpoints", {"url": "http://127.0.0.1:1/hook", "name": "pair", "key": "pair"}),
    ("POST", "/v1/endpoints", {"url": "https://10.0.0.1/hook"}),
    ("GET", "/v1/endpoints", None),
    ("GET", "/v1/endpoints/theirs", None),
    ("POST", "/v1/endpoints/theirs/rotate", {"overlap": "1h", "key": "pair"}),
    ("POST", "/v1/endpoints/theirs/rotate", {"overlap": "1y"}),
    ("POST", "/v1/endpoints/theirs/disable", None),
    ("POST", "/v1/endpoints/theirs/enable", None),
    ("POST", "/v1/endpoints/theirs/test", None),
    ("GET", "/v1/endpoints/theirs/deliveries", None),
    ("DELETE", "/v1/endpoints/pair", None),
    ("POST", "/v1/deliveries/replay", {"notifier": "theirs", "after": 0}),
    ("POST", "/v1/deliveries/replay", {"notifier": "theirs"}),
    ("POST", "/v1/deliveries/retry", {"notifier": "theirs"}),
    ("POST", "/v1/deliveries/retry", {}),
    ("POST", "/v1/channels/hook/disable", {"reason": "maintenance"}),
    ("POST", "/v1/channels/hook/disable", {}),
    ("POST", "/v1/channels/hook/enable", None),
    ("POST", "/v1/channels/none/enable", None),
    ("POST", "/v1/channels/hook/test", None),
]
"""Asked one after the other before prices fall."""
FALLEN: list[tuple[str, str, Any]] = [
    ("POST", "/v1/alerts/OPENED/ack", NOTED),
    ("GET", "/v1/alerts/OPENED", None),
    ("GET", "/v1/groups/G-1", None),
    ("GET", "/v1/groups", None),
    ("POST", "/v1/silences?preview=true", QUIET),
    ("POST", "/v1/silences", QUIET),
    ("POST", "/v1/silences", {}),
    ("GET", "/v1/silences", None),
    ("POST", "/v1/levers?dry_run=true", LEVER),
    ("POST", "/v1/levers", LEVER),
    ("POST", "/v1/levers", {}),
    ("GET", "/v1/levers", None),
    ("DELETE", "/v1/levers/L-1?reason=enough", None),
    ("GET", "/v1/proposals", None),
    ("GET", "/v1/proposals/P-1", None),
    ("POST", "/v1/proposals/P-1/approve", {}),
    ("POST", "/v1/proposals/P-1/reject", {"reason": "no"}),
    ("POST", "/v1/prices/BTC/decisions?dry_run=true", PINNED),
    ("GET", "/v1/rota", None),
    ("GET", "/v1/shards", None),
    ("GET", "/v1/escalations", None),
    ("DELETE", "/v1/alerts/OPENED/ack", None),
    ("DELETE", "/v1/silences/none", None),
    ("DELETE", "/v1/silences/SILENCE", None),
    ("POST", "/v1/prices/BTC/decisions", PINNED),
    ("POST", "/v1/prices/BTC/decisions", {**PINNED, "pin": "1"}),
    ("POST", "/v1/prices/NONE/decisions", PINNED),
    ("GET", "/v1/prices", None),
    ("GET", "/v1/groups/G-1", None),
    ("DELETE", "/v1/prices/BTC/decisions?source=x&reason=y", None),
    ("DELETE", "/v1/prices/BTC/decisions", None),
    ("GET", "/healthz", None),
    ("GET", "/readyz", None),
    ("GET", "/openapi.json", None),
    ("GET", "/asyncapi.json", None),
    ("GET", "/v1/groups", None),
    ("GET", "/v1/groups?x=1", None),
    ("GET", "/v1/groups/G-1", None),
    ("GET", "/v1/groups/none", None),
    ("GET", "/v1/groups/G-1/history", None),
    ("GET", "/v1/groups/G-1/history?kind=repayment", None),
    ("GET", "/v1/groups/G-1/history?kind=liquidation", None),
    ("GET", "/v1/groups/G-1/history?kind=call", None),
    ("GET", "/v1/groups/G-1/calls", None),
    ("GET", "/v1/groups/G-1/statement?day=2026-03-02", None),
    ("GET", "/v1/borrowers/ACME/statement?day=2026-03-02", None),
    ("GET", "/v1/groups/G-1/history?kind=interest", None),
    ("GET", "/v1/alerts", None),
    ("GET", "/v1/alerts/FIRST", None),
    ("GET", "/v1/deliveries/DELIVERY", None),
    ("POST", "/v1/deliveries/DELIVERY/retry", None),
    ("GET", "/v1/exposure?by=asset&limit=1", None),
    ("GET", "/v1/exposure?by=label.borrower", None),
    ("GET", "/v1/exposure?by=x", None),
    ("POST", "/v1/session", {"token": "any"}),
    ("GET", "/v1/sign-in/ways", None),
    ("GET", "/v1/sign-in", None),
    ("GET", "/v1/sign-in/callback?code=x&state=y", None),
    ("POST", "/v1/sign-in/sign-out", {}),
]
"""Asked after the fall; words in capitals stand for ids that are known only then."""
EACH: list[tuple[str, str, Any]] = [(method, path, body) for method, path, body, *_ in MATRIX if "stream" not in path]
"""What each route is asked by the test of admission, so that a new route is asked here too."""
NAMES = [f"{i}-{method} {path}" for i, (method, path, _) in enumerate([*CALM, *FALLEN, *EACH])]


@pytest.fixture(scope="module")
def answered() -> list[Answered]:
    """What a desk in which everything happened answers, and the document last."""
    return asyncio.run(_asked_all())


async def _asked_all() -> list[Answered]:
    desk = WebDesk()
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        found = [await _asked(http, *request) for request in CALM]
        desk.prices({"BTC": "10000", "SOL": "20"})
        desk.notice()
        ids = {
            "OPENED": next(x.alert.id for x in desk.store.log if x.alert.type.endswith("triggered")),
            "FIRST": desk.store.log[0].alert.id,
            "DELIVERY": next(iter(desk.store.sent)),
        }
        for method, path, body in (*FALLEN, *EACH):
            if desk.risk.silences:
                ids["SILENCE"] = desk.risk.silences[0].said.id
            for word, id_ in ids.items():
                path = path.replace(word, id_)
            found.append(await _asked(http, method, path, body))
        return [*found, await _asked(http, "GET", "/openapi.json")]


async def _asked(http: Session, method: str, path: str, body: Any = None) -> Answered:
    async with http.request(method, path, json=body) as r:
        value = await (r.json(content_type=None) if "json" in r.content_type else r.text())
        return Answered(method, path, r.status, r.content_type, value)


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_an_answer_is_as_the_document_says(number: int, answered: list[Answered]) -> None:
    """Successes and problems of every path."""
    method, path, status, media, value = answered[number]
    strict = closed(answered[-1].value)
    responses = strict["paths"][_template(path)][method.lower()]["responses"]
    assert str(status) in responses, value
    response = responses[str(status)]
    if "$ref" in response:
        response = strict["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    if "content" not in response:
        assert value == ""
        return
    assert media in response["content"]
    assert conforms(strict, response["content"][media]["schema"], value) == []


def test_every_path_was_asked_but_the_stream(answered: list[Answered]) -> None:
    seen = {(method.lower(), _template(path)) for method, path, *_ in answered}
    everything = {(m, p) for p, ops in answered[-1].value["paths"].items() for m in ops}
    assert everything - seen == {("get", "/v1/stream")}


def _template(path: str) -> str:
    parts = path.partition("?")[0].split("/")
    if len(parts) > 3 and parts[3] not in ("replay", "retry", "preview", "ways", "callback", "sign-out"):
        parts[3] = "{id}"
    return "/".join(parts)


async def test_bodies_of_the_document_are_those_that_are_read(contract: dict[str, Any]) -> None:
    """Every kind of entry is listed with its keys."""
    schema = contract["paths"]["/v1/groups/{id}/entries"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    deposit = {"type": "deposit", "account": "a", "asset": "BTC", "quantity": "1"}
    assert read(Entry, deposit)
    assert conforms(contract, schema, deposit) == []
    assert conforms(contract, schema, {**deposit, "type": "deposti"}) != []
    line_schema = contract["paths"]["/v1/groups/{id}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert conforms(contract, line_schema, line()) == []
    assert conforms(contract, line_schema, {**line(), "loans": "none"}) != []


async def test_events_of_the_stream_are_the_shapes_of_the_lists(
    desk: WebDesk, http: Session, contract: dict[str, Any]
) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    desk.notice()
    strict = closed(contract)
    shapes = {
        "alert": ("AlertItem", lambda d: [d]),
        "groups": ("GroupRow", lambda d: d["rows"]),
        "prices": ("PriceItem", lambda d: d["items"]),
        "counts": ("GroupCounts", lambda d: [d["groups"]]),
    }
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
