"""VIP loans of Binance, by read-only keys: orders, collateral, what the exchange says of them, and its rules (decision 81).

A reading is whole or it is nothing: all pages of the orders, read twice and the same, and the balances of every collateral
account in between. What the exchange does not answer is a wait; the last good book stays in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import msgspec

from monitor.books import _vip as vip
from monitor.books import _vip_rules as rules
from monitor.books._base import KeptBook, Reader
from monitor.books._binance import ACCOUNT, BASE_URL, Binance, KeyDenied, KeyFiles, Keys, Later, check_base_url
from monitor.books._snapshots import BookRow, Snapshots
from monitor.books._vip import DebtReading, GroupTable, VipGroup, VipOrder, VipRequest
from monitor.books._vip_extra import VipExtra, rows_of
from monitor.books._weights import SAPI_UID, VenueCall
from monitor.clock import Clock
from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.events.entries import Liquidated
from monitor.core.events.events import (
    BookEntry,
    BookSeen,
    Event,
    GroupClosed,
    GroupPut,
    LenderSaid,
    Noticed,
    RatesChanged,
)
from monitor.core.rules.product import RateRow
from monitor.core.schema import Id, Invalid, Span
from monitor.core.stages.stages import LenderReading
from monitor.secret_files import BadSecret
from monitor.telemetry import BoundedLog

_VIP = "/sapi/v1/loan/vip"
ORDERS = VenueCall(f"{_VIP}/ongoing/orders", 400)
COINS = VenueCall(f"{_VIP}/collateral/account", 6_000)
STATUSES = VenueCall(f"{_VIP}/request/data", 400, limit=SAPI_UID, by_account=True)
LADDERS = VenueCall(f"{_VIP}/collateral/data", 400)
OFFERS = VenueCall(f"{_VIP}/loanable/data", 400)
RATES = VenueCall(f"{_VIP}/request/interestRate", 400)

PAGE = 100
"""Rows a page, the most that the exchange gives."""
MOST_PAGES = 200
MOST_TRIES = 5
"""So often a reading that changed under our eyes begins again before it is left for the next time."""
KEY_AGAIN_S = 300.0
"""A key that is refused is asked with again after this, read from its file anew: an address that goes on asking is banned."""
MOST_LOOKS = 10
"""At the balances of a group that trades while it is read."""
MOST_RATES = 10
"""Coins of one question about rates."""
REMEMBERED = 200
"""Liquidated orders that were said, kept so that a restart says none again."""

_Every = Annotated[timedelta, Span("1s", "1d")]


class AccountTable(KeyFiles, frozen=True, kw_only=True):
    """[[book.account]]: the key that shows the Spot balances of one collateral account."""

    id: Id


class Config(KeyFiles, frozen=True, kw_only=True):
    """[[book]] kind = "binance_vip". The key of the book is the master account's, with the right to read and no other."""

    account: tuple[AccountTable, ...]
    group: tuple[GroupTable, ...] = ()
    product: str = "vip_loan"
    base_url: str = BASE_URL
    recv_window: Annotated[timedelta, Span("100ms", "60s")] = timedelta(seconds=5)
    every: _Every = timedelta(seconds=10)
    """From the beginning of one reading to that of the next."""
    status_every: _Every = timedelta(seconds=30)
    coins_every: Annotated[timedelta, Span("30s", "1d")] = timedelta(seconds=60)
    """The exchange allows two questions a minute about which coins are pledged."""
    rules_every: Annotated[timedelta, Span("1m", "1d")] = timedelta(minutes=10)
    take_rates: bool = True
    """Flexible rates are those that the exchange states; False: they are only held against ours."""
    institutional: bool = False
    """Ask for forced transfers and for what may be borrowed, as institutional loans have them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_base_url(self.base_url)
        ids = [table.id for table in self.account]
        accounts = [account for table in self.group for account in table.collateral_accounts]
        for what, found in (("account", ids), ("group", [t.id for t in self.group]), ("collateral account", accounts)):
            twice = sorted({each for each in found if found.count(each) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]} stands twice")

    @property
    def values_by(self) -> tuple[tuple[str, ...], ...]:
        """The products that value its groups."""
        return tuple((product,) for product in {self.product, *(t.product for t in self.group if t.product)})


def stale_after(config: Config) -> timedelta:
    """How old the book may be unless the configuration says so: a few rounds may fail."""
    return 5 * config.every + timedelta(minutes=2)


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> VipBook:
    """Its keys are read when it asks."""
    return VipBook(name, config, reader, clock, kept)


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the source wants back after a restart: the `position` of its BookSeen."""

    debt: DebtReading = ""
    settled: tuple[str, ...] = ()
    """Liquidated orders whose group was settled."""
    named: dict[str, str] = {}
    """By order, its group, where no table names that: it keeps its name."""


