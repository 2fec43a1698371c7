"""Why a group stands where it stands: each asset, price, age and tier, each loan, and what follows. Pure, and exact."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

from monitor.core.alerts.payload import AckShown, acknowledged
from monitor.core.alerts.rows_shown import PinnedShown, pinned_shown
from monitor.core.borrowing.limits import BorrowableCoin, Borrower, borrowable, order_reasons
from monitor.core.borrowing.margin import Closable, Liability, closable, liabilities
from monitor.core.borrowing.margin_account import (
    margin_of,
    not_stated,
)
from monitor.core.borrowing.permissions import NotAllowed, PermittedShown, permitted_shown
from monitor.core.groups.outcome import Sight
from monitor.core.groups.renewal import Renewal, renewal_of
from monitor.core.loans.interest import daily_rate, is_settling, late_factor
from monitor.core.money import ZERO, exact, plain
from monitor.core.queries import book_age
from monitor.core.queries import lender_shown as theirs
from monitor.core.queries.allowed import allowed_now, collateral_level, on_margin
from monitor.core.queries.bounds_shown import BoundsShown, bounds_shown
from monitor.core.queries.call_shown import CallBrief, CallShown, call_brief, call_shown
from monitor.core.queries.inbox import Look
from monitor.core.queries.prices_shown import price_shown
from monitor.core.queries.terms_shown import TermShown, terms_shown
from monitor.core.rules.ladders import ByAmount, at_price
from monitor.core.rules.product import Ladder, Product
from monitor.core.rules.thresholds import metric_reason
from monitor.core.stages.ahead import lines_ahead
from monitor.core.stages.decision import is_overdue
from monitor.core.stages.stages import Stage
from monitor.core.text import plain_or_none, stamp, stamp_or_none, texts
from monitor.core.valuation.bounds import bounds
from monitor.core.valuation.clearance import ClearanceShown, clearance
from monitor.core.valuation.interest_cover import ShortCoin, shortfalls
from monitor.core.valuation.joint_factor import JointFactor, joint_factors
from monitor.core.valuation.ladder import tiers_filled
from monitor.core.valuation.remedies import (
    NOTHING,
    CureShown,
    NextLineShown,
    Valued,
    cure_shown,
    liquidation_prices,
    next_line_shown,
    terms_of,
    valued,
)
from monitor.core.valuation.shown_figures import figure_of, ltv_of
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


class GroupRow(msgspec.Struct, frozen=True, kw_only=True):
    """A group in a list. Figures are null while a price is missing; `ltv` is null also where nothing is recognised."""

    id: str
    product: str
    labels: Mapping[str, str]
    ltv: str | None
    stage: Stage
    band: str | None
    debt_usd: str | None
    recognised_usd: str | None
    deadline: str | None
    blind: bool
    unknown: bool
    version: int
    thresholds: dict[str, str]
    next_line: NextLineShown | None
    margin_level: str | UnsetType | None = UNSET
    health_factor: str | UnsetType | None = UNSET
    acknowledged: AckShown | None = None
    call: CallBrief | UnsetType = UNSET
    """Where a margin call with an amount is there."""


class FiguresShown(msgspec.Struct, frozen=True, kw_only=True):
    """Exact figures; null while a price is missing.

    `ltv` is debt over recognised value for every product. One that is judged by a margin level or a health factor has that
    as well; where loans are liabilities the debt is the maintenance margin, and recognised value the net equity.
    """

    ltv: str | None
    band: str | None
    debt_usd: str | None
    recognised_usd: str | None
    market_usd: str | None
    margin_level: str | UnsetType | None = UNSET
    health_factor: str | UnsetType | None = UNSET
    net_equity_usd: str | UnsetType | None = UNSET
    liabilities_usd: str | UnsetType | None = UNSET
    initial_margin_usd: str | UnsetType | None = UNSET
    available_margin_usd: str | UnsetType | None = UNSET
    """What net collateral leaves above the initial margin; new loans are taken out of it."""
    collateral_margin_level: str | UnsetType | None = UNSET
    """Assets by their collateral ratios over what is owed, where the product states ratios beside its margin level."""
    maintenance_margin_usd: str | UnsetType | None = UNSET
    cure: CureShown | None
    liquidation_price: dict[str, str | None] | None
    liquidation_together: list[JointFactor] | UnsetType = UNSET
    """Where the product links coins: the factor by which their prices may move together."""
    next_line: NextLineShown | None
    liquidation: ClearanceShown | None
    closable: list[Closable] | UnsetType = UNSET


class Standing(FiguresShown, frozen=True, kw_only=True):
    """Figures, stage, and what follows from them. While a price is missing nothing is permitted."""

    stage: Stage
    deadline: str | None
    blind: bool
    unknown: bool
    missing: list[str]
    bounds: BoundsShown | None
    """Null while all prices are known."""
    permitted: PermittedShown
    borrowable_usd: str
    borrowable: dict[str, BorrowableCoin]


class Tier(msgspec.Struct, frozen=True):
    """The part of an asset's value that lies inside one tier of its ladder. `from` and `to` are USD; where the tiers go by
    the amount of the coin they are so at its price, and the amounts stand beside them."""

    from_: str = msgspec.field(name="from")
    to: str | None
    share: str
    value_usd: str
    recognised_usd: str
    from_amount: str | UnsetType = UNSET
    to_amount: str | UnsetType | None = UNSET


class Contribution(msgspec.Struct, frozen=True):
    """One collateral asset, its price, and what the ladder recognises of it.

    `age_s`: since the exchange's own time of the price, or since its receipt where the exchange sends no time.
    """

    asset: str
    quantity: str
    accounts: dict[str, str]
    price: str | None
    quote: str | None
    quote_price: str | None
    source: str | None
    price_at: str | None
    received_at: str | None
    age_s: float | None
    exchange_age_s: float | None
    receipt_age_s: float | None
    change_age_s: float | None
    trust: str
    reason: str | None
    value_usd: str | None
    recognised_usd: str | None
    tiers: list[Tier]
    pinned: PinnedShown | UnsetType = UNSET


class Uncounted(msgspec.Struct, frozen=True):
    """A coin that the product's ladders do not list."""

    asset: str
    quantity: str
    accounts: dict[str, str]


