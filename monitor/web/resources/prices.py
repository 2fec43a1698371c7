"""Prices, their trust, their sources, and what operators decide about them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec

from monitor.core.groups.lever_states import OpenProposal
from monitor.core.prices.decisions import Believe, Exclude, Pin, PriceAct, Release
from monitor.core.prices.quote import BadPrice, price
from monitor.core.queries.inbox import PriceLook
from monitor.core.queries.prices_shown import PriceItem, source_shown
from monitor.core.schema import Pattern
from monitor.core.text import plain_or_none
from monitor.web.auth import OPERATE, READ
from monitor.web.borrowers import price_without_sources
from monitor.web.causes import feed_causes, price_item
from monitor.web.http import AFTER, LIMIT, Param, Rejected, paged_by_name, read_as, read_body
from monitor.web.resources.alerts import Text
from monitor.web.resources.levers import DRY_RUN, LeverPreview, ProposalItem, acted, answered_proposal, previewed
from monitor.web.site import Call, Endpoint, Reply
from monitor.web.view import Daemon

SourceName = Annotated[str, Pattern(r"[a-z0-9-]{1,128}", "the name of a feed")]
A_DAY = timedelta(days=1)
"""How long a source is left out where the operator states no time."""
_ASKED = ("believe", "exclude", "pin")


class PriceList(msgspec.Struct, frozen=True):
    """Prices by asset."""

    items: list[PriceItem]
    next: str | None


class DecisionBody(msgspec.Struct, frozen=True):
    """What an operator decides about a price: one of `believe`, `exclude` and `pin`, and why.

    `believe`: the candidate as the operator saw it, in the currency of its quote. `exclude`: the source that does not count
    until a time, or for a day where none is stated. `pin`: the price in USD until a time. No decision lasts for more than
    seven days. `confirmed` is needed where a pin is ten times away from the last price or more.
    """

    reason: Text
    believe: str | None = None
    exclude: SourceName | None = None
    pin: str | None = None
    until: datetime | None = None
    confirmed: bool = False
    emergency: Text | None = None
    """Why nobody else can be asked first, where another person must approve a pin."""

    def __post_init__(self) -> None:
        asked = [name for name in _ASKED if getattr(self, name) is not None]
        if len(asked) != 1:
            raise ValueError(f"found {' and '.join(asked) or 'none'}, expected one of believe, exclude and pin")
        if self.believe is not None and self.until is not None:
            raise ValueError("until: a price is believed once, and its later ones are judged as ever; leave it out")
        if self.pin is not None and self.until is None:
            raise ValueError("until: is missing; a pin states when it ends")

    def act(self, asset: str, at: datetime) -> PriceAct:
        """The decision about an asset. Raises Rejected for a price that no market has."""
        if self.believe is not None:
            return Believe(asset, self.reason, _price("believe", self.believe))
        if self.exclude is not None:
            return Exclude(asset, self.reason, self.exclude, self.until or at + A_DAY)
        assert self.pin is not None
        assert self.until is not None
        return Pin(asset, self.reason, _price("pin", self.pin), self.until, self.confirmed)


async def prices(call: Call) -> PriceList:
    """Prices, their trust and their sources."""
    after, limit = call.query.page()
    call.query.done()
    assets = await asyncio.to_thread(_known, call)
    page, cursor = paged_by_name({asset: asset for asset in assets}, after, limit)
    return PriceList(await _with_sources(call, page), cursor)


def _known(call: Call) -> Collection[str]:
    """The coins that the caller may ask about: a borrower about those of the own groups. For a worker thread."""
    view, caller = call.daemon.view, call.caller
    return view.needed(caller.scope) if caller.is_borrower else view.priced(caller.scope)


async def price_of(call: Call) -> PriceItem:
    """One price, its trust and its sources."""
    call.query.done()
    return await _shown(call)


async def decide(call: Call) -> LeverPreview | Reply:
    """Pins a price (202 where another person must approve it first), leaves out a source, or believes a price that waits."""
    is_dry = call.query.choice("dry_run") == "true"
    call.query.done()
    body = read_as(DecisionBody, await read_body(call.request) or b"{}")
    _check_scope(call)
    act = body.act(call.id, call.daemon.clock.utc())
    if is_dry:
        if not isinstance(act, Pin):
            raise Rejected("bad-query", "dry_run: only a pin says what it would do; leave it out")
        return await previewed(call, act)
    made = (await acted(call, act, body.emergency, act.asset)).after
    return answered_proposal(made) if isinstance(made, OpenProposal) else Reply(await _shown(call), 201)


async def release(call: Call) -> None:
    """Ends the pin of an asset and the exclusions of its sources; with `source` only that exclusion."""
    source, reason = call.query.text("source"), call.query.text("reason")
    call.query.done()
    _check_scope(call)
    await acted(call, Release(call.id, (reason or "released")[:500], source), None, call.id)


async def _shown(call: Call) -> PriceItem:
    """The price of the path. Raises Rejected where no such coin is known to the caller."""
    if call.id not in await asyncio.to_thread(_known, call):
        why = "none of your groups needs this coin"
        if not call.caller.is_borrower:
            why = "no feed prices this coin and no group needs it"
        raise Rejected("not-found", f"{call.id[:40]}: {why}")
    (item,) = await _with_sources(call, [call.id])
    return item


async def _with_sources(call: Call, assets: Sequence[str]) -> list[PriceItem]:
    look = await call.daemon.inbox.look_at_prices(assets)
    items = await asyncio.to_thread(_items, call.daemon, assets, look)
    return [price_without_sources(item) for item in items] if call.caller.is_borrower else items


def _items(daemon: Daemon, assets: Sequence[str], look: PriceLook) -> list[PriceItem]:
    causes, at = feed_causes(daemon), daemon.clock.utc()
    why = look.why_missing
    return [_with(price_item(daemon, asset, at, causes, why.get(asset)), look) for asset in assets]


def _with(item: PriceItem, look: PriceLook) -> PriceItem:
    """With what each source says, and the price that waits to be confirmed."""
    return msgspec.structs.replace(
        item,
        candidate=plain_or_none(look.candidates.get(item.asset)),
        sources=[source_shown(each, look.at) for each in look.sources.get(item.asset, ())],
        decisions=item.decisions or [],
    )


def _check_scope(call: Call) -> None:
    if call.caller.scope:
        raise Rejected("forbidden", "a price is the whole desk's; a token with a scope cannot decide about it")


def _price(where: str, text: str) -> Decimal:
    try:
        return price(text)
    except BadPrice as e:
        raise Rejected("invalid", f"{where}: {e}", reason="bad_price") from None


ROUTES = (
    Endpoint("GET", "/v1/prices", prices, READ, (LIMIT, AFTER)),
    Endpoint("GET", "/v1/prices/{id}", price_of, READ),
    Endpoint(
        "POST",
        "/v1/prices/{id}/decisions",
        decide,
        OPERATE,
        (DRY_RUN,),
        body=DecisionBody,
        answers={200: LeverPreview, 201: PriceItem, 202: ProposalItem},
    ),
    Endpoint(
        "DELETE",
        "/v1/prices/{id}/decisions",
        release,
        OPERATE,
        (
            Param("source", "Only the exclusion of this source."),
            Param("reason", "Why, for the colleagues."),
        ),
    ),
)
