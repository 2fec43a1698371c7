"""Adds notices to a capped Redis stream, for consumers inside the house.

At least once: an attempt whose answer got lost may have added its entry already. Consumers drop duplicates by the field
`id`. The stream is a bus, not the record: the alert log keeps what the cap drops.
"""

from __future__ import annotations

from typing import Annotated, Any

from monitor.addresses import shown_url
from monitor.notifiers._base import Notice, Receipt
from monitor.notifiers._redis import TIMEOUT_S, Commands, RedisConfig


class Config(RedisConfig, frozen=True, kw_only=True):
    """`maxlen` is approximate: Redis drops whole nodes of about a hundred entries."""

    stream: str = "monitor:alerts"
    maxlen: Annotated[int, range(1, 1_000_000_000)] = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.stream.strip():
            raise ValueError(f'stream: found {self.stream!r}, expected the name of a stream such as "monitor:alerts"')

    def __repr__(self) -> str:
        return f"redis_stream.Config({shown_url(self.url)}, {self.stream!r})"


def build(name: str, config: Config) -> RedisStreamNotifier:
    """Raises BadSecret."""
    return RedisStreamNotifier(name, config)


class RedisStreamNotifier:
    """One stream."""

    def __init__(self, name: str, config: Config, *, timeout_s: float = TIMEOUT_S) -> None:
        self.name = name
        self._config = config
        self._commands = Commands(config, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"RedisStreamNotifier({self.name!r}, {self._config!r})"

    async def send(self, notice: Notice) -> Receipt:
        """One XADD."""
        config = self._config
        fields: dict[Any, Any] = {
            "id": notice.id,
            "type": notice.type,
            "severity": notice.severity,
            "body": notice.body(),
        }
        entry = await self._commands.run(
            lambda redis: redis.xadd(config.stream, fields, maxlen=config.maxlen, approximate=True)
        )
        return Receipt(f"entry {entry.decode() if isinstance(entry, bytes) else entry}")

    async def close(self) -> None:
        await self._commands.close()
