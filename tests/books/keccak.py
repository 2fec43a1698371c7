"""Keccak-256 as Ethereum uses it, which Python does not have (its sha3_256 pads otherwise). For tests of selectors."""

from __future__ import annotations

_MASK = 2**64 - 1
_RATE = 136


def selector(signature: str) -> str:
    """The first four bytes of a function's hash, in hex."""
    return keccak256(signature.encode())[:4].hex()


def keccak256(data: bytes) -> bytes:
    """The hash of a short message."""
    padded = bytearray(data + b"\x01" + b"\x00" * (-(len(data) + 1) % _RATE))
    padded[-1] |= 0x80
    state = [0] * 25
    for start in range(0, len(padded), _RATE):
        for i in range(_RATE // 8):
            state[i] ^= int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
        state = _permuted(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


def _turned(lane: int, by: int) -> int:
    by %= 64
    return (lane << by | lane >> (64 - by)) & _MASK


def _permuted(a: list[int]) -> list[int]:
    feedback = 1
    for _ in range(24):
        parity = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        a = [lane ^ parity[(i + 4) % 5] ^ _turned(parity[(i + 1) % 5], 1) for i, lane in enumerate(a)]
        x, y, held = 1, 0, a[1]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            held, a[x + 5 * y] = a[x + 5 * y], _turned(held, (t + 1) * (t + 2) // 2)
        a = [a[i] ^ (~a[i - i % 5 + (i + 1) % 5] & a[i - i % 5 + (i + 2) % 5]) & _MASK for i in range(25)]
        for j in range(7):
            if feedback & 1:
                a[0] ^= 1 << (2**j - 1)
            feedback = (feedback << 1) ^ (0x171 if feedback & 0x80 else 0)
    return a
