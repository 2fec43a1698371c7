"""What the exchange says beside the book of VIP loans: accrued interest, the market's rate, what is institutional."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from monitor.books import _vip as vip
from monitor.books._binance import KeyDenied, Later
from monitor.books._vip import VipGroup, VipOrder
from monitor.books._weights import VenueCall

RATE_HISTORY = VenueCall("/sapi/v1/loan/vip/interestRateHistory", 400)
ACCRUED = VenueCall("/sapi/v1/loan/vip/accruedInterest", 400)
FORCED = VenueCall("/sapi/v1/margin/loan-group/force-liquidation-transfer-record", 400)
MAX_BORROWABLE = VenueCall("/sapi/v1/margin/loan-group/max-borrowable", 400)

Asker = Callable[[VenueCall, Mapping[str, str], int], Awaitable[Any]]
"""Asks with a key: the call, its parameters, and how urgent it is."""


class VipExtra:
    """What the exchange says beside the book: shown with the readings, decided on by nobody. Absence is tolerated."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask
        self._by_order: dict[str, Decimal] = {}
        self._by_coin: dict[str, str] = {}
        self._of_all: dict[str, str] = {}

    async def read(self, orders: Sequence[VipOrder], institutional: bool) -> None:
        """Accrued interest by order, the market's rate by coin, and for institutional loans what they have."""
        accrued: dict[str, Decimal] = {}
        for row in rows_of(await self._asked(ACCRUED, {"current": "1", "limit": "100"})):
            order, amount = vip.text_of(row, "orderId"), vip.figure_of(vip.text_of(row, "interestAmount"))
            if amount is not None:
                accrued[order] = accrued.get(order, Decimal(0)) + amount
        self._by_order = accrued
        for coin in sorted({order.coin for order in orders}):
            rows = rows_of(await self._asked(RATE_HISTORY, {"coin": coin, "current": "1", "limit": "1"}))
            if rows:
                self._by_coin[coin] = vip.text_of(rows[0], "annualizedInterestRate")
        if institutional:
            for call, name in ((FORCED, "forced_transfers"), (MAX_BORROWABLE, "max_borrowable")):
                answer = await self._asked(call, {})
                if answer is not None:
                    self._of_all[name] = msgspec.json.encode(answer).decode()[:300]

    async def _asked(self, call: VenueCall, params: Mapping[str, str]) -> Any:
        try:
            return await self._ask(call, params, 8)
        except (Later, KeyDenied):
            return None

    def figures(self, group: VipGroup) -> dict[str, str]:
        """Of one group."""
        shown = dict(self._of_all)
        for order in group.orders:
            if order.id in self._by_order:
                shown[f"accrued {order.id}"] = f"{self._by_order[order.id]:f} {order.coin}"
            if self._by_coin.get(order.coin):
                shown[f"yearly rate {order.coin}"] = self._by_coin[order.coin]
        return shown


def rows_of(answer: Any) -> list[Mapping[str, Any]]:
    """The rows of an answer that is a list, or that has one."""
    rows = answer.get("rows") if isinstance(answer, dict) else answer
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
