"""The board without columns: every price is a quote, a mark of its own, and is judged by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import Frame, PriceChange, Quote


class SlowBoard(PriceBoard):
    """Frames are quotes."""

    def apply(self, quotes: Sequence[Quote], at: datetime, frames: Sequence[Frame] = ()) -> PriceChange:
        """The clocks of sources are compared message by message, so that is told of frames as ever."""
        return super().apply([*chain.from_iterable(frames), *quotes], at)
