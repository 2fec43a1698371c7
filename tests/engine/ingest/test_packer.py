"""Packing a page of lines: each group is the one that parse_line reads, and what it leaves over is left to that."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import contacts
from monitor.books._base import Packed, PlainReader
from monitor.books._lines import LINE_BYTES, judge
from monitor.core.loans.group import GroupBatch, GroupLine, LoanLine, Rate, RecordedLines, parse_line
from monitor.core.rules.product import Product, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.engine.columns.names import Names
from monitor.engine.ingest import line_schema
from monitor.engine.ingest.packer import Packer
from monitor.engine.ingest.reader import BlockReader
from tests.engine.lines import full_line, spoiled, torn, written

AT = datetime(2026, 1, 20, 23, 59, 59, 5, tzinfo=UTC)
LINES = Thresholds(Decimal("0.72"), Decimal("0.77"), Decimal("0.91"), Decimal("0.95"))
LATER = Thresholds(Decimal("0.6"), Decimal("0.78"), Decimal("0.92"), Decimal("0.99"))
LADDERS = {"BTC": ((None, Decimal(1)),)}
RATES = {"USDT": Decimal("0.00016"), "ETH": Decimal(0)}
VERSIONS = (
    Version(datetime(2024, 4, 29, tzinfo=UTC), LINES, LADDERS, RATES),
    Version(AT + timedelta(days=9), LATER, LADDERS, RATES),
)
PRODUCTS = {"vip_loan": Product("vip_loan", VERSIONS)}


def pack(raws: list[bytes], products: dict[str, Product] = PRODUCTS) -> Packed:
    return Packer(Names()).pack(raws, AT, products, "book")


def agrees(raws: list[bytes]) -> int:
    """Compares each group with the slow path; how many were packed."""
    batch, rest = pack(raws)
    assert isinstance(batch, GroupBatch)
    taken = [place for place in range(len(raws)) if place not in set(rest)]
    assert len(batch) == len(taken)
    for i, (place, id_) in enumerate(zip(taken, batch.ids(), strict=True)):
        slow = judge(raws[place], AT, PlainReader(lambda: PRODUCTS))
        assert slow.group is not None, f"{raws[place]!r} was packed: {slow.problem}"
        assert batch.group(i) == slow.group, raws[place]
        assert id_ == slow.group.id
    return len(taken)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_lines_that_are_fine_are_packed_as_they_are_parsed(seed: int) -> None:
    """All of them, however they are written; only a repeated key or a value that no product permits is left."""
    rng = Random(seed)
    raws = [json.dumps(full_line(rng, k), separators=rng.choice([(",", ":"), None])).encode() for k in range(40)]
    assert agrees(raws) == len(raws)


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_no_line_is_packed_that_would_be_refused_or_read_otherwise(seed: int) -> None:
    rng = Random(seed)
    raws = []
    for k in range(40):
        one = full_line(rng, k)
        for _ in range(rng.randrange(3)):
            one = spoiled(rng, one)
        raw = written(rng, one)
        raws.append(torn(rng, raw) if rng.random() < 0.3 else raw)
    assert agrees(raws) < len(raws)


def test_what_a_group_states_beside_its_coins_is_packed_too() -> None:
    """Several accounts, own lines, labels and contacts are no reason for the slow path; nor is a coin held at zero."""
    rng = Random(1)
    odd = {
        "delayed_liquidation": True,
        "vip_level": 9,
        "labels": {"desk": "EU"},
        "contacts": {"email": ["a@b.example"]},
        "thresholds": {"initial": "0.7"},
        "balances": {"elsewhere": {"BTC": "1"}},
    }
    held = [{}, {"G-in": {}}, {"G-in": {"BTC": "0"}}, {"G-out": {"BTC": "1"}}, {"a": {"BTC": "1"}, "b": {"BTC": "2"}}]
    ones = [full_line(rng) | {"collateral": accounts} | more for accounts in held for more in ({}, odd)]
    assert agrees([json.dumps(one).encode() for one in ones]) == len(ones)


def test_terms_of_a_line_are_packed_and_wrong_ones_left() -> None:
    """Among them one that its label's override does not permit: 0.95 of a scale that the line puts in place of 0.5."""
    rng, stated = (
        Random(2),
        {"scale": "0.9", "rate_spread": "0.0001", "ladders": {"BTC": [["inf", "0.5"]]}, "grace": "2h"},
    )
    fine = [full_line(rng) | {"terms": terms} for terms in (stated, {"haircut": "0.01"}, {}, None)]
    assert agrees([json.dumps(one).encode() for one in fine]) == len(fine)
    wrong = [
        full_line(rng) | {"terms": terms}
        for terms in ({"scale": "9"}, {"scale": 1}, {"x": "1"}, {"ladders": {"BTC": []}})
    ]
    assert pack([json.dumps(one).encode() for one in wrong]).rest == [0, 1, 2, 3]
    assert agrees([json.dumps(one).encode() for one in wrong]) == 0


