"""A change of rules: what is said of it, and which alerts it caused (VIP FAQ 31; the issue's "LTV moves and says so")."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from monitor.core.events.events import Noticed
from monitor.core.groups.loan_book import Counted
from monitor.core.groups.record import GroupRecord
from monitor.core.money import plain
from monitor.core.rules.product import Product, Version
from monitor.core.rules.settings import Rules
from monitor.core.stages.decision import Verdict, judge
from monitor.core.stages.stages import GroupState
from monitor.core.valuation.valuation import under, weigh

RULES_CHANGED = "rules.changed"
NAMED_LADDERS = 500
"""How many coins the alert names: more would pass the 20 kB of a webhook body."""


class Former(NamedTuple):
    """The version of a product that was in force until now."""

    product: Product
    version: Version

    @property
    def name(self) -> str:
        """Such as `vip_loan@2024-04-29`."""
        return self.product.rules_name(self.version)


class InForce:
    """The versions that were in force when groups were held anew last."""

    def __init__(self) -> None:
        self._of: dict[str, Former] = {}
        self.replaced: Mapping[str, Former] = {}
        """While groups are decided under new rules: the versions of before, by product."""

    def take(self, rules: Rules, at: datetime) -> dict[str, Former]:
        """The versions of now; returns those that others have replaced, by product."""
        now = {kind: Former(product, product.version_at(at)) for kind, product in sorted(rules.products.items())}
        before, self._of = self._of, now
        return {kind: before[kind] for kind in now if kind in before and before[kind].version != now[kind].version}

    def of(self, kind: str) -> Former:
        """The version of a product that was taken last."""
        return self._of[kind]

    def cause(
        self,
        rules: Rules,
        record: GroupRecord,
        state: GroupState,
        verdict: Verdict,
        usd: Mapping[str, Decimal],
        at: datetime,
    ) -> dict[str, Any]:
        """What an alert adds that a change of rules caused: nothing where the rules before would have raised it as well.

        `state` is that before the verdict.
        """
        old, said = self.replaced.get(record.group.product), verdict[1]
        if old is None or said is None:
            return {}
        held = under(record.group, record.held, old.version)
        if held.assets <= usd.keys():
            _, before = judge(
                rules.name, state, record.group, held, weigh(held, usd), record.blind, at, rules.lifecycle
            )
            if before is not None and before.type == said.type:
                return {}
        return {"cause": "rules", "rules_from": old.name}


def changed(kind: str, old: Former, new: Former, sums: tuple[Counted, Counted], at: datetime) -> Noticed:
    """What the desk is told; `sums` are those of before and after, on the same prices."""
    before, after = sums
    ladders = _ladders_changed(old.version, new.version)
    facts: dict[str, Any] = {
        "product": kind,
        "from": old.name,
        "to": new.name,
        "groups": after.groups,
        "ladders": ladders[:NAMED_LADDERS],
        "ladders_cut": max(0, len(ladders) - NAMED_LADDERS),
        "recognised_before_usd": plain(before.recognised),
        "recognised_after_usd": plain(after.recognised),
        "is_exact": before.is_exact and after.is_exact,
    }
    return Noticed(at, RULES_CHANGED, kind, facts)


def _ladders_changed(old: Version, new: Version) -> list[str]:
    coins = old.ladders.keys() | new.ladders.keys()
    return sorted(coin for coin in coins if old.ladder(coin) != new.ladder(coin))
