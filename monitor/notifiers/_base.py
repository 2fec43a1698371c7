"""What every channel shares: the notice, the one attempt, the error that says whether to retry, and words for people."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from unicodedata import bidirectional
from zoneinfo import ZoneInfo

import msgspec

from monitor.contacts import Manner
from monitor.control_characters import unbroken, visible
from monitor.core import text
from monitor.core.alerts.catalogue import DIGEST, TO_PEOPLE
from monitor.core.alerts.titles import title_of
from monitor.core.money import CENT, ONE, round_to, round_up
from monitor.core.stages.stages import CALL_DISPUTED, CALL_MET, CALL_WITHDRAWN
from monitor.notifiers._gist import gist_of
from monitor.notifiers._stage_words import called, in_time, level_text, next_words

SETTLED = "margin call dispute settled"
_OVER = frozenset({CALL_MET, CALL_WITHDRAWN})
AMOUNT_TEXT = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


class Notice(msgspec.Struct, frozen=True):
    """An alert as it is sent: the object of docs/alerts.md, and the borrower's addresses where it goes to them."""

    type: str
    timestamp: str
    data: dict[str, Any]
    to: tuple[str, ...] = ()
    """The borrower's addresses: they replace the notifier's own (route target `contacts`)."""
    manner: Manner = Manner()
    """The language and the template of their owner."""

    @property
    def is_to_borrower(self) -> bool:
        """It goes to addresses of its own, and not because a step of an escalation asks a person of the desk."""
        return bool(self.to) and self.type not in TO_PEOPLE

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


class Body(NamedTuple):
    """A notice as the bytes that are sent, with what of it stands beside them."""

    id: str
    timestamp: str
    content: bytes

    @classmethod
    def of(cls, notice: Notice) -> Body:
        """The bytes of a notice."""
        return cls(notice.id, notice.timestamp, notice.body())

    def body(self) -> bytes:
        """As a notice says it."""
        return self.content

    @property
    def notice(self) -> Notice:
        """The object that the bytes are of."""
        return _read_notice(self.content)


_read_notice = msgspec.json.Decoder(Notice).decode


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
    fallback: str | None = None
    off_at: datetime | None = None
    """Since when it is switched off; None where it is on."""
    off_reason: str | None = None
    held: int = 0
    """Notices that wait for the end of a quiet time; they are not among the queued ones."""


class BodyNotifier(Protocol):
    """A notifier that sends a notice as it is and reads nothing of it. It says so by `bodies`."""

    bodies: bool

    async def send_body(self, body: Body) -> Receipt:
        """ONE attempt, as `Notifier.send`."""


class BatchNotifier(Protocol):
    """A notifier whose other side takes several notices in one body. It says so by `batch`; without it each goes alone."""

    batch: bool

    async def send_batch(self, notices: Sequence[Body]) -> Receipt:
        """ONE attempt for all of them, in order: all are taken, or none. Raises DeliveryError."""


BATCH_BYTES = 20_000
"""A body of the specification is shorter."""
_BATCH_FRAME = 150
"""What stands around the items, at most."""


Sent = TypeVar("Sent", Notice, Body)


def batches(notices: Sequence[Sent]) -> list[list[Sent]]:
    """Notices in order, cut into as many as a body holds. One that is too long by itself has its own."""
    found: list[list[Sent]] = []
    left = 0
    for notice in notices:
        size = len(notice.body()) + 1
        if size > left:
            found.append([])
            left = BATCH_BYTES - _BATCH_FRAME
        found[-1].append(notice)
        left -= size
    return found


def batch_id(alerts: Iterable[str]) -> str:
    """`bat_` and 26 characters made of the ids in it, in their order, so that a retry has the same."""
    return _batch_id("\n".join(alerts))


@lru_cache(maxsize=64)  # that of a body stands in its headers and in the record of each notice
def _batch_id(alerts: str) -> str:
    digest = hashlib.sha256(alerts.encode()).digest()
    # 20 bytes are 32 characters; the rest of them would be cut off.
    return "bat_" + base64.b32encode(digest[:20]).decode().lower()[:26]


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


_JOINERS = frozenset("\u200c\u200d")
"""They shape the letters of Persian and Indian names, and turn nothing."""
_MARKS = frozenset("\u200e\u200f\u061c")
"""A direction for the signs beside them; harmless within an isolate."""
_ISOLATE = "\u2068"
_END_OF_ISOLATE = "\u2069"
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})

# Words and figures for people. Names come from loan books and feeds, so they go through `one_line` before anybody sees them.


def one_line(text: object, limit: int = 200) -> str:
    """Printable text on one line, cut to a length. Line breaks are blanks; terminal codes and turns of the writing direction
    are shown as escapes, and what else cannot be seen goes."""
    return _on_one_line(text, limit, _JOINERS)


