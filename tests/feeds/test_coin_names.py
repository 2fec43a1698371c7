"""Names of coins in other scripts and in mixed letters, as feeds and tapes read them."""

from __future__ import annotations

import pytest

from monitor.feeds import binance_futures, binance_spot
from monitor.feeds._markets import Spelled
from monitor.feeds._tapes.symbols import Symbol, symbol


def test_a_symbol_of_another_script_is_of_its_coin() -> None:
    assert binance_futures.spelled("币安人生USDT") == Spelled("币安人生", "USDT")
    assert binance_spot.spelled("币安人生USDT") == Spelled("币安人生", "USDT")
    assert binance_futures.spelled("wstethUSDT").refused == "symbol"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("wstETH", Symbol("wstETH", "USD")),
        ("wstETHUSDT", Symbol("wstETH", "USDT")),
        ("cbBTC/USDT", Symbol("cbBTC", "USDT")),
        ("1INCHUSDT", Symbol("1INCH", "USDT")),
        ("币安人生", Symbol("币安人生", "USD")),
        ("btcusdt", Symbol("BTC", "USDT")),
        ("Btc", Symbol("BTC", "USD")),
        ("kPEPEUSDT", Symbol("PEPE", "USDT", 3)),
    ],
)
def test_mixed_letters_in_a_tape_are_meant_and_small_ones_are_capitals(name: str, found: Symbol) -> None:
    assert symbol(name, is_pair=False) == found
