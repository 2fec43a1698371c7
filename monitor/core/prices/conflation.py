"""Prices that wait for core: only the newest of each asset and source, never a queue of old ones (decision 3)."""

from __future__ import annotations

from monitor.core.prices.quote import Batch, Frame, Quote

_MAX_FRAMES = 16
"""Frames that may wait, one for each feed and order of assets. A feed that changes its order must not fill the memory."""


class LatestPrices:
    """Frames are handled before quotes, so a frame that is newer than waiting quotes of its assets takes them out."""

    def __init__(self) -> None:
        self._quotes: dict[tuple[str, str], Quote] = {}
        self._frames: dict[tuple[str, tuple[str, ...]], Frame] = {}

    def __bool__(self) -> bool:
        return bool(self._quotes or self._frames)

    def put(self, batch: Batch) -> int:
        """Takes what is newer than all before it; how many prices it replaced."""
        if isinstance(batch, Frame):
            return self._put_frame(batch)
        replaced = 0
        for quote in batch:
            key = (quote.asset, quote.source)
            replaced += key in self._quotes
            self._quotes[key] = quote
        return replaced

    def take(self) -> tuple[tuple[Quote, ...], tuple[Frame, ...]]:
        """All that waits, the oldest frame first; nothing waits afterwards."""
        quotes, frames = tuple(self._quotes.values()), tuple(self._frames.values())
        self._quotes = {}
        self._frames = {}
        return quotes, frames

    def _put_frame(self, frame: Frame) -> int:
        key = (frame.source, frame.assets)
        replaced = len(frame) if self._frames.pop(key, None) is not None else 0
        if len(self._frames) >= _MAX_FRAMES:
            quotes, frames = self.take()
            replaced += sum(self.put(tuple(each)) for each in frames) + self.put(quotes)
        if self._quotes:
            replaced += sum(self._quotes.pop((asset, frame.source), None) is not None for asset in frame.assets)
        self._frames[key] = frame
        return replaced
