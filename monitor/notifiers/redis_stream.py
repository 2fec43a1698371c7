"""Adds notices to a capped Redis stream, for consumers inside the house.

At least once: an attempt whose answer got lost may have added its entry already. Consumers drop duplicates by the field
`id`. The stream is a bus, not the record: the alert log keeps what the cap drops.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as LostConnection

from monitor.addresses import check_redis, shown_url
from monitor.notifiers._base import DeliveryError, Fault, Notice, Receipt, one_line
from monitor.secret_files import read_secret

TIMEOUT_S = 5.0
"""A Redis in the same house answers in milliseconds. After this long it is paused or gone."""


class Config(msgspec.Struct, frozen=True):
    """`maxlen` is approximate: Redis drops whole nodes of about a hundred entries."""

    url: str
    stream: str = "monitor:alerts"
    maxlen: Annotated[int, range(1, 1_000_000_000)] = 100_000
    password: str | None = None
    password_file: Path | None = None

    def __post_init__(self) -> None:
        check_redis("url", self.url)
        if not self.stream.strip():
            raise ValueError(f'stream: found {self.stream!r}, expected the name of a stream such as "monitor:alerts"')

    def __repr__(self) -> str:
        return f"redis_stream.Config({shown_url(self.url)}, {self.stream!r})"


def build(name: str, config: Config) -> RedisStreamNotifier:
    """Raises BadSecret."""
    return RedisStreamNotifier(name, config)


class RedisStreamNotifier:
    """One client. Its own retries are off: one attempt must add one entry."""

    def __init__(self, name: str, config: Config, *, timeout_s: float = TIMEOUT_S) -> None:
        self.name = name
        self._config = config
        has_password = config.password is not None or config.password_file is not None
        secret: dict[str, Any] = (
            {"password": read_secret(config.password, config.password_file)} if has_password else {}
        )
        self._redis: Redis = Redis.from_url(
            config.url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            **secret,
        )
        self._is_warm = False
        """A notice went through, so that a kept connection may be one which the server has closed since."""

    def __repr__(self) -> str:
        return f"RedisStreamNotifier({self.name!r}, {self._config!r})"

    async def send(self, notice: Notice) -> Receipt:
        """One XADD. Every error may pass, so a full, loading, read-only or absent server is tried again."""
        fields: dict[Any, Any] = {
            "id": notice.id,
            "type": notice.type,
            "severity": notice.severity,
            "body": notice.body(),
        }
        try:
            entry = await self._add(fields)
        except (RedisError, OSError) as e:
            if isinstance(e, RedisError):
                # After a failover a kept connection leads to what is a replica now, or still loads, or wants a password.
                await self._redis.connection_pool.disconnect()
            # Redis's own words (OOM, READONLY, NOAUTH) and those of a failed connection hold no secret.
            fault = Fault.CHANNEL if isinstance(e, AuthenticationError | NoPermissionError) else Fault.PASSING
            raise DeliveryError(one_line(f"{type(e).__name__}: {e}"), fault=fault) from None
        self._is_warm = True
        return Receipt(f"entry {entry.decode() if isinstance(entry, bytes) else entry}")

    async def _add(self, fields: dict[Any, Any]) -> Any:
        """Adds the entry; where the server closed a connection that we had kept, once more on a new one."""
        config = self._config
        try:
            return await self._redis.xadd(config.stream, fields, maxlen=config.maxlen, approximate=True)
        except (LostConnection, ConnectionError):
            if not self._is_warm:
                raise
        self._is_warm = False
        await self._redis.connection_pool.disconnect()
        return await self._redis.xadd(config.stream, fields, maxlen=config.maxlen, approximate=True)

    async def close(self) -> None:
        await self._redis.aclose()
