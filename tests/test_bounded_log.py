"""A log that leaves out lines says how many, also where no more of them come."""

from __future__ import annotations

from structlog.testing import capture_logs

from monitor.daemon.upkeep import tell_left_out
from monitor.telemetry import BoundedLog
from tests.fakes import FakeClock
from tests.looks import START


async def test_what_was_left_out_is_told_when_its_minute_is_over() -> None:
    clock, log = FakeClock(START), BoundedLog()
    with capture_logs() as said:
        for _ in range(97):
            log.warning(clock.monotonic_s(), "loans negative", "a line of the loan book was refused")
        tell_left_out(clock)
        assert len(said) == 1
        await clock.advance(61)
        tell_left_out(clock)
        tell_left_out(clock)
    assert said[1:] == [
        {"event": "lines were left out of the log", "like": "loans negative", "left_out": 96, "log_level": "warning"}
    ]
