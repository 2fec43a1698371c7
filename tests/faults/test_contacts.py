"""Contacts of borrowers in a running monitor: found out when the book is put, and every group reaches somebody."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.book_lines import line
from tests.faults.house import Daemon, House, SignedReceiver, until, webhook

ROUTES = '[[route]]\nmatch = { type = "loan_group.*" }\nto = ["contacts"]\n\n[[route]]\nto = ["ops"]\n'


class MailServer:
    """Takes every mail on a free port."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str]] = []
        """Recipients and the text with its headers decoded."""

    async def handle_DATA(  # noqa: N802  the name that the library calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        raw = envelope.content
        assert isinstance(raw, bytes)
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        self.mails.append((list(envelope.rcpt_tos), f"{mail['Subject']}\n{body.get_content()}"))
        return "250 OK"

    def of(self, address: str) -> list[str]:
        return [text for to, text in self.mails if address in to]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: SMTP(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


def called(id_: str, **more: Any) -> dict[str, Any]:
    """A group in liquidation with no price needed: it owes USDT, and what it holds does not count here."""
    return line(id_, "100000", "96000", asset="USDT", **more)


async def test_every_group_of_a_book_with_bad_contacts_reaches_somebody(house: House) -> None:
    """A blank is cut off, `comma` counts as one without contacts, and the place in the book is named once."""
    lines = [
        called("blank", contacts={"email": ["jane@acme.example "]}),
        called("comma", contacts={"email": ["cfo@acme,example"]}),
        called("none"),
        called("both", contacts={"email": ["Joe <joe@acme.example>", "x"]}),
        called("pole", contacts={"email": [{"to": "pole@acme.example", "language": "pl"}]}),
    ]
    (house.folder / "book.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    async with MailServer() as server, SignedReceiver() as ops:
        mail = f'[[notifier]]\nname = "mail"\nkind = "email"\nsmtp = "smtp://127.0.0.1:{server.port}"\n'
        mail += 'sender = "m@desk.example"\nto = ["desk@x.example"]\nlanguages = ["pl"]\n'
        book = '[[book]]\nname = "loans"\nkind = "file"\npath = "book.jsonl"\n'
        house.write(book, mail, webhook("ops", ops.url()), ROUTES, feed=False)
        checked = await house.ran("check-config", "--config", str(house.config))
        assert checked.code == 0
        assert "book.jsonl:2: contacts.email[0]: found 'cfo@acme,example'" in checked.err.replace("\n", "")
        async with Daemon(house) as daemon:
            await until(lambda: {"comma", "none"} <= groups_of(ops), "the desk has the notices of these two")
            for address in ("jane@acme.example", "joe@acme.example", "pole@acme.example"):
                await until(partial(server.of, address), f"a mail to {address}")
            told = [a["data"] for a in await daemon.alerts("&type=book.left_out")]
            assert sorted(t["facts"]["group"] for t in told) == ["both", "comma"]
            assert "blank" not in groups_of(ops), "the borrower has it"
            assert server.of("pole@acme.example")[0].startswith("Likwidacja: grupa pożyczek pole")
            assert server.of("jane@acme.example")[0].startswith("Liquidation: loan group blank")
            assert not any("pole" in text or "ACME" in text for text in server.of("jane@acme.example"))
            assert len(server.of("desk@x.example")) == 2


def groups_of(ops: SignedReceiver) -> set[str]:
    return {body["data"]["group"]["id"] for body in ops.got if "group" in body["data"]}


async def test_the_api_refuses_contacts_and_labels_with_place_value_and_reason(house: House) -> None:
    house.write(feed=False)
    async with Daemon(house) as daemon:
        for more, where, what in (
            ({"contacts": {"email": ["jane at acme.example"]}}, "contacts.email[0]", "'jane at acme.example'"),
            ({"contacts": {"sms": ["+1 555 0100", "555"]}}, "contacts.sms[1]", "'555', which does not say its country"),
            ({"contacts": {"pager": ["1"]}}, "contacts.pager", "which reaches nobody; expected one of: email"),
            ({"labels": {f"k{i}": "v" for i in range(33)}}, "labels.k32", "found 33 labels, expected at most 32"),
            ({"labels": {"k" * 65: "v"}}, "labels." + "k" * 60, "a name of 65 bytes, expected at most 64"),
            ({"labels": {"k": "\u20ac" * 86}}, "labels.k", "of 258 bytes, expected at most 256"),
        ):
            status, body = await daemon.ask("PUT", "/v1/groups/G-1", called("G-1", **more))
            assert status == 422, more
            (problem,) = body["errors"]
            assert problem["where"] == where, body
            assert what in problem["what"], body
        fits = {f"k{i}" + "x" * 60: "v" * 256 for i in range(10, 42)}
        contacts = {"email": ["Jane <jane@acme.example> ", {"to": "joe@b\u00fccher.example", "language": "sv"}]}
        status, _ = await daemon.ask("PUT", "/v1/groups/G-1", called("G-1", labels=fits, contacts=contacts))
        assert status == 201


MAIL = (
    '[[notifier]]\nname = "mail"\nkind = "email"\nsmtp = "smtp://127.0.0.1:9"\nsender = "m@desk.example"\n'
    'to = ["desk@x.example"]\n'
)


def _spoil(path: Path) -> None:
    """Writes into the store what this version would refuse."""
    with closing(sqlite3.connect(path)) as db:
        (body,) = db.execute("SELECT body FROM groups WHERE id = 'old'").fetchone()
        stored = json.loads(body)
        group = next(part for part in (stored, *stored.values()) if "contacts" in part or "labels" in part)
        group["contacts"] = {"email": ["nobody"]}
        group["labels"] = {f"k{i}": "v" for i in range(40)}
        db.execute("UPDATE groups SET body = ? WHERE id = 'old'", (json.dumps(stored).encode(),))
        db.commit()


async def test_what_an_older_version_took_by_api_is_told_once(house: House) -> None:
    """A store may hold contacts and labels that no put would bring in now: the notice goes to everybody, and it is said."""
    async with SignedReceiver() as ops:
        routes = '[[route]]\nmatch = { type = "book.*" }\nto = ["ops"]\n\n[[route]]\nto = ["contacts"]\n'
        house.write(webhook("ops", ops.url()), MAIL, routes, feed=False)
        async with Daemon(house) as daemon:
            await daemon.put(line("old", asset="USDT", loans=[]))
        _spoil(house.folder / "var" / "monitor.db")
        async with Daemon(house) as daemon:
            more = {"type": "borrow", "id": "b-1", "loan": called("old")["loans"][0]}
            status, said = await daemon.ask("POST", "/v1/groups/old/entries", more)
            assert status == 200, said
            await until(lambda: "old" in groups_of(ops), "everybody hears of a group without a usable contact")
            await until(lambda: ops.of("book.left_out"), "the contact is named")
            (told,) = ops.of("book.left_out")
            assert told["data"]["subject"] == "api#old"
            assert "contacts.email[0]: found 'nobody'" in told["data"]["facts"]["problem"]
            (body,) = [b for b in ops.got if b["data"].get("group", {}).get("id") == "old"]
            assert len(body["data"]["group"]["labels"]) == 32
