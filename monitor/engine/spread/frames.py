"""Frames of the socket between a head and the process that speaks to Ray for it."""

from __future__ import annotations

import pickle  # nosec B403
import struct
from typing import Any

HEAD = struct.Struct("<Q")
FIRST, PLACED = 0, -1
"""In place of a question's number: whether the cluster was joined, and where an actor is."""
HINT = "is its head up, and are certificates and token those of the cluster?"


def framed(body: Any) -> bytes:
    """A frame."""
    raw = pickle.dumps(body)
    return HEAD.pack(len(raw)) + raw


def unpickled(raw: bytes) -> Any:
    """What the other side wrote, over a socket that nobody else has."""
    return pickle.loads(raw)  # noqa: S301  # nosec B301