class LoanRate(msgspec.Struct, frozen=True):
    """Flexible, or fixed with its share per day."""

    kind: str
    daily: str | None
    paid_in: str | UnsetType = UNSET


class LoanDetail(msgspec.Struct, frozen=True):
    """One loan with its interest of the day."""

    id: str
    asset: str
    principal: str
    interest: str
    rate: LoanRate
    daily_rate: str
    late_factor: str
    settling: bool
    term: str
    opened_at: str
    matures_at: str | None
    overdue: bool
    renewal: Renewal | None
    price: str | None
    value_usd: str | None
    pinned: PinnedShown | UnsetType = UNSET


class GroupDetail(Standing, frozen=True, kw_only=True):
    """All that is known of a group at one instant."""

    id: str
    product: str
    labels: dict[str, str]
    receiving_account: str
    leverage: int | UnsetType = UNSET
    open_order_loss_usd: str | UnsetType = UNSET
    delayed_liquidation: bool
    source: str
    book: book_age.BookShown | None
    version: int
    at: str
    reason: str | None
    since: str | None
    episode: int
    sequence: int
    acknowledged: AckShown | None
    thresholds: dict[str, str]
    rules: str
    terms: list[TermShown]
    contributions: list[Contribution]
    uncounted: list[Uncounted]
    liabilities: list[Liability] | UnsetType = UNSET
    settling: bool
    loans: list[LoanDetail]
    interest_short: list[ShortCoin]
    lender: theirs.LenderShown | UnsetType = UNSET
    call: CallShown | UnsetType = UNSET
    """Where a margin call with an amount is there."""
    returnable_usd: str | UnsetType = UNSET
    """What was said last that may be asked back, of recognised value."""


def row(sight: Sight) -> GroupRow:
    """The list's view of a group, as it was weighed last."""
    group, state, weight, lines = sight.group, sight.state, sight.weight, sight.held.lines
    with exact():
        return GroupRow(
            id=group.id,
            product=group.product,
            labels=group.labels,
            ltv=plain_or_none(ltv_of(sight.held, weight)) if weight else None,
            stage=state.stage,
            band=band(weight, lines) if weight else None,
            debt_usd=plain(weight.debt) if weight else None,
            recognised_usd=plain(weight.recognised) if weight else None,
            deadline=stamp_or_none(state.deadline),
            blind=sight.blind,
            unknown=weight is None,
            version=sight.version,
            thresholds=lines.shown,
            next_line=_next(sight, weight) if weight else None,
            acknowledged=acknowledged(state.ack) if state.ack else None,
            margin_level=_level("margin_level", sight.held, weight),
            health_factor=_level("health_factor", sight.held, weight),
            call=UNSET if state.call is None else call_brief(state.call),
        )


