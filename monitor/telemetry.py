"""Logs (structlog) and metrics (Prometheus). No secret comes here: a log line names a channel, not its key."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import platform
import re
import sqlite3
import sys
import weakref
from collections.abc import Callable, Iterable, MutableMapping
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.control_characters import visible

_LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


def configure(level: str = "info", *, as_json: bool = False) -> None:
    """Sends all logs to stderr, as lines for people or as JSON."""
    for_people = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    renderer: Any = structlog.processors.JSONRenderer() if as_json else for_people
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _scrub,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(_Unfailing()),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=True,
    )


_USER_INFO = re.compile(r"(:/{1,2})[^/\s'\"]*@")
_IN_A_QUERY = re.compile(r"[?&]([^=?&\s]{1,200})=")
"""A name. Whether it is a secret's is asked apart, as one pattern for both takes minutes for some lines of a peer."""
_VALUE = re.compile(r"[^&\s'\"]+")
_SECRET_NAME = re.compile("token|key|secret|passw|pwd|auth|sig", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """A text without the user and password of any address in it, and without what a query calls a secret."""
    return _without_secrets(_USER_INFO.sub(r"\1***@", text)) if "@" in text or "=" in text else text


def _without_secrets(text: str) -> str:
    kept: list[str] = []
    end = 0
    for name in _IN_A_QUERY.finditer(text):
        if name.start() >= end and _SECRET_NAME.search(name[1]) and (value := _VALUE.match(text, name.end())):
            kept += text[end : name.end()], "***"
            end = value.end()
    return "".join(kept) + text[end:]


def _scrub(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """No line shows a password of an address, or a control character, whoever put it into a text: a library, a peer, a
    traceback, which alone has lines of its own."""
    for key, value in line.items():
        line[key] = _shown(value, keeps_lines=key in ("exception", "stack"))
    return line


def _shown(value: Any, *, keeps_lines: bool = False) -> Any:
    """A value of a line, and the texts of a list or a table in it."""
    if isinstance(value, str):
        return visible(without_passwords(value), keeps_lines=keeps_lines)
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    if isinstance(value, dict):
        return {_shown(key): _shown(each) for key, each in value.items()}
    return value


class _Unfailing:
    """Standard error. It may lead to a full disk or a closed pipe: then the line is lost, and the monitor goes on."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


log = structlog.get_logger("monitor")


def log_stood_still(seconds: float, dropped: int) -> None:
    """Says afterwards that nobody read the log, or the terminal, and what it lost."""
    log.warning("nobody read the log for a while", seconds=round(seconds, 1), lines_dropped=dropped)


BOUNDED_LOGS: weakref.WeakSet[BoundedLog] = weakref.WeakSet()
"""All of them, for `tell_left_out`."""


class BoundedLog:
    """Logs at most one line per key and minute, and says how many it left out: a bad feed must not fill the disk."""

    def __init__(self, every_s: float = 60.0) -> None:
        self.every_s = every_s
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        BOUNDED_LOGS.add(self)

    def warning(self, now_s: float, key: str, message: str, **facts: Any) -> None:
        """Logs now, or counts; `now_s` is monotonic time. At most 10,000 keys are remembered."""
        self._say(log.warning, now_s, key, message, facts)

    def info(self, now_s: float, key: str, message: str, **facts: Any) -> None:
        """The same for what is no trouble."""
        self._say(log.info, now_s, key, message, facts)

    def tell_left_out(self, now_s: float) -> None:
        """Says how many lines were left out of which no more came; else nobody would ever hear."""
        for key, left_out in list(self._left_out.items()):
            if now_s - self._last.get(key, now_s) >= self.every_s:
                del self._left_out[key]
                self._last[key] = now_s
                log.warning("lines were left out of the log", like=key, left_out=left_out)

    def _say(self, say: Callable[..., Any], now_s: float, key: str, message: str, facts: dict[str, Any]) -> None:
        last = self._last.get(key)
        if last is not None and now_s - last < self.every_s:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        if len(self._last) > 10_000:
            self._last.clear()
            self._left_out.clear()
        self._last[key] = now_s
        left_out = self._left_out.pop(key, 0)
        say(message, **facts, **({"left_out": left_out} if left_out else {}))


class Health:
    """What is wrong with parts of the daemon, by part. The parts write it, readiness reads it."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {"startup": "still starting"}
        """What stops alerts: the daemon is not ready. Empty means ready."""
        self.degraded: dict[str, str] = {}
        """What goes wrong while alerts go out all the same."""

    def set(self, part: str, reason: str | None, *, stops: bool = True) -> None:
        """States what is wrong with a part, or None when nothing is. `stops`: no alert comes for it."""
        now, other = (self.reasons, self.degraded) if stops else (self.degraded, self.reasons)
        other.pop(part, None)
        if reason is None:
            now.pop(part, None)
        else:
            now[part] = reason


class Total(Collector):
    """A counter whose value another part keeps. Its old name, without `_total`, is told as well, as a gauge."""

    def __init__(self, name: str, about: str, labels: Iterable[str] = (), *, registry: CollectorRegistry) -> None:
        self._name = name
        self._about = about
        self._labels = tuple(labels)
        self._values: dict[tuple[str, ...], float] = {} if self._labels else {(): 0.0}
        registry.register(self)

    def set(self, value: float, *labels: str) -> None:
        """States how many there have been."""
        self._values[labels] = value

    def clear(self) -> None:
        """Forgets all samples, so that what is gone leaves none."""
        self._values.clear()

    def collect(self) -> Iterable[Metric]:
        """Both families, for the registry."""
        counter = CounterMetricFamily(self._name, self._about, labels=self._labels)
        gauge = GaugeMetricFamily(self._name, f"The old name of {self._name}_total.", labels=self._labels)
        for labels, value in list(self._values.items()):
            counter.add_metric(labels, value)
            gauge.add_metric(labels, value)
        return counter, gauge


class Metrics:
    """The daemon's metrics, in a registry of their own so that a process can run two daemons."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        total = partial(Total, registry=self.registry)
        seconds = partial(Histogram, buckets=_LATENCY_BUCKETS, registry=self.registry)

        self.tick_to_commit = seconds("monitor_tick_to_commit_seconds", "Batch received to alert durable.")
        tick_to_sent = "Batch received to first attempt answered."
        self.tick_to_sent = seconds("monitor_tick_to_sent_seconds", tick_to_sent, ["notifier"])
        self.handle = seconds("monitor_handle_seconds", "Core's time for one event.", ["event"])
        self.commit = seconds("monitor_commit_seconds", "One store commit.")
        self.alerts = counter("monitor_alerts_total", "Alerts committed.", ["type", "severity"])
        attempts = "Attempts by outcome."
        self.attempts = counter("monitor_delivery_attempts_total", attempts, ["notifier", "outcome"])
        self.superseded = counter("monitor_deliveries_superseded_total", "Notices cancelled before delivery.")
        self.groups = gauge("monitor_groups", "Groups by stage.", ["stage"])
        debt = "Debt by stage, in whole USD rounded down. Groups with a missing price count nothing."
        self.debt = gauge("monitor_debt_usd", debt, ["stage"])
        nearest = "Percent by which the recognised value of the nearest group may fall before its next line."
        self.nearest = gauge("monitor_nearest_line_percent", nearest, ["stage"])
        self.groups_unknown = gauge("monitor_groups_unknown", "Groups with a missing price.")
        self.groups_blind = gauge("monitor_groups_blind", "Groups with an untrusted price.")
        self.fund = gauge("monitor_fund_usd", "Insurance fund: balance, projected draw, fees.", ["figure"])
        age = "Since the exchange's own time of the price, or since its receipt where there is none."
        self.price_age = gauge("monitor_price_age_seconds", age, ["asset"])
        self.receipt_age = gauge("monitor_price_receipt_age_seconds", "Since the last receipt.", ["asset"])
        self.price_trust = gauge("monitor_price_untrusted", "1 where a price is missing, stale or suspect.", ["asset"])
        self.queue_depth = gauge("monitor_queue_depth", "Undelivered notices.", ["notifier"])
        oldest = "Age of the oldest undelivered notice."
        self.oldest_undelivered = gauge("monitor_oldest_undelivered_seconds", oldest, ["notifier"])
        self.feed_connected = gauge("monitor_feed_connected", "1 while connected.", ["feed"])
        self.feed_frames = total("monitor_feed_frames", "Frames received.", ["feed"])
        self.feed_refused = total("monitor_feed_refused", "Frames and prices refused.", ["feed", "reason"])
        lag = "From the venue's time of the newest price in force to its receipt; below 0 where its clock is ahead."
        self.feed_lag = gauge("monitor_feed_lag_seconds", lag, ["feed"])
        self.feed_offset = gauge("monitor_feed_clock_offset_seconds", "The venue's clock less ours.", ["feed"])
        self.feed_ignored = total("monitor_feed_ignored", "Symbols that a desk does not want.", ["feed", "reason"])
        dropped = "Prices that were read and did not count."
        self.feed_dropped = total("monitor_feed_dropped", dropped, ["feed", "reason"])
        self.feed_reconnects = total("monitor_feed_reconnects", "Connections made again.", ["feed"])
        refused = "Lines, puts and entries refused."
        self.degraded = gauge("monitor_degraded", "What is not known or not in order.", ["kind"])
        self.unwatched = gauge("monitor_groups_unwatched", "Groups that are not watched, as their lines are refused.")
        self.book_refused = counter("monitor_book_refused_total", refused, ["source", "reason"])
        self.conflated = counter("monitor_quotes_conflated_total", "Quotes replaced by newer ones unseen.")
        self.event_log_lost = total("monitor_event_log_lost_events", "Events that no event log has.")
        self.loop_lag = gauge("monitor_loop_lag_seconds", "Lateness of the event loop, last second.")
        self.web_connections = gauge("monitor_web_connections", "Connections to the API that are open.")
        self.web_refused = counter("monitor_web_refused_total", "Connections turned away or cut.", ["reason"])
        self.web_wrong_tokens = counter("monitor_web_wrong_tokens_total", "Requests with a token that nobody has.")
        self.tasks = gauge("monitor_tasks", "Tasks of the event loop.")
        taken = "1 where the configuration that was read last is in force, 0 where it was refused."
        self.reload_taken = gauge("monitor_config_last_reload_successful", taken)
        taken_at = "When a configuration was taken over last."
        self.reload_taken_at = gauge("monitor_config_last_reload_success_timestamp_seconds", taken_at)
        build = gauge("monitor_build_info", "1; the labels say what runs.", ["version", "python", "sqlite"])
        build.labels(version("loan-monitor"), platform.python_version(), sqlite3.sqlite_version).set(1)
        self.store_ok = gauge("monitor_store_writable", "1 while the store takes commits.")

    def note_reload(self, is_taken: bool, at: datetime) -> None:
        """Whether the configuration that was read last is in force, and when one was taken."""
        self.reload_taken.set(is_taken)
        if is_taken:
            self.reload_taken_at.set(at.timestamp())


def trim_memory() -> None:
    """Gives back to the system what was freed. Reading a large book leaves a third of its memory in half-empty pages."""
    # A C library other than glibc has no such call, and gives pages back itself.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
