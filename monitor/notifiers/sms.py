"""Short messages that say group, stage, LTV, deadline and what to do.

The desk gets one text of at most 160 characters; where a name is in another alphabet, at most three parts. A borrower gets
the text of the language of the contact, whole, in as many parts as it takes.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import msgspec
from yarl import URL

from monitor.addresses import shown_url
from monitor.clock import Clock, SystemClock
from monitor.core.alerts.catalogue import DIGEST
from monitor.notifiers import _base as base
from monitor.notifiers import _stage_words as stage_words
from monitor.notifiers._addresses import phone_number
from monitor.notifiers._base import (
    DeliveryError,
    Fault,
    Notice,
    Receipt,
    digest_words,
    figure_of,
    one_line,
    page_of,
    subject_of,
    sync_folder,
    title,
    whole_usd_up,
)
from monitor.notifiers._borrowers import BorrowerTexts
from monitor.notifiers._gist import gist_of
from monitor.notifiers._http import PASSING_4XX, USER_AGENT, Http, HttpAnswer, HttpConfig, basic, check_base, judge
from monitor.notifiers._recipients import Recipients
from monitor.secret_files import read_secret
from monitor.telemetry import log

LENGTH = 160
"""One message of GSM 03.38; of several, each has room for 153."""
UCS2_LENGTH = 70
"""One message that holds a character outside that alphabet; of several, each has room for 67."""
_PART, _UCS2_PART = 153, 67
UCS2_MOST = 3 * _UCS2_PART
"""The desk's text in another alphabet: as much as 160 characters, and the longest name we show of a coin or a book."""
NAME_LENGTH = 20
"""The wording shrinks before less than this of a group's name is left; a character of another alphabet may take two units."""
GATEWAY_TIMEOUT_S = 15.0

# The characters of GSM 03.38 that cost one place, and those of its extension table, which cost two.
_GSM7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
) - {"\n", "\r"}

_EXTENSION = set("^{}\\[~]|€")

_NUMBER = re.compile(r"\+[0-9]{6,15}", re.ASCII)
SID_LENGTH = 34
_ACCOUNT = re.compile(r"[A-Za-z0-9]{2,64}", re.ASCII)
_SENDER = re.compile(r"\+?[0-9]{3,15}|MG[0-9A-Fa-f]{32}|(?=.*[A-Za-z])[A-Za-z0-9 _&+-]{1,11}", re.ASCII)

# Codes of Twilio's documented errors.
OF_THE_NUMBER = frozenset({21211, 21214, 21217, 21265, 21401, 21407, 21421, 21610, 21614, 30003, 30005, 30006})
"""No such number, a landline, or its owner has said STOP: no message will reach it."""
OF_THE_TEXT = frozenset({21602, 21605, 21617, 30007, 21619})
"""Empty, too long or filtered: perhaps this text alone."""
BUSY = frozenset({14107, 20429, 21611, 30001, 30008, 30022, 63038})
"""The queue or the rate is at its limit."""
FAILED = frozenset({"failed", "undelivered", "canceled"})
"""States of a message that the gateway has given up already."""


FOR_PEOPLE = True
"""A route may gather its notices into digests."""


class Gateway(Protocol):
    """Sends a text to a number."""

    async def deliver(self, to: str, text: str, *, id: str) -> str:
        """One attempt. Returns the gateway's reference; `id` stays the same for a notice. Raises DeliveryError."""

    async def close(self) -> None:
        """Frees connections."""


