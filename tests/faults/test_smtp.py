"""Fault test 21: mail servers that refuse, hang, strip encryption or take one of two recipients, against a running daemon.

The server is aiosmtpd on a socket; what it answers is its mood. Every channel names the phone as its fallback.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
from contextlib import AsyncExitStack
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.book_lines import line
from tests.faults.house import Daemon, House, free_port, until

GOOD, OTHER = "desk@desk.example", "other@desk.example"
HOSTILE = "ACME\r\nBcc: thief@evil.example\r\n\r\nRCPT TO:<thief@evil.example>"
PHONE = '[[notifier]]\nname = "phone"\nkind = "sms"\nto = ["+15550100"]\nfile = "var/sms.log"\n'
BOOK = '[[book]]\nname = "loans"\nkind = "file"\npath = "book.jsonl"\n'
TRIGGERED = "loan_group.liquidation.triggered"


class Post:
    """A mail server that answers by its mood until it is healed, and keeps what it took."""

    def __init__(self, mood: str, port: int = 0) -> None:
        self.mood = mood
        self.port = port
        self.took: list[tuple[list[str], EmailMessage]] = []
        self.asked: list[str] = []
        """The commands that it heard, in order."""
        self._made: list[SMTP] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        if self.mood == "refuses the connection":
            self.port = await free_port()
        else:
            await self.listen()
        return self

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._build, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def about(self, group: str) -> list[EmailMessage]:
        """The mails that tell of a group's liquidation."""
        return [message for _, message in self.took if f" {group} liquidation" in str(message["Subject"])]

    async def heal(self) -> None:
        """From now on it is a mail server like any other."""
        self.mood = ""
        if self._server is None:
            await self.listen()

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for session in self._made:
            if session._handler_coroutine is not None:
                session._handler_coroutine.cancel()

    def _build(self) -> SMTP:
        self._made.append(_Server(self, hostname="post.test", authenticator=self._sign_in, auth_require_tls=False))
        return self._made[-1]

    def _sign_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.asked.append("AUTH")
        return AuthResult(success=self.mood != "refuses the password", handled=False)

    async def handle_EHLO(  # noqa: N802  the server calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.asked.append("EHLO")
        session.host_name = hostname
        return [responses[0], "250-STARTTLS", *responses[1:]] if self.mood == "drops STARTTLS" else responses

    async def handle_MAIL(  # noqa: N802  the server calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked.append("MAIL")
        if self.mood == "421":
            return "421 4.3.2 shutting down"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802  the server calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked.append(f"RCPT {address}")
        if self.mood == "450":
            return "450 4.2.1 come back later"
        if self.mood == "550" or (self.mood == "refuses one of two" and address == OTHER):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.asked.append("DATA")
        if self.mood == "hangs after DATA":
            await asyncio.sleep(60)
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.took.append((list(envelope.rcpt_tos), message))
        return "250 taken"


class _Server(SMTP):
    """As the library's, but it may break off where encryption is to begin."""

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802  the library calls it by this name
        self.event_handler.asked.append("STARTTLS")
        assert self.transport is not None
        self.transport.close()


MOODS = {
    # mood                    recipients      more keys
    "refuses the connection": ((GOOD,),       ""),
    "421":                    ((GOOD,),       ""),
    "450":                    ((GOOD,),       ""),
    "550":                    ((GOOD,),       ""),
    "hangs after DATA":       ((GOOD,),       ""),
    "drops STARTTLS":         ((GOOD,),       'starttls = "require"\n'),
    "refuses the password":   ((GOOD,),       'starttls = "never"\nusername = "monitor"\npassword = "hunter2"\n'),
    "refuses one of two":     ((GOOD, OTHER), ""),
}  # fmt: skip
TRANSIENT = ("refuses the connection", "421", "450")


def name_of(mood: str) -> str:
    """The name of the channel to such a server."""
    return "mail-" + "-".join(mood.lower().split())


def channel(post: Post, to: tuple[str, ...], more: str) -> str:
    """A notifier that has a fallback."""
    return (
        f'[[notifier]]\nname = "{name_of(post.mood)}"\nkind = "email"\nsmtp = "smtp://127.0.0.1:{post.port}"\n'
        f'sender = "risk@desk.example"\nto = {json.dumps(to)}\n{more}fallback = "phone"\nfallback_after = "1s"\n'
    )


def texts(house: House, group: str) -> list[str]:
    """What the phone has of a group."""
    path = house.folder / "var" / "sms.log"
    found = [str(json.loads(text)["text"]) for text in path.read_text().splitlines()] if path.exists() else []
    return [text for text in found if f" {group} liquidation" in text]


async def test_whatever_a_mail_server_does_somebody_hears_and_only_what_may_pass_is_tried_again(house: House) -> None:
    """One daemon with a channel to each server, and a group for each channel, so that each fallback shows by itself.

    A loan book with line breaks in labels and contacts goes to a server that is well.
    """
    async with AsyncExitStack() as there:
        posts = {mood: await there.enter_async_context(Post(mood)) for mood in MOODS}
        routes = [
            f'[[route]]\nmatch = {{ group_id = "G-{n}", type = "loan_group.*" }}\nto = ["{name_of(mood)}"]\n'
            for n, mood in enumerate(MOODS)
        ]
        channels = [channel(posts[mood], *keys) for mood, keys in MOODS.items()]
        well = await there.enter_async_context(Post("is well"))
        (house.folder / "book.jsonl").write_text(json.dumps(hostile("H-1")) + "\n")
        channels += [channel(well, (GOOD,), "")]
        routes += [f'[[route]]\nmatch = {{ type = "loan_group.*" }}\nto = ["{name_of("is well")}", "contacts"]\n']
        # Contacts go through the first mail channel.
        channels.reverse()
        house.write(*channels, PHONE, BOOK, *routes, "[[route]]\nto = []\n", feed=False)
        groups = {mood: f"G-{n}" for n, mood in enumerate(MOODS)}
        daemon = await there.enter_async_context(Daemon(house))
        await daemon.put(*(line(id_, "100000", "96000", asset="USDT") for id_ in groups.values()))
        for mood, group in groups.items():
            if mood != "refuses one of two":
                await until(lambda group=group: texts(house, group), f"the fallback of one that {mood}", 30)
        rows = {mood: await delivery(daemon, mood) for mood in MOODS}
        await until(lambda: tried_again(daemon), "what may pass is tried again", 30)
        assert (rows["550"]["state"], rows["550"]["attempts"]) == ("failed", 1)
        one_of_two = rows["refuses one of two"]
        assert (one_of_two["state"], one_of_two["attempts"]) == ("delivered", 1), one_of_two
        assert OTHER in one_of_two["detail"]
        refused = await delivery(daemon, "refuses the password")
        assert (refused["state"], refused["attempts"]) == ("pending", 1), "a provider locks who insists"
        assert "MAIL" not in posts["drops STARTTLS"].asked, "something went out in the clear"
        assert posts["drops STARTTLS"].asked.count("STARTTLS") >= 1
        assert [to for to, _ in posts["refuses one of two"].took] == [[GOOD]]
        await until(lambda: len(well.about("H-1")) == 1 and len(well.took) > 1, "the desk's mail and the borrower's")
        assert_harmless(well)
        await until(lambda: told_the_desk(daemon), "the desk hears of channels, of the lost notice, of who is refused")
        for mood in TRANSIENT:
            await posts[mood].heal()
        for mood in TRANSIENT:
            what = f"the mail of one that {mood}, when it is well"
            await until(lambda mood=mood: posts[mood].about(groups[mood]), what, 40)
        for mood in (*TRANSIENT, "refuses one of two"):
            assert len(posts[mood].about(groups[mood])) == 1, f"not one mail from one that {mood}"
        assert all(len(texts(house, group)) <= 1 for group in groups.values()), "the fallback was told twice"


async def delivery(daemon: Daemon, mood: str) -> dict[str, Any]:
    """The liquidation's delivery on the channel to such a server."""
    rows = (await daemon.get(f"/v1/deliveries?notifier={name_of(mood)}&limit=1000"))["items"]
    (found,) = [dict(row) for row in rows if row["type"] == TRIGGERED]
    return found


async def told_the_desk(daemon: Daemon) -> bool:
    """Three kinds of trouble, and none hides another."""
    kinds = {alert["type"] for alert in await daemon.alerts()}
    return {"delivery.failing", "delivery.lost", "delivery.recipient_refused"} <= kinds


async def tried_again(daemon: Daemon) -> bool:
    """All that may pass had a second attempt."""
    return all([(await delivery(daemon, mood))["attempts"] >= 2 for mood in TRANSIENT])


def hostile(id_: str) -> dict[str, Any]:
    """A group of a loan book with line breaks wherever a mail could show them."""
    group = line(id_, "100000", "96000", asset="USDT", labels={"borrower": HOSTILE})
    return group | {"contacts": {"email": [f"{GOOD}\r\nRCPT TO:<thief@evil.example>", OTHER]}}


def assert_harmless(post: Post) -> None:
    """Line breaks of a loan book reached no header and no command."""
    assert not any("thief" in command for command in post.asked)
    for to, message in post.took:
        assert set(to) <= {GOOD, OTHER}
        assert message["Bcc"] is None
        assert all("\n" not in str(value) and "\r" not in str(value) for value in message.values())
