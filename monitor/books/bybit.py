"""Loans at Bybit: the crypto loan of an account, or the risk unit of an institutional loan (domain section 5).

An empty text is unknown, never zero: while it liquidates or moves assets, Bybit leaves the figures of a risk unit empty.
Its clock of a delayed liquidation becomes the deadline. `_crypto` and `_institutional` are pure.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from monitor.books import _lender
from monitor.books._asking import (
    Asker,
    CallPace,
    Failed,
    KeyRefused,
    LenderAnswer,
    LenderConfig,
    TimeRefused,
    decoded,
    judged,
    shown,
    target,
)
from monitor.books._base import KeptBook, Reader
from monitor.books._lender import (
    LenderBook,
    OwedCoin,
    Reading,
    added,
    amount,
    by_our_clock,
    exactly,
    millis,
    once,
    owned,
)
from monitor.books._snapshots import BookRow
from monitor.clock import Clock
from monitor.core.money import ONE, ZERO, plain
from monitor.core.stages.stages import DELAYED, LIQUIDATION, LenderReading, Stage
from monitor.secret_files import read_secret

POSITION = "/v5/crypto-loan-common/position"
LTV = "/v5/ins-loan/ltv-convert"
DELAY = "/v5/ins-loan/delay-liq-status"
ORDERS = "/v5/ins-loan/loan-order"
PRODUCTS = "/v5/ins-loan/product-infos"
_LIMITS = {POSITION: 5, DELAY: 2}
"""Calls a second that are documented; all others are asked twice a second at most."""
_WINDOW_MS = "5000"
_REMEDY = "put a read-only key into api_key_file and secret_file, and permit this machine's address at Bybit"
_BAD_KEY = {10003, 10004, 10005, 10007, 10009, 10010, 10024, 33004}
_BAD_TIME = {10002}
_BUSY_PAUSE_S = 5.0
_BUSY = {10006, 10018, 10429, 100016}
_LIQUIDATING = {0: "normal", 1: "under liquidation", 2: "manual repayment", 3: "transfer of assets"}
_DELAY_WORDS = {0: "normal", 1: "passive liquidation", 2: "callback liquidation", 3: "delayed liquidation"}
_DELAY_STAGES: dict[int, Stage | None] = {0: None, 1: LIQUIDATION, 2: LIQUIDATION, 3: DELAYED}
"""Normal says only that nothing is sold: Bybit tells no margin call there."""


class Config(LenderConfig, frozen=True, kw_only=True):
    """[[book]] kind = "bybit". `loan` says which of the two loans the key reads."""

    api_key_file: Path
    secret_file: Path
    url: str = "https://api.bybit.com"
    loan: Literal["crypto", "institutional"] = "crypto"
    product: str = ""
    """The product whose rules value the groups; without it `bybit_loan`, or `institutional_loan`."""

    @property
    def values_by(self) -> tuple[tuple[str, ...], ...]:
        """The products that the groups of this book name: of each of these one must be configured."""
        return ((self.valued_by,),)

    @property
    def valued_by(self) -> str:
        """The one product of this book."""
        return self.product or ("bybit_loan" if self.loan == "crypto" else "institutional_loan")


stale_after = _lender.stale_after


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> LenderBook:
    """The book of one key. Its secrets are read when it asks."""
    return LenderBook(name, config, BybitLoans(name, config, clock), reader, clock, kept)


class _Borrowed(msgspec.Struct, frozen=True, rename="camel"):
    loan_currency: str
    flexible_total_debt: str = ""
    fixed_total_debt: str = ""
    flexible_hourly_interest_rate: str = ""


class _Pledged(msgspec.Struct, frozen=True, rename="camel"):
    currency: str
    amount: str = ""


class _Position(msgspec.Struct, frozen=True, rename="camel"):
    borrow_list: tuple[_Borrowed, ...]
    collateral_list: tuple[_Pledged, ...]
    ltv: str = ""
    total_debt: str = ""
    total_collateral: str = ""
    col_res: str = ""


class _Unpaid(msgspec.Struct, frozen=True, rename="camel"):
    token: str
    unpaid_qty: str = ""


class _Balance(msgspec.Struct, frozen=True, rename="camel"):
    token: str
    qty: str = ""


class _Unit(msgspec.Struct, frozen=True, rename="camel"):
    """A risk unit."""

    parent_uid: str
    ltv: str = ""
    unpaid_amount: str = ""
    balance: str = ""
    rst: str = ""
    sub_account_uids: tuple[str, ...] = ()
    unpaid_info: tuple[_Unpaid, ...] = ()
    balance_info: tuple[_Balance, ...] = ()
    liq_status: int = 0


class _Units(msgspec.Struct, frozen=True, rename="camel"):
    ltv_info: tuple[_Unit, ...]
    liq_status: int = 0


class _Delay(msgspec.Struct, frozen=True, rename="camel"):
    ltv: str = ""
    liquidation_status: int = 0
    delay_liq_start_time: str = ""
    delay_liq_remaining_sec: str = ""


class _Order(msgspec.Struct, frozen=True, rename="camel"):
    order_id: str
    order_product_id: str = ""
    parent_uid: str = ""
    loan_coin: str = ""
    interest_rate: str = ""
    status: str = ""


class _Orders(msgspec.Struct, frozen=True, rename="camel"):
    loan_info: tuple[_Order, ...]


class _Product(msgspec.Struct, frozen=True, rename="camel"):
    product_id: str
    deferred_liquidation_line: str = ""
    liquidation_line: str = ""


class _Products(msgspec.Struct, frozen=True, rename="camel"):
    margin_product_info: tuple[_Product, ...]


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    ret_code: int
    ret_msg: str = ""
    result: msgspec.Raw = msgspec.Raw(b"{}")
    time: int = 0


def sign(secret: str, at_ms: str, key: str, query: str) -> str:
    """The signature of a question: hex of HMAC-SHA256 over time, key, window and query."""
    text = f"{at_ms}{key}{_WINDOW_MS}{query}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def said(answer: LenderAnswer, place: str) -> _Envelope:
    """The envelope of an answer that went well. Raises Failed."""
    envelope = decoded(judged(answer, place, _REMEDY), _Envelope, place)
    code, words = envelope.ret_code, f"{place}: retCode {envelope.ret_code}, {shown(envelope.ret_msg)}"
    if code in _BAD_KEY:
        raise KeyRefused(f"{words}; {_REMEDY}")
    if code in _BAD_TIME:
        raise TimeRefused(words)
    if code in _BUSY:
        raise Failed(words, answer.after_s or _BUSY_PAUSE_S)
    if code:
        raise Failed(words)
    return envelope


@exactly
def crypto(name: str, config: Config, position: _Position, as_of: datetime) -> Reading:
    """The crypto loan of an account. All its orders, flexible and fixed, are one group under one LTV."""
    id_, place, product = f"{name}-loan", POSITION, config.valued_by
    borrowed = once(position.borrow_list, lambda row: row.loan_currency, place)
    pledged = once(position.collateral_list, lambda row: row.currency, place)
    level = amount(position.ltv, f"{place} ltv")
    figures = {"total_debt_usd": position.total_debt, "total_collateral_usd": position.total_collateral}
    words = f"ltv {position.ltv or 'unknown'}"
    if position.col_res == "2":
        words += ", the platform takes no more collateral"
    reading = LenderReading(id_, level, None, words, None, as_of, {k: v for k, v in figures.items() if v})
    gaps = [row.loan_currency for row in borrowed if not (row.flexible_total_debt and row.fixed_total_debt)]
    gaps += [row.currency for row in pledged if not row.amount]
    if gaps:
        why = f"Bybit leaves the amounts of {', '.join(gaps)} empty; the group keeps the figures that it had"
        return Reading(as_of, (), (reading,), {id_: why})
    debts = [
        OwedCoin(row.loan_currency, owned(text, f"{place} {row.loan_currency}"), id=f"{row.loan_currency}-{kind}")
        for row in borrowed
        for kind, text in (("flexible", row.flexible_total_debt), ("fixed", row.fixed_total_debt))
    ]
    holds = {row.currency: owned(row.amount, f"{place} {row.currency}") for row in pledged}
    rates = {
        row.loan_currency: rate * 24
        for row in borrowed
        if (rate := amount(row.flexible_hourly_interest_rate, f"{place} {row.loan_currency}")) is not None
    }
    if not any(holds.values()) and not any(debt.principal for debt in debts):
        return Reading(as_of, (), (), rates={product: rates})
    stated = _lender.line(id_, product, name, holds, debts, labels=config.labels)
    return Reading(as_of, (BookRow("crypto loan", stated),), (reading,), rates={product: rates})


class InstitutionalBodies(msgspec.Struct, frozen=True, rename="camel"):
    """All that is asked about institutional loans."""

    units: _Units
    delay: _Delay
    delay_at: datetime
    """When the clock of the delay was read, by Bybit's."""
    orders: _Orders
    products: _Products


