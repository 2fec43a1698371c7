"""Wrong tokens, by who sends them. The right one always passes: its length protects it, and no stranger locks anybody out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from monitor.clock import Clock
from monitor.telemetry import BoundedLog
from monitor.web.connections import network_of
from monitor.web.http import Rejected

MOST_FAILURES = 20
"""Wrong tokens from one address within WINDOW_S: a person mistypes twice, a guesser does not stop."""
WINDOW_S = 60.0
QUIET_S = 3600.0
"""The desk is told once of a guesser, and of others in the hour after nobody guesses."""
_MOST_ADDRESSES = 4096


class Failures:
    """Counts what is wrong, by address."""

    def __init__(
        self,
        clock: Clock,
        wrong: Callable[[], object] = lambda: None,
        guessing: Callable[[str, int], object] = lambda *_: None,
    ) -> None:
        """`wrong` hears of each; `guessing` once, with the address and how many, when somebody does not stop."""
        self._clock = clock
        self._wrong = wrong
        self._guessing = guessing
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._since_s = clock.monotonic_s()
        self._told_s: float | None = None
        self._log = BoundedLog()

    def count(self, address: str) -> None:
        """Counts one more. Raises Rejected where this address has sent too many; nothing else is done for it then."""
        now_s = self._clock.monotonic_s()
        left_s = self._since_s + WINDOW_S - now_s
        if left_s <= 0:
            self._counts.clear()
            self._since_s, left_s = now_s, WINDOW_S
        self._wrong()
        network = network_of(address)
        number = self._counts[network] = self._counts.get(network, 0) + 1
        self._counts.move_to_end(network)
        if len(self._counts) > _MOST_ADDRESSES:
            self._counts.popitem(last=False)
        self._log.warning(now_s, "wrong", "a wrong token was sent to the API", address=address)
        if number <= MOST_FAILURES:
            return
        if self._told_s is None or now_s - self._told_s > QUIET_S:
            self._guessing(address, number)
        self._told_s = now_s
        raise Rejected("too-many-failures", "too many wrong tokens; the right one passes at once", after_s=left_s)
