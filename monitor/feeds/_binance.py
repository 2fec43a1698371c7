"""What Binance's two streams share: the forms of a message, the request for a stream, and what the venue says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET

from monitor.clock import Clock
from monitor.core.prices.quote import Batch
from monitor.feeds._base import Unusable
from monitor.feeds._markets import REPEATED, value_of
from monitor.feeds._venue import LiveConfig, LiveFeed

_WRAPPED = re.compile(rb'\{"stream":"[ !#-\[\]-~]*","data":(?=\[)')
"""The combined form as the venue writes it: the array and one brace follow."""


class BinanceFeed(LiveFeed):
    """One of the venue's streams of all markets."""

    STREAM = ""

    def __init__(self, name: str, config: LiveConfig, clock: Clock) -> None:
        super().__init__(name, config, clock)
        self._asks = is_root(config.url)

    def topics(self) -> Sequence[str]:
        """The stream, where the address does not name it."""
        return (self.STREAM,) if self._asks else ()

    def ask(self, topics: Sequence[str]) -> Sequence[str]:
        """One request."""
        return (subscribe(self.STREAM),)

    def at_once(self, body: bytes) -> Batch | None:
        """The prices of an array that is regular in every item; None if an item must be judged by itself."""
        raise NotImplementedError

    def one_by_one(self, items: list[dict[str, Any]]) -> Batch:
        """The prices of items of any form."""
        raise NotImplementedError

    def read(self, data: bytes) -> Batch:
        """The prices of one message, raw or wrapped as `{"stream", "data"}`."""
        wrapped = _WRAPPED.match(data)
        body = data[wrapped.end() : -1] if wrapped and data.endswith(b"]}") else data
        if body.startswith(b"[") and b"\\" not in body:
            batch = self.at_once(body)
            if batch is not None:
                return batch
        return self.one_by_one(self._items(data))

    def _items(self, data: bytes) -> list[dict[str, Any]]:
        """The events of a message in any of its forms. A fault stays with its own item."""
        value = value_of(data)
        if isinstance(value, dict):
            value = self._payload(value, data)
        if value is REPEATED:
            raise Unusable("duplicate_key", data[:40], "a message that holds a key twice")
        if not isinstance(value, list):
            raise Unusable("wrong_type", data[:40], "a message of another form")
        if not value:
            self.stats.ignored["empty"] += 1
        for item in value:
            if not isinstance(item, dict):
                self.refuse(Unusable("duplicate_key" if item is REPEATED else "malformed_item", item))
        return [item for item in value if isinstance(item, dict)]

    def _payload(self, value: dict[str, Any], data: bytes) -> Any:
        """The events that an object at the top carries. A reply to the subscription carries none."""
        if is_shutdown(value):
            self.change_socket("the venue says that this server shuts down")
            return []
        if "data" in value:
            return [value["data"]] if isinstance(value["data"], dict) else value["data"]
        if "e" not in value and ("error" in value or "code" in value):
            raise Unusable("request_refused", data[:120], refusal(value))
        return [] if "id" in value and "e" not in value else [value]

    def is_event(self, item: Any, events: Sequence[str]) -> bool:
        """Whether an item is of one of these events; counts it where it is not."""
        if isinstance(item.event, str):
            if item.event in events:
                return True
            self.stats.ignored["other_event"] += 1
        else:
            self.refuse(Unusable("no_event", "" if item.event is UNSET else item.event, "a message without an event"))
        return False


def subscribe(stream: str) -> str:
    """The request for a stream."""
    return json.dumps({"method": "SUBSCRIBE", "params": [stream], "id": 1})


def is_shutdown(value: dict[str, Any]) -> bool:
    """Whether a message announces that the server of this connection shuts down; it may be wrapped."""
    return any(
        isinstance(inner, dict) and inner.get("e") == "serverShutdown"
        for inner in (value, value.get("event"), value.get("data"))
    )


def refusal(value: dict[str, Any]) -> str:
    """What the venue says to a request that it refuses, in words: with the code and the text."""
    error = value["error"] if isinstance(value.get("error"), dict) else value
    text = str(error.get("msg", error.get("message", "")))[:120]
    return f"subscription refused: code {str(error.get('code', '?'))[:20]}" + (f": {text}" if text else "")


def is_root(url: str) -> bool:
    """Whether the address names no stream, so that a message must ask for it."""
    parts = urlsplit(url)
    return parts.path.rstrip("/").endswith(("/ws", "/stream")) and "streams=" not in parts.query
