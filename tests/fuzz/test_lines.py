"""Lines of loan books, bodies of the API, entries of a past day: whatever one line holds."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitor import contacts
from monitor.books._base import PlainReader
from monitor.books._lines import judge
from monitor.core.loans.group import Group
from monitor.core.schema import Invalid, read
from monitor.engine.columns.names import Names
from monitor.engine.ingest.reader import BlockReader
from monitor.replay.entries import read_entry
from monitor.web import http
from monitor.web.contract import routes
from tests.coin_desk import START, line, loan
from tests.core.desk import product
from tests.fuzz.rubbish import bent, fuzz, spoilt

PRODUCTS = {"vip_loan": product()}
LINES: list[dict[str, Any]] = [
    line(),
    line(
        loans=[loan(), loan(id="L-2", interest="1.5")],
        labels={"borrower": "ACME"},
        contacts={"email": ["a@b.example", {"to": "c@d.example", "language": "pl"}], "sms": ["+15550100"]},
        thresholds={"margin_call": "0.8"},
    ),
]
KEYS = (
    "id",
    "product",
    "collateral",
    "loans",
    "labels",
    "contacts",
    "rate",
    "kind",
    "term",
    "principal",
    "thresholds",
    "to",
)
RAW = [json.dumps(each).encode() for each in LINES]
READERS = (
    PlainReader(lambda: PRODUCTS, contacts=contacts.problems),
    BlockReader(lambda: PRODUCTS, Names(), contacts=contacts.problems),
)


def sound(group: Group) -> None:
    """No sum of a group is one that nobody can owe or own."""
    for account in group.collateral.values():
        assert all(Decimal(0) <= quantity <= Decimal("1e24") for quantity in account.values())
    for each in group.loans:
        assert all(x.is_finite() and x >= 0 for x in (each.principal, each.interest)), each


@fuzz(60)
@given(spoilt(RAW) | bent(LINES, *KEYS))
def test_no_line_of_a_book_is_more_than_refused(raw: bytes) -> None:
    """Both readers agree on what a line means; the fast one may leave it to the other."""
    plain, fast = READERS
    judged = judge(raw, START, plain)
    assert (judged.group is None) == bool(judged.problem)
    msgspec.json.encode([judged.problem, judged.left_out])  # it goes into an alert
    if judged.group is not None:
        sound(judged.group)
    packed = fast.pack([raw], START, "book")
    assert packed is not None
    if not packed.rest:
        assert judged.group == packed.batch.group(0)


ENTRIES: list[dict[str, Any]] = [
    {"group": "G-1", "id": "E-1", "at": "2026-01-05T10:00:00Z", "type": "deposit", "account": "a", "asset": "BTC", "quantity": "1"},
    {"group": "G-1", "id": "E-2", "at": "2026-01-05T10:00:00Z", "type": "repay", "loan": "L-1", "quantity": "1.5"},
    {"group": "G-1", "id": "E-3", "at": "2026-01-05T10:00:00Z", "type": "extend_grace", "until": "2026-01-06T10:00:00Z", "reason": "x"},
]  # fmt: skip


@fuzz(50)
@given(
    spoilt([json.dumps(each).encode() for each in ENTRIES])
    | bent(ENTRIES, "group", "id", "at", "type", "quantity", "asset")
)
def test_no_entry_is_more_than_refused(raw: bytes) -> None:
    with suppress(Invalid):
        event = read_entry(raw)
        quantity = getattr(event.entry, "quantity", Decimal(1))
        assert quantity is None or (quantity.is_finite() and quantity > 0)
        assert event.at.tzinfo is not None


BODIES = list(dict.fromkeys(route.body for route in routes() if route.body is not None))
"""Those of all endpoints, so that a new one is tried too."""
SAID = [
    {
        "shocks": {"BTC": "-10%"},
        "prices": {"BTC": "1"},
        "url": "https://a.example",
        "types": ["*"],
        "match": {"group_id": "G-1"},
    },
    {
        "product": "vip_loan",
        "rates": {"USDT": "0.1"},
        "notifier": "desk",
        "after": 0,
        "until": "2026-01-05T10:00:00Z",
        "note": "x",
    },
    {
        "asset": "BTC",
        "price": "1",
        "type": "deposit",
        "account": "a",
        "quantity": "1",
        "loan": "L",
        "secret": "s",
        "comment": "c",
    },
]


@fuzz(60)
@given(
    st.sampled_from(BODIES),
    spoilt([json.dumps(each).encode() for each in SAID]) | bent(SAID, *SAID[0], *SAID[1], *SAID[2]),
)
def test_no_body_is_more_than_refused(body: Any, raw: bytes) -> None:
    with suppress(http.Rejected, Invalid):
        read(body, http.parse(raw))