def isolated(text: object, limit: int = 200) -> str:
    """The same for a mail: a name that is read from right to left does not turn the words beside it."""
    line = _on_one_line(text, limit, _JOINERS | _MARKS)
    if not any(c in _MARKS or bidirectional(c) in _RIGHT_TO_LEFT for c in line):
        return line
    return f"{_ISOLATE}{line}{_END_OF_ISOLATE}"


def _on_one_line(text: object, limit: int, kept: frozenset[str]) -> str:
    shown = visible(unbroken(str(text)))
    line = " ".join("".join(c if c.isprintable() or c in kept else " " for c in shown).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def title(notice: Notice) -> str:
    """What happened, in the desk's words."""
    return SETTLED if is_settled(notice) else one_line(title_of(notice.type, notice.data.get("facts")))


def is_settled(notice: Notice) -> bool:
    """It tells the end of a dispute: one type of alert tells both of its ends."""
    return notice.type == CALL_DISPUTED and (notice.data.get("facts") or {}).get("dispute") == "resolved"


def fact_of(name: str, value: Any) -> tuple[str, Any]:
    """A fact's name and value: amounts as people read them, others as they are."""
    if isinstance(value, str) and name.endswith("_usd") and AMOUNT_TEXT.fullmatch(value):
        return name.removesuffix("_usd"), f"{number(value)} USD"
    return name, value


def subject_of(notice: Notice) -> str:
    """What it is about: the group, or else the coin, the place in a book or the channel."""
    group = notice.data.get("group") or {}
    return one_line(group.get("id") or notice.data.get("subject") or "", 128)


def percent(ratio: str | Decimal, lines: Mapping[str, str] | None = None) -> str:
    """An LTV with two decimals, or with as many as it needs to stand on its side of its lines."""
    levels = None if lines is None else [Decimal(level) for level in lines.values()]
    return f"{number(text.percent(Decimal(ratio), levels))} %"


def usd(amount: str) -> str:
    """What a group has or owes, in USD, to the nearest cent: the same figure as on the page."""
    return f"{round_to(Decimal(amount), CENT, 'half_even'):,}"


def usd_up(amount: str) -> str:
    """What a group must bring, in USD, rounded up to the cent, so that it suffices."""
    return f"{round_up(Decimal(amount), CENT):,}"


def whole_usd_up(amount: str) -> str:
    """What a group must bring, in whole USD, for short texts."""
    return f"{round_up(Decimal(amount), ONE):,}"


def number(quantity: str) -> str:
    """A quantity or price with all its digits and thousands separators."""
    return f"{Decimal(quantity):,f}"


def moment(timestamp: str, zone: str | None = None) -> str:
    """`2026-11-22 14:05 UTC (15:05 CET)`: cut to the minute, so a deadline looks early rather than late."""
    when = datetime.fromisoformat(timestamp)
    return f"{when:%Y-%m-%d %H:%M} UTC{beside_utc(when, zone, '%Y-%m-%d %H:%M')}"


def short_moment(timestamp: str, zone: str | None = None) -> str:
    """`14:05 UTC 22 Nov (15:05 CET)`, for short texts."""
    when = datetime.fromisoformat(timestamp)
    return f"{when:%H:%M UTC %d %b}{beside_utc(when, zone, '%d %b %H:%M')}"


def beside_utc(when: datetime, zone: str | None, dated: str) -> str:
    """The same time in the desk's zone, in brackets; with the date where that is another one there. Nothing in UTC."""
    if not zone:
        return ""
    there = when.astimezone(ZoneInfo(zone))
    if not there.utcoffset():
        return ""
    return f" ({there.strftime('%H:%M' if there.date() == when.date() else dated)} {there.tzname()})"


_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", re.ASCII)


def with_moments(words: str, zone: str | None = None) -> str:
    """A sentence whose times are as people read them."""
    return _STAMP.sub(lambda found: _moment_or_text(found[0], zone), words)


def _moment_or_text(stamp: str, zone: str | None) -> str:
    try:
        return moment(stamp, zone)
    except ValueError:  # a name in a book may be anything
        return stamp


def figure_of(data: Mapping[str, Any]) -> str | None:
    """`LTV 91.83 %`, or `margin level 1.04` where a level judges the product; None where there is no figure."""
    if (metric := data.get("metric")) is not None and data.get(metric) is None:
        return None
    shown = value_of(data)
    return None if shown is None else f"{metric_of(data)} {shown}"


def metric_of(data: Mapping[str, Any]) -> str:
    """What the figure is called: `LTV`, `margin level`, `health factor`."""
    return one_line(data.get("metric") or "LTV", 40).replace("_", " ")


def value_of(data: Mapping[str, Any]) -> str | None:
    """The figure that is compared with the lines: the LTV in percent, or the level of a product that has one."""
    if (metric := data.get("metric")) is not None:
        return data.get(metric)
    return None if data.get("ltv") is None else percent(data["ltv"], data.get("thresholds"))


def page_of(notice: Notice) -> str | None:
    """The address of the page of what it is about; None where the monitor has no `public_url`."""
    url = notice.data.get("url")
    return url if isinstance(url, str) and url.isprintable() and url.startswith(("https://", "http://")) else None


ACKNOWLEDGE = "Take it in hand"
"""The words of a link of acknowledgement; its page has the button."""


def ack_of(notice: Notice) -> str | None:
    """The link by which the one person whom a notice asks acknowledges; None where it asks nobody, or several read it."""
    url = (notice.data.get("acknowledge") or {}).get("url")
    return url if isinstance(url, str) and url.isprintable() and url.startswith(("https://", "http://")) else None


def digest_words(notice: Notice) -> str:
    """`990 notices: 800 liquidation, 190 margin call; debt 12,345,678 USD`"""
    data = notice.data
    counts = ", ".join(f"{row['count']:,} {one_line(row['title'], 60)}" for row in data["types"][:5])
    more = len(data["types"]) - 5
    debt = f"; debt {whole_usd_up(data['debt_usd'])} USD" if Decimal(data["debt_usd"]) else ""
    return f"{data['count']:,} notices: {counts}{f' and {more} more kinds' if more > 0 else ''}{debt}"


def digest_lines(notice: Notice) -> list[str]:
    """The groups of a digest that owe most, a line each: `G-1001 liquidation: debt 1,000.00 USD`."""
    lines = []
    for row in notice.data["largest"]:
        debt = f": debt {usd(row['debt_usd'])} USD" if row.get("debt_usd") else ""
        lines.append(f"{one_line(row['subject'], 128)} {one_line(title_of(row['type']))}{debt}")
    if notice.data["cut"]:
        lines.append(f"and {notice.data['cut']:,} more: see the log, from {notice.data['from_cursor']} on")
    return lines


def lender_says(data: Mapping[str, Any]) -> str | None:
    """What the lender's own system says, where the alert is about that: it stands before all that is ours."""
    facts = data.get("facts") or {}
    words = facts.get("lender") if data.get("reason") == "lender" else None
    text = f"the lender: {words}" if words else facts.get("says")
    return one_line(with_moments(text, data.get("zone")), 200) if isinstance(text, str) and text else None


def by_rules(data: Mapping[str, Any]) -> bool:
    """A change of rules raised the alert: under the rules before the same prices would not have."""
    return data.get("cause") == "rules"


def headline(notice: Notice) -> str:
    """One line: `[CRITICAL] G-1001 delayed liquidation: LTV 91.84 %, cure to 72 % by 2026-11-22 14:05 UTC, ...`."""
    data = notice.data
    if notice.type == DIGEST:
        return f"[{notice.severity.upper()}] {digest_words(notice)}"
    news = [
        lender_says(data),
        in_time(notice.type, data),
        figure_of(data),
        *_urgent(notice.type, data),
        *next_words(data),
        None if (gist := gist_of(notice.type, data.get("facts") or {})) is None else one_line(gist),
        "by new rules, not prices" if by_rules(data) else None,
    ]
    if data.get("blind"):
        news.append("prices not current")
    words = ("TEST" if data.get("test") else "", f"[{notice.severity.upper()}]", subject_of(notice), title(notice))
    said = ", ".join(filter(None, news))
    return " ".join(filter(None, words)) + (f": {said}" if said else "")


def _urgent(type_: str, data: Mapping[str, Any]) -> Iterator[str]:
    """What is asked for until when."""
    zone = data.get("zone")
    if (call := called(data)) is not None and type_ not in _OVER:
        yield f"{usd_up(call[0])} USD outstanding, due {moment(call[1], zone)}"
    if data.get("deadline"):
        initial = (data.get("thresholds") or {}).get("initial")
        to = "" if initial is None else f" to {level_text(data, initial)}"
        yield f"cure{to} by {moment(data['deadline'], zone)}"


MOST_COINS = 5
"""Coins without a price, and coins that are no collateral, that a text names."""


def coins_apart(data: dict[str, Any]) -> list[str]:
    """A sentence for each coin that the figures are without: it is no collateral there, or it has no price."""
    product = one_line((data.get("group") or {}).get("product") or "its product", 60)
    rows = data.get("uncounted") or ()
    found = [
        f"{number(row['quantity'])} {one_line(row['asset'], 40)} is not collateral under {product}"
        for row in rows[:MOST_COINS]
    ]
    found += [f"{len(rows) - MOST_COINS} more coins are not collateral"] if len(rows) > MOST_COINS else []
    if missing := data.get("missing"):
        named = ", ".join(one_line(coin, 40) for coin in missing[:MOST_COINS])
        more = f" and {len(missing) - MOST_COINS} more" if len(missing) > MOST_COINS else ""
        at_best = ": the figures are the best that they can be" if data.get("bound") else ""
        found.append(f"No price of {named}{more}{at_best}")
    return found
