"""The command with one part rigged to break: `RIG=core python -m tests.faults.rigged run --config FILE`.

The book source `told` is there under every rig.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import monitor.books
from monitor.cli import main
from monitor.core.events.events import MarkPrices
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import sequencer
from monitor.stores.sqlite import SqliteStore
from monitor.web.stream import Hub

WORD = "rigged to break"
PLUGINS = Path(__file__).parent / "plugins"


def _broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError(WORD)


def _core() -> None:
    handle = RiskMonitor.handle

    def rigged(self: RiskMonitor, event: Any) -> Any:
        assert not isinstance(event, MarkPrices), WORD
        return handle(self, event)

    RiskMonitor.handle = rigged


def _feed() -> None:
    sequencer.Sequencer.quotes = _broken


def _dispatcher() -> None:
    SqliteStore.start_attempts = _broken


def _dispatcher_end() -> None:
    SqliteStore.end_attempts = _broken


def _probe() -> None:
    SqliteStore.probe = _broken


def _retention() -> None:
    SqliteStore.prune = _broken


def _stream() -> None:
    Hub._tick = _broken


def _reload() -> None:
    from monitor.daemon.app import App

    App.reload = _broken


RIGS: Mapping[str, Callable[[], None]] = {
    "": lambda: None, "core": _core, "feed": _feed, "dispatcher": _dispatcher, "dispatcher end": _dispatcher_end,
    "probe": _probe, "retention": _retention, "stream": _stream, "reload": _reload,
}  # fmt: skip


def with_told_books() -> None:
    """Makes the book source `told` one of the plug-ins."""
    path = str(PLUGINS / "books")
    if path not in monitor.books.__path__:
        monitor.books.__path__.append(path)


if __name__ == "__main__":
    with_told_books()
    RIGS[os.environ.get("RIG", "")]()
    main.main()
