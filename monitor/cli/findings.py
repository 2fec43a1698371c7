"""What `monitor doctor` says of one part."""

from __future__ import annotations

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """A part, its state, and what to do about it."""

    part: str
    status: Literal["fine", "note", "trouble"]
    text: str
