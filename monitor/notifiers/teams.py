"""Posts notices to Microsoft Teams as Adaptive Cards, by a workflow that starts when a webhook request is received."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.notifiers._base import ACKNOWLEDGE, DeliveryError, Fault, Notice, Receipt, ack_of, headline, page_of
from monitor.notifiers._http import DOUBTFUL_4XX, Http, HttpAnswer, SecretUrlConfig, judge
from monitor.notifiers._words import facts_of

LIMIT_BYTES = 28_000
"""Teams refuses a message of more than about 28 kB, the JSON around the card included."""
COLOURS = {"critical": "Attention", "warning": "Warning", "info": "Accent"}
OF_THE_NOTICE = frozenset({"TriggerInputSchemaMismatch", "InvalidRequestContent", "RequestEntityTooLarge"})
"""Codes about what was posted. Others, such as WorkflowTriggerIsNotEnabled, are about the workflow."""


FOR_PEOPLE = True
"""A route may gather its notices into digests."""


class Config(SecretUrlConfig, frozen=True, kw_only=True):
    """The address of a workflow holds its signature and is a secret."""


def build(name: str, config: Config) -> TeamsNotifier:
    """Raises BadSecret, and ValueError where the address or the file of certificates cannot be used."""
    return TeamsNotifier(name, config.address, Http(config.reach))


class TeamsNotifier:
    """One channel or chat."""

    def __init__(self, name: str, url: str, http: Http) -> None:
        self.name = name
        self._url = url
        self._http = http

    def __repr__(self) -> str:
        return f"TeamsNotifier({self.name!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Posts once. A workflow answers 202 as soon as it has the card."""
        return _judge(await self._http.post_json(self._url, message(notice)))

    async def close(self) -> None:
        await self._http.close()


def _judge(answer: HttpAnswer) -> Receipt:
    """Words of a workflow's errors may repeat its address, so that the code alone is shown."""
    if answer.status == 200 and b"failed with error" in answer.body:
        # The older connectors answer 200 to what they could not pass on, and put the status into the text.
        if b" 429" in answer.body or b" 5" in answer.body:
            raise DeliveryError("HTTP 200: Teams is busy")
        fault = Fault.DOUBTFUL if b" 413" in answer.body or b" 400" in answer.body else Fault.CHANNEL
        raise DeliveryError("HTTP 200: Teams did not take the card", fault=fault, answer="200")
    error = answer.json.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    word = code if isinstance(code, str) and code.isalnum() else ""
    if answer.status in DOUBTFUL_4XX and word and word not in OF_THE_NOTICE:
        raise DeliveryError(f"HTTP {answer.status}: {word}", fault=Fault.CHANNEL, answer=word)
    return judge(answer, word)


def message(notice: Notice) -> dict[str, Any]:
    """The body: one card, cut from its last fact on until it fits."""
    facts = facts_of(notice)
    while len(msgspec.json.encode(body := _message(notice, facts))) > LIMIT_BYTES and facts:
        facts = facts[:-1]
    return body


def _message(notice: Notice, facts: list[tuple[str, str]]) -> dict[str, Any]:
    line = _literal(headline(notice))
    colour = COLOURS.get(notice.severity, "Default")
    rows: list[dict[str, Any]] = [_rich(_run(line, weight="Bolder", size="Medium", color=colour))]
    rows += [_rich(_run(f"{_literal(name)}: ", weight="Bolder"), _run(_literal(value))) for name, value in facts]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": line,
        "msteams": {"width": "Full"},
        "body": rows,
    }
    links = ((ACKNOWLEDGE, ack_of(notice)), ("Open", page_of(notice)))
    if actions := [{"type": "Action.OpenUrl", "title": words, "url": link} for words, link in links if link]:
        card["actions"] = actions
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _rich(*runs: dict[str, Any]) -> dict[str, Any]:
    """A line of text runs: unlike a TextBlock and a FactSet they know no Markdown, so a name is shown as it stands."""
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **looks: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **looks}


def _literal(text: str) -> str:
    """Cards put dates in place of {{DATE(...)}}, and names in place of <at> where they are declared."""
    return text.replace("{{", "{\u2060{").replace("<at>", "<\u2060at>")
