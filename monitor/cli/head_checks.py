"""What `monitor doctor` finds of a store in PostgreSQL and of the two heads that share it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec

from monitor import plugins
from monitor.clock import SystemClock
from monitor.config import Config
from monitor.head_table import HeadTable
from monitor.lease.keeper import MAX_OFFSET_S
from monitor.lease.peer import HeadAnswer, Peer
from monitor.lease.state import HeadState
from monitor.stores._base import StoreUnavailable
from monitor.web_table import is_loopback

ASK_S = 3.0
OLDEST = 140000
"""As the server numbers versions: the oldest that is still mended by its makers."""


class Checked(NamedTuple):
    """What was found of one part."""

    part: str
    status: Literal["fine", "note", "trouble"]
    text: str


async def of_database(config: Config) -> list[Checked]:
    """The server: its version, what it keeps at a power cut, its standby, its clock beside that of this machine, and TLS."""
    store = config.store.config
    try:
        db = await plugins.module("stores", "postgres").connect(store)
    except StoreUnavailable as e:
        return [Checked("store", "trouble", f"{e}")]
    clock = SystemClock()
    try:
        sent_s = clock.monotonic_s()
        theirs = await db.fetchval("SELECT clock_timestamp()")
        way_s = clock.monotonic_s() - sent_s
        off_s = (clock.utc() - timedelta(seconds=way_s / 2) - theirs).total_seconds()
        names = ("server_version_num", "server_version", "fsync", "full_page_writes", "synchronous_standby_names")
        shown = {name: str(await db.fetchval("SELECT current_setting($1)", name)) for name in names}
    finally:
        db.terminate()
    return [_server(store, shown), _safety(shown), _offset(off_s, way_s), *_open_wire(store)]


def _server(store: Any, shown: dict[str, str]) -> Checked:
    text = f"PostgreSQL {shown['server_version']} at {store.place}"
    if int(shown["server_version_num"]) < OLDEST:
        return Checked("store", "trouble", f"{text}; use 14 or newer")
    return Checked("store", "fine", text)


def _safety(shown: dict[str, str]) -> Checked:
    if off := [name for name in ("fsync", "full_page_writes") if shown[name] != "on"]:
        text = f"{' and '.join(off)} is off: a power cut may damage the store; switch it on"
        return Checked("store safety", "trouble", text)
    standby = shown["synchronous_standby_names"]
    if not standby:
        text = "synchronous_standby_names is empty: what was committed last is lost with the database's machine"
        return Checked("store safety", "note", f"{text}; name a synchronous standby")
    return Checked("store safety", "fine", f"commits wait for the synchronous standby {standby}")


def _offset(off_s: float, way_s: float) -> Checked:
    text = f"{off_s:+.3f} s off the clock of the database"
    if max(abs(off_s) - way_s / 2, 0.0) > MAX_OFFSET_S:
        limit = f"at most {MAX_OFFSET_S * 1000:.0f} ms"
        return Checked(
            "store clock", "trouble", f"{text}, {limit}: a head takes no lease; mend the time service of both"
        )
    return Checked("store clock", "fine", text)


def _open_wire(store: Any) -> list[Checked]:
    parts = urlsplit(store.url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    if store.tls != "off" or not host or host.startswith("/") or is_loopback(host):
        return []
    text = 'tls = "off" beyond this machine: who is on the way reads and changes everything'
    return [Checked("store wire", "trouble", f'{text}; set tls = "verify-full"')]


async def of_heads(head: HeadTable, base: str | None) -> list[Checked]:
    """This head, as it says itself, and its peer."""
    found = [await _own(base)] if base is not None else []
    if head.peer is None:
        text = "[head] names no peer: a head that is cut off goes on sending, as it knows of no standby"
        return [*found, Checked("peer", "note", text)]
    if head.peer.startswith("http:") and not is_loopback(urlsplit(head.peer).hostname or ""):
        found.append(
            Checked("peer wire", "note", f"{head.peer} is asked without TLS; who is on the way may answer for it")
        )
    answer = await Peer(head.peer, head.peer_ca_file).ask(ASK_S)
    return [*found, _peer(head.peer, answer)]


def _peer(url: str, answer: HeadAnswer | None) -> Checked:
    if answer is None:
        return Checked("peer", "trouble", f"{url} does not answer as a head; nobody takes over from this one")
    text = f"{answer.place} is {answer.role}, epoch {answer.epoch}, version {answer.version}"
    if not answer.reaches_database:
        return Checked("peer", "trouble", f"{text}, and does not reach the database")
    return Checked("peer", "fine", text)


async def is_standby(base: str) -> bool:
    """Whether the daemon at an address waits."""
    state = await _state(base)
    return state is not None and state.role == "standby"


async def _own(base: str) -> Checked:
    state = await _state(base)
    if state is None:
        return Checked("head", "note", "the daemon does not run, or says nothing of a lease")
    return own(state)


async def _state(base: str) -> HeadState | None:
    timeout = aiohttp.ClientTimeout(total=ASK_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{base}/readyz") as answer:
            return msgspec.json.decode(await answer.read(), type=_Said).head
    except (OSError, aiohttp.ClientError, TimeoutError, msgspec.MsgspecError):
        return None


class _Said(msgspec.Struct):
    head: HeadState


def own(state: HeadState) -> Checked:
    """How this head stands, in a line."""
    age = "never seen" if state.lease_age_s is None else f"{state.lease_age_s:.1f} s old"
    text = f"{state.role}; holder {state.holder or 'none'}, epoch {state.epoch}, lease {age}"
    if state.peer:
        text += f"; peer {state.peer}: {state.peer_says}"
    if state.trouble:
        return Checked("head", "trouble", f"{text}; {state.trouble}")
    return Checked("head", "fine", text)
