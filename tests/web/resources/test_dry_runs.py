"""`?dry_run=true` says what a put or an entry would do, and the same asked in earnest then does just that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
import pytest

from monitor.core.rules.calls import CallRules
from tests.book_lines import line
from tests.web.desk import RULES, WebDesk, serving
from tests.web.test_admission import ask

CALL = "loan_group.margin_call.opened"
REPAY = {"type": "repay", "asset": "USDT", "amount": "90000", "id": "e-1"}


def same(answer: dict[str, Any], *others: str) -> dict[str, Any]:
    """What the dry run and the change must agree on."""
    return {k: v for k, v in answer.items() if k not in ("dry_run", "before", "alerts", *others)}


async def test_a_put_says_first_what_it_would_do(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    risky = line("G-1", "1", "33000")
    status, headers, would = await ask(http, "PUT", "/v1/groups/G-1?dry_run=true", risky)
    assert (status, "ETag" in headers, would["before"], would["stage"]) == (200, False, None, "margin_call")
    assert (would["dry_run"], would["alerts"]) == (True, [CALL])
    assert (await ask(http, "GET", "/v1/groups/G-1"))[0] == 404, "nothing is changed"
    assert desk.store.audit_log == []
    status, _, done = await ask(http, "PUT", "/v1/groups/G-1", risky)
    assert (status, done["dry_run"], done["alerts"]) == (201, False, None)
    assert same(done) == same(would)
    assert [logged.alert.type for logged in desk.store.log] == would["alerts"]


async def test_an_entry_says_first_what_it_would_do(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line("G-1", "1", "33000"))
    _, _, would = await ask(http, "POST", "/v1/groups/G-1/entries?dry_run=true", {**REPAY, "amount": "9000"})
    assert (would["before"]["stage"], would["group"]["stage"]) == ("margin_call", "normal")
    assert would["alerts"] == ["loan_group.margin_call.cured"]
    _, _, done = await ask(http, "POST", "/v1/groups/G-1/entries", {**REPAY, "amount": "9000"})
    assert same(done) == same(would), "its id was not used up"
    _, _, again = await ask(http, "POST", "/v1/groups/G-1/entries?dry_run=true", {**REPAY, "amount": "9000"})
    assert (again["duplicate"], again["alerts"]) == (True, [])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/groups/G-2", line("G-2", receiving_account="G-1-in", collateral={"G-1-a": {"BTC": "1"}}), 409),
        (
            "/v1/groups/G-1/entries",
            {"type": "withdraw", "account": "none", "asset": "BTC", "quantity": "1", "id": "x"},
            409,
        ),
        ("/v1/groups/G-9/entries", REPAY, 404),
        ("/v1/groups/G-1", {**line(), "lables": {}}, 422),
    ],
)
async def test_what_would_be_refused_is_refused_with_the_same_words(
    http: aiohttp.ClientSession, path: str, body: dict[str, Any], status: int
) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    method = "POST" if "entries" in path else "PUT"
    got, _, would = await ask(http, method, f"{path}?dry_run=true", body)
    assert got == status, would
    _, _, done = await ask(http, method, path, body)
    assert (would["detail"], would["type"]) == (done["detail"], done["type"])


async def test_a_payment_of_a_call_says_what_it_would_meet() -> None:
    """What follows beside the stage, such as a call that is met in part, is foretold by the code that does it."""
    kind = RULES.products["vip_loan"]
    versions = tuple(msgspec.structs.replace(v, calls=CallRules(timedelta(hours=24))) for v in kind.versions)
    desk = WebDesk(
        msgspec.structs.replace(RULES, products={"vip_loan": msgspec.structs.replace(kind, versions=versions)})
    )
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        await ask(http, "PUT", "/v1/groups/G-1", line("G-1", "1", "33000"))
        for id_, amount in (("e-1", "500"), ("e-2", "9000")):
            paid, before = {**REPAY, "id": id_, "amount": amount}, len(desk.store.log)
            _, _, would = await ask(http, "POST", "/v1/groups/G-1/entries?dry_run=true", paid)
            _, _, done = await ask(http, "POST", "/v1/groups/G-1/entries", paid)
            raised = [logged.alert.type for logged in desk.store.log[before:]]
            assert (would["alerts"], same(would)) == (raised, same(done))
            assert any(type_.startswith("loan_group.margin_call") for type_ in raised)
