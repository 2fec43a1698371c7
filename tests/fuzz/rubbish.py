"""Rubbish of every kind, and how much of it is tried."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
"""How long each test goes on; `make soak` says 60."""
MOST_AT_ONCE = 100

fuzz_mark = pytest.mark.fuzz


def fuzz(examples: int) -> Callable[[Any], Any]:
    """So many examples, the same each time; in a soak others each time, and those that failed before come first."""
    chosen = settings(
        max_examples=MOST_AT_ONCE if SECONDS else examples,
        derandomize=not SECONDS,
        database=settings.default.database if SECONDS else None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )
    return lambda test: fuzz_mark(chosen(test))


NUMBERS = (
    "NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf", "1e400", "1e-400", "-1", "-0", "0", "0.0", "", " 5", "5 ", "5,000",
    "0x10", "1_000", "\uff11", "\u0661", "1e999999999999", "9" * 5000, "0." + "0" * 5000 + "1", "+1", ".5", "5.", "--1",
)  # fmt: skip
"""Texts that are no number, or a number that no price, sum or rate may be."""
TEXTS = (
    "\x00", "\n", "\r\n", "\u2028", "\u202e", "\ufeff", "\x1b[31m", "'", '"', "\\", "/", "..", "../..", "%", "%00", "%s", "{}",
    "{{7*7}}", "{% for %}", "@", "a@b", "://", "https://[", "https://x:99999/", "-", "." * 300, "a" * 70_000, "(" * 5_000,
    "2026-01-05T10:00:00Z", "Mon, 05 Jan 2026 10:00:00 GMT", "Mon, 05 Jan 99999 10:00:00 +9999", "2026-13-45", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00", "2026-01-05",
    "1609459200", "1609459200000", "1" * 30, "true", "null", "\udcff", "\U0001f4a5", "id", "type", "BTC", "USDT",
)  # fmt: skip
text = st.sampled_from(NUMBERS + TEXTS) | st.text(st.characters(), max_size=40)
"""Any text, lone halves of surrogates among them."""
sound_text = text.filter(lambda t: t.isascii() or not any("\ud800" <= c <= "\udfff" for c in t))
leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**400, 0, -1])
    | st.floats()
    | sound_text
)


def trees(*keys: str) -> st.SearchStrategy[Any]:
    """Any JSON value; its objects have some of these keys, and others."""
    names = st.sampled_from(keys) | sound_text if keys else sound_text
    return st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=12
    )


def written(value: object) -> bytes:
    """As JSON, with NaN and Infinity as Python writes them."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


PIECES = (
    b"NaN", b"Infinity", b"-1", b"1e400", b"null", b'""', b"[]", b"{}", b"\xff", b"\x00", b"\n", b"\r", b'"', b",", b":",
    b"[" * 3_000, b'{"a":' * 3_000, b"9" * 5_000, b'"\\ud800"', b"\xef\xbb\xbf", b"-", b"0", b"\t", b"'", b"#", b"\\",
)  # fmt: skip


_PIECES = st.binary(max_size=6) | sound_text.map(lambda t: t.encode()) | st.sampled_from(PIECES)
_CUTS = st.sampled_from([0, 0, 1, 2, 3, 8, 40, 10_000])
_PLACES = st.floats(0, 1, width=16)
_FEW = st.integers(0, 9)


def spoilt(good: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Good bytes in which a few places are cut out, doubled, or replaced."""
    edits = st.lists(st.tuples(_PLACES, _CUTS, _PIECES | st.none()), max_size=3)
    return st.builds(_spoilt, st.sampled_from(list(good)), edits)


def _spoilt(data: bytes, edits: list[tuple[float, int, bytes | None]]) -> bytes:
    for place, cut, piece in edits:
        start = int(place * len(data))
        end = min(len(data), start + cut)
        data = data[:start] + (data[start:end] * 2 if piece is None else piece) + data[end:]
    return data


def bent(good: Sequence[Any], *keys: str) -> st.SearchStrategy[bytes]:
    """JSON that is right but for one or two places."""
    changes = st.lists(st.tuples(st.lists(_FEW, min_size=1, max_size=5), trees(*keys)), min_size=1, max_size=2)
    return st.builds(_bent, st.sampled_from(list(good)), changes)


def _bent(value: Any, changes: list[tuple[list[int], Any]]) -> bytes:
    for path, new in changes:
        value = _replaced(value, path, new)
    return written(value)


def _replaced(value: Any, path: list[int], new: Any) -> Any:
    """A JSON value with the place of this path replaced."""
    if not path:
        return new
    step, *rest = path
    if isinstance(value, dict) and value:
        key = sorted(value)[step % len(value)]
        return {**value, key: _replaced(value[key], rest, new)}
    if isinstance(value, list) and value:
        place = step % len(value)
        return [*value[:place], _replaced(value[place], rest, new), *value[place + 1 :]]
    return new