class Config(HttpConfig, frozen=True, kw_only=True):
    """`gateway = "stub"` writes to `file`, relative to the working directory; "http" posts in the form of Twilio.

    `account` is the SID of the account; the key is its auth token, or that of `api_key` where one is stated.
    """

    gateway: Literal["stub", "http"] = "stub"
    to: tuple[str, ...] = ()
    file: str = "var/sms.log"
    url: str = "https://api.twilio.com"
    account: str | None = None
    api_key: str | None = None
    """The SID of an API key, in place of the account's own."""
    secret: str | None = None
    secret_file: Path | None = None
    sender: str | None = None
    """A number, a short code or a name of letters; `MG...` is a messaging service."""
    languages: tuple[str, ...] = ()
    """In which borrowers may be written to, beside English."""
    templates: Path | None = None
    """A folder with texts that replace ours."""

    def __post_init__(self) -> None:
        for i, number in enumerate(self.to):
            if not is_number(number):
                raise ValueError(f"to[{i}]: found {number!r}, expected a phone number such as +15550100")
        if self.gateway == "stub":
            if not self.file.strip() or self.file.endswith("/"):
                raise ValueError(f"file: found {self.file!r}, expected the path of a file such as var/sms.log")
            return
        check_base("url", self.url, self.reach)
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError('gateway "http": state either "secret" or "secret_file", the auth token of the account')
        if not _ACCOUNT.fullmatch(self.account or ""):
            raise ValueError(
                f"account: found {self.account!r}, expected the SID of an account such as AC and 32 letters"
            )
        if self.api_key is not None and not _ACCOUNT.fullmatch(self.api_key):
            raise ValueError(f"api_key: found {self.api_key!r}, expected the SID of a key such as SK and 32 letters")
        if not _SENDER.fullmatch(self.sender or ""):
            raise ValueError(
                f"sender: found {self.sender!r}, expected a number, a name of at most 11 letters, or MG..."
            )

    @property
    def place(self) -> str:
        """Where it connects to; nowhere for the stub."""
        return shown_url(self.url) if self.gateway == "http" else ""

    def __repr__(self) -> str:
        where = shown_url(self.url) if self.gateway == "http" else self.file
        return f"sms.Config({self.gateway}, {where}, to={self.to})"


def build(name: str, config: Config) -> SmsNotifier:
    """Raises BadSecret, and ValueError where the file of certificates cannot be read."""
    if config.gateway == "stub":
        return SmsNotifier(name, config, StubGateway(Path(config.file), SystemClock()))
    config.reach.check()
    secret = read_secret(config.secret, config.secret_file)
    return SmsNotifier(name, config, HttpGateway(config, secret, Http(config.reach)))


def is_number(text: str) -> bool:
    """Whether a text is a phone number in the international form."""
    return _NUMBER.fullmatch(text) is not None


class HttpGateway:
    """A gateway in the form of Twilio's Messages: a form is posted, one message for each number, and JSON is the answer."""

    def __init__(self, config: Config, secret: str, http: Http) -> None:
        assert config.account is not None
        assert config.sender is not None
        place = f"{config.url.rstrip('/')}/2010-04-01/Accounts/{config.account}/Messages.json"
        self._url = URL(place, encoded=True)
        self._headers = {
            "content-type": "application/x-www-form-urlencoded",
            "user-agent": USER_AGENT,
            "accept": "application/json",
            "authorization": basic(config.api_key or config.account, secret),
        }
        is_service = config.sender.startswith("MG") and len(config.sender) == SID_LENGTH
        self._sender = ("MessagingServiceSid" if is_service else "From", config.sender)
        self._http = http

    async def deliver(self, to: str, text: str, *, id: str) -> str:
        form = urlencode([("To", to), self._sender, ("Body", text)]).encode()
        return _judge(await self._http.post(self._url, form, self._headers))

    async def close(self) -> None:
        await self._http.close()


def _judge(answer: HttpAnswer) -> str:
    """The gateway's reference. Raises DeliveryError: about this number, about the account, or passing."""
    found = answer.json
    code = found.get("code") if answer.status >= 300 else found.get("error_code")
    code = code if isinstance(code, int) else None
    words = one_line(found.get("message" if answer.status >= 300 else "error_message") or "", 120)
    said = f"HTTP {answer.status}: {code}: {words}".rstrip(": ") if code else f"HTTP {answer.status}"
    is_taken = 200 <= answer.status < 300 and found.get("status") not in FAILED
    if is_taken and isinstance(found.get("sid"), str):
        return one_line(f"{found['sid']} {found.get('status', '')}".strip(), 80)
    if code in OF_THE_NUMBER:
        raise DeliveryError(said, fault=Fault.NOTICE, answer=str(code))
    if code in OF_THE_TEXT:
        raise DeliveryError(said, fault=Fault.DOUBTFUL, answer=str(code))
    if code in BUSY or answer.status >= 500 or answer.status in PASSING_4XX:
        raise DeliveryError(said, after_s=answer.retry_after_s)
    if code is not None or 200 <= answer.status < 300:
        # The sender, the account, a region that is not allowed: none of it is about this notice.
        fault = Fault.CHANNEL if code is not None or "sid" not in found else Fault.PASSING
        raise DeliveryError(said, fault=fault, answer=str(code or "no answer of a gateway"))
    return judge(answer).detail