class _Whole(NamedTuple):
    """Orders and balances that belong together."""

    orders: tuple[VipOrder, ...]
    balances: Mapping[str, Mapping[str, Decimal]]
    as_of: datetime


class Moving(Exception):
    """The orders or the accounts changed while they were read."""


class VipReadings:
    """The readings of one venue: each is whole, or it is none."""

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        self._name = name
        self._config = config
        self._clock = clock
        self._files = {table.id: table for table in config.account}
        self._refusals: dict[str, tuple[float, str]] = {}
        """By account: when its key was refused, and the words of the exchange."""
        self.main: Keys | None = None
        self.keys: dict[str, Keys] = {}
        self.api = Binance(config.base_url, clock, round(config.recv_window.total_seconds() * 1000))

    @property
    def refused(self) -> dict[str, str]:
        """Accounts whose key was refused when it was asked with last, with the words of the exchange."""
        return {account: words for account, (_, words) in self._refusals.items()}

    def open_keys(self) -> None:
        """Reads the keys that are not read yet. An account whose files cannot be read is refused. Raises BadSecret."""
        if self.main is None:
            self.main = Keys(f"{self._name} master", self._config)
        for account in self._files.keys() - self.keys.keys():
            try:
                self.keys[account] = Keys(account, self._files[account])
                self._refusals.pop(account, None)
            except BadSecret as e:
                self._refusals[account] = self._clock.monotonic_s(), str(e)

    def read_key_again(self) -> None:
        """The master's key may have been replaced. Files that cannot be read leave it as it is."""
        with suppress(BadSecret):
            self.main = Keys(f"{self._name} master", self._config)

    async def ask(self, call: VenueCall, params: Mapping[str, str], urgency: int) -> Any:
        """One answer to the master's key. Raises Later, KeyDenied."""
        assert self.main is not None, "the keys are opened first"
        return await self.api.get(call, self.main, params, urgency)

    async def whole(self, requests: Iterable[VipRequest]) -> _Whole:
        """Orders, the balances of their accounts, and the orders again: only what is the same twice belongs together."""
        for _ in range(MOST_TRIES):
            try:
                first, as_of = await self._orders()
                groups = vip.groups_of("", first, requests, self._config.group)
                balances = await self._settled([group.accounts for group in groups])
                second, _ = await self._orders()
            except Moving:
                continue
            if _debts_of(first) == _debts_of(second):
                return _Whole(second, balances, as_of)
        raise Later(f"the book changed under our eyes {MOST_TRIES} times")

    async def _settled(self, groups: Iterable[Sequence[str]]) -> dict[str, dict[str, Decimal]]:
        """The balances of the accounts of each group. Raises Moving, Later.

        One account is read at one instant. Several are read until they are the same twice: a coin that moves between two
        while they are read would count twice, or not at all.
        """
        waiting = [[account for account in accounts if account in self.keys] for accounts in groups]
        found: dict[str, dict[str, Decimal]] = {}
        before: dict[str, dict[str, Decimal]] = {}
        for _ in range(MOST_LOOKS):
            now = await self._balances([account for accounts in waiting for account in accounts])
            moving = []
            for accounts in waiting:
                if len(accounts) > 1 and [before.get(a) for a in accounts] != [now.get(a) for a in accounts]:
                    moving.append(accounts)
                else:
                    found |= {account: now[account] for account in accounts if account in now}
            if not moving:
                return found
            waiting, before = moving, now
        raise Moving

    async def _orders(self) -> tuple[tuple[VipOrder, ...], datetime]:
        rows, as_of = await self._read_pages(ORDERS, urgency=0)  # `whole` reads them twice
        return tuple(map(vip.order_of, rows)), as_of

    async def _balances(self, accounts: Sequence[str]) -> dict[str, dict[str, Decimal]]:
        """By account; one whose key is refused is left out. Raises Later."""
        now_s = self._clock.monotonic_s()
        asked = [a for a in accounts if a not in self._refusals or now_s >= self._refusals[a][0] + KEY_AGAIN_S]
        answers = await asyncio.gather(*map(self._balance, asked), return_exceptions=True)
        found: dict[str, dict[str, Decimal]] = {}
        for account, answer in zip(asked, answers, strict=True):
            if isinstance(answer, KeyDenied):
                self._refusals[account] = now_s, str(answer)
                with suppress(BadSecret):
                    self.keys[account] = Keys(account, self._files[account])
            elif isinstance(answer, BaseException):
                raise answer
            else:
                self._refusals.pop(account, None)
                found[account] = answer
        return found

    async def _balance(self, account: str) -> dict[str, Decimal]:
        """Raises Later, KeyDenied."""
        answer = await self.api.get(ACCOUNT, self.keys[account], {"omitZeroBalances": "true"}, 1)
        try:
            return vip.balances_of(answer if isinstance(answer, dict) else {})
        except ValueError as e:
            raise Later(f"account {account}: {e}") from None

    async def pages(self, call: VenueCall, urgency: int) -> tuple[list[dict[str, Any]], datetime]:
        """All rows of a list that comes in pages, and when the first was answered. Raises Moving, Later, KeyDenied.

        Where there are several pages all of them are read again: a row that goes shifts the others past us.
        """
        rows, as_of = await self._read_pages(call, urgency)
        if len(rows) > PAGE and _keys_of(rows) != _keys_of((await self._read_pages(call, urgency))[0]):
            raise Moving
        return rows, as_of

    async def _read_pages(self, call: VenueCall, urgency: int) -> tuple[list[dict[str, Any]], datetime]:
        rows: list[dict[str, Any]] = []
        as_of: datetime | None = None
        total = 0
        for page in range(1, MOST_PAGES + 1):
            answer = await self.ask(call, {"current": str(page), "limit": str(PAGE)}, urgency)
            as_of = as_of or self._clock.utc()
            found, count = _page_of(answer, call)
            if page > 1 and count != total:
                raise Moving
            total = count
            rows += found
            if len(rows) >= total or not found:
                break
        if len(rows) != total or len(set(_keys_of(rows))) != total:
            raise Moving
        assert as_of is not None
        return rows, as_of


