"""Short messages that say group, stage, LTV, deadline and what to do.

The desk gets one text of at most 160 characters; where a name is in another alphabet, at most three parts. A borrower gets
the text of the language of the contact, whole, in as many parts as it takes.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from monitor.clock import Clock, SystemClock
from monitor.core.alerts.catalogue import DIGEST
from monitor.notifiers._addresses import phone_number
from monitor.notifiers._base import (
    Accepted,
    DeliveryError,
    Fault,
    Notice,
    Receipt,
    RefusedRecipient,
    digest_words,
    figure_of,
    one_line,
    page_of,
    partial,
    refused_words,
    subject_of,
    sync_folder,
    title,
    whole_usd_up,
)
from monitor.notifiers._borrowers import BorrowerTexts
from monitor.telemetry import log

LENGTH = 160
"""One message of GSM 03.38; of several, each has room for 153."""
UCS2_LENGTH = 70
"""One message that holds a character outside that alphabet; of several, each has room for 67."""
_PART, _UCS2_PART = 153, 67
UCS2_MOST = 3 * _UCS2_PART
"""The desk's text in another alphabet: as much as 160 characters, and the longest name we show of a coin or a book."""
NAME_LENGTH = 20
"""The wording shrinks before less than this of a group's name is left."""
GATEWAY_TIMEOUT_S = 15.0

# The characters of GSM 03.38 that cost one place, and those of its extension table, which cost two.
_GSM7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
) - {"\n", "\r"}

_EXTENSION = set("^{}\\[~]|€")

_NUMBER = re.compile(r"\+[0-9]{6,15}", re.ASCII)


FOR_PEOPLE = True
"""A route may gather its notices into digests."""


class Gateway(Protocol):
    """Sends a text to a number."""

    async def deliver(self, to: str, text: str, *, id: str) -> str:
        """One attempt. Returns the gateway's reference; `id` stays the same for a notice. Raises DeliveryError."""


class Config(msgspec.Struct, frozen=True):
    """`file` is relative to the working directory."""

    gateway: Literal["stub"] = "stub"
    to: tuple[str, ...] = ()
    file: str = "var/sms.log"
    languages: tuple[str, ...] = ()
    """In which borrowers may be written to, beside English."""
    templates: Path | None = None
    """A folder with texts that replace ours."""

    def __post_init__(self) -> None:
        for i, number in enumerate(self.to):
            if not _NUMBER.fullmatch(number):
                raise ValueError(f"to[{i}]: found {number!r}, expected a phone number such as +15550100")


def build(name: str, config: Config) -> SmsNotifier:
    return SmsNotifier(name, config, StubGateway(Path(config.file), SystemClock()))


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
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
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


class SmsNotifier:
    """Sends the same text to every number. A number that took it does not get it again when another one fails."""

    def __init__(self, name: str, config: Config, gateway: Gateway) -> None:
        self.name = name
        self._to = config.to
        self._texts = BorrowerTexts(config.languages, config.templates)
        self._gateway = gateway
        self._accepted = Accepted()

    def __repr__(self) -> str:
        return f"SmsNotifier({self.name!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Tries every number once. Raises DeliveryError where a later attempt may succeed, or where none got through."""
        wanted = notice.to or self._to
        numbers = [n for n in wanted if _NUMBER.fullmatch(n)]
        lost = [RefusedRecipient(one_line(n, 40), "not a phone number") for n in wanted if n not in numbers]
        if not numbers:
            raise DeliveryError(
                refused_words(lost) or "nobody to send it to", fault=Fault.NOTICE, receipt=Receipt(refused=tuple(lost))
            )
        words = self._texts.short(notice) if notice.to else text(notice)
        took: dict[str, str] = {}
        later: list[tuple[str, DeliveryError]] = []
        for number in self._accepted.left(notice, numbers):
            try:
                async with asyncio.timeout(GATEWAY_TIMEOUT_S):
                    took[number] = await self._gateway.deliver(number, words, id=notice.id)
                self._accepted.note(notice, [number])
            except TimeoutError:
                later.append((number, DeliveryError("no answer")))
            except DeliveryError as e:
                if e.retry:
                    later.append((number, e))
                else:
                    lost.append(RefusedRecipient(number, e.reason))
        refused = tuple(lost)
        if later:
            asked_again = tuple(RefusedRecipient(number, e.reason) for number, e in later)
            worst = later[0][1]
            why = one_line(refused_words((*asked_again, *refused)), 500)
            receipt = Receipt("", tuple(took), refused, asked_again)
            raise DeliveryError(why, fault=worst.fault, after_s=worst.after_s, receipt=receipt)
        if len(refused) == len(wanted):
            raise DeliveryError(refused_words(refused), fault=Fault.NOTICE, receipt=Receipt(refused=refused))
        self._accepted.forget(notice)
        detail = "; ".join(f"{number}: {reference}" for number, reference in took.items())
        return Receipt(partial(detail, refused), tuple(took), refused)

    async def close(self) -> None:
        """Nothing to free."""


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
    ref = f" Ref {notice.id[:12]}"
    limit = LENGTH if _is_gsm(name) else UCS2_MOST
    size = _places if _is_gsm(name) else _units
    room, tail = 0, ""
    for words in _wordings(notice):
        tail = _gsm(f"{title(notice)}.{words}{ref}")
        room = limit - size(start) - size(tail)
        if room >= min(size(name), NAME_LENGTH):
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
    """LTV, what to do by when, and whether the prices are current: in full, then shorter."""
    data = notice.data
    figure = figure_of(data)
    ltv = "" if figure is None else f" {figure.replace(' %', '%')}."
    by = f" by {_short(data['deadline'])}" if data.get("deadline") else ""
    repay = (data.get("cure") or {}).get("repay_usd", "0")
    amount = f" Repay {whole_usd_up(repay)} USD"
    deadline = f" Deadline{by}." if by else ""
    blind = " Prices not current." if data.get("blind") else ""
    if repay != "0":
        yield f"{ltv}{amount} or add collateral{by}.{blind}"
        yield f"{ltv}{amount}{by}.{blind}"
    yield ltv + deadline + blind
    yield ltv + deadline


def _short(timestamp: str) -> str:
    return datetime.fromisoformat(timestamp).strftime("%H:%M UTC %d %b")


def _gsm(line: str) -> str:
    return "".join(c if c in _GSM7 or c in _EXTENSION else "?" for c in line)
