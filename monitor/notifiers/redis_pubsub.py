"""Publishes notices on a Redis channel, for programs inside the house that listen now.

Redis keeps nothing for those who do not listen. `redis_stream` does; here the number of listeners is in the record.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from monitor.addresses import shown_url
from monitor.notifiers._base import DeliveryError, Notice, Receipt
from monitor.notifiers._redis import TIMEOUT_S, Commands, RedisConfig


class Config(RedisConfig, frozen=True, kw_only=True):
    """`{severity}` and `{type}` in the name of the channel stand for those of the notice."""

    channel: str = "monitor:alerts"
    listeners: bool = False
    """Whether a notice that nobody heard is tried again until somebody listens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        rest = self.channel.replace("{severity}", "").replace("{type}", "")
        if not self.channel or "{" in rest or "}" in rest:
            raise ValueError(
                f'channel: found {self.channel!r}, expected a name such as "monitor:alerts" or "monitor:{{severity}}"'
            )

    def __repr__(self) -> str:
        return f"redis_pubsub.Config({shown_url(self.url)}, {self.channel!r})"


def build(name: str, config: Config) -> RedisPubSubNotifier:
    """Raises BadSecret."""
    return RedisPubSubNotifier(name, config)


class RedisPubSubNotifier:
    """One channel, or one for each severity or type."""

    def __init__(self, name: str, config: Config, *, timeout_s: float = TIMEOUT_S) -> None:
        self.name = name
        self._config = config
        self._commands = Commands(config, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"RedisPubSubNotifier({self.name!r}, {self._config!r})"

    async def send(self, notice: Notice) -> Receipt:
        """One PUBLISH of the body that a webhook gets."""
        channel = self._config.channel.replace("{severity}", notice.severity).replace("{type}", notice.type)

        async def publish(redis: Redis) -> Any:
            return await redis.publish(channel, notice.body())

        heard = await self._commands.run(publish)
        if self._config.listeners and not heard:
            raise DeliveryError("nobody listens")
        return Receipt(f"heard by {heard}")

    async def close(self) -> None:
        await self._commands.close()
