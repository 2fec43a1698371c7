"""Lines and terms of a group's own as bytes: equal figures are equal bytes, which Names keeps once."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

import msgspec

from monitor.core.rules.terms import Terms

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_lines = msgspec.msgpack.Decoder(dict[str, Decimal]).decode
_terms = msgspec.msgpack.Decoder(Terms).decode


def stated_lines(lines: Mapping[str, Decimal]) -> bytes:
    """Lines of a group's own as Names keeps them, empty where there are none."""
    return _encode_lines(tuple(sorted(lines.items()))) if lines else b""


def stated_terms(terms: Terms | None) -> bytes:
    """The same of its terms."""
    return b"" if terms is None else _encode(terms)


def read_lines(raw: bytes) -> dict[str, Decimal]:
    """Reads what `stated_lines` made."""
    return _lines(raw) if raw else {}


def read_terms(raw: bytes) -> Terms | None:
    """Reads what `stated_terms` made."""
    return _terms(raw) if raw else None


@lru_cache(maxsize=10_000)
def _encode_lines(lines: tuple[tuple[str, Decimal], ...]) -> bytes:
    return msgspec.msgpack.encode(dict(lines))
