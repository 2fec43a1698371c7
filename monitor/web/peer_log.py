"""What aiohttp has to say about requests, as lines of our log: strangers write a line a minute there, and no traceback."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from monitor.clock import Clock
from monitor.notifiers._base import one_line
from monitor.telemetry import BoundedLog, log


def peer_logger(clock: Clock) -> logging.Logger:
    """A logger for aiohttp, known to nobody else."""
    logger = logging.Logger("monitor.web", logging.DEBUG)
    logger.addHandler(_Lines(clock))
    return logger


class _Lines(logging.Handler):
    """Of faults of the peer one line a minute; of faults of ours each, with its traceback."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._log = BoundedLog()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError):
            address = record.args[0] if isinstance(record.args, tuple) and record.args else None
            words = one_line(getattr(error, "message", "") or error, 120)
            self._log.warning(
                self._clock.monotonic_s(), "peer", "a request cannot be read", address=address, reason=words
            )
        elif error is not None:
            log.error("a request failed", what=one_line(record.getMessage(), 200), exc_info=error)
        elif record.levelno >= logging.WARNING:
            log.warning("the web server says", what=one_line(record.getMessage(), 200))
