"""PagerDuty, Jira Service Management and ntfy against servers that check the documented requests."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from email.header import decode_header, make_header
from typing import Any
from urllib.parse import unquote

import pytest

from monitor.notifiers import jira_service_management as jsm
from monitor.notifiers import ntfy, pagerduty
from monitor.notifiers._base import Fault, Notice
from monitor.secret_files import BadSecret
from tests.notifiers.conftest import MakeNotice
from tests.notifiers.service import HOSTILE, Service, failure

KEY = "a" * 32
CURED = "loan_group.delayed_liquidation.cured"
REMINDER = "loan_group.delayed_liquidation.reminder"
ACK = {"by": "anna", "at": "2026-11-21T15:00:00.000Z", "alert": "evt_1", "note": "", "until": None}


def group(id: str) -> dict[str, Any]:
    return {"id": id, "product": "vip_loan", "receiving_account": "acct-1", "labels": {}}


@pytest.fixture
def pager(service: Service) -> pagerduty.PagerDutyNotifier:
    service.status, service.body = 202, {"status": "success", "message": "Event processed"}
    config = pagerduty.Config(routing_key=KEY, url=f"{service.url}/v2/enqueue", allow_private=True)
    return pagerduty.build("pager", config)


@pytest.fixture
def desk(service: Service) -> jsm.JiraServiceManagementNotifier:
    service.status, service.body = 202, {"result": "Request will be processed", "requestId": "43a29c5c"}
    url = f"{service.url}/jsm/ops/integration/v2/alerts"
    return jsm.build("desk", jsm.Config(api_key=KEY, url=url, responders=("Risk",), allow_private=True))


@pytest.fixture
def topic(service: Service) -> ntfy.NtfyNotifier:
    service.body = {"id": "hwQ2YpKdmg", "event": "message"}
    return ntfy.build("phone", ntfy.Config(url=service.url, topic="desk-7Qx", token="tk_secret", allow_private=True))


def check_event(body: dict[str, Any]) -> None:
    """What Events API v2 requires and limits."""
    assert body["routing_key"] == KEY
    assert body["event_action"] in ("trigger", "acknowledge", "resolve")
    assert 0 < len(body["dedup_key"]) <= 255
    payload = body["payload"]
    assert 0 < len(payload["summary"]) <= 1024
    assert payload["source"]
    assert payload["severity"] in ("critical", "error", "warning", "info")
    assert datetime.fromisoformat(payload["timestamp"])
    assert len(json.dumps(body)) <= 512_000
    assert all(set(link) <= {"href", "text"} for link in body.get("links", []))


@pytest.mark.parametrize("end", [CURED, "loan_group.closed"])
async def test_an_episode_is_one_incident_from_its_trigger_to_its_end(
    service: Service, pager: pagerduty.PagerDutyNotifier, make_notice: MakeNotice, end: str
) -> None:
    await pager.send(make_notice("loan_group.margin_call.opened", id="evt_1", severity="warning"))
    await pager.send(make_notice(id="evt_2"))
    await pager.send(make_notice(REMINDER, id="evt_3", acknowledged=ACK))
    await pager.send(make_notice(end, id="evt_4", severity="info"))
    bodies = [got.json for got in service.got]
    for body in bodies:
        check_event(body)
    assert [b["event_action"] for b in bodies] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {b["dedup_key"] for b in bodies} == {"loan_group:G-1001:3"}
    assert [b["payload"]["severity"] for b in bodies] == ["warning", "critical", "critical", "info"]
    assert bodies[1]["payload"]["class"] == "loan_group.delayed_liquidation.started"
    assert bodies[1]["payload"]["custom_details"]["cure by"] == "2026-11-22 14:05 UTC"


async def test_the_next_episode_is_another_incident(
    service: Service, pager: pagerduty.PagerDutyNotifier, make_notice: MakeNotice
) -> None:
    await pager.send(make_notice(episode=3))
    await pager.send(make_notice(episode=4))
    first, second = (got.json["dedup_key"] for got in service.got)
    assert first != second


async def test_what_has_an_end_beside_groups_is_one_incident_by_its_subject(
    service: Service, pager: pagerduty.PagerDutyNotifier, plain_notice: MakeNotice
) -> None:
    await pager.send(plain_notice("price.stale"))
    await pager.send(plain_notice("price.suspect"))
    await pager.send(plain_notice("price.stale", subject="ETH"))
    await pager.send(plain_notice("price.restored", severity="info"))
    await pager.send(plain_notice("feed.down", subject="BTC"))
    keys = [got.json["dedup_key"] for got in service.got]
    assert keys[0] == keys[1] == keys[3]
    assert len({keys[0], keys[2], keys[4]}) == 3
    assert service.got[3].json["event_action"] == "resolve"


async def test_a_test_never_touches_an_incident(
    service: Service, pager: pagerduty.PagerDutyNotifier, make_notice: MakeNotice
) -> None:
    await pager.send(make_notice(test=True))
    assert service.last.json["dedup_key"] == "test:loan_group:G-1001:3"


@pytest.mark.parametrize(
    ("one", "other"), [("A:1", "A"), ("\u00e4" * 128, "\u00f6" * 128), ("x" * 128, "x" * 127), (HOSTILE, "a b")]
)
async def test_any_name_of_a_group_makes_a_key_of_its_own(
    service: Service, pager: pagerduty.PagerDutyNotifier, make_notice: MakeNotice, one: str, other: str
) -> None:
    for name in (one, other):
        await pager.send(make_notice(group=group(name)))
        check_event(service.last.json)
    first, second = (got.json["dedup_key"] for got in service.got)
    assert first != second
    assert (first + second).isascii()
    assert " " not in first + second


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, {"status": "invalid event", "errors": ["'routing_key' is invalid"]}, Fault.CHANNEL),
        (400, {"status": "invalid key", "message": "", "errors": ["Invalid routing key " + KEY]}, Fault.CHANNEL),
        (400, {"status": "invalid event", "errors": ["'payload.summary' is missing"]}, Fault.DOUBTFUL),
        (400, {"status": "invalid event", "errors": ["Length of 'dedup_key' is incorrect"]}, Fault.DOUBTFUL),
        (413, "", Fault.DOUBTFUL),
        (403, "", Fault.CHANNEL),
        (429, "", Fault.PASSING),
        (500, "", Fault.PASSING),
    ],
)
async def test_whose_fault_a_refusal_of_pagerduty_is(
    service: Service, pager: pagerduty.PagerDutyNotifier, make_notice: MakeNotice, status: int, body: Any, fault: Fault
) -> None:
    service.status, service.body = status, body
    error = await failure(pager, make_notice())
    assert error.fault is fault
    assert KEY not in error.reason


def check_alert(body: dict[str, Any]) -> None:
    """What the API of alerts limits."""
    assert 0 < len(body["message"]) <= 130
    assert 0 < len(body["alias"]) <= 512
    assert len(body["description"]) <= 15_000
    assert body["priority"] in ("P1", "P2", "P3", "P4", "P5")
    assert len(body["source"]) <= 100
    assert len(body["entity"]) <= 512
    assert len(body["tags"]) <= 20
    assert all(len(tag) <= 50 for tag in body["tags"])
    assert all(isinstance(v, str) for v in body["details"].values())
    assert sum(len(k) + len(v) for k, v in body["details"].items()) <= 8000
    assert all(r["type"] == "team" for r in body.get("responders", []))


async def test_jira_creates_an_alert_and_closes_it_by_its_alias(
    service: Service, desk: jsm.JiraServiceManagementNotifier, make_notice: MakeNotice
) -> None:
    await desk.send(make_notice(id="evt_1"))
    await desk.send(make_notice(REMINDER, id="evt_2", acknowledged=ACK))
    await desk.send(make_notice(CURED, id="evt_3", severity="info"))
    created, acknowledged, closed = service.got
    assert created.headers["authorization"] == f"GenieKey {KEY}"
    check_alert(created.json)
    assert created.json["priority"] == "P1"
    assert created.json["responders"] == [{"name": "Risk", "type": "team"}]
    alias = created.json["alias"]
    assert acknowledged.path == f"/jsm/ops/integration/v2/alerts/{alias}/acknowledge?identifierType=alias"
    assert closed.path == f"/jsm/ops/integration/v2/alerts/{alias}/close?identifierType=alias"
    assert closed.json["source"] == "loan-monitor"
    assert "evt_3" in closed.json["note"]


async def test_an_alias_survives_the_path_and_limits_hold_for_long_names(
    service: Service, desk: jsm.JiraServiceManagementNotifier, make_notice: MakeNotice
) -> None:
    for name in ("../x?y#z%2F", "x" * 128, HOSTILE):
        await desk.send(make_notice(group=group(name)))
        check_alert(service.last.json)
        alias = service.last.json["alias"]
        await desk.send(make_notice(CURED, group=group(name)))
        path, _, query = service.last.path.partition("?")
        assert unquote(path.split("/")[-2]) == alias
        assert query == "identifierType=alias"


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, {"message": "Key format is not valid!"}, Fault.CHANNEL),
        (402, {"message": "plan"}, Fault.CHANNEL),
        (403, {"message": "You are not authorized"}, Fault.CHANNEL),
        (404, {"message": "no such integration"}, Fault.CHANNEL),
        (422, {"message": "Request body is not processable", "errors": {"message": "long"}}, Fault.DOUBTFUL),
        (429, {"message": "You are making too many requests!"}, Fault.PASSING),
        (503, "", Fault.PASSING),
    ],
)
async def test_whose_fault_a_refusal_of_jira_is(
    service: Service,
    desk: jsm.JiraServiceManagementNotifier,
    make_notice: MakeNotice,
    status: int,
    body: Any,
    fault: Fault,
) -> None:
    service.status, service.body = status, body
    assert (await failure(desk, make_notice())).fault is fault


async def test_an_alert_that_is_gone_there_needs_no_closing(
    service: Service, desk: jsm.JiraServiceManagementNotifier, make_notice: MakeNotice
) -> None:
    service.status, service.body = 404, {"message": "Alert with alias does not exist"}
    assert "close" in (await desk.send(make_notice(CURED))).detail
    assert (await failure(desk, make_notice())).fault is Fault.CHANNEL


async def test_ntfy_gets_headers_and_a_text(
    service: Service, topic: ntfy.NtfyNotifier, make_notice: MakeNotice
) -> None:
    receipt = await topic.send(make_notice(url="https://risk.desk.example/groups/G-1001"))
    got = service.last
    assert (got.method, got.path) == ("POST", "/desk-7Qx")
    assert got.headers["title"].startswith("[CRITICAL] G-1001 delayed liquidation: LTV 91.84 %")
    assert got.headers["priority"] == "5"
    assert got.headers["tags"] == "rotating_light"
    assert got.headers["click"] == "https://risk.desk.example/groups/G-1001"
    assert got.headers["authorization"] == "Bearer tk_secret"
    text = got.raw.decode()
    assert "to cure: repay 66,396 USD or add collateral" in text
    assert text.endswith("ref: evt_abcdefghijklmnopqrstuvwxyz")
    assert receipt.detail == "HTTP 200: hwQ2YpKdmg"


async def test_a_name_adds_no_header_and_survives_in_its_alphabet(
    service: Service, topic: ntfy.NtfyNotifier, make_notice: MakeNotice
) -> None:
    await topic.send(make_notice(group=group("G\r\nPriority: 1\r\n\r\n\u0634\u0631\u0643\u0629 =?x?=")))
    headers = service.last.headers
    title = str(make_header(decode_header(headers["title"])))
    assert title.startswith("[CRITICAL] G Priority: 1 \u0634\u0631\u0643\u0629 =?x?= delayed liquidation")
    assert headers["priority"] == "5"
    await topic.send(make_notice(group=group("=?UTF-8?B?RQ==?=")))
    assert str(make_header(decode_header(service.last.headers["title"]))).startswith("[CRITICAL] =?UTF-8?B?RQ==?=")


async def test_a_text_for_ntfy_stays_a_message_and_no_file(
    service: Service, topic: ntfy.NtfyNotifier, plain_notice: MakeNotice
) -> None:
    await topic.send(plain_notice(facts={f"fact {n}": "\u6f22" * 300 for n in range(40)}))
    assert 3000 < len(service.last.raw) <= 4096
    assert service.last.raw.decode().endswith("ref: evt_plain")


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, {"code": 40101, "http": 401, "error": "unauthorized"}, Fault.CHANNEL),
        (403, {"code": 40301, "http": 403, "error": "forbidden"}, Fault.CHANNEL),
        (404, {"code": 40401, "http": 404, "error": "page not found"}, Fault.CHANNEL),
        (413, {"code": 41301, "http": 413, "error": "attachment too large"}, Fault.DOUBTFUL),
        (429, {"code": 42908, "http": 429, "error": "limit reached: daily message quota reached"}, Fault.PASSING),
        (507, {"code": 50701, "http": 507, "error": "cannot publish"}, Fault.PASSING),
    ],
)
async def test_whose_fault_a_refusal_of_ntfy_is(
    service: Service, topic: ntfy.NtfyNotifier, make_notice: MakeNotice, status: int, body: Any, fault: Fault
) -> None:
    service.status, service.body = status, body
    error = await failure(topic, make_notice())
    assert error.fault is fault
    assert str(body["code"]) in error.reason


async def test_ntfy_signs_in_with_a_password_too(service: Service, make_notice: MakeNotice) -> None:
    config = ntfy.Config(url=service.url, topic="t", username="m", password="p:\u00e9", allow_private=True)
    await ntfy.build("phone", config).send(make_notice())
    word, _, value = service.last.headers["authorization"].partition(" ")
    assert (word, base64.b64decode(value).decode()) == ("Basic", "m:p:\u00e9")


def test_a_pager_that_can_never_page_is_refused() -> None:
    with pytest.raises(BadSecret, match="letters and digits"):
        pagerduty.build("p", pagerduty.Config(routing_key="not a key"))
    with pytest.raises(ValueError, match="topic"):
        ntfy.Config(topic="my topic/../x")
    with pytest.raises(ValueError, match="belong together"):
        ntfy.Config(topic="t", username="m")
    with pytest.raises(ValueError, match=r"tags\[0\]"):
        jsm.Config(api_key=KEY, tags=("x" * 51,))
    with pytest.raises(ValueError, match="a user in the address"):
        jsm.Config(api_key=KEY, url="https://me:secret@api.example")


def test_an_early_warning_is_an_incident_that_nothing_closes() -> None:
    data = {"id": "evt_9", "severity": "info", "group": group("G-1"), "episode": 2}
    event = pagerduty.event(Notice("loan_group.early_warning", "2026-11-21T14:05:59.000Z", data), "monitor")
    assert (event["event_action"], event["dedup_key"]) == ("trigger", "loan_group.early_warning:evt_9")


async def test_ntfy_has_a_button_that_opens_the_page_of_acknowledgement_and_posts_nothing(
    service: Service, topic: ntfy.NtfyNotifier, make_notice: MakeNotice
) -> None:
    link = "https://risk.desk.example/ack/evt_1.anna.c2lnbmF0dXJl"
    await topic.send(make_notice("loan_group.escalated", ("own",), acknowledge={"person": "anna", "url": link}))
    (action,) = json.loads(service.last.headers["actions"])
    assert action == {"action": "view", "label": "Take it in hand", "url": link, "clear": True}
    await topic.send(make_notice("loan_group.escalated", ("own",), acknowledge={"person": "anna"}))
    assert "actions" not in service.last.headers
