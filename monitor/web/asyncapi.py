"""The contract of what the monitor sends: an AsyncAPI 3 document of webhooks and of the stream, made from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from monitor.core.alerts.catalogue import CATALOGUE
from monitor.notifiers._http import TIMEOUT_S

_SCHEMA = "#/components/schemas/{name}"
_MESSAGE = "#/components/messages/{name}"
_TEXT = {"type": "string"}
_HEADERS: Mapping[str, Any] = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {**_TEXT, "description": "The same in every attempt: drop what you have already."},
        "webhook-timestamp": {**_TEXT, "description": "When this attempt was made, in seconds since 1970."},
        "webhook-signature": {
            **_TEXT,
            "description": "`v1,<base64>` for each shared secret in force, then `v1a,<base64>` for each key pair.",
        },
    },
}


def asyncapi(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The document. `schemas` are those of the OpenAPI document that alerts consist of, one `alert.<type>` each."""
    types = list(CATALOGUE)
    messages = {type_: _message(type_) for type_ in types}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Loan monitor: alerts",
            "version": version("loan-monitor"),
            "description": "The same object comes by webhook, by the stream and from GET /v1/alerts, under the same id. "
            "The log is the truth: what a webhook or a stream has missed is read there by its cursor.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "webhook": {
                "address": None,
                "title": "Your endpoint",
                "description": "A POST by the Standard Webhooks specification. The address is a [[notifier]] of kind "
                f"webhook, or made by POST /v1/endpoints. Any 2xx within {TIMEOUT_S:g} seconds is success.",
                "messages": _refs(types),
                "bindings": {"http": {"bindingVersion": "0.3.0"}},
            },
            "stream": {
                "address": "/v1/stream",
                "title": "The stream",
                "description": "Server-sent events. The event `alert` has the cursor as its id; `after`, or the header "
                "Last-Event-ID, replays the log from there.",
                "messages": _refs(types),
                "bindings": {"http": {"bindingVersion": "0.3.0"}},
            },
        },
        "operations": {
            "sendWebhook": _sends("webhook", "Posts an alert to an endpoint.", types, {"method": "POST"}),
            "sendEvent": _sends("stream", "Writes an alert to every stream that is open.", types, {"method": "GET"}),
        },
        "components": {"messages": messages, "schemas": dict(schemas)},
    }


def _message(type_: str) -> dict[str, Any]:
    row = CATALOGUE[type_]
    return {
        "name": type_,
        "title": row.title,
        "summary": row.means,
        "contentType": "application/json",
        "headers": dict(_HEADERS),
        "payload": {"$ref": _SCHEMA.format(name=f"alert.{type_}")},
    }


def _refs(types: list[str]) -> dict[str, Any]:
    return {type_: {"$ref": _MESSAGE.format(name=type_)} for type_ in types}


def _sends(channel: str, summary: str, types: list[str], how: Mapping[str, str]) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "bindings": {"http": {**how, "bindingVersion": "0.3.0"}},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{type_}"} for type_ in types],
    }
