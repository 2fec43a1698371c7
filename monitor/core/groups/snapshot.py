"""The questions about the whole book, and their answers. `PlainBookSnapshot` and the columns of the engine answer them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import add
from typing import NamedTuple, Protocol

from monitor.core.groups.outcome import Sight
from monitor.core.loans.group import Group
from monitor.core.money import CENT, ZERO, round_up
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import Stage

Scope = tuple[tuple[str, str], ...]
"""Labels that a group must have, all of them; empty means every group."""


class Prices(NamedTuple):
    """The prices on which rows are valued; an asset that is absent from `usd` is missing."""

    usd: Mapping[str, Decimal] = {}
    untrusted: frozenset[str] = frozenset()


def within(scope: Scope, labels: Mapping[str, str]) -> bool:
    """All labels of the scope are there."""
    return all(labels.get(key) == value for key, value in scope)


def sees(scope: Scope, labels: Mapping[str, str] | None) -> bool:
    """A scope may see what happened to a group while it had these labels.

    None: what is about no group, or is from before labels were kept with it. Only the whole desk sees that.
    """
    return not scope or (labels is not None and within(scope, labels))


def common_labels(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """The labels that stay: what tells of both times is for scopes that saw the group before and see it after."""
    return {key: value for key, value in before.items() if after.get(key) == value}


class Sums(NamedTuple):
    """A number of groups and their sums in USD."""

    groups: int = 0
    debt: Decimal = ZERO
    recognised: Decimal = ZERO
    market: Decimal = ZERO

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*map(add, self, other))

    @property
    def rounded(self) -> Sums:
        """To cents, upwards."""
        return Sums(self.groups, *(round_up(value, CENT) for value in self[1:]))


class Loss(NamedTuple):
    """What liquidation would leave unpaid (rules 43 to 47)."""

    bankrupt: int = 0
    shortfall: Decimal = ZERO
    """What all groups together owe beyond what their collateral fetches."""
    fees: Decimal = ZERO
    """Clearance fees of the groups in stage liquidation. A fee is never more than what is left of its group."""
    draw: Decimal = ZERO
    """The part of the shortfall that the fund pays: that of groups in stage liquidation."""

    def plus(self, other: Loss) -> Loss:
        """Both together."""
        return Loss(*map(add, self, other))

    @property
    def rounded(self) -> Loss:
        """To cents, upwards."""
        return Loss(self.bankrupt, *(round_up(value, CENT) for value in self[1:]))


Movers = Callable[[], Iterator[Sight]]
"""Groups, worst first, each made when it is asked for."""


class Swept(NamedTuple):
    """The outcome of one evaluation of every group at some prices."""

    moves: Mapping[tuple[Stage, Stage], Sums]
    """By stage before and after; a group that lacks a price is in none."""
    unknown: int
    loss: Loss
    newly: Mapping[Stage, Movers]
    """By stage, the groups that enter it."""
    are_counts_exact: bool = True
    are_sums_exact: bool = True


class Exposed(NamedTuple):
    """Groups with one key: a label's value, a product, or a coin.

    For a coin, `sums` counts the groups that hold it, and adds up what groups owe in it and hold of it. The distances are
    those of the groups that hold it.
    """

    key: str | None
    """None: groups without the label."""
    sums: Sums
    nearest: Decimal | None
    """Percent by which the recognised value of the group that is nearest to its next line may fall, rounded down."""
    weighted: Decimal | None
    """The same on average, by debt; None where nothing is owed."""
    weight: Decimal
    """The debt of the groups that the average is over."""
    quantity: Decimal | None = None
    """How much of a coin they hold; None for other keys."""


class Exposures(NamedTuple):
    """The book by key, in no order."""

    rows: Sequence[Exposed]
    total: Sums
    unknown: int
    are_sums_exact: bool


class Pair(NamedTuple):
    """Groups that owe one coin and hold another of the same issuer."""

    issuer: str
    debt: str
    collateral: str
    groups: int
    debt_usd: Decimal
    market_usd: Decimal


class Coins(NamedTuple):
    """Coins that count as collateral of some group, and coins that some group owes."""

    held: frozenset[str]
    owed: frozenset[str]


class BookSnapshot(Protocol):
    """All groups as they stood at one instant."""

    def __len__(self) -> int: ...

    @property
    def is_partial(self) -> bool:
        """An answer so far missed a part of the book, whose groups count as unknown."""

    def coins(self, scope: Scope) -> Coins:
        """The coins of the groups of a scope."""

    def sweep(self, on: Prices, scope: Scope) -> Swept:
        """Evaluates every group at these prices, all other things being as they are."""

    def under(self, rules: Rules) -> BookSnapshot:
        """The same groups as a reload with these rules would leave them: `sweep` it at the prices of now.

        Every group must fit the rules, see `examples`.
        """

    def examples(self) -> Iterable[Group]:
        """Groups such that rules which fit these fit all."""

    def by_product(self) -> Mapping[str, int]:
        """How many groups each product has."""

    def exposures(self, by: str, on: Prices, scope: Scope, *, has_distances: bool = True) -> Exposures:
        """The book by "asset", "product" or "label.<name>"; distances cost as much as all else."""

    def pairs(self, issuers: Mapping[str, Sequence[str]], on: Prices, scope: Scope) -> list[Pair]:
        """Debt and collateral of one issuer in one group; the pairs that there are."""
