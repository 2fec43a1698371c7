"""What books that live at a lender share: a whole reading of it, the lines that come of it, and the loop that reads.

A lender's module says how it is asked and what its bodies mean; its `parse` functions are pure. A reading is applied when
all of it has come, or not at all. An empty figure is unknown, never zero: a group with one keeps the line that it had.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

import msgspec

from monitor.addresses import shown_url
from monitor.books._asking import Failed, KeyRefused, LenderConfig, TimeRefused
from monitor.books._base import KeptBook, Reader
from monitor.books._published import Published, rule_figures
from monitor.books._snapshots import BookRow, Snapshots
from monitor.books._vip_rules import RuleDrift
from monitor.clock import Clock
from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.events.events import BookSeen, Event, LenderSaid, Noticed, RatesChanged
from monitor.core.money import EXACT, NotANumber, exact, number, plain
from monitor.core.rules.product import RateRow
from monitor.core.stages.stages import LenderReading
from monitor.secret_files import BadSecret
from monitor.telemetry import BoundedLog

T = TypeVar("T")
P = ParamSpec("P")

UNSTATED = "1970-01-01T00:00:00Z"
"""When a loan was opened whose lender does not say so."""
_RANDOM = random.SystemRandom()
_FIRST_PAUSE_S, _MOST_PAUSE_S = 1.0, 60.0
KEY_PAUSE_S = 300.0
"""A refused key stays refused until a person has mended it: asking every second would get the address banned."""


class OwedCoin(NamedTuple):
    """What is owed in one coin."""

    coin: str
    principal: Decimal
    interest: Decimal = Decimal(0)
    id: str = ""
    """Of the loan; the coin where there is one loan of it."""


class Reading(NamedTuple):
    """One whole reading of a lender."""

    as_of: datetime
    rows: tuple[BookRow, ...]
    said: tuple[LenderReading, ...]
    unknown: Mapping[str, str] = {}
    """Groups that the lender names without their figures, and why: they are neither put nor closed."""
    rates: Mapping[str, Mapping[str, Decimal]] = {}
    """What loans cost now: by product and coin, per period of the product."""
    version: str = ""
    """Which state of the lender this is, where it numbers them."""
    rules: tuple[Published, ...] = ()
    """What it publishes of its rules, where they were asked for."""


class Lender(Protocol):
    """One lender that can be asked."""

    async def read(self) -> Reading:
        """All of it. Raises Failed or BadSecret, and then nothing of it is applied."""

    async def close(self) -> None:
        """Closes its connections."""


def exactly(parse: Callable[P, T]) -> Callable[P, T]:
    """A function of which no sum loses a digit."""

    @wraps(parse)
    def parse_exactly(*args: P.args, **more: P.kwargs) -> T:
        with exact():
            return parse(*args, **more)

    return parse_exactly


def amount(text: str, place: str) -> Decimal | None:
    """A figure of a lender; None for an empty text, which is unknown and never zero. Raises Failed."""
    if not text:
        return None
    try:
        return number(text)
    except NotANumber:
        raise Failed(f"{place}: found {text[:40]!r}, expected a number") from None


def owned(text: str, place: str) -> Decimal:
    """A figure that has to be there, and is not below zero. Raises Failed."""
    found = amount(text, place)
    if found is None or found < 0:
        raise Failed(f"{place}: found {text[:40]!r}, expected a number of at least 0")
    return found


def once(rows: Iterable[T], key: Callable[[T], Hashable], place: str) -> list[T]:
    """Rows in the order of their keys. One that comes twice counts once; two that contradict each other raise Failed."""
    found: dict[Any, T] = {}
    for row in rows:
        name = key(row)
        if found.setdefault(name, row) != row:
            raise Failed(f"{place}: {name} comes twice with different figures; one of the two is wrong")
    return [found[name] for name in sorted(found)]


def millis(text: str | int, place: str) -> datetime | None:
    """Milliseconds since 1970; None for "" and 0. Raises Failed."""
    try:
        return datetime.fromtimestamp(int(text) / 1000, UTC) if text and int(text) else None
    except (ValueError, OverflowError, OSError):
        raise Failed(f"{place}: found {str(text)[:40]!r}, expected milliseconds since 1970") from None


def line(
    id_: str,
    product: str,
    account: str,
    holds: Mapping[str, Decimal],
    owes: Sequence[OwedCoin],
    **more: object,
) -> dict[str, object]:
    """A book line of an account that holds its own collateral. The same figures make the same line, in whatever order."""
    loans = [
        {
            "id": debt.id or debt.coin,
            "asset": debt.coin,
            "principal": plain(debt.principal),
            "interest": plain(debt.interest),
            "rate": {"kind": "flexible"},
            "term": "open",
            "opened_at": UNSTATED,
        }
        for debt in sorted(owes)
        if debt.principal or debt.interest
    ]
    stated = {
        "id": id_,
        "product": product,
        "receiving_account": account,
        "collateral": {account: {coin: plain(held) for coin, held in sorted(holds.items()) if held}},
        "loans": loans,
    }
    return stated | {key: value for key, value in more.items() if value}


def added(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Sums by coin."""
    total: dict[str, Decimal] = {}
    for coin, quantity in amounts:
        total[coin] = EXACT.add(total.get(coin, Decimal(0)), quantity)
    return total


