"""What counts next for a group, in words: that depends on its stage, not on its level alone (decision 121).

Core has decided where the group stands (`band`) and which line is ahead (`next_line`); here are only the words for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from monitor.core.money import ZERO, plain
from monitor.core.stages.stages import DELAYED, LENDER_REASON, LIQUIDATION, MARGIN_CALL, NORMAL, TRIGGERED
from monitor.core.text import percent

LINES = {
    "initial": "initial level",
    "margin_call": "margin call",
    "liquidation": "liquidation",
    "immediate": "immediate liquidation",
}
_BAND_LINE = {
    "restricted": "initial",
    "margin_call": "margin_call",
    "liquidation": "liquidation",
    "immediate": "immediate",
}
"""Which line a band begins with."""
_REASONS = {
    "grace_expired": "the grace period ended",
    "call_expired": "a margin call was not met in time",
    "overdue": "a loan was not repaid in time",
    "repayment": "more was repaid than was owed",
}


def line_percent(ratio: str | Decimal) -> str:
    """A threshold with all its digits."""
    return f"{plain(Decimal(ratio).scaleb(2))} %"


def points(difference: Decimal) -> str:
    """A distance between two LTVs, rounded to the nearest; with more digits where it would stand on the line."""
    return f"{percent(difference, [ZERO])} points"


def stage_of(data: Mapping[str, Any]) -> str:
    """The stage that the alert leads to; empty where it is about none."""
    return str((data.get("stage") or {}).get("to") or "")


def level_text(data: Mapping[str, Any], level: str) -> str:
    """A line as it is written: an LTV in percent, a level as it is."""
    return level if data.get("metric") else line_percent(level)


def crossed(data: Mapping[str, Any]) -> str | None:
    """The worst line that the group has crossed: `liquidation at 91 %`. A strict line is crossed only beyond it."""
    lines = data.get("thresholds") or {}
    name = _BAND_LINE.get(data.get("band") or "")
    while name is not None and name not in lines:
        # Debt on nothing is in the worst band, whatever lines there are.
        name = next((n for n in reversed(lines) if n in LINES), None)
    return None if name is None else f"{LINES[name]} at {level_text(data, lines[name])}"


def ahead(data: Mapping[str, Any]) -> str | None:
    """The line that counts next: `immediate liquidation above 95 %`; None where none does."""
    line = data.get("next_line")
    if not line:
        return None
    level = line.get("ltv") or line["level"]
    side = ("below" if data.get("metric") else "above") if line.get("strict") else "at"
    return f"{LINES[line['name']]} {side} {level_text(data, level)}"


def ahead_with_distance(data: Mapping[str, Any]) -> str | None:
    """The same with the way to it: `(3.16 points away)`."""
    words, line = ahead(data), data.get("next_line")
    now = data.get(data["metric"]) if data.get("metric") else data.get("ltv")
    if words is None or not line or now is None:
        return words
    if data.get("metric"):
        return f"{words} ({Decimal(now) - Decimal(line['level']):f} away)"
    return f"{words} ({points(Decimal(line['ltv']) - Decimal(now))} away)"


def way_out(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Which level ends the stage, and how that is called: `("Cured at", "72 %")`, in a liquidation `("Cleared at", ...)`."""
    stage, lines = stage_of(data), data.get("thresholds") or {}
    if stage in ("", NORMAL) or "initial" not in lines:
        return None
    level = level_text(data, lines["initial"])
    if stage != LIQUIDATION:
        return "Cured at", level
    if data.get("reason") == LENDER_REASON:
        return "Cleared", f"when the lender no longer liquidates, at {level} or when nothing is owed"
    return "Cleared at", f"{level}, or when nothing is owed"


def why_liquidated(type_: str, data: Mapping[str, Any]) -> str | None:
    """Why a group is liquidated, in the word of the metric that judges it, or why its grace period began without its line."""
    reason, metric = data.get("reason") or "", str(data.get("metric") or "LTV").replace("_", " ")
    if type_ != TRIGGERED:
        return _REASONS[reason] if reason == "call_expired" else None
    if reason in ("ltv", data.get("metric")):
        return f"the {metric} line was {'passed' if data.get('metric') else 'reached'}"
    if reason == "immediate":
        return f"{metric} is {'below' if data.get('metric') else 'above'} the immediate line: no grace period is left"
    return "the lender's own system liquidates" if reason == LENDER_REASON else _REASONS.get(reason)


def in_time(type_: str, data: Mapping[str, Any]) -> str | None:
    """What was not done in time, where a clock and no line led to liquidation: it stands in subjects."""
    is_clock = type_ == TRIGGERED and data.get("reason") in _REASONS
    return _REASONS[data["reason"]] if is_clock else None


def called(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is outstanding of an open margin call in USD, and when it is due, where the product's calls have a clock."""
    facts = data.get("facts") or {}
    outstanding, due = str(facts.get("outstanding_usd")), str(facts.get("due"))
    try:
        datetime.fromisoformat(due)
        return (outstanding, due) if Decimal(outstanding) else None
    except (ValueError, InvalidOperation):  # a plug-in's own facts may be anything
        return None


def next_words(data: Mapping[str, Any]) -> list[str]:
    """What counts next after a deadline and an amount, for one line: of a group in a bad stage, the most urgent first."""
    stage = stage_of(data)
    initial = (data.get("thresholds") or {}).get("initial")
    if stage in (MARGIN_CALL, DELAYED):
        found = [words] if (words := ahead(data)) is not None else []
        if initial is None or data.get("deadline"):  # a deadline is said with its level: `cure to 72 % by ...`
            return found
        return [*found, f"cured at {level_text(data, initial)}"]
    if stage == LIQUIDATION and initial is not None and data.get("reason") != LENDER_REASON:
        return [f"cleared at {level_text(data, initial)}"]
    return []