REFUSED = {
    "an id with a space": {"id": "G 1"},
    "an id that is not ASCII": {"receiving_account": "konto-\u00fc"},
    "an id that is too long": {"id": "x" * 129},
    "an empty account": {"collateral": {"": {"BTC": "1"}}},
    "a coin with a space": {"collateral": {"a": {"b tc": "1"}}},
    "an empty quantity": {"collateral": {"a": {"BTC": ""}}},
    "a number in Arabic digits": {"collateral": {"a": {"BTC": "\u0661"}}},
    "too fine a quantity": {"collateral": {"a": {"BTC": "0.0000000000000000000000001"}}},
    "too long a text for a quantity": {"collateral": {"a": {"BTC": "0" * 65}}},
    "lines that a later version makes disorderly": {"thresholds": {"liquidation": "0.775"}},
    "an unknown product": {"product": "vip_laon"},
    "a number for a level": {"vip_level": 1.0},
    "a level out of range": {"vip_level": 100},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_line_that_is_wrong_is_left_and_those_beside_it_are_packed(case: str) -> None:
    fine = [json.dumps(full_line(Random(k), k)).encode() for k in range(3)]
    wrong = json.dumps(full_line(Random(9)) | REFUSED[case]).encode()
    assert pack([*fine[:2], wrong, fine[2]]).rest == [2]
    assert agrees([*fine[:2], wrong, fine[2]]) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"interest": ""}, {"matures_at": ""}, {"matures_at": "2026-02-04T10:00:00Z"}, {"asset": "BTC"},
        {"rate": {"kind": "fixed", "daily": "0.1"}}, {"rate": {"kind": "flexible", "daily": "0.1"}},
        {"rate": {"kind": "fixed"}}, {"opened_at": "1899-12-31T23:59:59Z"}, {"id": "L-0"}, {"id": ""},
    ],
    ids=str,
)  # fmt: skip
def test_a_loan_that_contradicts_itself_or_its_product_is_left(change: dict[str, object]) -> None:
    loan = {
        "id": "L-1",
        "asset": "USDT",
        "principal": "1",
        "rate": {"kind": "flexible"},
        "term": "open",
        "opened_at": "2026-01-05T10:00:00Z",
    }
    first = loan | {"id": "L-0"}
    assert pack([json.dumps(full_line(Random(1)) | {"loans": [first, loan]}).encode()]).rest == []
    assert pack([json.dumps(full_line(Random(1)) | {"loans": [first, loan | change]}).encode()]).rest == [0]


@pytest.mark.parametrize("key", ["id", "loans", "labels", "G-in", "BTC", "desk", "principal", "kind", "vip_level"])
@pytest.mark.parametrize("spacing", [(",", ":"), (", ", " : ")], ids=["dense", "spaced"])
def test_a_key_that_stands_twice_is_left_even_where_both_say_the_same(key: str, spacing: tuple[str, str]) -> None:
    """msgspec keeps the last of them; a line that states a holding twice must not be taken for one that states it once."""
    one = full_line(Random(1)) | {
        "collateral": {"G-in": {"BTC": "1"}},
        "labels": {"desk": "EU"},
        "vip_level": 3,
        "loans": [_loan("USDT")],
    }
    fine = json.dumps(one, separators=spacing)
    assert pack([fine.encode()]).rest == []
    start = fine.index(f'"{key}"')
    value, _ = json.JSONDecoder().raw_decode(fine[start:].split(":", 1)[1].lstrip())
    again = json.dumps({key: value}, separators=spacing)[1:-1] + spacing[0]
    escaped = again.replace(key, f"\\u{ord(key[0]):04x}{key[1:]}", 1)
    for twice in (again, escaped):
        raw = (fine[:start] + twice + fine[start:]).encode()
        assert judge(raw, AT, PlainReader(lambda: PRODUCTS)).reason == "repeated_key"
        assert pack([raw]).rest == [0]


