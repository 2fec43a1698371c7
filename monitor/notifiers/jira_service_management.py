"""Opens and closes alerts of Jira Service Management (Operations): the alias of an alert is the episode."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from yarl import URL

from monitor.addresses import shown_url
from monitor.notifiers._base import Notice, Receipt, headline, one_line, page_of, subject_of
from monitor.notifiers._http import Http, HttpAnswer, HttpConfig, check_base, judge, one_of
from monitor.notifiers._incidents import Incident, incident_of
from monitor.notifiers._words import cut, facts_of
from monitor.secret_files import BadSecret, read_secret

MESSAGE_LIMIT = 130
DESCRIPTION_LIMIT = 15_000
ENTITY_LIMIT = 512
NOTE_LIMIT = 25_000
PRIORITIES = {"critical": "P1", "warning": "P3", "info": "P5"}
SOURCE = "loan-monitor"


KEEPS_OPEN = True
"""What is open there ends when it is told, at any hour: that wakes nobody."""


class Config(HttpConfig, frozen=True, kw_only=True):
    """`api_key` is that of an API integration of the team that answers."""

    api_key: str | None = None
    api_key_file: Path | None = None
    url: str = "https://api.atlassian.com/jsm/ops/integration/v2/alerts"
    responders: tuple[str, ...] = ()
    """Names of teams; without any the integration's own team answers."""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one_of("api_key", self.api_key, self.api_key_file)
        check_base("url", self.url, self.reach)
        for key, texts, most, longest in (("responders", self.responders, 50, 100), ("tags", self.tags, 18, 50)):
            if len(texts) > most:
                raise ValueError(f"{key}: found {len(texts)}, expected at most {most}")
            for i, text in enumerate(texts):
                if not 0 < len(text) <= longest:
                    raise ValueError(
                        f"{key}[{i}]: found {text!r}, expected at most {longest} characters, and one at least"
                    )

    def __repr__(self) -> str:
        return f"jira_service_management.Config({shown_url(self.url)})"


def build(name: str, config: Config) -> JiraServiceManagementNotifier:
    """Raises BadSecret, and ValueError where the file of certificates cannot be read."""
    config.reach.check()
    key = read_secret(config.api_key, config.api_key_file)
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadSecret("an API key is one word of printable characters")
    return JiraServiceManagementNotifier(name, config, key, Http(config.reach))


class JiraServiceManagementNotifier:
    """One integration."""

    def __init__(self, name: str, config: Config, key: str, http: Http) -> None:
        self.name = name
        self._config = config
        self._headers = {"authorization": f"GenieKey {key}"}
        self._http = http

    def __repr__(self) -> str:
        return f"JiraServiceManagementNotifier({self.name!r}, {self._config!r})"

    async def send(self, notice: Notice) -> Receipt:
        """One request: an alert is created, or closed or acknowledged by its alias. The answer comes before it is done."""
        incident = incident_of(notice)
        action = "close" if incident.is_over else "acknowledge" if incident.in_hand else "create"
        if action == "create":
            answer = await self._post(self._config.url, self._created(notice, incident))
        else:
            note = cut("\n".join((headline(notice), f"ref {notice.id}")), NOTE_LIMIT)
            alias = quote(incident.key, safe=":")
            place = f"{self._config.url.rstrip('/')}/{alias}/{action}?identifierType=alias"
            answer = await self._post(URL(place, encoded=True), {"source": SOURCE, "note": note})
        return _judge(answer, action)

    async def _post(self, url: str | URL, body: dict[str, Any]) -> HttpAnswer:
        return await self._http.post_json(url, body, self._headers)

    async def close(self) -> None:
        await self._http.close()

    def _created(self, notice: Notice, incident: Incident) -> dict[str, Any]:
        facts = facts_of(notice)
        link = page_of(notice)
        lines = [headline(notice), *(f"{name}: {value}" for name, value in facts), *([link] if link else [])]
        body: dict[str, Any] = {
            "message": cut(headline(notice), MESSAGE_LIMIT),
            "alias": incident.key,
            "description": cut("\n".join(lines), DESCRIPTION_LIMIT),
            "priority": PRIORITIES.get(notice.severity, "P3"),
            "source": SOURCE,
            "entity": cut(subject_of(notice), ENTITY_LIMIT),
            "details": {"type": notice.type, **dict(facts), **({"link": link} if link else {})},
            "tags": [incident.name, notice.severity, *self._config.tags],
        }
        if self._config.responders:
            body["responders"] = [{"name": name, "type": "team"} for name in self._config.responders]
        return body


def _judge(answer: HttpAnswer, action: str) -> Receipt:
    said = one_line(answer.json.get("message") or "", 120)
    if 200 <= answer.status < 300:
        return Receipt(f"HTTP {answer.status}: {action}")
    if action != "create" and answer.status == 404 and "alert" in said.lower():
        # Somebody closed it there, or deleted it: there is nothing left to close.
        return Receipt(f"HTTP 404: {action}: {said}")
    return judge(answer, said)
