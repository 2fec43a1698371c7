"""What the borrower of a group may do now, by the rules of its lender, and the level by which loans are taken."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from monitor.core.borrowing.limits import COLLATERAL, Reason
from monitor.core.borrowing.margin import by_ladders, permitted_by
from monitor.core.borrowing.margin_account import Margin, no_order, on_available_margin, with_proceeds
from monitor.core.queries.inbox import Look
from monitor.core.stages.stages import LIQUIDATION, NORMAL
from monitor.core.text import plain_or_none
from monitor.core.valuation.remedies import NOTHING, PermitLines, Permitted, Valued, permitted
from monitor.core.valuation.shown_figures import figure_of
from monitor.core.valuation.valuation import Holding, Weight


def allowed_now(look: Look, of: Valued, *, blind: bool) -> Permitted:
    """What the borrower may do. Nothing while the lender liquidates; nothing leaves on a price that is not trusted."""
    group, stage, held = look.sight.group, look.sight.state.stage, look.sight.held
    if stage == LIQUIDATION:
        return NOTHING
    lines = PermitLines(held.lines.initial, held.lines.first, held.version.transfer_out)
    if held.tiers is not None:
        allowed = on_available_margin(of, held, look.usd, group.collateral, stage == NORMAL)
    else:
        allowed = permitted_by(held.version, of, lambda now: permitted(now, lines, group.collateral, stage == NORMAL))
    if held.tiers is None and held.version.has_proceeds:
        coins = look.rules.products[group.product].rated(look.at)
        allowed = with_proceeds(allowed, of, held, lines, look.usd, coins)
    if not blind:
        return allowed
    return msgspec.structs.replace(NOTHING, trade=allowed.trade, move_within_group=allowed.move_within_group)


def collateral_level(of: Valued, held: Holding) -> str | UnsetType | None:
    """Assets by the ratios that loans go by, over what is owed (section 9.4); null without a debt."""
    ratios = held.version.borrow_ladders
    if ratios is None or held.tiers is not None:
        return UNSET
    return plain_or_none(figure_of(held, Weight(of.debt, by_ladders(ratios, of).counted)))


def on_margin(orders: Sequence[Reason], margin: Margin | None) -> list[Reason]:
    """Why no new order is taken, in the figures of an account that lends out of its available margin."""
    if margin is None:
        return list(orders)
    return [no_order(margin) if each.reason == COLLATERAL else each for each in orders]
