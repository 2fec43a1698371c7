"""The portfolio margin of an entity at Coinbase Prime: its positions, what margin it requires, and its margin calls.

Prime holds equity against a requirement that its own model makes of the whole portfolio. The group states both sides: what
is long as collateral, and what is short and the requirement as debt. So our level is 1 where the requirement is just met.
Positions move with our prices from one reading to the next; the requirement stays what Prime said. What of the equity is in
no coin (dollars, collateral of shorts, less withdrawals under way) counts as the coin `cash`. Where Prime states sums alone,
all of it is cash, our figure stands still between readings, and the stage is Prime's. `margin` is pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec

from monitor.books import _lender
from monitor.books._asking import (
    Asker,
    CallPace,
    KeyRefused,
    LenderAnswer,
    LenderConfig,
    TimeRefused,
    decoded,
    judged,
    target,
)
from monitor.books._base import KeptBook, Reader
from monitor.books._lender import LenderBook, OwedCoin, Reading, amount, exactly, once
from monitor.books._snapshots import BookRow
from monitor.clock import Clock
from monitor.core.money import EIGHT_PLACES, EXACT, ZERO, divide_nearest
from monitor.core.schema import Asset, Pattern, instant
from monitor.core.stages.stages import MARGIN_CALL, NORMAL, LenderReading, Stage
from monitor.secret_files import read_secret

EntityId = Annotated[str, Pattern("[0-9A-Za-z-]{1,64}", "the id of an entity, letters, digits and hyphens")]
CALLS, WITHIN_S = 25, 1.0
"""The documented limit of a portfolio's key."""
HISTORY = timedelta(days=7)
"""How far back margin summaries are asked for; Prime gives one a day, of three months at most."""
CLOCK_S = 30.0
"""Prime refuses a question whose time is further off than this, in the words of a wrong key."""
REQUIREMENT = "margin-requirement"
"""The id of the loan that stands for what Prime requires."""
_DOLLAR = "USD"
_REMEDY = "put the read-only key of this entity's portfolio into api_key_file, secret_file and passphrase_file"


class Config(LenderConfig, frozen=True, kw_only=True):
    """[[book]] kind = "coinbase_prime"."""

    entity: EntityId
    api_key_file: Path
    secret_file: Path
    passphrase_file: Path
    url: str = "https://api.prime.coinbase.com"
    product: str = "prime_margin"
    """The product whose rules value the group."""
    cash: Asset = "USDC"
    """The coin by whose price dollars count; Prime itself changes USD into USDC at par."""

    @property
    def values_by(self) -> tuple[tuple[str, ...], ...]:
        """The products that the groups of this book name: of each of these one must be configured."""
        return ((self.product,),)


stale_after = _lender.stale_after


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> LenderBook:
    """The book of one entity. Its secrets are read when it asks."""
    return LenderBook(name, config, CoinbasePrime(name, config, clock), reader, clock, kept)


class _Call(msgspec.Struct, frozen=True):
    margin_call_id: str
    initial_notional_amount: str = ""
    outstanding_notional_amount: str = ""
    created_at: str = ""
    due_at: str = ""


class _Position(msgspec.Struct, frozen=True):
    symbol: str
    amount: str = ""
    price: str = ""


class _Summary(msgspec.Struct, frozen=True):
    entity_id: str = ""
    margin_equity: str = ""
    margin_requirement: str = ""
    excess_deficit: str = ""
    frozen: bool = False
    frozen_reason: str = ""
    pm_asset_info: tuple[_Position, ...] = ()


class _Information(msgspec.Struct, frozen=True):
    margin_summary: _Summary
    margin_call_records: tuple[_Call, ...] = ()


class MarginBody(msgspec.Struct, frozen=True):
    """The body of `margin`."""

    margin_information: _Information


class _Dated(msgspec.Struct, frozen=True):
    margin_summary: _Summary
    conversion_datetime: str = ""


class SummariesBody(msgspec.Struct, frozen=True):
    """The body of `margin_summaries`."""

    margin_summaries: tuple[_Dated, ...] = ()


