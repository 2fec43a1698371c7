"""What channels on a Redis share: one command for a notice, on a client without retries of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as LostConnection

from monitor import permit
from monitor.addresses import check_redis
from monitor.bounded_redis import ShortAnswers
from monitor.notifiers._base import DeliveryError, Fault, one_line
from monitor.secret_files import read_secret

TIMEOUT_S = 5.0
"""A Redis in the same house answers in milliseconds. After this long it is paused or gone."""


class RedisConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where the Redis is, and how to sign in."""

    url: str
    password: str | None = None
    password_file: Path | None = None

    def __post_init__(self) -> None:
        check_redis("url", self.url)


class Commands:
    """One client. Its own retries are off: one attempt must be one command."""

    def __init__(self, config: RedisConfig, *, timeout_s: float = TIMEOUT_S) -> None:
        """Raises BadSecret."""
        has_password = config.password is not None or config.password_file is not None
        secret: dict[str, Any] = (
            {"password": read_secret(config.password, config.password_file)} if has_password else {}
        )
        self._redis: Redis = Redis.from_url(
            config.url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            parser_class=ShortAnswers,
            **secret,
        )
        self._is_warm = False
        """A notice went through, so that a kept connection may be one which the server has closed since."""

    async def run(self, command: Callable[[Redis], Awaitable[Any]]) -> Any:
        """Every error may pass, so a full, loading, read-only or absent server is tried again. Raises DeliveryError."""
        try:
            answer = await self._twice(command)
        except (RedisError, OSError) as e:
            if isinstance(e, RedisError):
                # After a failover a kept connection leads to what is a replica now, or still loads, or wants a password.
                await self._redis.connection_pool.disconnect()
            # Redis's own words (OOM, READONLY, NOAUTH) and those of a failed connection hold no secret.
            fault = Fault.CHANNEL if isinstance(e, AuthenticationError | NoPermissionError) else Fault.PASSING
            raise DeliveryError(one_line(f"{type(e).__name__}: {e}"), fault=fault) from None
        self._is_warm = True
        return answer

    async def _twice(self, command: Callable[[Redis], Awaitable[Any]]) -> Any:
        """Where the server closed a connection that we had kept, once more on a new one."""
        permit.check()
        try:
            return await command(self._redis)
        except (LostConnection, ConnectionError):
            if not self._is_warm:
                raise
        self._is_warm = False
        await self._redis.connection_pool.disconnect()
        permit.check()
        return await command(self._redis)

    async def close(self) -> None:
        """Frees connections."""
        await self._redis.aclose()
