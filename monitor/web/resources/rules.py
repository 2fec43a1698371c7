"""What a reload with other rules would do, before anybody reloads. The book is copied between two events, and weighed in a
worker thread."""

from __future__ import annotations

import asyncio
import tomllib
from typing import Annotated, Any

import msgspec

from monitor import plugins
from monitor.core.portfolio.rules_preview import RulesPreview, preview
from monitor.core.rules.product import Product, override_problems
from monitor.core.rules.settings import Rules
from monitor.core.rules.terms import LabelTerms
from monitor.core.schema import Invalid, Problem, read
from monitor.tables import LifecycleTable
from monitor.web.auth import ADMIN
from monitor.web.http import Rejected, invalid, read_as, read_body
from monitor.web.site import Call, Endpoint

MOST_LISTED = 10_000
"""Each is worked out exactly, in 0.2 ms of the worker thread."""
MOST_PRODUCTS = 100


class PostedProduct(msgspec.Struct, frozen=True):
    """An agreement: its kind, the lines of its file, and what [[product]] states beside these."""

    kind: str
    lines: tuple[str, ...]
    name: str | None = None
    override: tuple[dict[str, Any], ...] = ()


class RulesBody(msgspec.Struct, frozen=True):
    """All products of a configuration, and its table [lifecycle], which else stays as it is. `limit` groups are listed."""

    products: tuple[PostedProduct, ...]
    lifecycle: dict[str, Any] | None = None
    limit: Annotated[int, range(0, MOST_LISTED + 1)] = 20

    def __post_init__(self) -> None:
        if not 1 <= len(self.products) <= MOST_PRODUCTS:
            raise ValueError(f"products: found {len(self.products)} of them, expected 1 to {MOST_PRODUCTS}")


async def preview_rules(call: Call) -> RulesPreview:
    """Which groups a reload with these rules would move to another stage, at the prices of now; nothing is changed."""
    body = read_as(RulesBody, await read_body(call.request))
    if call.caller.scope:
        raise Rejected("forbidden", "rules are the whole desk's; a token with a scope cannot preview them")
    products, lifecycle = await asyncio.to_thread(_read, body)

    def replaced(now: Rules) -> Rules:
        how = now.lifecycle if lifecycle is None else lifecycle.settings
        return msgspec.structs.replace(now, products=products, lifecycle=how)

    with call.site.quotas.stress(call.caller):
        async with call.site.turns.one(call.caller):
            book, rules = await call.daemon.inbox.whole_book_under(replaced)
            return await asyncio.to_thread(preview, book, rules, body.limit)


def _read(body: RulesBody) -> tuple[dict[str, Product], LifecycleTable | None]:
    """The rules. Raises Rejected with all that is wrong, by its place in the body and in the file."""
    products: dict[str, Product] = {}
    problems: list[Problem] = []
    for i, posted in enumerate(body.products):
        where = f"products[{i}]"
        try:
            module = plugins.module("products", posted.kind)
            name = posted.name or posted.kind
            if name in products:
                key = "kind" if posted.name is None else "name"
                problems.append(
                    Problem(f"{where}.{key}", f"{name!r} stands twice; give each agreement a name of its own")
                )
            found: Product = module.load(tomllib.loads("\n".join(posted.lines)))
            overrides = read(tuple[LabelTerms, ...], list(posted.override), f"{where}.override")
            products[name] = msgspec.structs.replace(found, name=name, overrides=overrides)
            problems += override_problems(products[name], f"{where}.override")
        except plugins.UnknownKind as e:
            problems.append(Problem(f"{where}.kind", str(e)))
        except Invalid as e:
            problems += [Problem(f"{where}: {p.where}", p.what) for p in e.problems]
        except (ValueError, RecursionError) as e:  # no TOML, a number of thousands of digits, or nested too deeply
            problems.append(Problem(f"{where}.lines", f"is not TOML: {e}"))
    lifecycle = None
    try:
        lifecycle = None if body.lifecycle is None else read(LifecycleTable, body.lifecycle, "lifecycle")
    except Invalid as e:
        problems += e.problems
    if problems:
        raise invalid(problems)
    return products, lifecycle


ROUTES = (Endpoint("POST", "/v1/rules/preview", preview_rules, ADMIN, body=RulesBody, name="preview_rules"),)
