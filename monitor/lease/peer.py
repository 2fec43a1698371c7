"""Asks the other head directly, where the database cannot be asked."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal

import aiohttp
import msgspec

PATH = "/headz"
"""Where each head says what it is. It needs no token, as it says nothing of the book."""
LONGEST = 4096
"""Bytes of an answer that are read."""

Role = Literal["active", "standby"]


class HeadAnswer(msgspec.Struct, frozen=True):
    """What a head says of itself. `reaches_database`: false is a promise to take no lease for the length of one."""

    role: Role
    holder: str
    place: str
    version: str
    epoch: int
    """Its own, of a head that is active; of a standby the one that it sees."""
    reaches_database: bool


class Peer:
    """The other head, at its address in the configuration."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._ssl: ssl.SSLContext | bool = True if ca_file is None else ssl.create_default_context(cafile=str(ca_file))

    async def ask(self, within_s: float) -> HeadAnswer | None:
        """Its answer; None where there is none in time that can be read."""
        timeout = aiohttp.ClientTimeout(total=within_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.get(self.url + PATH, allow_redirects=False, ssl=self._ssl) as answer,
            ):
                found = await answer.content.read(LONGEST)
                return msgspec.json.decode(found, type=HeadAnswer) if answer.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError):
            return None
