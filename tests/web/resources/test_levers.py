"""Levers and proposals by the API: looked at, pulled, proposed, approved, refused with a reason, ended, audited."""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec
import pytest

from monitor.core.events.events import ProductsChanged
from monitor.core.rules.settings import FourEyes
from monitor.core.schema import read
from monitor.core.text import stamp
from monitor.web.resources import levers
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.looks import START, VERSION
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask

Session = aiohttp.ClientSession
OWNERS = {"anna": "anna", "anna-phone": "anna", "bo": "bo"}
TOKENS = read(
    WebConfig,
    {
        "tokens": [{"name": name, "role": "operator", "secret": f"s-{name}"} for name in (*OWNERS, "robot")]
        + [
            {"name": "acme", "role": "operator", "secret": "s-acme", "scope": {"borrower": "ACME"}},
            {"name": "feeder", "role": "feeder", "secret": "s-feeder"},
            {"name": "admin", "role": "admin", "secret": "s-admin"},
        ]
    },
)


def until(hours: int) -> str:
    return stamp(START.replace(hour=START.hour + hours))


def override(**more: Any) -> dict[str, Any]:
    lever = {"type": "override", "thresholds": {"margin_call": "0.85"}, "until": until(4), "reason": "as agreed"}
    return {"lever": lever, "groups": ["G-1"], **more}


def by(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer s-{name}"}


def four_eyes(desk: WebDesk) -> None:
    desk.owners = OWNERS
    rules = msgspec.structs.replace(desk.risk.rules, four_eyes=FourEyes(True, people=("anna", "bo")))
    desk.handle(ProductsChanged(desk.clock.now, rules))


async def called(http: Session, *ids: str, **headers: str) -> None:
    for id_ in ids:
        assert (await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, btc="3.2", labels={"desk": "A"}), **headers))[
            0
        ] == 201


async def test_a_lever_is_looked_at_pulled_listed_and_ended(desk: WebDesk, http: Session) -> None:
    await called(http, "G-1")
    status, _, seen = await ask(http, "POST", "/v1/levers?dry_run=true", override())
    assert status == 200, seen
    assert (seen["act"], seen["change"], seen["needs_approval"]) == ("override", "margin_call 0.85", False)
    item = seen["effects"]["items"][0]
    assert (item["before"]["stage"], item["before"]["next_line"]) == ("margin_call", "liquidation")
    assert (item["after"]["next_line"], item["after"]["next_level"]) == ("liquidation", "0.91")
    assert item["before"]["figure"] == item["after"]["figure"]
    assert desk.risk.operators.levers == ()
    status, _, made = await ask(http, "POST", "/v1/levers", override())
    assert (status, made["id"]) == (201, "L-1")
    assert (made["group_ids"], made["by"], made["approved_by"]) == (["G-1"], "loopback", None)
    assert (await ask(http, "GET", "/v1/levers"))[2]["items"] == [made]
    assert (await ask(http, "DELETE", "/v1/levers/L-1?reason=enough"))[0] == 204
    assert (await ask(http, "DELETE", "/v1/levers/L-1"))[0] == 404
    assert desk.store.log[-1].alert.facts["why"] == "enough"
    rows = [(a["action"], a["subject"]) for a in (await ask(http, "GET", "/v1/audit"))[2]["items"]]
    assert rows[1:] == [("override", "L-1"), ("end_lever", "L-1")]


async def test_a_lever_takes_a_selection_that_is_bounded(desk: WebDesk, http: Session) -> None:
    await called(http, "G-1", "G-2")
    wide = {"lever": override()["lever"], "select": {"labels": {"desk": "A"}}}
    seen = (await ask(http, "POST", "/v1/levers?dry_run=true", wide))[2]["effects"]
    assert (seen["groups"], seen["applies"], [i["group"] for i in seen["items"]]) == (2, 2, ["G-1", "G-2"])
    none = {**wide, "select": {"product": "vip_loan", "labels": {"desk": "B"}}}
    status, _, refused = await ask(http, "POST", "/v1/levers", none)
    assert (status, refused["errors"][0]["where"]) == (422, "select")
    for many in ({"groups": [f"G-{i}" for i in range(101)]}, {"groups": ["G-1", "G-1"]}, {"groups": []}):
        assert (await ask(http, "POST", "/v1/levers", {**override(), **many}))[0] == 422
    assert (await ask(http, "POST", "/v1/levers", override(groups=["G-9"])))[0] == 404
    assert (await ask(http, "POST", "/v1/levers", {**wide, "groups": ["G-1"]}))[0] == 422


