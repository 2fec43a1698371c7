"""What `explain` and `what-if` show of a group: its figures, what makes them, and what would follow from a change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from monitor.cli import figures
from monitor.cli.figures import worded
from monitor.cli.output import out, say, shown
from monitor.cli.standing import LEVELS, standing, way_back
from monitor.cli.tables import figure, table_of
from monitor.core.alerts.titles import title_of
from monitor.notifiers._base import metric_of, number, usd
from monitor.notifiers._stage_words import line_percent


def explain(answer: dict[str, Any], zone: str | None = None) -> None:
    """A group's detail: what makes its figure, and what follows from it. `zone` is the desk's."""
    blind = "  [yellow]blind: a price is not trusted[/]" if answer.get("blind") else ""
    stage, band = worded(answer["stage"]), worded(answer["band"] or "unknown")
    out.print(f"[bold]{shown(answer['id'])}[/] {answer['product']}  stage [bold]{stage}[/]  band {band}{blind}")
    if (book := answer.get("book")) is not None:
        old = "  [yellow]not refreshed within its limit[/]" if book["stale"] else ""
        out.print(f"book {shown(book['source'])} as of {figures.until(book['as_of'], zone, 'never')}{old}")
    for line in standing(answer, zone):
        say(line)
    for line in _terms(answer):
        say(line)
    own = ("initial_margin_usd", "maintenance_margin_usd", "net_equity_usd")
    if found := [f"{worded(n.removesuffix('_usd'))} {figures.usd(answer[n])} USD" for n in own if n in answer]:
        out.print("  ".join(found))
    if "lender" in answer:
        _lender(answer["lender"], zone)
    out.print(_contributions(answer["contributions"]) if answer.get("contributions") else "no collateral")
    for line in _why(answer.get("contributions") or [], zone):
        say(line)
    for line in _apart(answer):
        say(line)
    out.print(_loans(answer.get("loans") or [], zone))
    _what_follows(answer)


def _what_follows(answer: dict[str, Any]) -> None:
    """The ways back, the prices of a liquidation, its end, and what is permitted."""
    if answer.get("cure") and (way := way_back(answer["cure"])) is not None:
        say(way)
    prices = {a: p for a, p in (answer.get("liquidation_price") or {}).items() if p}
    if prices:
        say("liquidation at " + ", ".join(f"{a} {number(p)}" for a, p in prices.items()))
    for joint in answer.get("liquidation_together") or []:
        if joint["factor"] is not None:
            coins = " and ".join(joint["coins"])
            out.print(f"liquidation where {coins} move together to {figure(joint['factor'])} times their prices")
    if (ends := answer.get("liquidation")) is not None:
        what = (
            f"[bold red]{usd(ends['shortfall_usd'])} USD missing[/]"
            if ends["bankrupt"]
            else f"{usd(ends['left_usd'])} USD left"
        )
        out.print(f"if liquidated now: market value {usd(ends['market_usd'])}, fee {usd(ends['fee_usd'])} USD, {what}")
    borrow = f"may borrow {usd(answer['borrowable_usd'])} USD"
    out.print(f"permitted: {_permitted(answer.get('permitted') or {})}; {borrow}")


def _terms(answer: dict[str, Any]) -> Iterator[str]:
    """The figures that are not the agreement's, and whose they are."""
    metric = next((name for name in LEVELS if name in answer), None)
    for term in answer.get("terms") or []:
        who = "its own line" if term["origin"] == "line" else f"the override of {term['origin']}"
        name, value = term["figure"], term["value"]
        if name.startswith("thresholds."):
            name, value = f"{worded(name.removeprefix('thresholds.'))} line", figures.line_level(metric, value)
        yield f"{worded(name.replace('.', ' of '))} {value} is from {who}"


def _apart(answer: dict[str, Any]) -> list[str]:
    """Coins that the figures are without, and where the group stands whatever a missing one is worth."""
    product = answer["product"]
    lines = [
        f"{figure(each['quantity'])} {each['asset']} is not collateral under {product}"
        for each in answer.get("uncounted") or ()
    ]
    found = answer.get("bounds")
    if found:
        metric, of_lines = next((name for name in LEVELS if name in answer), None), answer.get("thresholds")
        ends = [
            f"at {name} {_end(found[name], bare, metric, of_lines)}"
            for name, bare in (("best", "normal"), ("worst", "any sum"))
        ]
        lines.append(f"no price of {', '.join(answer['missing'])}: {', '.join(ends)}")
    return lines


