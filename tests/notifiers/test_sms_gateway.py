"""The SMS gateway in Twilio's form against a server that checks the documented form."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from monitor.notifiers import sms
from monitor.notifiers._base import Fault
from tests.notifiers.conftest import MakeNotice
from tests.notifiers.service import Service, failure

ACCOUNT = "AC" + "0" * 32
TAKEN = {"sid": "SM" + "1" * 32, "status": "queued", "error_code": None, "error_message": None}


def gateway(service: Service, *to: str, **more: Any) -> sms.SmsNotifier:
    service.status, service.body = 201, TAKEN
    settings = {"account": ACCOUNT, "secret": "hunter2", "sender": "+15005550006", **more}
    config = sms.Config(gateway="http", to=to or ("+15550100",), url=service.url, allow_private=True, **settings)
    return sms.build("phones", config)


def refusal(status: int, code: int, message: str = "no") -> tuple[int, dict[str, Any]]:
    return status, {"code": code, "message": message, "more_info": "https://errors.example", "status": status}


async def test_a_text_is_posted_as_a_form_one_for_each_number(service: Service, make_notice: MakeNotice) -> None:
    receipt = await gateway(service, "+15550100", "+15550101").send(make_notice())
    first, second = service.got
    assert (first.method, first.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert first.headers["content-type"] == "application/x-www-form-urlencoded"
    word, _, value = first.headers["authorization"].partition(" ")
    assert (word, base64.b64decode(value).decode()) == ("Basic", f"{ACCOUNT}:hunter2")
    assert first.form == {"To": "+15550100", "From": "+15005550006", "Body": sms.text(make_notice())}
    assert second.form["To"] == "+15550101"
    assert receipt.took == ("+15550100", "+15550101")
    assert TAKEN["sid"] in receipt.detail


async def test_a_messaging_service_and_an_api_key_take_their_places(service: Service, make_notice: MakeNotice) -> None:
    service_id, key = "MG" + "a" * 32, "SK" + "2" * 32
    await gateway(service, sender=service_id, api_key=key).send(make_notice())
    assert service.last.form["MessagingServiceSid"] == service_id
    assert "From" not in service.last.form
    assert base64.b64decode(service.last.headers["authorization"][6:]).decode() == f"{key}:hunter2"
    assert ACCOUNT in service.last.path


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (refusal(400, 21211, "Invalid 'To' Phone Number"), Fault.NOTICE),
        (refusal(400, 21610, "Attempt to send to unsubscribed recipient"), Fault.NOTICE),
        (refusal(400, 21614, "'To' number is not a valid mobile number"), Fault.NOTICE),
        (refusal(401, 20003, "Authenticate"), Fault.CHANNEL),
        (refusal(400, 21606, "The 'From' phone number is not a valid sender"), Fault.CHANNEL),
        (refusal(400, 21408, "Permission to send has not been enabled for the region"), Fault.CHANNEL),
        (refusal(404, 20404, "The requested resource was not found"), Fault.CHANNEL),
        (refusal(400, 21617, "The concatenated message body exceeds the limit"), Fault.DOUBTFUL),
        (refusal(429, 20429, "Too Many Requests"), Fault.PASSING),
        (refusal(429, 21611, "The 'From' number has exceeded the queue"), Fault.PASSING),
        ((503, ""), Fault.PASSING),
        ((400, ""), Fault.DOUBTFUL),
        ((200, "<html>sign in</html>"), Fault.CHANNEL),
        ((201, {"sid": "SM1", "status": "failed", "error_code": 30006, "error_message": "Landline"}), Fault.NOTICE),
        ((201, {"sid": "SM1", "status": "failed", "error_code": 30002, "error_message": "Suspended"}), Fault.CHANNEL),
        ((201, {"sid": "SM1", "status": "failed", "error_code": None}), Fault.PASSING),
    ],
)
async def test_what_is_about_the_number_and_what_about_the_account(
    service: Service, make_notice: MakeNotice, answer: tuple[int, Any], fault: Fault
) -> None:
    notifier = gateway(service)
    service.script = [answer]
    error = await failure(notifier, make_notice())
    assert error.fault is fault
    assert "hunter2" not in error.reason
    assert [r.recipient for r in error.receipt.refused] == (["+15550100"] if fault is Fault.NOTICE else [])


async def test_one_number_that_is_none_keeps_no_other_from_its_text(service: Service, make_notice: MakeNotice) -> None:
    notifier = gateway(service, "+15550100", "+15550101")
    service.script = [refusal(400, 21211, "Invalid 'To' Phone Number")]
    receipt = await notifier.send(make_notice())
    assert receipt.took == ("+15550101",)
    assert [r.recipient for r in receipt.refused] == ["+15550100"]


async def test_a_number_that_has_its_text_gets_no_second_one(service: Service, make_notice: MakeNotice) -> None:
    notifier = gateway(service, "+15550100", "+15550101")
    service.script = [(201, TAKEN), (503, "")]
    assert (await failure(notifier, make_notice())).receipt.took == ("+15550100",)
    await notifier.send(make_notice())
    assert [got.form["To"] for got in service.got] == ["+15550100", "+15550101", "+15550101"]


def test_a_gateway_that_can_never_send_is_refused() -> None:
    good = {"gateway": "http", "account": ACCOUNT, "secret": "x", "sender": "+15005550006"}
    sms.Config(**good)
    for key, value, words in (
        ("account", None, "account"),
        ("account", "../x", "account"),
        ("sender", None, "sender"),
        ("sender", "a name that is too long", "sender"),
        ("secret", None, "auth token"),
        ("url", "http://127.0.0.1:1", "private or reserved"),
    ):
        with pytest.raises(ValueError, match=words):
            sms.Config(**{**good, key: value})
