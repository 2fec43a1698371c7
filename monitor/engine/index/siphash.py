"""SipHash-1-3 (Aumasson and Bernstein; the one of Python's own `hash`), for compiled code and keys inside an arena."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numba import njit, uint64

from monitor.engine.columns.fields import U8, U64, Int
from monitor.engine.compiled import kernel

_ROUNDS_AT_END = 3
_Four: TypeAlias = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


@njit(nogil=True, cache=True, inline="always")
def _turned(x: np.uint64, bits: int) -> np.uint64:
    return (x << uint64(bits)) | (x >> uint64(64 - bits))


@njit(nogil=True, cache=True, inline="always")
def _round(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64) -> _Four:
    a += b
    c += d
    b = _turned(b, 13) ^ a
    d = _turned(d, 16) ^ c
    a = _turned(a, 32)
    c += b
    a += d
    b = _turned(b, 17) ^ c
    d = _turned(d, 21) ^ a
    c = _turned(c, 32)
    return a, b, c, d


@kernel
def siphash(text: U8 | bytes, at: Int, length: Int, secret: U64) -> np.uint64:
    """64 bits (uint64) of text[at : at + length] under a secret u64[2]."""
    a = secret[0] ^ uint64(0x736F6D6570736575)
    b = secret[1] ^ uint64(0x646F72616E646F6D)
    c = secret[0] ^ uint64(0x6C7967656E657261)
    d = secret[1] ^ uint64(0x7465646279746573)
    word = uint64(0)
    for i in range(length):
        word |= uint64(text[at + i]) << uint64(8 * (i & 7))
        if i & 7 == 7:
            a, b, c, d = _round(a, b, c, d ^ word)
            a ^= word
            word = uint64(0)
    word |= uint64(length) << uint64(56)
    a, b, c, d = _round(a, b, c, d ^ word)
    a ^= word
    c ^= uint64(0xFF)
    for _ in range(_ROUNDS_AT_END):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


@kernel
def hash32(text: U8 | bytes, at: Int, length: Int, secret: U64) -> Int:
    """The upper half of `siphash` (int64, never negative), of an arena or of bytes."""
    return np.int64(siphash(text, at, length, secret) >> uint64(32))
