"""The tables [monitor], [endpoints] and [prices] of the configuration (docs/configuration.md)."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from monitor import private_files
from monitor.addresses import networks_of
from monitor.core.money import NotANumber, number
from monitor.core.rules.duty import zone as time_zone
from monitor.core.rules.settings import Lifecycle, SomeTime, Wait
from monitor.core.schema import Asset, Bounds, Invalid, Name, Span, read


class MonitorTable(msgspec.Struct, frozen=True):
    """[monitor]"""

    name: Name = "monitor"
    state_dir: str = "var"
    event_log: bool = True
    """Record what core is given under state_dir/events, for `monitor replay --log`."""
    event_log_keep: timedelta = timedelta(days=7)
    """Older files of it are deleted."""
    event_log_size: str = "2GiB"
    """The oldest files are deleted while all of them take more than this, whatever their age."""
    reload_max_moves: Annotated[int, range(0, 10_000_001)] = 10
    """A reload whose rules would move more groups to another stage takes all but the rules, until it is confirmed."""
    group: str | None = None
    """A group of the machine that may read what the monitor writes; without one its own user alone may."""
    zone: str | None = None
    """The desk's time zone: people read deadlines in it beside UTC."""
    public_labels: tuple[Name, ...] = ()
    """Labels of groups that borrowers are told; no other one leaves the desk."""

    def __post_init__(self) -> None:
        if self.zone is not None:
            try:
                time_zone(self.zone)
            except ValueError as e:
                raise ValueError(f"zone: {str(e).partition(': ')[2]}") from None
        if self.group is not None:
            try:
                private_files.group_id(self.group)
            except ValueError as e:
                raise ValueError(f"group: {e}") from None
        if not 0 < _bytes(self.event_log_size) < 1 << 50:
            what = f"event_log_size: found {self.event_log_size!r}"
            raise ValueError(f'{what}, expected a size such as "500MiB" or "2GiB"')

    @property
    def event_log_bytes(self) -> int:
        """The size in bytes."""
        return _bytes(self.event_log_size)


_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def _bytes(size: str) -> int:
    """Bytes of a size with its unit; 0 where it is none."""
    match = re.fullmatch(r"(\d{1,6}) ?([kKMGT]i?B)", size, re.ASCII)
    return int(match[1]) * _UNITS.get(match[2], 0) if match else 0


PORT_FILE = "port"
"""The daemon's port stands in this file of `state_dir` while it runs."""


class AuditTable(msgspec.Struct, frozen=True):
    """[audit]"""

    key_file: Path | None = None
    """The keys that sign the audit record, one a line: the first signs. Without it the daemon keeps one in `state_dir`."""


class EngineTable(msgspec.Struct, frozen=True):
    """[engine]"""

    shards: Annotated[int, range(0, 65)] = 0
    """Processes that hold the book and name suspects; 0: the daemon's own process does."""
    replicas: Annotated[int, range(1, 5)] = 1
    """Copies of each shard, which are processes too: the first that answers counts."""
    shard_limit: Annotated[timedelta, Span("100ms", "60s")] = timedelta(seconds=1)
    """A shard that has not answered by then is abandoned, and a replacement is loaded."""
    max_groups: Annotated[int, range(1_000_000_000)] = 0
    """A shard that has so many takes no more blocks; 0: as many as its memory holds."""
    max_memory_mb: Annotated[int, range(1 << 24)] = 0
    """A shard that would take more takes no more blocks; 0: the memory of its machine is the limit."""
    ray: str = ""
    """Where shards are actors of Ray: "auto" for a cluster that this machine is part of, or the "ray://host:port" of one."""

    def __post_init__(self) -> None:
        if self.ray and self.ray != "auto" and not self.ray.startswith("ray://"):
            raise ValueError(f'ray: found {self.ray!r}, expected "auto" or "ray://host:port"')
        if self.ray and not self.shards:
            raise ValueError("ray: shards is 0, so there is nothing to place; set shards too")


class EndpointsTable(msgspec.Struct, frozen=True):
    """[endpoints]: what webhooks that are made by API may reach. Whoever may make one cannot widen this."""

    allow_private: bool = False
    allow: tuple[str, ...] = ()
    """Networks that are private and allowed all the same."""
    most: Annotated[int, range(0, 1001)] = 100
    """So many may be made; 0: none."""

    def __post_init__(self) -> None:
        try:
            networks_of(self.allow)
        except ValueError as e:
            raise ValueError(f"allow: {e}") from None


Pause = Annotated[timedelta, Span("0s", "365d", above=True)]


class PricesTable(msgspec.Struct, frozen=True):
    """[prices]"""

    stale_after: SomeTime = timedelta(seconds=10)
    confirm_jump: Annotated[Decimal, Bounds("0", "10", 6, above=True)] = Decimal("0.15")
    confirm_after: Wait = timedelta(seconds=3)
    usdt_usd: str = "1"
    min_sources: Annotated[int, range(1, 17)] = 1
    mode: Literal["primary", "median"] = "primary"
    max_spread: Annotated[Decimal, Bounds("0", "1", 6, above=True)] = Decimal("0.02")
    contradiction_after: Pause = timedelta(seconds=60)
    missing_after: Pause = timedelta(seconds=60)
    max_ahead: Pause = timedelta(seconds=5)
    quiet_after: Pause = timedelta(minutes=5)
    frozen_after: Pause = timedelta(hours=1)
    power_wait: Pause = timedelta(minutes=10)

    def __post_init__(self) -> None:
        try:
            if self.usdt_usd[:1].isalpha():
                is_fine = bool(read(Asset, self.usdt_usd)) and self.usdt_usd.isupper()
            else:
                # More places than a quantity has would not fit exact arithmetic beside a price and a share.
                is_fine = Bounds("0.01", "100", 24).problem(number(self.usdt_usd)) is None
        except (NotANumber, Invalid):
            is_fine = False
        if not is_fine:
            raise ValueError(
                f'usdt_usd: found {self.usdt_usd!r}, expected a rate such as "1", or the name of an asset: "USDT"'
            )


class LifecycleTable(Lifecycle, frozen=True):
    """[lifecycle]. Here alone a group may come back by default, and other deadlines are told: an event log that does not
    say so folds without."""

    reopen: Wait = timedelta(hours=1)
    tell_deadlines: bool = True

    @property
    def settings(self) -> Lifecycle:
        """What core decides by."""
        return Lifecycle(**msgspec.structs.asdict(self))
