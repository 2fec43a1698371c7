"""Seeded books of VIP loan groups that cross many lines over a tape, and the product that they are held under.

A group's debt is set so that its LTV meets one of the lines at some point on the way from the tape's first prices to
its lowest (or highest, where volatile coins are owed). Some groups sit exactly on a line from the start.
"""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, localcontext
from random import Random
from typing import Any

from tests.reference.figures import EXACT, ladder_value, plain

Line = dict[str, Any]
History = Mapping[str, tuple[str, str, str]]  # first, lowest and highest price
Quantities = dict[str, Decimal]

MAJORS = ("BNB", "BTC", "ETH", "USDC", "USDT")
LARGE = ("ADA", "AVAX", "BCH", "DOT", "ETC", "LINK", "LTC", "MATIC", "SOL", "TRX", "UNI", "XRP")
SMALL = ("AAVE", "DOGE", "EOS", "FIL", "LUNA", "NEAR", "PEPE", "SUI", "TON", "WIF", "XLM")
LISTED_LATER = "XMR"  # in the ladders of the second version only
NEVER_LISTED, NEVER_PRICED = "RATS", "FIL"  # no tape has a price for either
MAJOR_TIERS = '[["10000000", "1"], ["100000000", "0.975"], ["inf", "0.9"]]'
LARGE_TIERS = ('[["1000000", "0.95"], ["5000000", "0.85"], ["20000000", "0.7"], ["inf", "0.5"]]',) * 2
SMALL_TIERS = (
    '[["250000", "0.9"], ["1000000", "0.75"], ["8000000", "0.5"]]',
    '[["250000", "0.85"], ["1000000", "0.75"], ["6000000", "0.55"]]',
)
THRESHOLDS = {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"}
VERSION = """
[[version]]
effective = {effective}
thresholds = {{ initial = "0.72", margin_call = "0.77", liquidation = "0.91", immediate = "0.95" }}
grace = "24h"
liquidation_fee = "0.02"
late_interest_factor = "3"
renewal_window = "7d"
warnings = [{warnings}]
[version.ladders]
{ladders}
[version.rates]
{rates}
"""


def product_toml(first: str = "2020-01-01T00:00:00Z", second: str = "2021-05-16T10:00:00Z") -> str:
    """A vip_loan product of two versions; the second changes ratios, rates, warnings and lists one coin more."""
    return _version(first, 0, '"0.74"') + _version(second, 1, '"0.70", "0.745"')


def _version(effective: str, number: int, warnings: str) -> str:
    tiers = dict.fromkeys(MAJORS, MAJOR_TIERS)
    tiers |= dict.fromkeys(LARGE, LARGE_TIERS[number]) | dict.fromkeys(SMALL, SMALL_TIERS[number])
    if number:
        tiers[LISTED_LATER] = LARGE_TIERS[number]
    rates = dict.fromkeys((*LARGE, *SMALL), ("0.00031", "0.00029")[number])
    rates |= dict.fromkeys(MAJORS, ("0.0001", "0.000125")[number]) | {"USDT": ("0.00016", "0.000213")[number]}
    return VERSION.format(
        effective=effective,
        warnings=warnings,
        ladders="\n".join(f"{asset} = {ladder}" for asset, ladder in tiers.items()),
        rates="\n".join(f'{asset} = "{rate}"' for asset, rate in rates.items()),
    )


LADDERS: dict[str, list[list[str]]] = tomllib.loads(product_toml())["version"][0]["ladders"]


def book(seed: int, groups: int, first_prices: History, start: datetime, end: datetime) -> list[Line]:
    """Generate lines; the same arguments give the same book. `first_prices` is what `tape.summary` makes."""
    rng = Random(seed)
    priced = {asset: _numbers(history) for asset, history in sorted(first_prices.items()) if asset != "USDT"}
    with localcontext(EXACT):
        return [_group(rng, number, priced, start, end) for number in range(1, groups + 1)]


Prices = dict[str, tuple[Decimal, Decimal, Decimal]]


def _numbers(history: tuple[str, str, str]) -> tuple[Decimal, Decimal, Decimal]:
    first, low, high = history
    return Decimal(first), Decimal(low), Decimal(high)


def _group(rng: Random, number: int, priced: Prices, start: datetime, end: datetime) -> Line:
    thresholds = _overrides(rng)
    short = rng.random() < 0.2
    quantities = _collateral(rng, priced, short)
    loans = _loans(rng, number, quantities, THRESHOLDS | thresholds, priced, short, start, end)
    accounts = [f"acct-{number}{suffix}" for suffix in ("", "-b", "-c", "-d")[: rng.randint(1, 4)]]
    line: Line = {
        "id": rng.choice(("G-{0}", "G-{0}", "G-{0:06d}", "{0}", "desk-eu-fund-{0}")).format(number),
        "product": "vip_loan",
        "receiving_account": accounts[0],
        "collateral": _over_accounts(rng, quantities, accounts),
        "loans": loans,
        "delayed_liquidation": rng.random() < 0.6,
    }
    if thresholds:
        line["thresholds"] = thresholds
    if rng.random() < 0.3:
        line |= {"labels": {"borrower": f"B{number % 7}"}, "vip_level": rng.randint(1, 9)}
    return line


def _overrides(rng: Random) -> dict[str, str]:
    """Mostly none; one of these puts the margin call below the warning level, which is ignored then."""
    choices = ({"margin_call": "0.75"}, {"initial": "0.65", "margin_call": "0.7", "liquidation": "0.85"})
    return dict(rng.choice((*choices, {"immediate": "0.97"}))) if rng.random() < 0.2 else {}


def _collateral(rng: Random, priced: Prices, short: bool) -> Quantities:
    """One to six assets worth 50,000 to 100 million USD in all, so that some fill several tiers."""
    listed = [asset for asset in priced if asset in LADDERS]
    usd = 10 ** rng.uniform(4.7, 8)
    chosen = rng.sample(listed, rng.randint(1, min(6, len(listed))))
    shares = {asset: rng.uniform(0.1, 1) for asset in chosen}
    if short:
        shares["USDT"] = 3.0
    whole = sum(shares.values())
    quantities = {
        asset: _rounded(usd * share / whole / float(priced[asset][0] if asset != "USDT" else 1))
        for asset, share in shares.items()
    }
    if rng.random() < 0.15:
        quantities[LISTED_LATER if LISTED_LATER in priced else NEVER_LISTED] = _rounded(rng.uniform(10, 500))
    if rng.random() < 0.08:
        quantities[NEVER_PRICED] = Decimal(rng.choice(("0", "0", "25")))
    return quantities


def _loans(
    rng: Random,
    number: int,
    quantities: Quantities,
    thresholds: dict[str, str],
    priced: Prices,
    short: bool,
    start: datetime,
    end: datetime,
) -> list[Line]:
    """Up to three loans whose sum meets a line at a point of the way, or exactly at the start, or none at all."""
    kind = rng.choices(("on the way", "exact", "past", "healthy", "no debt"), (72, 8, 8, 8, 4))[0]
    if kind == "no debt":
        empty = _loan(rng, number, 1, "USDC", Decimal(0), start, end)
        return [empty] if rng.random() < 0.5 else []
    way = {"on the way": rng.uniform(0.05, 0.95), "past": -rng.uniform(0, 0.3)}.get(kind, 0.0)
    point = _point(priced, way, short)
    level = Decimal(thresholds[rng.choice(("initial", "margin_call", "liquidation", "immediate"))])
    if kind == "healthy":
        level = Decimal("0.4")
    debt_usd = level * _recognised(quantities, point)
    if kind == "exact":
        exact = _loan(rng, number, 1, "USDT", debt_usd, start, end)
        return [exact | {"interest": "0"}]
    count = rng.randint(1, 3)
    coins = [asset for asset in priced if asset in LADDERS]
    assets = [rng.choice(coins) if short or rng.random() < 0.1 else "USDT" for _ in range(count)]
    return [
        _loan(rng, number, place, asset, _rounded(float(debt_usd) / count / float(point.get(asset, 1))), start, end)
        for place, asset in enumerate(assets, 1)
    ]


def _point(priced: Prices, way: float, short: bool) -> dict[str, Decimal]:
    """The prices that far on the way from the first to the lowest or highest; before the start they are milder."""
    along = Decimal(f"{way:.4f}")
    return {asset: first + along * ((high if short else low) - first) for asset, (first, low, high) in priced.items()}


def _recognised(quantities: Quantities, point: dict[str, Decimal]) -> Decimal:
    total = Decimal(0)
    for asset, quantity in quantities.items():
        if asset in LADDERS and asset != NEVER_PRICED:
            total += ladder_value(LADDERS[asset], quantity * point.get(asset, Decimal(1)))
    return total


def _loan(rng: Random, number: int, place: int, asset: str, principal: Decimal, start: datetime, end: datetime) -> Line:
    """One order; fixed rates are for 30 and 60 days only (rule 21), and an open term has no maturity."""
    term = rng.choice(("open", "open", "30d", "60d"))
    rate: Line = {"kind": "flexible"}
    if term != "open" and rng.random() < 0.5:
        rate = {"kind": "fixed", "daily": rng.choice(("0.00018", "0.00025", "0.0004"))}
    days = 30 if term != "60d" else 60
    matures_at = _maturity(rng, start, end, days)
    return {
        "id": f"L-{number}-{place}",
        "asset": asset,
        "principal": plain(principal),
        "interest": plain(_rounded(float(principal) * 0.002)) if rng.random() < 0.3 else "0",
        "rate": rate,
        "term": term,
        "opened_at": _stamp(matures_at - timedelta(days=days)),
        "matures_at": None if term == "open" else _stamp(matures_at),
    }


def _maturity(rng: Random, start: datetime, end: datetime, days: int) -> datetime:
    """Mostly after the tape; some inside, at odd times and at midnight, some before its start and one kind at it."""
    kind = rng.choices(("after", "inside", "midnight", "overdue", "at the start"), (68, 16, 5, 9, 2))[0]
    seconds = int((end - start).total_seconds())
    inside = start + timedelta(seconds=rng.randrange(seconds))
    if kind == "inside":
        return inside
    if kind == "midnight":
        return datetime.combine(inside.date(), time(), UTC)
    if kind == "overdue":
        return start - timedelta(minutes=rng.randrange(1, 60 * 60))
    return start if kind == "at the start" else end + timedelta(hours=rng.randrange(1, 24 * days))


def _over_accounts(rng: Random, quantities: Quantities, accounts: list[str]) -> dict[str, dict[str, str]]:
    """Spread each asset over one account or two; the ladders see the sum (reading A1)."""
    spread: dict[str, dict[str, str]] = {account: {} for account in accounts}
    for asset, quantity in quantities.items():
        first, second = rng.choice(accounts), rng.choice(accounts)
        part = quantity * Decimal(rng.randint(1, 9)) / 10 if first != second else quantity
        spread[first][asset] = plain(part)
        if first != second:
            spread[second][asset] = plain(quantity - part)
    return spread


def _rounded(number: float) -> Decimal:
    """Six significant digits, as people write quantities."""
    return Decimal(f"{number:.6g}")


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
