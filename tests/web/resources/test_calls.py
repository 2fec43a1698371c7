"""Margin calls with an amount: GET /v1/groups/{id}/calls, the group's detail and row, its history, and the two commands."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
import pytest

from monitor.cli import call_entries, calls
from monitor.cli.output import SafeConsole
from monitor.client import NoAnswer
from monitor.core.rules.calls import CallRules
from monitor.core.schema import read
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.desk import RULES, WebDesk, serving
from tests.web.test_admission import ask

Session = aiohttp.ClientSession
HOUR = timedelta(hours=1)


@pytest.fixture
def desk() -> WebDesk:
    kind = RULES.products["vip_loan"]
    of = CallRules(24 * HOUR)
    versions = tuple(msgspec.structs.replace(each, calls=of) for each in kind.versions)
    return WebDesk(
        msgspec.structs.replace(RULES, products={"vip_loan": msgspec.structs.replace(kind, versions=versions)})
    )


@pytest.fixture
async def url(desk: WebDesk) -> AsyncIterator[str]:
    async with serving(desk) as found:
        yield found


async def enter(http: Session, id_: str, **entry: Any) -> tuple[int, Any]:
    status, _, found = await ask(http, "POST", "/v1/groups/G-1/entries", {"id": id_, **entry})
    return status, found


async def test_a_call_is_an_object_with_its_timeline(desk: WebDesk, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands show it in 80 columns with every figure whole."""
    async with aiohttp.ClientSession(base_url=url) as http:
        _, _, row = await ask(http, "PUT", "/v1/groups/G-1", line())
        assert "call" not in row
        _, _, none = await ask(http, "GET", "/v1/groups/G-1/calls")
        assert none == {"call": None, "items": [], "next": None}
        status, refused = await enter(http, "d-0", type="dispute", amount_usd="1", reason="r", by="b")
        assert (status, refused["reason"]) == (409, "no_call")

        desk.prices({"BTC": "12500"})
        account = next(iter(line()["collateral"]))
        await enter(http, "d-1", type="deposit", account=account, asset="BTC", quantity="0.1")
        expected = (desk.clock.now + 2 * HOUR).isoformat()
        await enter(http, "a-1", type="announce", kind="repayment", asset="USDT", amount="500", expected=expected)
        await enter(http, "x-1", type="dispute", amount_usd="100.5", reason="price", by="ACME")
        _, _, found = await ask(http, "GET", "/v1/groups/G-1/calls?limit=3")
        call = found["call"]
        assert {
            key: call[key] for key in ("number", "status", "target", "called_usd", "received_usd", "outstanding_usd")
        } == {
            "number": 1,
            "status": "disputed",
            "target": "0.72",
            "called_usd": "13888.89",
            "received_usd": "1250",
            "outstanding_usd": "12638.89",
        }
        assert (call["in_transit_usd"], call["announced"][0]["counts"], call["disputes"][0]["by"]) == (
            "500",
            True,
            "ACME",
        )
        assert [item["what"] for item in found["items"]] == ["opened", "payment", "announced"]
        assert found["items"][1]["paid_usd"] == "1250"
        _, _, rest = await ask(http, "GET", f"/v1/groups/G-1/calls?after={found['next']}")
        assert ([item["what"] for item in rest["items"]], rest["next"]) == (["disputed"], None)
        _, _, same = await ask(http, "GET", "/v1/groups/G-1/history?kind=call")
        assert [item["what"] for item in same["items"]] == ["opened", "payment", "announced", "disputed"]
        _, _, whole = await ask(http, "GET", "/v1/groups/G-1")
        assert whole["call"] == call
        _, _, listed = await ask(http, "GET", "/v1/groups?stage=margin_call")
        assert listed["items"][0]["call"]["outstanding_usd"] == "12638.89"

    screen = SafeConsole(file=io.StringIO(), width=80, highlight=False)
    monkeypatch.setattr(calls, "out", screen)
    assert await asyncio.to_thread(calls.calls, url=url) == 0
    assert await asyncio.to_thread(calls.call, "G-1", url=url) == 0
    printed = screen.file.getvalue()
    shown = next(line for line in printed.splitlines() if line.startswith(" G-1 "))
    assert shown.split() == [
        "G-1",
        "1",
        "disputed",
        "13,888.89",
        "12,638.89",
        "2026-03-03",
        "12:00",
        "79.21",
        "%",
    ]
    assert "outstanding 12,638.89 USD = called 13,888.89 - received 1,250.00; on its way 500.00" in " ".join(
        printed.split()
    )
    assert "due 2026-03-03 12:00 UTC, then notice" in printed
    rows = [line.split()[3:6] for line in printed.splitlines() if line.startswith(" 2026-03-02")]
    assert rows == [
        ["opened", "13,888.89", "13,888.89"],
        ["payment", "1,250.00", "12,638.89"],
        ["announced", "500.00", "12,638.89"],
        ["disputed", "100.50", "12,638.89"],
    ]
    assert '"price", by ACME' in " ".join(printed.split())


