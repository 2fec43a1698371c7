"""What a reload may change, what it holds back until it is confirmed, and what the audit record keeps of a configuration."""

from __future__ import annotations

import asyncio
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from monitor.config import BadConfig, Config
from monitor.core.alerts.state_alerts import CONFIG_REFUSED, RULES_HELD
from monitor.core.events.events import Noticed
from monitor.core.portfolio.rules_preview import HELD, TAKEN, UNCHANGED, PreviewedGroup, ReloadEffect, preview
from monitor.core.queries.inbox import Inbox
from monitor.core.rules.open_ladders import ended
from monitor.core.rules.settings import Rules
from monitor.core.text import MOST_NAMED
from monitor.tables import EngineTable
from monitor.telemetry import log

SUBJECT = "configuration"


class Plan(NamedTuple):
    """A reload before it is done: the configuration to take, with the rules of now where those of the file are held."""

    config: Config
    effect: ReloadEffect


class Holds:
    """Holds rules back that would move too many groups, until somebody confirms them."""

    def __init__(self) -> None:
        self._held: Rules | None = None

    async def plan(self, old: Config, new: Config, inbox: Inbox, *, confirmed: bool, listed: int = MOST_NAMED) -> Plan:
        """What a reload from `old` to `new` would do. `confirmed` is about the rules that were held last, if any were."""
        limit = new.monitor.reload_max_moves
        if _same(old.rules, new.rules):
            return Plan(new, ReloadEffect(rules=UNCHANGED, moved=0, limit=limit, preview=None))
        for line in ended(new.rules.products):
            log.warning("a ladder ends", ladder=line)
        book, then = await inbox.whole_book_under(lambda now: _with_rules_of(now, new.rules))
        found = await asyncio.to_thread(preview, book, then, listed)
        moved = sum(sums.groups for sums in found.moves)
        is_meant = confirmed and (self._held is None or _same(self._held, new.rules))
        if found.refused is not None or moved <= limit or is_meant:
            return Plan(new, ReloadEffect(rules=TAKEN, moved=moved, limit=limit, preview=found))
        kept = msgspec.structs.replace(new, rules=_with_rules_of(new.rules, old.rules))
        return Plan(kept, ReloadEffect(rules=HELD, moved=moved, limit=limit, preview=found))

    def done(self, new: Config, effect: ReloadEffect, at: datetime) -> Noticed:
        """After a reload: what the desk is told of the rules that wait, or that none do."""
        self._held = new.rules if effect.rules == HELD else None
        return _held(effect, at) if effect.rules == HELD else released(at)


def _same(one: Rules, other: Rules) -> bool:
    return (one.products, one.lifecycle) == (other.products, other.lifecycle)


def _with_rules_of(rules: Rules, other: Rules) -> Rules:
    return msgspec.structs.replace(rules, products=other.products, lifecycle=other.lifecycle)


def _held(effect: ReloadEffect, at: datetime) -> Noticed:
    assert effect.preview is not None
    groups = [_row(group) for group in effect.preview.items]
    facts = {
        "problem": f"new rules would move {effect.moved} groups to another stage, more than {effect.limit}; "
        "the old rules stay in force until `monitor reload --confirm`",
        "reason": "too_many_moves",
        "groups_moved": effect.moved,
        "limit": effect.limit,
        "moves": [{"from": each.from_, "to": each.to, "groups": each.groups} for each in effect.preview.moves],
        "groups": groups,
        "groups_cut": effect.moved - len(groups),
    }
    fingerprint = sha256(msgspec.json.encode((effect.moved, groups))).hexdigest()[:32]
    return Noticed(at, RULES_HELD, SUBJECT, facts, fingerprint=fingerprint)


def _row(group: PreviewedGroup) -> dict[str, str]:
    return {"group": group.id, "from": group.from_, "to": group.to}


def released(at: datetime) -> Noticed:
    """No rules wait: said where some did."""
    return Noticed(at, RULES_HELD, SUBJECT, {}, clears=True)


def refused(problems: list[str], at: datetime) -> Noticed:
    """A reload that changed nothing. The same problems are told once."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    facts = {
        "problem": f"{problems[0]}{more}; nothing is taken, the configuration before it stays in force",
        "reason": "bad_config",
        "problems": [problem[:300] for problem in problems[:MOST_NAMED]],
        "problems_cut": max(0, len(problems) - MOST_NAMED),
    }
    return Noticed(at, CONFIG_REFUSED, SUBJECT, facts, fingerprint=sha256(repr(problems).encode()).hexdigest()[:32])


def in_order(at: datetime) -> Noticed:
    """The configuration was taken: said where one was refused."""
    return Noticed(at, CONFIG_REFUSED, SUBJECT, {}, clears=True)


def check_fixed(old: Config, new: Config) -> None:
    """Raises BadConfig where something changed that only a restart can change."""
    pairs = [
        ("monitor.name", old.monitor.name, new.monitor.name),
        ("monitor.state_dir", old.monitor.state_dir, new.monitor.state_dir),
        ("monitor.group", old.monitor.group, new.monitor.group),
        ("store", old.store, new.store),
        ("engine", _but_for_shards(old), _but_for_shards(new)),
        ("head", old.head, new.head),
        ("web.host", old.web.host, new.web.host),
        ("web.port", old.web.port, new.web.port),
        ("web.health_port", old.web.health_port, new.web.health_port),
        ("web.languages", old.web.languages, new.web.languages),
        ("web.max_connections", old.web.max_connections, new.web.max_connections),
    ]
    if problems := [
        f"{new.path}: {key} cannot change while the daemon runs; restart it" for key, a, b in pairs if a != b
    ]:
        raise BadConfig(problems)


def _but_for_shards(config: Config) -> EngineTable:
    """A book that is in shards may have more or fewer of them."""
    return msgspec.structs.replace(config.engine, shards=min(1, config.engine.shards))


def audited(config: Config) -> dict[str, Any]:
    """What the audit record keeps of a configuration: rules and routes, names of parts, no secret."""
    return {
        "lifecycle": msgspec.to_builtins(config.rules.lifecycle, str_keys=True),
        "exposure": msgspec.to_builtins(config.rules.exposure),
        "four_eyes": msgspec.to_builtins(config.rules.four_eyes),
        "owners": dict(config.owners),
        "prices": msgspec.to_builtins(config.rules.trust),
        "fund": msgspec.to_builtins(config.rules.fund),
        "products": {
            name: [msgspec.to_builtins(v, str_keys=True) for v in p.versions]
            for name, p in config.rules.products.items()
        },
        "overrides": {
            name: msgspec.to_builtins(p.overrides) for name, p in config.rules.products.items() if p.overrides
        },
        "routes": msgspec.to_builtins(config.routes),
        "rates": [p.name for p in config.rates],
        "books": [p.name for p in config.books],
        "feeds": [p.name for p in config.feeds],
        "notifiers": [p.name for p in config.notifiers],
        "tokens": [{"name": t.name, "role": t.role, "scope": t.scope} for t in config.web.tokens],
    }
