"""At 80 columns no figure breaks inside, in no table of any command; thousands are separated."""

from __future__ import annotations

import io
import re
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from monitor.cli import output
from monitor.cli.tables import figure, shared, table_of
from tests.book_lines import line
from tests.here import Here
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask

NARROW, WIDE = 80, 2000
LEVER = ["--group", "G-whale", "--until", "2026-03-02T14:00:00Z", "--reason", "agreed with the borrower", "--preview"]
COMMANDS: dict[str, list[str]] = {
    "explain": ["explain", "G-whale"],
    "what-if": ["what-if", "G-whale", "--shock", "BTC=-1.5%", "--add", "SOL=123456.789"],
    "stress": ["stress", "--shock", "BTC=-20.5%"],
    "matrix": ["stress", "--x", "BTC=-10%,-20%,-30%,-40%,-50%", "--y", "SOL=-10%,-20%"],
    "reverse": ["stress", "--reverse", "0.00001"],
    "by asset": ["exposure", "--by", "asset"],
    "by borrower": ["exposure", "--by", "borrower"],
    "price": ["price", "BTC"],
    "override": ["override", "--line", "liquidation=0.93", *LEVER],
    "silence": ["silence", "--match", "product=vip_loan", "--until", "2026-03-02T14:00:00Z", "--preview"],
    "audit": ["audit", "--json"],
    "channels": ["channel", "list"],
}
_DIGITS = re.compile(r"\S*\d\S*")


def words(text: str) -> set[str]:
    """The words that hold a digit."""
    return set(_DIGITS.findall(text))


async def test_no_figure_breaks_inside_and_thousands_are_separated(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in a line of 2000 columns stands there as a word at 80 too."""
    desk = WebDesk()
    desk.prices({"BTC": "64123.456789", "SOL": "140.98765432"})
    whale = line(
        "G-whale",
        collateral={"G-whale-account-1": {"BTC": "123456.78901234", "SOL": "98765432.10987654"}},
        owed="13000000000.123456789",
    )
    async with serving(desk) as url:
        async with aiohttp.ClientSession(base_url=url) as http:
            assert (await ask(http, "PUT", "/v1/groups/G-whale", whale))[0] == 201
            desk.prices({"BTC": "44123.456789"})
            await ask(http, "PUT", "/v1/groups/G-2", line("G-2", owed="1234567.89"))
        for name, command in COMMANDS.items():
            said: list[str] = []
            for width in (WIDE, NARROW):
                monkeypatch.setattr(output.out, "width", width)
                monkeypatch.setattr(output.out, "_force_terminal", True)
                monkeypatch.setattr(output.out, "_color_system", None)
                ended = await here(*command, "--url", url)
                assert ended.code == 0, ended
                said.append(ended.out)
            wide, narrow = said
            if "--json" not in command:
                lines = [each for each in narrow.splitlines() if not each.startswith("20")]  # but lines of the log
                assert max(map(len, lines)) <= NARROW, (name, max(lines, key=len))
                assert not re.search(r"(?<![\d.,])\d{4,}\.\d", re.sub(r"20\d\d-\d\d-\d\dT\S+", "", narrow)), (
                    name,
                    narrow,
                )
            assert words(narrow) <= words(wide), (name, words(narrow) - words(wide), narrow)


def rendered(rows: list[list[str]], width: int) -> str:
    shown = io.StringIO()
    table = table_of(*(f"column {i}" for i in range(len(rows[0]))))
    for row in rows:
        table.add_row(*row)
    Console(file=shown, width=width).print(table)
    return shown.getvalue()


cells = st.one_of(
    st.from_regex(r"\A[1-9][0-9]{0,12}(\.[0-9]{1,12})?\Z").map(lambda text: str(figure(text))),
    st.sampled_from(["", "-", "2026-03-02T14:00:00.000Z", "margin_call", "two words", "a few more words of a reason"]),
)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=4)),
    st.integers(40, 200),
)
def test_a_word_stays_whole_at_any_width(rows: list[list[str]], width: int) -> None:
    shown = rendered(rows, width)
    assert max(map(len, shown.splitlines())) <= width
    said = shown.split()
    for row in rows:
        for cell in row:
            assert all(word in said for word in cell.split())


def test_a_table_that_fits_is_a_table_and_one_that_does_not_has_a_line_for_each_cell() -> None:
    row = ["G-1", "1,234,567,890.12", "98,765,432,109.87", "note of some length"]
    assert rendered([row], 80).count("\n") == rendered([row], 200).count("\n")
    narrow = rendered([row], 30)
    assert "column 1  1,234,567,890.12" in narrow
    assert "column 0 G-1" in narrow


def test_what_is_over_goes_to_the_columns_that_want_more() -> None:
    assert shared([3, 5], [10, 5], 12) == [7, 5]
    assert shared([3, 5], [10, 20], 12) == [5, 7]
    assert shared([3, 5], [3, 5], 100) == [3, 5]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1234567.89", "1,234,567.89"), ("-1234.5", "-1,234.5"), ("999", "999"), ("0.123456789", "0.123456789"),
        ("-0.5", "-0.5"), ("BTC=-20%", "BTC=-20%"), ("2026-03-02", "2026-03-02"), (None, "-"), (1234, "1,234"), ("+1000", "1,000"),
    ],
)  # fmt: skip
def test_a_figure_has_its_thousands_apart(value: Any, shown: str) -> None:
    assert figure(value) == shown


def test_control_characters_are_shown_as_escapes() -> None:
    assert "\\x1b[31m" in rendered([["\x1b[31mred", "a"]], 80)
