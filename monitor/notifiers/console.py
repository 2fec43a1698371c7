"""Prints one line for each notice: for a desk that watches a terminal, or a machine that has lost its network."""

from __future__ import annotations

import asyncio
import io
import os
from concurrent.futures import Future
from typing import Literal

import msgspec
from rich.console import Console
from rich.text import Text

from monitor import terminal
from monitor.core.alerts.alert_type import COLOUR
from monitor.notifiers._base import DeliveryError, Notice, Receipt, headline, page_of

WRITE_S = 5.0
"""A terminal that takes no line for so long is stopped, or its reader hangs: the notice stays pending."""


FOR_PEOPLE = True
"""A route may gather its notices into digests."""


class Config(msgspec.Struct, frozen=True):
    stream: Literal["stderr", "stdout"] = "stderr"


def build(name: str, config: Config) -> ConsoleNotifier:
    return ConsoleNotifier(name, config)


class ConsoleNotifier:
    """Prints colours only on a terminal."""

    def __init__(self, name: str, config: Config) -> None:
        self.name = name
        self._fd = 2 if config.stream == "stderr" else 1
        self._console = Console(file=io.StringIO(), force_terminal=os.isatty(self._fd), soft_wrap=True, highlight=False)
        self._begun: dict[str, Future[None]] = {}
        """By notice: a line that is being written and was not finished in time. There is at most one."""

    def __repr__(self) -> str:
        return f"ConsoleNotifier({self.name!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Waits for the line to be written, and takes it back where that does not begin in time.

        A line that has begun cannot be taken back: the next attempt waits for it and does not print it twice.
        """
        written = self._begun.pop(notice.id, None)
        if written is None:
            written = terminal.writer(self._fd).deliver(self._line(notice))
        waiting = asyncio.wrap_future(written)
        done, _ = await asyncio.wait({waiting}, timeout=WRITE_S)
        if not done:
            if not written.cancel():
                self._begun[notice.id] = written
            raise DeliveryError(f"nobody read the terminal for {WRITE_S:g} s", retry=True)
        if (error := waiting.exception()) is not None:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DeliveryError(f"cannot print: {reason}", retry=True)
        return Receipt("printed")

    async def close(self) -> None:
        """Nothing to free."""

    def _line(self, notice: Notice) -> str:
        words = [notice.timestamp, headline(notice), f"({notice.id})", page_of(notice) or ""]
        line = Text(" ".join(filter(None, words)), style=COLOUR.get(notice.severity, ""))
        with self._console.capture() as captured:
            self._console.print(line)
        return captured.get()
