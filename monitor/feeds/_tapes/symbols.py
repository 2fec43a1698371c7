"""What a name in a tape means: a coin, what its price is in, and how many coins it prices.

Vendors write one market in many ways: BTCUSDT, btc-usdt, BTC/USDT:USDT, BTC-USDT-SWAP, XBTUSD, PF_XBTUSD, BTC-PERPETUAL.
Only prices in USDT and USD count. A name whose meaning is not sure is left out by name: a price that is wrong by a thousand
is worse than none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from monitor.core import schema
from monitor.feeds._multiples import looks_multiple, multiple

MULTIPLES = (
    "1000BONK", "1000BTT", "1000CAT", "1000CATS", "1000CHEEMS", "1000DOGS", "1000FLOKI", "1000LUNC", "1000NEIRO",
    "1000NEIROCTO", "1000PEPE", "1000RATS", "1000SATS", "1000SHIB", "1000TOSHI", "1000TURBO", "1000WHY", "1000X", "1000XEC",
    "10000COQ", "10000ELON", "10000LADYS", "10000QUBIC", "10000SATS", "10000WEN", "10000WHY",
    "1000000BABYDOGE", "1000000BOB", "1000000CHEEMS", "1000000MOG", "1000000PEIPEI", "1MBABYDOGE",
)  # fmt: skip
"""Names of all venues that quote thousands or millions of a coin; a tape does not say which venue it is from."""
_BEHIND = re.compile(r"([A-Z]+)(10{3,})", re.ASCII)
_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}
_KRAKEN = re.compile(r"X([A-Z]{3})Z(USD|EUR|GBP)", re.ASCII)
_OTHER_QUOTES = ("FDUSD", "USDC", "BUSD", "TUSD", "USDE", "USD1", "DAI", "EUR", "GBP", "TRY", "JPY", "BRL")
_CRYPTO_QUOTES = ("BTC", "ETH", "BNB")
_PERPETUAL = {"SWAP", "PERP", "PERPETUAL", "SPOT", "PF", "PI"}
_DATED = re.compile(r"\d{6}|\d{8}|\d{1,2}[A-Z]{3}\d{2}|FI|FF", re.ASCII)
_DELIVERY_MONTH = re.compile(r"([A-Z]+)[FGHJKMNQUVXZ]\d{2}", re.ASCII)
_COINS_IN_USD = {"CRVUSD", "FRXUSD", "ALUSD", "PYUSD", "RLUSD", "USDUSD", "SYRUPUSD"}
"""Coins whose own name ends like a pair."""
_MAJORS = {"BTC", "XBT", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "LTC", "DOT", "LINK", "AVAX", "BCH", "TRX"}
"""Coins after which EUR or BTC can only be a quote: ETHBTC is a pair, and WBTC is a coin."""
_NOT_B_USD, _NOT_T_USD = {"SHI", "BN"}, {"USD", "DO", "FT", "BA", "GM"}
"""What is left of SHIB, BNB, USDT, DOT and others where their pair with USD is taken for one with BUSD or TUSD."""

_KNOWN_QUOTES = {"USDT", "USD", *_OTHER_QUOTES, *_CRYPTO_QUOTES}


class Symbol(NamedTuple):
    """The meaning of a name, or why its prices are left out."""

    asset: str = ""
    quote: str = ""
    power: int = 0
    """The price is that of ten to this power of coins."""
    left_out: str = ""


def symbol(text: str, *, is_pair: bool) -> Symbol:
    """The meaning of a name. `is_pair`: a name that states no quote has none; otherwise it is a coin in USD."""
    name = text.strip()
    thousand = name[:1] == "k" and name[1:2].isupper()
    parts = [part for part in re.split(r"[-_/: ]", name.upper()) if part]
    if not parts:
        return Symbol(left_out="is empty")
    month = _DELIVERY_MONTH.fullmatch(parts[0])
    if any(map(_DATED.fullmatch, parts)) or (month is not None and month[1] in _MAJORS):
        return Symbol(left_out="is a future or an option with a date, whose price is not that of the coin")
    markets = [part for part in parts if part not in _PERPETUAL]
    has_perpetual = len(markets) < len(parts)
    if not markets:
        return Symbol(left_out="names no coin")
    base, quote = _parted(markets, has_perpetual=has_perpetual, is_pair=is_pair)
    if not is_pair and (quote is None or quote not in _KNOWN_QUOTES):
        return _plain(name, base, is_thousand=thousand)
    if quote not in ("USDT", "USD"):
        said = f"is in {quote}" if quote in _KNOWN_QUOTES else "states no quote"
        return Symbol(left_out=f"{said}; only prices in USDT or USD count")
    if thousand and not looks_multiple(base):
        return _coin(base[1:], quote, name, 3)
    return _multiple(base, quote, name)


def _parted(markets: list[str], *, has_perpetual: bool, is_pair: bool) -> tuple[str, str | None]:
    """The coin and the quote of a name, None where it states none. A third part is what the market settles in."""
    if len(markets) > 1:
        return markets[0], markets[1]
    base, quote = _split(markets[0], is_pair=is_pair)
    return (base, "USD") if quote is None and has_perpetual else (base, quote)


def _split(name: str, *, is_pair: bool) -> tuple[str, str | None]:
    """The same for a name in one piece."""
    if (kraken := _KRAKEN.fullmatch(name)) is not None:
        return kraken[1], kraken[2]
    if name.endswith("USDT") and name != "USDT":
        return name.removesuffix("USDT"), "USDT"
    if name in _COINS_IN_USD and not is_pair:
        return name, None
    for quote in _OTHER_QUOTES:
        base = name.removesuffix(quote)
        is_other = base in (_NOT_B_USD if quote == "BUSD" else _NOT_T_USD if quote == "TUSD" else ())
        if base != name and len(base) > 2 and not is_other and (is_pair or len(quote) > 3 or base in _MAJORS):
            return base, quote
    base = name.removesuffix("USD")
    if base != name and len(base) > 2:
        return base, "USD"
    for quote in _CRYPTO_QUOTES:
        base = name.removesuffix(quote)
        if base != name and (base in _MAJORS or (is_pair and len(base) > 2)):
            return base, quote
    return name, None


def _plain(name: str, base: str, *, is_thousand: bool) -> Symbol:
    """The name of a coin without a quote, as desks write it. A small k before capitals is a thousand."""
    if is_thousand and base == name.upper():
        return _coin(base[1:], "USD", name, 3)
    whole = name.upper()
    return _coin(_ALIASES.get(whole, whole), "USD", name)


def _multiple(base: str, quote: str, name: str) -> Symbol:
    """A coin, or a symbol of a known multiple of it."""
    behind = _BEHIND.fullmatch(base)
    base = f"{behind[2]}{behind[1]}" if behind is not None else base
    if base in MULTIPLES:
        asset, power = multiple(base)
        return _coin(asset, quote, name, power)
    if looks_multiple(base):
        return Symbol(left_out=f"looks like a multiple of a coin, and how many {base} is, is not known")
    return _coin(_ALIASES.get(base, base), quote, name)


def _coin(asset: str, quote: str, name: str, power: int = 0) -> Symbol:
    asset = asset if power else _as_written(asset, name)
    if not schema.is_asset(asset):
        return Symbol(left_out=f"names no coin; found {name[:40]!r}, expected one such as BTC or BTCUSDT")
    return Symbol(asset, quote, power)


def _as_written(asset: str, name: str) -> str:
    """wstETH of wstETH/USDT: a name in mixed letters is meant so. btcusdt and Btc are BTC, as many files write them."""
    place = name.upper().find(asset)
    own = name[place : place + len(asset)] if place >= 0 else asset
    is_mixed = own.upper() == asset and not own.islower() and own[1:] != own[1:].lower()
    return own if is_mixed else asset
