"""What a reload cannot change, and what the audit record keeps of a configuration."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.config import BadConfig, Config


def check_fixed(old: Config, new: Config) -> None:
    """Raises BadConfig where something changed that only a restart can change."""
    pairs = [
        ("monitor.name", old.monitor.name, new.monitor.name),
        ("monitor.state_dir", old.monitor.state_dir, new.monitor.state_dir),
        ("monitor.group", old.monitor.group, new.monitor.group),
        ("store", old.store, new.store),
        ("web.host", old.web.host, new.web.host),
        ("web.port", old.web.port, new.web.port),
        ("web.health_port", old.web.health_port, new.web.health_port),
        ("web.max_connections", old.web.max_connections, new.web.max_connections),
    ]
    if problems := [
        f"{new.path}: {key} cannot change while the daemon runs; restart it" for key, a, b in pairs if a != b
    ]:
        raise BadConfig(problems)


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
