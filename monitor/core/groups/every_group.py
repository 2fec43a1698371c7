"""The exact, slow screen: which groups an event may move over a line. It selects groups and decides nothing."""

from __future__ import annotations

from collections.abc import Collection

from monitor.core.valuation.valuation import Holding


class EveryGroup:
    """Every group that holds or owes a moved asset is a suspect."""

    def __init__(self) -> None:
        self._assets: dict[str, frozenset[str]] = {}
        self._holders: dict[str, dict[str, None]] = {}

    def put(self, group_id: str, held: Holding) -> None:
        """Takes a group, or its new holding."""
        before = self._assets.get(group_id, frozenset())
        if before == held.assets:
            return
        for asset in before - held.assets:
            self._leave(asset, group_id)
        for asset in held.assets - before:
            self._holders.setdefault(asset, {})[group_id] = None
        self._assets[group_id] = held.assets

    def drop(self, group_id: str) -> None:
        """Forgets a group."""
        for asset in self._assets.pop(group_id, frozenset()):
            self._leave(asset, group_id)

    def suspects(self, moved: Collection[str]) -> Collection[str]:
        """Groups to evaluate after the prices or the trust of these assets moved."""
        found: dict[str, None] = {}
        for asset in moved:
            found.update(self._holders.get(asset, {}))
        return found.keys()

    def holders(self, asset: str) -> Collection[str]:
        """Groups whose valuation needs an asset's price."""
        return self._holders.get(asset, {}).keys()

    def assets(self) -> Collection[str]:
        """All assets that some group needs."""
        return self._holders.keys()

    def _leave(self, asset: str, group_id: str) -> None:
        holders = self._holders[asset]
        del holders[group_id]
        if not holders:
            del self._holders[asset]
