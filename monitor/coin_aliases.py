"""The key `aliases` of a [[book]]: names that a source has for coins (monitor.books._aliases reads lines by them)."""

from __future__ import annotations

import msgspec

from monitor.core.schema import Asset


class Aliases(msgspec.Struct, frozen=True):
    """The source's name of a coin, and ours."""

    aliases: dict[Asset, Asset] = {}

    def __post_init__(self) -> None:
        for name, coin in self.aliases.items():
            if coin in self.aliases:
                raise ValueError(f"aliases: {name} stands for {coin}, which is an alias itself; name the coin")
