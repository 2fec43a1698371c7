"""Which products' groups the columns can hold; those of the others stay objects, exact and slower."""

from __future__ import annotations

from monitor.core.product import DAY, Product, Version


def fits(product: Product) -> bool:
    """Loans are owed in full and bear interest daily from the day of the put, and all groups have the product's own lines."""
    return product.period == DAY and all(map(_is_plain, product.versions))


def _is_plain(version: Version) -> bool:
    return (
        version.liability_tiers is None
        and version.unlisted is None
        and not version.lines_by_coin
        and not version.free_days
        and not version.is_interest_free
        and not version.paid_in_discount
    )
