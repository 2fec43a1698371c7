"""How much a peer may send to one request of ours over HTTP, whatever it sends.

aiohttp limits a line and the number of headers, and whoever reads a body counts it. Nothing counts interim answers
(`102 Processing`): a peer that never comes to its answer would fill the memory and keep the event loop busy.
"""

from __future__ import annotations

import functools
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

HEAD_BYTES = 65_536
"""Interim answers and headers: more than any honest peer sends."""


class AnswerTooLong(aiohttp.ClientError):
    """The peer sent more than an answer can be."""


class _PeerSide(ResponseHandler):
    """The peer's side of a connection. It reads so many bytes for each request and then hangs up."""

    def __init__(self, head_bytes: int, body_bytes: int, **more: Any) -> None:
        super().__init__(**more)
        self._head_bytes = head_bytes
        self._body_bytes = body_bytes
        self._left = head_bytes

    def set_response_params(self, **params: Any) -> None:
        """Called before each request of the connection."""
        self._left = self._head_bytes
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """A message begins: from its final status on, the body may come."""
        if data[0].code >= 200:
            self._left += self._body_bytes
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """What fits is still read: its status may have decided already."""
        while data and self._left > 0:
            fits, data = data[: self._left], data[self._left :]
            self._left -= len(fits)
            super().data_received(fits)
        if data and self.transport is not None:
            self.set_exception(AnswerTooLong())
            self.transport.abort()


class BoundedConnector(aiohttp.TCPConnector):
    """Its connections read so much of one answer and no more: its head, and then its body."""

    def __init__(self, *, head_bytes: int = HEAD_BYTES, body_bytes: int = 0, **more: Any) -> None:
        super().__init__(**more)
        self._factory: Any = functools.partial(_PeerSide, head_bytes, body_bytes, loop=self._loop)
