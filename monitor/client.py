"""Asks a running daemon: the HTTP side of the commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from monitor.secret_files import BadSecret, read_secret

TIMEOUT_S = 15.0
"""For most answers; a large stress takes longer."""


class NoAnswer(Exception):
    """The daemon did not answer, or refused; the text says what to do next.

    `is_wrong_use`: the question makes no sense, so it is no use to ask it again.
    """

    def __init__(self, text: str, *, is_wrong_use: bool = False) -> None:
        super().__init__(text)
        self.is_wrong_use = is_wrong_use


class DaemonClient(NamedTuple):
    """A running daemon: its address, and the file with the token if it has tokens."""

    url: str
    token_file: Path | None = None

    def get(self, path: str, timeout_s: float = TIMEOUT_S) -> Any:
        """The JSON answer. Raises NoAnswer."""
        return _answer(*self._ask("GET", path, None, timeout_s))

    def post(self, path: str, body: object, timeout_s: float = TIMEOUT_S, secret: str | None = None) -> Any:
        """The JSON answer; `secret` is that of a token where no file of one is named. Raises NoAnswer."""
        return _answer(*self._ask("POST", path, body, timeout_s, secret))

    def post_for_bytes(self, path: str, body: object, timeout_s: float = TIMEOUT_S) -> bytes:
        """The answer as it comes, such as CSV. Raises NoAnswer."""
        status, raw = self._ask("POST", path, body, timeout_s)
        return raw if status < 400 else _answer(status, raw)

    def post_file(self, path: str, raw: bytes, sent: Callable[[int], None], timeout_s: float) -> Any:
        """The JSON answer to a file; `sent` hears how many bytes of it are on their way. Raises NoAnswer."""
        url = self.url.rstrip("/") + path
        return _answer(*asyncio.run(_send("POST", url, _token(self.token_file), _parts(raw, sent), timeout_s)))

    def delete(self, path: str) -> None:
        """Raises NoAnswer."""
        _answer(*self._ask("DELETE", path, None, TIMEOUT_S))

    def _ask(
        self, method: str, path: str, body: object | None, timeout_s: float, secret: str | None = None
    ) -> tuple[int, bytes]:
        url = self.url.rstrip("/") + path
        return asyncio.run(_ask(method, url, _token(self.token_file) or secret, body, timeout_s))


def _token(token_file: Path | None) -> str | None:
    if token_file is None:
        return None
    try:
        return read_secret(None, token_file)
    except BadSecret as e:
        reason = getattr(e.__cause__, "strerror", None) or str(e)
        raise NoAnswer(f"{token_file}: cannot be read: {reason}", is_wrong_use=True) from None


PART_BYTES = 1 << 18


async def _parts(raw: bytes, sent: Callable[[int], None]) -> AsyncIterator[bytes]:
    for i in range(0, len(raw), PART_BYTES):
        yield raw[i : i + PART_BYTES]
        sent(min(i + PART_BYTES, len(raw)))


async def _ask(method: str, url: str, token: str | None, body: object | None, timeout_s: float) -> tuple[int, bytes]:
    return await _send(method, url, token, None if body is None else msgspec.json.encode(body), timeout_s)


async def _send(
    method: str, url: str, token: str | None, sent: bytes | AsyncIterator[bytes] | None, timeout_s: float
) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.request(method, url, data=sent) as response,
        ):
            return response.status, await response.read()
    except (aiohttp.ClientError, TimeoutError) as e:
        reason = str(e) or "no answer in time"
        raise NoAnswer(f"{url}: {reason}; is the daemon running there? name it with --url") from None


def _answer(status: int, raw: bytes) -> Any:
    if status == 204:
        return None
    try:
        answer = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raise NoAnswer(f"status {status} with an answer that is not JSON; is that the monitor's address?") from None
    if status < 400:
        return answer
    if not isinstance(answer, dict):
        raise NoAnswer(f"status {status}; is that the monitor's address?")
    hint = "; name a token with --token-file" if status in (401, 403) else ""
    text = answer.get("detail") or answer.get("title") or f"status {status}"
    raise NoAnswer(f"{text}{hint}", is_wrong_use=status in (400, 422))
