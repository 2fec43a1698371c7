"""Lines of a loan book for tests: one builder, and the two groups that most tests need."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

OPENED = "2026-01-05T10:00:00Z"


def open_loan(id_: str, asset: str, principal: str, opened_at: str = OPENED, **more: Any) -> dict[str, Any]:
    """A flexible loan without a term."""
    loan = {"id": id_, "asset": asset, "principal": principal, "rate": {"kind": "flexible"}, "term": "open"}
    return loan | {"opened_at": opened_at} | more


def book_line(
    kind: str,
    holds: Mapping[str, str],
    owes: Mapping[str, str],
    id_: str = "G-1",
    opened_at: str = OPENED,
    **more: Any,
) -> dict[str, Any]:
    """A group with one account, and one open loan for each coin that it owes. `more` are keys of the line."""
    stated = {
        "id": id_,
        "product": kind,
        "receiving_account": f"{id_}-in",
        "collateral": {f"{id_}-a": dict(holds)},
        "loans": [open_loan(f"{id_}-{asset}", asset, principal, opened_at) for asset, principal in owes.items()],
    }
    return stated | more


def line(id_: str = "G-1", btc: str = "10", owed: str = "100000", *, asset: str = "BTC", **more: Any) -> dict[str, Any]:
    """A group of ACME that holds 10 BTC and owes 100,000 USDT, in one open loan `<id>-L1`."""
    loans = [open_loan(f"{id_}-L1", "USDT", owed, "2026-03-01T10:00:00Z")]
    return book_line("vip_loan", {asset: btc}, {}, id_, **{"loans": loans, "labels": {"borrower": "ACME"}} | more)


one_btc = partial(line, btc="1", owed="50000", labels={})
"""A group of nobody that holds 1 BTC and owes 50,000 USDT."""
