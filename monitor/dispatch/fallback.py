"""Fail-over: what a failing channel does not get through goes to the channel that its configuration names.

The fallback's deliveries are rows of their own, made in one transaction, so a kill loses none and makes none twice. The old
ones go on waiting: the channel has them too when it is back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from monitor import contacts, crashpoint
from monitor.channel_rules import ChannelRules
from monitor.core.alerts.alert_type import CRITICAL
from monitor.dispatch.ledger import Ledger
from monitor.dispatch.queue import Waiting
from monitor.stores._base import Delivery, Target

LOOK_S = 1.0
"""How often it is looked who has waited long enough."""
AT_ONCE = 500
"""Deliveries in one transaction."""


class Fallback:
    """Where one channel's critical notices go while it fails; nowhere where it names no fallback."""

    def __init__(
        self, rules: ChannelRules, kinds: Mapping[str, str], ledger: Ledger, offer: Callable[[Sequence[Delivery]], None]
    ) -> None:
        self.name = rules.fallback
        self.after_s = rules.fallback_after.total_seconds()
        self._kinds = kinds
        self._ledger = ledger
        self._offer = offer

    def due(self, waiting: Sequence[Waiting], now_s: float, failing_since_s: float | None) -> list[Waiting]:
        """Those that have waited long enough, since the channel began to fail or since they failed themselves."""
        return [
            w
            for w in waiting
            if w.delivery.severity == CRITICAL
            and not (w.is_handed_over or w.is_late or w.is_cancelled)
            and any(s is not None and now_s - s >= self.after_s for s in (failing_since_s, w.failing_since_s))
        ]

    async def take(self, channel: str, deliveries: Sequence[Delivery]) -> None:
        """Hands deliveries of a channel over, durably."""
        name = self.name
        if name is None or name not in self._kinds:
            return
        is_like = self._kinds.get(channel) == self._kinds[name]
        for i in range(0, len(deliveries), AT_ONCE):
            pairs = [(d, Target(name, await self._to(d, name, is_like))) for d in deliveries[i : i + AT_ONCE]]
            made = await self._ledger.handed_over(pairs)
            crashpoint.reached("after hand-over", (channel,))
            self._offer(made)

    async def _to(self, delivery: Delivery, name: str, is_like: bool) -> tuple[str, ...]:
        """A borrower's notice goes to the borrower where the fallback reaches them, and else to the desk."""
        if is_like or not delivery.to:
            return delivery.to
        logged = await self._ledger.alert(delivery.alert)
        return tuple(contacts.usable(logged.alert.contacts, self._kinds[name])[0]) if logged is not None else ()
