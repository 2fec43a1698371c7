"""What the commands share: exit codes, the flags that several of them take, and how they read ASSET=VALUE."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from monitor.core.coins import typed

FINE, TROUBLE, WRONG = 0, 1, 2
URL = "http://127.0.0.1:8080"
CONFIG = Path("config/monitor.toml")

ConfigFile = Annotated[Path, Parameter(name="--config")]
Flag = Annotated[bool, Parameter(negative="")]
AsJson = Annotated[bool, Parameter(name="--json", negative="")]
TokenFile = Annotated[Path | None, Parameter(name="--token-file")]
ClientConfig = Annotated[Path | None, Parameter(name="--config")]
"""Of a command that asks a daemon: for the address alone."""


def asset_value(flag: str, text: str, problems: list[str]) -> tuple[str, str]:
    """The two sides of ASSET=VALUE, the coin as `typed` reads it; notes a text that is no such pair."""
    asset, is_pair, value = text.partition("=")
    if not is_pair or not asset or not value:
        problems.append(f"{flag}: found {text!r}, expected ASSET=VALUE such as BTC=-20%")
    return typed(asset), value
