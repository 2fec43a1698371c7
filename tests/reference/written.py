"""How the reference writes an alert about a group: what it says of its lifecycle, and the figures of its time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.reference import state
from tests.reference.figures import ZERO, Figures, plain, stated_level, stated_ltv
from tests.reference.lenders import Lender
from tests.reference.state import Group
from tests.reference.terms import Version, stamp


def alert(group: Group, at: datetime, kind: str, reason: str, version: Version, metric: str = "ltv") -> dict[str, Any]:
    """All but the id and the figures; the stage is one that stays as it is."""
    return {
        "type": kind,
        "timestamp": stamp(at),
        "severity": state.SEVERITY[kind],
        "group": group.line.id,
        "sequence": group.sequence,
        "episode": group.episode,
        "stage_from": group.stage,
        "stage_to": group.stage,
        "reason": metric if reason == "ltv" else reason,
        "thresholds": {name: plain(group.thresholds[name]) for name in state.LEVELS if name in group.thresholds},
        "deadline": stamp(group.deadline) if group.deadline else None,
        "suppressed": [],
        "supersedes": None,
        "blind": not group.priced,
        "rules": version.rules,
    }


def figures(group: Group, found: Figures | None, price: Mapping[str, Decimal], lender: Lender) -> dict[str, Any]:
    """The figures; without every price they are the best that may be, or null, for half a sum would be a wrong one.

    What the ladders do not list has no market value here either.
    """
    level: dict[str, Any] = {"metric": lender.figure, lender.figure: None} if lender.falls else {}
    missing = sorted(group.assets - price.keys())
    level |= {"missing": missing} if missing else {}
    if found is None or not (group.priced or found.debt):
        return dict.fromkeys(state.FIGURES) | level
    level |= {"bound": True} if missing else {}
    market = plain(sum((q * price[asset] for asset, q, _ in group.holdings), ZERO)) if group.priced else None
    levels = [*group.thresholds.values(), *group.warnings]
    written = stated_ltv(found, levels, lender.falls), plain(found.debt), plain(found.recognised), market
    level |= {lender.figure: stated_level(found, levels)} if lender.falls else {}
    return dict(zip(state.FIGURES, written, strict=True)) | level
