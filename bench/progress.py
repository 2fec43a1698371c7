"""Progress bars of a long run, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[[], None]


class Bars:
    """One bar a part; a part that is done stays, with its time."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def part(self, name: str, steps: int) -> Iterator[Advance]:
        """A part of so many steps; call what it yields after each."""
        task = self._progress.add_task(name, total=steps)
        yield lambda: self._progress.advance(task)
        self._progress.update(task, completed=steps)
