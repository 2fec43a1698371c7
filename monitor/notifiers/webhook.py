"""Posts notices by the Standard Webhooks specification: signed, never redirected, never to an address inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from yarl import URL

from monitor.addresses import shown_url
from monitor.clock import Clock, SystemClock
from monitor.notifiers._base import Body, Notice, Receipt, batch_id
from monitor.notifiers._http import JSON, TIMEOUT_S, Http, Reach, check_url, judge
from monitor.secret_files import read_secret
from monitor.webhook_keys import KeyRing


class Config(msgspec.Struct, frozen=True):
    """`secret` and the file may hold several keys, by spaces or lines. All of them sign, so you can rotate a key.

    A key is `whsec_...` (the receiver knows it too) or `whsk_...` (the receiver has its public part).
    """

    url: str
    secret: str | None = None
    secret_file: Path | None = None
    ca_file: Path | None = None
    """Certificates that we trust in place of the system's, for a receiver with a private authority."""
    allow_private: bool = False
    allow: tuple[str, ...] = ()
    """Networks that are private and allowed all the same, such as "10.0.0.0/8"; `allow_private` allows all."""
    batch: bool = False
    """The receiver takes several alerts in one body of type `batch`."""

    def __post_init__(self) -> None:
        check_url("url", self.url, self.reach)
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError('state either "secret" or "secret_file"')

    @property
    def reach(self) -> Reach:
        """Where it may connect to."""
        return Reach(self.allow_private, self.allow, self.ca_file)

    def __repr__(self) -> str:
        return f"webhook.Config({shown_url(self.url)})"


def build(name: str, config: Config) -> WebhookNotifier:
    """Raises BadSecret, and ValueError where the file of certificates cannot be read."""
    config.reach.check()
    return WebhookNotifier(name, config, SystemClock())


class WebhookNotifier:
    """One endpoint."""

    bodies = True

    def __init__(
        self,
        name: str,
        config: Config,
        clock: Clock,
        *,
        timeout_s: float = TIMEOUT_S,
        until: Mapping[str, datetime] | None = None,
    ) -> None:
        """`until`: by key, where it signs no longer than that."""
        self.name = name
        self.batch = config.batch
        self.at_once = 1 if config.batch else 32
        """Notices under way together to a receiver that answers quickly. A body of a batch has many already."""
        self._clock = clock
        self._url = URL(config.url)
        self._http = Http(config.reach, clock, timeout_s=timeout_s)
        self._keys = KeyRing(read_secret(config.secret, config.secret_file), until)

    def __repr__(self) -> str:
        return f"WebhookNotifier({self.name!r}, {shown_url(str(self._url))})"

    async def send(self, notice: Notice) -> Receipt:
        """Posts once. 2xx is success. A redirect is a failure: nobody follows it."""
        return await self.send_body(Body.of(notice))

    async def send_body(self, body: Body) -> Receipt:
        """The same, of the bytes of a notice."""
        if self.batch:
            return await self.send_batch([body])
        return await self._send(body.id, body.content)

    async def send_batch(self, notices: Sequence[Notice | Body]) -> Receipt:
        """Posts all of them in one body. The same notices have the same id and the same bytes in every attempt."""
        return await self._send(batch_id(notice.id for notice in notices), batch_body(notices))

    async def _send(self, id: str, body: bytes) -> Receipt:
        return judge(await self._http.post(self._url, body, self._headers(id, body)))

    async def close(self) -> None:
        await self._http.close()

    def _headers(self, id: str, body: bytes) -> dict[str, str]:
        """Every key in force signs the bytes that go out and the time of this attempt."""
        at = self._clock.utc()
        return {
            **JSON,
            "webhook-id": id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._keys.sign(id, at, body),
        }


def batch_body(notices: Sequence[Notice | Body]) -> bytes:
    """The alerts in order, each as it would have gone alone; the time is that of the newest."""
    newest = max(notices, key=lambda notice: notice.timestamp).timestamp
    items = b",".join(notice.body() for notice in notices)
    return b'{"type":"batch","timestamp":%b,"data":{"items":[%b]}}' % (msgspec.json.encode(newest), items)
