"""Publishes notices to a topic of an ntfy server, ntfy.sh or one of your own, for phones and desktops."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import msgspec
from yarl import URL

from monitor.addresses import shown_url
from monitor.notifiers._base import ACKNOWLEDGE, Notice, Receipt, ack_of, headline, one_line, page_of
from monitor.notifiers._http import USER_AGENT, Http, HttpAnswer, HttpConfig, basic, check_base, judge
from monitor.notifiers._words import facts_of
from monitor.secret_files import BadSecret, read_secret

LIMIT_BYTES = 4096
"""A longer message arrives as an attached file."""
TITLE_LIMIT = 250
PRIORITIES = {"critical": "5", "warning": "4", "info": "3"}
TAGS = {"critical": "rotating_light", "warning": "warning", "info": "information_source"}
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}", re.ASCII)


FOR_PEOPLE = True
"""A route may gather its notices into digests."""


class Config(HttpConfig, frozen=True, kw_only=True):
    """A topic that nobody can guess is as good as a password: `topic_file` keeps it out of the configuration."""

    url: str = "https://ntfy.sh"
    topic: str | None = None
    topic_file: Path | None = None
    token: str | None = None
    token_file: Path | None = None
    username: str | None = None
    password: str | None = None
    password_file: Path | None = None

    def __post_init__(self) -> None:
        check_base("url", self.url, self.reach)
        if (self.topic is None) == (self.topic_file is None):
            raise ValueError('state either "topic" or "topic_file"')
        if self.topic is not None and not _TOPIC.fullmatch(self.topic):
            raise ValueError("topic: found something else than 1 to 64 letters, digits, - and _")
        if (self.username is None) != (self.password is None and self.password_file is None):
            raise ValueError("username and password_file (or password) belong together")
        if self.username is not None and (self.token is not None or self.token_file is not None):
            raise ValueError("state a token, or a username with its password")

    def __repr__(self) -> str:
        return f"ntfy.Config({shown_url(self.url)})"


def build(name: str, config: Config) -> NtfyNotifier:
    """Raises BadSecret, and ValueError where the file of certificates cannot be read."""
    config.reach.check()
    topic = read_secret(config.topic, config.topic_file)
    if not _TOPIC.fullmatch(topic):
        raise BadSecret("a topic is 1 to 64 letters, digits, - and _")
    headers = {}
    if config.username is not None:
        headers["authorization"] = basic(config.username, read_secret(config.password, config.password_file))
    elif config.token is not None or config.token_file is not None:
        token = read_secret(config.token, config.token_file)
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise BadSecret("an access token is one word of printable characters")
        headers["authorization"] = f"Bearer {token}"
    return NtfyNotifier(name, config, URL(f"{config.url.rstrip('/')}/{topic}", encoded=True), headers)


class NtfyNotifier:
    """One topic."""

    def __init__(self, name: str, config: Config, url: URL, headers: dict[str, str]) -> None:
        self.name = name
        self._config = config
        self._url = url
        self._headers = headers
        self._http = Http(config.reach)

    def __repr__(self) -> str:
        return f"NtfyNotifier({self.name!r}, {self._config!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Publishes once. ntfy has no key for duplicates: the id is in the text."""
        return _judge(await self._http.post(self._url, text(notice), {**headers_of(notice), **self._headers}))

    async def close(self) -> None:
        await self._http.close()


def _judge(answer: HttpAnswer) -> Receipt:
    found = answer.json
    if 200 <= answer.status < 300:
        return Receipt(one_line(f"HTTP {answer.status}: {found.get('id', '')}".rstrip(": "), 80))
    code = found.get("code")
    return judge(answer, f"code {code}" if isinstance(code, int) else "")


def headers_of(notice: Notice) -> dict[str, str]:
    """Title, priority, tags, the page to open, and the button of the person who is asked."""
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "user-agent": USER_AGENT,
        "title": _header(one_line(headline(notice), TITLE_LIMIT)),
        "priority": PRIORITIES.get(notice.severity, "3"),
        "tags": TAGS.get(notice.severity, "loudspeaker"),
        "markdown": "no",
    }
    if (link := page_of(notice)) is not None and link.isascii() and link.isprintable():
        headers["click"] = link
    if (link := ack_of(notice)) is not None and link.isascii():
        # A button that opens the page: one that posts by itself would acknowledge what nobody has read.
        action = {"action": "view", "label": ACKNOWLEDGE, "url": link, "clear": True}
        headers["actions"] = msgspec.json.encode([action]).decode()
    return headers


def _header(text: str) -> str:
    """A header is ASCII; ntfy reads the encoded words of RFC 2047. A text that looks like one is encoded too."""
    if text.isascii() and "=?" not in text:
        return text
    return f"=?UTF-8?B?{base64.b64encode(text.encode(errors='replace')).decode()}?="


def text(notice: Notice) -> bytes:
    """The message. Lines that do not fit are left out, and the id stays."""
    *facts, (ref, id) = facts_of(notice)
    last = f"{ref}: {id}".encode(errors="replace")
    lines: list[bytes] = []
    room = LIMIT_BYTES - len(last)
    for name, value in facts:
        line = f"{name}: {value}\n".encode(errors="replace")
        room -= len(line)
        if room < 0:
            break
        lines.append(line)
    return b"".join((*lines, last))
