"""`monitor doctor`: looks at everything that the daemon needs and says what to mend. It changes and sends nothing."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from monitor import plugins
from monitor.addresses import scrubbed
from monitor.audit_keys import read_keys
from monitor.cli import head_checks, shard_checks
from monitor.cli.daemon_at import address_of
from monitor.cli.feed_checks import DaemonSeen, ask_daemon, first_price, is_another, seen_by_daemon
from monitor.cli.findings import Finding
from monitor.client import NoAnswer
from monitor.clock import SystemClock
from monitor.config import Config, Part
from monitor.secret_files import BadSecret, read_secret
from monitor.stores._base import StoreUnavailable

CONNECT_S = 5.0
LONGEST = 500
"""Characters of a finding: a peer words some of it."""
LOW_DISK_BYTES = 1 << 30
NO_DISK_BYTES = 100 << 20


async def examine(config: Config) -> list[Finding]:
    """All findings, in the order in which a person would look."""
    daemon, seen = await _daemon(config)
    findings = [_clock(), *_sqlite(config), *_disk(config), *_store(config), _audit(config), daemon]
    findings += await head_checks.of_database(config)
    findings += shard_checks.of_ray(config.engine, os.environ, Path.home())
    if config.head is not None:
        findings += await head_checks.of_heads(config.head, _base(config))
    of_feed = partial(_feed, config, seen)
    findings += await asyncio.gather(*(_checked(f"feed {part.name}", part, of_feed) for part in config.feeds))
    for part in config.notifiers:
        findings.append(await _checked(f"notifier {part.name}", part, _notifier))
    if not config.notifiers:
        findings.append(Finding("notifiers", "note", "none is configured; alerts go to the log and the API only"))
    return findings


async def _checked(name: str, part: Part, check: Callable[[str, Part], Awaitable[Finding]]) -> Finding:
    try:
        return await check(name, part)
    # A peer, a proxy or a library may raise anything: that is what is wrong with this part, and the others are looked at too.
    except Exception as e:  # noqa: BLE001
        text = scrubbed(str(e), *addresses_of(part.config)) or type(e).__name__
        text = "no answer in time" if isinstance(e, TimeoutError) else text
        return Finding(name, "trouble", f"{text[:LONGEST]}; check address, network and secrets")


def addresses_of(config: Any) -> list[str]:
    """The addresses of a plug-in's configuration: their secrets stay out of every text."""
    values = (getattr(config, name, None) for name in getattr(config, "__struct_fields__", ()))
    return [value for value in values if isinstance(value, str) and "://" in value]


