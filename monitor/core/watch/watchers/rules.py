"""Puts rules, rates and interest in force, says what a new version changed, and marks the alerts that it caused.

See rule 31: when a product's rules change, LTV moves without a price, and the desk must be told why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.events.events import ProductsChanged, RatesChanged
from monitor.core.events.rates import Rates, RatesTaken
from monitor.core.groups.loan_book import Counted
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.loans.group import Group
from monitor.core.loans.interest import accrues_at, accrues_late_at, next_accrual
from monitor.core.money import plain
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.loosened import Loosened, loosened
from monitor.core.rules.product import Product, Version
from monitor.core.rules.settings import Rules
from monitor.core.stages.decision import Verdict, WeighedGroup, judge
from monitor.core.stages.maturity import Due, news_of, overdue_at
from monitor.core.stages.stages import GroupState
from monitor.core.text import MOST_NAMED
from monitor.core.valuation.bounds import decisive
from monitor.core.valuation.valuation import under
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.watcher import BookChange, Ground, Watcher

RULES_CHANGED = "rules.changed"
NAMED_LADDERS = 500
"""How many coins the alert names: more would pass the 20 kB of a webhook body."""


class Former(NamedTuple):
    """The version of a product that was in force until now."""

    product: Product
    version: Version

    def version_of(self, group: Group) -> Version:
        """The same by the terms of a group."""
        return self.product.of(group).version_at(self.version.effective)

    def is_replaced(self, now: Former) -> bool:
        """Groups are held under other rules now."""
        return (self.version, self.product.overrides) != (now.version, now.product.overrides)

    @property
    def name(self) -> str:
        """`vip_loan@2024-04-29`, for example."""
        return self.product.rules_name(self.version)


class RulesWatch(Watcher):
    """Under which version of each product the groups are held, and when that changes or interest is added."""

    phases = (deadlines.ACCRUAL, deadlines.RULES)

    def __init__(self, ground: Ground, rates: Rates) -> None:
        self._ground = ground
        self._rates = rates
        self._told: dict[str, int] = {}
        self._versions: dict[str, Former] = {}
        """The versions under which the groups are held."""
        self._replaced: Mapping[str, Former] = {}
        """While groups are decided under new versions: those of before, by product."""
        self._changed_at: datetime | None = None
        """When other rules came into force last. What they bring about is said to be of that time."""
        self._former: Mapping[str, Former] = {}
        """The versions that were replaced then, by product."""

    def kept(self) -> dict[str, int]:
        """By product: how often a change was said."""
        return dict(self._told)

    def restore(self, memory: Memory) -> None:
        """Goes on counting."""
        self._told = dict(memory.watchers.rules)

    def begin(self, at: datetime) -> None:
        """The first event, or the memory of a restart."""
        # What is still due from before was moved there by other rules just before the stop.
        self._changed_at = at
        self._plan_accrual(at)
        self._plan_version(at)
        self._take_versions(at)
        self._ground.book.renew(at, self._ground.rules)

    def replace(self, rules: Rules) -> None:
        """Puts other rules in force for everybody who reads them."""
        self._ground.rules = rules
        self._ground.board.configure(rules.trust)

    def with_rates(self, event: ProductsChanged) -> Rules:
        """The rules of an event with the rates that were given beside them."""
        return self._rates.into(event.rules)

    def configure(self, at: datetime) -> None:
        """Interest may be added, and versions come into force, at other times."""
        self._plan_accrual(at)
        self._plan_version(at)

    def take_rates(self, event: RatesChanged, out: Outcome) -> tuple[RatesTaken, BookChange | None]:
        """Flexible rates of a product. Raises Refused, and has taken nothing then."""
        ground, book = self._ground, self._ground.book
        taken = self._rates.take(event, ground.rules, book.counted_since)
        if not taken.changed:
            return taken, None
        out.rates = taken.changed
        ground.rules = self._rates.into(ground.rules)
        book.renew(event.at, ground.rules)
        change = BookChange(event.at, renewed=ground.rules.products.keys())
        if taken.is_counted:
            change = change._replace(suspects=book.suspects(None, ground.board), interest=(event.product,))
        return taken, change

    def due(self, deadline: Deadline, out: Outcome) -> BookChange:
        """Interest is added, or a version comes into force."""
        if deadline.phase == deadlines.ACCRUAL:
            self._plan_accrual(deadline.at)
            return self._accrue(deadline.at, out)
        self._plan_version(deadline.at)
        return self.renew_all(deadline.at, out, is_told=True)

    def renew_all(self, at: datetime, out: Outcome, *, is_told: bool) -> BookChange:
        """Other rules: works out every holding again; deadlines may lie elsewhere.

        `is_told`: tells the desk of versions whose date came. Of a reload it hears only where that makes something easier for
        borrowers: the person who reloads knows what changed, and it is in the audit.
        """
        change = self._renew(at, out, is_told=is_told)
        self._changed_at = at
        return change._replace(has_new_rules=True, needed=self._ground.book.needed())

    @property
    def is_replacing(self) -> bool:
        """Groups are decided under new versions just now: their alerts say whether these are the cause."""
        return bool(self._replaced)

    def conclude(self, change: BookChange, out: Outcome) -> None:
        """What is decided from now on no longer follows from the change of rules."""
        self._replaced = {}

    def stamped(self, due: datetime) -> datetime:
        """When a deadline counts as run: one that other rules have moved into the past, when they came into force.

        All that was due before them had run by then.
        """
        return due if self._changed_at is None else max(due, self._changed_at)

    def cause_of_date(self, record: GroupRecord, due: Due, at: datetime) -> dict[str, Any]:
        """What the alert of a loan's date adds: nothing where it had come by now under the rules before as well."""
        old, (_, kind, loan) = self._former.get(record.group.product), due
        if old is None or at != self._changed_at or loan.matures_at is None:
            return {}
        version = old.version_of(record.group)
        times = {news: time for time, news in news_of(loan.matures_at, version)}
        times[deadlines.OVERDUE] = overdue_at(loan.matures_at, version, record.state.waived_until)
        return {} if kind in times and times[kind] <= at else _by_rules(old)

    def cause(self, record: GroupRecord, before: GroupState, verdict: Verdict, seen: WeighedGroup) -> dict[str, Any]:
        """What an alert adds that a change of rules caused: nothing where the rules before would have raised it as well.

        `before`: the group's state before the verdict. `seen`: what the verdict was about.
        """
        old, said = self._replaced.get(record.group.product), verdict[1]
        if old is None or said is None:
            return {}
        rules, usd = self._ground.rules, self._ground.board.usd
        held = under(record.group, record.held, old.version_of(record.group))
        is_known = held.assets <= usd.keys()
        weight = decisive(held, usd)
        if weight is not None:
            # The prices of a hold's very end are still to come: the rules before would not have ended it here either.
            under_old = WeighedGroup(record.group, held, weight, record.blind or not is_known, seen.at, seen.is_settled)
            _, then = judge(rules.name, before, under_old, rules.lifecycle)
            if then is not None and then.type == said.type:
                return {}
        return _by_rules(old)

    def _renew(self, at: datetime, out: Outcome, *, is_told: bool) -> BookChange:
        book, board, rules = self._ground.book, self._ground.board, self._ground.rules
        replaced = self._take_versions(at)
        easier = {kind: loosened(old.version, self._versions[kind].version) for kind, old in replaced.items()}
        told = {kind: old for kind, old in replaced.items() if is_told or easier[kind]}
        before = {kind: book.counted(kind, old.version, board) for kind, old in told.items()}
        book.renew(at, rules)
        suspects = book.suspects(None, board)
        for kind, former in told.items():
            sums = before[kind], book.counted(kind, self._versions[kind].version, board)
            count = self._told.get(kind, 0) + 1
            self._told[kind] = count
            facts = _changed(kind, former, self._versions[kind], sums) | ({} if is_told else _easier(easier[kind]))
            # Noticed at the version's own time, also by a monitor that was down then.
            raise_alert(out, rules.name, Statement(RULES_CHANGED, kind, count, facts), at, detected_at=at)
        self._replaced = replaced
        if replaced:
            self._changed_at = at
            self._former = replaced
        return BookChange(at, suspects=suspects, renewed=rules.products.keys(), interest=rules.products.keys())

    def _accrue(self, at: datetime, out: Outcome) -> BookChange:
        """At midnight for all groups; at other instants for those of products that add interest more often, or that do so
        to late loans and have any.

        For all as well where a version comes into force just then: a book takes the rules of a time for all groups or none.
        """
        book, products = self._ground.book, self._ground.rules.products
        kinds = frozenset(
            kind
            for kind, product in products.items()
            if accrues_at(product, at) or (accrues_late_at(product, at) and book.has_late(kind, at))
        )
        if len(kinds) == len(products) or any(v.effective == at for p in products.values() for v in p.versions):
            return self._renew(at, out, is_told=True)
        suspects = dict.fromkeys((*book.accrue(at, kinds), *book.suspects(PriceChange(), self._ground.board)))
        return BookChange(at, suspects=suspects.keys(), renewed=kinds, interest=kinds)

    def _take_versions(self, at: datetime) -> dict[str, Former]:
        """Notes the versions of now; returns those that others have replaced, by product."""
        products = self._ground.rules.products
        now = {kind: Former(product, product.version_at(at)) for kind, product in sorted(products.items())}
        before, self._versions = self._versions, now
        return {kind: before[kind] for kind in now if kind in before and before[kind].is_replaced(now[kind])}

    def _plan_accrual(self, at: datetime) -> None:
        """The next instant at which some product adds interest."""
        due = next_accrual(self._ground.rules.products.values(), at)
        self._ground.agenda.set(deadlines.ACCRUAL, "", Deadline(due, deadlines.ACCRUAL, ""))

    def _plan_version(self, at: datetime) -> None:
        """The next time at which a version of some product's rules comes into force."""
        due = self._ground.rules.next_version(at)
        self._ground.agenda.set(deadlines.RULES, "", Deadline(due, deadlines.RULES, "") if due else None)


def _by_rules(old: Former) -> dict[str, Any]:
    return {"cause": "rules", "rules_from": old.name}


def _changed(kind: str, old: Former, new: Former, sums: tuple[Counted, Counted]) -> dict[str, Any]:
    """What the desk is told; `sums` are those of before and after, on the same prices."""
    before, after = sums
    ladders = _ladders_changed(old.version, new.version)
    return {
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


def _easier(found: Sequence[Loosened]) -> dict[str, Any]:
    """What was made easier; nothing where nothing was."""
    if not found:
        return {}
    rows = [{"what": each.what, "from": each.was, "to": each.now} for each in found[:MOST_NAMED]]
    return {"loosened": rows, "loosened_cut": len(found) - len(rows)}


def _ladders_changed(old: Version, new: Version) -> list[str]:
    coins: Collection[str] = old.ladders.keys() | new.ladders.keys()
    return sorted(coin for coin in coins if old.ladder(coin) != new.ladder(coin))
