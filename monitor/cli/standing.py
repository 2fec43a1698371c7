"""How a group stands, in the words of every other text: figure, lines, and what counts next in its stage (decision 121)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from monitor.notifiers import _stage_words as stage_words
from monitor.notifiers._base import figure_of, metric_of, moment, number, usd, usd_up

LEVELS = ("margin_level", "health_factor")


def standing(answer: dict[str, Any], zone: str | None = None) -> Iterator[str]:
    """The first lines of `explain`, from the answer of GET /v1/groups/{id}; `zone` is the desk's."""
    data = as_alert(answer)
    figure = figure_of(data) or f"{metric_of(data)} none"
    debt, counted = (_usd(answer[name]) for name in ("debt_usd", "recognised_usd"))
    of = f"recognised {counted} / debt {debt}" if data["metric"] else f"debt {debt} / recognised {counted}"
    yield f"{figure} = {of} USD"
    yield "lines: " + ", ".join(
        f"{stage_words.LINES[name]} {stage_words.level_text(data, level)}"
        for name, level in answer["thresholds"].items()
    )
    if answer.get("deadline"):
        yield f"grace period ends {moment(answer['deadline'], zone)}"
    if (call := stage_words.called(data)) is not None:
        yield f"margin call: {usd(call[0])} USD outstanding, due {moment(call[1], zone)}"
    if (words := stage_words.ahead_with_distance(data)) is not None:
        yield f"next: {words}"
    if (way := stage_words.way_out(data)) is not None:
        yield f"{way[0].lower()} {way[1]}"


def way_back(cure: dict[str, Any]) -> str | None:
    """What leads to the initial level, each amount so that it suffices; None for a group that is there."""
    if not Decimal(cure["repay_usd"]):
        return None
    by_asset = " or ".join(f"{number(q)} {asset}" for asset, q in cure["by_asset"].items() if q is not None)
    add = f", or add {by_asset}" if by_asset else ""
    to = stage_words.line_percent(cure["to_ltv"]) if "to_ltv" in cure else cure["to_level"]
    return f"to the initial level of {to}: repay {usd_up(cure['repay_usd'])} USD{add}"


def as_alert(answer: dict[str, Any]) -> dict[str, Any]:
    """A group's answer under the names of an alert's data, for which the words are made."""
    metric = next((name for name in LEVELS if name in answer), None)
    call = answer.get("call") or {}
    is_open = call.get("status") in ("open", "disputed", "expired")
    facts = {name: call.get(name) for name in ("outstanding_usd", "due")} if is_open else {}
    return {**answer, "stage": {"to": answer["stage"]}, "metric": metric, "facts": facts}


def _usd(amount: str | None) -> str:
    return "unknown" if amount is None else usd(amount)
