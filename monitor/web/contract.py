"""The contract: an OpenAPI 3.1 document of the routes and of the structs that the code reads and writes.

Each module of `resources/` states its own routes as `ROUTES`. They are found there: there is no list to add one to.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, get_type_hints

import msgspec
from aiohttp import web

from monitor.core.alerts.alert_schema import schema_of
from monitor.core.alerts.alert_type import TIME
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.alerts.payload import AlertItem
from monitor.web import resources
from monitor.web.asyncapi import asyncapi
from monitor.web.auth import OPEN, SAFE_METHODS
from monitor.web.body_rules import INSTANT
from monitor.web.body_schemas import body_schemas
from monitor.web.examples import EXAMPLES
from monitor.web.http import KINDS, PROBLEM_MEDIA, Param, ProblemDetails
from monitor.web.operations import HEADERS, IDS, TIMES, named_by_path
from monitor.web.sessions import COOKIE
from monitor.web.site import Call, Endpoint

REF = "#/components/schemas/{name}"


@functools.cache
def routes() -> tuple[Endpoint, ...]:
    """Every route of the API, the contracts' own last."""
    names = [module.name for module in pkgutil.iter_modules(resources.__path__) if not module.name.startswith("_")]
    found = [importlib.import_module(f"{resources.__name__}.{name}").ROUTES for name in names]
    own = Endpoint("GET", "/openapi.json", _contract, OPEN, answers={200: dict[str, Any]})
    sent = Endpoint("GET", "/asyncapi.json", _what_is_sent, OPEN, answers={200: dict[str, Any]})
    return (*(route for each in found for route in each), own, sent)


@functools.cache
def _encoded() -> bytes:
    return msgspec.json.encode(document(routes()))


@functools.cache
def _encoded_asyncapi() -> bytes:
    (item,), components = msgspec.json.schema_components([AlertItem], ref_template=REF)
    assert item == {"$ref": REF.format(name="AlertItem")}
    return msgspec.json.encode(asyncapi(components | alert_schemas()))


async def _what_is_sent(_call: Call) -> web.StreamResponse:
    """What webhooks and the stream send, as an AsyncAPI document."""
    return web.Response(body=_encoded_asyncapi(), content_type="application/json")


async def _contract(_call: Call) -> web.StreamResponse:
    """This document."""
    return web.Response(body=_encoded(), content_type="application/json")


