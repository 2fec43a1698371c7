"""Any product under the real RiskMonitor: its shipped file or a table, book lines, prices, and what the desk then sees."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from monitor import plugins
from monitor.core.alerts.payload import alert_item
from monitor.core.events.entries import Entry
from monitor.core.events.events import BookEntry, GroupPut, MarkPrices, TimePassed
from monitor.core.groups.outcome import Outcome
from monitor.core.loans.group import parse_line
from monitor.core.money import number
from monitor.core.prices.quote import Quote
from monitor.core.queries.explain import detail
from monitor.core.queries.inbox import Look
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Lifecycle, Rules, Trust
from monitor.core.schema import read
from monitor.core.text import as_json
from monitor.core.watch.risk import RiskMonitor

CONFIG = Path(__file__).parents[2] / "config" / "products"
START = datetime(2026, 1, 5, 10, 30, tzinfo=UTC)


def shipped(kind: str) -> Product:
    """The product of the file that ships for it."""
    return module(kind).load(tomllib.loads((CONFIG / f"{kind}.toml").read_text()))


def module(kind: str) -> ModuleType:
    return plugins.module("products", kind)


class Shelf:
    """A monitor over one product."""

    def __init__(self, product: Product, *lines: dict[str, Any], at: datetime = START, **lifecycle: Any) -> None:
        self.product, self.at = product, at
        self.rules = Rules("desk-1", {product.kind: product}, Lifecycle(**lifecycle), Trust(enabled=False))
        self.monitor = RiskMonitor(self.rules)
        for stated in lines:
            self.put(stated)

    def put(self, stated: dict[str, Any]) -> Outcome:
        return self.monitor.handle(GroupPut(self.at, parse_line(stated, self.at, self.rules.products), "book"))

    def price(self, at: datetime | None = None, **prices: str) -> list[str]:
        """Prices in USD; returns the alerts by type, the reason of a liquidation in brackets."""
        self.at = at or self.at
        quotes = tuple(Quote(a, number(p), "USD", "feed", self.at) for a, p in prices.items())
        return said(self.monitor.handle(MarkPrices(self.at, quotes)))

    def wait(self, at: datetime) -> list[str]:
        self.at = at
        return said(self.monitor.handle(TimePassed(at)))

    def enter(self, entry: dict[str, Any], id_: str = "G-1") -> Outcome:
        found: Any = read(Entry, entry)
        return self.monitor.handle(BookEntry(self.at, id_, "e-1", found))

    def detail(self, id_: str = "G-1") -> dict[str, Any]:
        """GET /v1/groups/{id}."""
        sight, board = self.monitor.sight(id_), self.monitor.board
        assert sight is not None
        look = Look(self.at, sight, dict(board.marks), dict(board.usd), frozenset(board.untrusted), self.rules)
        return as_json(detail(look))

    def told(self, out: Outcome) -> list[dict[str, Any]]:
        """The alerts as the outside sees them."""
        return [as_json(alert_item(alert, 1, self.rules.products).data) for alert in out.alerts]


def said(out: Outcome) -> list[str]:
    short = [a.type.removeprefix("loan_group.") for a in out.alerts]
    return [f"{s}({a.reason})" if s == "liquidation.triggered" else s for s, a in zip(short, out.alerts, strict=True)]
