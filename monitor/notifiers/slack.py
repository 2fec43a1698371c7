"""Posts notices to a Slack channel by its incoming webhook: blocks, and a plain text for what shows no blocks."""

from __future__ import annotations

from typing import Any

from monitor.notifiers._base import ACKNOWLEDGE, DeliveryError, Fault, Notice, Receipt, ack_of, headline, page_of
from monitor.notifiers._http import Http, HttpAnswer, SecretUrlConfig, judge
from monitor.notifiers._words import cut, facts_of, no_mention

HEADER_LIMIT = 150
TEXT_LIMIT = 3000
FIELD_LIMIT = 2000
FIELDS_A_SECTION = 10
FALLBACK_LIMIT = 4000
"""Slack cuts a longer text by itself; what it says of limits for blocks it refuses."""
OF_THE_NOTICE = frozenset(
    {"invalid_blocks", "invalid_payload", "no_text", "msg_blocks_too_long", "invalid_attachments"}
)
"""What Slack says of a body that it cannot use. Any other refusal is about the channel, the app or the address."""
PASSING = frozenset({"rollup_error", "internal_error", "fatal_error", "service_unavailable"})
MOST_WORDS = 60
"""Slack names an error in one word; a page of a proxy is not shown."""


FOR_PEOPLE = True
"""A route may gather its notices into digests."""


class Config(SecretUrlConfig, frozen=True, kw_only=True):
    """The address of an incoming webhook is its secret."""


def build(name: str, config: Config) -> SlackNotifier:
    """Raises BadSecret, and ValueError where the address or the file of certificates cannot be used."""
    return SlackNotifier(name, config.address, Http(config.reach))


class SlackNotifier:
    """One channel of a workspace."""

    def __init__(self, name: str, url: str, http: Http) -> None:
        self.name = name
        self._url = url
        self._http = http

    def __repr__(self) -> str:
        return f"SlackNotifier({self.name!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Posts once. Slack answers `ok`, or a word that says what is wrong."""
        return _judge(await self._http.post_json(self._url, message(notice)))

    async def close(self) -> None:
        await self._http.close()


def _judge(answer: HttpAnswer) -> Receipt:
    word = answer.text if len(answer.text) <= MOST_WORDS else ""
    if answer.status == 200 and word not in ("ok", ""):
        raise DeliveryError(f"HTTP 200: {word}", fault=Fault.CHANNEL, answer=word)
    if answer.status < 500 and word in PASSING:
        raise DeliveryError(f"HTTP {answer.status}: {word}", after_s=answer.retry_after_s)
    if 400 <= answer.status < 500 and answer.status != 429:
        doubtful = word in OF_THE_NOTICE or (answer.status in (400, 413, 422) and not word)
        fault = Fault.DOUBTFUL if doubtful else Fault.CHANNEL
        raise DeliveryError(f"HTTP {answer.status}: {word}", fault=fault, answer=_cause(answer.status, word))
    return judge(answer, word)


def _cause(status: int, word: str) -> str:
    """Equal for an equal cause. 410 says that the address is gone for good, whatever the word."""
    return word if word and status != 410 else str(status)


def escaped(text: str) -> str:
    """Text that Slack shows as it stands: these three characters begin its links and mentions such as <!channel>."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def message(notice: Notice) -> dict[str, Any]:
    """The body. Names stand in `plain_text`, where Slack knows no markup, no mention and no link."""
    line = headline(notice)
    facts = facts_of(notice)
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(line, HEADER_LIMIT)}]
    for start in range(0, len(facts), FIELDS_A_SECTION):
        fields = [_plain(f"{name}\n{value}", FIELD_LIMIT) for name, value in facts[start : start + FIELDS_A_SECTION]]
        blocks.append({"type": "section", "fields": fields})
    links = (("acknowledge", ACKNOWLEDGE, ack_of(notice)), ("open", "Open", page_of(notice)))
    buttons = [
        {"type": "button", "text": _plain(words, 75), "url": link, "action_id": name}
        for name, words, link in links
        if link is not None and len(link) <= TEXT_LIMIT
    ]
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    # The fallback is read as Slack's markup, and an app may look for names in it.
    text = cut(escaped(no_mention(line)), FALLBACK_LIMIT)
    return {"text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(text, limit), "emoji": False}