def test_a_page_may_be_empty_or_all_wrong() -> None:
    assert len(pack([]).batch) == 0
    batch, rest = pack([b"{", b"[]", b"\xff"])
    assert (list(batch.ids()), rest) == ([], [0, 1, 2])
    assert batch.lines() == b"[]"


def test_a_line_that_is_too_long_is_left_whatever_it_says() -> None:
    note = full_line(Random(1)) | {"labels": {"note": "x" * LINE_BYTES}}
    assert pack([json.dumps(note, separators=(",", ":")).encode()]).rest == [0]


def test_a_coin_that_the_columns_cannot_number_is_left() -> None:
    names = Names()
    for k in range(2**16):
        names.assets.place(f"X{k}")
    one = full_line(Random(1)) | {"collateral": {"a": {"BTC": "1"}}}
    assert Packer(names).pack([json.dumps(one).encode()], AT, PRODUCTS, "book").rest == [0]


def test_a_batch_is_recorded_as_lines_that_give_its_groups() -> None:
    """They are read without the columns."""
    raws = [json.dumps(full_line(Random(k), k), ensure_ascii=k % 2 == 0).encode() for k in range(20)]
    batch, _ = pack([*raws[:10], b"{", *raws[10:]])
    again = RecordedLines(json.loads(batch.lines()), AT)
    assert [again.group(i) for i in range(len(again))] == [batch.group(i) for i in range(len(batch))]


def test_a_rate_that_comes_later_is_none_yet() -> None:
    """What is asked of a line is asked by the version in force when it is read."""
    versions = (VERSIONS[0], msgspec.structs.replace(VERSIONS[1], rates=RATES | {"BTC": Decimal(1)}))
    one = full_line(Random(1)) | {"loans": [_loan("BTC")]}
    products = {"vip_loan": Product("vip_loan", versions)}
    reader = BlockReader(lambda: products, Names())
    raw = json.dumps(one).encode()
    assert reader.pack([raw], AT, "book").rest == [0]
    assert reader.pack([raw], versions[1].effective, "book").rest == []


def _loan(asset: str) -> dict[str, object]:
    terms = {"principal": "1", "rate": {"kind": "flexible"}, "term": "open", "opened_at": "2026-01-05T10:00:00Z"}
    return {"id": "L-1", "asset": asset, **terms}


@pytest.mark.parametrize(
    ("typed", "plain"),
    [(line_schema.LineText, GroupLine), (line_schema.LoanText, LoanLine), (line_schema.RateText, Rate)],
    ids=str,
)
def test_the_typed_forms_have_the_keys_of_the_plain_ones_in_the_order_of_the_digest(typed: Any, plain: Any) -> None:
    assert list(typed.__struct_fields__) == sorted(plain.__struct_fields__)
    required = {f.name for f in msgspec.structs.fields(typed) if f.required}
    assert required == {f.name for f in msgspec.structs.fields(plain) if f.required}


def test_the_digest_knows_a_line_in_another_order_and_spacing() -> None:
    """As in core: what was put by another program that writes the same is no other line."""
    one = full_line(Random(3))
    a, b = json.dumps(one).encode(), json.dumps(one, sort_keys=True, indent=1).replace("\n", " ").encode()
    batch, _ = pack([a, b])
    assert batch.group(0).line == batch.group(1).line == parse_line(one, AT, PRODUCTS).line
    assert len(batch.group(0).line) == 16


def test_a_line_with_a_contact_nobody_can_use_is_left_for_a_closer_look() -> None:
    """Else nobody would be told: a packed line says nothing."""
    stated: list[dict[str, Any]] = [
        {"id": "G-0", "contacts": {"email": ["a@b.example"]}},
        {"id": "G-1", "contacts": {"email": ["x"]}},
    ]
    ones = [{**full_line(Random(1)), **more} for more in stated]
    reader = BlockReader(lambda: PRODUCTS, Names(), contacts=contacts.problems)
    batch, rest = reader.pack([json.dumps(one).encode() for one in ones], AT, "book")
    assert (list(batch.ids()), rest) == (["G-0"], [1])