@exactly
def institutional(name: str, config: Config, bodies: InstitutionalBodies, as_of: datetime) -> Reading:
    """The risk units of a key, each a group."""
    product, place = config.valued_by, LTV
    units = once(bodies.units.ltv_info, lambda unit: unit.parent_uid, place)
    rows, readings, unknown = [], [], {}
    for unit in units:
        id_ = f"{name}-{unit.parent_uid}"
        status = unit.liq_status or bodies.units.liq_status
        delay = bodies.delay if len(units) == 1 else _Delay()  # it is of the key's own unit, and does not name it
        readings.append(_unit_reading(id_, unit, status, delay, bodies.delay_at, as_of))
        if status or not (unit.ltv and unit.unpaid_amount and unit.balance):
            state = _LIQUIDATING.get(status, f"liqStatus {status}")
            unknown[id_] = f"Bybit leaves the figures of the risk unit empty ({state}); it keeps those that it had"
            continue
        at = f"{place} {unit.parent_uid}"
        owes = added((row.token, owned(row.unpaid_qty, f"{at} {row.token}")) for row in unit.unpaid_info)
        holds = added((row.token, owned(row.qty, f"{at} {row.token}")) for row in unit.balance_info)
        more = {"thresholds": _lines(unit, bodies), "labels": config.labels}
        debts = [OwedCoin(coin, owed) for coin, owed in owes.items()]
        rows.append(BookRow(f"risk unit {unit.parent_uid}", _lender.line(id_, product, id_, holds, debts, **more)))
    open_orders = [order for order in bodies.orders.loan_info if order.status == "1"]
    rates: dict[str, Decimal] = {}
    for order in open_orders:
        rate = amount(order.interest_rate, f"{ORDERS} {order.order_id}")
        if rate is not None:
            rates[order.loan_coin] = max(rate, rates.get(order.loan_coin, rate))
    return Reading(as_of, tuple(rows), tuple(readings), unknown, {product: rates})


