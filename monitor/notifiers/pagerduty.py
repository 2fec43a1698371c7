"""Pages by PagerDuty's Events API v2: one incident for each episode, acknowledged and resolved as the monitor knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monitor.addresses import shown_url
from monitor.notifiers._base import DeliveryError, Fault, Notice, Receipt, headline, one_line, page_of, subject_of
from monitor.notifiers._http import Http, HttpAnswer, HttpConfig, check_url, judge, one_of
from monitor.notifiers._incidents import incident_of
from monitor.notifiers._words import cut, facts_of
from monitor.secret_files import BadSecret, read_secret

SUMMARY_LIMIT = 1024
SEVERITIES = {"critical": "critical", "warning": "warning", "info": "info"}
"""Of the four words of the API; it also knows `error`."""


KEEPS_OPEN = True
"""What is open there ends when it is told, at any hour: that wakes nobody."""


class Config(HttpConfig, frozen=True, kw_only=True):
    """`routing_key` is the integration key of a service, or that of a ruleset."""

    routing_key: str | None = None
    routing_key_file: Path | None = None
    url: str = "https://events.pagerduty.com/v2/enqueue"
    """That of the European region is https://events.eu.pagerduty.com/v2/enqueue."""
    source: str = "loan-monitor"
    """What PagerDuty shows as the system that noticed."""

    def __post_init__(self) -> None:
        one_of("routing_key", self.routing_key, self.routing_key_file)
        check_url("url", self.url, self.reach)
        if not self.source.strip():
            raise ValueError('source: found nothing, expected a name such as "loan-monitor"')

    def __repr__(self) -> str:
        return f"pagerduty.Config({shown_url(self.url)})"


def build(name: str, config: Config) -> PagerDutyNotifier:
    """Raises BadSecret, and ValueError where the file of certificates cannot be read."""
    config.reach.check()
    key = read_secret(config.routing_key, config.routing_key_file)
    if not (key.isascii() and key.isalnum()):
        raise BadSecret("a routing key is letters and digits, 32 of them as PagerDuty makes it")
    return PagerDutyNotifier(name, config, key, Http(config.reach))


class PagerDutyNotifier:
    """One service of PagerDuty."""

    def __init__(self, name: str, config: Config, key: str, http: Http) -> None:
        self.name = name
        self._config = config
        self._key = key
        self._http = http

    def __repr__(self) -> str:
        return f"PagerDutyNotifier({self.name!r}, {self._config!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Posts one event. PagerDuty drops a duplicate by its key, so that a second attempt pages nobody again."""
        body = {"routing_key": self._key, **event(notice, self._config.source)}
        return _judge(await self._http.post_json(self._config.url, body), str(body["event_action"]))

    async def close(self) -> None:
        await self._http.close()


def _judge(answer: HttpAnswer, action: str) -> Receipt:
    errors = answer.json.get("errors")
    said = one_line(", ".join(str(e) for e in errors), 120) if isinstance(errors, list) else ""
    if answer.status == 400 and "key" in said.lower() and "dedup" not in said.lower():
        # The words may repeat the key.
        raise DeliveryError("HTTP 400: the routing key is not taken", fault=Fault.CHANNEL, answer="routing key")
    if 200 <= answer.status < 300:
        return Receipt(f"HTTP {answer.status}: {action}")
    return judge(answer, said)


def event(notice: Notice, source: str) -> dict[str, Any]:
    """The event without the routing key: what it is about is its dedup key."""
    incident = incident_of(notice)
    link = page_of(notice)
    action = "resolve" if incident.is_over else "acknowledge" if incident.in_hand else "trigger"
    facts = facts_of(notice)
    body: dict[str, Any] = {
        "event_action": action,
        "dedup_key": incident.key,
        "client": "Loan monitor",
        "payload": {
            "summary": cut(headline(notice), SUMMARY_LIMIT),
            "source": source,
            "severity": SEVERITIES.get(notice.severity, "error"),
            "timestamp": notice.timestamp,
            "component": subject_of(notice) or source,
            "group": one_line((notice.data.get("group") or {}).get("product") or incident.name, 80),
            "class": notice.type,
            "custom_details": dict(facts),
        },
    }
    if link is not None:
        body["client_url"] = link
        body["links"] = [{"href": link, "text": "Open"}]
    return body