async def test_who_is_on_duty_says_what_is_said_of_a_call_and_enters_nothing_else(desk: WebDesk) -> None:
    tokens = [
        {"name": "ann", "role": "operator", "secret": "s-ann"},
        {"name": "book", "role": "feeder", "secret": "s-book"},
    ]
    async with serving(desk, read(WebConfig, {"tokens": tokens})) as url, aiohttp.ClientSession(base_url=url) as http:
        await ask(http, "PUT", "/v1/groups/G-1", line(), Authorization="Bearer s-book")
        desk.prices({"BTC": "12500"})
        expected = (desk.clock.now + 2 * HOUR).isoformat()
        announced = {"type": "announce", "kind": "repayment", "asset": "USDT", "amount": "500", "expected": expected}
        deposit = {"type": "deposit", "account": "G-1-a", "asset": "BTC", "quantity": "1"}
        statuses = []
        for path, body in (("calls", announced), ("calls", announced), ("calls", deposit), ("entries", announced)):
            status, _, found = await ask(
                http, "POST", f"/v1/groups/G-1/{path}", {"id": "a-1", **body}, Authorization="Bearer s-ann"
            )
            statuses.append((status, found.get("duplicate")))
        assert statuses == [(200, False), (200, True), (422, None), (403, None)]
        (row,) = [x for x in desk.store.told if x.facts.get("what") == "announced"]
        assert (row.facts["value_usd"], desk.store.audit_log[-1].who) == ("500", "ann")


async def test_the_commands_enter_what_is_said_of_a_call_once(desk: WebDesk, url: str) -> None:
    def told(command: Callable[..., int], **said: Any) -> tuple[int, str]:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            code = command("G-1", url=url, **said)
        return code, printed.getvalue()

    async with aiohttp.ClientSession(base_url=url) as http:
        await ask(http, "PUT", "/v1/groups/G-1", line())
        with pytest.raises(NoAnswer, match=r"no open margin call.*--id dispute-"):
            await asyncio.to_thread(told, call_entries.dispute, amount_usd="1", reason="r")
        desk.prices({"BTC": "12500"})
        said = {"kind": "repayment", "asset": "USDT", "amount": "500", "expected": "2h", "id": "a-1"}
        assert "entered as a-1" in (await asyncio.to_thread(told, call_entries.announce, **said))[1]
        said["expected"] = (desk.clock.now + 2 * HOUR).isoformat()
        with pytest.raises(NoAnswer, match="another"):
            await asyncio.to_thread(told, call_entries.announce, **said | {"amount": "501"})
        x = {"amount_usd": "100.5", "reason": "price", "by": "ACME", "id": "x-1"}
        assert (await asyncio.to_thread(told, call_entries.dispute, **x))[0] == 0
        assert "was there already" in (await asyncio.to_thread(told, call_entries.dispute, **x))[1]
        assert "entered as resolve-" in (await asyncio.to_thread(told, call_entries.resolve, reason="found"))[1]
        _, _, found = await ask(http, "GET", "/v1/groups/G-1/calls")
        assert [item["what"] for item in found["items"]] == ["opened", "announced", "disputed", "resolved"]
        with pytest.raises(NoAnswer, match="--expected: "):
            await asyncio.to_thread(told, call_entries.announce, **said | {"expected": "soon"})
