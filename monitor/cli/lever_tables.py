"""What the commands show of levers and proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.cli.output import out, say, shown
from monitor.cli.tables import table_of
from monitor.notifiers._base import percent
from monitor.notifiers._stage_words import line_percent


def preview(answer: dict[str, Any]) -> None:
    """What an act would do, were it done now."""
    say(f"{answer['act']}: {answer['change']}" + (f" until {answer['until']}" if answer["until"] else ""))
    effects(answer["effects"])
    if answer["needs_approval"]:
        say("another person must approve it")


def effects(found: dict[str, Any]) -> None:
    """Which groups change stage, and how each stands before and after."""
    refused = f", {found['refused']} cannot be changed" if found["refused"] else ""
    say(f"{found['groups']:,} {'group' if found['groups'] == 1 else 'groups'}{refused}")
    for move, count in sorted(found["moves"].items()):
        say(f"  {count} from {move.replace(' > ', ' to ')}")
    table = table_of(
        "group", "stage", "level", "next line", "liquidated at", "then: stage", "level", "next line", "liquidated at"
    )
    for item in found["items"]:
        if item["refused"]:
            table.add_row(item["group"], item["refused"])
        else:
            table.add_row(item["group"], *_stand(item["before"]), *_stand(item["after"]))
    if table.rows:
        out.print(table)
    if len(found["items"]) < found["groups"]:
        say(f"the first {len(found['items'])} are listed")


def _stand(stand: dict[str, Any]) -> tuple[str, ...]:
    line = f"{stand['next_line'].replace('_', ' ')} {_level(stand, stand['next_level'])}" if stand["next_line"] else "-"
    figure = "unknown" if stand["figure"] is None else _figure(stand)
    return stand["stage"].replace("_", " "), figure, line, stand["liquidated_at"] or "-"


def _figure(stand: dict[str, Any]) -> str:
    """An LTV in percent; a level is rounded already, on its side of its lines."""
    if stand["metric"] != "ltv":
        return f"{stand['metric'].replace('_', ' ')} {stand['figure']}"
    return percent(stand["figure"], {line: line for line in stand["lines"]} or None)


def _level(stand: dict[str, Any], level: str) -> str:
    return line_percent(level) if stand["metric"] == "ltv" else level


def pulled(answer: dict[str, Any]) -> None:
    """What became of an act: it is done, or it waits for another person."""
    if "expires" in answer:
        say(f"proposed {answer['id']}, needs another person until {answer['expires']}")
        return
    until = f" until {answer['until']}" if answer["until"] else ""
    groups = "1 group" if answer["groups"] == 1 else f"{answer['groups']:,} groups"
    say(f"{answer['id']}: {answer['change']}{until}, {groups}")
    if answer["emergency"]:
        say(f"done alone: it ends after two hours unless another person approves {answer['proposal']}")


def levers(items: Sequence[dict[str, Any]]) -> None:
    """Levers in force."""
    if not items:
        say("no lever is in force")
        return
    table = table_of("lever", "what", "until", "groups", "by", "approved by", "reason")
    for item in items:
        alone = f"nobody yet: {item['emergency']}" if item["emergency"] and not item["approved_by"] else ""
        named = ", ".join(item["group_ids"][:5]) + (" ..." if item["groups"] > 5 else "")
        row = (item["id"], item["change"], item["until"] or "-", named or "-", item["by"])
        table.add_row(*(shown(str(cell)) for cell in row), item["approved_by"] or alone or "-", shown(item["reason"]))
    out.print(table)


def proposals(items: Sequence[dict[str, Any]]) -> None:
    """What waits for another person."""
    if not items:
        say("nothing waits for another person")
        return
    table = table_of("proposal", "what", "until", "groups", "by", "expires", "reason", "emergency")
    for item in items:
        row = (
            item["id"],
            f"{item['act']}: {item['change']}",
            item["until"] or "-",
            item["effects"]["groups"],
            f"{item['person']} ({item['by']})",
            item["expires"],
            item["reason"],
            item["emergency"] or "-",
        )
        table.add_row(*(shown(str(cell)) for cell in row))
    out.print(table)


def proposal(look: dict[str, Any]) -> None:
    """One proposal, as it was proposed and as it would be by now."""
    one = look["proposal"]
    proposals([one])
    say(f"when it was proposed, at {one['at']}:")
    effects(one["effects"])
    say(f"now, at {look['at']}:")
    effects(look["now"])
