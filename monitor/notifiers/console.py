"""Prints one line for each notice: for a desk that watches a terminal, or a machine that has lost its network."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec
from rich.console import Console
from rich.text import Text

from monitor.core.alerts.catalogue import COLOUR
from monitor.notifiers._base import DeliveryError, Notice, Receipt, headline


class Config(msgspec.Struct, frozen=True):
    stream: Literal["stderr", "stdout"] = "stderr"


def build(name: str, config: Config) -> ConsoleNotifier:
    return ConsoleNotifier(name, config)


class ConsoleNotifier:
    """Prints colours only on a terminal."""

    def __init__(self, name: str, config: Config) -> None:
        self.name = name
        self._console = Console(stderr=config.stream == "stderr", soft_wrap=True, highlight=False)

    def __repr__(self) -> str:
        return f"ConsoleNotifier({self.name!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Prints in a thread: a stopped terminal or a full pipe must not hold up the event loop."""
        line = Text(f"{notice.timestamp} {headline(notice)} ({notice.id})", style=COLOUR.get(notice.severity, ""))
        try:
            await asyncio.to_thread(self._console.print, line)
        except OSError as e:
            raise DeliveryError(f"cannot print: {e.strerror}", retry=True) from None
        return Receipt("printed")

    async def close(self) -> None:
        """Nothing to free."""
