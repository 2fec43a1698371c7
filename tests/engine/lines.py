"""Random book lines, valid ones and those that are broken in every way that people and programs find."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Any

COINS = ("BTC", "ETH", "USDT", "SOL", "A-1._", "1INCH")
QUANTITIES = (
    "1", "12.5", "0.00000001", "900000", "1.10", "007", "+3", "1e3", "2.5E-7", ".5", "5.", "0", "0.000", "-0", "0e400",
    "123456789012345678.123456789012345678901234", "99999999999999999999999", "1e23", "9223372036854775808",
    "0.000000000000000000000001", "1.000000000000000000000000000000",
)  # fmt: skip
NASTY: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, "1e24", "1.0000000000000000000000001e24", 99, 100, 1.0, 2.5, "", " ", "0", "-1", "-0", "1 ", " 1", "1e400", "1E-400", "NaN",
    "Infinity", "1_000", "\u0661", "0x10", "1,5", "--1", "1e", "1" * 64, "1" * 65, "1e1000", [], {}, [[]], {"": ""},
    {"a": None}, "x" * 128, "x" * 129, "\u00e9", "\U0001f600", "a b", "\t", "open", "30d", "fixed", "flexible", "BTC",
    "btc", "2026-01-05T10:00:00Z", "2026-01-05T10:00:00", "2026-13-05T10:00:00Z", "1899-12-31T23:59:59Z",
    "2200-12-31T23:59:59Z", "2201-01-01T00:00:00Z", "2026-01-05t10:00:00z", "2026-01-05 10:00:00+02:00", 10**30,
    {"kind": "fixed"}, {"kind": "flexible", "daily": "0.1"}, {"initial": "0.99"}, {"margin_call": "0.5"}, "vip_loan",
)  # fmt: skip
KEYS = (
    "",
    "x",
    "BTC",
    "btc",
    "é",
    "id",
    "a b",
    "x" * 128,
    "x" * 129,
    "1",
    "interest",
    "matures_at",
    "labels",
    "initial",
)
TIMES = (
    "2026-01-05T10:00:00Z",
    "2025-11-30T23:59:59.000001Z",
    "2026-01-05T10:00:00+00:00",
    "2026-01-05T12:30:00+02:30",
)


def full_line(rng: Random, number: int = 0) -> dict[str, Any]:
    """A line that is fine, with every part that a line can have."""
    id_ = f"G-{number}"
    accounts = [f"{id_}-in"] if rng.random() < 0.6 else [f"{id_}-{k}" for k in range(rng.randrange(4))]
    stated: dict[str, Any] = {
        "id": id_,
        "product": "vip_loan",
        "receiving_account": f"{id_}-in",
        "collateral": {account: _coins(rng) for account in accounts},
        "loans": [_loan(rng, k) for k in range(rng.randrange(4))],
    }
    extras = {
        "delayed_liquidation": rng.random() < 0.5,
        "labels": {
            key: rng.choice(["EU", "Zürich", 'a "b": \\ c', ":", ""]) for key in rng.sample(["desk", "é", '"'], 2)
        },
        "vip_level": rng.choice([None, 0, 9, 99]),
        "contacts": rng.choice([{}, {"email": ["a@b.example"]}, {"sms": [], "email": ["x", "y"]}]),
        "thresholds": rng.choice([{}, {"initial": "0.7"}, {"margin_call": "0.8", "liquidation": "9e-1"}]),
        "balances": rng.choice([{}, {"elsewhere": _coins(rng)}]),
    }
    return stated | {key: value for key, value in extras.items() if rng.random() < 0.3}


def _coins(rng: Random) -> dict[str, str]:
    return {coin: _quantity(rng) for coin in rng.sample(COINS, rng.randrange(len(COINS)))}


def _quantity(rng: Random) -> str:
    return rng.choice(QUANTITIES) if rng.random() < 0.3 else f"{rng.uniform(0, 1e6):.{rng.randrange(9)}f}"


def _loan(rng: Random, number: int) -> dict[str, Any]:
    is_open, opened = rng.random() < 0.6, rng.choice(TIMES)
    loan = {
        "id": f"L-{number}",
        "asset": rng.choice(["USDT", "ETH"]),
        "principal": _quantity(rng),
        "rate": {"kind": "flexible"},
        "term": "open" if is_open else rng.choice(["30d", "60d"]),
        "opened_at": opened,
    }
    if not is_open:
        # A line that is fine runs for its term; more is renewals.
        loan["matures_at"] = rng.choice(["2199-02-04T10:00:00Z", "2198-12-31T23:30:00.5-01:00"])
        if rng.random() < 0.5:
            loan["rate"] = {"kind": "fixed", "daily": rng.choice(["0.0001", "0.00010", "1", "0"])}
    elif rng.random() < 0.5:
        loan["matures_at"] = None
    return loan | ({"interest": _quantity(rng)} if rng.random() < 0.7 else {})


def spoiled(rng: Random, stated: Any) -> Any:
    """The same with one part replaced, left out, added or renamed."""
    holder, key = rng.choice(list(_places(stated)))
    match rng.randrange(4) if isinstance(holder, dict) else 3:
        case 0:
            del holder[key]
        case 1:
            holder[rng.choice([*KEYS, f"{key} ", key.upper()])] = _nasty(rng)
        case 2:
            holder[rng.choice([*KEYS, f"{key} ", key.upper()])] = holder.pop(key)
        case _:
            holder[key] = _nasty(rng)
    return stated


def _nasty(rng: Random) -> Any:
    return deepcopy(rng.choice(NASTY))


def _places(value: Any) -> Any:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def written(rng: Random, stated: Any) -> bytes:
    """As some program writes it: its own order, spacing and escapes."""
    how = rng.randrange(4)
    if how == 0:
        return json.dumps(stated, ensure_ascii=False, separators=(",", ":")).encode()
    if how == 1:
        return json.dumps(stated, sort_keys=False, ensure_ascii=rng.random() < 0.5).encode()
    return _text(rng, stated, twice=0.05 if how == 2 else 0.0).encode()


def _text(rng: Random, value: Any, twice: float) -> str:
    if isinstance(value, dict):
        pairs = rng.sample(list(value.items()), len(value))
        if pairs and rng.random() < twice:
            pairs.insert(rng.randrange(len(pairs)), (rng.choice(pairs)[0], _nasty(rng)))
        inner = (f"{_text(rng, str(k), 0)}{_space(rng)}:{_space(rng)}{_text(rng, v, twice)}" for k, v in pairs)
        return "{" + _space(rng) + f"{_space(rng)},{_space(rng)}".join(inner) + "}"
    if isinstance(value, list):
        return "[" + f",{_space(rng)}".join(_text(rng, item, twice) for item in value) + "]"
    if isinstance(value, str) and value.isascii() and value and rng.random() < 0.1:
        return f'"\\u{ord(value[0]):04x}' + json.dumps(value[1:])[1:]
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


def _space(rng: Random) -> str:
    return rng.choice(["", "", "", " ", "\t", "  ", "\r"])


def torn(rng: Random, raw: bytes) -> bytes:
    """The same with a few bytes changed, lost or added."""
    text = bytearray(raw)
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(text))
        match rng.randrange(3):
            case 0:
                text[at] = rng.choice(b'\x00"\\{}[]:,0123456789.eE+- \xff\xc3abcZ')
            case 1:
                del text[at : at + rng.randrange(1, 4)]
            case _:
                text[at:at] = rng.choice(
                    [b'"', b"\\", b",", b":", b"0", b" ", b"\xc3\xa9", b"{}", b"null", b"e", b'"",']
                )
    return bytes(text) or b"x"
