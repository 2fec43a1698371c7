"""Mail against a real SMTP server on loopback, and as files."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import re
import socket
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from monitor.clock import SystemClock
from monitor.notifiers._base import DeliveryError
from monitor.notifiers.email import Config, EmailNotifier, build
from tests.notifiers.conftest import MakeNotice

RISK, TREASURY = "risk@desk.example", "treasury@acme.example"


class Post:
    """An SMTP server that answers as told and keeps the mails it took."""

    def __init__(self) -> None:
        self.took: list[tuple[list[str], EmailMessage]] = []
        self.to_rcpt: dict[str, str] = {}
        self.to_data = "250 taken"
        self.hangs_after_data = False
        self.logins: list[bytes] = []
        self.greeted: list[str] = []
        self.url = ""

    async def handle_EHLO(  # noqa: N802  the server calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.greeted.append(hostname)
        return responses

    async def handle_RCPT(  # noqa: N802  the server calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.to_rcpt.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.hangs_after_data:
            await asyncio.sleep(30)
        if self.to_data.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.took.append((list(envelope.rcpt_tos), message))
        return self.to_data

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.logins.append(data.password)
        return AuthResult(success=data.password == b"hunter2", handled=False)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    one = Post()
    loop = asyncio.get_running_loop()
    made: list[SMTP] = []

    def build() -> SMTP:
        made.append(SMTP(one, hostname="post.test", authenticator=one.authenticate, auth_require_tls=False))
        return made[-1]

    server = await loop.create_server(build, "127.0.0.1", 0)
    one.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield one
    server.close()
    for session in made:
        if session._handler_coroutine is not None:
            session._handler_coroutine.cancel()


def notifier(url: str, *to: str, timeout_s: float = 5, **more: Any) -> EmailNotifier:
    config = Config(smtp=url, sender="Monitor <monitor@desk.example>", to=to or (RISK,), **more)
    return EmailNotifier("mail", config, SystemClock(), timeout_s=timeout_s)


async def test_a_mail_arrives_with_text_and_html(post: Post, make_notice: MakeNotice) -> None:
    receipt = await notifier(post.url).send(make_notice())
    ((to, message),) = post.took
    assert to == [RISK]
    assert receipt.detail == "accepted: taken"
    assert (
        message["Subject"]
        == "[CRITICAL] G-1001 delayed liquidation: LTV 91.84 %, cure to 72 % by 2026-11-22 14:05 UTC, immediate liquidation above 95 %"
    )
    assert message["From"] == "Monitor <monitor@desk.example>"
    assert message["Message-ID"] == "<evt_abcdefghijklmnopqrstuvwxyz@desk.example>"
    assert re.fullmatch(r"<episode-[0-9a-f]{32}@desk.example> <evt_before@desk.example>", message["References"])
    assert message["In-Reply-To"] == "<evt_before@desk.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Priority"] == "1 (Highest)"
    assert [p.get_content_type() for p in message.iter_parts()] == ["text/plain", "text/html"]


async def test_both_parts_of_a_mail_lead_to_the_page(post: Post, make_notice: MakeNotice) -> None:
    page = "https://risk.desk.example/#/group/G%2F1%22%26%3C"
    await notifier(post.url).send(make_notice(url=page))
    await notifier(post.url).send(make_notice(url='javascript:alert("x")'))
    (_, with_page), (_, without) = post.took
    plain, html = (part.get_content() for part in with_page.iter_parts())
    assert f"\n{page}\n" in plain.replace("\r\n", "\n")
    assert f'<a href="{page}"' in html
    plain, html = (part.get_content() for part in without.iter_parts())
    assert "javascript" not in plain + html
    assert "<a " not in html


async def test_all_mails_of_an_episode_are_one_conversation(post: Post, make_notice: MakeNotice) -> None:
    """Also where a mail in between was never sent."""
    for changes in (
        {"id": "evt_a", "supersedes": None},
        {"id": "evt_b", "supersedes": "evt_never_sent"},
        {"episode": 4},
    ):
        await notifier(post.url).send(make_notice(**changes))
    first, second, other = (message["References"].split()[0] for _, message in post.took)
    assert first == second != other


async def test_a_long_domain_makes_no_encoded_word_of_a_header(post: Post, make_notice: MakeNotice) -> None:
    """Mail programs thread by the very text of these headers."""
    domain = ".".join(["risk-desk-of-a-lender-with-a-long-name"] * 6) + ".example"
    sender = EmailNotifier(
        "mail",
        Config(smtp=post.url, sender=f"Risk desk <monitor@{domain}>", to=(RISK,), starttls="never"),
        SystemClock(),
    )
    await sender.send(make_notice())
    ((_, message),) = post.took
    raw = message.as_bytes(policy=email.policy.SMTP.clone(max_line_length=998))
    assert b"=?" not in raw.split(b"\r\n\r\n", 1)[0]
    assert message["Message-ID"].endswith(f"@{domain}>")
    assert message["From"].addresses[0].domain == domain


async def test_the_name_of_the_greeting_is_ours_or_as_configured(post: Post, make_notice: MakeNotice) -> None:
    await notifier(post.url).send(make_notice())
    await notifier(post.url, ehlo="risk.desk.example").send(make_notice())
    assert post.greeted == [socket.gethostname(), "risk.desk.example"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("smtp", "smtp://127.0.0.1:99999", "smtp: found port '99999'"),
        ("smtp", "smtp://127.0.0.1:smtp", "smtp: found port 'smtp'"),
        ("smtp", "smtp://127.0.0.1:0", "smtp: found port '0'"),
        ("smtp", "smtp://mail desk.example:25", "smtp: found"),
        ("smtp", "smtp://:25", "smtp: found"),
        ("smtp", "smtp://-mail.example", "smtp: found"),
        ("sender", "Risk: Desk <m@desk.example>", "sender: found"),
        ("sender", "Risk: a@desk.example;", "sender: found"),
        ("sender", "Loan\nmonitor <m@desk.example>", "sender: found"),
        ("sender", "a@desk.example, b@desk.example", "sender: found"),
        ("sender", "", "sender: found"),
        ("sender", "nobody", "sender: found"),
        ("sender", "m@desk,example", "sender: found"),
        ("ehlo", "two words", "ehlo: found"),
    ],
)
def test_what_can_never_send_is_refused(key: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Config(**{"smtp": "smtp://127.0.0.1:25", "sender": "m@desk.example", key: value})


@pytest.mark.parametrize(
    "sender",
    ["m@desk.example", "Risk desk <m@desk.example>", '"Desk, risk" <m@desk.example>', "Ryzyko Łódź <m@desk.example>"],
)
def test_a_sender_is_one_address_with_or_without_a_name(sender: str) -> None:
    assert Config(smtp="smtp://mail.desk.example", sender=sender).sender == sender


def test_certificates_that_cannot_be_read_are_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "absent.pem"):
        config = Config(smtp="smtps://mail.desk.example", sender="m@desk.example", ca_file=tmp_path / name)
        with pytest.raises(ValueError, match=f"ca_file: .*{name}"):
            build("mail", config)


async def test_only_critical_mail_is_marked_as_urgent(post: Post, make_notice: MakeNotice) -> None:
    await notifier(post.url).send(make_notice(severity="warning"))
    assert post.took[0][1]["X-Priority"] is None


async def test_the_borrowers_addresses_replace_the_desks(post: Post, make_notice: MakeNotice) -> None:
    await notifier(post.url).send(make_notice(to=(TREASURY,)))
    ((to, message),) = post.took
    assert (to, message["To"]) == ([TREASURY], TREASURY)


@pytest.mark.parametrize(
    ("at", "answer", "fault"),
    [
        ("rcpt", "421 closing", "passing"), ("rcpt", "450 busy", "passing"), ("rcpt", "452 full", "passing"),
        ("rcpt", "550 unknown", "doubtful"), ("rcpt", "550 5.1.1 no such user", "notice"), ("rcpt", "552 5.2.2 full", "notice"),
        ("rcpt", "554 5.7.1 relay access denied", "channel"), ("rcpt", "530 5.7.0 must authenticate", "channel"),
        ("data", "421 closing", "passing"), ("data", "450 busy", "passing"), ("data", "452 full", "passing"),
        ("data", "550 refused", "channel"), ("data", "554 5.7.1 spam", "channel"),
    ],
)  # fmt: skip
async def test_an_answer_says_whose_fault_it_is(
    post: Post, make_notice: MakeNotice, at: str, answer: str, fault: str
) -> None:
    """Only a recipient who plainly does not exist costs the notice."""
    if at == "rcpt":
        post.to_rcpt[RISK] = answer
    else:
        post.to_data = answer
    with pytest.raises(DeliveryError) as failed:
        await notifier(post.url).send(make_notice())
    assert failed.value.fault == fault
    assert answer[:3] in failed.value.reason
    assert [r.recipient for r in failed.value.receipt.refused] == ([RISK] if fault == "notice" else [])
    assert post.took == []


async def test_of_two_recipients_the_good_one_gets_one_mail_and_the_refusal_is_reported(
    post: Post, make_notice: MakeNotice
) -> None:
    post.to_rcpt["gone@desk.example"] = "550 no such user"
    receipt = await notifier(post.url, RISK, "gone@desk.example").send(make_notice())
    assert [to for to, _ in post.took] == [[RISK]]
    assert receipt.detail.startswith("partial: ")
    assert "refused gone@desk.example: 550 no such user" in receipt.detail
    assert receipt.took == (RISK,)
    assert [(r.recipient, r.reason) for r in receipt.refused] == [("gone@desk.example", "550 no such user")]


async def test_of_two_recipients_the_one_refused_for_now_is_tried_again_alone(
    post: Post, make_notice: MakeNotice
) -> None:
    """Greylisting: the next attempt must not reach the good one twice."""
    post.to_rcpt["grey@desk.example"] = "450 come back later"
    sender = notifier(post.url, RISK, "grey@desk.example")
    with pytest.raises(DeliveryError, match="450") as failed:
        await sender.send(make_notice())
    assert failed.value.retry
    assert failed.value.receipt.took == (RISK,)
    post.to_rcpt.clear()
    await sender.send(make_notice())
    assert [to for to, _ in post.took] == [[RISK], ["grey@desk.example"]]


async def test_a_server_that_hangs_after_the_data_is_left_in_time_and_retried(
    post: Post, make_notice: MakeNotice
) -> None:
    post.hangs_after_data = True
    with pytest.raises(DeliveryError) as failed:
        async with asyncio.timeout(3):
            await notifier(post.url, timeout_s=0.3).send(make_notice())
    assert failed.value.retry


async def test_a_server_that_never_greets_is_left_in_time_and_retried(make_notice: MakeNotice) -> None:
    server = await asyncio.start_server(lambda r, w: asyncio.sleep(30), "127.0.0.1", 0)
    url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(DeliveryError) as failed:
        async with asyncio.timeout(3):
            await notifier(url, timeout_s=0.3).send(make_notice())
    assert failed.value.retry
    server.close()


@pytest.mark.parametrize(
    ("first", "flood"),
    [
        (b"", b"220-hello there\r\n" * 1000),
        (b"220 post\r\n", b"250-AUTH PLAIN\r\n" * 1000),
        (b"220 post\r\n", b"x" * 60_000),
        (b"", b"220 post\r\n" * 1000),
    ],
    ids=["greeting", "extensions", "one line", "answers that nobody asked for"],
)
async def test_a_server_that_never_comes_to_an_end_is_cut_off_by_bytes(
    make_notice: MakeNotice, first: bytes, flood: bytes
) -> None:
    sent = 0

    async def go_on(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            writer.write(first)
            while sent < 100_000_000:
                writer.write(flood)
                sent += len(flood)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(go_on, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(5):
        with pytest.raises(DeliveryError) as failed:
            await notifier(f"smtp://127.0.0.1:{port}", "officer@desk.example").send(make_notice())
    assert failed.value.retry
    assert sent < 20_000_000, "no more than the buffers of sockets hold"
    server.close()


async def test_a_refused_connection_is_retried(make_notice: MakeNotice) -> None:
    with pytest.raises(DeliveryError) as failed:
        await notifier("smtp://127.0.0.1:1").send(make_notice())
    assert failed.value.retry


async def test_required_encryption_that_is_not_offered_sends_nothing(post: Post, make_notice: MakeNotice) -> None:
    with pytest.raises(DeliveryError, match="STARTTLS") as failed:
        await notifier(post.url, starttls="require").send(make_notice())
    assert (failed.value.retry, post.took) == (True, [])


async def test_a_password_does_not_go_over_an_open_connection(post: Post, make_notice: MakeNotice) -> None:
    """Whoever strips STARTTLS from the server's answer must not get the password."""
    with pytest.raises(DeliveryError, match="STARTTLS"):
        await notifier(post.url, username="monitor", password="hunter2").send(make_notice())
    assert post.logins == []


