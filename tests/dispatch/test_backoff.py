"""When a failed delivery is tried again."""

from datetime import timedelta

import pytest

from monitor.dispatch import backoff
from tests.fakes import START


@pytest.mark.parametrize(
    ("severity", "steps"),
    [
        ("critical", [1, 2, 4, 8, 15, 30, 60, 60, 60]),
        ("warning", [1, 2, 4, 8, 30, 120, 300, 300]),
        ("info", [1, 2, 4, 8, 60, 300, 1800, 1800]),
    ],
)
def test_waits_grow_to_the_limit_of_the_severity_within_a_fifth(severity: str, steps: list[float]) -> None:
    for failures, step in enumerate(steps, 1):
        assert 0.8 * step <= backoff.delay_s(severity, failures, "dlv_1") <= 1.2 * step


def test_the_jitter_is_the_same_in_every_run_and_differs_between_deliveries_and_tries() -> None:
    waits = [backoff.delay_s("info", n, f"dlv_{i}") for i in range(50) for n in (7, 8)]
    assert waits == [backoff.delay_s("info", n, f"dlv_{i}") for i in range(50) for n in (7, 8)]
    assert len(set(waits)) == 100
    assert min(waits) < 1800 * 0.85
    assert max(waits) > 1800 * 1.15


@pytest.mark.parametrize(("severity", "hours"), [("critical", 72), ("warning", 72), ("info", 24)])
def test_a_delivery_is_given_up_after_the_horizon_of_its_severity(severity: str, hours: int) -> None:
    assert not backoff.is_given_up(severity, START, START + timedelta(hours=hours))
    assert backoff.is_given_up(severity, START, START + timedelta(hours=hours, seconds=1))


@pytest.mark.parametrize(
    ("severity", "asked_s", "left", "pause_s"),
    [
        ("critical", None, None, 0),
        ("critical", 30, None, 30),
        ("critical", 86_400, None, 60),
        ("warning", 86_400, None, 600),
        ("info", 86_400, None, 3600),
        ("info", 3600, timedelta(minutes=31), 1800),
        ("info", 3600, timedelta(seconds=20), 3600),
        ("info", 3600, timedelta(hours=-1), 3600),
    ],
)
def test_a_pause_that_a_peer_asks_for_is_clamped(
    severity: str, asked_s: float | None, left: timedelta | None, pause_s: float
) -> None:
    """By the severity, and by the deadline that the notice names: there is a try a minute before it."""
    assert backoff.pause_s(severity, asked_s, left) == pause_s
