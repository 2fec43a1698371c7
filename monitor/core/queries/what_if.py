"""What would follow: a group after price shocks, repayments, additions and withdrawals. Pure; nothing is changed.

The changes go through the same book entries, valuation and stage table as real ones, so the answer is what would happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from monitor.core.events.entries import Amount, Deposit, Repay, Withdraw, apply, payment
from monitor.core.groups.snapshot import Prices
from monitor.core.loans.group import Group
from monitor.core.money import ZERO, exact, plain
from monitor.core.portfolio.stress import Shock, shocked, unknown
from monitor.core.queries.explain import Standing, product_of, standing
from monitor.core.queries.inbox import Look
from monitor.core.refusal import Refused
from monitor.core.schema import Asset, Invalid, Problem
from monitor.core.stages.decision import WeighedGroup, judge
from monitor.core.text import stamp
from monitor.core.valuation.valuation import holding, weigh


class WhatIf(msgspec.Struct, frozen=True):
    """Changes by coin. A shock moves the coin's USD price alone; everything else is a quantity of the coin."""

    shock: dict[Asset, Shock] = {}
    repay: dict[Asset, Amount] = {}
    add: dict[Asset, Amount] = {}
    remove: dict[Asset, Amount] = {}


class WhatIfStanding(Standing, frozen=True, kw_only=True):
    """A standing, and the types of the alerts that would be raised on the way to it."""

    alerts: list[str]


class WhatIfAnswer(msgspec.Struct, frozen=True):
    """The group as it is and as it would be."""

    id: str
    at: str
    before: WhatIfStanding
    after: WhatIfStanding
    returned: dict[str, str]
    """By coin: what of a repayment would be too much and go back."""


def what_if(look: Look, what: WhatIf) -> WhatIfAnswer:
    """The group before and after the changes, and the alerts that these would raise. Raises schema.Invalid.

    What is added goes to the first collateral account by id; what is removed comes from the accounts in that order.
    """
    problems: list[Problem] = []
    with exact():
        on = _shocked(look, what, problems)
        returned: dict[str, str] = {}
        group = _changed(look, what, on.usd, problems, returned)
        if problems:
            raise Invalid(problems)
        after, alerts = _followed(look, group, on)
        return WhatIfAnswer(group.id, stamp(look.at), _standing(look, []), _standing(after, alerts), returned)


def _standing(look: Look, alerts: list[str]) -> WhatIfStanding:
    return WhatIfStanding(**msgspec.structs.asdict(standing(look)), alerts=alerts)


def _followed(look: Look, group: Group, on: Prices) -> tuple[Look, list[str]]:
    """The look after the changes, judged by the stage table, and the types of the alerts that it raises."""
    sight, rules = look.sight, look.rules
    held = holding(group, product_of(look), look.at)
    usd, untrusted = on
    known = held.assets <= usd.keys()
    weight, blind = weigh(held, usd) if known else None, not known or not untrusted.isdisjoint(held.assets)
    state, alerts = sight.state, []
    if weight is not None:
        state, said = judge(rules.name, state, WeighedGroup(group, held, weight, blind, look.at), rules.lifecycle)
        alerts = [said.type] if said is not None else []
    changed = sight._replace(group=group, held=held, weight=weight, blind=blind, state=state)
    return look._replace(sight=changed, usd=usd, untrusted=untrusted), alerts


def _shocked(look: Look, what: WhatIf, problems: list[Problem]) -> Prices:
    held = look.sight.held
    known = held.assets | held.version.ladders.keys()
    return shocked(Prices(look.usd, look.untrusted), what.shock, known, "shock", problems)


def _changed(
    look: Look, what: WhatIf, usd: Mapping[str, Decimal], problems: list[Problem], returned: dict[str, str]
) -> Group:
    """The group after repayments, additions and withdrawals, made of the same book entries as real ones."""
    group, product = look.sight.group, product_of(look)
    for asset, amount in what.repay.items():
        where = f"repay.{asset}"
        coins = {loan.asset for loan in group.loans}
        if asset not in coins:
            problems.append(unknown(where, asset, coins, "coin that the group owes"))
            continue
        try:
            made = payment(group, Repay(asset, amount), look.at, product, usd)
            if made.returned:
                returned[asset] = plain(made.returned)
            group = apply(group, Repay(asset, amount), look.at, product, usd)
        except Refused as e:
            problems.append(Problem(where, f"found {plain(amount)!r}: {e}; repay at most what is owed"))
    for asset, quantity in what.add.items():
        group = _added(look, group, asset, quantity, usd, problems)
    for asset, quantity in what.remove.items():
        group = _removed(look, group, asset, quantity, problems)
    return group


def _added(
    look: Look, group: Group, asset: str, quantity: Decimal, usd: Mapping[str, Decimal], problems: list[Problem]
) -> Group:
    where, version = f"add.{asset}", look.sight.held.version
    if version.ladder(asset) is None:
        problems.append(unknown(where, asset, version.ladders, f"coin that {group.product} recognises as collateral"))
        return group
    if asset not in usd:
        remedy = f'wait for its feed, or state one: {{"shock": {{"{asset}": "30000"}}}}'
        problems.append(Problem(where, f"found {plain(quantity)!r}, but the price of {asset} is missing; {remedy}"))
        return group
    account = min(group.collateral, default=group.receiving_account)
    if account not in group.collateral:
        group = msgspec.structs.replace(group, collateral={account: {}})
    return apply(group, Deposit(account, asset, quantity), look.at, product_of(look), usd)


def _removed(look: Look, group: Group, asset: str, quantity: Decimal, problems: list[Problem]) -> Group:
    where, held = f"remove.{asset}", group.quantities()
    if asset not in held:
        problems.append(unknown(where, asset, held, "coin that the group holds"))
        return group
    if quantity > held[asset]:
        has = plain(held[asset])
        text = f"found {plain(quantity)!r}, the group holds {has} {asset}; remove at most {has}"
        problems.append(Problem(where, text))
        return group
    left = quantity
    for account in sorted(group.collateral):
        part = min(left, group.collateral[account].get(asset, ZERO))
        if part:
            group = apply(group, Withdraw(account, asset, part), look.at, product_of(look), look.usd)
            left -= part
    return group