def _unit_reading(
    id_: str, unit: _Unit, status: int, delay: _Delay, delay_at: datetime, as_of: datetime
) -> LenderReading:
    level = amount(unit.ltv, f"{LTV} {unit.parent_uid} ltv")
    deadline = _deadline(delay, delay_at)
    stage = _DELAY_STAGES.get(delay.liquidation_status)
    words = _LIQUIDATING.get(status, f"liqStatus {status}")
    if status == 1 and stage is None:
        stage = LIQUIDATION
    if delay.liquidation_status:
        words = _DELAY_WORDS.get(delay.liquidation_status, f"liquidationStatus {delay.liquidation_status}")
    remaining = amount(unit.rst, f"{LTV} {unit.parent_uid} rst")
    if deadline is None and remaining is not None:
        deadline = as_of + timedelta(seconds=int(remaining))
        stage, words = stage or DELAYED, f"liquidation in {int(remaining)} s"
    figures = {"unpaid_usd": unit.unpaid_amount, "balance_usd": unit.balance}
    return LenderReading(id_, level, stage, words, deadline, as_of, {k: v for k, v in figures.items() if v})


def _deadline(delay: _Delay, at: datetime) -> datetime | None:
    """The end of a delay, by Bybit's clock. Made of the start, so that it stays the same from one reading to the next."""
    if delay.liquidation_status != 3:
        return None
    start = millis(delay.delay_liq_start_time, f"{DELAY} delayLiqStartTime")
    left = amount(delay.delay_liq_remaining_sec, f"{DELAY} delayLiqRemainingSec")
    if left is None:
        return None
    end = at + timedelta(seconds=int(left))
    if start is None:
        return end
    minutes = round((end - start).total_seconds() / 60)
    return start + timedelta(minutes=minutes)


