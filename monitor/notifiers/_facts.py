"""The facts of an alert as people read them: no keys of ours, no JSON, lists as lines, times in the desk's zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from monitor.core.alerts.alert_type import AMOUNT
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.alerts.titles import title_of
from monitor.notifiers._base import AMOUNT_TEXT, Notice, fact_of, number, one_line, with_moments

LINE_CHARS = 500
SHORT = 40
"""Names up to this length stand beside each other; longer ones, and what has parts, are lines."""
_CUT = "_cut"
_NAMES = {
    "group_ids": "which groups",
    "worse_ids": "which are worse",
    "alert_type": "kind of alert",
    "is_exact": "exact",
}
_CODES = frozenset(
    [
        "act",
        "band",
        "dispute",
        "from",
        "kind",
        "lender_stage",
        "metric",
        "of",
        "our_stage",
        "outcome",
        "reason",
        "stage",
        "state",
        "to",
        "trust",
        "why",
    ]
)
"""Facts that may be a word of ours: `extend_grace` is read as "extend grace". A name in a book may look the same."""
_HEADS = ("group", "what", "cell", "subject", "source", "notifier", "asset")
"""What a row is about: it stands first."""
_BARE = frozenset({"remedy", "reason", "text", "kind"})
"""Parts of a row that say by themselves what they are."""


def told_facts(notice: Notice) -> Iterator[tuple[str, list[str]]]:
    """Names and lines; a list without anything has no line. What is null, and that nothing was left out, is not said."""
    facts: Mapping[str, Any] = notice.data.get("facts") or {}
    zone, amounts = notice.data.get("zone"), _amounts(notice.type)
    for name, value in facts.items():
        is_count = name.endswith(_CUT) and isinstance(value, int)
        if value in (None, "") or (is_count and (not value or name.removesuffix(_CUT) in facts)):
            continue
        if name == "reason" and facts.get("reasons"):
            continue  # that of most of many lines; all of them follow
        shown, lines = name, [] if value in ([], {}) else [_value(name, value, zone)]
        if isinstance(value, list | tuple):
            cut = facts.get(f"{name}{_CUT}")
            lines = _listed(value, cut if isinstance(cut, int) else 0, zone)
        elif isinstance(value, str) and name in amounts and not name.endswith("_usd"):
            lines = [number(value) if AMOUNT_TEXT.fullmatch(value) else one_line(value, LINE_CHARS)]
        elif isinstance(value, str):
            shown, text = fact_of(name, value)
            lines = [text] if shown != name else lines
        if name == "to" and value == facts.get("from"):
            lines = [f"{lines[0]}, its text was changed"]
        yield _named(shown, value, name in amounts, lines)


@lru_cache(maxsize=128)
def _amounts(type_: str) -> frozenset[str]:
    """The facts of a type that are numbers. A plug-in's own facts stay as they are."""
    row = CATALOGUE.get(type_)
    return frozenset() if row is None else frozenset(fact.name for fact in row.facts if fact.schema is AMOUNT)


def _named(name: str, value: Any, is_amount: bool, lines: list[str]) -> tuple[str, list[str]]:
    """Seconds have their unit behind the figure."""
    if name.endswith("_s") and (is_amount or isinstance(value, int)):
        name, lines = name.removesuffix("_s"), [f"{lines[0]} s"]
    return one_line(_NAMES.get(name, name).replace("_", " "), 60), lines


def _listed(values: list[Any] | tuple[Any, ...], cut: int, zone: str | None) -> list[str]:
    """Short names beside each other; else a line each. The last says how many more there are."""
    texts = [isinstance(v, dict) and v.keys() <= {"reason", "text"} and "text" in v for v in values]
    words = [
        _value("text", v["text"], zone) if is_text else _row(v, zone) if isinstance(v, dict) else _value("", v, zone)
        for v, is_text in zip(values, texts, strict=True)
    ]
    words = [each for each in words if each]
    more = [f"and {cut:,} more"] if cut else []
    if not words:
        return more
    are_names = all(isinstance(v, str) and len(v) <= SHORT and ": " not in v for v in values)
    if are_names or all(texts):
        return [one_line(" ".join([", ".join(words), *more]), 10 * LINE_CHARS)]
    return [*words, *more]


def _row(row: Mapping[str, Any], zone: str | None) -> str:
    """`G-1: normal → margin call`, `normal → margin call: 12 groups`, `principal: value -5, state an amount above 0`."""
    left = {name: value for name, value in row.items() if value not in (None, "", [], {})}
    head = [_value(name, left.pop(name), zone) for name in _HEADS if name in left][:1] if left else []
    if "from" in left and "to" in left:
        head.append(" → ".join(_value(name, left.pop(name), zone) for name in ("from", "to")))
    parts = []
    for name, value in left.items():
        shown, text = fact_of(name, value)
        said = text if shown != name else _value(name, value, zone)
        if name == "groups" and isinstance(value, int):
            parts.append(f"{said} group{'' if value == 1 else 's'}")
            continue
        if name == "price" and isinstance(value, str) and AMOUNT_TEXT.fullmatch(value):
            said = number(value)
        words, (said,) = _named(shown, value, isinstance(value, str) and bool(AMOUNT_TEXT.fullmatch(value)), [said])
        parts.append(said if name in _BARE else f"{words} {said}")
    return one_line(": ".join([*head, *([", ".join(parts)] if parts else [])]), LINE_CHARS)


def _value(name: str, value: Any, zone: str | None) -> str:
    """One value in words; empty where it is null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    if isinstance(value, dict):
        pairs = ((one_line(k, 60).replace("_", " "), _value("", v, zone)) for k, v in value.items())
        return one_line(", ".join(f"{key} {said}" for key, said in pairs if said), LINE_CHARS)
    if isinstance(value, list | tuple):
        return one_line(", ".join(filter(None, (_value("", v, zone) for v in value))), LINE_CHARS)
    if name in ("alert_type", "kind") and value in CATALOGUE:
        return title_of(value)
    is_code = name in _CODES and value.isascii() and value.replace("_", "").isalpha() and value.islower()
    return one_line(with_moments(value.replace("_", " ") if is_code else value, zone), LINE_CHARS)
