"""The contract: an OpenAPI 3.1 document made from the table of routes and the structs that the code reads and writes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from monitor.core.alerts.catalogue import CATALOGUE, schema_of
from monitor.web.auth import SAFE_METHODS
from monitor.web.http import OPEN, Endpoint
from monitor.web.problem import CONTENT_TYPE, KINDS, ProblemDetails
from monitor.web.query import Param
from monitor.web.resources.session import COOKIE

REF = "#/components/schemas/{name}"
_HEADERS = {
    ("PUT", "/v1/groups/{id}"): ("If-Match", "If-None-Match"),
    ("DELETE", "/v1/groups/{id}"): ("If-Match",),
    ("POST", "/v1/groups/{id}/entries"): ("If-Match", "Idempotency-Key"),
    ("GET", "/v1/stream"): ("Last-Event-ID",),
}

_MAY_BE_ABSENT = ("/v1/fund",)
"""Paths of what the configuration may leave out."""


def document(routes: Iterable[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document of a table of routes."""
    table = tuple(routes)
    types = [ProblemDetails, *(t for r in table for t in (r.body, *r.answers.values()) if t is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    # The components of structs are shared; what is no struct (a union, a mapping) is written out where it is used.
    by_type = {id(t): schema for t, schema in zip(types, schemas, strict=True)}
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
                "Problem": _response("What is wrong", {"$ref": REF.format(name="ProblemDetails")}, CONTENT_TYPE)
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


def _operation(route: Endpoint, by_type: dict[int, Any]) -> dict[str, Any]:
    parameters = [_path(name) for name in re.findall(r"{(\w+)}", route.path)]
    parameters += [_query(p) for p in route.params]
    parameters += [_header(name) for name in _HEADERS.get((route.method, route.path), ())]
    operation: dict[str, Any] = {
        "operationId": getattr(route.handler, "__name__", "") + "_" + re.sub(r"\W+", "_", route.path).strip("_"),
        "summary": route.about,
        "responses": {str(status): _answer(route, type_, by_type) for status, type_ in route.answers.items()},
    }
    operation["responses"] |= {str(s): {"$ref": "#/components/responses/Problem"} for s in _problems(route)}
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = by_type[id(route.body)]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.needs != OPEN:
        operation["security"] = [{"token": []}, {"session": []}, {}]
        operation["description"] = f"A token needs the permission to {route.needs}; without tokens loopback has it."
    return operation


def _answer(route: Endpoint, type_: Any, by_type: dict[int, Any]) -> dict[str, Any]:
    if type_ is not None:
        return _response(route.about, by_type[id(type_)], route.media)
    if route.media == "application/json":
        return {"description": route.about}
    return _response(route.about, {"type": "string"}, route.media)


def _response(about: str, schema: Any, media: str) -> dict[str, Any]:
    return {"description": about, "content": {media: {"schema": schema}}}


def _problems(route: Endpoint) -> list[int]:
    """The statuses of problems that a route may answer with."""
    if route.needs == OPEN:
        # Signing in is the one open path that takes a body, and the one whose failures are counted.
        return [400, 500] if route.body is None else [400, 401, 403, 408, 413, 422, 429, 500]
    found = {400, 401, 403, 500, 503} | ({404} if "{" in route.path or route.path in _MAY_BE_ABSENT else set())
    if route.method not in SAFE_METHODS:
        found |= {409}
    if route.body is not None:
        found |= {408, 413, 422}
    if (route.method, route.path) in _HEADERS and route.method not in SAFE_METHODS:
        found |= {412}
    assert found <= {status for status, _ in KINDS.values()}
    return sorted(found)


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(param: Param) -> dict[str, Any]:
    schema: Any = {"type": "array", "items": param.schema} if param.many else param.schema
    return {"name": param.name, "in": "query", "required": False, "description": param.about, "schema": schema}


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
