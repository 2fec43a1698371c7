"""Flexible rates: which are in force and to come, and a new one from now or later on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from monitor.core.events.rates import Asked
from monitor.core.groups.daily_interest import PERIODS
from monitor.core.loans.interest import timeline
from monitor.core.money import plain
from monitor.core.rules.product import Product
from monitor.core.schema import Asset, DailyRate, Problem
from monitor.core.text import stamp
from monitor.web.auth import OPERATE, READ
from monitor.web.http import AFTER, LIMIT, Param, Rejected, invalid, paged_by_name, read_as, read_body
from monitor.web.site import Call, Endpoint


class RatesBody(msgspec.Struct, frozen=True):
    """Rates per period of a product, from a time on: now, if it is left out."""

    product: str
    rates: dict[Asset, DailyRate]
    effective: datetime | None = None

    def __post_init__(self) -> None:
        if not self.rates:
            raise ValueError('rates: state at least one coin, such as {"USDT": "0.0002"}')


class RateItem(msgspec.Struct, frozen=True):
    """A coin's rate per period of the product, from a time on. `source` is a version of the rules, a rate source or `api`."""

    product: str
    asset: str
    effective: str
    rate: str
    per: str
    source: str
    in_force: bool


class RateList(msgspec.Struct, frozen=True):
    """Rates by product, coin and time."""

    items: list[RateItem]
    next: str | None


class RatesAnswer(msgspec.Struct, frozen=True):
    """The rates that were given, by coin, and since when they hold."""

    items: list[RateItem]


async def list_(call: Call) -> RateList:
    """Flexible rates in force and to come, by product, coin and time."""
    product = call.query.text("product")
    asset = call.query.text("asset")
    after, limit = call.query.page()
    call.query.done()
    at = call.daemon.clock.utc()
    found = {
        f"{item.product} {item.asset} {item.effective}": item
        for kind, each in call.daemon.rules().products.items()
        for item in _listed(each, at)
        if product in (None, kind) and asset in (None, item.asset)
    }
    return RateList(*paged_by_name(found, after, limit))


async def give(call: Call) -> RatesAnswer:
    """Gives flexible rates of a product, from now or later on."""
    if call.caller.scope:
        raise Rejected("forbidden", "rates are the whole desk's; a token with a scope cannot give them")
    daemon = call.daemon
    asked = _asked(await read_body(call.request), daemon.rules().products)
    given = await daemon.inbox.give_rates(asked, call.caller.name)
    if given.refused is not None:
        raise Rejected("invalid", str(given.refused), reason=given.refused.reason)
    at = daemon.clock.utc()
    product = daemon.rules().products[asked.product]
    items = []
    for row in sorted(given.rows, key=lambda row: row.asset):
        is_in_force = timeline(product, row.asset).since(at) == row.effective
        items.append(_item(product, row.asset, row.effective, is_in_force=is_in_force))
    return RatesAnswer(items)


def _asked(raw: bytes, products: Mapping[str, Product]) -> Asked:
    """The rates that a body gives. Raises Rejected with every problem."""
    body = read_as(RatesBody, raw)
    if body.product not in products:
        known = ", ".join(sorted(products))
        raise invalid([Problem("product", f"found {body.product[:60]!r}, expected one of: {known}", "unknown_product")])
    return Asked(body.product, body.rates, body.effective)


def _listed(product: Product, at: datetime) -> Iterator[RateItem]:
    """The rate of each coin that is in force, and those to come. The first version is in force before its date as well."""
    for asset in sorted({*product.given, *(asset for v in product.versions for asset in v.rates)}):
        line = timeline(product, asset)
        first = product.versions[0]
        since = line.since(at)
        if since is None and asset in first.rates:
            since = first.effective
        if since is not None:
            yield _item(product, asset, since, is_in_force=True)
        for effective in line.after(at):
            if effective != since:
                yield _item(product, asset, effective, is_in_force=False)


def _item(product: Product, asset: str, effective: datetime, *, is_in_force: bool) -> RateItem:
    line = timeline(product, asset)
    row = line.given.get(effective)
    source = product.rules_name(product.version_at(effective)) if row is None else row.source
    per = PERIODS[product.period]
    return RateItem(product.name, asset, stamp(effective), plain(line.at(effective)), per, source, is_in_force)


ROUTES = (
    Endpoint(
        "GET",
        "/v1/rates",
        list_,
        READ,
        (Param("product", "Only rates of this product."), Param("asset", "Only rates of this coin."), LIMIT, AFTER),
    ),
    Endpoint("POST", "/v1/rates", give, OPERATE, body=RatesBody, name="give_rates"),
)
