"""Receivers that answer as `server.jsonl` of a case tells them, from `after_s` on: a mail server and a webhook receiver."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Self

from tests.faults.house import now_s
from tests.signatures import Signatures

Line = dict[str, Any]


class Scripted:
    """A server with a clock that the case starts: the last line of a kind whose time has come is its answer."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.began_s: float | None = None
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    async def listen(self) -> None:
        """Listens, on the same port as before if it has one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def hang_up(self) -> None:
        """Nobody listens any more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def now(self, **wanted: Any) -> Line | None:
        """The line that holds now, among those with these values."""
        passed_s = 0.0 if self.began_s is None else now_s() - self.began_s
        found = [
            line
            for line in self.lines
            if line.get("after_s", 0) <= passed_s and all(line.get(key) == value for key, value in wanted.items())
        ]
        return found[-1] if found else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        raise NotImplementedError


class ScriptedMail(Scripted):
    """An SMTP server; `mails` are the recipients and the text of each that it took."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__(lines)
        self.mails: list[tuple[list[str], str]] = []
        self.steps: list[str] = []

    def to(self, address: str) -> list[str]:
        """The texts that an address has."""
        return [text for to, text in self.mails if address in to]

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        to: list[str] = []
        while line := (await reader.readline()).decode().strip():
            step = line.split()[0].upper()
            self.steps.append(step)
            address = re.search(r"<([^>]*)>", line)
            said = self.now(step=step, **({"for": address[1]} if step == "RCPT" and address else {}))
            answer = said["answer"] if said else {"EHLO": "250 mail.example", "DATA": "354 go on"}.get(step, "250 OK")
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()
            if step == "RCPT" and answer.startswith("250") and address:
                to.append(address[1])
            if step == "DATA" and answer.startswith("354"):
                text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.mails.append((to, text))
                to = []
                writer.write(b"250 taken\r\n")
            if step == "QUIT":
                return


class ScriptedHook(Scripted):
    """A webhook receiver; `got` are the bodies that it took, `sizes` those of all bodies. All cases have one key."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__(lines)
        self.signatures = Signatures("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        self.got: list[dict[str, Any]] = []
        self.taken_s: list[float] = []
        self.sizes: list[int] = []

    @property
    def groups(self) -> list[str]:
        """The groups that the bodies are about."""
        return [body["data"]["group"]["id"] for body in self.got if "group" in body["data"]]

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = 0
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            headers = dict(re.findall(r"(?im)^(webhook-[a-z]+): (.+?)\r$", head.decode()))
            self.signatures.verified("", headers, body)
            request += 1
            self.sizes.append(len(body))
            status = self._status(request, len(body))
            if status is None:
                return
            if 200 <= status < 300:
                self.got.append(json.loads(body))
                self.taken_s.append(now_s())
            writer.write(f"HTTP/1.1 {status} said\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

    def _status(self, request: int, size: int) -> int | None:
        """The status, or None where the connection is closed without an answer."""
        for line in self.lines:
            if line.get("request_of_connection") == request:
                return None if "then" in line else int(line["status"])
        limit = next((line for line in self.lines if "above_bytes" in line), None)
        if limit is not None and size > limit["above_bytes"]:
            return int(limit["status"])
        timed = [line for line in self.lines if "status" in line and "above_bytes" not in line]
        passed_s = 0.0 if self.began_s is None else now_s() - self.began_s
        return next((int(x["status"]) for x in reversed(timed) if x.get("after_s", 0) <= passed_s), 200)
