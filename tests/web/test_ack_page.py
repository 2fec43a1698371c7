"""The link of a notice: only the button's POST acknowledges, for one alert and one person, and no longer than the step."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import aiohttp
import msgspec
import pytest
import structlog

from monitor.ack_links import AckLinks, open_links
from monitor.core.alerts.catalogue import ASKS
from monitor.core.events.events import Noticed, ProductsChanged
from monitor.core.rules.duty import Duty, Escalation, EscalationStep, Rota
from monitor.web.ack_page import SMS_PATH, sms_signature
from monitor.web.app import Server
from monitor.web_table import WebConfig
from tests.looks import RULES
from tests.web.desk import WebDesk

LINKS = AckLinks(b"k" * 32)
PUBLIC = "https://risk.desk.example"
STEPS = (EscalationStep(timedelta(minutes=5), ("desk",)), EscalationStep(timedelta(minutes=5), ("carla", "desk")))
DUTY = Duty((Rota("desk", ("anna",), date(2026, 1, 5)),), (Escalation("night", STEPS, repeat=0),))
CONTACTS = {"anna": {"phone": "+46701740605"}, "carla": {"phone": "+46701740606", "mail": "carla@desk.example"}}
SECRET = "the gateway's own secret"  # made up


def lost(desk: WebDesk, subject: str) -> None:
    """Something critical that no stage of a group can end."""
    facts = {
        "alert": "evt_1",
        "alert_type": "x",
        "about": subject,
        "notifier": "mail",
        "reason": "550",
        "severity": "critical",
    }
    desk.handle(Noticed(desk.clock.now, "delivery.lost", subject, facts))


class Night:
    """A desk with a critical alert that nobody has acknowledged, served over HTTP."""

    def __init__(self, desk: WebDesk, http: aiohttp.ClientSession, url: str) -> None:
        self.desk, self.http, self.url = desk, http, url

    @property
    def step(self) -> str:
        return [x.alert.id for x in self.desk.store.log if x.alert.type in ASKS][-1]

    async def ask(self, method: str, token: str, **more: Any) -> tuple[int, str]:
        async with self.http.request(method, f"{self.url}/ack/{token}", **more) as answer:
            return answer.status, await answer.text()

    async def text(
        self, body: str, sender: str = "+46701740605", secret: str = SECRET, sid: str = "SM1"
    ) -> tuple[int, str]:
        form = {"From": sender, "Body": body, "MessageSid": sid}
        headers = {"X-Twilio-Signature": sms_signature(secret, PUBLIC + SMS_PATH, form)}
        async with self.http.post(self.url + SMS_PATH, data=form, headers=headers) as answer:
            return answer.status, await answer.text()

    @property
    def answers(self) -> list[str]:
        return [a.by for e in self.desk.risk.escalations for a in e.answers]


@pytest.fixture
async def night() -> AsyncIterator[Night]:
    desk = WebDesk()
    desk.handle(ProductsChanged(desk.clock.now, msgspec.structs.replace(RULES, duty=DUTY)))
    lost(desk, "dlv_1")
    desk.pass_time(timedelta(minutes=5))
    handed = msgspec.structs.replace(desk.handed_over(), links=LINKS, contacts=lambda: CONTACTS, sms_secret=SECRET)
    server = Server(WebConfig(port=0, public_url=PUBLIC), handed)
    host, port = await server.start()
    async with aiohttp.ClientSession() as http:
        yield Night(desk, http, f"http://{host}:{port}")
    await server.stop()


async def test_a_scanner_that_follows_the_link_changes_nothing(night: Night) -> None:
    token = LINKS.token(night.step, "anna")
    for method in ("GET", "HEAD", "GET"):
        status, html = await night.ask(method, token)
        assert status == 200
    assert '<form method="post">' in html
    assert "anna" in html
    assert night.answers == []
    for method in ("PUT", "DELETE", "OPTIONS"):
        assert (await night.ask(method, token))[0] == 405
    assert night.answers == []


async def test_the_button_acknowledges_and_the_audit_names_the_person(night: Night) -> None:
    token = LINKS.token(night.step, "anna")
    status, html = await night.ask("POST", token, headers={"Origin": night.url})
    assert (status, "You have it in hand" in html) == (200, True)
    assert night.desk.risk.escalations == ()
    assert [(a.who, a.action) for a in night.desk.store.audit_log][-1] == ("anna", "take_in_hand")
    status, _ = await night.ask("POST", token)
    assert status == 410
    assert len([a for a in night.desk.store.audit_log if a.action == "take_in_hand"]) == 1


async def test_a_token_ends_with_its_step(night: Night) -> None:
    first = night.step
    night.desk.pass_time(timedelta(minutes=5))
    assert night.step != first
    for method in ("GET", "POST"):
        status, html = await night.ask(method, LINKS.token(first, "anna"))
        assert (status, "counts no longer" in html, "<form" in html) == (410, True, False)
    assert night.answers == []


async def test_a_late_click_does_nothing_even_before_the_next_step_has_run(night: Night) -> None:
    night.desk.clock.now += timedelta(minutes=6)
    assert (await night.ask("POST", LINKS.token(night.step, "anna")))[0] == 410
    assert night.answers == []


@pytest.mark.parametrize("by_sms", [False, True])
async def test_the_last_people_may_answer_while_nobody_else_is_asked(night: Night, by_sms: bool) -> None:
    """A daemon that was down for longer than a step asks the last people when the time of the step is over."""
    night.desk.pass_time(timedelta(minutes=5))
    last = night.step
    night.desk.pass_time(timedelta(hours=1))
    assert night.step == last
    if by_sms:
        assert "in hand" in (await night.text(f"OK {LINKS.code(last, 'carla')}", "+46701740606"))[1]
    else:
        assert "<form" in (await night.ask("GET", LINKS.token(last, "carla")))[1]
        assert (await night.ask("POST", LINKS.token(last, "carla")))[0] == 200
    assert [(a.who, a.action) for a in night.desk.store.audit_log][-1] == ("carla", "take_in_hand")
    assert (await night.ask("POST", LINKS.token(last, "anna")))[0] == 410


async def test_a_token_is_for_one_alert_and_one_person(night: Night) -> None:
    token = LINKS.token(night.step, "anna")
    step, person, signature = token.split(".")
    other = next(x.alert.id for x in night.desk.store.log if x.alert.type not in ASKS)
    forged = [
        f"{other}.{person}.{signature}",
        f"{step}.carla.{signature}",
        f"{step}.{person}.{signature[:-1]}",
        f"{step}.{person}.{signature}A",
        f"{step}.{person}.",
        f"{step}.{person}",
        token.swapcase(),
        "x",
        LINKS.token(other, "anna"),
        LINKS.token(night.step, "carla"),
        AckLinks(b"o" * 32).token(night.step, "anna"),
    ]
    for text in forged:
        for method in ("GET", "POST"):
            status, html = await night.ask(method, text)
            assert (status, "<dl></dl>" in html) == (404, True), text
    assert night.answers == []


async def test_the_button_of_another_site_is_turned_away(night: Night) -> None:
    token = LINKS.token(night.step, "anna")
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await night.ask("POST", token, headers=headers))[0] == 403
    assert night.answers == []


async def test_the_token_stands_in_no_log(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    token = LINKS.token(night.step, "anna")
    # Another test may have run a command that shows warnings alone.
    level = structlog.make_filtering_bound_logger(logging.DEBUG)
    monkeypatch.setattr("monitor.web.app.log", structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=level))
    with structlog.testing.capture_logs() as logs:
        await night.ask("GET", token)
        await night.ask("POST", token)
        await night.ask("PATCH", token)
    assert any(line.get("path") == "/ack/" for line in logs)
    assert token.rpartition(".")[2] not in str(logs)
    assert token.rpartition(".")[2] not in str(night.desk.store.audit_log)


async def test_the_page_shows_what_a_name_holds_as_text(night: Night) -> None:
    lost(night.desk, '<script>alert("x")</script>')
    night.desk.pass_time(timedelta(minutes=5))
    _, html = await night.ask("GET", LINKS.token(night.step, "anna"))
    assert "<script" not in html


# Replies by SMS


async def test_a_reply_with_the_code_counts_once(night: Night) -> None:
    code = LINKS.code(night.step, "anna")
    status, xml = await night.text(f"ok {code.lower()}")
    assert (status, "in hand" in xml) == (200, True)
    assert [(a.who, a.action) for a in night.desk.store.audit_log][-1] == ("anna", "take_in_hand")
    assert re.search(r"<Response></Response>", (await night.text(f"ok {code.lower()}"))[1])


async def test_ok_alone_counts_while_the_sender_is_asked_about_one_thing(night: Night) -> None:
    assert (await night.text("OK"))[0] == 200
    assert night.desk.risk.escalations == ()


@pytest.mark.parametrize(
    ("body", "sender", "secret", "status"),
    [
        ("OK", "+46701740605", "another secret", 403),
        ("OK", "+46701740606", SECRET, 200),  # carla is not asked yet
        ("OK", "+15550199", SECRET, 200),
        ("OK", "", SECRET, 200),
        ("No", "+46701740605", SECRET, 200),
        ("what is this", "+46701740605", SECRET, 200),
        ("", "+46701740605", SECRET, 200),
    ],
)
async def test_a_reply_that_is_none_changes_nothing(
    night: Night, body: str, sender: str, secret: str, status: int
) -> None:
    assert (await night.text(body, sender, secret))[0] == status
    assert len(night.desk.risk.escalations) == 1


async def test_the_signature_is_that_of_the_gateways_documentation() -> None:
    """The example of the gateway's own pages on security: its secret, address and form, and the signature."""
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+12349013030",
        "Digits": "1234",
        "From": "+12349013030",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert sms_signature("12345", url, form) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


# The API


async def test_the_api_says_who_is_on_duty_and_what_is_open(night: Night) -> None:
    async with night.http.get(f"{night.url}/v1/rota") as answer:
        (rota,) = (await answer.json())["items"]
    assert (rota["now"]["person"], rota["next"]) == ("anna", None)
    async with night.http.get(f"{night.url}/v1/escalations") as answer:
        (item,) = (await answer.json())["items"]
    assert (item["subject"], item["step"], item["asked"], item["answers"]) == ("dlv_1", 1, ["anna"], [])


def test_the_key_is_kept_for_its_user_alone(tmp_path: Any) -> None:
    token = open_links(tmp_path).token("evt_1", "anna")
    assert open_links(tmp_path).read(token) == ("evt_1", "anna")
    assert (tmp_path / "ack.key").stat().st_mode & 0o077 == 0
