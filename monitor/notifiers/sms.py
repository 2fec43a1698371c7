"""Short messages: one text of at most 160 characters that says group, stage, LTV, deadline and what to do."""

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
from monitor.notifiers._addresses import phone_number
from monitor.notifiers._base import (
    Accepted,
    DeliveryError,
    Fault,
    Notice,
    Receipt,
    RefusedRecipient,
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
from monitor.telemetry import log

LENGTH = 160
"""One message of GSM 03.38; one character outside its alphabet would leave room for 70."""
NAME_LENGTH = 20
"""The wording shrinks before less than this of a group's name is left."""
GATEWAY_TIMEOUT_S = 15.0

# The characters of GSM 03.38 that cost one place. Those of its extension table cost two and become question marks.
_GSM7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
) - {"\n", "\r"}

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
        took: dict[str, str] = {}
        later: list[tuple[str, DeliveryError]] = []
        for number in self._accepted.left(notice, numbers):
            try:
                async with asyncio.timeout(GATEWAY_TIMEOUT_S):
                    took[number] = await self._gateway.deliver(number, text(notice), id=notice.id)
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
            words = one_line(refused_words((*asked_again, *refused)), 500)
            receipt = Receipt("", tuple(took), refused, asked_again)
            raise DeliveryError(words, fault=worst.fault, after_s=worst.after_s, receipt=receipt)
        if len(refused) == len(wanted):
            raise DeliveryError(refused_words(refused), fault=Fault.NOTICE, receipt=Receipt(refused=refused))
        self._accepted.forget(notice)
        detail = "; ".join(f"{number}: {reference}" for number, reference in took.items())
        return Receipt(partial(detail, refused), tuple(took), refused)

    async def close(self) -> None:
        """Nothing to free."""


def text(notice: Notice) -> str:
    """`CRITICAL G-1 margin call. LTV 77.12%. Repay 66,396 USD or add collateral by 14:05 UTC 22 Nov. Ref evt_abcdefgh`

    At most 160 characters of the GSM alphabet. Where all that does not fit, the wording shrinks first, then the name. The
    address of the group's page follows where there is room for all of it.
    """
    start = f"{'TEST ' if notice.data.get('test') else ''}{notice.severity.upper()} "
    name = _gsm(f"{subject_of(notice)} ".lstrip())
    ref = f" Ref {notice.id[:12]}"
    room, tail = 0, ""
    for words in _wordings(notice):
        tail = _gsm(f"{title(notice)}.{words}{ref}")
        room = LENGTH - len(start) - len(tail)
        if room >= min(len(name), NAME_LENGTH):
            break
    if len(name) > room:
        name = name[: max(room - 3, 0)] + ".. "
    return _with_page((start + name + tail)[:LENGTH], page_of(notice))


def _with_page(line: str, page: str | None) -> str:
    """The text with an address, which is of no use in part."""
    longer = f"{line} {page}"
    return line if page is None or len(longer) > LENGTH or not set(page) <= _GSM7 else longer


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
    return "".join(c if c in _GSM7 else "?" for c in line)
