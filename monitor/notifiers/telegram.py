"""Sends notices to Telegram chats through a bot. Its token stands in the address of each request, and in no text of ours."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from yarl import URL

from monitor.addresses import shown_url
from monitor.notifiers._base import (
    ACKNOWLEDGE,
    DeliveryError,
    Fault,
    Notice,
    Receipt,
    ack_of,
    headline,
    one_line,
    page_of,
)
from monitor.notifiers._borrowers import BorrowerTexts
from monitor.notifiers._http import TIMEOUT_S, Http, HttpAnswer, HttpConfig, check_base, judge, one_of
from monitor.notifiers._recipients import Recipients
from monitor.notifiers._words import facts_of, no_mention
from monitor.secret_files import BadSecret, read_secret

LENGTH = 4096
"""Of a message, in UTF-16 units, without its markup."""
LONGEST_WAIT_S = 3600.0
_CHAT = re.compile(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31}", re.ASCII)
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,128}", re.ASCII)
OF_THE_CHAT = (
    "chat not found",
    "user not found",
    "bot was blocked",
    "bot was kicked",
    "user is deactivated",
    "not enough rights",
    "have no rights",
    "chat_write_forbidden",
    "need administrator rights",
    "group chat was upgraded",
    "bot can't initiate",
    "peer_id_invalid",
    "bot is not a member",
    "chat_id is empty",
    "message thread not found",
    "topic_closed",
)
"""What the description says where one chat cannot be written to; the bot itself is fine."""


FOR_PEOPLE = True
"""A route may gather its notices into digests."""


class Config(HttpConfig, frozen=True, kw_only=True):
    """`to` holds ids of chats such as "-1001234567890", or names of public channels such as "@desk_alerts"."""

    token: str | None = None
    token_file: Path | None = None
    to: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    """In which borrowers may be written to, beside English."""
    templates: Path | None = None
    """A folder with texts that replace ours."""
    topic: int | None = None
    """The topic of a forum in which to write."""
    url: str = "https://api.telegram.org"
    """Of the Bot API: Telegram's, or one of your own."""

    def __post_init__(self) -> None:
        one_of("token", self.token, self.token_file)
        check_base("url", self.url, self.reach)
        for i, chat in enumerate(self.to):
            if not _CHAT.fullmatch(chat):
                raise ValueError(f'to[{i}]: found {chat!r}, expected the id of a chat ("-1001234567890") or "@channel"')

    def __repr__(self) -> str:
        return f"telegram.Config({shown_url(self.url)}, to={self.to})"


def contact(text: str) -> str:
    """The id of a borrower's chat as we send to it. Raises ValueError."""
    chat = text.strip()
    if not _CHAT.fullmatch(chat):
        raise ValueError('expected the id of a chat such as 1234567890, or "@channel"')
    return chat


def read_by_several(chat: str) -> bool:
    """The ids of groups and channels are below zero or names; a person's own chat has the id of the person."""
    return chat.startswith(("-", "@"))


def build(name: str, config: Config) -> TelegramNotifier:
    """Raises BadSecret, and ValueError where the file of certificates cannot be read."""
    config.reach.check()
    token = read_secret(config.token, config.token_file)
    if not _TOKEN.fullmatch(token):
        raise BadSecret("a bot token is digits, a colon and letters, as BotFather gives it")
    return TelegramNotifier(name, config, token, Http(config.reach))


