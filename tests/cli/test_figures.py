"""One style of figures, names and times at the terminal: that of `explain` (decision 158)."""

from __future__ import annotations

import re

import aiohttp
import pytest

from monitor.cli import figures, lever_tables, output, portfolio_tables
from tests.book_lines import line
from tests.here import Here
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask

LEVER = ["--group", "G-deep", "--until", "2026-03-02T14:00:00Z", "--preview"]
COMMANDS: dict[str, list[str]] = {
    "explain": ["explain", "G-deep"],
    "what-if": ["what-if", "G-deep", "--shock", "BTC=-1.5%"],
    "stress": ["stress", "--shock", "BTC=-50%"],
    "matrix": ["stress", "--x", "BTC=-10%,-20%", "--y", "SOL=-10%,-20%"],
    "reverse": ["stress", "--reverse", "0.00001"],
    "exposure": ["exposure"],
    "coin": ["exposure", "--by", "asset"],
    "override": ["override", "--line", "liquidation=0.93", *LEVER],
    "silence": ["silence", "--match", "product=vip_loan", "--until", "2026-03-02T14:00:00Z", "--preview"],
}
_KEY = re.compile(r"\b(margin_call|delayed_liquidation|next_line|\w+_usd|grace_\w+|extend_grace)\b")
_RATIO = re.compile(r"(?<![\d.,])[01]\.\d{5,}")
_LONG_USD = re.compile(r"\d{1,3}(,\d{3})+\.\d{3,}")


async def test_every_command_speaks_as_explain_does(here: Here) -> None:
    desk = WebDesk()
    desk.prices({"BTC": "40000", "SOL": "140"})
    said: dict[str, str] = {}
    async with serving(desk) as url:
        async with aiohttp.ClientSession(base_url=url) as http:
            lines = [
                line("G-deep", collateral={"G-deep-account-1": {"BTC": "0.025"}}, owed="940000"),
                line("G-calm", owed="1234"),
                line("G-bare", owed="1000", collateral={}),
            ]
            for each in lines:
                assert (await ask(http, "PUT", f"/v1/groups/{each['id']}", each))[0] == 201
        for name, command in (COMMANDS | {"calm": ["explain", "G-calm"], "bare": ["explain", "G-bare"]}).items():
            ended = await here(*command, "--url", url)
            assert ended.code == 0, ended
            said[name] = "\n".join(each for each in ended.out.splitlines() if not each.startswith("20"))
    for name, text in said.items():
        assert _KEY.findall(text) == [], (name, text)
        if name not in ("explain", "calm", "bare"):  # prices of coins have all their digits
            assert not _RATIO.search(text), (name, text)
        amounts = [each[0] for each in _LONG_USD.finditer(text.partition("liquidation at")[0]) if "->" not in text]
        assert amounts == [], (name, amounts)
    then = said["what-if"].split()
    assert "94,000.00 % " in said["what-if"]
    assert "LTV 94,000.00 % =" in said["explain"]
    assert {"940,000.00", "USD"} <= set(then)
    assert "liquidation 93 % until 2026-03-02 14:00 UTC" in said["override"]
    assert "share" in said["coin"]
    assert "100.00 %" in said["exposure"]
    assert "to the initial level" not in said["calm"], "there is no way back for a group that is there"
    assert "to the initial level of 72 %: repay 1,000.00 USD\n" in said["bare"]
    assert "no collateral\n" in said["bare"]


@pytest.mark.parametrize(
    ("part", "most", "shown"),
    [
        ("0.68291357", "0.4", "68.29 %"),
        ("0.40000001", "0.4", "40.000001 %"),
        ("0.99999999", None, "100.00 %"),
        ("0.00000001", None, "< 0.01 %"),
        ("0", None, "0.00 %"),
    ],
)
def test_a_share_stands_on_its_side_of_its_limit(part: str, most: str | None, shown: str) -> None:
    assert figures.share(part, most) == shown


def test_no_line_ends_between_a_figure_and_its_unit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for width in range(20, 60):
        monkeypatch.setattr(output.out, "width", width)
        monkeypatch.setattr(output.out, "_force_terminal", True)
        monkeypatch.setattr(output.out, "_color_system", None)
        output.say("lines: initial level 72 %, margin call 77 %, liquidation 91 %; repay 1,234.56 USD, or add nothing")
        for each in capsys.readouterr().out.splitlines():
            assert not re.match(r"\s*(%|USD)", each), (width, each)
            assert "\ue000" not in each


def test_a_limit_of_an_exposure_is_in_percent_too(capsys: pytest.CaptureFixture[str]) -> None:
    sums = {"debt_usd": "1", "market_usd": "1.005", "recognised_usd": "1"}
    row = {"key": "Zed", "groups": 1, "share": "0.56927593", "max_share": "0.4", "is_above": True, **sums}
    found = {"by": "label.borrower", "at": "2026-03-01T10:00:00Z", "total": {"groups": 1}, "next": None}
    found |= {"wrong_way": [], "unknown": 0, "is_exact": True}
    portfolio_tables.exposure(found | {"items": [row | {"nearest_percent": "4.2", "average_percent": None}]})
    said = capsys.readouterr().out
    assert "1 group by borrower at" in said
    assert "56.93 % > 40 %   4.20 %    -" in said
    assert "label." not in said


def test_a_time_stands_once_in_the_desks_zone_beside_utc(capsys: pytest.CaptureFixture[str]) -> None:
    zone, ends, both = "Europe/Stockholm", "2026-12-02T10:00:00.000Z", "2026-12-02 10:00 UTC (11:00 CET)"
    lever = {"id": "L-1", "act": "extend_grace", "change": f"grace period until {ends}", "until": ends, "groups": 1}
    lever_tables.pulled(lever | {"emergency": None}, zone)
    assert capsys.readouterr().out == f"L-1: grace period until {both}, 1 group\n"
    named = {"group_ids": ["G"], "by": "anna", "approved_by": None, "reason": "agreed", "emergency": None}
    lever_tables.levers([lever | named], zone)
    lever_tables.pulled({"id": "P-1", "expires": ends}, zone)
    proposal = lever | {
        "id": "P-1",
        "effects": {"groups": 1, "items": []},
        "person": "anna",
        "by": "a",
        "expires": ends,
    }
    lever_tables.proposals([proposal | {"reason": "agreed", "emergency": None}], zone)
    output.acknowledged({"acknowledged": {"until": ends, "note": None, "by": "anna"}, "group": "G"}, zone)
    silence = {"id": "s", "match": {}, "until": ends, "even_worse": False, "up_to": None, "by": "a", "reason": "r"}
    output.silences([silence], zone)
    said = " ".join(capsys.readouterr().out.split())
    assert said.count(both) == 6, said
    assert "T10:00" not in said
    assert "grace period until" not in said, "a column says until when"
