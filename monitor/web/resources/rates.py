"""Flexible rates: which are in force and to come, and a new one from now or later on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
from aiohttp import web

from monitor.core.events.rates import Asked
from monitor.core.groups.daily_interest import PERIODS
from monitor.core.loans.interest import timeline
from monitor.core.money import plain
from monitor.core.rules.product import Product
from monitor.core.schema import Asset, DailyRate, Invalid, Problem, read
from monitor.core.text import stamp
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.body import parse, read_body
from monitor.web.http import Parts, answer
from monitor.web.problem import Rejected, invalid
from monitor.web.query import Values, paged_by_name


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


class RatesApi:
    """Handlers of /v1/rates."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def list(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/rates"""
        values = Values(request, query.RATES)
        product, asset = values.text("product"), values.text("asset")
        after, limit = values.cursor(), values.number("limit")
        values.done()
        at, products = self._parts.clock.utc(), self._parts.rules().products
        found = {
            f"{item.product} {item.asset} {item.effective}": item
            for kind, each in products.items()
            for item in _listed(each, at)
            if product in (None, kind) and asset in (None, item.asset)
        }
        page, cursor = paged_by_name(sorted(found), after, limit)
        return answer(RateList([found[name] for name in page], cursor))

    async def give(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """POST /v1/rates"""
        if caller.scope:
            raise Rejected("forbidden", "rates are the whole desk's; a token with a scope cannot give them")
        raw = await read_body(request)
        asked = _read(raw, self._parts)
        given = await self._parts.inbox.give_rates(asked, caller.name)
        if given.refused is not None:
            raise Rejected("invalid", str(given.refused), reason=given.refused.reason)
        at, product = self._parts.clock.utc(), self._parts.rules().products[asked.product]
        items = [
            _item(
                product, row.asset, row.effective, is_in_force=timeline(product, row.asset).since(at) == row.effective
            )
            for row in sorted(given.rows, key=lambda row: row.asset)
        ]
        return answer(RatesAnswer(items))


def _read(raw: bytes, parts: Parts) -> Asked:
    """What is asked for. Raises Rejected with every problem."""
    products = parts.rules().products
    try:
        body = read(RatesBody, parse(raw))
    except Invalid as e:
        raise invalid(e.problems) from None
    if body.product not in products:
        known = ", ".join(sorted(products))
        raise invalid([Problem("product", f"found {body.product[:60]!r}, expected one of: {known}", "unknown_product")])
    return Asked(body.product, body.rates, body.effective)


def _listed(product: Product, at: datetime) -> Iterator[RateItem]:
    """Of each coin the rate in force, and those to come. The first version is in force before its date as well."""
    for asset in sorted({*product.given, *(asset for v in product.versions for asset in v.rates)}):
        line, first = timeline(product, asset), product.versions[0]
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
    return RateItem(product.kind, asset, stamp(effective), plain(line.at(effective)), per, source, is_in_force)
