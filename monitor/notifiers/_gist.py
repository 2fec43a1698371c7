"""How many things an alert tells of, and the first or the main cause of them: for subjects and short messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.core.alerts.state_alerts import CONFIG_REFUSED, RULES_HELD, UNMENDED

MOST_REASONS = 3
DETAIL_CHARS = 80


class Gist(NamedTuple):
    """`42 lines` and `41 negative, 1 duplicate group`."""

    many: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.many}: {self.detail}" if self.detail else self.many


def gist_of(type_: str, facts: Mapping[str, Any]) -> Gist | None:
    """None where an alert tells of one thing, which its subject names."""
    if type_ == RULES_HELD and isinstance(moved := facts.get("groups_moved"), int):
        return Gist(f"{_counted(moved, 'group')} would move")
    if type_ == UNMENDED and isinstance(count := facts.get("count"), int):
        unwatched = facts.get("unwatched")
        not_watched = (
            f", {_counted(unwatched, 'group')} not watched" if isinstance(unwatched, int) and unwatched else ""
        )
        return Gist(f"{_counted(count, 'thing')}{not_watched}", _first_trouble(facts.get("troubles")))
    if type_ == CONFIG_REFUSED and (problems := _list(facts.get("problems"))):
        return Gist(_counted(_all(facts, "problems"), "problem"), _short(problems[0]))
    if isinstance(count := facts.get("count"), int) and isinstance(reasons := facts.get("reasons"), dict):
        return Gist(_counted(count, "line"), _most(reasons))
    if channels := _list(facts.get("channels")):
        names = (row.get("notifier") for row in channels if isinstance(row, dict))
        return Gist(_counted(len(channels), "channel"), _short(", ".join(str(name) for name in names if name)))
    if _list(facts.get("assets")):
        return Gist(_counted(_all(facts, "assets"), "coin"))
    if also := _list(facts.get("also")):
        return Gist(_counted(1 + len(also), "coin"))
    return None


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _all(facts: Mapping[str, Any], name: str) -> int:
    """How many there are, with those that are not named."""
    cut = facts.get(f"{name}_cut")
    return len(facts[name]) + (cut if isinstance(cut, int) else 0)


def _most(reasons: Mapping[str, Any]) -> str:
    """The most frequent reasons first."""
    ordered = sorted((-count, reason) for reason, count in reasons.items() if isinstance(count, int))
    said = [f"{-count:,} {reason.replace('_', ' ')}" for count, reason in ordered[:MOST_REASONS]]
    return _short(", ".join([*said, *(["..."] if len(ordered) > MOST_REASONS else [])]))


def _first_trouble(rows: object) -> str:
    first = next((row for row in _list(rows) if isinstance(row, dict)), {})
    return _short(": ".join(str(first[name]) for name in ("subject", "text") if first.get(name)))


def _short(words: object) -> str:
    said = str(words)
    return said if len(said) <= DETAIL_CHARS else said[: DETAIL_CHARS - 3] + "..."


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"