def contact(text: str) -> str:
    """The number of a borrower in the form of E.164. Raises ValueError."""
    return phone_number(text)


class StubGateway:
    """Writes what it would send to a file, one JSON object a line, and to the log."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    async def deliver(self, to: str, text: str, *, id: str) -> str:
        line = msgspec.json.encode({"time": self._clock.utc(), "to": to, "text": text, "id": id}) + b"\n"
        try:
            await asyncio.to_thread(self._append, line)
        except OSError as e:
            raise DeliveryError(f"cannot write {self._path.name}: {e.strerror}", retry=True) from None
        log.info("an SMS would be sent", to=to, text=text, id=id)
        return f"stub:{self._path.name}"

    def _append(self, line: bytes) -> None:
        """Appends in one write and syncs: lines of two processes do not mix, and they survive a power cut.

        A line that does not fit is taken back, so that half of it does not stay before the next one.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self._path.exists()
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)  # what the umask leaves
        try:
            before = os.fstat(handle).st_size
            written = os.write(handle, line)
            if written < len(line):
                os.ftruncate(handle, before)
                raise OSError(errno.ENOSPC, "only a part of the line fits")
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            sync_folder(self._path.parent)

    async def close(self) -> None:
        """Nothing to free."""


class SmsNotifier:
    """Sends the same text to every number. A number that took it does not get it again when another one fails."""

    def __init__(self, name: str, config: Config, gateway: Gateway) -> None:
        self.name = name
        self._to = config.to
        self._texts = BorrowerTexts(config.languages, config.templates)
        self._gateway = gateway
        self._recipients = Recipients(GATEWAY_TIMEOUT_S)

    def __repr__(self) -> str:
        return f"SmsNotifier({self.name!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Tries every number once. Raises DeliveryError where a later attempt may succeed, or where none got through."""
        shown = self._texts.short(notice) if notice.is_to_borrower else text(notice)

        def deliver(number: str) -> Awaitable[str]:
            return self._gateway.deliver(number, shown, id=notice.id)

        wanted = notice.to or self._to
        return await self._recipients.send(notice, wanted, is_number, "a phone number", deliver)

    async def close(self) -> None:
        await self._gateway.close()


def text(notice: Notice) -> str:
    """`CRITICAL G-1 margin call. LTV 77.12%. Repay 66,396 USD or add collateral by 14:05 UTC 22 Nov. Ref evt_abcdefgh`

    At most 160 characters of the GSM alphabet, or three parts of any. Where all that does not fit, the wording shrinks
    first, then the name. The address of the page follows where it costs no further message.
    """
    if notice.type == DIGEST:
        end = f". Ref {notice.id[:12]}"
        return _with_page(_gsm(f"{notice.severity.upper()} {digest_words(notice)}")[: LENGTH - len(end)] + end, notice)
    start = f"{'TEST ' if notice.data.get('test') else ''}{notice.severity.upper()} "
    name = f"{subject_of(notice)} ".lstrip()
    code = (notice.data.get("acknowledge") or {}).get("code")
    ref = f" Reply OK {code}" if code else f" Ref {notice.id[:12]}"
    limit = LENGTH if _is_gsm(name) else UCS2_MOST
    size = _places if _is_gsm(name) else _units
    least = min(size(name), NAME_LENGTH if _is_gsm(name) else 2 * NAME_LENGTH)
    room, tail = 0, ""
    for words in _wordings(notice):
        tail = _gsm(f"{title(notice)}.{words}{ref}")
        room = limit - size(start) - size(tail)
        if room >= least:
            break
    if size(name) > room:
        while name and size(name) > max(room - 3, 0):
            name = name[:-1]
        name += ".. "
    return _with_page(start + name + tail, notice)


def _with_page(line: str, notice: Notice) -> str:
    """The text with the address of its page, which is of no use in part."""
    page = page_of(notice)
    longer = f"{line} {page}"
    return line if page is None or parts(longer) > parts(line) else longer