class VipBook:
    """Asks in rounds. Each round is one batch, applied and committed as one."""

    def __init__(self, name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> None:
        self.name = name
        self._config = config
        self._reader = reader
        self._clock = clock
        self._held = kept.groups
        self._snapshots = Snapshots(name, reader, kept)
        self._kept = _kept_of(kept.position)
        self._readings = VipReadings(name, config, clock)
        self._extra = VipExtra(self._readings.ask)
        self._drift = rules.RuleDrift(name)
        self._requests: tuple[VipRequest, ...] = ()
        self._coins: Mapping[str, frozenset[str]] = {}
        self._rates: dict[str, RateRow] = {}
        self._asked: frozenset[str] = frozenset()
        """Coins whose flexible rate was asked for last."""
        self._due_s: dict[str, float] = {}
        self._was_in: dict[str, str] = {}
        """The group that each order was in at the last reading."""
        self._owner: dict[str, str] = {}
        """By collateral account, its group at the last reading."""
        self._told: dict[str, str | None] = {}
        """What was said of each account, "" being the book itself; None where all is well."""
        self._log = BoundedLog()

    async def batches(self) -> AsyncIterator[list[Event]]:
        """The whole book each time; what is known already is no event."""
        try:
            while True:
                began_s = self._clock.monotonic_s()
                try:
                    self._readings.open_keys()
                    async with aclosing(self._round()) as batches:
                        async for batch in batches:
                            yield batch
                except Later as e:
                    self._log.warning(began_s, str(e), "the loan book is not read now", book=self.name, reason=str(e))
                    pause_s = self._config.every.total_seconds()
                except (KeyDenied, BadSecret) as e:
                    if refused := self._refuse({**self._readings.refused, "": str(e)}):
                        yield refused
                    pause_s = KEY_AGAIN_S
                    self._readings.read_key_again()
                else:
                    pause_s = self._config.every.total_seconds()
                spent_s = self._clock.monotonic_s() - began_s
                await self._clock.sleep(max(0.0, pause_s - spent_s))
        finally:
            await self._readings.api.close()

    async def _round(self) -> AsyncGenerator[list[Event], None]:
        """Rates come in a batch of their own, ahead of the loans that need them. Raises Later, KeyDenied."""
        if not self._requests:
            await self._read_statuses(is_needed=True)
        if self._is_due("coins", self._config.coins_every):
            await self._read_coins()
        whole = await self._readings.whole(self._requests)
        owed = {order.coin for order in whole.orders if order.coin}
        is_due = self._is_due("rules", self._config.rules_every)
        if is_due or not owed <= self._asked:
            if batch := await self._read_rates(owed):
                yield batch
            if is_due and (batch := await self._read_rules(whole.orders)):
                yield batch
            whole = await self._readings.whole(self._requests)
        # What became of an order that is gone, and whose a new one is, must be known before anything follows from it.
        is_needed = {order.id for order in whole.orders} != self._was_in.keys()
        if self._is_due("status", self._config.status_every) or is_needed:
            await self._read_statuses(is_needed=is_needed)
        groups = vip.groups_of(
            self.name, whole.orders, self._requests, self._config.group, self._kept.named | self._was_in
        )
        yield self._events(groups, whole)

    def _is_due(self, what: str, every: timedelta) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s.get(what, now_s):
            return False
        self._due_s[what] = now_s + every.total_seconds()
        return True

    # -- readings --

    async def _read_statuses(self, *, is_needed: bool) -> None:
        """What became of each request. Where nothing depends on it, what the exchange said last counts until it answers."""
        try:
            rows, _ = await self._readings.pages(STATUSES, urgency=1)
        except (Later, Moving) as e:
            self._due_s.pop("status", None)
            if is_needed:
                raise Later(f"the state of the requests was not read: {e}") from None
            return
        self._requests = tuple(map(vip.request_of, rows))

    async def _read_coins(self) -> None:
        """Which coins are pledged in each account; without an answer the orders say it."""
        try:
            rows, _ = await self._readings.pages(COINS, urgency=4)
        except (Later, KeyDenied, Moving) as e:
            self._log.warning(
                self._clock.monotonic_s(), "coins", "pledged coins are not read", book=self.name, reason=str(e)
            )
            return
        found: dict[str, frozenset[str]] = {}
        for row in rows:
            account = vip.text_of(row, "collateralAccountId")
            found[account] = found.get(account, frozenset()) | frozenset(vip.list_of(row, "collateralCoin"))
        self._coins = found

    async def _read_rates(self, owed: Collection[str]) -> list[Event]:
        """The flexible rates of the coins that are owed: taken, or held against ours."""
        at, rates = self._clock.utc(), dict[str, Decimal]()
        coins = sorted(owed)
        try:
            for i in range(0, len(coins), MOST_RATES):
                asked = {"loanCoin": ",".join(coins[i : i + MOST_RATES])}
                rates |= rules.flexible_rates(rows_of(await self._readings.ask(RATES, asked, 6)))
        except (Later, KeyDenied) as e:
            self._unread("rates", e)
            return []
        self._asked = frozenset(owed)
        rates = {coin: rate for coin, rate in rates.items() if coin in owed}
        product = self._reader.product(self._config.product)
        if product is None:
            return []
        if not self._config.take_rates:
            return [*self._drift.notices(rules.rate_figures(product, at, rates), at)]
        changed = {c: RateRow(at, c, r) for c, r in rates.items() if c not in self._rates or self._rates[c].rate != r}
        self._rates |= changed
        rows = tuple(changed[coin] for coin in sorted(changed))
        return [RatesChanged(at, self._config.product, self.name, rows)] if rows else []

    async def _read_rules(self, orders: Sequence[VipOrder]) -> list[Event]:
        """The rules that the exchange publishes, and what it says beside. What it does not answer is asked in a minute."""
        await self._extra.read(orders, self._config.institutional)
        product = self._reader.product(self._config.product)
        if product is None:
            return []
        try:
            ladders = rows_of(await self._readings.ask(LADDERS, {}, 7))
            offers = rows_of(await self._readings.ask(OFFERS, {}, 7))
        except (Later, KeyDenied) as e:
            self._unread("rules", e)
            self._due_s["rules"] = self._clock.monotonic_s() + 60.0
            return []
        at = self._clock.utc()
        pledged = {coin for order in orders for coin in order.coins}
        figures = [*rules.ladder_figures(product, at, ladders, pledged), *rules.offer_figures(product, at, offers)]
        return [*self._drift.notices(figures, at)]

    def _unread(self, what: str, why: Exception) -> None:
        self._log.warning(self._clock.monotonic_s(), what, f"{what} are not read now", book=self.name, reason=str(why))

    # -- from readings to events --

    def _events(self, groups: Sequence[VipGroup], whole: _Whole) -> list[Event]:
        at = self._clock.utc()
        coins = {order.coin for group in groups for order in group.orders}
        usd = {coin: price for coin in coins if (price := self._reader.usd(coin)) is not None}
        debt = self._kept.debt or vip.reconciled(groups, usd)
        rows, unknown = [], dict(self._readings.refused)
        for group in groups:
            lacking = [account for account in group.accounts if account not in whole.balances]
            for account in lacking:
                unknown.setdefault(account, f"no [[book.account]] has a key for collateral account {account}; add one")
            if not lacking:
                product = (group.table.product if group.table else None) or self._config.product
                line = vip.line_of(group, product, whole.balances, self._coins, debt)
                rows.append(BookRow(f"orders {', '.join(order.id for order in group.orders)}"[:200], line))
        events, settled = self._settled(groups, at)
        named = {order.id: group.id for group in groups if group.table is None for order in group.orders}
        self._kept = Kept(debt, (*self._kept.settled, *settled)[-REMEMBERED:], named)
        again = self._unapplied(rows, at)
        events += self._ordered([*self._snapshots.take(rows, at, is_whole=not unknown), *again])
        self._owner = {account: group.id for group in groups for account in group.accounts}
        readings = self._said(groups, whole.as_of, settled.values())
        if readings:
            events.append(LenderSaid(at, self.name, readings))
        events += self._refuse(unknown)
        if not unknown:
            position = msgspec.json.encode(self._kept).decode()
            events.append(BookSeen(at, self.name, min(whole.as_of, at), position))
        self._was_in = {order.id: group.id for group in groups for order in group.orders}
        return events

    def _unapplied(self, rows: Sequence[BookRow], at: datetime) -> list[Event]:
        """Groups of the last reading that core did not take, as another had their account then: they are put again."""
        lines = {str(row.line["id"]): row.line for row in rows if isinstance(row.line, Mapping)}
        lacking = (lines.keys() & set(self._owner.values())) - set(self._held())
        found: list[Event] = []
        for id_ in sorted(lacking):
            with suppress(Invalid):
                found.append(
                    GroupPut(
                        at, self._reader.parse(msgspec.json.decode(msgspec.json.encode(lines[id_])), at), self.name
                    )
                )
        return found

    def _ordered(self, events: Sequence[Event]) -> list[Event]:
        """What gives an account away comes before what takes it: an account is in one group only (rule 6)."""
        closes = [event for event in events if isinstance(event, GroupClosed)]
        waiting = [event for event in events if isinstance(event, GroupPut)]
        ordered: list[Event] = [*closes]
        while waiting:
            ids = {put.group.id for put in waiting}
            free = [put for put in waiting if not self._takes_from(put, ids)] or waiting[:1]
            ordered += free
            waiting = [put for put in waiting if put not in free]
        return ordered + [event for event in events if not isinstance(event, GroupClosed | GroupPut)]

    def _takes_from(self, put: GroupPut, others: set[str]) -> bool:
        owners = {self._owner.get(account) for account in put.group.collateral}
        return not owners.isdisjoint(others - {put.group.id})

    def _settled(self, groups: Sequence[VipGroup], at: datetime) -> tuple[list[Event], dict[str, str]]:
        """Groups of which all is liquidated: their loans are repaid out of the collateral (rule 12). By order, the group."""
        found = vip.liquidated_groups(
            self.name, self._requests, self._config.group, groups, self._kept.named | self._was_in
        )
        held = set(self._held()) if found else set()
        new = {order: id_ for id_, order in found.items() if id_ in held and order not in self._kept.settled}
        return [BookEntry(at, id_, f"liquidated-{order}", Liquidated()) for order, id_ in new.items()], new

    def _said(self, groups: Sequence[VipGroup], as_of: datetime, settled: Iterable[str]) -> tuple[LenderReading, ...]:
        statuses = {request.order: request.status for request in self._requests}
        ongoing = [vip.reading_of(group, statuses, as_of, self._extra.figures(group)) for group in groups]
        over = [LenderReading(id_, None, None, vip.LIQUIDATED, None, as_of) for id_ in settled]
        return (*ongoing, *over)

    def _refuse(self, problems: Mapping[str, str]) -> list[Event]:
        """Accounts that cannot be read; "" is the book itself. Each is said once, and its end."""
        found: list[Event] = []
        for where in dict.fromkeys(("", *self._readings.keys, *self._told, *problems)):
            problem = problems.get(where)
            if where in self._told and self._told[where] == problem:
                continue
            self._told[where] = problem
            subject = f"{self.name}: account {where}" if where else self.name
            facts = {"problem": problem, "reason": "account", "source": self.name} if problem else {}
            at = self._clock.utc()
            found.append(Noticed(at, BOOK_REFUSED, subject, facts, fingerprint=problem, clears=problem is None))
        return found


def _kept_of(position: str) -> Kept:
    """A position of another version is as none."""
    try:
        return msgspec.json.decode(position, type=Kept) if position else Kept()
    except msgspec.DecodeError:
        return Kept()


def _page_of(answer: Any, call: VenueCall) -> tuple[list[dict[str, Any]], int]:
    """The rows of a page, and how many there are in all. Raises Later."""
    rows, total = (answer.get("rows"), answer.get("total")) if isinstance(answer, dict) else (None, None)
    total = int(total) if isinstance(total, str) and total.isdecimal() and len(total) < 10 else total
    if not isinstance(rows, list) or not isinstance(total, int) or not all(isinstance(row, dict) for row in rows):
        raise Later(f"{call.path}: the answer has no rows and total")
    return rows, total


def _keys_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What tells rows of a list apart."""
    return [
        "|".join(vip.text_of(row, key) for key in ("orderId", "requestId", "collateralAccountId", "collateralCoin"))
        for row in rows
    ]


def _debts_of(orders: Iterable[VipOrder]) -> set[tuple[str, ...]]:
    """What must not change while balances are read; an LTV moves with every price."""
    return {(o.id, o.coin, o.total_debt, o.residual, *o.accounts, *sorted(o.coins)) for o in orders}
