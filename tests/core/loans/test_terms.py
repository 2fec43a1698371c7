"""Terms of any number of days, and which of them an agreement offers (rules 21 and 27, domain section 9.8)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from monitor.core.events.entries import Entry, apply
from monitor.core.loans.group import Group, parse_line
from monitor.core.money import exact
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product
from monitor.core.schema import Invalid, read
from monitor.engine.columns.names import Names
from monitor.engine.ingest.reader import BlockReader
from monitor.products import vip_loan
from tests.coin_desk import START, line, loan, version

OFFERED = ("7d", "14d", "30d", "90d", "180d")


def agreement(*versions: dict[str, Any]) -> Product:
    return vip_loan.load({"version": list(versions) or [version(terms=list(OFFERED))]})


def put(product: Product, term: str) -> Group:
    days = int(term[:-1]) if term != "open" else 0
    stated = loan(matures=f"{24 * days}:00" if days else None, term=term)
    return parse_line(line(loans=[stated]), START, {"vip_loan": product})


def entered(product: Product, of: Group, stated: dict[str, Any]) -> Group:
    with exact():
        return apply(of, read(Entry, stated), START, product, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("term", OFFERED)
def test_a_loan_is_renewed_by_its_own_length(term: str) -> None:
    product = agreement()
    before = put(product, term)
    after = entered(product, before, {"type": "renew", "loan": "L-1", "term": term, "rate": {"kind": "flexible"}})
    was, now = before.loans[0], after.loans[0]
    assert was.matures_at is not None
    assert now.matures_at == was.matures_at + timedelta(days=int(term[:-1]))
    assert now.term == term


def test_a_line_of_a_term_that_is_not_offered_is_refused_and_the_terms_are_named() -> None:
    with pytest.raises(Invalid) as refused:
        put(agreement(), "60d")
    assert str(refused.value) == "loans[0].term: found '60d', vip_loan offers open, 7d, 14d, 30d, 90d, 180d"
    assert refused.value.reason == "term"
    with pytest.raises(Invalid, match="found '30d', vip_loan offers open loans only"):
        put(agreement(version(terms=[])), "30d")


@pytest.mark.parametrize("type_", ["borrow", "renew"])
def test_new_loans_and_renewals_have_terms_that_are_offered_now(type_: str) -> None:
    """A loan of a term that older rules offered is watched to its end; it is only not renewed for that."""
    product = agreement(version(), version(START - timedelta(days=1), terms=["90d"]))
    standing = put(product, "60d")
    stated = {"type": "renew", "loan": "L-1", "term": "60d", "rate": {"kind": "flexible"}}
    if type_ == "borrow":
        stated = {"type": "borrow", "loan": loan(id="L-2", matures="1440:00", term="60d")}
    with pytest.raises(Refused, match="found the term 60d, vip_loan offers open, 90d") as refused:
        entered(product, standing, stated)
    assert refused.value.reason == "term"


@pytest.mark.parametrize("term", ["0d", "030d", "30", "d", "90days", "-7d", "12345d", "7 d"])
def test_what_is_no_term_is_refused(term: str) -> None:
    stated = line(loans=[loan(matures="720:00", term=term)])
    with pytest.raises(Invalid, match="expected open, or a term in days such as 30d"):
        parse_line(stated, START, {"vip_loan": agreement()})


@pytest.mark.parametrize("term", [*OFFERED, "60d", "0d", "30", "open "])
def test_columns_take_the_lines_that_core_takes(term: str) -> None:
    product = agreement()
    days = int(term[:-1]) if term in (*OFFERED, "60d") and term != "open" else 30
    stated = line(loans=[loan(matures=f"{24 * days}:00", term=term)])
    batch, rest = BlockReader(lambda: {"vip_loan": product}, Names()).pack([json.dumps(stated).encode()], START, "b")
    try:
        expected = parse_line(stated, START, {"vip_loan": product})
    except Invalid:
        assert len(rest) == 1
    else:
        assert rest == []
        assert batch.group(0) == expected
