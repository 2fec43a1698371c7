"""Why a group stands where it stands: each asset, price, age and tier, each loan, and what follows from them. Pure.

The figures are valued anew on the prices of the look, so they are exact whatever the screen skipped. Money, prices and
ratios are plain decimal text, times RFC 3339, ages numbers in seconds (INTERFACES sections 5 and 6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from monitor.core.alerts.payload import way_shown
from monitor.core.borrowing.margin import closable, liabilities, permitted_by
from monitor.core.borrowing.permissions import allowed_facts
from monitor.core.groups.outcome import Sight
from monitor.core.groups.renewal import renewal_shown
from monitor.core.loans.group import Rate
from monitor.core.loans.interest import daily_rate, is_settling
from monitor.core.money import CENT, ONE, ZERO, exact, plain
from monitor.core.prices.quote import GOOD, MISSING, Mark
from monitor.core.queries.inbox import Look
from monitor.core.rules.product import Ladder, Product
from monitor.core.rules.settings import Rules
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.decision import is_overdue
from monitor.core.stages.stages import LIQUIDATION, NORMAL, Ack
from monitor.core.text import plain_or_none, stamp, stamp_or_none
from monitor.core.valuation.clearance import clearance
from monitor.core.valuation.interest_cover import shortfalls
from monitor.core.valuation.ladder import tiers_filled
from monitor.core.valuation.remedies import (
    NOTHING,
    LineFactors,
    Permitted,
    cure,
    liquidation_prices,
    next_line,
    permitted,
    terms_of,
)
from monitor.core.valuation.valuation import (
    Holding,
    Owed,
    Position,
    Weight,
    band,
    initial_margin,
    owed,
    positions,
    weigh,
)


class AckShown(msgspec.Struct, frozen=True):
    """Who has a group's stage in hand; `until` is null where that holds as long as the stage."""

    by: str
    at: str
    alert: str
    note: str
    until: str | None


def acknowledged(ack: Ack) -> AckShown:
    """An acknowledgement as it is shown."""
    return AckShown(ack.by, stamp(ack.at), ack.alert, ack.note, stamp_or_none(ack.until))


class GroupRow(msgspec.Struct, frozen=True):
    """A group in a list. Figures are null while a price is missing; `ltv` is null also where nothing is recognised."""

    id: str
    product: str
    labels: Mapping[str, str]
    ltv: str | None
    stage: str
    band: str | None
    debt_usd: str | None
    recognised_usd: str | None
    deadline: str | None
    blind: bool
    unknown: bool
    version: int
    thresholds: Mapping[str, str]
    next_line: Mapping[str, str] | None
    margin_level: str | UnsetType | None = UNSET
    health_factor: str | UnsetType | None = UNSET
    acknowledged: AckShown | None = None


def row(sight: Sight) -> GroupRow:
    """The list's view of a group, as it was weighed last."""
    group, state, weight, lines = sight.group, sight.state, sight.weight, sight.held.lines
    with exact():
        level = plain_or_none(weight.figure(lines.metric)) if weight else None
        return GroupRow(
            group.id, group.product, group.labels,
            plain_or_none(weight.ltv) if weight else None, state.stage, band(weight, lines) if weight else None,
            plain(weight.debt) if weight else None, plain(weight.recognised) if weight else None,
            stamp_or_none(state.deadline), sight.blind, weight is None, sight.version, shown(lines.stated),
            _next_line(weight, lines, terms_of(lines, sight.held.version)) if weight else None,
            acknowledged=acknowledged(state.ack) if state.ack else None,
            **({lines.metric.name: level} if lines.falls else {}),
        )  # fmt: skip


def detail(look: Look) -> dict[str, Any]:
    """All that is known of a group at one instant: GET /v1/groups/{id}."""
    sight, product = look.sight, product_of(look)
    group, state, held = sight.group, sight.state, sight.held
    with exact():
        loans = [_loan(o, product, look) for o in owed(group, product, held.day, look.usd, held.minute)]
        return {
            "id": group.id,
            "product": group.product,
            "labels": dict(group.labels),
            "receiving_account": group.receiving_account,
            **({} if group.leverage is None else {"leverage": group.leverage}),
            "delayed_liquidation": group.delayed_liquidation,
            "source": sight.source,
            "version": sight.version,
            "at": stamp(look.at),
            **standing(look),
            "reason": state.reason,
            "since": stamp_or_none(state.since),
            "episode": state.episode,
            "sequence": state.sequence,
            "acknowledged": msgspec.to_builtins(acknowledged(state.ack)) if state.ack else None,
            "thresholds": shown(held.lines.stated),
            "rules": product.rules_name(held.version),
            "contributions": [_contribution(look, p) for p in positions(held, look.usd)],
            "uncounted": _uncounted(look),
            **({} if held.tiers is None else {"liabilities": liabilities(group, held, look.usd)}),
            "settling": any(shown_loan["settling"] for shown_loan in loans),
            "loans": loans,
            "interest_short": [each.facts for each in shortfalls(group, product, held)],
        }


