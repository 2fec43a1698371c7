"""Slack, Teams and Telegram against servers that check the documented bodies."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.core.alerts.catalogue import DIGEST
from monitor.notifiers import slack, teams, telegram
from monitor.notifiers._base import DeliveryError, Fault, Notice
from monitor.secret_files import BadSecret
from tests.notifiers.conftest import MakeNotice
from tests.notifiers.service import HOSTILE, Service, failure

TOKEN = "123456:AAabcdefghijklmnop"
CHAT = "-1001234567890"
LONG = "x" * 128


def group(id: str = "G-1001", **labels: str) -> dict[str, Any]:
    return {"id": id, "product": "vip_loan", "receiving_account": "acct-1", "labels": labels}


@pytest.fixture
def room(service: Service) -> slack.SlackNotifier:
    service.body = "ok"
    return slack.build("desk", slack.Config(url=f"{service.url}/services/T0/B0/key", allow_private=True))


@pytest.fixture
def team(service: Service) -> teams.TeamsNotifier:
    service.status, service.body = 202, ""
    return teams.build("desk", teams.Config(url=f"{service.url}/workflows/1?sig=secret", allow_private=True))


@pytest.fixture
def bot(service: Service) -> Callable[..., telegram.TelegramNotifier]:
    service.body = {"ok": True, "result": {"message_id": 7}}

    def build(*to: str, **more: Any) -> telegram.TelegramNotifier:
        config = telegram.Config(token=TOKEN, to=to or (CHAT,), url=service.url, allow_private=True, **more)
        return telegram.build("desk", config)

    return build


def check_slack(body: dict[str, Any]) -> None:
    """The documented limits of blocks."""
    assert isinstance(body["text"], str)
    assert 0 < len(body["text"]) <= 40_000
    assert 1 <= len(body["blocks"]) <= 50
    for block in body["blocks"]:
        match block["type"]:
            case "header":
                assert block["text"]["type"] == "plain_text"
                assert 1 <= len(block["text"]["text"]) <= 150
            case "section":
                assert 1 <= len(block["fields"]) <= 10
                for field in block["fields"]:
                    assert field["type"] == "plain_text"
                    assert 1 <= len(field["text"]) <= 2000
            case "actions":
                assert 1 <= len(block["elements"]) <= 25
                assert all(len(e["url"]) <= 3000 for e in block["elements"])
            case other:
                raise AssertionError(other)


async def test_slack_gets_blocks_with_a_plain_text_beside(
    service: Service, room: slack.SlackNotifier, make_notice: MakeNotice
) -> None:
    receipt = await room.send(make_notice(url="https://risk.desk.example/groups/G-1001"))
    body = service.last.json
    check_slack(body)
    assert service.last.headers["content-type"] == "application/json"
    assert (
        body["text"]
        == "[CRITICAL] G-1001 delayed liquidation: LTV 91.84 %, cure to 72 % by 2026-11-22 14:05 UTC, immediate liquidation above 95 %"
    )
    fields = [f["text"] for b in body["blocks"] if b["type"] == "section" for f in b["fields"]]
    assert "LTV\n91.84 %" in fields
    assert "to cure\nrepay 66,396 USD or add collateral" in fields
    assert "borrower\nACME" in fields
    assert body["blocks"][-1]["elements"][0]["url"] == "https://risk.desk.example/groups/G-1001"
    assert receipt.detail == "HTTP 200: ok"


async def test_a_name_calls_nobody_in_slack(
    service: Service, room: slack.SlackNotifier, make_notice: MakeNotice
) -> None:
    await room.send(make_notice(group=group(HOSTILE)))
    body = service.last.json
    assert "<" not in body["text"]
    assert "@here" not in body["text"]
    assert "&lt;!channel&gt;" in body["text"]
    assert "mrkdwn" not in json.dumps(body)


async def test_slack_gets_no_more_than_it_takes(
    service: Service, room: slack.SlackNotifier, make_notice: MakeNotice
) -> None:
    labels = {f"label-{n}": "v" * 256 for n in range(32)}
    await room.send(make_notice(group=group(LONG, **labels)))
    check_slack(service.last.json)
    facts = {f"fact {n}": "y" * 5000 for n in range(40)}
    await room.send(make_notice("price.stale", group=None, subject="BTC", facts=facts))
    check_slack(service.last.json)


@pytest.mark.parametrize(
    ("status", "word", "fault"),
    [
        (403, "invalid_token", Fault.CHANNEL),
        (404, "channel_not_found", Fault.CHANNEL),
        (404, "no_service", Fault.CHANNEL),
        (410, "channel_is_archived", Fault.CHANNEL),
        (403, "action_prohibited", Fault.CHANNEL),
        (400, "no_team", Fault.CHANNEL),
        (200, "channel_not_found", Fault.CHANNEL),
        (302, "", Fault.CHANNEL),
        (400, "invalid_blocks", Fault.DOUBTFUL),
        (400, "invalid_payload", Fault.DOUBTFUL),
        (400, "", Fault.DOUBTFUL),
        (413, "", Fault.DOUBTFUL),
        (500, "rollup_error", Fault.PASSING),
        (503, "service_unavailable", Fault.PASSING),
    ],
)
async def test_whose_fault_a_refusal_of_slack_is(
    service: Service, room: slack.SlackNotifier, make_notice: MakeNotice, status: int, word: str, fault: Fault
) -> None:
    service.status, service.body = status, word
    error = await failure(room, make_notice())
    assert error.fault is fault
    assert word in error.reason


async def test_slack_says_how_long_to_wait(
    service: Service, room: slack.SlackNotifier, make_notice: MakeNotice
) -> None:
    service.status, service.headers = 429, {"Retry-After": "7"}
    error = await failure(room, make_notice())
    assert (error.fault, error.after_s) == (Fault.PASSING, 7.0)


def check_card(body: dict[str, Any]) -> dict[str, Any]:
    """A message of one card, of elements that version 1.4 has. Returns the card."""
    assert body["type"] == "message"
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card: dict[str, Any] = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["body"]
    for element in card["body"]:
        assert element["type"] == "RichTextBlock"
        for run in element["inlines"]:
            assert run["type"] == "TextRun"
            assert run["text"]
            assert run.get("color", "Default") in ("Default", "Attention", "Warning", "Accent")
    return card


async def test_teams_gets_an_adaptive_card(
    service: Service, team: teams.TeamsNotifier, make_notice: MakeNotice
) -> None:
    receipt = await team.send(make_notice(url="https://risk.desk.example/groups/G-1001"))
    card = check_card(service.last.json)
    assert service.last.path == "/workflows/1?sig=secret"
    first, *rows = ["".join(run["text"] for run in row["inlines"]) for row in card["body"]]
    assert (
        first
        == "[CRITICAL] G-1001 delayed liquidation: LTV 91.84 %, cure to 72 % by 2026-11-22 14:05 UTC, immediate liquidation above 95 %"
    )
    assert "cure by: 2026-11-22 14:05 UTC" in rows
    assert card["actions"] == [
        {"type": "Action.OpenUrl", "title": "Open", "url": "https://risk.desk.example/groups/G-1001"}
    ]
    assert receipt.detail == "HTTP 202"


async def test_a_name_is_no_function_and_no_mention_of_a_card(
    service: Service, team: teams.TeamsNotifier, make_notice: MakeNotice
) -> None:
    await team.send(make_notice(group=group(HOSTILE)))
    text = service.last.raw.decode()
    assert "{{" not in text
    assert "<at>" not in text
    assert '"entities"' not in text
    assert '"TextBlock"' not in text


async def test_a_card_stays_below_the_limit_of_teams(
    service: Service, team: teams.TeamsNotifier, plain_notice: MakeNotice
) -> None:
    facts = {f"fact {n}": "\u6f22" * 5000 for n in range(40)}
    await team.send(plain_notice(facts=facts, url="https://risk.desk.example/" + "p" * 20_000))
    assert len(service.last.raw) <= 28_000
    check_card(service.last.json)


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, {"error": {"code": "DirectApiAuthorizationRequired", "message": "sig=secret"}}, Fault.CHANNEL),
        (404, {"error": {"code": "WorkflowNotFound"}}, Fault.CHANNEL),
        (400, {"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "sig=secret"}}, Fault.CHANNEL),
        (400, {"error": {"code": "TriggerInputSchemaMismatch"}}, Fault.DOUBTFUL),
        (413, "", Fault.DOUBTFUL),
        (429, "", Fault.PASSING),
        (502, {"error": {"code": "NoResponse"}}, Fault.PASSING),
        (
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
            Fault.PASSING,
        ),
        (
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413",
            Fault.DOUBTFUL,
        ),
        (
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 403",
            Fault.CHANNEL,
        ),
    ],
)
async def test_whose_fault_a_refusal_of_teams_is(
    service: Service, team: teams.TeamsNotifier, make_notice: MakeNotice, status: int, body: Any, fault: Fault
) -> None:
    service.status, service.body = status, body
    error = await failure(team, make_notice())
    assert error.fault is fault
    assert "secret" not in error.reason


async def test_telegram_gets_a_message_for_each_chat(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], make_notice: MakeNotice
) -> None:
    receipt = await bot(CHAT, "@desk_alerts", topic=5).send(make_notice(url="https://risk.desk.example/g"))
    first, second = (got.json for got in service.got)
    assert service.last.path == f"/bot{TOKEN}/sendMessage"
    assert (first["chat_id"], second["chat_id"]) == (int(CHAT), "@desk_alerts")
    assert first["parse_mode"] == "HTML"
    assert first["message_thread_id"] == 5
    assert first["link_preview_options"] == {"is_disabled": True}
    assert first["disable_notification"] is False
    assert first["reply_markup"]["inline_keyboard"][0][0]["url"] == "https://risk.desk.example/g"
    assert first["text"].startswith("<b>[CRITICAL] G-1001 delayed liquidation: LTV 91.84 %")
    assert "cure by: <code>2026-11-22 14:05 UTC</code>" in first["text"]
    assert receipt.took == (CHAT, "@desk_alerts")


async def test_a_name_is_no_markup_and_no_mention_in_telegram(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], make_notice: MakeNotice
) -> None:
    await bot().send(make_notice(group=group(HOSTILE)))
    text = service.last.json["text"]
    assert set(re.findall(r"</?[^>]*>", text)) == {"<b>", "</b>", "<code>", "</code>"}
    assert re.search(r"&(?!amp;|lt;|gt;)", text) is None
    assert re.search(r"@\w", html.unescape(text)) is None


async def test_a_message_of_telegram_is_cut_between_lines(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], plain_notice: MakeNotice
) -> None:
    facts = {f"fact {n}": "\U0001f600" * 300 for n in range(40)}
    await bot().send(plain_notice(facts=facts))
    text = service.last.json["text"]
    plain = html.unescape(re.sub(r"</?(b|code)>", "", text))
    assert 2000 < len(plain.encode("utf-16-le")) // 2 <= 4096
    assert text.endswith("</code>")


@pytest.mark.parametrize(
    ("status", "description", "fault"),
    [
        (401, "Unauthorized", Fault.CHANNEL),
        (404, "Not Found", Fault.CHANNEL),
        (400, "Bad Request: chat not found", Fault.CHANNEL),
        (403, "Forbidden: bot was kicked from the group chat", Fault.CHANNEL),
        (400, "Bad Request: can't parse entities", Fault.DOUBTFUL),
        (400, "Bad Request: message is too long", Fault.DOUBTFUL),
        (500, "Internal Server Error", Fault.PASSING),
    ],
)
async def test_whose_fault_a_refusal_of_telegram_is(
    service: Service,
    bot: Callable[..., telegram.TelegramNotifier],
    make_notice: MakeNotice,
    status: int,
    description: str,
    fault: Fault,
) -> None:
    service.status = status
    service.body = {"ok": False, "error_code": status, "description": description}
    error = await failure(bot(), make_notice())
    assert error.fault is fault
    assert TOKEN not in error.reason
    assert description in error.reason


async def test_telegram_says_in_its_body_how_long_to_wait(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], make_notice: MakeNotice
) -> None:
    service.status = 429
    service.body = {"ok": False, "description": "Too Many Requests: retry after 12", "parameters": {"retry_after": 12}}
    error = await failure(bot(), make_notice())
    assert (error.fault, error.after_s) == (Fault.PASSING, 12.0)


async def test_one_chat_that_is_gone_keeps_the_others_and_is_named(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], make_notice: MakeNotice
) -> None:
    gone = {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked by the user"}
    service.script = [(403, gone)]
    receipt = await bot("77", CHAT).send(make_notice())
    assert receipt.took == (CHAT,)
    assert [r.recipient for r in receipt.refused] == ["77"]
    assert receipt.detail.startswith("partial")


async def test_a_chat_that_has_the_message_does_not_get_it_again(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], make_notice: MakeNotice
) -> None:
    notifier = bot("77", CHAT)
    service.script = [(500, {"ok": False, "description": "Internal Server Error"})]
    error = await failure(notifier, make_notice())
    assert error.receipt.took == (CHAT,)
    await notifier.send(make_notice())
    assert [got.json["chat_id"] for got in service.got] == [77, int(CHAT), 77]


async def test_a_page_of_a_proxy_is_no_answer_of_a_bot_api(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], make_notice: MakeNotice
) -> None:
    service.body = "<html>please sign in</html>"
    assert (await failure(bot(), make_notice())).fault is Fault.CHANNEL


def test_a_configuration_that_can_never_send_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='state either "url" or "url_file"'):
        slack.Config()
    with pytest.raises(ValueError, match="url: found"):
        teams.Config(url="hooks.example")
    with pytest.raises(ValueError, match="private or reserved"):
        slack.Config(url="http://127.0.0.1/services/x")
    with pytest.raises(ValueError, match=r"to\[0\]"):
        telegram.Config(token=TOKEN, to=("desk",))
    with pytest.raises(BadSecret, match="digits, a colon"):
        telegram.build("desk", telegram.Config(token="abc", to=(CHAT,)))
    inside = tmp_path / "url"
    inside.write_text("http://10.0.0.1/services/secret-path")
    with pytest.raises(ValueError, match="private or reserved") as refused:
        slack.build("desk", slack.Config(url_file=inside))
    assert "secret-path" not in str(refused.value)


async def test_no_chat_is_told_past_the_guard_of_addresses(make_notice: MakeNotice) -> None:
    """A name that leads inside is refused when we connect."""
    for notifier in (
        slack.build("desk", slack.Config(url="http://localhost:1/services/key")),
        teams.build("desk", teams.Config(url="http://localhost:1/x")),
        telegram.build("desk", telegram.Config(token=TOKEN, to=(CHAT,), url="http://localhost:1")),
    ):
        with pytest.raises(DeliveryError, match="private or reserved"):
            await notifier.send(make_notice())
        await notifier.close()


async def test_a_borrower_reads_a_letter_without_a_link_to_the_desk(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], make_notice: MakeNotice
) -> None:
    assert telegram.contact(" 1234567890 ") == "1234567890"
    with pytest.raises(ValueError, match="the id of a chat"):
        telegram.contact("jane")
    link = "https://risk.desk.example/groups/G-1001"
    await bot().send(make_notice(to=("1234567890",), url=link, group=group("G <b>1", borrower="ACME internal")))
    body = service.last.json
    assert body["chat_id"] == 1234567890
    assert "G &lt;b&gt;1" in body["text"]
    assert "reply_markup" not in body
    assert link not in body["text"]
    assert "ACME internal" not in body["text"]


async def test_a_digest_names_the_groups_that_owe_most_and_how_many_more(
    service: Service, room: slack.SlackNotifier
) -> None:
    row = {"subject": HOSTILE, "type": "loan_group.liquidation.triggered", "debt_usd": "1000000.001"}
    data = {
        "id": "dig_1", "severity": "critical", "count": 990, "debt_usd": "12345678", "cut": 960, "from_cursor": 17,
        "types": [{"title": "liquidation", "count": 800}, {"title": "margin call", "count": 190}], "largest": [row] * 30,
    }  # fmt: skip
    await room.send(Notice(DIGEST, "2026-11-21T14:05:59.000Z", data))
    body = service.last.json
    check_slack(body)
    assert "990 notices: 800 liquidation, 190 margin call" in body["text"]
    fields = [f["text"] for b in body["blocks"] if b["type"] == "section" for f in b["fields"]]
    assert fields[0].endswith("liquidation, debt 1,000,000.00 USD")
    assert "more\n976, see the log from 17 on" in fields


# -- the link of the one person who is asked --

LINK = "https://risk.desk.example/ack/evt_1.anna.c2lnbmF0dXJl"
ASKS = {"person": "anna", "expires": "2026-11-21T14:10:59.000Z", "url": LINK}
STEP = "loan_group.escalated"


async def test_slack_has_a_button_that_opens_the_page_of_acknowledgement(
    service: Service, room: slack.SlackNotifier, make_notice: MakeNotice
) -> None:
    await room.send(make_notice(STEP, ("anna",), acknowledge=ASKS, url="https://risk.desk.example/#/group/G-1001"))
    body = service.last.json
    check_slack(body)
    buttons = body["blocks"][-1]["elements"]
    assert [(b["text"]["text"], b["url"]) for b in buttons] == [
        ("Take it in hand", LINK),
        ("Open", "https://risk.desk.example/#/group/G-1001"),
    ]
    assert len({b["action_id"] for b in buttons}) == 2
    assert body["unfurl_links"] is False


async def test_teams_has_an_action_that_opens_it(
    service: Service, team: teams.TeamsNotifier, make_notice: MakeNotice
) -> None:
    await team.send(make_notice(STEP, ("anna",), acknowledge=ASKS))
    card = service.last.json["attachments"][0]["content"]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Take it in hand", "url": LINK}]


async def test_telegram_has_a_button_in_the_persons_own_chat(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], make_notice: MakeNotice
) -> None:
    await bot().send(make_notice(STEP, ("4711",), acknowledge=ASKS, url="https://risk.desk.example/#/group/G-1001"))
    body = service.last.json
    assert body["chat_id"] == 4711
    (buttons,) = body["reply_markup"]["inline_keyboard"]
    assert [(b["text"], b["url"]) for b in buttons] == [
        ("Take it in hand", LINK),
        ("Open", "https://risk.desk.example/#/group/G-1001"),
    ]
    assert "Dear client" not in body["text"]
    assert "[CRITICAL] G-1001 nobody has acknowledged" in body["text"]


async def test_telegram_gets_an_address_in_the_house_as_text(
    service: Service, bot: Callable[..., telegram.TelegramNotifier], make_notice: MakeNotice
) -> None:
    """A button with such an address has the whole message refused."""
    inside = "http://risk.internal:8080/ack/evt_1.anna.c2ln&x"
    await bot().send(make_notice(STEP, ("4711",), acknowledge=ASKS | {"url": inside}))
    body = service.last.json
    assert "reply_markup" not in body
    assert html.unescape(body["text"].splitlines()[1]) == f"Take it in hand: {inside}"


async def test_who_is_not_asked_alone_gets_no_such_button(
    service: Service, room: slack.SlackNotifier, make_notice: MakeNotice
) -> None:
    shared = {key: value for key, value in ASKS.items() if key != "url"}
    await room.send(make_notice(STEP, ("anna",), acknowledge=shared, url="https://risk.desk.example/#/group/G-1001"))
    assert [b["text"]["text"] for b in service.last.json["blocks"][-1]["elements"]] == ["Open"]