async def test_a_login_works_and_a_wrong_password_is_the_channels_and_not_shown(
    post: Post, make_notice: MakeNotice
) -> None:
    await notifier(post.url, starttls="never", username="monitor", password="hunter2").send(make_notice())
    assert len(post.took) == 1
    wrong = notifier(post.url, starttls="never", username="monitor", password="swordfish")
    with pytest.raises(DeliveryError, match="535") as failed:
        await wrong.send(make_notice())
    assert failed.value.fault == "channel"
    assert "swordfish" not in f"{failed.value!r} {wrong!r}"


HOSTILE = "G-1\r\nBcc: thief@evil.example\r\n\r\n<script>alert(1)</script>"


async def test_a_hostile_group_name_adds_no_header_and_no_markup(post: Post, make_notice: MakeNotice) -> None:
    group = {"id": HOSTILE, "product": HOSTILE, "labels": {HOSTILE: HOSTILE}}
    await notifier(post.url).send(make_notice(group=group, suppressed=[HOSTILE], stage={"from": "x", "to": HOSTILE}))
    ((to, message),) = post.took
    assert to == [RISK]
    assert message["Bcc"] is None
    assert set(message.keys()) == {
        "Subject",
        "From",
        "To",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Auto-Submitted",
        "X-Priority",
        "Importance",
        "MIME-Version",
        "Content-Type",
    }
    assert "\n" not in message["Subject"]
    page = message.get_body(("html",))
    assert page is not None
    assert "<script>" not in page.get_content()
    assert "&lt;script&gt;" in page.get_content()