def standing(look: Look) -> dict[str, Any]:
    """Figures, stage and what follows from them. With a price missing, figures are null and nothing is permitted."""
    held, state = look.sight.held, look.sight.state
    missing = sorted(held.assets - look.usd.keys())
    blind = bool(missing) or not look.untrusted.isdisjoint(held.assets)
    facts: dict[str, Any] = dict.fromkeys(("ltv", "band", "debt_usd", "recognised_usd", "market_usd", *_own(held)))
    facts |= {"cure": None, "liquidation_price": None, "next_line": None, "liquidation": None}
    facts |= {
        "stage": state.stage,
        "deadline": stamp_or_none(state.deadline),
        "blind": blind,
        "unknown": bool(missing),
        "missing": missing,
    }
    allowed = NOTHING
    doubted = sorted({*missing, *(look.untrusted & held.assets)})
    with exact():
        if not missing:
            weight, held_now = weigh(held, look.usd), positions(held, look.usd)
            facts |= _figures(look, weight, held_now)
            allowed = _permitted(look, weight, held_now, blind=blind)
        group = look.sight.group
        return facts | allowed_facts(group, state.stage, product_of(look), held, look.at, look.usd, allowed, doubted)


def price_shown(
    asset: str, marks: Mapping[str, Mark], usd: Mapping[str, Decimal], untrusted: frozenset[str], rules: Rules,
    at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """An asset's price in USD, where it comes from, its three ages at a time, and whether it may be believed."""
    mark, price = marks.get(asset), usd.get(asset)
    trust, reason = _trust(asset, marks, usd, untrusted, rules)
    if mark is None:
        source = None if price is None else "usdt_usd"
        return {
            "asset": asset, "price": plain_or_none(price), "quote": None if price is None else "USD",
            "quote_price": plain_or_none(price), "source": source, "price_at": None, "received_at": None,
            "changed_at": None, "exchange_age_s": None, "receipt_age_s": None, "change_age_s": None,
            "trust": trust, "reason": reason,
        }  # fmt: skip
    return {
        "asset": asset,
        "price": plain_or_none(price),
        "quote": mark.quote,
        "quote_price": plain(mark.quote_price),
        "source": mark.source,
        "price_at": stamp_or_none(mark.price_at),
        "received_at": stamp(mark.received_at),
        "changed_at": stamp(mark.changed_at),
        "exchange_age_s": None if mark.price_at is None else _age_s(mark.price_at, at),
        "receipt_age_s": _age_s(mark.received_at, at),
        "change_age_s": _age_s(mark.changed_at, at),
        "trust": trust,
        "reason": reason,
    }


def product_of(look: Look) -> Product:
    """The product of the group that is looked at."""
    return look.rules.products[look.sight.group.product]


def shown(value: Any) -> Any:
    """A value of core as JSON values: decimals as plain text, times as stamps, structs as objects."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, msgspec.Struct):
        return {k: shown(v) for k, v in msgspec.structs.asdict(value).items()}
    if isinstance(value, Mapping):
        return {k: shown(v) for k, v in value.items()}
    return [shown(v) for v in value] if isinstance(value, tuple | list) else value


def _age_s(then: datetime, at: datetime) -> float:
    return max(0.0, round((at - then).total_seconds(), 3))


def _trust(
    asset: str, marks: Mapping[str, Mark], usd: Mapping[str, Decimal], untrusted: frozenset[str], rules: Rules
) -> tuple[str, str | None]:
    """Trust and its reason. A price in USDT is no better than the USDT rate that converts it."""
    mark = marks.get(asset)
    if asset not in usd:
        return MISSING, "no price was ever seen" if mark is None else f"no rate from {mark.quote} to USD"
    if mark is None:
        return GOOD, None
    rate = marks.get(rules.trust.usdt_usd)
    if mark.trust == GOOD and asset in untrusted and rate is not None:
        return rate.trust, f"the rate of {rate.asset} is {rate.trust}: {rate.reason}"
    return mark.trust, mark.reason or None


def _figures(look: Look, weight: Weight, priced: tuple[Position, ...]) -> dict[str, Any]:
    held = look.sight.held
    lines, terms = held.lines, terms_of(held.lines, held.version)
    ladders = held.version.ladders_of(p.asset for p in priced)
    debt, counted = weight.debt, weight.recognised
    return {
        "ltv": plain_or_none(weight.ltv),
        "band": band(weight, lines),
        "debt_usd": plain(debt),
        "recognised_usd": plain(counted),
        "market_usd": plain(sum((p.value for p in priced if p.value is not None), ZERO)),
        **{name: plain_or_none(figure(held, weight, look.usd)) for name, figure in _own(held).items()},
        "cure": way_shown(cure(debt, counted, lines.initial, priced, ladders, terms), lines),
        "liquidation_price": shown(
            liquidation_prices(dict(held.debts), debt, counted, lines.liquidation, priced, ladders, terms)
        ),
        "next_line": _next_line(weight, lines, terms),
        "liquidation": shown(clearance(held, look.usd)),
        **({} if held.version.close_factor is None else {"closable": closable(held, weight, look.usd)}),
    }


Figure = Callable[[Holding, Weight, Mapping[str, Decimal]], Decimal | None]


def _own(held: Holding) -> dict[str, Figure]:
    """Figures that a product has beside those of an LTV: its metric, and the margins of liabilities (DOMAIN 37, 40)."""
    own: dict[str, Figure] = {}
    if held.lines.falls:
        own[held.lines.metric.name] = lambda h, w, _: w.figure(h.lines.metric)
    if held.tiers is not None:
        own["net_equity_usd"] = lambda _, w, __: w.recognised
        own["liabilities_usd"] = lambda h, _, usd: sum((q * usd[a] for a, q in h.debts), ZERO)
        own["initial_margin_usd"] = lambda h, _, usd: initial_margin(h, usd)
        own["maintenance_margin_usd"] = lambda _, w, __: w.debt
    return own


def _permitted(look: Look, weight: Weight, priced: tuple[Position, ...], *, blind: bool) -> Permitted:
    """What the borrower may do. Nothing while the lender liquidates; nothing leaves on a price that is not trusted."""
    sight = look.sight
    if sight.state.stage == LIQUIDATION:
        return NOTHING
    held, lines = sight.held, sight.held.lines

    def allow(counted: Decimal, held_now: tuple[Position, ...], ladders: Mapping[str, Ladder]) -> Permitted:
        return permitted(
            weight.debt, counted, lines.initial, lines.first, held_now, ladders, sight.group.collateral,
            sight.state.stage == NORMAL, terms_of(lines, held.version), held.version.transfer_out,
        )  # fmt: skip

    allowed = permitted_by(held.version, weight.recognised, priced, allow)
    if not blind:
        return allowed
    return msgspec.structs.replace(NOTHING, trade=allowed.trade, move_within_group=allowed.move_within_group)


def _next_line(weight: Weight, lines: Thresholds, terms: LineFactors) -> dict[str, str] | None:
    found = next_line(weight, lines, terms, CENT)
    if found is None:
        return None
    level = "level" if lines.falls else "ltv"
    return {"name": found.name, level: plain(found.level), "distance_percent": plain(found.distance_percent)}


def _contribution(look: Look, position: Position) -> dict[str, Any]:
    asset = position.asset
    price = price_shown(asset, look.marks, look.usd, look.untrusted, look.rules, look.at)
    ladder = look.sight.held.version.ladders_of([asset])[asset]
    return {
        "asset": asset,
        "quantity": plain(position.quantity),
        "accounts": _accounts(look, asset),
        "price": price["price"],
        "quote": price["quote"],
        "quote_price": price["quote_price"],
        "source": price["source"],
        "price_at": price["price_at"],
        "received_at": price["received_at"],
        "age_s": price["receipt_age_s"],
        "trust": price["trust"],
        "reason": price["reason"],
        "value_usd": plain_or_none(position.value),
        "recognised_usd": plain_or_none(position.recognised),
        "tiers": [] if position.value is None else _tiers(ladder, position.value),
    }


def _accounts(look: Look, asset: str) -> dict[str, str]:
    collateral = look.sight.group.collateral
    return {account: plain(coins[asset]) for account, coins in collateral.items() if coins.get(asset)}


def _tiers(ladder: Ladder, value: Decimal) -> list[dict[str, str | None]]:
    return [
        {
            "from": plain(floor),
            "to": plain_or_none(bound),
            "share": plain(share),
            "value_usd": plain(inside),
            "recognised_usd": plain(inside * share),
        }
        for floor, bound, share, inside in tiers_filled(ladder, value)
    ]


def _uncounted(look: Look) -> list[dict[str, Any]]:
    """Coins in the collateral accounts that the product's ladders do not list: they count nothing (DESIGN section 8)."""
    version = look.sight.held.version
    quantities = sorted(look.sight.group.quantities().items())
    return [
        {"asset": asset, "quantity": plain(quantity), "accounts": _accounts(look, asset)}
        for asset, quantity in quantities
        if version.ladder(asset) is None
    ]


def _loan(item: Owed, product: Product, look: Look) -> dict[str, Any]:
    loan, at, sight = item.loan, look.at, look.sight
    late = loan.matures_at is not None and loan.matures_at < at
    factor = sight.held.version.late_interest_factor if late else ONE
    return {
        "id": loan.id,
        "asset": loan.asset,
        "principal": plain(loan.principal),
        "interest": plain(item.interest),
        "rate": _rate(loan.rate),
        "daily_rate": plain(daily_rate(loan, product, at)),
        "late_factor": plain(factor),
        "settling": is_settling(product, at) and loan.is_owed and loan.since < look.sight.held.day,
        "term": loan.term,
        "opened_at": stamp(loan.opened_at),
        "matures_at": stamp_or_none(loan.matures_at),
        "overdue": is_overdue(loan, at),
        "renewal": renewal_shown(sight.group, sight.state.stage, product, sight.held, loan, look.usd, at),
        "price": plain_or_none(item.price),
        "value_usd": plain_or_none(item.value),
    }


def _rate(rate: Rate) -> dict[str, str | None]:
    shown = {"kind": rate.kind, "daily": plain_or_none(rate.daily)}
    return shown if rate.paid_in is None else {**shown, "paid_in": rate.paid_in}
