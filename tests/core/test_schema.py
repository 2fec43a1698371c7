"""Reading JSON and TOML: every problem named with its place, what was found, what was expected, the nearest key."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core import schema
from monitor.core.coins import EXPECTED
from monitor.core.loans.group import GroupLine, parse_line
from monitor.core.schema import Bounds, Invalid, read
from tests.coin_desk import START, line, loan
from tests.core.desk import product

PRODUCTS = {"vip_loan": product()}


def problems(kind: Any, value: object) -> list[str]:
    with pytest.raises(Invalid) as e:
        read(kind, value)
    return [str(p) for p in e.value.problems]


def book_problems(stated: object) -> list[str]:
    with pytest.raises(Invalid) as e:
        parse_line(stated, START, PRODUCTS)
    return [str(p) for p in e.value.problems]


def test_every_problem_of_a_line_is_named_at_once() -> None:
    wrong = line(
        receiving_acount="in",
        collateral={"a": {"us dt": "1", "BTC": 2}},
        delayed_liquidation="yes",
        loans=[loan(principal="-1", term="90"), {"id": "L-2"}],
    )
    del wrong["receiving_account"]
    said = book_problems(wrong)
    for part in (
        "receiving_acount: unknown key (value 'in'); did you mean 'receiving_account'?",
        "receiving_account: is missing",
        "collateral.a: found 'us dt', expected " + EXPECTED,
        'collateral.a.BTC: found 2, expected a decimal number in quotes, such as "12.5"',
        "delayed_liquidation: found 'yes', expected true or false",
        "loans[0].principal: found '-1', expected a number from 0 up to 1e24",
        "loans[0].term: found '90', expected open, or a term in days such as 30d",
        "loans[1].asset: is missing",
        "loans[1].principal: is missing",
    ):
        assert part in said
    assert len(said) == 12


def test_a_line_that_contradicts_itself_or_its_product_is_named() -> None:
    assert book_problems(line(loans=[loan(), loan()])) == ["loans[1].id: 'L-1' appears twice in the group"]
    assert book_problems(line(product="vip_laon")) == ["product: found 'vip_laon', expected one of: vip_loan"]
    assert "no flexible rate for ETH" in book_problems(line(loans=[loan("ETH")]))[0]
    open_with_end = loan() | {"matures_at": "2026-02-01T00:00:00Z"}
    assert 'has "matures_at": null' in book_problems(line(loans=[open_with_end]))[0]
    assert (
        "a fixed rate exists for loans with a term only"
        in book_problems(line(loans=[loan(rate={"kind": "fixed", "daily": "0.1"})]))[0]
    )
    assert 'states "daily"' in book_problems(line(loans=[loan(rate={"kind": "flexible", "daily": "0.1"})]))[0]


HOSTILE_LINES = [
    None, [], "G-1", 7, {}, {"id": None}, line(id=""), line(id="a b"), line(id="x" * 129), line(id="\u00e9"),
    line(collateral=[]), line(collateral={"a": []}), line(collateral={"": {}}), line(loans={}), line(loans=[None]),
    line(collateral={"a": {"BTC": "NaN"}}), line(collateral={"a": {"BTC": "1e25"}}),
    line(collateral={"a": {"BTC": "0." + "0" * 24 + "1"}}), line(collateral={"a": {"BTC": "1e-999"}}),
    line(thresholds={"initial": "0"}), line(thresholds={"warning": "0.5"}), line(vip_level=-1), line(vip_level=True),
    line(labels={"a": 1}),
    line(loans=[loan(opened_at="2026-01-05")]), line(loans=[loan(opened_at="2026-01-05T10:00:00")]),
    line(loans=[loan(opened_at=5)]), line(loans=[loan(opened_at="0001-01-01T00:00:00+14:00")]),
    line(loans=[loan(opened_at="9999-12-31T23:59:59-14:00")]),
    line(loans=[loan(matures="01:00") | {"matures_at": "9999-12-31T23:59:59Z"}]),
    line(loans=[loan(rate=None)]), line(loans=[loan(rate={"kind": []})]),
]  # fmt: skip


@pytest.mark.parametrize("stated", HOSTILE_LINES, ids=repr)
def test_no_line_does_more_than_be_refused(stated: object) -> None:
    assert book_problems(stated)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from([*GroupLine.__struct_fields__, "kind", "type"]), x, max_size=5),
    max_leaves=12,
))  # fmt: skip
def test_whatever_json_brings_is_read_or_refused(value: object) -> None:
    with suppress(Invalid):
        read(GroupLine, value)


def test_an_unknown_key_without_a_near_one_lists_what_is_known() -> None:
    class Two(msgspec.Struct):
        first: int = 0
        second: int = 0

    assert problems(Two, {"zzz": 1}) == ["zzz: unknown key (value 1); known here: first, second"]


VALUES = [
    # kind                                value                      what it becomes
    (timedelta, "90s", timedelta(seconds=90)),
    (timedelta, "15m", timedelta(minutes=15)),
    (timedelta, "24h", timedelta(hours=24)),
    (timedelta, "7d", timedelta(days=7)),
    (timedelta, "500ms", timedelta(milliseconds=500)),
    (timedelta, "1.5h", timedelta(minutes=90)),
    (timedelta, "0s", timedelta(0)),
    (datetime, "2026-01-05T10:00:00+02:00", datetime(2026, 1, 5, 8, tzinfo=UTC)),
    (datetime, datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)),
    (date, "2026-01-05", date(2026, 1, 5)),
    (Decimal, "1e3", Decimal(1000)),
    (float, 3, 3.0),
    (bool, True, True),
    (list[int], [1, 2], [1, 2]),
    (tuple[str, int], ["a", 1], ("a", 1)),
    (int | None, None, None),
    (Any, {"x": 1}, {"x": 1}),
]


@pytest.mark.parametrize(("kind", "value", "read_as"), VALUES, ids=str)
def test_values_are_read(kind: Any, value: object, read_as: object) -> None:
    assert read(kind, value) == read_as


WRONG = [
    # kind                              value                  said
    (timedelta, "90", "a duration such as"),
    (timedelta, "-1s", "a duration such as"),
    (timedelta, 90, "a duration such as"),
    (timedelta, "1w", "a duration such as"),
    (timedelta, "999999999d", "a duration such as"),
    (timedelta, "999999999.999d", "a duration such as"),
    (datetime, "2026-01-05T10:00:00", "with its zone"),
    (datetime, datetime(2026, 1, 5), "with its zone"),  # noqa: DTZ001  a TOML time without a zone is the case
    (datetime, "0001-01-01T00:00:00+14:00", "a time"),
    (datetime, "9999-12-31T23:59:59Z", "a time"),
    (date, "05.01.2026", "a day such as"),
    (Decimal, 1.5, "in quotes"),
    (Decimal, "1_000", "in quotes"),
    (Annotated[float, Bounds("0", "10", 3)], float("nan"), "a number"),
    (Annotated[float, Bounds("0", "10", 3)], float("inf"), "a number"),
    (Annotated[float, Bounds("0", "10", 3)], 0.00001, "at most 3 places"),
    (float, True, "a number"),
    (float, "1", "a number"),
    (int, 1.0, "a whole number"),
    (int, True, "a whole number"),
    (Annotated[int, range(1, 17)], 17, "a whole number from 1 to 16"),
    (str, 5, "a text"),
    (bool, 1, "true or false"),
    (list[int], "ab", "a list"),
    (tuple[str, int], ["a"], "a list of 2"),
    (dict[str, int], [], "a table"),
    (Literal["a", "b"], 1, "one of 'a', 'b'"),
    (Literal["a", "b"], None, "found nothing"),
    (Literal["a", "b"], [], "one of"),
    (schema.Ratio, "1.1", "from 0 up to 1"),
    (schema.Ratio, "0." + "1" * 19, "at most 18 places"),
    (schema.Asset, "b tc", "the name of a coin"),
    (schema.Name, "Desk 1", "lower-case"),
    (schema.Name, "desk\n", "lower-case"),
    (schema.Id, "a\nb", "printable"),
]


@pytest.mark.parametrize(("kind", "value", "said"), WRONG, ids=str)
def test_what_is_wrong_is_said_with_what_was_expected(kind: Any, value: object, said: str) -> None:
    (problem,) = problems(kind, value)
    assert said in problem
    assert len(problem) < 300


def test_a_path_is_relative_to_the_folder() -> None:
    assert read(Path, "a/b.toml", "", Path("/etc/monitor")) == Path("/etc/monitor/a/b.toml")
    assert read(Path, "/abs.toml", "", Path("/etc/monitor")) == Path("/abs.toml")


def test_a_huge_value_is_not_repeated_whole() -> None:
    assert len(problems(int, "x" * 100_000)[0]) < 200


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(microseconds=500), "0.5ms"),
        (timedelta(milliseconds=1500), "1500ms"),
        (timedelta(seconds=90), "90s"),
        (timedelta(minutes=15), "15m"),
        (timedelta(days=365), "365d"),
    ],
)
def test_a_duration_is_written_as_it_is_read(duration: timedelta, text: str) -> None:
    assert schema.in_words(duration) == text
    assert read(timedelta, text) == duration
