"""Pushes alerts to Alertmanager (API v2), for desks that have their silences, routes and receivers there.

Alertmanager takes an alert for resolved when its `endsAt` is over, so each open one is sent again in time, over restarts
too, until the monitor says that it is over.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from yarl import URL

from monitor.addresses import shown_url
from monitor.clock import Clock, SystemClock
from monitor.core.schema import Span
from monitor.core.text import stamp
from monitor.notifiers._base import DeliveryError, Notice, Receipt, headline, one_line, page_of, subject_of
from monitor.notifiers._http import Http, HttpConfig, basic, check_base, judge
from monitor.notifiers._incidents import Incident, incident_of
from monitor.notifiers._open_alerts import OpenAlert, OpenAlerts
from monitor.notifiers._words import facts_of
from monitor.secret_files import BadSecret, read_secret

SENT_TOGETHER = 200
"""Open alerts in one request when they are sent again: about 200 kB."""
_LABEL = re.compile(r"[^A-Za-z0-9_]", re.ASCII)


KEEPS_OPEN = True
"""What is open there ends when it is told, at any hour: that wakes nobody."""


class Config(HttpConfig, frozen=True, kw_only=True):
    """`urls` holds every member of a cluster: each is told, as Alertmanager asks its clients to do."""

    urls: tuple[str, ...]
    resolve_after: Annotated[timedelta, Span("1s", "1d")] = timedelta(minutes=5)
    """How long an alert fires without being sent again. It is sent again after half of that."""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    """More labels for each alert."""
    file: str | None = None
    """Where the open alerts are kept, relative to the working directory; by default `var/alertmanager-NAME.jsonl`."""
    username: str | None = None
    password: str | None = None
    password_file: Path | None = None
    token: str | None = None
    token_file: Path | None = None

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError('urls: found nothing, expected addresses such as "http://alertmanager.desk.example:9093"')
        for i, url in enumerate(self.urls):
            check_base(f"urls[{i}]", url, self.reach)
        if (self.username is None) != (self.password is None and self.password_file is None):
            raise ValueError("username and password_file (or password) belong together")
        if self.username is not None and (self.token is not None or self.token_file is not None):
            raise ValueError("state a token, or a username with its password")
        for name in self.labels:
            if _LABEL.search(name) or name[:1].isdigit() or not name:
                raise ValueError(f"labels: found {name!r}, expected letters, digits and _, and no digit first")

    @property
    def place(self) -> str:
        """Where it connects to first."""
        return shown_url(self.urls[0])

    def __repr__(self) -> str:
        return f"alertmanager.Config({', '.join(map(shown_url, self.urls))})"


def build(name: str, config: Config) -> AlertmanagerNotifier:
    """Raises BadSecret, and ValueError where the file of certificates cannot be read."""
    config.reach.check()
    headers = {}
    if config.username is not None:
        headers["authorization"] = basic(config.username, read_secret(config.password, config.password_file))
    elif config.token is not None or config.token_file is not None:
        token = read_secret(config.token, config.token_file)
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise BadSecret("a bearer token is one word of printable characters")
        headers["authorization"] = f"Bearer {token}"
    return AlertmanagerNotifier(name, config, headers, SystemClock())


class AlertmanagerNotifier:
    """One Alertmanager, or a cluster."""

    def __init__(self, name: str, config: Config, headers: dict[str, str], clock: Clock) -> None:
        self.name = name
        self.every_s = config.resolve_after.total_seconds() / 2
        self._config = config
        self._headers = headers
        self._clock = clock
        self._urls = [URL(f"{url.rstrip('/')}/api/v2/alerts") for url in config.urls]
        self._clients = [Http(config.reach, clock) for _ in config.urls]
        self._open = OpenAlerts(Path(config.file or f"var/alertmanager-{name}.jsonl"))
        self._turn = asyncio.Lock()
        """The end of an alert and a repetition of it never cross on their way."""

    def __repr__(self) -> str:
        return f"AlertmanagerNotifier({self.name!r}, {self._config!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Pushes the alert, or its end. Its labels are kept, as Alertmanager knows an alert by nothing else."""
        incident = incident_of(notice)
        now = self._clock.utc()
        if incident.is_over:
            async with self._turn:
                known = await self._open.get(incident.key)
                ended = known or self._alert(notice, incident)
                if known is not None:
                    await self._open.put(msgspec.structs.replace(known, is_ending=True))
                detail = await self._push([_shown(ended, self._ending(ended, now))])
                await self._open.remove(incident.key)
                return Receipt(f"{detail}: resolved")
        known = await self._open.get(incident.key)
        alert = self._alert(notice, incident, known)
        body = [_shown(alert, now + self._config.resolve_after)]
        if known is not None and known.labels != alert.labels:
            # Another stage or severity is another alert there: the one before is over.
            body.insert(0, _shown(known, self._ending(known, now)))
        detail = await self._push(body)
        if incident.will_end:
            await self._open.put(alert)
        return Receipt(f"{detail}: firing")

    async def keep_alive(self) -> None:
        """Sends each open alert again. Raises DeliveryError where some could not be sent."""
        for start in range(0, len(await self._open.firing()), SENT_TOGETHER):
            async with self._turn:
                until = self._clock.utc() + self._config.resolve_after
                chunk = (await self._open.firing())[start : start + SENT_TOGETHER]
                if chunk:
                    await self._push([_shown(one, until) for one in chunk])

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    async def _push(self, alerts: Sequence[dict[str, Any]]) -> str:
        """Posts to each member. One that took it passes it on, and the next repetition reaches the others."""
        posts = (self._post(url, client, alerts) for url, client in zip(self._urls, self._clients, strict=True))
        ended = await asyncio.gather(*posts)
        failures = [e for e in ended if isinstance(e, DeliveryError)]
        if len(failures) == len(ended):
            raise failures[0]
        took = next(e for e in ended if isinstance(e, Receipt)).detail
        missed = "; ".join(one_line(f"not {shown_url(str(u))}: {e.reason}") for u, e in self._missed(ended))
        return f"{took}, {missed}" if missed else took

    def _missed(self, ended: Iterable[Receipt | DeliveryError]) -> list[tuple[URL, DeliveryError]]:
        return [(u, e) for u, e in zip(self._urls, ended, strict=True) if isinstance(e, DeliveryError)]

    async def _post(self, url: URL, client: Http, alerts: Sequence[dict[str, Any]]) -> Receipt | DeliveryError:
        try:
            answer = await client.post_json(url, alerts, self._headers)
            return judge(answer, answer.text if answer.status in (400, 422) else "")
        except DeliveryError as e:
            return e

    def _alert(self, notice: Notice, incident: Incident, known: OpenAlert | None = None) -> OpenAlert:
        return OpenAlert(
            incident.key,
            {**self._config.labels, **labels_of(notice, incident)},
            annotations_of(notice),
            known.starts_at if known is not None else notice.timestamp,
            page_of(notice),
        )

    @staticmethod
    def _ending(alert: OpenAlert, now: datetime) -> datetime:
        """Never before its start, which Alertmanager refuses."""
        return max(now, datetime.fromisoformat(alert.starts_at))


def _shown(alert: OpenAlert, ends_at: datetime) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": alert.starts_at,
        "endsAt": stamp(ends_at),
    }
    if alert.link is not None:
        shown["generatorURL"] = alert.link
    return shown


def labels_of(notice: Notice, incident: Incident) -> dict[str, str]:
    """What tells the alert from others, and what routes go by. Labels of the group come with `label_` before them."""
    group = notice.data.get("group") or {}
    family, _, _ = notice.type.rpartition(".")
    found = {
        "alertname": family if incident.name == "loan_group" else incident.name,
        "severity": notice.severity,
        "episode": incident.key,
        "subject": subject_of(notice),
        "product": one_line(group.get("product") or ""),
        "test": "true" if notice.data.get("test") else "",
    }
    stated = {f"label_{_LABEL.sub('_', k)}": one_line(v) for k, v in (group.get("labels") or {}).items()}
    return {name: value for name, value in {**stated, **found}.items() if value}


def annotations_of(notice: Notice) -> dict[str, str]:
    """Words for people."""
    lines = [f"{name}: {value}" for name, value in facts_of(notice)]
    return {"summary": headline(notice), "description": "\n".join(lines), "ref": one_line(notice.id)}
