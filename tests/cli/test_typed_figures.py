"""Numbers as people type them at a terminal."""

from __future__ import annotations

import aiohttp
import pytest

from monitor.cli.typed_figures import NoFigure, changes, quantity_of, share_of, shock_of
from tests.book_lines import line
from tests.here import Here
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("-20%", "-20%"),
        ("-20 %", "-20%"),
        ("\u221220", "-20%"),
        ("+20", "20%"),
        ("0%", "0%"),
        ("250 %", "250%"),
        ("-12,5 percent", "-12.5%"),
        ("-12.345%", "-12.345%"),
        ("30000", "30000"),
        ("1,000,000", "1000000"),
        ("95 000", "95000"),
        ("61,012.5", "61012.5"),
        ("61.012,5", "61012.5"),
        ("0.97USD", "0.97"),
        ("0.97", "0.97"),
        ("1.234", "1.234"),
        ("20", "20"),
        ("20 %", "20%"),
        ("$20", "20"),
        ("3e4", "3e4"),
    ],
)
def test_a_shock_is_read_as_people_mean_it(text: str, meant: str) -> None:
    assert shock_of(text) == meant


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("50.000", "write 50 or 50000"),
        ("50,000", "write 50 or 50000"),
        ("1,234", "write 1.2340 or 1234"),
        ("-120%", "nothing falls by more than 100 %"),
        ("-5USD", "not below nothing"),
        ("1,00,0", "such as -20% or a price in USD such as 30000"),
        ("much", "such as -20% or a price in USD such as 30000"),
        (",", "such as -20%"),
    ],
)
def test_what_may_mean_two_things_is_refused_with_both(text: str, advice: str) -> None:
    with pytest.raises(NoFigure, match=advice) as e:
        shock_of(text)
    assert "quotes" not in str(e.value)


def test_quantities_and_shares() -> None:
    read = [
        quantity_of(text, "USDT")
        for text in ("1,000,000", "1 000 000", "50000 USDT", "0.125", ".5", "12,5", "1\u2019000\u2019000.5")
    ]
    assert read == ["1000000", "1000000", "50000", "0.125", "0.5", "12.5", "1000000.5"]
    for text in ("20%", "-5", "$5", "1.500", "all"):
        with pytest.raises(NoFigure):
            quantity_of(text, "USDT")
    assert [share_of(text) for text in ("0.25", "25 %", "2,5%")] == ["0.25", "0.25", "0.025"]


def test_each_problem_names_its_flag_and_what_was_typed() -> None:
    problems: list[str] = []
    assert changes("--repay", ["USDT=1,000,000", "USDT=much", "BTC"], problems) == {"USDT": "1000000"}
    assert problems[0] == "--repay: found 'USDT=much': expected a quantity of USDT such as 50000 or 0.5"
    assert len(problems) == 2


async def test_commands_take_what_people_type(here: Here) -> None:
    desk = WebDesk()
    async with serving(desk) as url:
        async with aiohttp.ClientSession(base_url=url) as http:
            assert (await ask(http, "PUT", "/v1/groups/G-1", line("G-1", labels={"borrower": "Zed"})))[0] == 201
        asked = [
            (["what-if", "G-1", "--shock", "BTC=-20 %", "--repay", "USDT=1,000.00"], 0, "permitted"),
            (
                ["what-if", "G-1", "--shock", "BTC=50.000"],
                2,
                "--shock: found 'BTC=50.000': may be 50 or 50,000; write 50 or 50000",
            ),
            (["stress", "--shock", "BTC=-20 %"], 0, "BTC -20 %"),
            (["stress", "--x", "BTC=-10 %,-20", "--y", "BTC=0%,much"], 2, "--y: found 'BTC=much'"),
            (["stress", "--reverse", "1 %"], 0, "1.00 % of the debt"),
            (
                ["price", "BTC", "--pin", "50.000", "--until", "2h", "--reason", "x"],
                2,
                "--pin: found '50.000': may be 50 or",
            ),
            (["exposure", "--by", "coin"], 0, "1 group by asset"),
            (["exposure", "--by", "borrower"], 0, "1 group by borrower"),
        ]
        for command, code, word in asked:
            ended = await here(*command, "--url", url)
            assert ended.code == code, (command, ended)
            assert word in " ".join((ended.out + ended.err).split()), (command, ended)
