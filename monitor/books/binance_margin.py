"""Margin accounts at Binance: the cross account, Classic or Pro, and each isolated pair (domain sections 3.6 to 3.10, 4.2).

Assets that are locked in orders count as those that are free. The account says by its type which rules value it. Binance
states no stage of a cross account, so its stage follows from its own margin level and its own lines. `cross` and `isolated`
are pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from monitor.books import _lender
from monitor.books._asking import Failed, KeyRefused, LenderConfig
from monitor.books._base import KeptBook, Reader
from monitor.books._binance import Binance, KeyDenied, KeyFiles, Keys, Later
from monitor.books._lender import LenderBook, OwedCoin, Reading, amount, exactly, once, owned
from monitor.books._published import LiabilityTier, Published, PublishedLadder, PublishedTiers
from monitor.books._snapshots import BookRow
from monitor.books._weights import VenueCall
from monitor.clock import Clock
from monitor.core.money import plain
from monitor.core.stages.stages import LIQUIDATION, MARGIN_CALL, NORMAL, LenderReading, Stage

T = TypeVar("T")

ACCOUNT = "/sapi/v1/margin/account"
ISOLATED = "/sapi/v1/margin/isolated/account"
BARS = "/sapi/v1/margin/tradeCoeff"
TIERS = "/sapi/v1/margin/isolatedMarginTier"
RATES = "/sapi/v1/margin/next-hourly-interest-rate"
BRACKETS = "/sapi/v1/margin/leverageBracket"
RATIOS = "/sapi/v1/margin/crossMarginCollateralRatio"
WEIGHTS = {ACCOUNT: 10, ISOLATED: 10, BARS: 10, TIERS: 1, RATES: 100, BRACKETS: 1, RATIOS: 100}
"""What a question costs of the 12,000 a minute of its own endpoint."""
OPEN = frozenset({BRACKETS, RATIOS})
"""What is asked with the name of the key alone."""
SELDOM_S = 600.0
"""Lines, tiers and rates are asked for this often: an account may ask once a second, and they change once in months."""
MOST_COINS = 20
"""In one question about rates."""
_REMEDY = "put a read-only key into api_key_file and secret_file, and permit this machine's address at Binance"

CLASSIC, PRO = "MARGIN_1", "MARGIN_2"
_STAGES: Mapping[str, Stage] = {
    "EXCESSIVE": NORMAL,
    "NORMAL": NORMAL,
    "MARGIN_CALL": MARGIN_CALL,
    "PRE_LIQUIDATION": MARGIN_CALL,
    "FORCE_LIQUIDATION": LIQUIDATION,
}
"""Before a liquidation an isolated account may do no more than in a margin call; it is called all the same."""


class Config(LenderConfig, frozen=True, kw_only=True):
    """[[book]] kind = "binance_margin". The key's secret is that of an HMAC key, or the private key of an Ed25519 one."""

    api_key_file: Path
    secret_file: Path | None = None
    private_key_file: Path | None = None
    url: str = "https://api.binance.com"
    accounts: tuple[Literal["cross", "isolated"], ...] = ("cross", "isolated")
    classic: str = "cross_margin_classic"
    pro: str = "cross_margin_pro"
    isolated: str = "isolated_margin"
    """The products whose rules value the groups, by the type of the account."""
    leverage: Annotated[int, range(1, 126)] | None = None
    """Of a Classic cross account, which Binance does not state: 3 or 5."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.key  # noqa: B018  it refuses a key that is none

    @property
    def key(self) -> KeyFiles:
        """The files of the key. Raises ValueError."""
        return KeyFiles(
            api_key_file=self.api_key_file, secret_file=self.secret_file, private_key_file=self.private_key_file
        )

    @property
    def values_by(self) -> tuple[tuple[str, ...], ...]:
        """The products that the groups of this book name: of each of these one must be configured."""
        needed = {"cross": (self.classic, self.pro), "isolated": (self.isolated,)}
        return tuple(needed[account] for account in self.accounts)


stale_after = _lender.stale_after


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> LenderBook:
    """The book of one key. Its secrets are read when it asks."""
    return LenderBook(name, config, BinanceMargin(name, config, clock), reader, clock, kept)


class Asset(msgspec.Struct, frozen=True, rename="camel"):
    """A coin of an account."""

    asset: str
    borrowed: str = ""
    free: str = ""
    locked: str = ""
    interest: str = ""

    @property
    def is_known(self) -> bool:
        """All of its figures are there."""
        return bool(self.borrowed and self.free and self.locked and self.interest)


class CrossBody(msgspec.Struct, frozen=True, rename="camel"):
    """The body of ACCOUNT. Only one of its keys begins with a capital."""

    account_type: str
    user_assets: tuple[Asset, ...]
    margin_level: str = ""
    collateral_margin_level: str = ""
    open_order_loss_usdt: str = msgspec.field(default="", name="totalOpenOrderLossInUSDT")
    collateral_usdt: str = msgspec.field(default="", name="TotalCollateralValueInUSDT")


class BarsBody(msgspec.Struct, frozen=True, rename="camel"):
    """The body of BARS: the lines of a Classic account."""

    normal_bar: str = ""
    margin_call_bar: str = ""
    force_liquidation_bar: str = ""


class IsolatedPair(msgspec.Struct, frozen=True, rename="camel"):
    """An isolated account."""

    symbol: str
    base_asset: Asset
    quote_asset: Asset
    margin_level: str = ""
    margin_level_status: str = ""
    liquidate_price: str = ""
    index_price: str = ""
    liquidate_rate: str = ""


class IsolatedBody(msgspec.Struct, frozen=True, rename="camel"):
    """The body of ISOLATED."""

    assets: tuple[IsolatedPair, ...]


class IsolatedTier(msgspec.Struct, frozen=True, rename="camel"):
    """A tier of an isolated pair."""

    symbol: str
    tier: int
    effective_multiple: str = ""


class HourlyRate(msgspec.Struct, frozen=True, rename="camel"):
    """A row of RATES."""

    asset: str
    next_hourly_interest_rate: str = ""


class Bracket(msgspec.Struct, frozen=True, rename="camel"):
    """A tier of what may be owed. Its figures are numbers, and they are read as they stand."""

    leverage: Decimal
    max_debt: Decimal
    maintenance_margin_rate: Decimal
    initial_margin_rate: Decimal


class BracketRow(msgspec.Struct, frozen=True, rename="camel"):
    """The tiers of some coins."""

    asset_names: tuple[str, ...]
    brackets: tuple[Bracket, ...]


class RatioTier(msgspec.Struct, frozen=True, rename="camel"):
    """A tier of a collateral ratio. `discountRate` is what is kept, not what is taken off."""

    discount_rate: str
    max_usd_value: str = ""


class RatioRow(msgspec.Struct, frozen=True, rename="camel"):
    """The ratios of some coins: of liquidation, and where Binance states them, of borrowing and of transfers out."""

    asset_names: tuple[str, ...]
    collaterals: tuple[RatioTier, ...] = ()
    borrow_collaterals: tuple[RatioTier, ...] = ()
    withdraw_collaterals: tuple[RatioTier, ...] = ()


def published(product: str, brackets: Iterable[BracketRow], ratios: Iterable[RatioRow]) -> tuple[Published, ...]:
    """What Binance publishes of the rules of Pro."""
    found: list[Published] = []
    for row in brackets:
        tiers = tuple(
            LiabilityTier(b.max_debt, b.leverage, b.initial_margin_rate, b.maintenance_margin_rate)
            for b in sorted(row.brackets, key=lambda b: b.max_debt)
        )
        found += [PublishedTiers(product, coin, tiers) for coin in row.asset_names]
    for ratio in ratios:
        purposes = (
            ("", ratio.collaterals),
            ("borrow", ratio.borrow_collaterals),
            ("transfer", ratio.withdraw_collaterals),
        )
        for purpose, some in purposes:
            if some:
                ladder = tuple(
                    (amount(t.max_usd_value, RATIOS), owned(t.discount_rate, f"{RATIOS} discountRate")) for t in some
                )
                found += [PublishedLadder(product, coin, ladder, purpose) for coin in ratio.asset_names]
    return tuple(found)


@exactly
def cross(name: str, config: Config, body: CrossBody, bars: BarsBody, as_of: datetime) -> Reading:
    """The cross account of a key."""
    id_ = f"{name}-cross"
    if body.account_type not in (CLASSIC, PRO):
        raise Failed(f"{ACCOUNT}: found accountType {body.account_type!r}, expected {CLASSIC} or {PRO}")
    is_classic = body.account_type == CLASSIC
    assets = once(body.user_assets, lambda row: row.asset, f"{ACCOUNT} userAssets")
    gaps = [row.asset for row in assets if not row.is_known]
    lines = _lines(bars) if is_classic else {}
    is_owing = any(_owes(row) for row in assets)
    level = amount(body.margin_level, f"{ACCOUNT} marginLevel") if is_owing or gaps else None
    figures = {
        "account_type": "classic" if is_classic else "pro",
        "collateral_margin_level": body.collateral_margin_level,
        "collateral_usdt": body.collateral_usdt,
        "open_order_loss_usdt": body.open_order_loss_usdt,
    }
    words = f"marginLevel {body.margin_level or 'unknown'}" if is_owing or gaps else "no debt"
    stage = _stage(level, lines) if is_classic else _pro_stage(level)
    shown = {k: v for k, v in figures.items() if v}
    reading = LenderReading(id_, level, stage if is_owing or gaps else NORMAL, words, None, as_of, shown)
    if gaps:
        return Reading(as_of, (), (reading,), {id_: _empty(gaps)})
    more: dict[str, Any] = {"labels": config.labels, "leverage": config.leverage if is_classic else None}
    if lines:
        more["thresholds"] = {key: plain(level) for key, level in lines.items()}
    loss = None if is_classic else amount(body.open_order_loss_usdt, f"{ACCOUNT} totalOpenOrderLossInUSDT")
    if loss is not None and loss > 0:
        more["open_order_loss"] = plain(loss)
    product = config.classic if is_classic else config.pro
    return _one(id_, product, assets, reading, "cross account", more)


@exactly
def isolated(
    name: str, config: Config, body: IsolatedBody, tiers: Mapping[str, Iterable[IsolatedTier]], as_of: datetime
) -> Reading:
    """The isolated accounts of a key, each pair a group. `tiers` are those of the pairs that owe something."""
    whole = Reading(as_of, (), ())
    for pair in once(body.assets, lambda row: row.symbol, f"{ISOLATED} assets"):
        id_, assets = f"{name}-{pair.symbol}", (pair.base_asset, pair.quote_asset)
        gaps = [row.asset for row in assets if not row.is_known]
        is_owing = any(_owes(row) for row in assets)
        level = amount(pair.margin_level, f"{pair.symbol} marginLevel") if is_owing or gaps else None
        figures = {
            "index_price": pair.index_price,
            "liquidation_price": pair.liquidate_price if is_owing else "",
            "liquidation_line": pair.liquidate_rate,
        }
        stage = _STAGES.get(pair.margin_level_status)
        words, shown = pair.margin_level_status or "no status", {k: v for k, v in figures.items() if v}
        reading = LenderReading(id_, level, stage, words, None, as_of, shown)
        if gaps:
            found = Reading(as_of, (), (reading,), {id_: _empty(gaps)})
        else:
            leverage = _leverage(tiers.get(pair.symbol, ()), pair.symbol)
            more = {"labels": config.labels, "leverage": leverage}
            found = _one(id_, config.isolated, assets, reading, f"isolated account {pair.symbol}", more)
        whole = together(whole, found)
    return whole


def together(one: Reading, other: Reading) -> Reading:
    """Two readings as one; the older time is that of both."""
    return Reading(
        min(one.as_of, other.as_of),
        (*one.rows, *other.rows),
        (*one.said, *other.said),
        {**one.unknown, **other.unknown},
        {**one.rates, **other.rates},
        rules=(*one.rules, *other.rules),
    )


def owing(assets: Iterable[Asset]) -> list[str]:
    """The coins in which something is owed, as far as that is known."""
    return sorted({row.asset for row in assets if _owes(row)})


def _one(
    id_: str,
    product: str,
    assets: Iterable[Asset],
    reading: LenderReading,
    place: str,
    more: Mapping[str, object],
) -> Reading:
    """The reading of one account. One that is empty is no group."""
    debts, holds = [], {}
    for row in assets:
        holds[row.asset] = owned(row.free, f"{place} {row.asset}") + owned(row.locked, f"{place} {row.asset}")
        principal, interest = owned(row.borrowed, f"{place} {row.asset}"), owned(row.interest, f"{place} {row.asset}")
        if principal or interest:
            debts.append(OwedCoin(row.asset, principal, interest))
    if not debts and not any(holds.values()):
        return Reading(reading.as_of, (), ())
    return Reading(reading.as_of, (BookRow(place, _lender.line(id_, product, id_, holds, debts, **more)),), (reading,))


def _owes(row: Asset) -> bool:
    return any(amount(text, row.asset) for text in (row.borrowed, row.interest))


def _lines(bars: BarsBody) -> dict[str, Decimal]:
    """The lines that Binance states for this account; none where one of them is empty."""
    stated = {
        "initial": bars.normal_bar,
        "margin_call": bars.margin_call_bar,
        "liquidation": bars.force_liquidation_bar,
    }
    found = {key: level for key, text in stated.items() if (level := amount(text, f"{BARS} {key}"))}
    return found if len(found) == len(stated) else {}


def _stage(level: Decimal | None, lines: Mapping[str, Decimal]) -> Stage | None:
    if level is None or not lines:
        return None
    if level <= lines["liquidation"]:
        return LIQUIDATION
    return MARGIN_CALL if level <= lines["margin_call"] else NORMAL


def _pro_stage(level: Decimal | None) -> Stage | None:
    """Of Pro only the liquidation at 1 is published."""
    return LIQUIDATION if level is not None and level <= 1 else None


def _leverage(tiers: Iterable[IsolatedTier], symbol: str) -> int | None:
    """The leverage of the pair: that of its first tier."""
    first = min(tiers, key=lambda tier: tier.tier, default=None)
    found = None if first is None else amount(first.effective_multiple, f"{TIERS} {symbol}")
    return None if found is None else int(found)


def _empty(gaps: Iterable[str]) -> str:
    return f"Binance leaves figures of {', '.join(gaps)} empty; the group keeps those that it had"


class BinanceMargin:
    """Asks with a key; its files are read again after a refusal, as somebody may have mended them."""

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        self._name = name
        self._config = config
        self._clock = clock
        self._binance = Binance(config.url, clock)
        self._keys: Keys | None = None
        self._seldom: dict[tuple[str, str], tuple[float, Any]] = {}
        """When it was asked last and what came, by path and parameter."""

    async def close(self) -> None:
        """See Lender."""
        await self._binance.close()

    async def read(self) -> Reading:
        """See Lender."""
        whole = Reading(self._clock.utc(), (), ())
        if "cross" in self._config.accounts:
            whole = together(whole, await self._cross())
        if "isolated" in self._config.accounts:
            whole = together(whole, await self._isolated())
        return whole

    async def _cross(self) -> Reading:
        as_of = self._clock.utc()
        body = _converted(await self._ask(ACCOUNT), CrossBody, ACCOUNT)
        is_classic = body.account_type == CLASSIC
        bars = _converted(await self._ask_seldom(BARS), BarsBody, BARS) if is_classic else BarsBody()
        found = cross(self._name, self._config, body, bars, as_of)
        product = self._config.classic if is_classic else self._config.pro
        rates = {product: await self._rates(owing(body.user_assets), "FALSE")}
        return found._replace(rates=rates, rules=() if is_classic else await self._rules())

    async def _rules(self) -> tuple[Published, ...]:
        brackets = _converted(await self._ask_seldom(BRACKETS), tuple[BracketRow, ...], BRACKETS)
        ratios = _converted(await self._ask_seldom(RATIOS), tuple[RatioRow, ...], RATIOS)
        return published(self._config.pro, brackets, ratios)

    async def _isolated(self) -> Reading:
        as_of = self._clock.utc()
        body = _converted(await self._ask(ISOLATED), IsolatedBody, ISOLATED)
        coins = {pair.symbol: owing((pair.base_asset, pair.quote_asset)) for pair in body.assets}
        tiers = {
            symbol: _converted(await self._ask_seldom(TIERS, {"symbol": symbol}), tuple[IsolatedTier, ...], TIERS)
            for symbol in sorted(coins)
            if coins[symbol]
        }
        found = isolated(self._name, self._config, body, tiers, as_of)
        owed = sorted({coin for some in coins.values() for coin in some})
        return found._replace(rates={self._config.isolated: await self._rates(owed, "TRUE")})

    async def _rates(self, coins: list[str], is_isolated: str) -> dict[str, Decimal]:
        """What an hour costs next, by coin."""
        rates: dict[str, Decimal] = {}
        for start in range(0, len(coins), MOST_COINS):
            query = {"assets": ",".join(coins[start : start + MOST_COINS]), "isIsolated": is_isolated}
            for row in _converted(await self._ask_seldom(RATES, query), tuple[HourlyRate, ...], RATES):
                rate = amount(row.next_hourly_interest_rate, f"{RATES} {row.asset}")
                if rate is not None:
                    rates[row.asset] = rate
        return rates

    async def _ask_seldom(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        key, now_s = (path, str(query)), self._clock.monotonic_s()
        asked_s, answer = self._seldom.get(key, (0.0, None))
        if answer is None or now_s - asked_s > SELDOM_S:
            answer = await self._ask(path, query)
            self._seldom[key] = (now_s, answer)
        return answer

    async def _ask(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        if self._keys is None:
            self._keys = Keys(self._name, self._config.key)
        try:
            call = VenueCall(path, WEIGHTS[path], is_signed=path not in OPEN)
            return await self._binance.get(call, self._keys, query)
        except Later as e:
            raise Failed(str(e)) from None
        except KeyDenied as e:
            if not is_of_the_key(e):
                raise Failed(str(e)) from None
            self._keys = None
            raise KeyRefused(f"{e}; {_REMEDY}") from None


def is_of_the_key(e: KeyDenied) -> bool:
    """A refusal that a person has to mend: key, right, address or signature."""
    return e.status in (401, 403) or e.code in (-1002, -1022, -2008, -2014, -2015)


def _converted(answer: Any, kind: type[T], place: str) -> T:
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as e:
        raise Failed(f"{place}: {e}; the answer is not what Binance documents") from None