def stale_after(config: LenderConfig) -> timedelta:
    """Two readings may fail before a lender's book is stale; a minute is no age for one."""
    return max(3 * config.every + config.timeout, timedelta(minutes=1))


class LenderBook:
    """Reads a lender again and again, and puts what is new. What stops it from reading is said once, with what to do."""

    def __init__(
        self, name: str, config: LenderConfig, lender: Lender, reader: Reader, clock: Clock, kept: KeptBook
    ) -> None:
        self.name = name
        self._config = config
        self._lender = lender
        self._clock = clock
        self._reader = reader
        self._drift = RuleDrift(name)
        self._snapshots = Snapshots(name, reader, kept)
        self._log = BoundedLog()
        ours = (self._place, self._subject(""))
        self._told = {subject for subject in kept.refused if subject == ours[0] or subject.startswith(ours[1])}
        """Subjects of this book's own notices that stand; core says the same problem once."""
        self._rates = dict(_kept(kept.position).rates)

    @property
    def _place(self) -> str:
        return f"{self.name}: the lender"

    async def batches(self) -> AsyncIterator[list[Event]]:
        """See BookSource. Rates go first and alone: a line in a coin without a rate would be refused."""
        failures = 0
        try:
            while True:
                began_s = self._clock.monotonic_s()
                try:
                    reading = await self._read()
                except Failed as e:
                    failures += 1
                    if events := self._failed(e):
                        yield events
                    await self._clock.sleep(_pause_s(e, failures))
                    continue
                failures = 0
                if rates := self._new_rates(reading):
                    yield rates
                yield self._events(reading)
                next_s = began_s + self._config.every.total_seconds() - self._clock.monotonic_s()
                await self._clock.sleep(max(next_s, 0.0))
        finally:
            await self._lender.close()

    async def _read(self) -> Reading:
        """One whole reading. Where the lender's clock is another it is asked once more, by that clock. Raises Failed."""
        try:
            try:
                reading = await self._lender.read()
            except TimeRefused as e:
                now_s, what = self._clock.monotonic_s(), "a lender's clock is another; it is asked by that"
                self._log.warning(now_s, "clock", what, book=self.name, reason=str(e))
                reading = await self._lender.read()
            msgspec.json.encode(reading)  # half a character in a name would stop whoever writes it down
        except BadSecret as e:
            raise KeyRefused(str(e)) from None
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError, ArithmeticError) as e:
            # A body that nobody thought of is one reading that failed, never the end of the book.
            raise Failed(f"the answer cannot be read: {type(e).__name__}: {str(e)[:120]}") from None
        return reading

    def _new_rates(self, reading: Reading) -> list[Event]:
        """Rates that are new. Of one coin at most one a day: core keeps each of them for good."""
        at = self._clock.utc()
        events: list[Event] = []
        for product, rates in reading.rates.items():
            known = self._rates.setdefault(product, {})
            new = {
                c: r for c, r in rates.items() if c not in known or (known[c].day != _day(at) and known[c].rate != r)
            }
            known |= {coin: _ToldRate(_day(at), rate) for coin, rate in new.items()}
            rows = tuple(RateRow(at, coin, rate) for coin, rate in sorted(new.items()))
            events += [RatesChanged(at, product, self.name, rows)] if rows else []
        return events

    def _events(self, reading: Reading) -> list[Event]:
        at = self._clock.utc()
        events = self._snapshots.take(reading.rows, at, is_whole=not reading.unknown)
        if reading.said:
            events.append(LenderSaid(at, self.name, reading.said))
        events += self._notices({self._subject(id_): why for id_, why in reading.unknown.items()}, at)
        coins = {coin for row in reading.rows for coin in _coins(row.line)}
        figures = rule_figures(reading.rules, self._reader.product, coins, at)
        events += self._drift.notices(figures, at)
        position = msgspec.json.encode(_Position(reading.version, self._rates)).decode()
        seen = BookSeen(at, self.name, min(reading.as_of, at), position, reading.version)
        return [*events, seen]

    def _subject(self, group_id: str) -> str:
        return f"{self.name}: the figures of {group_id}"

    def _notices(self, now: Mapping[str, str], at: datetime) -> list[Event]:
        """Says what is wrong now and was not said, and forgets what is over."""
        events: list[Event] = []
        for subject, problem in now.items():
            facts = {"problem": problem, "reason": "lender", "source": self.name}
            events.append(Noticed(at, BOOK_REFUSED, subject, facts, fingerprint=problem))
        events += [Noticed(at, BOOK_REFUSED, s, {}, clears=True) for s in sorted(self._told - now.keys())]
        self._told = set(now)
        return events

    def _failed(self, e: Failed) -> list[Event]:
        """A refused key is told at once. An outage is a line of the log, and `book.stale` once it has lasted."""
        what = {"book": self.name, "url": shown_url(self._config.url), "reason": str(e)}
        self._log.warning(self._clock.monotonic_s(), "reading", "a lender's book cannot be read", **what)
        if not isinstance(e, KeyRefused):
            return []
        problem = f"{e}; what was read before stays in force"
        self._told.add(self._place)
        facts = {"problem": problem, "reason": "key", "source": self.name}
        return [Noticed(self._clock.utc(), BOOK_REFUSED, self._place, facts, fingerprint=problem)]


