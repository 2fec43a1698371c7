"""Logs (structlog) and metrics (Prometheus). No secret comes here: a log line names a channel, not its key."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import sys
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


def configure(level: str = "info", *, as_json: bool = False) -> None:
    """Sends all logs to stderr, as lines for people or as JSON."""
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty()
    )  # fmt: skip
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(_Unfailing()),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=True,
    )


class _Unfailing:
    """Standard error. It may lead to a full disk or to a pipe that nobody reads any more: a line of the log may be lost
    then, what it tells of must go on."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


log = structlog.get_logger("monitor")


class BoundedLog:
    """Logs at most one line per key and minute, and says how many it left out: a bad feed must not fill the disk."""

    def __init__(self, every_s: float = 60.0) -> None:
        self.every_s = every_s
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, now_s: float, key: str, message: str, **facts: Any) -> None:
        """Logs now, or counts; `now_s` is monotonic time. At most 10,000 keys are remembered."""
        last = self._last.get(key)
        if last is not None and now_s - last < self.every_s:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        if len(self._last) > 10_000:
            self._last.clear()
            self._left_out.clear()
        self._last[key] = now_s
        left_out = self._left_out.pop(key, 0)
        log.warning(message, **facts, **({"left_out": left_out} if left_out else {}))


class Health:
    """Why the daemon is not ready, by part. Written by the parts, read by readiness; empty means ready."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {"startup": "still starting"}

    def set(self, part: str, reason: str | None) -> None:
        """States what is wrong with a part, or None when nothing is."""
        if reason is None:
            self.reasons.pop(part, None)
        else:
            self.reasons[part] = reason


class Metrics:
    """The daemon's metrics, in a registry of their own so that a process can run two daemons."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        self.tick_to_commit = Histogram(
            "monitor_tick_to_commit_seconds", "Batch received to alert durable.", buckets=_LATENCY_BUCKETS, registry=r
        )
        self.tick_to_sent = Histogram(
            "monitor_tick_to_sent_seconds", "Batch received to first attempt answered.", ["notifier"],
            buckets=_LATENCY_BUCKETS, registry=r,
        )  # fmt: skip
        self.handle = Histogram("monitor_handle_seconds", "Core's time for one event.", ["event"],
                                buckets=_LATENCY_BUCKETS, registry=r)  # fmt: skip
        self.commit = Histogram("monitor_commit_seconds", "One store commit.", buckets=_LATENCY_BUCKETS, registry=r)
        self.alerts = Counter("monitor_alerts_total", "Alerts committed.", ["type", "severity"], registry=r)
        self.attempts = Counter("monitor_delivery_attempts_total", "Attempts by outcome.", ["notifier", "outcome"],
                                registry=r)  # fmt: skip
        self.superseded = Counter(
            "monitor_deliveries_superseded_total", "Notices cancelled before delivery.", registry=r
        )
        self.groups = Gauge("monitor_groups", "Groups by stage.", ["stage"], registry=r)
        self.groups_unknown = Gauge("monitor_groups_unknown", "Groups with a missing price.", registry=r)
        self.groups_blind = Gauge("monitor_groups_blind", "Groups with an untrusted price.", registry=r)
        self.fund = Gauge("monitor_fund_usd", "Insurance fund: balance, projected draw, fees.", ["figure"], registry=r)
        self.price_age = Gauge("monitor_price_age_seconds", "Since the last receipt.", ["asset"], registry=r)
        self.price_trust = Gauge(
            "monitor_price_untrusted", "1 where a price is stale or suspect.", ["asset"], registry=r
        )
        self.queue_depth = Gauge("monitor_queue_depth", "Undelivered notices.", ["notifier"], registry=r)
        self.oldest_undelivered = Gauge("monitor_oldest_undelivered_seconds", "Age of the oldest undelivered notice.",
                                        ["notifier"], registry=r)  # fmt: skip
        self.feed_connected = Gauge("monitor_feed_connected", "1 while connected.", ["feed"], registry=r)
        self.feed_frames = Gauge("monitor_feed_frames", "Frames received.", ["feed"], registry=r)
        self.feed_refused = Gauge("monitor_feed_refused", "Frames and prices refused.", ["feed", "reason"], registry=r)
        self.feed_reconnects = Gauge("monitor_feed_reconnects", "Connections made again.", ["feed"], registry=r)
        self.book_refused = Counter(
            "monitor_book_refused_total", "Lines, puts and entries refused.", ["source", "reason"], registry=r
        )
        self.conflated = Counter("monitor_quotes_conflated_total", "Quotes replaced by newer ones unseen.", registry=r)
        self.loop_lag = Gauge("monitor_loop_lag_seconds", "Lateness of the event loop, last second.", registry=r)
        self.store_ok = Gauge("monitor_store_writable", "1 while the store takes commits.", registry=r)


def trim_memory() -> None:
    """Gives back to the system what was freed. Reading a large book leaves a third of its memory in half-empty pages."""
    with contextlib.suppress(
        OSError, AttributeError
    ):  # a C library other than glibc has no such call, and gives pages back itself
        ctypes.CDLL(None).malloc_trim(0)
