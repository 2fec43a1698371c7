"""A body for each operation that reads one, as the contract shows it. A test reads each as the server does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LOAN = {
    "id": "G-1-L1",
    "asset": "USDT",
    "principal": "100000",
    "rate": {"kind": "flexible"},
    "term": "open",
    "opened_at": "2026-01-05T10:00:00Z",
}
_TERM_LOAN = {
    "id": "G-1-L2",
    "asset": "USDT",
    "principal": "25000",
    "rate": {"kind": "fixed", "daily": "0.0003"},
    "term": "30d",
    "opened_at": "2026-01-05T10:00:00Z",
    "matures_at": "2026-02-04T10:00:00Z",
}
_UNTIL = "2026-01-12T10:00:00Z"
_BEARER = "what stands behind Authorization: Bearer"
_ENTRIES: Mapping[str, Any] = {
    "deposit": {"account": "G-1-a", "asset": "BTC", "quantity": "0.5"},
    "withdraw": {"account": "G-1-a", "asset": "BTC", "quantity": "0.1"},
    "set_balance": {"account": "G-1-a", "asset": "BTC", "quantity": "10"},
    "transfer": {"from": "G-1-a", "to": "G-1-b", "asset": "BTC", "quantity": "1"},
    "borrow": {"loan": _TERM_LOAN},
    "repay": {"asset": "USDT", "amount": "5000"},
    "renew": {"loan": "G-1-L2", "term": "60d", "rate": {"kind": "fixed", "daily": "0.0004"}},
    "attach_account": {"account": "G-1-c"},
    "detach_account": {"account": "G-1-c"},
    "enroll": {"delayed_liquidation": True},
    "liquidated": {"proceeds_usd": "98000", "fee_usd": "2000"},
    "extend_grace": {"until": _UNTIL, "reason": "agreed with the borrower"},
    "waive": {"until": _UNTIL, "reason": "agreed with the borrower"},
    "override": {"thresholds": {"liquidation": "0.93"}, "until": _UNTIL, "reason": "agreed with the borrower"},
    "announce": {"kind": "collateral", "asset": "BTC", "amount": "0.5", "expected": _UNTIL},
    "dispute": {"amount_usd": "2500", "reason": "the price of that hour", "by": "the borrower"},
    "resolve": {"reason": "agreed", "by": "the desk"},
    "move": {"product": "cross_margin_pro", "reason": "a new agreement"},
}
"""What each kind of entry states, beside its type and its id."""
_OVERRIDE = {"type": "override", **_ENTRIES["override"]}

EXAMPLES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("PUT", "/v1/groups/{id}"): {
        "group": {
            "id": "G-1",
            "product": "vip_loan",
            "receiving_account": "G-1-in",
            "collateral": {"G-1-a": {"BTC": "10"}},
            "loans": [_LOAN],
            "labels": {"borrower": "ACME"},
        }
    },
    ("POST", "/v1/groups/{id}/entries"): {
        kind: {"type": kind, "id": f"2026-01-05-{kind}", "at": "2026-01-05T10:00:00Z", **body}
        for kind, body in _ENTRIES.items()
    },
    ("POST", "/v1/groups/{id}/calls"): {
        kind: {"type": kind, "id": f"2026-01-05-{kind}", **_ENTRIES[kind]}
        for kind in ("announce", "dispute", "resolve")
    },
    ("POST", "/v1/groups/{id}/what-if"): {"fall": {"shock": {"BTC": "-20%"}, "add": {"BTC": "1"}}},
    ("POST", "/v1/alerts/{id}/ack"): {"note": {"note": "calling the borrower", "until": _UNTIL}},
    ("POST", "/v1/silences"): {
        "borrower": {"match": {"labels": {"borrower": "ACME"}}, "until": _UNTIL, "reason": "a planned migration"}
    },
    ("POST", "/v1/levers"): {
        "override": {"lever": _OVERRIDE, "groups": ["G-1"]},
        "selected": {"lever": _OVERRIDE, "select": {"labels": {"borrower": "ACME"}}},
    },
    ("POST", "/v1/proposals/{id}/approve"): {"as seen": {"seen": "0f3c0f3c0f3c0f3c"}},
    ("POST", "/v1/proposals/{id}/reject"): {"reason": {"reason": "not agreed"}},
    ("POST", "/v1/prices/{id}/decisions"): {
        "pin": {"pin": "30000", "until": _UNTIL, "reason": "the venue is down"},
        "exclude": {"exclude": "kraken", "reason": "the venue is down"},
        "believe": {"believe": "30000", "reason": "seen at three venues"},
    },
    ("POST", "/v1/rates"): {"rate": {"product": "vip_loan", "rates": {"USDT": "0.0002"}, "effective": _UNTIL}},
    ("POST", "/v1/rules/preview"): {
        "rules": {"products": [{"kind": "vip_loan", "lines": ["# the file, line by line"]}]}
    },
    ("POST", "/v1/stress"): {
        "shocks": {"shocks": {"BTC": "-30%", "ETH": "1500"}},
        "scenario": {"scenario": "2021-05-19"},
        "matrix": {
            "matrix": {
                "x": {"asset": "BTC", "shocks": ["-10%", "-20%"]},
                "y": {"asset": "ETH", "shocks": ["-10%", "-20%"]},
            }
        },
        "reverse": {"reverse": {"share": "0.1"}},
    },
    ("POST", "/v1/endpoints"): {
        "endpoint": {"url": "https://hooks.example.com/loans", "name": "acme", "types": ["loan_group.*"]}
    },
    ("POST", "/v1/endpoints/{id}/rotate"): {"overlap": {"overlap": "24h", "key": "secret"}},
    ("POST", "/v1/channels/{id}/disable"): {"reason": {"reason": "maintenance"}},
    ("POST", "/v1/deliveries/replay"): {"range": {"notifier": "acme", "after": 0, "types": ["loan_group.*"]}},
    ("POST", "/v1/deliveries/retry"): {"failed": {"notifier": "acme", "since": "2026-01-05T10:00:00Z"}},
    ("POST", "/v1/session"): {"token": {"token": _BEARER}},
}
"""By method and path, by name."""
