"""What the command `import` shows: columns, questions, refused cells, and each group as it would stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.cli import output
from monitor.cli.figures import ltv, usd, worded
from monitor.cli.output import out, shown
from monitor.cli.tables import table_of

MOST_ROWS = 2000
"""Groups that a table shows; `--json` has all."""
_COLOURS = {
    "liquidation": "bold red",
    "margin_call": "bold yellow",
    "delayed_liquidation": "bold red",
    "unknown": "yellow",
}


def answer(found: dict[str, Any]) -> None:
    """All that a file came to."""
    for sheet in found["sheets"]:
        _columns(sheet)
    output.notes(found["notes"])
    _rows(found["rows"])
    _refused(found["refused"], found["counts"]["refused"])
    _questions(found["questions"])
    if found["missing"]:
        named = ", ".join(found["missing"][:5]) + (", ..." if len(found["missing"]) > 5 else "")
        what = "were closed" if found["counts"]["closed"] else "stay as they are; --close-missing closes them"
        output.notes(
            [f"{found['counts']['missing']} groups of {found['source']} are not in the file ({named}): they {what}"]
        )
    summary(found)


def summary(found: dict[str, Any]) -> None:
    """One line: what became of it."""
    counts = found["counts"]
    groups = f"{counts['new']} new, {counts['changed']} changed, {counts['same']} the same"
    if found["taken"]:
        closed = f", {counts['closed']} closed" if counts["closed"] else ""
        output.say(f"taken into {found['source']}: {groups}{closed}")
    elif found["questions"]:
        output.say("nothing is changed: answer the questions first")
    elif found["refused"]:
        cells = "1 cell is" if counts["refused"] == 1 else f"{counts['refused']} cells are"
        output.say(f"nothing is changed: {cells} refused; mend what is wrong, and import again ({groups})")
    else:
        output.say(f"nothing is changed yet: {groups}")


def _columns(sheet: dict[str, Any]) -> None:
    name = f"sheet {sheet['sheet']}, " if sheet["sheet"] else ""
    out.print(f"{shown(name)}header in row {sheet['header_row']}, {sheet['rows']:,} rows below it")
    table = table_of("column", "header", "is taken for", "", "example")
    for column in sheet["columns"]:
        field = column["field"] or "[dim]not used[/]"
        cells = column["column"], column["header"], column["example"]
        letter, header, example = (shown(cell) for cell in cells)
        table.add_row(letter, header, field, column["why"], example)
    out.print(table)


def _rows(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    table = table_of("group", "cell", "", "stage", "LTV", "debt USD", "recognised USD", "missing")
    for row in rows[:MOST_ROWS]:
        colour = _COLOURS.get(row["stage"])
        stage = f"[{colour}]{worded(row['stage'])}[/]" if colour else worded(row["stage"])
        figures = (ltv(row["ltv"]), usd(row["debt_usd"]), usd(row["recognised_usd"]))
        table.add_row(
            shown(row["group"]), shown(row["where"]), row["change"], stage, *figures, shown("; ".join(row["missing"]))
        )
    out.print(table)
    if len(rows) > MOST_ROWS:
        output.say(f"{len(rows) - MOST_ROWS:,} more groups; --json has all")


def _refused(cells: Sequence[dict[str, Any]], count: int) -> None:
    if not cells:
        return
    out.print("[bold]refused[/]")
    table = table_of("cell", "holds", "why, and what to do")
    for cell in cells[:MOST_ROWS]:
        table.add_row(shown(cell["where"]), shown(cell["value"]), shown(cell["what"]))
    out.print(table)
    if count > len(cells):
        output.say(f"{count - len(cells):,} more cells are refused")


def _questions(questions: Sequence[dict[str, Any]]) -> None:
    for question in questions:
        out.print(f"[bold]{shown(question['where'])}[/]: {shown(question['text'])}", soft_wrap=True)
        out.print(f"    {shown(question['remedy'])}", soft_wrap=True)
