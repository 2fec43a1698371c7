"""Which lines a group still has before it: that depends on its stage, not on its level alone (decision 121)."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL
from monitor.core.valuation.remedies import ALL_LINES

AHEAD: Mapping[str, tuple[str, ...]] = {
    NORMAL: ALL_LINES,
    MARGIN_CALL: ("liquidation", "immediate"),
    DELAYED: ("immediate",),
    LIQUIDATION: (),
}
"""By stage. A grace period is not ended by the liquidation line, and a liquidation by no line but the initial level."""


def lines_ahead(stage: str | None) -> tuple[str, ...]:
    """The lines that can still change what happens to a group; all of them where no stage is known."""
    return ALL_LINES if stage is None else AHEAD[stage]