async def test_a_selection_of_too_many_groups_is_refused(
    desk: WebDesk, http: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    await called(http, "G-1", "G-2")
    monkeypatch.setattr(levers, "MOST_GROUPS", 1)
    wide = {"lever": override()["lever"], "select": {"labels": {"desk": "A"}}}
    status, _, refused = await ask(http, "POST", "/v1/levers", wide)
    assert (status, "narrow it" in refused["detail"]) == (422, True)
    assert desk.risk.operators.levers == ()


async def test_another_person_approves_what_one_proposed_and_sees_it_then_and_now(desk: WebDesk) -> None:
    four_eyes(desk)
    async with serving(desk, TOKENS) as url, Session(base_url=url) as http:
        await called(http, "G-1", **by("admin"))
        assert (await ask(http, "POST", "/v1/levers?dry_run=true", override(), **by("anna")))[2]["needs_approval"]
        status, headers, made = await ask(http, "POST", "/v1/levers", override(), **by("anna"))
        assert (status, headers["Location"], made["person"]) == (202, "/v1/proposals/P-1", "anna")
        assert (await ask(http, "GET", "/v1/proposals", **by("bo")))[2]["items"] == [made]
        look = (await ask(http, "GET", "/v1/proposals/P-1", **by("bo")))[2]
        assert look["proposal"] == made
        assert look["now"]["items"] == made["effects"]["items"]
        for name, reason in (("anna", "own_proposal"), ("anna-phone", "own_proposal"), ("robot", "no_person")):
            status, _, refused = await ask(http, "POST", "/v1/proposals/P-1/approve", {}, **by(name))
            assert (status, refused["reason"]) == (409, reason)
        seen = {"seen": look["now"]["seen"]}
        status, _, done = await ask(http, "POST", "/v1/proposals/P-1/approve", seen, **by("bo"))
        assert (status, done["outcome"], done["lever"]["approved_by"]) == (200, "approved", "bo")
        status, _, refused = await ask(http, "POST", "/v1/proposals/P-1/approve", seen, **by("bo"))
        assert (status, refused["reason"]) == (409, "settled")
        audit = [
            (a["who"], a["action"], a["subject"])
            for a in (await ask(http, "GET", "/v1/audit", **by("admin")))[2]["items"]
        ]
        assert audit[1:] == [("anna", "propose override", "P-1"), ("bo", "approve", "L-1")]


async def test_what_does_more_by_now_is_refused_until_it_is_looked_at_again(desk: WebDesk) -> None:
    four_eyes(desk)
    async with serving(desk, TOKENS) as url, Session(base_url=url) as http:
        stated = line("G-1", btc="4")
        assert (await ask(http, "PUT", "/v1/groups/G-1", stated, **by("admin")))[0] == 201
        narrow = override()
        narrow["lever"]["thresholds"] = {"initial": "0.5", "margin_call": "0.70"}
        before = (await ask(http, "POST", "/v1/levers", narrow, **by("anna")))[2]["effects"]
        assert before["moves"] == {}
        desk.prices({"BTC": "35000"})
        status, _, refused = await ask(http, "POST", "/v1/proposals/P-1/approve", {"seen": before["seen"]}, **by("bo"))
        assert (status, refused["reason"]) == (409, "effect_grew")
        now = (await ask(http, "GET", "/v1/proposals/P-1", **by("bo")))[2]["now"]
        assert now["moves"] == {"normal > margin_call": 1}
        assert (await ask(http, "POST", "/v1/proposals/P-1/approve", {"seen": now["seen"]}, **by("bo")))[0] == 200


async def test_an_emergency_is_done_at_once_and_marked_in_the_audit(desk: WebDesk) -> None:
    four_eyes(desk)
    async with serving(desk, TOKENS) as url, Session(base_url=url) as http:
        await called(http, "G-1", **by("admin"))
        status, _, made = await ask(http, "POST", "/v1/levers", override(emergency="nobody answers"), **by("anna"))
        assert (status, made["emergency"], made["proposal"]) == (201, "nobody answers", "P-1")
        pin = {"pin": "40100", "until": until(4), "reason": "the venue is down", "emergency": "nobody answers"}
        assert (await ask(http, "POST", "/v1/prices/BTC/decisions", pin, **by("anna")))[0] == 201
        audit = [a["action"] for a in (await ask(http, "GET", "/v1/audit", **by("admin")))[2]["items"]]
        assert audit[1:] == ["emergency override", "emergency pin"]
        assert [p["emergency"] for p in (await ask(http, "GET", "/v1/proposals", **by("bo")))[2]["items"]] == [
            "nobody answers"
        ] * 2


async def test_a_pin_and_a_silence_of_a_critical_stage_wait_and_a_feeders_entry_does_not(desk: WebDesk) -> None:
    four_eyes(desk)
    async with serving(desk, TOKENS) as url, Session(base_url=url) as http:
        await called(http, "G-1", **by("admin"))
        pin = {"pin": "30000", "until": until(4), "reason": "the venue is down"}
        seen = (await ask(http, "POST", "/v1/prices/BTC/decisions?dry_run=true", pin, **by("anna")))[2]
        assert seen["effects"]["moves"] == {"margin_call > liquidation": 1}
        assert (await ask(http, "POST", "/v1/prices/BTC/decisions", pin, **by("anna")))[0] == 202
        quiet = {"match": {"group": "G-1"}, "until": until(4), "reason": "known", "even_worse": True}
        assert (await ask(http, "POST", "/v1/silences", quiet, **by("anna")))[0] == 202
        assert (await ask(http, "POST", "/v1/silences", {**quiet, "even_worse": False}, **by("anna")))[0] == 201
        entry = {
            "type": "override",
            "thresholds": {"margin_call": "0.9"},
            "until": until(4),
            "reason": "lender",
            "id": "e",
        }
        status, _, refused = await ask(http, "POST", "/v1/groups/G-1/entries", entry, **by("admin"))
        assert (status, refused["reason"]) == (409, "needs_approval")
        assert (await ask(http, "POST", "/v1/groups/G-1/entries", entry, **by("feeder")))[0] == 200


async def test_an_entry_that_would_cut_a_grace_period_short_is_refused(desk: WebDesk, http: Session) -> None:
    assert VERSION.grace is not None
    stated = line("G-1", btc="2.7", delayed_liquidation=True)
    assert (await ask(http, "PUT", "/v1/groups/G-1", stated))[0] == 201
    entry = {"type": "extend_grace", "until": until(4), "reason": "x", "id": "e"}
    status, _, refused = await ask(http, "POST", "/v1/groups/G-1/entries", entry)
    assert (status, refused["reason"]) == (409, "no_extension")


@pytest.mark.parametrize("path", ["/v1/levers", "/v1/proposals/P-1/approve", "/v1/proposals/P-1/reject"])
async def test_only_operators_pull_propose_and_approve(desk: WebDesk, path: str) -> None:
    async with serving(desk, TOKENS) as url, Session(base_url=url) as http:
        assert (await ask(http, "POST", path, {}, **by("feeder")))[0] == 403


async def test_a_scope_sees_proposals_about_its_own_groups_alone(desk: WebDesk) -> None:
    """Also where the group is closed meanwhile; a pin and a silence without its labels are the whole desk's."""
    four_eyes(desk)
    async with serving(desk, TOKENS) as url, Session(base_url=url) as http:
        for id_, who in (("G-1", "BETA"), ("G-2", "ACME")):
            stated = line(id_, btc="3.2", labels={"borrower": who})
            assert (await ask(http, "PUT", f"/v1/groups/{id_}", stated, **by("admin")))[0] == 201
            assert (await ask(http, "POST", "/v1/levers", override(groups=[id_]), **by("anna")))[0] == 202
        both = override(groups=["G-1", "G-2"])
        assert (await ask(http, "POST", "/v1/levers", both, **by("anna")))[0] == 202
        assert (await ask(http, "POST", "/v1/levers", both, **by("acme")))[0] == 404
        pin = {"pin": "30000", "until": until(4), "reason": "the venue is down"}
        assert (await ask(http, "POST", "/v1/prices/BTC/decisions", pin, **by("anna")))[0] == 202
        quiet = {"match": {"type": "loan_group.*"}, "until": until(4), "reason": "known", "even_worse": True}
        assert (await ask(http, "POST", "/v1/silences", quiet, **by("anna")))[0] == 202
        assert (await ask(http, "DELETE", "/v1/groups/G-1", **by("admin")))[0] == 204
        seen = (await ask(http, "GET", "/v1/proposals", **by("acme")))[2]["items"]
        assert [each["id"] for each in seen] == ["P-2"]
        assert (await ask(http, "GET", "/v1/proposals/P-1", **by("acme")))[0] == 404
