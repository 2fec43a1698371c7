"""What every price source shares: the protocol, what the daemon tells a source, and counts of what came and was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from monitor.core.prices.quote import Batch

_LONGEST_SHOWN = 120

BUILTIN, LIST, KEPT = "builtin", "list", "kept copy"
"""Where a feed knows its venue's markets from: the table in its module, the venue's list, or the last copy of that."""
SETTLED, NOT_LISTED = "settled", "not_listed"
"""Why a feed gives no price of a coin. In `FeedStats.states` a colon and the details in words follow."""


class FeedStats:
    """Counts of one feed. Only the feed writes them; the API and the metrics read them."""

    def __init__(self) -> None:
        self.connected = False
        self.reason = "not started"
        """Why it is not connected, or what it lacks, in words; empty when all is well."""
        self.frames = 0
        self.quotes = 0
        self.reconnects = 0
        self.ignored: Counter[str] = Counter()
        """By reason: symbols that a desk does not want (delivery contracts, USDC twins)."""
        self.refused: Counter[str] = Counter()
        """By reason: frames and prices that the feed could not use."""
        self.words: dict[str, str] = {}
        """By reason of a refusal: the last one in words, for the cause that people are shown."""
        self.states: dict[str, str] = {}
        """By asset: why this feed gives no price of it, such as "settled: MATICUSDT is no longer traded"."""
        self.instruments = BUILTIN
        self.last_frame_at: datetime | None = None
        self._said = 0, ""
        """What was refused last, in words, and how many quotes there were by then."""

    def refuse(self, reason: str, words: str = "") -> None:
        """Counts a refusal. `words` say more than the reason, such as the code and the text of a venue's answer."""
        self.refused[reason] += 1
        self.words[reason] = words or reason.replace("_", " ")
        self._said = self.quotes, self.words[reason]

    @property
    def cause(self) -> str:
        """Why it gives no price, in words; empty where it does.

        What was refused since the last price says more than the silence that followed it, or the connection that failed.
        """
        quotes, words = self._said
        if self.connected or quotes != self.quotes or not words or words in self.reason:
            return self.reason
        return f"{words}; then {self.reason}"


class Unusable(Exception):
    """A message, or one price of it, that a feed cannot use. `reason` is a counter's label, `value` what was found.

    `words` say it to people; without them the reason has to do.
    """

    def __init__(self, reason: str, value: object = "", words: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value
        self.words = words

    @property
    def shown(self) -> str:
        """What was found, short enough for a line of the log."""
        raw = self.value if isinstance(self.value, bytes) else str(self.value).encode(errors="backslashreplace")
        return raw.decode(errors="backslashreplace")[:_LONGEST_SHOWN]


class Desk(msgspec.Struct, frozen=True):
    """What the daemon tells a feed of the desk."""

    needs: Callable[[], Collection[str]] = frozenset
    """The coins that the book needs now."""
    folder: Path | None = None
    """Where copies may lie that outlive a restart."""


class Feed(Protocol):
    """A price source. `quotes` survives every fault of its peer, and ends by itself only if the source is finite.

    A feed that wants to know the desk also has `attach(desk: Desk)`, which the daemon calls before `quotes`.
    """

    name: str
    stats: FeedStats

    def quotes(self) -> AsyncIterator[Batch]:
        """Batches of quotes, or frames, as they arrive. To close the iterator closes the connection."""