@pytest.mark.parametrize(
    "address",
    [
        "a@x.example\r\nRCPT TO:<thief@evil.example>", "a@x.example, thief@evil.example", "a@x.example>", "nobody",
        '"a b"@x.example', "a@x.example\n", "ä@x.example", "@x.example", "a@", "a" * 65 + "@x.example",
    ],
)  # fmt: skip
async def test_a_contact_that_is_no_plain_address_gets_nothing_and_is_named(
    post: Post, make_notice: MakeNotice, address: str
) -> None:
    receipt = await notifier(post.url).send(make_notice(to=(address, TREASURY)))
    assert [to for to, _ in post.took] == [[TREASURY]]
    assert "not a mail address" in receipt.detail
    with pytest.raises(DeliveryError) as failed:
        await notifier(post.url).send(make_notice(to=(address,)))
    assert failed.value.retry is False


def file_notifier(folder: Path) -> EmailNotifier:
    return notifier(f"file:{folder}")


def only_file(folder: Path) -> EmailMessage:
    (path,) = folder.iterdir()
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


async def test_a_folder_gets_one_file_per_notice_named_by_time_and_id(tmp_path: Path, make_notice: MakeNotice) -> None:
    folder = tmp_path / "var" / "mail"
    sender = file_notifier(folder)
    await sender.send(make_notice())
    await sender.send(make_notice())
    assert [p.name for p in folder.iterdir()] == ["20261121T140559000Z-evt_abcdefghijklmnopqrstuvwxyz.eml"]
    assert only_file(folder)["To"] == RISK
    await sender.send(make_notice(to=(TREASURY,)))
    assert len(list(folder.iterdir())) == 2, "the borrower's mail does not replace the desk's"


