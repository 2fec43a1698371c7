"""What one token may take of what the desk shares: streams, looks at the whole book, what-ifs and exports.

Viewers, feeders and tokens with a scope have quotas, and together at most four fifths of what all share. The rest is always
there for operators and admins of the whole desk, who share nothing but the total.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator

from monitor.clock import Clock
from monitor.web.auth import ADMIN, OPERATE, Caller
from monitor.web.http import Rejected
from monitor.web_table import QuotaConfig

MINUTE_S = 60.0
AGAIN_S = 5.0
"""When to ask again for what another request of the same token holds: nobody knows how long it will."""


def is_free(caller: Caller) -> bool:
    """Whether a caller has no quotas: an operator or an admin of the whole desk."""
    return not caller.scope and (caller.may(OPERATE) or caller.may(ADMIN))


def open_to(caller: Caller, total: int) -> int:
    """How much of a total this caller may find in use and still get more: a fifth is kept for operators and admins."""
    return total if is_free(caller) else max(1, total - -(-total // 5))


class Quotas:
    """What each token has taken, by its name."""

    def __init__(self, config: QuotaConfig, clock: Clock) -> None:
        self.config = config
        self._clock = clock
        self._held: Counter[tuple[str, str]] = Counter()
        self._spent: Counter[tuple[str, str]] = Counter()
        self._since_s = clock.monotonic_s()

    @contextlib.contextmanager
    def stream(self, caller: Caller) -> Iterator[None]:
        """Holds one stream. Raises Rejected where the token has all that it may."""
        with self._one(caller, "streams", self.config.streams):
            yield

    @contextlib.contextmanager
    def stress(self, caller: Caller) -> Iterator[None]:
        """Holds one look at the whole book. Raises Rejected."""
        with self._one(caller, "stress", self.config.stress):
            yield

    def what_if(self, caller: Caller) -> None:
        """Spends one what-if. Raises Rejected where the token has had all of this minute."""
        self._spend(caller, "what_ifs", self.config.what_ifs)

    def export(self, caller: Caller) -> None:
        """Spends one export. Raises Rejected."""
        self._spend(caller, "exports", self.config.exports)

    @contextlib.contextmanager
    def _one(self, caller: Caller, key: str, most: int) -> Iterator[None]:
        if is_free(caller):
            yield
            return
        mine = (caller.name, key)
        if self._held[mine] >= most:
            raise _refused(caller, key, f"{most} at a time", AGAIN_S)
        self._held[mine] += 1
        try:
            yield
        finally:
            self._held[mine] -= 1
            if not self._held[mine]:
                del self._held[mine]

    def _spend(self, caller: Caller, key: str, most: int) -> None:
        if is_free(caller):
            return
        now_s = self._clock.monotonic_s()
        if now_s - self._since_s >= MINUTE_S:
            self._spent.clear()
            self._since_s = now_s
        mine = (caller.name, key)
        if self._spent[mine] >= most:
            raise _refused(caller, key, f"{most} a minute", self._since_s + MINUTE_S - now_s)
        self._spent[mine] += 1


def _refused(caller: Caller, key: str, most: str, after_s: float) -> Rejected:
    wait = f"ask again in {max(1, math.ceil(after_s))} s"
    return Rejected("quota", f"token {caller.name!r} may have {most} ([web.quotas] {key}); {wait}", after_s=after_s)
