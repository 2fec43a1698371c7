"""The contract: an OpenAPI 3.1 document of the routes and of the structs that the code reads and writes.

Each module of `resources/` states its own routes as `ROUTES`. They are found there: there is no list to add one to.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, get_type_hints

import msgspec
from aiohttp import web

from monitor.core.alerts.alert_schema import schema_of
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.alerts.payload import AlertItem
from monitor.web import resources
from monitor.web.asyncapi import asyncapi
from monitor.web.auth import OPEN, SAFE_METHODS
from monitor.web.http import KINDS, PROBLEM_MEDIA, Param, ProblemDetails
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
    types = [ProblemDetails, *(t for r in table for t in (r.body, *answers(r).values()) if t is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    # The components of structs are shared; what is no struct (a union, a mapping) is written out where it is used.
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Loan monitor",
            "version": version("loan-monitor"),
            "description": "Times are RFC 3339 in UTC, money and ratios decimal strings, ages numbers in seconds.",
        },
        "paths": paths,
        "components": {
            "schemas": components | alert_schemas(),
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


def _operation(route: Endpoint, by_type: Mapping[Any, Any]) -> dict[str, Any]:
    parameters = [_text_in("path", name, required=True) for name in re.findall(r"{(\w+)}", route.path)]
    parameters += [_query(p) for p in route.params]
    parameters += [_text_in("header", name, required=False) for name in route.headers]
    operation: dict[str, Any] = {
        "operationId": _name(route),
        "summary": _about(route),
        "responses": {str(status): _answer(route, type_, by_type) for status, type_ in answers(route).items()},
    }
    for status in _problems(route):
        operation["responses"].setdefault(str(status), {"$ref": "#/components/responses/Problem"})
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = by_type[route.body]
        operation["requestBody"] = {"required": True, "content": {route.takes: {"schema": schema}}}
    if route.needs != OPEN:
        operation["security"] = [{"token": []}, {"session": []}, {}]
        operation["description"] = f"A token needs the permission to {route.needs}; without tokens loopback has it."
    return operation


def _name(route: Endpoint) -> str:
    # A handler such as `list_` has the underscore only to leave Python's own name alone.
    handler = getattr(route.handler, "__name__", "").removesuffix("_")
    return handler + "_" + re.sub(r"\W+", "_", route.path).strip("_")


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
        return _response(_about(route), by_type[type_], route.media)
    if route.media == "application/json":
        return {"description": _about(route)}
    return _response(_about(route), {"type": "string"}, route.media)


def _response(about: str, schema: Any, media: str) -> dict[str, Any]:
    return {"description": about, "content": {media: {"schema": schema}}}


def _problems(route: Endpoint) -> list[int]:
    """The statuses of problems that a route may answer with."""
    if route.needs == OPEN:
        # Signing in is the one open path that takes a body. A wrong token counts on all of them.
        return [400, 429, 500, 503] if route.body is None else [400, 401, 403, 408, 413, 422, 429, 500, 503]
    found = {400, 401, 403, 429, 500, 503} | ({404} if "{" in route.path or route.may_be_absent else set())
    if route.method not in SAFE_METHODS:
        found |= {409}
    if route.body is not None:
        found |= {408, 413, 422}
    if "If-Match" in route.headers:
        found |= {412}
    assert found <= {status for status, _ in KINDS.values()}
    return sorted(found)


def _text_in(place: str, name: str, *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": {"type": "string"}}


def _query(param: Param) -> dict[str, Any]:
    schema: Any = {"type": "array", "items": param.schema} if param.many else param.schema
    return {"name": param.name, "in": "query", "required": False, "description": param.about, "schema": schema}
