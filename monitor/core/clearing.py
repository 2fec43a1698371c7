"""What a liquidation leaves (DOMAIN 43 to 47): the clearance fee, and what is not covered. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from monitor.core.money import ZERO
from monitor.core.product import Version


class Clearance(NamedTuple):
    """What becomes of collateral that is sold, in USD."""

    fee: Decimal
    shortfall: Decimal


def clearance(version: Version, market_usd: Decimal, owed_usd: Decimal) -> Clearance:
    """Selling collateral at its market value to repay what is owed.

    The fee is a share of what is sold, never more than what is left after the debt (DOMAIN 45, 47, A16). What the
    collateral does not cover is the shortfall (DOMAIN 43).
    """
    left = market_usd - owed_usd
    if not owed_usd or left < 0:
        return Clearance(ZERO, max(-left, ZERO))
    return Clearance(min(version.liquidation_fee * market_usd, left), ZERO)
