"""Asks a running daemon: the HTTP side of the commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

TIMEOUT_S = 15.0


class NoAnswer(Exception):
    """The daemon could not be asked, or refused; the text says what to do next.

    `is_wrong_use`: what was asked makes no sense, so that asking again the same way is of no use.
    """

    def __init__(self, text: str, *, is_wrong_use: bool = False) -> None:
        super().__init__(text)
        self.is_wrong_use = is_wrong_use


def ask(
    url: str, path: str, token_file: Path | None, body: object | None = None, *, method: str | None = None,
    timeout_s: float = TIMEOUT_S, as_bytes: bool = False,
) -> Any:  # fmt: skip
    """GET, or POST where there is a body, or another method; the JSON answer, None where there is none, or the answer as
    bytes. Raises NoAnswer."""
    method = method or ("GET" if body is None else "POST")
    return asyncio.run(_ask(method, url.rstrip("/") + path, _token(token_file), body, timeout_s, as_bytes=as_bytes))


def _token(token_file: Path | None) -> str | None:
    if token_file is None:
        return None
    try:
        return token_file.read_text("utf-8").strip()
    except OSError as e:
        raise NoAnswer(f"{token_file}: cannot be read: {e.strerror}", is_wrong_use=True) from None


async def _ask(
    method: str, url: str, token: str | None, body: object | None, timeout_s: float, *, as_bytes: bool
) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            sent = None if body is None else msgspec.json.encode(body)
            async with session.request(method, url, data=sent) as response:
                raw = await response.read()
                return raw if as_bytes and response.status < 400 else _answer(response.status, raw)
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