def _end(end: dict[str, Any] | None, bare: str, metric: str | None, lines: dict[str, str] | None) -> str:
    if end is None:
        return bare
    if metric is not None and end["level"]:
        level = figure(end["level"])
    else:
        level = figures.ltv(end["ltv"], None if metric else lines) if end["ltv"] else "debt on nothing"
    return f"{level} ({worded(end['band'])})"


def _lender(said: dict[str, Any], zone: str | None) -> None:
    """What the lender's own system says, beside ours above it."""
    words = f" ({shown(said['words'])})" if said["words"] else ""
    level = "level not stated" if said["level"] is None else f"level [bold]{said['level']}[/]"
    deadline = f", deadline [bold red]{figures.until(said['deadline'], zone)}[/]" if said["deadline"] else ""
    age = f"{said['age_s']:.0f} s ago" + (" [yellow]old[/]" if said["old"] else "")
    stage = worded(said["stage"] or "not stated")
    out.print(f"the lender: {level}, stage {stage}{words}{deadline}, {age} ({shown(said['source'])})")
    if said["differs"]:
        out.print(f"[bold yellow]differs from ours: {', '.join(map(worded, said['differs']))}[/]")
    if not said["compared"]:
        out.print("[yellow]levels were not compared: our prices were not trusted[/]")
    if said["figures"]:
        say("  " + ", ".join(f"{name} {figure(value)}" for name, value in said["figures"].items()))


def _contributions(rows: list[dict[str, Any]]) -> Table:
    table = table_of(
        "asset", "quantity", "price", "source", "age", "trust", "value USD", "share x value of tier", "recognised USD"
    )
    for row in rows:
        tiers = "; ".join(f"{line_percent(t['share'])} x {figures.usd(t['value_usd'])}" for t in row.get("tiers") or [])
        table.add_row(
            row["asset"],
            *(figure(row.get(name)) for name in ("quantity", "price", "source")),
            figures.seconds(row.get("age_s")),
            row.get("trust") or "-",
            figures.usd(row.get("value_usd")),
            tiers,
            figures.usd(row.get("recognised_usd")),
        )
    return table


def _why(rows: Sequence[dict[str, Any]], zone: str | None) -> list[str]:
    """A line for each coin whose price is not trusted, or is an operator's."""
    found = [f"{r['asset']}: {r['trust']}, {r['reason']}" for r in rows if r.get("trust") != "good" and r.get("reason")]
    return found + [f"{r['asset']}: {_pinned(r['pinned'], zone)}" for r in rows if r.get("pinned")]


def _pinned(by: dict[str, Any], zone: str | None) -> str:
    return f"pinned by {by['by']} until {figures.until(by['until'], zone)}: {by['reason']}"


def _loans(rows: list[dict[str, Any]], zone: str | None) -> Table:
    table = table_of("loan", "asset", "principal", "interest", "rate", "matures", "price", "value USD")
    for row in rows:
        rate = row.get("rate")
        kind = rate.get("kind") if isinstance(rate, dict) else rate
        owed = (row["id"], row["asset"], figure(row["principal"]), figure(row["interest"]), worded(kind or "-"))
        ends = figures.until(row.get("matures_at"), zone, "open")
        table.add_row(*owed, ends, figure(row.get("price")), figures.usd(row.get("value_usd")))
    return table


def _permitted(permitted: dict[str, Any]) -> str:
    names = ("trade", "move_within_group", "withdraw", "new_order")
    words = [worded(name) for name in names if permitted.get(name)]
    found = ", ".join(words) or "only to add collateral or repay"
    unknown = [f"{worded(name)} is not stated: {why['text']}" for name, why in permitted.get("not_stated", {}).items()]
    return "; ".join((found, *unknown))


def what_if(group: str, answer: dict[str, Any]) -> None:
    """Before and after, side by side."""
    before, after = answer["before"], answer["after"]
    both = (before, after)
    table = table_of(group, "now", "then")
    for metric in (name for name in LEVELS if name in before):
        table.add_row(metric_of({"metric": metric}), *(figure(side.get(metric)) for side in both))
    table.add_row("LTV", *(figures.ltv(side.get("ltv")) for side in both))
    for name in ("band", "stage"):
        table.add_row(name, *(worded(side.get(name) or "unknown") for side in both))
    for name in ("debt_usd", "recognised_usd"):
        table.add_row(f"{name.removesuffix('_usd')} USD", *(figures.usd(side.get(name)) for side in both))
    table.add_row("permitted", *(_permitted(side.get("permitted") or {}) for side in both))
    out.print(table)
    alerts = answer.get("alerts") or after.get("alerts") or []
    say("alerts that would be raised: " + (", ".join(title_of(type_) for type_ in alerts) or "none"))
