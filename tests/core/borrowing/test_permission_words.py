"""Refusals name the metric that judges the group: nobody looks for an LTV where a margin level is meant."""

from __future__ import annotations

import pytest

from monitor.core.borrowing.limits import order_reasons
from monitor.core.borrowing.permissions import NotAllowed, permitted_shown
from monitor.core.money import ZERO
from monitor.core.rules.thresholds import LTV, Metric
from monitor.core.valuation.remedies import NOTHING

MARGIN, HEALTH = Metric("margin_level", True), Metric("health_factor", True, ("liquidation",))


@pytest.mark.parametrize(("metric", "word"), [(MARGIN, "margin level"), (HEALTH, "health factor")])
def test_refusals_name_the_metric_that_judges(metric: Metric, word: str) -> None:
    (order,) = order_reasons("normal", ZERO, (), metric)
    assert order.text == f"collateral does not suffice: an order would take the {word} below the initial level"
    kept = permitted_shown(["a"], "normal", NOTHING, NotAllowed(metric, [order], ()))
    assert kept.accounts["a"].reasons[0].text == f"{word} is not above the level at which assets may leave"
    (order,) = order_reasons("normal", ZERO, (), LTV)
    assert "LTV above the initial level" in order.text
