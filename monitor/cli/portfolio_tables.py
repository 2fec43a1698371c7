"""The tables of the commands about the whole book: a stress, a matrix, a reverse stress, an exposure."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from monitor.cli import figures
from monitor.cli.figures import ltv, until, usd, worded
from monitor.cli.output import out, shown
from monitor.cli.tables import figure, table_of
from monitor.core.portfolio.snapshot import LABEL_PREFIX
from monitor.notifiers._stage_words import line_percent

WORST = 10
"""Groups that a table names of each stage; `--json` and `--csv` have more."""


def stress(answer: dict[str, Any], zone: str | None = None) -> None:
    """The answer to a shock, a matrix or a reverse stress; `zone` is the desk's."""
    if answer["kind"] == "shocks":
        _shocks(answer, zone)
    else:
        {"matrix": _matrix, "reverse": _reverse}[answer["kind"]](answer)
    _exactness(answer)


def _shocks(answer: dict[str, Any], zone: str | None) -> None:
    title = f"scenario {answer['scenario']}: " if answer["scenario"] else ""
    named = ", ".join(
        f"{a} {_shock(s['shock'])} ({figure(s['before'], 'no price')} -> {figure(s['after'])})"
        for a, s in answer["shocks"].items()
    )
    out.print(
        f"[bold]{shown(title + named)}[/]   {many(answer['groups'])} at {shown(until(answer['at'], zone))}",
        soft_wrap=True,
    )
    stages = table_of("stage", "groups now", "then", "debt USD then", "recognised USD then", "market USD then")
    for name, then in answer["after"].items():
        now = answer["before"][name]["groups"]
        stages.add_row(worded(name), f"{now:,}", f"{then['groups']:,}", *_usd(then))
    out.print(stages)
    moves = table_of("from", "to", "groups", "debt USD", "recognised USD", "market USD")
    for move in answer["moves"]:
        if move["from"] != move["to"]:
            moves.add_row(worded(move["from"]), worded(move["to"]), f"{move['groups']:,}", *_usd(move))
    out.print(moves if moves.row_count else "no group changes its stage")
    for name, newly in answer["newly"].items():
        if newly["items"] and name != "normal":
            out.print(_worst(name, newly))
    # An older daemon sends only the old name.
    short = answer["shortfall_usd" if "shortfall_usd" in answer else "expected_shortfall_usd"]
    fund = f", the fund pays {usd(answer['fund_draw_usd'])}" if "fund_draw_usd" in answer else ""
    out.print(
        f"bankrupt {many(answer['bankrupt'])}; shortfall [bold red]{usd(short)}[/] USD{fund};"
        f" clearance fees {usd(answer['fees_usd'])}"
    )
    if answer["unknown"]:
        out.print(f"[yellow]{_left_out(answer['unknown'])}[/]")


def many(groups: int) -> str:
    """`1 group`, `2,000 groups`."""
    return f"{groups:,} group" + ("" if groups == 1 else "s")


def _left_out(unknown: int) -> str:
    return f"{many(unknown)} {'is' if unknown == 1 else 'are'} in none of these sums, for want of a price"


def _worst(name: str, newly: dict[str, Any]) -> Table:
    found = table_of(f"new in {worded(name)}", "LTV now", "then", "debt USD", "shortfall USD")
    for row in newly["items"][:WORST]:
        found.add_row(
            shown(row["id"]),
            ltv(row["ltv_before"]),
            ltv(row["ltv"]),
            usd(row["debt_usd"]),
            usd(row["shortfall_usd"]),
        )
    left = newly["groups"] - min(WORST, len(newly["items"]))
    if left:
        found.add_row(f"... and {left:,} more")
    return found


def _matrix(answer: dict[str, Any]) -> None:
    x, y = answer["x"], answer["y"]
    title = f"{y['asset']} down, {x['asset']} across"
    out.print(f"[bold]{title}[/]: groups at or beyond the liquidation line, and their debt in USD")
    grid = table_of(title, *map(_shock, x["shocks"]))
    for shock, row in zip(y["shocks"], answer["cells"], strict=True):
        grid.add_row(_shock(shock), *(f"{_beyond(cell):,}" for cell in row))
        grid.add_row("", *(usd(cell["liquidation_debt_usd"]) for cell in row))
    out.print(grid)


