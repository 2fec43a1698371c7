"""What a reload with other rules would do to the book at the prices of now: refused, or which groups change stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice

import msgspec

from monitor.core.groups.book_changes import check_fit_all
from monitor.core.groups.outcome import Sight
from monitor.core.groups.snapshot import Loss, Swept
from monitor.core.money import exact, plain
from monitor.core.portfolio.snapshot import WholeBook, best_worth
from monitor.core.portfolio.stress import MovedGroups, by_stage_rank, sums_shown
from monitor.core.portfolio.under_rules import renewed
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Rules
from monitor.core.stages.ahead import lines_ahead
from monitor.core.stages.stages import STAGES, Stage
from monitor.core.text import plain_or_none, stamp
from monitor.core.valuation.remedies import NextLineShown, next_line_shown, terms_of
from monitor.core.valuation.shown_figures import figure_of, ltv_of
from monitor.core.valuation.valuation import Holding, Weight


class ReloadRefused(msgspec.Struct, frozen=True):
    """Why a reload with these rules would change nothing."""

    reason: str
    detail: str


class ChangedProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A product whose rules are others, with the versions in force now; `to` is null where it goes, `from` where it comes."""

    product: str
    from_: str | None = msgspec.field(name="from")
    to: str | None
    groups: int


class PreviewedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group that would change its stage; exact. `level` where its product is judged by one, such as a margin level."""

    id: str
    product: str
    labels: dict[str, str]
    from_: Stage = msgspec.field(name="from")
    to: Stage
    ltv_before: str | None
    ltv: str | None
    level_before: str | None
    level: str | None
    missing: list[str]
    """Coins without a price: the figures are the best that they leave possible, and decide all the same."""
    debt_usd: str
    recognised_before_usd: str | None
    recognised_usd: str
    next_line: NextLineShown | None


class RulesPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload would do at the prices of now. Nothing is changed."""

    at: str
    refused: ReloadRefused | None
    products: list[ChangedProduct]
    lifecycle: list[str]
    """The keys of [lifecycle] that are others."""
    groups: int
    unknown: int
    """Groups without a price that a reload leaves as they are."""
    is_exact: bool
    """Every group's stage is exact."""
    moves: list[MovedGroups]
    """Only those that change their stage."""
    items: list[PreviewedGroup]
    """The worst stage first."""
    cut: int


def preview(book: WholeBook, rules: Rules, limit: int) -> RulesPreview:
    """The preview of rules, with the rates that were given beside them; at most `limit` groups are listed."""
    snapshot, counts = book.snapshot, book.snapshot.by_product()
    refused, swept = None, Swept({}, 0, Loss(), {})
    try:
        with exact():
            check_fit_all(snapshot.examples(), rules, book.at)
        swept = snapshot.under(rules).sweep(book.prices, ())
    except Refused as e:
        refused = ReloadRefused(e.reason, str(e))
    moves = {move: sums for move, sums in swept.moves.items() if move[0] != move[1]}
    count = sum(sums.groups for sums in moves.values())
    items = [_row(book, rules, *mover) for mover in islice(_movers(swept), limit)]
    how, old = rules.lifecycle, book.rules.lifecycle
    with exact():
        return RulesPreview(
            at=stamp(book.at),
            refused=refused,
            products=list(_changed(book.rules.products, rules.products, counts, book.at)),
            lifecycle=[key for key in how.__struct_fields__ if getattr(how, key) != getattr(old, key)],
            groups=len(snapshot),
            unknown=swept.unknown,
            is_exact=swept.are_counts_exact,
            moves=[
                MovedGroups(*move, *msgspec.structs.astuple(sums_shown(sums)))
                for move, sums in sorted(moves.items(), key=by_stage_rank)
            ],
            items=items,
            cut=count - len(items),
        )


def _movers(swept: Swept) -> Iterator[tuple[Sight, Stage]]:
    for stage in reversed(STAGES):
        if stage in swept.newly:
            yield from ((sight, stage) for sight in swept.newly[stage]())


def _row(book: WholeBook, rules: Rules, after: Sight, stage: Stage) -> PreviewedGroup:
    """`after` holds and owes what it does under the new rules."""
    with exact():
        before = renewed(after, book.rules, book.at)
        was, now = best_worth(before.held, book.prices), best_worth(after.held, book.prices)
        assert now is not None, "a group that nothing decides moves nowhere"
        lines = after.held.lines
        return PreviewedGroup(
            id=after.group.id,
            product=after.group.product,
            labels=dict(after.group.labels),
            from_=after.state.stage,
            to=stage,
            ltv_before=plain_or_none(ltv_of(before.held, was.weight)) if was is not None else None,
            ltv=plain_or_none(ltv_of(after.held, now.weight)),
            level_before=_level(before.held, was.weight) if was is not None else None,
            level=_level(after.held, now.weight),
            missing=sorted(after.held.assets - book.prices.usd.keys()),
            debt_usd=plain(now.owed),
            recognised_before_usd=plain(was.weight.recognised) if was is not None else None,
            recognised_usd=plain(now.weight.recognised),
            next_line=next_line_shown(now.weight, lines, terms_of(lines, after.held.version), lines_ahead(stage)),
        )


def _level(held: Holding, weight: Weight) -> str | None:
    return plain_or_none(figure_of(held, weight)) if held.lines.falls else None


def _changed(
    old: Mapping[str, Product], new: Mapping[str, Product], counts: Mapping[str, int], at: datetime
) -> Iterator[ChangedProduct]:
    for name in sorted(old.keys() | new.keys()):
        was, then = old.get(name), new.get(name)
        if was != then:
            yield ChangedProduct(product=name, from_=_name(was, at), to=_name(then, at), groups=counts.get(name, 0))


def _name(product: Product | None, at: datetime) -> str | None:
    return None if product is None else product.rules_name(product.version_at(at))
