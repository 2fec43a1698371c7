"""Marks that stand still while the market moves: a market that is over, or one that is halted (decision 43)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

_STABLE = """
USDT USDC FDUSD TUSD USDP BUSD DAI USDD USDE USDS PYUSD GUSD LUSD RLUSD USD1 FRAX SUSD USTC UST EURC EURI AEUR EURS XUSD BFUSD
"""
STABLECOINS = frozenset(_STABLE.split())
"""Coins that stand still when all is well."""
_MOVED = 0.9
"""So large a share of the coins of similar tick must have moved."""
_SIMILAR = 10.0
"""Ticks are similar where one is at most ten times the other, as a share of the price."""
_LOOKS = 20
"""How often the marks are looked at within the time that makes them suspects; but at most once a second."""
_LONGEST = timedelta(seconds=60)


class StillMark(NamedTuple):
    """A coin, and how long its price has stood."""

    asset: str
    text: str
    price: float
    changed_at: datetime


class FrozenMarks:
    """The coins of one source that stand still while others of it move."""

    def __init__(self, finest: Mapping[str, int], suspects: Iterable[str], checked_at: datetime | None) -> None:
        self.finest = dict(finest)
        """By coin: the most decimals that its price was ever seen to have. Its last price alone may end in zeros."""
        self.suspects = frozenset(suspects)
        self.checked_at = checked_at

    def is_due(self, at: datetime, frozen_after: timedelta) -> bool:
        """It is time to look again."""
        every = max(timedelta(seconds=1), min(frozen_after / _LOOKS, _LONGEST))
        return self.checked_at is None or not timedelta(0) <= at - self.checked_at < every

    def check(self, coins: Iterable[StillMark], at: datetime, frozen_after: timedelta) -> frozenset[str]:
        """Looks at all live coins of the source; returns those that are suspects now and were not, or the reverse."""
        self.checked_at = at
        stood: list[tuple[str, float]] = []
        ticks: list[tuple[float, bool]] = []
        for coin in coins:
            tick = self._tick(coin)
            is_still = at - coin.changed_at >= frozen_after
            ticks.append((tick, is_still))
            if is_still and coin.asset not in STABLECOINS:
                stood.append((coin.asset, tick))
        old, self.suspects = self.suspects, frozenset(asset for asset, tick in stood if _is_alone(tick, ticks))
        return old ^ self.suspects

    def _tick(self, coin: StillMark) -> float:
        """The smallest step of its price that was seen, as a share of the price."""
        mantissa, _, exponent = coin.text.lower().partition("e")
        decimals = len(mantissa.partition(".")[2].rstrip("0")) - int(exponent or 0)
        finest = max(decimals, self.finest.get(coin.asset, decimals))
        self.finest[coin.asset] = finest
        return float(10.0**-finest / coin.price)


def _is_alone(tick: float, ticks: list[tuple[float, bool]]) -> bool:
    """It stood still, though nearly all coins that move in steps like its own have moved."""
    peers = [is_still for other, is_still in ticks if tick / _SIMILAR <= other <= tick * _SIMILAR]
    others = len(peers) - 1
    return others > 0 and peers.count(False) >= _MOVED * others
