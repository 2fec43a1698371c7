"""Builds what a configuration names, and says what of it is missing or cannot be used, before a start or a reload."""

from __future__ import annotations

import itertools
import os
from hashlib import sha256
from pathlib import Path

from monitor import contacts, plugins
from monitor.audit_keys import AuditKeys, opened_keys, read_keys
from monitor.books._base import PlainReader
from monitor.books._lines import incomplete
from monitor.clock import Clock, SystemClock
from monitor.config import BadConfig, Config, Named, Part
from monitor.core.events.events import RatesChanged
from monitor.core.schema import Invalid
from monitor.notifiers._base import Notifier
from monitor.rates._base import RateSource
from monitor.secret_files import BadSecret, read_secret
from monitor.telemetry import log
from monitor.web.auth import SHORTEST, Tokens
from monitor.web_table import is_loopback


def build_notifiers(config: Config) -> dict[str, Notifier]:
    """All channels. Raises BadConfig with each that cannot be built (an unreadable secret, a private address)."""
    notifiers, problems = try_notifiers(config.path, config.notifiers)
    if problems:
        raise BadConfig(problems)
    return notifiers


def try_notifiers(path: Path, parts: tuple[Part, ...]) -> tuple[dict[str, Notifier], list[str]]:
    """The channels that can be built, and what is wrong with the others."""
    notifiers: dict[str, Notifier] = {}
    problems = []
    for part in parts:
        try:
            notifiers[part.name] = plugins.module("notifiers", part.kind).build(part.name, part.config)
        except ValueError as e:
            problems.append(f"{path}: notifier {part.name!r}: {e}")
    return notifiers, problems


def read_tokens(config: Config) -> Tokens:
    """The tokens with their secrets. Raises BadConfig."""
    try:
        return Tokens(config.web.tokens)
    except Invalid as e:
        raise BadConfig([f"{config.path}: {p}" for p in e.problems]) from None


def sms_secret(config: Config) -> str:
    """With which the gateway signs replies; empty where none are taken. Raises BadConfig."""
    replies = config.sms_replies
    try:
        return "" if replies is None else read_secret(replies.auth_token, replies.auth_token_file)
    except BadSecret as e:
        raise BadConfig([f"{config.path}: sms_replies: {e}"]) from None


def audit_keys(config: Config) -> AuditKeys:
    """What signs the audit record: the configured file, or one of the daemon's own, made at the first start.

    Raises BadConfig."""
    try:
        if config.audit.key_file is not None:
            return read_keys(config.audit.key_file)
        return opened_keys(config.audit_key_file)
    except (BadSecret, OSError) as e:
        raise BadConfig([f"{config.path}: audit.key_file: {e}"]) from None


def stated_audit_keys(config: Config) -> list[str]:
    """What is wrong with the keys of the audit record that are there; makes none."""
    try:
        if config.audit.key_file is not None or config.audit_key_file.exists():
            read_keys(config.audit_key_file)
    except BadSecret as e:
        return [f"{config.path}: audit.key_file: {e}"]
    return []


def keys(config: Config) -> dict[Path, bytes]:
    """Digests of the files that channels name: a new key in the same file is another channel."""
    named = (getattr(p.config, field) for p in config.notifiers for field in p.config.__struct_fields__)
    return {path: sha256(path.read_bytes()).digest() for path in named if isinstance(path, Path) and path.is_file()}


def check(config: Config) -> None:
    """Raises BadConfig with every token and feed that cannot be used. A book may come later, so it is not looked for.

    Writes a line of the log for each key that goes by another name now."""
    for line in config.old_keys:
        log.warning("a key of the configuration has a new name", file=str(config.path), key=line)
    if problems := unusable(config.path, config.named):
        raise BadConfig(problems)
    for line in weak(config.named):
        log.warning("a token can be guessed", file=str(config.path), token=line)


def unusable(path: Path, named: Named) -> list[str]:
    """What is wrong with the tokens' secrets, the files of the feeds and the secrets of the books."""
    problems = []
    try:
        short = Tokens(named.tokens).short
    except Invalid as e:
        problems += [f"{path}: {p}" for p in e.problems]
    else:
        if not is_loopback(named.host):
            problems += [f"{path}: {_short(name)}, and {named.host!r} is open to others" for name in short]
    for place, file in named.secrets:
        try:
            read_secret(None, file)
        except BadSecret as e:
            problems.append(f"{path}: {place}: {e}")
    for part in named.feeds:
        try:
            plugins.module("feeds", part.kind).build(part.name, part.config)
        except Invalid as e:
            problems += [f"{path}: feed {part.name!r}: {p}" for p in e.problems]
        except (ValueError, OSError) as e:
            problems.append(f"{path}: feed {part.name!r}: {e}")
    for part in named.books:
        for key in (k for k in part.config.__struct_fields__ if k.endswith("_file")):
            secret = getattr(part.config, key)
            try:
                if isinstance(secret, Path):
                    read_secret(None, secret)
            except BadSecret as e:
                problems.append(f"{path}: book {part.name!r}: {key}: {e}")
    return problems


def weak(named: Named) -> list[str]:
    """Tokens that can be guessed, where only this machine can try."""
    try:
        return [_short(name) for name in Tokens(named.tokens).short]
    except Invalid:  # which is told as a problem
        return []


def _short(name: str) -> str:
    how = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
    return f"web.tokens: the secret of {name!r} has fewer than {SHORTEST} characters; make a longer one with {how}"


def rate_source(part: Part, clock: Clock) -> RateSource:
    """The source of a [[rates]] table."""
    source: RateSource = plugins.module("rates", part.kind).build(part.name, part.config, clock)
    return source


def stated_rates(rates: tuple[Part, ...]) -> tuple[list[RatesChanged], list[str]]:
    """What the sources of rates state now, and what is wrong with those that cannot be used."""
    stated: list[RatesChanged] = []
    problems: list[str] = []
    for part in rates:
        try:
            stated.append(rate_source(part, SystemClock()).read())
        except Invalid as e:
            problems += map(str, e.problems)
    return stated, problems


def rates_of(config: Config) -> list[RatesChanged]:
    """What the sources of rates of a configuration state now. Raises BadConfig."""
    rates, problems = stated_rates(config.rates)
    if problems:
        raise BadConfig(problems)
    return rates


MOST_NAMED_LINES = 50
"""Of all books together; who mends these sees the next ones."""


def incomplete_lines(named: Named) -> list[str]:
    """Lines of the books in files that are taken without a contact or a label, each with the reason."""
    files = [file for part in named.books if isinstance(file := getattr(part.config, "path", None), Path)]
    reader = PlainReader(dict, contacts=contacts.problems)
    found: list[str] = []
    for file in files:
        if os.path.isfile(file):
            found += itertools.islice(incomplete(file, reader), MOST_NAMED_LINES + 1 - len(found))
    return [*found[:MOST_NAMED_LINES], "... and more"] if len(found) > MOST_NAMED_LINES else found


def absent_books(path: Path, named: Named) -> list[str]:
    """Books in files that are not there."""
    files = [(part.name, getattr(part.config, "path", None)) for part in named.books]
    return [
        f"{path}: book {name!r}: path: {file}: no such file; expected a loan book, one group a line"
        for name, file in files
        if isinstance(file, Path) and not os.path.isfile(file)
    ]