def parts(line: str) -> int:
    """In how many messages a gateway sends a text."""
    if _is_gsm(line):
        return 1 if _places(line) <= LENGTH else -(-_places(line) // _PART)
    return 1 if _units(line) <= UCS2_LENGTH else -(-_units(line) // _UCS2_PART)


def _is_gsm(line: str) -> bool:
    return all(c in _GSM7 or c in _EXTENSION for c in line)


def _places(line: str) -> int:
    """Of a text in the GSM alphabet."""
    return len(line) + sum(c in _EXTENSION for c in line)


def _units(line: str) -> int:
    """Of a text in UCS-2: a character beyond the first plane takes two."""
    return len(line.encode("utf-16-le", "surrogatepass")) // 2


def _wordings(notice: Notice) -> Iterator[str]:
    """What was not done in time, the figure, what to do by when, what counts next, and whether the prices are current: in
    full, then shorter."""
    data = notice.data
    figure = figure_of(data)
    late = stage_words.in_time(notice.type, data)
    ltv = f" {late.capitalize()}." if late else ""
    ltv += "" if figure is None else f" {_tight(figure)}."
    rules = base.by_rules(data)
    notes = (_notes(data, " By new rules, not prices." if rules else ""), _notes(data, " New rules." if rules else ""))
    counts = [f" {_brief(words)}." for words in stage_words.next_words(data)]
    shown, plain = _asked(data, data.get("zone")), _asked(data, None)
    if (gist := gist_of(notice.type, data.get("facts") or {})) is not None:
        yield f"{ltv} {one_line(gist)}.{notes[0]}"
        yield f"{ltv} {gist.many}.{notes[1]}"
    # What to do and why shrink before the desk's time goes, and that before what counts next.
    for then, asked in ((counts, shown), (counts, plain), (counts[:1], shown), (counts[:1], plain), ([], shown)):
        for note in notes:
            for words in asked[:-1] or asked:
                yield f"{ltv}{words}{_unsaid(then, words)}{note}"
    for words in plain:
        yield f"{ltv}{words}{notes[1]}"
    yield f"{ltv}{plain[-1]}{' New rules.' if rules else ''}"
    yield ltv + plain[-1]


def _unsaid(counts: list[str], asked: str) -> str:
    """What counts next without the level that was said with the amount."""
    return "".join(words for words in counts if not (" to " in asked and words.startswith(" Cured at ")))


def _asked(data: dict[str, Any], zone: str | None) -> list[str]:
    """What to do by when, in full, then shorter."""
    if (call := stage_words.called(data)) is not None:
        return [f" Outstanding {whole_usd_up(call[0])} USD, due {base.short_moment(call[1], zone)}."]
    by = f" by {base.short_moment(data['deadline'], zone)}" if data.get("deadline") else ""
    repay = (data.get("cure") or {}).get("repay_usd", "0")
    initial = (data.get("thresholds") or {}).get("initial")
    to = "" if initial is None else f" to {_tight(stage_words.level_text(data, initial))}"
    deadline = f" {f'Cure{to}' if to else 'Deadline'}{by}." if by else ""
    if repay == "0":
        return [deadline]
    amount = f" Repay {whole_usd_up(repay)} USD"
    return [f"{amount} or add collateral{to}{by}.", f"{amount}{to}{by}.", f"{amount}{by}.", deadline]


def _brief(words: str) -> str:
    return _tight(words).capitalize().replace("Immediate liquidation", "Immediate")


def _tight(words: str) -> str:
    return words.replace(" %", "%")


def _notes(data: dict[str, Any], rules: str) -> str:
    """What to know of the figures: why they are new, and what they are without."""
    old = " Prices not current." if data.get("blind") and not data.get("missing") else ""
    return f"{rules}{_coins_apart(data)}{old}"


def _coins_apart(data: dict[str, Any]) -> str:
    """Coins that the figures are without, in few words."""
    missing, rows = data.get("missing") or (), data.get("uncounted") or ()
    words = f" No price of {one_line(missing[0], 20)}." if missing else ""
    if rows:
        words += f" {base.number(rows[0]['quantity'])} {one_line(rows[0]['asset'], 20)} not counted."
    return words


def _gsm(line: str) -> str:
    return "".join(c if c in _GSM7 or c in _EXTENSION else "?" for c in line)
