"""Which groups an event may move over a line. The screen only selects; the decision is exact and made elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Protocol

from monitor.core.valuation import Holding


class Screen(Protocol):
    """Knows every group's holding and names a superset of those for which a watched line is crossed."""

    def put(self, group_id: str, held: Holding) -> None:
        """Takes a group, or its new holding."""
        ...

    def drop(self, group_id: str) -> None:
        """Forgets a group."""
        ...

    def suspects(self, moved: Collection[str], usd: Mapping[str, Decimal]) -> Iterable[str]:
        """Groups to evaluate after the prices or the trust of these assets moved."""
        ...

    def holders(self, asset: str) -> Collection[str]:
        """Groups whose valuation needs an asset's price."""
        ...


class EveryGroup:
    """The exact, slow screen: every group that holds or owes a moved asset is a suspect."""

    def __init__(self) -> None:
        self._assets: dict[str, frozenset[str]] = {}
        self._holders: dict[str, dict[str, None]] = {}

    def put(self, group_id: str, held: Holding) -> None:
        before = self._assets.get(group_id, frozenset())
        if before == held.assets:
            return
        for asset in before - held.assets:
            del self._holders[asset][group_id]
        for asset in held.assets - before:
            self._holders.setdefault(asset, {})[group_id] = None
        self._assets[group_id] = held.assets

    def drop(self, group_id: str) -> None:
        for asset in self._assets.pop(group_id, frozenset()):
            del self._holders[asset][group_id]

    def suspects(self, moved: Collection[str], usd: Mapping[str, Decimal]) -> Iterable[str]:
        found: dict[str, None] = {}
        for asset in moved:
            found.update(self._holders.get(asset, {}))
        return found

    def holders(self, asset: str) -> Collection[str]:
        return self._holders.get(asset, {}).keys()
