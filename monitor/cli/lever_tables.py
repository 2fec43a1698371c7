"""What the commands show of levers and proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.cli import figures
from monitor.cli.figures import line_level, worded
from monitor.cli.output import out, say, shown
from monitor.cli.tables import figure, table_of
from monitor.notifiers._stage_words import LINES


def preview(answer: dict[str, Any], zone: str | None = None) -> None:
    """What an act would do, were it done now. `zone` is the desk's, here and below."""
    say(f"{worded(answer['act'])}: {_lasting(answer, zone, _metric(answer['effects']))}")
    effects(answer["effects"], zone)
    if answer["needs_approval"]:
        say("another person must approve it")


def effects(found: dict[str, Any], zone: str | None = None) -> None:
    """Which groups change stage, and how each stands before and after."""
    refused = f", {found['refused']:,} cannot be changed" if found["refused"] else ""
    say(f"{found['groups']:,} {'group' if found['groups'] == 1 else 'groups'}{refused}")
    for move, count in sorted(found["moves"].items()):
        say(f"  {count:,} from {worded(move.replace(' > ', ' to '))}")
    table = table_of(
        "group", "stage", "level", "next line", "liquidated at", "then: stage", "level", "next line", "liquidated at"
    )
    for item in found["items"]:
        if item["refused"]:
            table.add_row(item["group"], item["refused"])
        else:
            table.add_row(item["group"], *_stand(item["before"], zone), *_stand(item["after"], zone))
    if table.rows:
        out.print(table)
    if len(found["items"]) < found["groups"]:
        say(f"the first {len(found['items']):,} are listed")


def _stand(stand: dict[str, Any], zone: str | None) -> tuple[str, ...]:
    metric = stand["metric"]
    line = f"{worded(stand['next_line'])} {line_level(metric, stand['next_level'])}" if stand["next_line"] else "-"
    now = "unknown" if stand["figure"] is None else _figure(stand)
    return worded(stand["stage"]), now, line, figures.until(stand["liquidated_at"], zone)


def _figure(stand: dict[str, Any]) -> str:
    """An LTV in percent; a level is rounded already, on its side of its lines."""
    named = "" if stand["metric"] == "ltv" else f"{worded(stand['metric'])} "
    return named + figures.level(stand["metric"], stand["figure"], {line: line for line in stand["lines"]} or None)


def _metric(found: dict[str, Any]) -> str | None:
    """What judges the groups of an act, where all of them are judged by the same."""
    metrics = {stand["metric"] for item in found["items"] if (stand := item["before"]) is not None}
    return metrics.pop() if len(metrics) == 1 else None


def _lasting(of: dict[str, Any], zone: str | None, metric: str | None = None) -> str:
    """What an act changes and until when, said once."""
    until = f" until {figures.until(of['until'], zone)}" if of["until"] else ""
    what = _changing(of, zone, metric)
    return what if until and figures.until(of["until"], zone) in what else what + until


def _changing(of: dict[str, Any], zone: str | None, metric: str | None = None) -> str:
    """What an act changes. Lines are in percent where they are of an LTV, and as they were stated where that is not known."""
    if of["act"] == "move":  # a product is called what it is called
        return str(of["change"])
    if of["act"] == "pin":
        asset, _, price = of["change"].removesuffix(" USD").partition(" is ")
        return f"{asset} is {figure(price)} USD"
    if of["act"] != "override":
        return (
            worded(figures.times(of["change"], zone)) if of["act"] == "silence" else figures.times(of["change"], zone)
        )
    lines = (each.rpartition(" ") for each in of["change"].split(", "))
    return ", ".join(
        f"{LINES.get(name, worded(name))} {level if metric is None else line_level(metric, level)}"
        for name, _, level in lines
    )


def _what(of: dict[str, Any], zone: str | None, metric: str | None = None) -> str:
    """What an act changes, beside a column that says until when."""
    return _changing(of, zone, metric).removesuffix(f" until {figures.until(of['until'], zone)}")


def pulled(answer: dict[str, Any], zone: str | None = None) -> None:
    """What became of an act: it is done, or it waits for another person."""
    if "expires" in answer:
        say(f"proposed {answer['id']}, needs another person until {figures.until(answer['expires'], zone)}")
        return
    groups = "1 group" if answer["groups"] == 1 else f"{answer['groups']:,} groups"
    say(f"{answer['id']}: {_lasting(answer, zone)}, {groups}")
    if answer["emergency"]:
        say(f"done alone: it ends after two hours unless another person approves {answer['proposal']}")


def levers(items: Sequence[dict[str, Any]], zone: str | None = None) -> None:
    """Levers in force."""
    if not items:
        say("no lever is in force")
        return
    table = table_of("lever", "what", "until", "groups", "by", "approved by", "reason")
    for item in items:
        alone = f"nobody yet: {item['emergency']}" if item["emergency"] and not item["approved_by"] else ""
        named = ", ".join(item["group_ids"][:5]) + (" ..." if item["groups"] > 5 else "")
        row = (item["id"], _what(item, zone), figures.until(item["until"], zone), named or "-", item["by"])
        table.add_row(*(shown(str(cell)) for cell in row), item["approved_by"] or alone or "-", shown(item["reason"]))
    out.print(table)


def proposals(items: Sequence[dict[str, Any]], zone: str | None = None) -> None:
    """What waits for another person."""
    if not items:
        say("nothing waits for another person")
        return
    table = table_of("proposal", "what", "until", "groups", "by", "expires", "reason", "emergency")
    for item in items:
        row = (
            item["id"],
            f"{worded(item['act'])}: {_what(item, zone, _metric(item['effects']))}",
            figures.until(item["until"], zone),
            f"{item['effects']['groups']:,}",
            f"{item['person']} ({item['by']})",
            figures.until(item["expires"], zone),
            item["reason"],
            item["emergency"] or "-",
        )
        table.add_row(*(shown(str(cell)) for cell in row))
    out.print(table)


def proposal(look: dict[str, Any], zone: str | None = None) -> None:
    """One proposal, as it was proposed and as it would be by now."""
    one = look["proposal"]
    proposals([one], zone)
    say(f"when it was proposed, at {figures.until(one['at'], zone)}:")
    effects(one["effects"], zone)
    say(f"now, at {figures.until(look['at'], zone)}:")
    effects(look["now"], zone)
