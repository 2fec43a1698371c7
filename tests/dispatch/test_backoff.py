"""When a failed delivery is tried again."""

from datetime import timedelta

import pytest

from monitor.dispatch import backoff
from tests.fakes import START


@pytest.mark.parametrize(
    ("severity", "steps"),
    [
        ("critical", [1, 2, 4, 8, 15, 30, 60, 60, 60]),
        ("warning", [5, 15, 45, 120, 300, 300]),
        ("info", [30, 120, 600, 1800, 1800]),
    ],
)
def test_waits_grow_to_the_limit_of_the_severity_within_a_fifth(severity: str, steps: list[float]) -> None:
    for failures, step in enumerate(steps, 1):
        assert 0.8 * step <= backoff.delay_s(severity, failures, "dlv_1") <= 1.2 * step


def test_the_jitter_is_the_same_in_every_run_and_differs_between_deliveries_and_tries() -> None:
    waits = [backoff.delay_s("info", n, f"dlv_{i}") for i in range(50) for n in (4, 5)]
    assert waits == [backoff.delay_s("info", n, f"dlv_{i}") for i in range(50) for n in (4, 5)]
    assert len(set(waits)) == 100
    assert min(waits) < 1800 * 0.85
    assert max(waits) > 1800 * 1.15


def test_a_delivery_is_given_up_after_72_hours() -> None:
    assert not backoff.is_given_up(START, START + timedelta(hours=72))
    assert backoff.is_given_up(START, START + timedelta(hours=72, seconds=1))
