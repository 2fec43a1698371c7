"""The schemas of bodies say what the reader reads: pattern by pattern, and example by example."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest

from monitor.core.schema import Bounds, Invalid, Span, read
from monitor.web.body_rules import INSTANT
from monitor.web.body_schemas import body_schemas, decimal_schema
from monitor.web.contract import document, routes
from monitor.web.examples import EXAMPLES
from tests.web.test_contract import conforms

BOUNDS = [
    Bounds("0", "1e24", 24),
    Bounds("0", "1e24", 24, above=True),
    Bounds("-1e24", "1e24", 24),
    Bounds("0", "1", 18),
    Bounds("-1", "1", 18),
    Bounds("0", "100", 18, above=True),
    Bounds("0", "1000", 18, above=True),
    Bounds("0", "10", 6, above=True),
]
SPANS = [Span("0s", "30d"), Span("0s", "365d", above=True)]
ENDS = [f"1{'0' * n}{rest}" for n in (1, 2, 3, 24) for rest in ("", ".0", ".1")] + ["9" * 24, "99.99", "999.9", "0.99"]
DEEP = [f"{whole}.{'0' * n}1" for whole in ("", "0", "9") for n in (5, 6, 17, 18, 23, 24)]


def is_read(kind: Any, text: str) -> bool:
    try:
        read(kind, text)
    except Invalid:
        return False
    return True


def numbers() -> Iterator[str]:
    for length in range(1, 5):
        yield from map("".join, itertools.product("019.-+", repeat=length))
    yield from ENDS
    yield from DEEP


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_a_decimal_is_allowed_where_it_is_read(bounds: Bounds) -> None:
    pattern = re.compile(decimal_schema(bounds)["pattern"])
    kind = Annotated[Decimal, bounds]
    assert [text for text in numbers() if bool(pattern.search(text)) != is_read(kind, text)] == []


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_a_duration_is_allowed_where_it_is_read(span: Span) -> None:
    kind = Annotated[timedelta, span]
    (schema,), _ = body_schemas([kind], "{name}")
    pattern = re.compile(schema["pattern"])
    ends = (
        0,
        1,
        9,
        10,
        29,
        30,
        31,
        364,
        365,
        366,
        719,
        720,
        721,
        8759,
        8760,
        8761,
        43200,
        43201,
        2592000,
        2592001,
        31536001,
    )
    texts = [
        f"{n}{rest}{unit}"
        for n in ends
        for rest in ("", ".0", ".001", ".5")
        for unit in ("ms", "s", "m", "h", "d", "y")
    ]
    assert [text for text in texts if bool(pattern.search(text)) != is_read(kind, text)] == []


@pytest.mark.parametrize(
    "text",
    [
        *(f"{year}-02-29T10:00:00Z" for year in (1900, 1904, 2000, 2023, 2024, 2100, 2196)),
        *(f"2026-{month:02}-{day}T10:00:00Z" for month in (0, 1, 2, 4, 12, 13) for day in (28, 29, 30, 31, 32)),
        "1899-12-31T23:59:59Z",
        "2199-12-31T23:59:59.999999+05:30",
        "2026-01-05T10:00:00",
        "2026-01-05T24:00:00Z",
        "2026-01-05T10:60:00Z",
        "2026-01-05",
        "1767607200",
    ],
)
def test_a_time_is_allowed_where_it_is_read(text: str) -> None:
    assert bool(re.search(INSTANT["pattern"], text)) == is_read(datetime, text)


def test_every_operation_that_reads_json_has_an_example_and_nothing_else_has() -> None:
    reading = {(r.method, r.path) for r in routes() if r.body is not None and r.takes == "application/json"}
    assert EXAMPLES.keys() == reading


def test_every_kind_of_entry_has_an_example() -> None:
    contract = document(routes())
    body = contract["paths"]["/v1/groups/{id}/entries"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["discriminator"]["mapping"].keys() == body["examples"].keys()
    for name in body["schema"]["discriminator"]["mapping"].values():
        keys = contract["components"]["schemas"][name.rpartition("/")[2]]["properties"]
        assert keys["id"]["anyOf"][0]["pattern"], "an entry happens once by its id"
        assert keys["at"]["anyOf"][0]["format"] == "date-time"


@pytest.mark.parametrize("place", EXAMPLES, ids=" ".join)
def test_an_example_is_as_the_contract_says(place: tuple[str, str]) -> None:
    contract = document(routes())
    method, path = place
    body = contract["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]
    for name, example in body["examples"].items():
        assert conforms(contract, body["schema"], example["value"]) == [], name
        assert conforms(contract, body["schema"], {**example["value"], "surplus": 1}) != []


def test_operations_have_names_that_make_good_clients() -> None:
    names = {
        (r.method, r.path): op["operationId"]
        for r in routes()
        for op in [document([r])["paths"][r.path][r.method.lower()]]
    }
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names.values()), names
    assert len(set(names.values())) == len(names)
    assert names["GET", "/v1/groups"] == "list_groups"
    assert names["POST", "/v1/groups/{id}/entries"] == "apply_entry"
    assert names["POST", "/v1/deliveries/{id}/retry"] == "retry_delivery"


def test_every_operation_is_under_a_tag_that_says_what_it_is_about() -> None:
    contract = document(routes())
    tags = {tag["name"]: tag["description"] for tag in contract["tags"]}
    used = {tag for operations in contract["paths"].values() for op in operations.values() for tag in op["tags"]}
    assert used == tags.keys()
    assert all(tags.values())