def detail(look: Look) -> GroupDetail:
    """All that is known of a group at one instant: GET /v1/groups/{id}."""
    sight, product = look.sight, product_of(look)
    group, state, held = sight.group, sight.state, sight.held
    with exact():
        loans = [_loan(o, product, look) for o in owed(group, product, held.day, look.usd, held.minute)]
        return GroupDetail(
            **msgspec.structs.asdict(standing(look)),
            id=group.id,
            product=group.product,
            labels=dict(group.labels),
            receiving_account=group.receiving_account,
            leverage=UNSET if group.leverage is None else group.leverage,
            open_order_loss_usd=plain(group.open_order_loss) if group.open_order_loss else UNSET,
            delayed_liquidation=group.delayed_liquidation,
            source=sight.source,
            book=book_age.book_shown(sight.source, look.book) if look.book is not None else None,
            version=sight.version,
            at=stamp(look.at),
            reason=state.reason and metric_reason(state.reason, held.lines.metric),
            since=stamp_or_none(state.since),
            episode=state.episode,
            sequence=state.sequence,
            acknowledged=acknowledged(state.ack) if state.ack else None,
            thresholds=held.lines.shown,
            rules=product.rules_name(held.version),
            terms=terms_shown(group, look.rules.products[group.product]),
            contributions=[_contribution(look, p) for p in positions(held, look.usd)],
            uncounted=_uncounted(look),
            liabilities=UNSET if held.tiers is None else liabilities(group, held, look.usd),
            settling=any(loan.settling for loan in loans),
            loans=loans,
            interest_short=[each.shown for each in shortfalls(group, product, held)],
            lender=UNSET if state.lender is None else theirs.lender_shown(state.lender, look.rules.lender, look.at),
            call=call_of(look) or UNSET,
            returnable_usd=UNSET if state.returnable is None else plain(state.returnable),
        )


def call_of(look: Look) -> CallShown | None:
    """The margin call of the group that is looked at, where its product's calls have an amount."""
    call, rules = look.sight.state.call, look.sight.held.version.calls
    return None if call is None or rules is None else call_shown(call, rules, look.at)


def standing(look: Look) -> Standing:
    """Figures, stage and what follows from them. With a price missing, figures are null and nothing is permitted."""
    group, held, stage = look.sight.group, look.sight.held, look.sight.state.stage
    missing = sorted(held.assets - look.usd.keys())
    doubted = sorted({*missing, *(look.untrusted & held.assets)})
    with exact():
        figures = _no_figures(held)
        allowed = NOTHING
        if not missing:
            weight = weigh(held, look.usd)
            of = valued(weight, positions(held, look.usd), held.lines, held.version)
            figures = _figures(look, weight, of)
            allowed = allowed_now(look, of, blind=bool(doubted))
        orders = order_reasons(stage, allowed.borrowable_usd, doubted, held.lines.metric)
        margin = None if missing or held.tiers is None else margin_of(of, held, look.usd)
        orders = on_margin(orders, margin)
        borrower = Borrower(group, stage, product_of(look), held, look.usd)
        return Standing(
            **msgspec.structs.asdict(figures),
            stage=stage,
            deadline=stamp_or_none(look.sight.state.deadline),
            blind=bool(doubted),
            unknown=bool(missing),
            missing=missing,
            bounds=bounds_shown(bounds(held, look.usd), held) if missing else None,
            permitted=permitted_shown(
                sorted(group.collateral),
                stage,
                allowed,
                NotAllowed(held.lines.metric, orders, doubted, not_stated(margin) if margin else None),
            ),
            borrowable_usd=plain(allowed.borrowable_usd),
            borrowable=borrowable(borrower, look.at, orders, allowed.borrowable_usd, allowed.rooms),
        )


def product_of(look: Look) -> Product:
    """The product of the group that is looked at."""
    return look.rules.product_of(look.sight.group)


def _no_figures(held: Holding) -> FiguresShown:
    """A price is missing."""
    margin = UNSET if held.tiers is None else None
    return FiguresShown(
        ltv=None,
        band=None,
        debt_usd=None,
        recognised_usd=None,
        market_usd=None,
        margin_level=_level("margin_level", held, None),
        health_factor=_level("health_factor", held, None),
        net_equity_usd=margin,
        liabilities_usd=margin,
        initial_margin_usd=margin,
        available_margin_usd=margin,
        collateral_margin_level=None if held.tiers is None and held.version.borrow_ladders is not None else UNSET,
        maintenance_margin_usd=margin,
        cure=None,
        liquidation_price=None,
        next_line=None,
        liquidation=None,
    )


def _figures(look: Look, weight: Weight, of: Valued) -> FiguresShown:
    held, usd = look.sight.held, look.usd
    has_margins = held.tiers is not None
    owed_usd = sum((quantity * usd[asset] for asset, quantity in held.debts), ZERO)
    prices = liquidation_prices(of, held.lines.liquidation, dict(held.debts), usd)
    return FiguresShown(
        ltv=plain_or_none(ltv_of(held, weight)),
        band=band(weight, held.lines),
        debt_usd=plain(weight.debt),
        recognised_usd=plain(weight.recognised),
        market_usd=plain(sum((p.value for p in of.held if p.value is not None), ZERO)),
        margin_level=_level("margin_level", held, weight),
        health_factor=_level("health_factor", held, weight),
        net_equity_usd=plain(weight.recognised) if has_margins else UNSET,
        liabilities_usd=plain(owed_usd) if has_margins else UNSET,
        initial_margin_usd=plain(initial_margin(held, usd)) if has_margins else UNSET,
        available_margin_usd=plain(margin_of(of, held, usd).available) if has_margins else UNSET,
        collateral_margin_level=collateral_level(of, held),
        maintenance_margin_usd=plain(weight.debt) if has_margins else UNSET,
        cure=cure_shown(of, held.lines),
        liquidation_price={asset: plain_or_none(price) for asset, price in prices.items()},
        liquidation_together=joint_factors(held, usd) if held.version.links else UNSET,
        next_line=_next(look.sight, weight),
        liquidation=ClearanceShown(**texts(clearance(held, usd))),
        closable=UNSET if held.version.close_factor is None else closable(held, weight, usd),
    )


