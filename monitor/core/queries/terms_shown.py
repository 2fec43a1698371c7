"""In which figures a group differs from its agreement, and who states each."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.loans.group import Group
from monitor.core.money import plain
from monitor.core.rules.product import Product
from monitor.core.rules.terms import NO_TERMS, Terms, stated_terms


class TermShown(msgspec.Struct, frozen=True):
    """A figure in which the group differs from its agreement, such as `thresholds.liquidation`, and who states it: its own
    line (`line`), or the override for groups with labels (`borrower acme`)."""

    figure: str
    value: str
    origin: str


def terms_shown(group: Group, agreement: Product) -> list[TermShown]:
    """Figure by figure the line comes first, then the override; what neither states is the agreement's."""
    found: dict[str, TermShown] = {}
    place = agreement.override_of(group.labels)
    if place is not None:
        override = agreement.overrides[place]
        found |= _origins(override.thresholds, override, override.name)
        if group.terms is not None and (group.terms.scale is not None or group.terms.haircut is not None):
            found = {figure: each for figure, each in found.items() if figure not in ("scale", "haircut")}
    found |= _origins(group.thresholds, group.terms or NO_TERMS, "line")
    return list(found.values())


def _origins(lines: Mapping[str, Decimal], terms: Terms, origin: str) -> dict[str, TermShown]:
    stated = stated_terms(terms)
    ladders = stated.pop("ladders", {})
    shown = {f"thresholds.{name}": plain(level) for name, level in lines.items()}
    shown |= {f"ladders.{asset}": _in_words(asset, table) for asset, table in ladders.items()}
    return {figure: TermShown(figure, value, origin) for figure, value in (shown | stated).items()}


def _in_words(asset: str, table: Any) -> str:
    """`0.98 up to 500, 0.9 up to inf`; with the coin where the tiers go by its amount."""
    coin, tiers = (f" {asset}", table["tiers"]) if isinstance(table, dict) else ("", table)
    return ", ".join(f"{share} up to {bound}{coin}" for bound, share in tiers)
