"""Ladders that end before "inf": what a group holds above their last bound counts nothing, which nobody may have meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.core.money import plain
from monitor.core.rules.ladders import AmountTable, ByAmount, Ladder
from monitor.core.rules.product import Product

NAMED = 5
"""Coins that a sentence names; it counts all."""


def ended(products: Mapping[str, Product]) -> Iterator[str]:
    """A sentence for each version of a product that has such ladders, and for the terms that do."""
    for name, product in sorted(products.items()):
        for version in product.versions:
            found = [
                _end(coin, ladder)
                for coin, ladder in sorted((version.ladders or {}).items())
                if ladder[-1][0] is not None
            ]
            if found:
                yield _sentence(product.rules_name(version), found)
        for i, terms in enumerate(product.overrides):
            own = {
                coin: table.tiers if isinstance(table, AmountTable) else table for coin, table in terms.ladders.items()
            }
            found = [f"{coin} at {tiers[-1][0]}" for coin, tiers in sorted(own.items()) if tiers[-1][0] != "inf"]
            if found:
                yield _sentence(f"{name}: override[{i}]", found)


def _end(coin: str, ladder: Ladder) -> str:
    bound = ladder[-1][0]
    assert bound is not None, "it ends"
    return f"{coin} at {plain(bound)}{f' {coin}' if isinstance(ladder, ByAmount) else ''}"


def _sentence(where: str, found: list[str]) -> str:
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    ends = "a ladder ends" if len(found) == 1 else f"{len(found)} ladders end"
    named = ", ".join(found[:NAMED])
    remedy = 'end each with ["inf", "0"] where that is meant, else with a share such as ["inf", "0.8"]'
    return f'{where}: {ends} before "inf" ({named}{more}): what is above counts nothing; {remedy}'