def _lines(unit: _Unit, bodies: InstitutionalBodies) -> dict[str, str]:
    """The lines that the products of the unit's orders state; of several orders those that are met first."""
    open_orders = [order for order in bodies.orders.loan_info if order.status == "1"]
    named = {order.order_product_id for order in open_orders if order.parent_uid in ("", unit.parent_uid)}
    products = [product for product in bodies.products.margin_product_info if product.product_id in named]
    found: dict[str, Decimal] = {}
    texts = {
        "margin_call": [(p.product_id, p.deferred_liquidation_line) for p in products],
        "liquidation": [(p.product_id, p.liquidation_line) for p in products],
    }
    for key, some in texts.items():
        stated = [level for id_, text in some if (level := amount(text, f"{PRODUCTS} {id_} {key}"))]
        if stated:
            found[key] = min(stated)
    if found.get("margin_call", ZERO) >= found.get("liquidation", ONE):
        found.pop("margin_call", None)  # a delay that begins at the liquidation itself is no line of its own
    return {key: plain(level) for key, level in found.items()}


class BybitLoans:
    """Asks with a key; the secrets are read again after each refusal, as somebody may have mended them."""

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        self._name = name
        self._config = config
        self._asker = Asker(config, clock)
        self._paces = {
            path: CallPace(clock, _LIMITS.get(path, 2), 1.0) for path in (POSITION, LTV, DELAY, ORDERS, PRODUCTS)
        }

    async def close(self) -> None:
        """See Lender."""
        await self._asker.close()

    async def read(self) -> Reading:
        """See Lender."""
        if self._config.loan == "crypto":
            envelope = await self._ask(POSITION)
            position = decoded(envelope.result, _Position, POSITION)
            theirs = _time(envelope)
            return by_our_clock(crypto(self._name, self._config, position, theirs), theirs, self._asker.ours())
        orders = await self._ask(ORDERS, {"limit": "100"})
        products = await self._ask(PRODUCTS)
        delay = await self._ask(DELAY)
        units = await self._ask(LTV)
        bodies = InstitutionalBodies(
            decoded(units.result, _Units, LTV),
            decoded(delay.result, _Delay, DELAY),
            _time(delay),
            decoded(orders.result, _Orders, ORDERS),
            decoded(products.result, _Products, PRODUCTS),
        )
        theirs = _time(units)
        return by_our_clock(institutional(self._name, self._config, bodies, theirs), theirs, self._asker.ours())

    async def _ask(self, path: str, query: Mapping[str, str] | None = None) -> _Envelope:
        await self._paces[path].turn()
        key = read_secret(None, self._config.api_key_file)
        at_ms = str(int(self._asker.now().timestamp() * 1000))
        asked = target(path, query or {})
        headers = {
            "X-BAPI-API-KEY": key,
            "X-BAPI-TIMESTAMP": at_ms,
            "X-BAPI-RECV-WINDOW": _WINDOW_MS,
            "X-BAPI-SIGN": sign(read_secret(None, self._config.secret_file), at_ms, key, asked.partition("?")[2]),
        }
        answer = await self._asker.get(asked, headers)
        try:
            return said(answer, path)
        except TimeRefused:
            self._asker.set_clock(answer.at)
            raise


def _time(envelope: _Envelope) -> datetime:
    found = millis(envelope.time, "time")
    if found is None:
        raise Failed("the answer states no time, so nobody knows of when its figures are")
    return found
