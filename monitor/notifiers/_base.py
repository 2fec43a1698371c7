"""What every channel shares: the notice, the one attempt, the error that says whether to retry, and words for people."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import msgspec

from monitor.core.alerts.catalogue import title_of
from monitor.core.money import CENT, ONE, plain, round_down, round_up


class Notice(msgspec.Struct, frozen=True):
    """An alert as it is sent: the object of docs/alerts.md, and the borrower's addresses where it goes to them."""

    type: str
    timestamp: str
    data: dict[str, Any]
    to: tuple[str, ...] = ()
    """The borrower's addresses: they replace the notifier's own (route target `contacts`)."""

    @property
    def id(self) -> str:
        """The same in every attempt: receivers drop duplicates by it."""
        return str(self.data["id"])

    @property
    def severity(self) -> str:
        """info, warning or critical."""
        return str(self.data.get("severity", "info"))

    def body(self) -> bytes:
        """The exact bytes that are signed and sent; the same for every attempt."""
        return msgspec.json.encode({"type": self.type, "timestamp": self.timestamp, "data": self.data})


class RefusedRecipient(msgspec.Struct, frozen=True):
    """A recipient who does not take the notice, for good, and what the other side said."""

    recipient: str
    reason: str


class Receipt(msgspec.Struct, frozen=True):
    """What the other side said when it took the notice. The record of the attempt keeps it."""

    detail: str = ""
    took: tuple[str, ...] = ()
    """The recipients who have it, where the channel has more than one."""
    refused: tuple[RefusedRecipient, ...] = ()
    """Those who will never have it: the delivery is partial."""
    later: tuple[RefusedRecipient, ...] = ()
    """Those who put us off: they are asked again."""


def refused_words(refused: Iterable[RefusedRecipient]) -> str:
    """Who refused, and why, in one line."""
    return "; ".join(f"refused {each.recipient}: {each.reason}" for each in refused)


def partial(detail: str, refused: Sequence[RefusedRecipient]) -> str:
    """The detail of a receipt; it says so where some recipients will never have the notice."""
    return one_line(f"partial: {detail}; {refused_words(refused)}" if refused else detail, 500)


class Fault(StrEnum):
    """Whose fault a failed attempt is, and so what has to wait."""

    PASSING = "passing"
    """A time-out, a server that is busy, a lost connection: the next try may go through."""
    CHANNEL = "channel"
    """The channel refuses everything: a password, a certificate, an address that moved. Only a probe a minute goes out."""
    DOUBTFUL = "doubtful"
    """Perhaps this notice alone: another one that passes, or is refused alike, shows whose fault it is."""
    NOTICE = "notice"
    """Plainly this notice alone, for example a recipient who does not exist: no later try can succeed."""


class DeliveryError(Exception):
    """One attempt failed. `fault` says what waits, `after_s` the pause that the peer asked for.

    `retry` is short for a fault that is passing, or the notice's own. `answer` is the peer's code: equal for an equal cause.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry: bool = True,
        fault: Fault | None = None,
        after_s: float | None = None,
        answer: str = "",
        receipt: Receipt | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fault = fault or (Fault.PASSING if retry else Fault.NOTICE)
        self.after_s = after_s
        self.answer = answer
        self.receipt = receipt or Receipt()
        """Single recipients: who has the notice already, so that the channel works, and who refused for good."""

    @property
    def retry(self) -> bool:
        """The same notice may go through later."""
        return self.fault is not Fault.NOTICE


class ChannelState(msgspec.Struct, frozen=True):
    """How a channel does, as the dispatcher sees it. The times are those of attempts since the start."""

    name: str
    kind: str
    is_open: bool
    """The breaker is open: the dispatcher only probes the channel."""
    queued: int
    oldest_at: datetime | None
    """When the store committed the oldest notice that is not delivered."""
    delivered_at: datetime | None
    failed_at: datetime | None
    failure: str | None


class Notifier(Protocol):
    """A channel. Its module has `Config` (a frozen struct that core.schema reads) and `build(name, config) -> Notifier`.

    `build` reads secrets and raises BadSecret. It opens no connection, so a configuration can be checked offline.
    """

    async def send(self, notice: Notice) -> Receipt:
        """ONE attempt, bounded in time. Raises DeliveryError."""

    async def close(self) -> None:
        """Frees connections."""


def sync_folder(folder: Path) -> None:
    """Makes the names of new files survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Accepted:
    """Which addresses already took a notice whose attempt failed for others: the next attempt leaves them out.

    It remembers the last 1,000 such notices. After a restart an address may get a duplicate with the same id.
    """

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, set[str]] = OrderedDict()

    def note(self, notice: Notice, addresses: Iterable[str]) -> None:
        self._by_id.setdefault(self._key(notice), set()).update(addresses)
        while len(self._by_id) > 1000:
            self._by_id.popitem(last=False)

    def left(self, notice: Notice, addresses: Iterable[str]) -> list[str]:
        """The addresses that have not taken it yet."""
        done = self._by_id.get(self._key(notice), set())
        return [a for a in addresses if a not in done]

    def forget(self, notice: Notice) -> None:
        self._by_id.pop(self._key(notice), None)

    @staticmethod
    def _key(notice: Notice) -> str:
        return "|".join((notice.id, *notice.to))