async def test_a_folder_that_cannot_be_written_is_retried(tmp_path: Path, make_notice: MakeNotice) -> None:
    (tmp_path / "mail").write_text("a file is in the way")
    with pytest.raises(DeliveryError, match="cannot write") as failed:
        await file_notifier(tmp_path / "mail").send(make_notice())
    assert failed.value.retry


def mails_below(folder: Path) -> list[Path]:
    return list(folder.rglob("*.eml"))


async def test_an_id_cannot_lead_out_of_the_folder(tmp_path: Path, make_notice: MakeNotice) -> None:
    folder = tmp_path / "mail"
    await file_notifier(folder).send(make_notice(id="../../evt"))
    assert mails_below(tmp_path) == [folder / "20261121T140559000Z-______evt.eml"]


@pytest.mark.parametrize(
    "changes",
    [
        {"smtp": "mail.example:25"}, {"smtp": "smtp://"}, {"smtp": "smtp://u:hunter2@mail.example"},
        {"sender": "nobody"}, {"to": ("a@x.example", "b")}, {"username": "monitor"}, {"password": "hunter2"},
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_work_is_refused_without_showing_secrets(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"smtp|mail address|belong together") as refused:
        Config(**{"smtp": "smtp://mail.example", "sender": "monitor@desk.example", "to": (RISK,), **changes})
    assert "hunter2" not in str(refused.value)
