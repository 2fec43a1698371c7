"""An alert's JSON made the long way: field by field, at 250 digits, tier by tier. What is fast must say the very same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal
from fractions import Fraction
from typing import Any

import msgspec

from monitor.core.alerts.alert import Alert, Debt, Figures, Input
from monitor.core.alerts.payload import reason_of
from monitor.core.money import EIGHT_PLACES, ZERO, exact
from monitor.core.rules.product import Ladder, Product
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.remedies import Valued, valued
from monitor.core.valuation.shown_figures import shown_figure
from monitor.core.valuation.valuation import Position, Weight

UP, DOWN = Context(prec=250, rounding=ROUND_UP), Context(prec=250, rounding=ROUND_DOWN)
CENT = Decimal("0.01")


def slow_body(alert: Alert, cursor: int, products: Mapping[str, Product]) -> bytes:
    """Without what is cut out of a long body."""
    data: dict[str, Any] = {
        "id": alert.id,
        "cursor": cursor,
        "severity": alert.severity,
        "test": False,
        "durable": True,
        "blind": alert.blind,
        "sequence": alert.sequence,
        "episode": alert.episode,
        "detected_at": stamp(alert.detected_at),
    }
    if alert.silenced_by:
        data["silenced_by"] = alert.silenced_by
    if alert.group is None:
        data |= {"subject": alert.subject, "facts": dict(alert.facts)}
    else:
        facts = {key: value for key, value in alert.facts.items() if key not in ("cause", "rules_from")}
        data |= {
            "group": msgspec.to_builtins(alert.group),
            "stage": {"from": alert.stage_from, "to": alert.stage_to},
            "reason": reason_of(alert),
            **(
                figures_of(alert.figures, products.get(alert.group.product), alert.stage_to)
                if alert.figures is not None
                else {}
            ),
            **(
                {"next_line": None, "cure": None, "liquidation_price": None}
                if alert.type == "loan_group.closed"
                else {}
            ),
            "deadline": None if alert.deadline is None else stamp(alert.deadline),
            "supersedes": alert.supersedes,
            "suppressed": list(alert.suppressed),
            **{key: alert.facts[key] for key in ("cause", "rules_from") if key in alert.facts},
            **({"facts": facts} if facts else {}),
        }
    return msgspec.json.encode({"type": alert.type, "timestamp": stamp(alert.at), "data": data})


def stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


def text(value: Decimal | None) -> str | None:
    if value is None:
        return None
    plain = format(value, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("-0", "") else plain


def figures_of(figures: Figures, product: Product | None, stage: str | None) -> dict[str, Any]:
    lines, metric = figures.thresholds, figures.thresholds.metric
    cure = prices = level = where = ahead = None
    if figures.debt_usd is not None and figures.recognised_usd is not None:
        weight = Weight(figures.debt_usd, figures.recognised_usd)
        names = {} if product is None else {product.rules_name(version): version for version in product.versions}
        warnings = names[figures.rules].warnings if figures.rules in names else ()
        level = shown_figure(weight, lines, warnings)
        where = band_of(weight, lines)
        if figures.rules in names and not figures.missing:
            held = [Position(i.asset, i.quantity, i.price, i.value_usd, i.recognised_usd) for i in figures.inputs]
            of = valued(weight, held, lines, names[figures.rules])
            owed: dict[str, Decimal] = {}
            ahead = next_line(weight, lines, stage)
            with exact():
                for debt in figures.debts:
                    owed[debt.asset] = owed.get(debt.asset, ZERO) + debt.principal + debt.interest
                cure = cure_of(of, lines.initial, falls=lines.falls)
                prices = {p.asset: text(price(of, p, owed.get(p.asset, ZERO), lines.liquidation)) for p in held}
                usd = {debt.asset: debt.price for debt in figures.debts}
                for asset in sorted(owed.keys() - prices.keys()):
                    bare = Position(asset, ZERO, usd[asset], ZERO, ZERO)
                    prices[asset] = text(price(of, bare, owed[asset], lines.liquidation))
    sums = ("ltv", "debt_usd", "recognised_usd", "market_usd")
    return {
        **{name: text(getattr(figures, name)) for name in sums},
        "thresholds": {name: text(line) for name, line in lines.stated.items()},
        "band": where,
        "next_line": ahead,
        "cure": cure,
        "liquidation_price": prices,
        "inputs": [row(each) for each in figures.inputs],
        "debts": [row(each) for each in figures.debts],
        "inputs_cut": 0,
        **({"bound": True} if figures.missing and figures.debt_usd is not None else {}),
        **({"missing": list(figures.missing)} if figures.missing else {}),
        "rules": figures.rules,
        **({"metric": metric.name, metric.name: text(level)} if metric.falls else {}),
    }


def is_crossed(weight: Weight, lines: Thresholds, name: str) -> bool:
    """Of a group that owes; in fractions."""
    line, debt, counted = (Fraction(x) for x in (lines.stated[name], weight.debt, weight.recognised))
    if counted <= 0:
        return True
    past = line * debt - counted if lines.falls else debt - line * counted
    return past > 0 or (past == 0 and name not in lines.metric.strict)


def band_of(weight: Weight, lines: Thresholds) -> str:
    if not weight.debt:
        return "normal"
    if weight.recognised <= 0:
        return "immediate"
    crossed = [name for name in lines.stated if is_crossed(weight, lines, name)]
    return crossed[-1].replace("initial", "restricted") if crossed else "normal"


def next_line(weight: Weight, lines: Thresholds, stage: str | None) -> dict[str, Any] | None:
    names = {"margin_call": ("liquidation", "immediate"), "delayed_liquidation": ("immediate",), "liquidation": ()}
    for name in names.get(stage or "", tuple(lines.stated)):
        if name not in lines.stated or (weight.debt and is_crossed(weight, lines, name)):
            continue
        line, debt, counted = (Fraction(x) for x in (lines.stated[name], weight.debt, weight.recognised))
        far = Fraction(100)
        if debt:
            far = (counted - line * debt if lines.falls else line * counted - debt) * 100
            far /= counted if lines.falls else line * counted
        return {
            "name": name,
            ("level" if lines.falls else "ltv"): text(lines.stated[name]),
            "distance_percent": text(Decimal(far.numerator * 100 // far.denominator).scaleb(-2)),
            **({"strict": True} if name in lines.metric.strict else {}),
        }
    return None


def row(of: Input | Debt) -> dict[str, Any]:
    shown = {
        name: text(value) if isinstance(value, Decimal) else stamp(value) if isinstance(value, datetime) else value
        for name, value in msgspec.structs.asdict(of).items()
        if name != "pinned"
    }
    if of.pinned is not None:
        shown["pinned"] = {"by": of.pinned.by, "until": stamp(of.pinned.until), "reason": of.pinned.reason}
    return shown


def up(numerator: Decimal, denominator: Decimal, unit: Decimal) -> Decimal:
    return UP.quantize(UP.divide(numerator, denominator), unit)


def cure_of(of: Valued, initial: Decimal, *, falls: bool) -> dict[str, Any]:
    of_debt, of_recognised = of.terms.factors(initial)
    excess = of_debt * of.debt - of_recognised * of.counted
    name = "to_level" if falls else "to_ltv"
    if excess <= 0 or not of.debt:
        nothing = {p.asset: "0" for p in of.held}
        return {name: text(initial), "repay_usd": "0", "add_recognised_usd": "0", "by_asset": nothing}
    repaid = of_debt if of.terms.tiers is None else of_recognised
    return {
        name: text(initial),
        "repay_usd": text(up(excess, repaid, CENT)),
        "add_recognised_usd": text(up(excess, of_recognised, CENT)),
        "by_asset": {p.asset: text(to_add(of, p, of_debt * of.debt, of_recognised)) for p in of.held},
    }


def to_add(of: Valued, held: Position, debt: Decimal, initial: Decimal) -> Decimal | None:
    if held.price is None or held.value is None or held.recognised is None:
        return None
    target = debt - initial * (of.counted - held.recognised)
    done, floor = ZERO, ZERO
    for bound, share in of.ladders[held.asset]:
        full = None if bound is None else done + (bound - floor) * share
        if share > 0 and (full is None or target <= full * initial):
            denominator = initial * share
            numerator = floor * denominator + target - done * initial
            return up(numerator - held.value * denominator, held.price * denominator, EIGHT_PLACES)
        if bound is None or full is None:
            return None
        done, floor = full, bound
    return None


def price(of: Valued, held: Position, owed: Decimal, line: Decimal) -> Decimal | None:
    """The nearest of the roots, tier by tier on both sides, whether the coin is owed or not."""
    if held.price is None or held.recognised is None:
        return None
    of_debt, of_recognised = of.terms.factors(line)
    required: Ladder = of.terms.required(held.asset) if owed else ((None, Decimal(1)),)
    netted = ZERO if of.terms.tiers is None else owed
    fixed_debt = of.debt - recognised(required, owed * held.price)
    fixed_counted = of.counted - held.recognised + netted * held.price
    best: Decimal | None = None
    for own in pieces((*of.ladders.get(held.asset, ()), (None, ZERO))):
        for theirs in pieces(required):
            slope = of_recognised * (held.quantity * own[2] - netted) - of_debt * owed * theirs[2]
            rest = of_debt * (fixed_debt + theirs[3]) - of_recognised * (fixed_counted + own[3])
            if not slope:
                continue
            # To the good side: up where a higher price is better for the group, down where it is worse.
            rounding = UP if slope > 0 else DOWN
            if slope < 0:
                rest, slope = -rest, -slope
            within = all(
                floor * slope <= rest * quantity and (bound is None or rest * quantity <= bound * slope)
                for (floor, bound, _, _), quantity in ((own, held.quantity), (theirs, owed))
            )
            if rest > 0 and within:
                quotient = rounding.divide(rest, slope)
                unit = min(EIGHT_PLACES, Decimal(1).scaleb(quotient.adjusted() - 11))
                root = rounding.quantize(quotient, unit)
                if best is None or abs(root - held.price) < abs(best - held.price):
                    best = root
    return best


def pieces(ladder: Ladder) -> list[tuple[Decimal, Decimal | None, Decimal, Decimal]]:
    found, done, floor = [], ZERO, ZERO
    for bound, share in ladder:
        found.append((floor, bound, share, done - floor * share))
        if bound is None:
            break
        done, floor = done + (bound - floor) * share, bound
    return found


def recognised(ladder: Ladder, value: Decimal) -> Decimal:
    total, floor = ZERO, ZERO
    for bound, share in ladder:
        if bound is None or value <= bound:
            return total + (value - floor) * share
        total, floor = total + (bound - floor) * share, bound
    return total
