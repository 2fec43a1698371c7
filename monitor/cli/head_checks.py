"""What `monitor doctor` finds of two heads that share a store in PostgreSQL."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec

from monitor import plugins
from monitor.cli.findings import Finding
from monitor.clock import SystemClock
from monitor.config import Config
from monitor.head_table import HeadTable
from monitor.lease.database import look, offset_of
from monitor.lease.peer import HeadAnswer, Peer
from monitor.lease.state import MAX_OFFSET_S, HeadState
from monitor.stores._base import StoreUnavailable
from monitor.web_table import is_loopback

ASK_S = 3.0


async def of_database(config: Config) -> list[Finding]:
    """What a store in PostgreSQL asks of its server: a standby, a clock beside ours, TLS and a password."""
    if config.store.kind != "postgres":
        return []
    store = config.store.config
    try:
        db = await plugins.module("stores", "postgres").connect(store)
    except StoreUnavailable:
        return open_wire(store)  # that it is not reached the finding about the store says
    clock = SystemClock()
    try:
        sent_s = clock.monotonic_s()
        theirs = await db.fetchval("SELECT clock_timestamp()")
        off_s = offset_of(clock.utc(), theirs, clock.monotonic_s() - sent_s)
        names = (await look(db)).synchronous_standby_names
    finally:
        db.terminate()
    return [_standby(names), offset(off_s, is_head=config.head is not None), *open_wire(store)]


def _standby(names: str) -> Finding:
    if not names:
        text = "synchronous_standby_names is empty: what was committed last is lost with the database's machine"
        return Finding("store standby", "note", f"{text}; name a synchronous standby")
    return Finding("store standby", "fine", f"commits wait for {names}")


def offset(off_s: float, *, is_head: bool) -> Finding:
    """The clock of this machine beside that of the database."""
    text = f"{off_s:+.3f} s off the clock of the database"
    if abs(off_s) <= MAX_OFFSET_S:
        return Finding("store clock", "fine", text)
    text = f"{text}, at most {MAX_OFFSET_S * 1000:.0f} ms"
    if is_head:
        text += ": a head takes no lease"
    return Finding("store clock", "trouble" if is_head else "note", f"{text}; mend the time service of both")


def open_wire(store: Any) -> list[Finding]:
    """What is missing where the server is beyond this machine."""
    parts = urlsplit(store.url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    if not host or host.startswith("/") or is_loopback(host):
        return []
    found = []
    if store.tls == "off":
        text = 'tls = "off" beyond this machine: who is on the way reads and changes everything'
        found.append(Finding("store wire", "trouble", f'{text}; set tls = "verify-full"'))
    elif store.tls == "verify-ca":
        text = 'tls = "verify-ca" checks no name: another server of the same authority may answer'
        found.append(Finding("store wire", "note", f'{text}; set tls = "verify-full"'))
    if store.password_file is None:
        text = "no password_file: the server lets in whom it trusts by address"
        found.append(Finding("store password", "trouble", f"{text}; give the user a password, and name its file"))
    return found


async def of_heads(head: HeadTable, base: str | None) -> list[Finding]:
    """This head, as it says itself, and its peer."""
    found = [await _own(base)] if base is not None else []
    if head.peer is None:
        text = "[head] names no peer: a head that is cut off goes on sending, as it knows of no standby"
        return [*found, Finding("peer", "note", text)]
    if head.peer.startswith("http:") and not is_loopback(urlsplit(head.peer).hostname or ""):
        found.append(
            Finding("peer wire", "note", f"{head.peer} is asked without TLS; who is on the way may answer for it")
        )
    answer = await Peer(head.peer, head.peer_ca_file).ask(ASK_S)
    return [*found, _peer(head.peer, answer)]


def _peer(url: str, answer: HeadAnswer | None) -> Finding:
    if answer is None:
        return Finding("peer", "trouble", f"{url} does not answer as a head; nobody takes over from this one")
    text = f"{answer.place} is {answer.role}, epoch {answer.epoch}, version {answer.version}"
    if not answer.reaches_database:
        return Finding("peer", "trouble", f"{text}, and does not reach the database")
    return Finding("peer", "fine", text)


async def is_standby(base: str) -> bool:
    """Whether the daemon at an address waits."""
    state = await _state(base)
    return state is not None and state.role == "standby"


async def _own(base: str) -> Finding:
    state = await _state(base)
    if state is None:
        return Finding("head", "note", "the daemon does not run, or says nothing of a lease")
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


def own(state: HeadState) -> Finding:
    """How this head stands, in a line."""
    age = "never seen" if state.lease_age_s is None else f"{state.lease_age_s:.1f} s old"
    text = f"{state.role}; holder {state.holder or 'none'}, epoch {state.epoch}, lease {age}"
    if state.peer:
        text += f"; peer {state.peer}: {state.peer_says}"
    if state.trouble:
        return Finding("head", "trouble", f"{text}; {state.trouble}")
    return Finding("head", "fine", text)
