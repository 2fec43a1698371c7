"""What of a configuration a reload cannot change, and what the audit record keeps of one."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.config import Config


def fixed(old: Config, new: Config) -> list[tuple[str, Any, Any]]:
    """What a reload cannot change."""
    return [
        ("monitor.name", old.monitor.name, new.monitor.name),
        ("monitor.state_dir", old.monitor.state_dir, new.monitor.state_dir),
        ("store", old.store, new.store),
        ("web.host", old.web.host, new.web.host),
        ("web.port", old.web.port, new.web.port),
    ]


def audited(config: Config) -> dict[str, Any]:
    """What the audit record keeps of a configuration: rules and routes, names of parts, no secret."""
    return {
        "lifecycle": msgspec.to_builtins(config.rules.lifecycle, str_keys=True),
        "exposure": msgspec.to_builtins(config.rules.exposure),
        "prices": msgspec.to_builtins(config.rules.trust),
        "fund": msgspec.to_builtins(config.rules.fund),
        "products": {
            kind: [msgspec.to_builtins(v, str_keys=True) for v in p.versions]
            for kind, p in config.rules.products.items()
        },
        "routes": msgspec.to_builtins(config.routes),
        "rates": [p.name for p in config.rates],
        "books": [p.name for p in config.books],
        "feeds": [p.name for p in config.feeds],
        "notifiers": [p.name for p in config.notifiers],
        "tokens": [{"name": t.name, "role": t.role, "scope": t.scope} for t in config.web.tokens],
    }