def _clock() -> Finding:
    """Deadlines follow the wall clock. adjtimex() answers 5 while no time service keeps it."""
    now = SystemClock().utc()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(1024))
    except (OSError, AttributeError):
        return Finding(
            "clock", "note", f"{now:%Y-%m-%d %H:%M:%S} UTC; this system cannot say whether it is synchronised"
        )
    if state == 5:
        text = f"{now:%Y-%m-%d %H:%M:%S} UTC is not synchronised, and deadlines follow it"
        return Finding("clock", "note", f"{text}; start chrony or systemd-timesyncd")
    return Finding("clock", "fine", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _sqlite(config: Config) -> list[Finding]:
    """An affected SQLite can corrupt a write-ahead log that two connections checkpoint; in our store only one does."""
    if config.store.kind != "sqlite":
        return []
    try:
        found, has_bug = plugins.module("stores", "sqlite").library(config.store.config)
    except StoreUnavailable:
        return []  # the key cannot be read, which the finding about the store says
    version = ".".join(map(str, found))
    if has_bug:
        text = f"{version} has the WAL-reset bug, mended in 3.51.3; the store avoids it by one checkpointing connection"
        return [Finding("sqlite", "note", f"{text}. Let no other tool write to the store while the monitor runs")]
    return [Finding("sqlite", "fine", version)]


def _disk(config: Config) -> list[Finding]:
    findings = []
    for folder in sorted({config.state_dir, Path(getattr(config.store.config, "path", config.state_dir)).parent}):
        there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(there).free
        text = f"{free / 1e9:.1f} GB free"
        if not os.access(there, os.W_OK):
            findings.append(
                Finding(f"folder {folder}", "trouble", f"{there} is not writable; change its owner or the path")
            )
        elif free < NO_DISK_BYTES:
            findings.append(Finding(f"folder {folder}", "trouble", f"{text}; make room: alerts would not be durable"))
        else:
            findings.append(Finding(f"folder {folder}", "note" if free < LOW_DISK_BYTES else "fine", text))
    return findings


def _base(config: Config) -> str | None:
    """The address of the daemon; None where none has noted its port."""
    try:
        return address_of(config)
    except NoAnswer:
        return None


def _store(config: Config) -> list[Finding]:
    path = Path(getattr(config.store.config, "path", ""))
    if config.store.kind == "memory":
        return [Finding("store", "note", f"kind {config.store.kind!r} keeps nothing over a restart")]
    if config.store.kind == "postgres":
        return _database(config)
    if not path.exists():
        return [Finding("store", "fine", f"{path} does not exist yet; the first run makes it")]
    try:
        answer = plugins.module("stores", config.store.kind).damage(config.store.config)
    except StoreUnavailable as e:
        return [Finding("store", "trouble", f"{e}; restore it from a backup, or mend the key")]
    if answer is not None:
        return [Finding("store", "trouble", f"{path} is damaged: {answer}; restore it from a backup")]
    encrypted = ", encrypted" if config.store.config.is_encrypted else ""
    return [Finding("store", "fine", f"{path}, {path.stat().st_size:,} bytes, whole{encrypted}")]


def _database(config: Config) -> list[Finding]:
    module = plugins.module("stores", config.store.kind)
    try:
        seen, unsafe = module.condition(config.store.config)
    except StoreUnavailable as e:
        return [Finding("store", "trouble", str(e))]
    return [Finding("store", "fine", seen), *(Finding("store", "trouble", text) for text in unsafe)]


def _audit(config: Config) -> Finding:
    """Whether the audit record is signed, and by a key that proves something."""
    path = config.audit_key_file
    if config.audit.key_file is None and not path.exists():
        return Finding(
            "audit", "note", f"{path} does not exist yet; the first run makes it, and it signs the audit record"
        )
    try:
        keys = read_keys(path)
    except BadSecret as e:
        return Finding("audit", "trouble", str(e))
    signs = f"key {keys.ids[0]} of {path} signs"
    if config.audit.key_file is None:
        text = "on the machine of the store it proves less: who reads both can write records that verify"
        return Finding(
            "audit", "note", f"{signs}; {text}. Name [audit] key_file elsewhere, and keep the heads of heartbeats"
        )
    return Finding("audit", "fine", signs + (f", {len(keys.ids) - 1} older verify" if len(keys.ids) > 1 else ""))


async def _daemon(config: Config) -> tuple[Finding, DaemonSeen | None]:
    """Whether the daemon runs, and what it says of its feeds then."""
    try:
        base = address_of(config)
    except NoAnswer:
        return Finding("daemon", "note", "not running: no port of it is noted in state_dir"), None
    address = urlsplit(base)
    place = address.netloc
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
    except (OSError, TimeoutError):
        return Finding("daemon", "note", f"not running at {place}"), None
    writer.close()
    try:
        if await is_another(config, base):
            text = f"another monitor answers at {place}: its configuration is not {config.path.absolute()}"
            return Finding("daemon", "trouble", f"{text}; stop it, or give this one another [web] port"), None
        if config.head is not None and await head_checks.is_standby(base):
            return Finding("daemon", "fine", f"waits as the standby at {place}"), None
        seen = await ask_daemon(config, base)
    except (OSError, aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as e:
        seen = f"{type(e).__name__}: {e}" if str(e) else "no answer in time"
    if isinstance(seen, str):
        return Finding("daemon", "note", f"something answers at {place}, but not as the monitor: {seen}"), None
    return Finding("daemon", "fine", f"runs at {place}; what follows of its feeds is what it sees"), seen


async def _feed(config: Config, seen: DaemonSeen | None, name: str, part: Part) -> Finding:
    """What the daemon sees of the feed, or the first price."""
    found = seen_by_daemon(part.name, seen) if seen else await first_price(part.name, part, config.rules.trust)
    return Finding(name, found.status, scrubbed(found.text, *addresses_of(part.config))[:LONGEST])


async def _notifier(name: str, part: Part) -> Finding:
    channel = plugins.module("notifiers", part.kind).build(part.name, part.config)
    await channel.close()
    if part.kind in ("redis_stream", "redis_pubsub"):
        return await _redis(name, part.config, is_kept=part.kind == "redis_stream")
    place = getattr(part.config, "place", None)
    target = str(place if place is not None else getattr(part.config, "smtp", None) or getattr(part.config, "url", ""))
    address = urlsplit(target)
    if address.hostname is None:
        return Finding(name, "fine", f"{part.kind}, local")
    default = {"https": 443, "smtps": 465, "smtp": 25}.get(address.scheme, 80)
    async with asyncio.timeout(CONNECT_S):
        _, writer = await asyncio.open_connection(address.hostname, address.port or default)
    writer.close()
    return Finding(
        name, "fine", f"{address.hostname} takes connections; `monitor send-test {part.name}` goes all the way"
    )


async def _redis(name: str, config: Any, *, is_kept: bool) -> Finding:
    """`is_kept`: what we send has to stay there."""
    has_password = config.password is not None or config.password_file is not None
    secret: dict[str, Any] = {"password": read_secret(config.password, config.password_file)} if has_password else {}
    client = Redis.from_url(config.url, socket_connect_timeout=CONNECT_S, socket_timeout=CONNECT_S, **secret)
    try:
        if not is_kept:
            await client.ping()
            return Finding(name, "fine", "redis answers")
        policy = (await client.config_get("maxmemory-policy")).get("maxmemory-policy")
        appendonly = (await client.config_get("appendonly")).get("appendonly")
    except RedisError as e:
        return Finding(name, "trouble", f"redis: {type(e).__name__}; check url, password and that it runs")
    finally:
        await client.aclose()
    if policy != "noeviction":
        return Finding(
            name, "trouble", f"maxmemory-policy is {policy}: redis may drop the stream; set it to noeviction"
        )
    if appendonly != "yes":
        return Finding(name, "note", "appendonly is no: a restart of redis loses the stream; alerts stay in the log")
    return Finding(name, "fine", "redis keeps what it is given")
