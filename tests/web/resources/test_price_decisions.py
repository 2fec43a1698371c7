"""An operator decides about a price by the API: who may, what is refused, what everybody sees then, and the audit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from monitor.core.text import stamp
from tests.book_lines import line
from tests.looks import START
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import TOKENS, ask, bearer
from tests.web.test_scope import SCOPED

Session = aiohttp.ClientSession
BTC = "/v1/prices/BTC/decisions"


@pytest.fixture
async def desk() -> WebDesk:
    return WebDesk(trust=True)


def until(hours: float) -> str:
    return stamp(START + timedelta(hours=hours))


def pin(price: str = "39000", hours: float = 2, **more: Any) -> dict[str, Any]:
    return {"pin": price, "until": until(hours), "reason": "the venue is down", **more}


async def test_a_pin_shows_wherever_the_price_shows(desk: WebDesk, http: Session) -> None:
    assert (await ask(http, "PUT", "/v1/groups/G-1", line()))[0] == 201
    status, _, made = await ask(http, "POST", BTC, pin())
    assert status == 201, made
    pinned = {"by": "loopback", "until": until(2), "reason": "the venue is down"}
    decision = {"act": "pin", "price": "39000", "source": None, "at": stamp(START), **pinned}
    assert (made["price"], made["trust"], made["source"], made["pinned"]) == ("39000", "good", "pin", pinned)
    assert made["decisions"] == [decision]
    assert (await ask(http, "GET", "/v1/prices/BTC"))[2] == made
    listed = {p["asset"]: p for p in (await ask(http, "GET", "/v1/prices"))[2]["items"]}
    assert listed["BTC"] == made
    assert "pinned" not in listed["ETH"]
    assert listed["ETH"]["decisions"] == []
    group = (await ask(http, "GET", "/v1/groups/G-1"))[2]
    assert {c["asset"]: c.get("pinned") for c in group["contributions"]}["BTC"] == pinned


async def test_the_sources_of_a_price_are_shown_with_their_ages(desk: WebDesk, http: Session) -> None:
    desk.clock.now += timedelta(seconds=3)
    await ask(http, "POST", BTC, {"exclude": "tape", "until": until(1), "reason": "it repeats itself"})
    (said,) = (await ask(http, "GET", "/v1/prices/BTC"))[2]["sources"]
    assert (said["source"], said["price"], said["state"]) == ("tape", "40000", "excluded")
    assert (said["exchange_age_s"], said["receipt_age_s"]) == (3.0, 3.0)


async def test_a_decision_is_audited_with_the_price_before_and_after(http: Session) -> None:
    await ask(http, "POST", BTC, pin())
    assert (await ask(http, "DELETE", BTC + "?reason=it+is+back"))[0] == 204
    made, ended = (await ask(http, "GET", "/v1/audit"))[2]["items"]
    assert (made["who"], made["action"], made["subject"]) == ("loopback", "pin", "BTC")
    assert (made["before"]["price_usd"], made["before"]["decisions"]) == ("40000", [])
    assert (made["after"]["price_usd"], made["after"]["decisions"][0]["said"]["reason"]) == (
        "39000",
        "the venue is down",
    )
    assert (ended["action"], ended["after"]["decisions"]) == ("release", [])


async def test_the_desk_is_told_when_a_decision_begins_and_when_it_ends(desk: WebDesk, http: Session) -> None:
    await ask(http, "POST", BTC, pin(hours=1))
    desk.pass_time(timedelta(hours=1))
    told = [x.alert for x in desk.store.log if x.alert.type.startswith("price.deci")]
    assert [a.type for a in told] == ["price.decided", "price.decision_ended"]
    assert told[0].facts["reason"] == "the venue is down"
    assert (await ask(http, "GET", "/v1/prices/BTC"))[2]["decisions"] == []


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"pin": "0"}, 422, "pin: zero price"),
        ({"pin": "1e-19"}, 422, "from 1e-18 to 1e15"),
        ({"pin": "1e16"}, 422, "from 1e-18 to 1e15"),
        ({"pin": "much"}, 422, "not_a_number"),
        ({"pin": "4000"}, 409, "10 times away from the last price 40000"),
        ({"pin": "400000"}, 409, "10 times away from the last price 40000"),
        ({"until": until(0)}, 422, "until"),
        ({"until": until(24 * 7 + 1)}, 422, "within 7 days"),
        ({"until": None}, 422, "until: is missing"),
        ({"reason": ""}, 422, "reason"),
        ({"exclude": "tape"}, 422, "expected one of believe, exclude and pin"),
        ({"pin": None}, 422, "expected one of believe, exclude and pin"),
        ({"pin": None, "exclude": "tpae"}, 409, "no feed has this name; there are: tape"),
        ({"pin": None, "until": None, "believe": "39000"}, 409, "no price of BTC waits to be confirmed"),
        ({"price": "1"}, 422, "price"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_sentence(
    desk: WebDesk, http: Session, changes: dict[str, Any], status: int, words: str
) -> None:
    body = {k: v for k, v in (pin() | changes).items() if v is not None}
    got, _, problem = await ask(http, "POST", BTC, body)
    assert got == status, problem
    assert words in problem["detail"] + str(problem.get("errors"))
    assert desk.risk.decisions == ()


async def test_a_coin_that_nobody_knows_has_no_price_to_decide_about(http: Session) -> None:
    assert (await ask(http, "POST", "/v1/prices/NOPE/decisions", pin()))[0] == 404
    assert (await ask(http, "GET", "/v1/prices/NOPE"))[0] == 404


async def test_a_pin_far_away_stands_once_it_is_confirmed(http: Session) -> None:
    assert (await ask(http, "POST", BTC, pin("4000", confirmed=True)))[0] == 201


async def test_the_audit_names_the_token_and_a_token_with_a_scope_decides_nothing(desk: WebDesk) -> None:
    async with serving(desk, TOKENS) as url, Session(base_url=url) as http:
        assert (await ask(http, "POST", BTC, pin(), **bearer("viewer")))[0] == 403
        assert (await ask(http, "POST", BTC, pin(), **bearer("operator")))[0] == 201
        assert desk.store.audit_log[-1].who == "operator"
    async with serving(desk, SCOPED) as url, Session(base_url=url) as http:
        status, _, problem = await ask(http, "POST", BTC, pin(), **bearer("acme"))
        assert (status, "scope" in problem["detail"]) == (403, True)