def _beyond(cell: dict[str, Any]) -> int:
    return int(cell["stages"]["liquidation"]) + int(cell["stages"]["delayed_liquidation"])


def _reverse(answer: dict[str, Any]) -> None:
    coins = ", ".join(answer["assets"])
    if answer["fall_percent"] is None:
        out.print(f"[bold]{figures.share(answer['share'])}[/] of the debt is not reached: {answer['reason']} ({coins})")
        return
    out.print(
        f"a fall of [bold red]{figures.percents(answer['fall_percent'])}[/] of {coins} brings "
        f"[bold]{figures.share(answer['share'])}[/] of the debt to the "
        "liquidation line",
        soft_wrap=True,
    )
    sides = table_of("fall", "groups", "debt USD", "share of the debt")
    for side in (answer["below"], answer["reached"]):
        if side is not None:
            sides.add_row(
                figures.percents(side["fall_percent"]),
                f"{side['groups']:,}",
                usd(side["debt_usd"]),
                figures.share(side["share"], answer["share"]),
            )
    out.print(sides)


def _exactness(answer: dict[str, Any]) -> None:
    cells = [cell for row in answer.get("cells", []) for cell in row] or [answer]
    if not all(cell["is_exact"]["counts"] for cell in cells):
        out.print("[yellow]counts are indicative: too many groups are on a line[/]")
    if not all(cell["is_exact"]["sums"] for cell in cells):
        out.print("sums are rounded to cents")


def _usd(sums: dict[str, Any]) -> tuple[str, str, str]:
    return usd(sums["debt_usd"]), usd(sums["recognised_usd"]), usd(sums["market_usd"])


def exposure(answer: dict[str, Any], zone: str | None = None) -> None:
    """The book by key, then debt and collateral of one issuer; `zone` is the desk's."""
    is_coin, total, by = answer["by"] == "asset", answer["total"], answer["by"].removeprefix(LABEL_PREFIX)
    out.print(f"[bold]{many(total['groups'])}[/] by {shown(by)} at {shown(until(answer['at'], zone))}")
    more = ("days to sell",) if is_coin else ()
    rows = table_of(
        shown(by),
        "groups",
        "debt USD",
        "market USD",
        "recognised USD",
        "share",
        "nearest",
        "average",
        *more,
    )
    for row in answer["items"]:
        sums = [usd(row[name]) for name in ("debt_usd", "market_usd", "recognised_usd")]
        far = [figures.percents(row[name]) for name in ("nearest_percent", "average_percent")]
        days = [figure(row["days_to_sell"])] if is_coin else []
        rows.add_row(shown(row["key"] or "(none)"), f"{row['groups']:,}", *sums, _share(row), *far, *days)
    out.print(rows)
    if answer["next"]:
        out.print("there are more; ask for them with --after " + answer["next"], soft_wrap=True)
    if answer["wrong_way"]:
        pairs = table_of("debt and collateral of", "debt", "collateral", "groups", "debt USD", "market USD")
        for pair in answer["wrong_way"]:
            both = usd(pair["debt_usd"]), usd(pair["market_usd"])
            pairs.add_row(shown(pair["issuer"]), pair["debt"], pair["collateral"], f"{pair['groups']:,}", *both)
        out.print(pairs)
    if answer["unknown"]:
        out.print(f"[yellow]{_left_out(answer['unknown'])}[/]")
    if not answer["is_exact"]:
        out.print("sums are rounded to cents")


def _share(row: dict[str, Any]) -> str:
    """A share, and the most that it may be where it is more."""
    if row["share"] is None:
        return "-"
    part = figures.share(row["share"], row.get("max_share"))
    return f"[bold red]{part} > {line_percent(row['max_share'])}[/]" if row["is_above"] else part


def _shock(text: str) -> str:
    """A change in percent, or a price."""
    return f"{figure(text.removesuffix('%'))} %" if text.endswith("%") else figure(text)
