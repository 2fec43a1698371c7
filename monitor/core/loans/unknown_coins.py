"""Coins that nobody knows: no product lists them, no feed prices them, no alias means another one. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from monitor.core.coins import otherwise_written
from monitor.core.rules.product import Product


def listed_coins(products: Iterable[Product]) -> frozenset[str]:
    """Coins that some version of a product names."""
    found: set[str] = set()
    for product in products:
        found.update(product.given)
        for v in product.versions:
            tables: tuple[Mapping[str, object] | None, ...] = (
                v.ladders,
                v.rates,
                v.liability_tiers,
                v.borrow_ladders,
                v.transfer_ladders,
                v.lines_by_coin,
                v.free_days,
                v.free_amounts,
                v.borrow_limits,
                v.loan_limits,
                v.fixed_rates,
            )
            for table in tables:
                found.update(table or ())
    return frozenset(found)


def unknown_coins(coins: Iterable[str], listed: Container[str], priced: Container[str]) -> list[str]:
    """Those of some coins that nobody knows, in order. `priced`: coins of which a feed has given a price."""
    return sorted(asset for asset in set(coins) if asset not in listed and asset not in priced)


def question(asset: str, known: Iterable[str]) -> str:
    """What to ask about a coin that nobody knows, with the known coins that differ from it in capitals alone."""
    alike = otherwise_written(asset, known)
    hint = f"; is it {' or '.join(alike)}?" if alike else "; is it an alias of another coin?"
    return f"no product lists {asset}, and no feed prices it{hint}"