# Words and figures for people. Names come from loan books and feeds, so they go through `one_line` before anybody sees them.


def one_line(text: object, limit: int = 200) -> str:
    """Printable text on one line, cut to a length. Line breaks, terminal codes and turns of the writing direction go."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def title(notice: Notice) -> str:
    """What happened, in the desk's words."""
    return one_line(title_of(notice.type))


def subject_of(notice: Notice) -> str:
    """What it is about: the group, or else the coin, the place in a book or the channel."""
    group = notice.data.get("group") or {}
    return one_line(group.get("id") or notice.data.get("subject") or "", 128)


def percent(ratio: str | Decimal) -> str:
    """An LTV with two decimals, rounded down: it never shows a line as crossed before it is."""
    return f"{round_down(Decimal(ratio), Decimal('0.0001')).scaleb(2):.2f} %"


def line_percent(ratio: str | Decimal) -> str:
    """A threshold with all its digits."""
    return f"{plain(Decimal(ratio).scaleb(2))} %"


def points(difference: Decimal) -> str:
    """A distance between two LTVs, rounded down: the group has at least this much room."""
    return f"{round_down(difference, Decimal('0.0001')).scaleb(2):.2f} points"


def usd_down(amount: str) -> str:
    """What a group has, in USD, rounded down to the cent."""
    return f"{round_down(Decimal(amount), CENT):,}"


def usd_up(amount: str) -> str:
    """What a group owes or must bring, in USD, rounded up to the cent."""
    return f"{round_up(Decimal(amount), CENT):,}"


def whole_usd_up(amount: str) -> str:
    """What a group must bring, in whole USD, for short texts."""
    return f"{round_up(Decimal(amount), ONE):,}"


def number(quantity: str) -> str:
    """A quantity or price with all its digits and thousands separators."""
    return f"{Decimal(quantity):,f}"


def moment(timestamp: str) -> str:
    """`2026-11-22 14:05 UTC`: cut to the minute, so a deadline looks early rather than late."""
    return datetime.fromisoformat(timestamp).strftime("%Y-%m-%d %H:%M UTC")


def figure_of(data: Mapping[str, Any]) -> str | None:
    """`LTV 91.83 %`, or `margin level 1.04` where a level judges the product; None where there is no figure."""
    metric = data.get("metric")
    if metric is not None:
        level = data.get(metric)
        return None if level is None else f"{metric.replace('_', ' ')} {level}"
    return None if data.get("ltv") is None else f"LTV {percent(data['ltv'])}"


def page_of(notice: Notice) -> str | None:
    """The address of the page of what it is about; None where the monitor has no `public_url`."""
    url = notice.data.get("url")
    return url if isinstance(url, str) and url.isprintable() and url.startswith(("https://", "http://")) else None


def headline(notice: Notice) -> str:
    """One line: `[CRITICAL] G-1001 delayed liquidation: LTV 91.83 %, cure by 2026-11-22 14:05 UTC`."""
    data = notice.data
    news = []
    if (figure := figure_of(data)) is not None:
        news.append(figure)
    if data.get("deadline"):
        news.append(f"cure by {moment(data['deadline'])}")
    if data.get("blind"):
        news.append("prices not current")
    words = ("TEST" if data.get("test") else "", f"[{notice.severity.upper()}]", subject_of(notice), title(notice))
    return " ".join(filter(None, words)) + (": " + ", ".join(news) if news else "")