def document(routes: Iterable[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document of a table of routes."""
    table = tuple(routes)
    types = [ProblemDetails, *(t for r in table for t in answers(r).values() if t is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    # The components of structs are shared; what is no struct (a union, a mapping) is written out where it is used.
    by_type = dict(zip(types, schemas, strict=True))
    read = [r for r in table if r.body is not None and r.takes == "application/json"]
    bodies, structs = body_schemas([r.body for r in read], REF)
    by_body = {route.path + route.method: body for route, body in zip(read, bodies, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        body = by_body.get(route.path + route.method)
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type, body)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Loan monitor",
            "version": version("loan-monitor"),
            "description": "Times are RFC 3339 in UTC, money and ratios decimal strings, ages numbers in seconds.",
        },
        "tags": [{"name": name, "description": about} for name, about in _tags(table).items()],
        "paths": paths,
        "components": {
            "schemas": {name: _with_times(each) for name, each in components.items()} | alert_schemas() | structs,
            "responses": {
                "Problem": _response("What is wrong", {"$ref": REF.format(name="ProblemDetails")}, PROBLEM_MEDIA)
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def alert_schemas() -> dict[str, Any]:
    """One schema for each type of alert: what all alerts have, and what is particular to the type."""
    whole = {"$ref": REF.format(name="AlertItem")}
    return {f"alert.{type_}": {"allOf": [whole, schema_of(row)]} for type_, row in CATALOGUE.items()}


def _operation(route: Endpoint, by_type: Mapping[Any, Any], body: Any) -> dict[str, Any]:
    parameters = [_path_part(route, name) for name in re.findall(r"{(\w+)}", route.path)]
    parameters += [_query(p) for p in route.params]
    parameters += [_header(name) for name in route.headers]
    operation: dict[str, Any] = {
        "operationId": operation_name(route),
        "tags": [_tag(route)],
        "summary": _about(route),
        "responses": {str(status): _answer(route, type_, by_type) for status, type_ in answers(route).items()},
    }
    for status in _problems(route):
        operation["responses"].setdefault(str(status), {"$ref": "#/components/responses/Problem"})
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _body(route, body)
    if route.needs != OPEN:
        operation["security"] = [{"token": []}, {"session": []}, {}]
        operation["description"] = f"A token needs the permission to {route.needs}; without tokens loopback has it."
        if route.body is None and route.method not in SAFE_METHODS:
            operation["description"] += " It takes no body: one that says something is refused (400)."
    return operation


def _body(route: Endpoint, schema: Any) -> dict[str, Any]:
    """What a route reads. A body all of whose keys may be absent may be absent itself."""
    if schema is None:
        return {"required": True, "content": {route.takes: {"schema": {}}}}
    content: dict[str, Any] = {"schema": schema}
    if (given := EXAMPLES.get((route.method, route.path))) is not None:
        content["examples"] = {name: {"value": value} for name, value in given.items()}
    return {"required": not route.body_may_be_absent, "content": {route.takes: content}}


def operation_name(route: Endpoint) -> str:
    """What a client calls the operation: the route's own name, or one made of its method and path."""
    return route.name or named_by_path(route.method, route.path, is_list=_is_list(route))


def _is_list(route: Endpoint) -> bool:
    found = answers(route).get(200)
    return isinstance(found, type) and issubclass(found, msgspec.Struct) and "next" in found.__struct_fields__


def _tag(route: Endpoint) -> str:
    return route.handler.__module__.rpartition(".")[2].replace("_", " ")


def _tags(table: Iterable[Endpoint]) -> dict[str, str]:
    """Each group of operations with what it is about: the module that answers them."""
    return {_tag(r): (sys.modules[r.handler.__module__].__doc__ or "").partition("\n\n")[0] for r in table}


def answers(route: Endpoint) -> Mapping[int, Any]:
    """Status of success and the type of its JSON body; None where it has none or is not JSON."""
    if route.answers:
        return route.answers
    found = get_type_hints(route.handler)["return"]
    if found is type(None):
        return {204: None}
    return {200: None if found is web.StreamResponse else found}


def _about(route: Endpoint) -> str:
    return (route.handler.__doc__ or "").partition("\n")[0]


def _answer(route: Endpoint, type_: Any, by_type: Mapping[Any, Any]) -> dict[str, Any]:
    if type_ is not None:
        answer = _response(_about(route), by_type[type_], route.media)
        answer["content"] |= {media: {"schema": {"type": "string"}} for media in route.also}
        return answer
    if route.media == "application/json":
        return {"description": _about(route)}
    return _response(_about(route), {"type": "string"}, route.media)


def _with_times(schema: Any) -> Any:
    """The schema of an answer, in which keys that hold a time say so."""
    properties = schema.get("properties", {})
    timed = {
        name: _as_time(each) if name in TIMES or name.endswith("_at") else each for name, each in properties.items()
    }
    return {**schema, "properties": timed} if properties else schema


def _as_time(schema: Any) -> Any:
    if "anyOf" in schema:
        return {**schema, "anyOf": [_as_time(each) for each in schema["anyOf"]]}
    return {**schema, "format": "date-time"} if schema.get("type") == "string" and "format" not in schema else schema


def _response(about: str, schema: Any, media: str) -> dict[str, Any]:
    return {"description": about, "content": {media: {"schema": schema}}}


def _problems(route: Endpoint) -> list[int]:
    """The statuses of problems that a route may answer with."""
    if route.needs == OPEN:
        # Signing in and out are the open paths that take a body. A wrong token counts on all of them.
        found = {400, 429, 500, 503} | ({403, 404} if route.may_be_absent else set())
        return sorted(found | ({401, 403, 408, 413, 422} if route.body is not None else set()))
    found = {400, 401, 403, 429, 500, 503} | ({404} if "{" in route.path or route.may_be_absent else set())
    if route.method not in SAFE_METHODS:
        found |= {409}
    if route.body is not None:
        found |= {408, 413, 422}
    if "If-Match" in route.headers:
        found |= {412}
    assert found <= {status for status, _ in KINDS.values()}
    return sorted(found)


def _path_part(route: Endpoint, name: str) -> dict[str, Any]:
    # A client that makes addresses normal would leave out a part that is a dot or two.
    schema = {
        "type": "string",
        "minLength": 1,
        "not": {"enum": [".", ".."]},
        "examples": [IDS[route.path.split("/")[2]]],
    }
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _header(name: str) -> dict[str, Any]:
    schema, about = HEADERS[name]
    return {"name": name, "in": "header", "required": False, "description": about, "schema": schema}


def _query(param: Param) -> dict[str, Any]:
    own = INSTANT if param.schema == TIME else param.schema
    schema: Any = {"type": "array", "items": own} if param.many else own
    return {"name": param.name, "in": "query", "required": param.required, "description": param.about, "schema": schema}
