"""Tables that fit the terminal: no figure breaks inside. One that is too wide for that shows each row as lines instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from monitor.control_characters import visible

_NUMBER = re.compile(r"([+-]?\d+)((?:\.\d+)?)", re.ASCII)


def figure(value: object, absent: str = "-") -> str:
    """A number as people read it: 1234567.89 is 1,234,567.89. Other texts stay as they are; None is `absent`."""
    if value is None:
        return absent
    found = _NUMBER.fullmatch(str(value))
    return f"{int(found[1]):,}{found[2]}" if found and not found[1].startswith("-0") else str(value)


class FittingTable(Table):
    """A table whose cells show control characters as escapes, and whose words stay whole at any width."""

    def add_row(self, *cells: Any, **how: Any) -> None:
        """One more row."""
        super().add_row(*(visible(cell) if isinstance(cell, str) else cell for cell in cells), **how)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        texts = [[_text(console, cell) for cell in column.cells] for column in self.columns]
        headers = [_text(console, column.header) for column in self.columns]
        columns = [[header, *cells] for header, cells in zip(headers, texts, strict=True)]
        least = [max(map(_longest_word, cells)) for cells in columns]
        natural = [max(map(_longest_line, cells)) for cells in columns]
        least = [n if column.no_wrap else w for column, w, n in zip(self.columns, least, natural, strict=True)]
        room = options.max_width - self._extra_width - sum(map(self._get_padding_width, range(len(columns))))
        if sum(least) > room:
            is_beside = (
                4 + max(map(_longest_line, headers[1:]), default=0) + max(least[1:], default=0) <= options.max_width
            )
            yield from self._as_lines(headers, texts, is_beside=is_beside)
            return
        for column, width in zip(self.columns, shared(least, natural, room), strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)

    def _as_lines(self, headers: list[Text], columns: list[list[Text]], *, is_beside: bool) -> Iterator[Any]:
        """Each row as its first cell, and a line for each of the others: beside its header, or below it."""
        for cells in zip(*columns, strict=True):
            if cells[0].plain:  # a row without one goes on with the row before
                yield Text.assemble("\n", (headers[0].plain, "dim"), " ", cells[0]) if headers[0].plain else cells[0]
            lines = Table.grid(padding=(0, 2, 0, 0))
            lines.add_column(style="dim")
            lines.add_column(overflow="fold")
            for header, cell in zip(headers[1:], cells[1:], strict=True):
                if cell.plain and is_beside:
                    lines.add_row(f"  {header.plain}", cell)
                elif cell.plain:
                    yield Text(f"  {header.plain}", "dim")
                    yield cell
            yield lines


def shared(least: list[int], natural: list[int], room: int) -> list[int]:
    """A width for each column within a room that has place for the least: what is over goes to those that want more.

    Who wants little gets all of it, as times and figures do; texts share the rest.
    """
    widths = list(least)
    over = room - sum(widths)
    wanted = sorted(range(len(widths)), key=lambda i: natural[i] - least[i])
    for served, i in enumerate(wanted):
        more = min(natural[i] - least[i], over // (len(wanted) - served))
        widths[i] += more
        over -= more
    return widths


def table_of(*columns: str) -> Table:
    """A table of these columns."""
    table = FittingTable(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _text(console: Console, cell: Any) -> Text:
    return cell if isinstance(cell, Text) else console.render_str(str(cell))


def _longest_word(text: Text) -> int:
    return max(map(cell_len, text.plain.split()), default=0)


def _longest_line(text: Text) -> int:
    return max(map(cell_len, text.plain.splitlines()), default=0)
