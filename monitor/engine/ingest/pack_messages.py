"""What the reader of a large book and its packing process say to each other: a head and a body, each after its length."""

from __future__ import annotations

import socket
import struct
from datetime import datetime
from itertools import accumulate

import msgspec

_SIZES = struct.Struct("<QQ")
MOST_BYTES = 16 << 30
"""A page of the longest lines has half of that; more is no message of ours."""


class Page(msgspec.Struct, frozen=True):
    """Lines to be packed; the body has them, one after the other."""

    at: datetime
    source: str
    is_live: bool
    products: bytes
    """The rules, pickled; empty where they are those of the page before."""
    lengths: list[int]
    """How long each line is."""

    def lines(self, body: bytes) -> list[bytes]:
        """The lines of a body."""
        ends = list(accumulate(self.lengths))
        return [body[end - length : end] for length, end in zip(self.lengths, ends, strict=True)]


class PackedPage(msgspec.Struct, frozen=True):
    """The body has the block of the lines that were packed, as a store has it."""

    rest: list[int]
    """Places of the others."""


READY = PackedPage([])


def send(to: socket.socket, head: msgspec.Struct, body: bytes) -> None:
    """Raises OSError."""
    raw = msgspec.msgpack.encode(head)
    to.sendall(_SIZES.pack(len(raw), len(body)) + raw)
    to.sendall(body)


def receive(peer: socket.socket) -> tuple[bytes, bytes] | None:
    """A head and a body; None where the other side has gone. Raises OSError, also where it goes amid a message."""
    opening = _exactly(peer, _SIZES.size)
    if not opening:
        return None
    head_size, body_size = _SIZES.unpack(opening)
    if head_size + body_size > MOST_BYTES:
        raise OSError("a message is too long")
    return bytes(_exactly(peer, head_size, may_end=False)), bytes(_exactly(peer, body_size, may_end=False))


def _exactly(peer: socket.socket, size: int, *, may_end: bool = True) -> bytearray:
    found = bytearray(size)
    view, done = memoryview(found), 0
    while done < size:
        count = peer.recv_into(view[done:])
        if not count:
            if may_end and not done:
                return bytearray()
            raise ConnectionResetError("the other side went amid a message")
        done += count
    return found
