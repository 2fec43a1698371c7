"""Fault test 15: an LTV that crosses a line a thousand times raises no more than the margin and the hold allow."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import BAD_STAGE_NEWS, GOOD_STAGE_NEWS, STAGE_NEWS
from monitor.core.events.events import MarkPrices
from tests.coin_desk import START, line
from tests.core.desk import Desk, quotes

CROSSINGS = 1000
BASIS_POINT = Decimal("0.0001")
MARGIN, HOLD = Decimal("0.01"), timedelta(minutes=15)
CALL, INITIAL = Decimal("0.77"), Decimal("0.72")


def played(desk: Desk, ltvs: Iterable[Decimal], every: timedelta) -> list[tuple[datetime, Decimal]]:
    """Plays one price after the other, evenly in time; returns them with their times."""
    told = []
    for number, ltv in enumerate(ltvs, 1):
        at = START + number * every
        desk.handle(MarkPrices(at, quotes(str(ltv), at)))
        told.append((at, ltv))
    return told


def stage_news(desk: Desk) -> list[Alert]:
    return [alert for alert in desk.alerts if alert.type in STAGE_NEWS]


def assert_in_turn(news: list[Alert]) -> None:
    """The sequence rises strictly, and good news comes only after the bad news of its episode."""
    for before, after in pairwise(news):
        assert after.sequence > before.sequence
    bad: set[int] = set()
    for alert in news:
        if alert.type in GOOD_STAGE_NEWS:
            assert alert.episode in bad, f"good news before the bad news of its episode: {alert}"
            bad.remove(alert.episode)
        elif alert.type in BAD_STAGE_NEWS:
            bad.add(alert.episode)
    assert len(bad) <= 1


@pytest.mark.parametrize(
    ("at", "is_enrolled", "expected"),
    [
        ("0.72", False, []),
        ("0.77", False, ["margin_call.opened"]),
        ("0.91", False, ["margin_call.opened", "liquidation.triggered"]),
        ("0.91", True, ["margin_call.opened", "delayed_liquidation.started"]),
        ("0.95", True, ["delayed_liquidation.started", "liquidation.triggered"]),
    ],
)
def test_a_thousand_crossings_of_a_line_by_a_basis_point_are_told_once(
    at: str, is_enrolled: bool, expected: list[str]
) -> None:
    """Below the line and above it in turn, a crossing a second."""
    desk = Desk(line(delayed_liquidation=is_enrolled))
    around = (Decimal(at) - BASIS_POINT, Decimal(at) + BASIS_POINT)
    played(desk, (around[n % 2] for n in range(CROSSINGS)), timedelta(seconds=1))
    assert [alert.type.removeprefix("loan_group.") for alert in stage_news(desk)] == expected
    warnings = [alert for alert in desk.alerts if alert.type == "loan_group.early_warning"]
    assert len(warnings) <= 1
    assert_in_turn(stage_news(desk))


@pytest.mark.parametrize("seed", range(5))
def test_an_ltv_that_swings_wider_than_the_margin_opens_no_oftener_than_its_calm_lasts(seed: int) -> None:
    """Opened again only after a cure, and cured only after the whole hold below the margin, or at the initial level."""
    rng = Random(seed)
    desk = Desk(line())
    ltvs: list[Decimal] = []
    while len(ltvs) < CROSSINGS:
        low = CALL - rng.choice((1, 80, 120, 300)) * BASIS_POINT
        ltvs += [low] * rng.choice((1, 1, 1, 2, 10, 25)) + [CALL + rng.randrange(300) * BASIS_POINT]
    told = played(desk, ltvs, timedelta(minutes=1))
    assert len(_allowed(told)) > 5, "a market without any calm shows nothing"
    news = stage_news(desk)
    assert [alert.type for alert in news[::2]] == ["loan_group.margin_call.opened"] * len(news[::2])
    assert [alert.type for alert in news[1::2]] == ["loan_group.margin_call.cured"] * len(news[1::2])
    assert [alert.at for alert in news[1::2]] == _allowed(told)
    assert_in_turn(news)


def _allowed(told: list[tuple[datetime, Decimal]]) -> list[datetime]:
    """When a margin call that is open may be cured, by the sentence alone: a whole hold below the line less the margin."""
    cures: list[datetime] = []
    is_open, since = False, None
    for at, ltv in told:
        if not is_open:
            is_open, since = ltv >= CALL, None
            continue
        if ltv >= CALL - MARGIN:
            since = None
            continue
        since = since or at
        if at >= since + HOLD or ltv <= INITIAL:
            cures.append(at)
            is_open = False
    return cures