class _ToldRate(msgspec.Struct, frozen=True, array_like=True):
    """A rate that core was told, and on which day."""

    day: str
    rate: Decimal


class _Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the store keeps for this book."""

    version: str = ""
    """Which state of the lender was read last, where it numbers them."""
    rates: dict[str, dict[str, _ToldRate]] = {}
    """By product and coin."""


def _kept(position: str) -> _Position:
    try:
        return msgspec.json.decode(position, type=_Position)
    except msgspec.DecodeError:  # another kind of source had this name, or none
        return _Position()


def kept_version(position: str) -> str:
    """Which state of the lender was read last, by what the store has kept."""
    return _kept(position).version


def _coins(line: Any) -> set[str]:
    """The coins that a line holds or owes."""
    held = {coin for some in line["collateral"].values() for coin in some}
    return held | {loan["asset"] for loan in line["loans"]}


def _day(at: datetime) -> str:
    return at.date().isoformat()


def _pause_s(e: Failed, failures: int) -> float:
    if isinstance(e, KeyRefused):
        return KEY_PAUSE_S
    ceiling_s: float = min(_MOST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(failures - 1, 16))
    return max(_RANDOM.uniform(ceiling_s / 2, ceiling_s), e.after_s or 0.0)


def by_our_clock(reading: Reading, theirs: datetime, ours: datetime) -> Reading:
    """A reading whose times are the lender's, by our clock. A second or two between them is the way of the answer."""
    ahead = timedelta(seconds=round((theirs - ours).total_seconds()))
    if abs(ahead) <= _WAY:
        ahead = timedelta(0)
    said = tuple(
        msgspec.structs.replace(
            one, as_of=min(one.as_of - ahead, ours), deadline=None if one.deadline is None else one.deadline - ahead
        )
        for one in reading.said
    )
    return reading._replace(as_of=min(reading.as_of - ahead, ours), said=said)


_WAY = timedelta(seconds=2)