def sign(secret: str, at_s: str, path: str) -> str:
    """The signature of a question: base64 of HMAC-SHA256 over time, verb and path without its query."""
    digest = hmac.new(secret.encode(), f"{at_s}GET{path}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


@exactly
def margin(name: str, config: Config, now: MarginBody, before: SummariesBody, as_of: datetime) -> Reading:
    """The one group of an entity."""
    id_, summary = f"{name}-{config.entity}", now.margin_information.margin_summary
    calls = once(now.margin_information.margin_call_records, lambda call: call.margin_call_id, "margin_call_records")
    equity = amount(summary.margin_equity, "margin_equity")
    required = amount(summary.margin_requirement, "margin_requirement")
    positions = once(summary.pm_asset_info, lambda row: row.symbol, "pm_asset_info")
    coins = [row for row in positions if row.symbol != _DOLLAR]
    sizes = {row.symbol: amount(row.amount, f"pm_asset_info {row.symbol}") for row in coins}
    prices = {row.symbol: amount(row.price, f"pm_asset_info {row.symbol} price") for row in coins}
    gaps = [coin for coin, size in sizes.items() if size is None or prices[coin] is None]
    gaps += ["the equity"] if equity is None else []
    gaps += ["the requirement"] if required is None else []
    if gaps:
        why = f"Prime leaves {', '.join(gaps)} empty; the group keeps the figures that it had"
        return Reading(as_of, (), (_reading(id_, summary, calls, before, None, as_of),), {id_: why})
    assert equity is not None
    assert required is not None
    held = {coin: size for coin, size in sizes.items() if size}
    worth = {coin: EXACT.multiply(size, prices[coin] or ZERO) for coin, size in held.items()}
    cash = equity - sum(worth.values(), ZERO)
    long = {coin: size for coin, size in held.items() if size > 0}
    short = {coin: -size for coin, size in held.items() if size < 0}
    holds = _lender.added([*long.items(), (config.cash, max(cash, ZERO))])
    debts = [OwedCoin(coin, size) for coin, size in short.items()]
    debts += [OwedCoin(config.cash, -cash, id="cash")] if cash < 0 else []
    debts += [OwedCoin(config.cash, required, id=REQUIREMENT)] if required > 0 else []
    owed = sum((-value for value in worth.values() if value < 0), max(-cash, ZERO)) + max(required, ZERO)
    had = equity + owed - max(required, ZERO)
    level = divide_nearest(had, owed, EIGHT_PLACES) if owed > 0 else None
    reading = _reading(id_, summary, calls, before, level, as_of)
    rates = {config.product: dict.fromkeys(sorted({debt.coin for debt in debts}), ZERO)}
    if not any(holds.values()) and not debts:
        return Reading(as_of, (), (reading,), rates=rates)
    stated = _lender.line(id_, config.product, id_, holds, debts, labels=config.labels)
    return Reading(as_of, (BookRow(f"entity {config.entity}", stated),), (reading,), rates=rates)


def _reading(
    id_: str,
    summary: _Summary,
    calls: Iterable[_Call],
    before: SummariesBody,
    level: Decimal | None,
    as_of: datetime,
) -> LenderReading:
    open_calls = [c for c in calls if (amount(c.outstanding_notional_amount, c.margin_call_id) or ZERO) > 0]
    dues = sorted(due for call in open_calls if (due := _instant(call.due_at)) is not None)
    excess = amount(summary.excess_deficit, "excess_deficit")
    stage: Stage | None = MARGIN_CALL if open_calls else NORMAL if excess is not None and excess >= 0 else None
    said = [f"margin call {c.margin_call_id}: {c.outstanding_notional_amount} USD outstanding" for c in open_calls]
    said += [f"frozen: {summary.frozen_reason or 'no reason given'}"] if summary.frozen else []
    said += ["a deficit, and no call yet"] if stage is None and excess is not None else []
    figures = {
        "margin_equity": summary.margin_equity,
        "margin_requirement": summary.margin_requirement,
        "excess_deficit": summary.excess_deficit,
        "initial_call_amount": ", ".join(call.initial_notional_amount for call in open_calls),
        "deficit_since": _deficit_since(before),
        "figures_of": "sums alone" if not summary.pm_asset_info else "",
    }
    words = "; ".join(said) or "no margin call"
    return LenderReading(
        id_, level, stage, words, min(dues, default=None), as_of, {k: v for k, v in figures.items() if v}
    )


def _deficit_since(before: SummariesBody) -> str:
    """The first of the dated summaries that show a deficit without a break up to the last one."""
    since = ""
    rows = {row.conversion_datetime: row.margin_summary for row in before.margin_summaries}
    for at, summary in sorted(rows.items()):
        excess = amount(summary.excess_deficit, f"margin_summaries {at}")
        since = "" if excess is not None and excess >= 0 else since or (at if excess is not None else "")
    return since


def _instant(text: str) -> datetime | None:
    """A time as Prime writes it; one that cannot be read is unknown."""
    try:
        return instant(text)
    except ValueError:
        return None


class CoinbasePrime:
    """Asks with a key; the secrets are read at each question, as somebody may have mended them."""

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        self._name = name
        self._config = config
        self._asker = Asker(config, clock)
        self._pace = CallPace(clock, CALLS, WITHIN_S)

    async def close(self) -> None:
        """See Lender."""
        await self._asker.close()

    async def read(self) -> Reading:
        """See Lender."""
        entity = f"/v1/entities/{self._config.entity}"
        as_of = self._asker.ours()
        since = {"start_date": _stamp(as_of - HISTORY), "end_date": _stamp(as_of)}
        before = decoded(await self._ask(f"{entity}/margin_summaries", since), SummariesBody, "margin_summaries")
        now = decoded(await self._ask(f"{entity}/margin", {}), MarginBody, "margin")
        return margin(self._name, self._config, now, before, as_of)

    async def _ask(self, path: str, query: Mapping[str, str]) -> bytes:
        await self._pace.turn()
        at_s = str(int(self._asker.now().timestamp()))
        headers = {
            "X-CB-ACCESS-KEY": read_secret(None, self._config.api_key_file),
            "X-CB-ACCESS-PASSPHRASE": read_secret(None, self._config.passphrase_file),
            "X-CB-ACCESS-SIGNATURE": sign(read_secret(None, self._config.secret_file), at_s, path),
            "X-CB-ACCESS-TIMESTAMP": at_s,
        }
        answer = await self._asker.get(target(path, query), headers)
        try:
            return judged(answer, path.rpartition("/")[2], _REMEDY)
        except KeyRefused as e:
            if is_late(answer, int(at_s)):
                self._asker.set_clock(answer.at)
                raise TimeRefused(str(e)) from None
            raise


def is_late(answer: LenderAnswer, asked_s: int) -> bool:
    """The lender's clock is so far from the time that was sent that this alone explains a refusal."""
    return answer.at is not None and abs(answer.at.timestamp() - asked_s) > CLOCK_S


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