class TelegramNotifier:
    """One bot and its chats, a message for each."""

    def __init__(self, name: str, config: Config, token: str, http: Http) -> None:
        self.name = name
        self._config = config
        self._url = URL(f"{config.url.rstrip('/')}/bot{token}/sendMessage", encoded=True)
        self._http = http
        self._texts = BorrowerTexts(config.languages, config.templates)
        self._recipients = Recipients(TIMEOUT_S)

    def __repr__(self) -> str:
        return f"TelegramNotifier({self.name!r}, {self._config!r})"

    async def send(self, notice: Notice) -> Receipt:
        """One message for each chat. The only chat of our own that refuses is the channel's fault."""
        shown = self._letter(notice) if notice.is_to_borrower else text(notice)

        async def deliver(chat: str) -> str:
            answer = await self._http.post_json(self._url, self._body(notice, chat, shown))
            return _judge(answer, is_own=not notice.to and len(self._config.to) == 1)

        wanted = notice.to or self._config.to
        what = 'the id of a chat or "@channel"'
        return await self._recipients.send(notice, wanted, lambda c: bool(_CHAT.fullmatch(c)), what, deliver)

    def _body(self, notice: Notice, chat: str, shown: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "chat_id": chat if chat.startswith("@") else int(chat),
            "text": shown,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
            "disable_notification": notice.severity == "info",
        }
        if self._config.topic is not None and not notice.to:
            body["message_thread_id"] = self._config.topic
        links = () if notice.is_to_borrower else ((ACKNOWLEDGE, ack_of(notice)), ("Open", page_of(notice)))
        buttons = [{"text": words, "url": link} for words, link in links if link is not None and _may_be_button(link)]
        if buttons:
            body["reply_markup"] = {"inline_keyboard": [buttons]}
        return body

    def _letter(self, notice: Notice) -> str:
        """What a borrower reads: the words of a mail, without a link to pages of the desk."""
        letter = self._texts.mail(notice)
        subject, body = no_mention(letter.subject), no_mention(letter.body.strip())
        while _units(subject) + 1 + _units(body) > LENGTH:
            body = body[: len(body) * 9 // 10]
        return f"<b>{html.escape(subject, quote=False)}</b>\n{html.escape(body, quote=False)}"

    async def close(self) -> None:
        await self._http.close()


def _judge(answer: HttpAnswer, *, is_own: bool) -> str:
    """The id of the message. Raises the DeliveryError that the answer calls for."""
    found = answer.json
    said = one_line(found.get("description") or "", 120)
    result = found.get("result")
    if 200 <= answer.status < 300 and found.get("ok") is True and isinstance(result, dict):
        return f"message {result.get('message_id')}"
    if 200 <= answer.status < 300:
        raise DeliveryError("HTTP 200, and no answer of a Bot API", fault=Fault.CHANNEL, answer="no API")
    if answer.status in (400, 403) and any(words in said.lower() for words in OF_THE_CHAT):
        fault = Fault.CHANNEL if is_own else Fault.NOTICE
        raise DeliveryError(f"HTTP {answer.status}: {said}", fault=fault, answer=said)
    parameters = found.get("parameters")
    asked_s = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if answer.status == 429 and isinstance(asked_s, int | float):
        after_s = min(max(float(asked_s), 0.0), LONGEST_WAIT_S)
        raise DeliveryError(f"HTTP 429: {said}", after_s=after_s)
    return judge(answer, said).detail


def text(notice: Notice) -> str:
    """HTML in which names are escaped, and call nobody. Lines that do not fit are left out."""
    line = no_mention(headline(notice))
    parts = [f"<b>{html.escape(line, quote=False)}</b>"]
    room = LENGTH - _units(line)
    if (link := ack_of(notice)) is not None and not _may_be_button(link):
        words = f"{ACKNOWLEDGE}: {link}"
        parts.append(html.escape(words, quote=False))
        room -= _units(f"\n{words}")
    for name, value in facts_of(notice):
        name, value = no_mention(name), no_mention(value)
        room -= _units(f"\n{name}: {value}")
        if room < 0:
            break
        parts.append(f"{html.escape(name, quote=False)}: <code>{html.escape(value, quote=False)}</code>")
    return "\n".join(parts)


def _may_be_button(link: str) -> bool:
    """Telegram refuses the whole message for a button with an address that it does not like, such as one in the house."""
    return link.startswith("https://")


def _units(shown: str) -> int:
    return len(shown.encode("utf-16-le", errors="surrogatepass")) // 2
