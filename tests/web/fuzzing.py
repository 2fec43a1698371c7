"""What `schemathesis` is told beside the contract: which valid requests may be refused for what the desk is like just now.

A schema says which form a request has. It cannot say which groups there are, what time it is, or which coins have a price. So
each refusal of a valid request must be one of these, word by word; any other is a hole of the contract.
"""

from __future__ import annotations

import re
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure

STATE: list[tuple[str, str, str]] = [
    ("stale", "", "has another version now"),
    ("stale", "", "If-Match asks for version"),
    ("bad-request", "", "and not with If-Match"),
    ("bad-request", "", "a list as CSV is that of shocks or a scenario"),
    ("bad-cursor", "", ""),
    ("bad-query", "after", ""),
    ("bad-query", "from", "is not before `to`"),
    ("bad-query", "type", "a type of alert or a glob"),
    ("bad-query", "", "dry_run: only a pin says what it would do"),
    ("bad-query", "", "day: found .* expected a day that has begun"),
    ("idempotency-conflict", "", ""),
    # Of a time
    ("invalid", "until", "is not after|is not within|before"),
    ("invalid", "at", "ahead"),
    ("invalid", "lever.*", "until .* is not"),
    ("invalid", "", "effective|is in the past|before now"),
    # Of what is configured, or in the book
    ("invalid", "product", "expected one of: vip_loan"),
    ("invalid", "scenario", "expected a file of the folder"),
    ("invalid", "notifier", "expected one of: "),
    ("invalid", "select", "selects no group"),
    ("invalid", r"leverage|open_order_loss|delayed_liquidation|collateral|loans\[\d+\]\.(asset|rate|term)", "vip_loan"),
    ("invalid", r"thresholds", "lines out of order"),
    ("invalid", r"terms\..*", ""),
    ("invalid", r"contacts\..*", ""),
    ("invalid", "id", r"as in the path"),
    ("invalid", "id", "state it here or in the header Idempotency-Key"),
    ("invalid", "url|name", ""),
    ("invalid", "match", "no type of alert is like"),
    (
        "invalid",
        r"(shock|shocks|remove|repay|add|matrix|reverse)\b.*",
        "expected a coin|has no price|above -100%|found",
    ),
    ("invalid", r"products\[\d+\].*|lifecycle.*", ""),
    # Of several values together
    ("invalid", r"terms\.ladders\..*|terms", "bound|share|inf|tier"),
    ("invalid", r"matrix\.y\.asset", "on both sides"),
    ("invalid", r"loans\[\d+\]", "at most the principal"),
    ("invalid", r"(loan|loans\[\d+\])\.(opened_at|matures_at)", "after now|when the loan was opened|days"),
    ("invalid", r"loans\[\d+\].id", "appears twice"),
]
"""Kind of problem, its place (the whole of it), and what it says (a part of it)."""


class ValidRequestRefused(Failure):
    """A request is as the contract says, and the monitor refuses it for its form."""


def is_of_state(problem: dict[str, Any]) -> bool:
    """Whether a refusal is for what the desk is like just now."""
    kind = problem["type"].rpartition(":")[2]
    found = problem.get("errors") or [{"where": "", "what": problem["detail"]}]
    return all(
        any(k == kind and re.fullmatch(where, e["where"]) and re.search(what, e["what"]) for k, where, what in STATE)
        for e in found
    )


@schemathesis.check
def valid_requests_are_refused_only_for_what_the_desk_is_like(ctx: Any, response: Any, case: Any) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 412, 422):
        return
    problem = response.json()
    if not is_of_state(problem):
        raise ValidRequestRefused(operation=case.operation.label, title="Valid request refused", message=str(problem))
