"""Rules that a lender publishes, coin by coin, against those by which the monitor counts (`rules.drift`). Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from monitor.books._vip_rules import RuleFigure, ladder_words
from monitor.core.money import plain
from monitor.core.rules.product import Ladder, LiabilityTiers, Product, Version

NOT_LISTED = "not listed"


class PublishedLadder(NamedTuple):
    """What a lender recognises of a coin."""

    product: str
    coin: str
    ladder: Ladder
    purpose: str = ""
    """`borrow` or `transfer`, where that has a ladder of its own."""


class LiabilityTier(NamedTuple):
    """A tier of what is owed in a coin, up to a cap in USD."""

    cap: Decimal
    leverage: Decimal
    initial: Decimal
    maintenance: Decimal


class PublishedTiers(NamedTuple):
    """What a lender requires for a coin that is owed."""

    product: str
    coin: str
    tiers: tuple[LiabilityTier, ...]


Published = PublishedLadder | PublishedTiers


def rule_figures(
    published: Iterable[Published],
    product_of: Callable[[str], Product | None],
    coins: Collection[str],
    at: datetime,
) -> Iterator[RuleFigure]:
    """The lender's figures and ours, for coins that the product lists or that some group has."""
    for rule in published:
        product = product_of(rule.product)
        if product is None:
            continue
        version = product.version_at(at)
        found = _tiers(rule, version, coins) if isinstance(rule, PublishedTiers) else _ladder(rule, version, coins)
        if found is not None:
            yield RuleFigure(rule.product, *found)


def _ladder(rule: PublishedLadder, version: Version, coins: Collection[str]) -> tuple[str, str, str] | None:
    table = {"borrow": version.borrow_ladders, "transfer": version.transfer_ladders}.get(rule.purpose, version.ladders)
    if table is None or not (rule.coin in table or rule.coin in coins):
        return None
    ours = table.get(rule.coin, version.unlisted)
    name = f"{rule.purpose} ladder {rule.coin}".strip()
    return name, ladder_words(rule.ladder), NOT_LISTED if ours is None else ladder_words(ours)


def _tiers(rule: PublishedTiers, version: Version, coins: Collection[str]) -> tuple[str, str, str] | None:
    listed = version.liability_tiers or {}
    if not (rule.coin in listed or rule.coin in coins):
        return None
    ours = listed.get(rule.coin)
    theirs = [(tier.cap, tier.leverage, tier.initial, tier.maintenance) for tier in rule.tiers]
    return f"liability tiers {rule.coin}", _words(theirs), NOT_LISTED if ours is None else _words(_rows(ours))


def _rows(tiers: LiabilityTiers) -> list[tuple[Decimal | None, Decimal, Decimal, Decimal]]:
    return [
        (cap, leverage, initial, maintenance)
        for (cap, maintenance), (_, initial), leverage in zip(
            tiers.maintenance, tiers.initial, tiers.max_leverage, strict=True
        )
    ]


def _words(rows: Iterable[tuple[Decimal | None, Decimal, Decimal, Decimal]]) -> str:
    """`10x 0.1112/0.05 to 50000, 6x 0.2/0.08`: the last tier is that of all above, whatever its cap is."""
    words = [
        (f"{plain(leverage)}x {plain(initial)}/{plain(maintenance)}", cap)
        for cap, leverage, initial, maintenance in rows
    ]
    last = len(words) - 1
    return ", ".join(
        text if i == last or cap is None else f"{text} to {plain(cap)}" for i, (text, cap) in enumerate(words)
    )