def _next(sight: Sight, weight: Weight) -> NextLineShown | None:
    lines = sight.held.lines
    return next_line_shown(weight, lines, terms_of(lines, sight.held.version), lines_ahead(sight.state.stage))


def _level(name: str, held: Holding, weight: Weight | None) -> str | UnsetType | None:
    """The metric of this name, where the product is judged by it; null while a price is missing."""
    if not held.lines.falls or held.lines.metric.name != name:
        return UNSET
    return plain_or_none(figure_of(held, weight)) if weight else None


def _contribution(look: Look, position: Position) -> Contribution:
    asset = position.asset
    price = price_shown(asset, look.marks, look.usd, look.untrusted, look.rules, look.at)
    price = msgspec.structs.replace(price, reason=look.why_missing.get(asset, price.reason))
    ladder = look.sight.held.version.ladders_of([asset])[asset]
    return Contribution(
        asset=asset,
        quantity=plain(position.quantity),
        accounts=_accounts(look, asset),
        price=price.price,
        quote=price.quote,
        quote_price=price.quote_price,
        source=price.source,
        price_at=price.price_at,
        received_at=price.received_at,
        age_s=price.receipt_age_s if price.exchange_age_s is None else price.exchange_age_s,
        exchange_age_s=price.exchange_age_s,
        receipt_age_s=price.receipt_age_s,
        change_age_s=price.change_age_s,
        trust=price.trust,
        reason=price.reason,
        value_usd=plain_or_none(position.value),
        recognised_usd=plain_or_none(position.recognised),
        tiers=_tiers(ladder, position),
        pinned=price.pinned,
    )


def _accounts(look: Look, asset: str) -> dict[str, str]:
    collateral = look.sight.group.collateral
    return {account: plain(coins[asset]) for account, coins in collateral.items() if coins.get(asset)}


def _tiers(ladder: Ladder, position: Position) -> list[Tier]:
    if position.price is None or position.value is None:
        return []
    found = [
        Tier(plain(floor), plain_or_none(bound), plain(share), plain(inside), plain(inside * share))
        for floor, bound, share, inside in tiers_filled(at_price(ladder, position.price), position.value)
    ]
    if type(ladder) is not ByAmount:
        return found
    floors = [ZERO, *(bound for bound, _ in ladder if bound is not None)]
    return [
        msgspec.structs.replace(tier, from_amount=plain(floor), to_amount=plain_or_none(bound))
        for tier, floor, (bound, _) in zip(found, floors, ladder, strict=False)
    ]


def _uncounted(look: Look) -> list[Uncounted]:
    """Coins in the collateral accounts that the product's ladders do not list: they count nothing (decision 9)."""
    version, held = look.sight.held.version, sorted(look.sight.group.quantities().items())
    return [Uncounted(asset, plain(q), _accounts(look, asset)) for asset, q in held if version.ladder(asset) is None]


def _loan(item: Owed, product: Product, look: Look) -> LoanDetail:
    loan, at, sight = item.loan, look.at, look.sight
    borrower = Borrower(sight.group, sight.state.stage, product, sight.held, look.usd)
    return LoanDetail(
        id=loan.id,
        asset=loan.asset,
        principal=plain(loan.principal),
        interest=plain(item.interest),
        rate=LoanRate(loan.rate.kind, plain_or_none(loan.rate.daily), loan.rate.paid_in or UNSET),
        daily_rate=plain(daily_rate(loan, product, at)),
        late_factor=plain(late_factor(loan, product, at)),
        settling=is_settling(product, at) and loan.is_owed and loan.since < sight.held.day,
        term=loan.term,
        opened_at=stamp(loan.opened_at),
        matures_at=stamp_or_none(loan.matures_at),
        overdue=is_overdue(loan, at),
        renewal=renewal_of(borrower, loan, at),
        price=plain_or_none(item.price),
        value_usd=plain_or_none(item.value),
        pinned=pinned_shown(mark.pinned) if (mark := look.marks.get(loan.asset)) else UNSET,
    )
