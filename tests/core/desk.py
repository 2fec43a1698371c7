"""A small desk for the tests of core: the real RiskMonitor, and scenarios as tables that a risk officer can read.

Group G-1 holds 100 USDT, recognised in full, and owes 100 COIN at no interest: a price of COIN of 0.77 is an LTV of
exactly 77 %. A row of a table says when, which LTV (or which prices), and the alerts that it causes, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.alerts.light import whole
from monitor.core.alerts.payload import CAUSE, alert_item
from monitor.core.events.entries import Entry
from monitor.core.events.events import (
    BookEntry,
    Event,
    GroupClosed,
    GroupPut,
    MarkPrices,
    Noticed,
    ProductsChanged,
    TimePassed,
)
from monitor.core.groups.loan_book import LoanBook
from monitor.core.groups.outcome import Outcome, Sight
from monitor.core.loans.group import Group, parse_line
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.quote import Quote
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Fund, Lifecycle, Rules, Trust
from monitor.core.schema import read
from monitor.core.stages.stages import GroupState
from monitor.core.text import as_json
from monitor.core.watch.risk import RiskMonitor
from monitor.products import vip_loan
from tests.coin_desk import START, clock, version

OFF = Trust(enabled=False)


def product(*versions: dict[str, Any]) -> Product:
    """A product from its versions, as the product file states them."""
    return vip_loan.load({"version": list(versions) or [version()]})


def group(stated: dict[str, Any], at: datetime = START, of: Product | None = None) -> Group:
    """A group as core holds it, from its line."""
    return parse_line(stated, at, {"vip_loan": of or product()})


new_book: Callable[[], LoanBook] = PlainBook
"""The book of a new desk. `both_books` plays a test on each kind."""
both_books = pytest.mark.usefixtures("each_book")
"""For a test, or as the `pytestmark` of a module, that makes a book. Others run once."""


class Desk:
    """A monitor with groups put at the start, and the tables that are played on it."""

    def __init__(
        self,
        *lines: dict[str, Any],
        of: Product | None = None,
        trust: Trust = OFF,
        fund: Fund | None = None,
        **lifecycle: Any,
    ) -> None:
        self.rules = Rules("desk-1", {"vip_loan": of or product()}, Lifecycle(**lifecycle), trust, fund)
        self.monitor = RiskMonitor(self.rules, book=new_book())
        self.alerts: list[Alert] = []
        self.last = Outcome(START)
        for each in lines:
            self.put("00:00", each)

    def play(self, table: str) -> list[Alert]:
        """Plays rows of `time  ltv  alerts`, by lines or semicolons, and returns the new alerts.

        The LTV is the price of COIN; "BTC=5,COIN=0.7@spot" names prices and their source; "..." lets time pass. "-"
        expects nothing. An alert is its type without "loan_group.", the reason of a liquidation in brackets, ":" and its
        subject if that is not G-1, "@" and its time if that is not the row's.
        """
        new: list[Alert] = []
        for row in table.replace(";", "\n").strip().splitlines():
            time, what, *said = row.split()
            at = clock(time)
            alerts = self.handle(TimePassed(at) if what == "..." else MarkPrices(at, quotes(what, at)))
            assert [shorten(alert, at) for alert in alerts] == [word for word in said if word != "-"], row
            new += alerts
        return new

    def handle(self, event: Event) -> list[Alert]:
        self.last = self.monitor.handle(event)
        for alert in self.last.alerts:
            assert strange_facts(alert) == set(), f"{alert.type}: the catalogue does not know these facts"
        self.alerts += self.last.alerts
        return self.last.alerts

    def pass_time(self, time: str) -> str:
        at = clock(time)
        return self.short(self.handle(TimePassed(at)), at)

    def price(self, time: str, what: str) -> str:
        """Prices as in a row of a table."""
        at = clock(time)
        return self.short(self.handle(MarkPrices(at, quotes(what, at))), at)

    def put(self, time: str, stated: dict[str, Any], source: str = "book") -> str:
        at = clock(time)
        return self.short(self.handle(GroupPut(at, parse_line(stated, at, self.monitor.rules.products), source)), at)

    def close(self, time: str, group_id: str = "G-1", source: str = "book") -> str:
        at = clock(time)
        return self.short(self.handle(GroupClosed(at, group_id, source)), at)

    def enter(self, time: str, entry: dict[str, Any], group_id: str = "G-1") -> str:
        at = clock(time)
        return self.short(self.handle(BookEntry(at, group_id, "e-1", read(Entry, entry))), at)

    def notice(self, time: str, kind: str, subject: str, **more: Any) -> str:
        at = clock(time)
        return self.short(self.handle(Noticed(at, kind, subject, more.pop("facts", {}), **more)), at)

    def change(self, time: str, **rules: Any) -> str:
        """A reload with other rules."""
        at = clock(time)
        changed = msgspec.structs.replace(self.monitor.rules, **rules)
        return self.short(self.handle(ProductsChanged(at, changed)), at)

    def restart(self, **changes: Any) -> None:
        """A new monitor that knows what a restart hands over, and nothing else; `changes` of the rules."""
        rules = msgspec.structs.replace(self.monitor.rules, **changes)
        self.monitor = RiskMonitor(rules, memory=self.monitor.memory, book=new_book())

    @staticmethod
    def short(alerts: Iterable[Alert], at: datetime) -> str:
        return " ".join(shorten(alert, at) for alert in alerts) or "-"

    def sight(self, group_id: str = "G-1") -> Sight:
        seen = self.monitor.sight(group_id)
        assert seen is not None
        return seen

    def state(self, group_id: str = "G-1") -> GroupState:
        return self.sight(group_id).state

    def told(self, alert: Alert) -> dict[str, Any]:
        """The alert as the outside sees it."""
        return as_json(alert_item(alert, 1, self.monitor.rules.products))


def quotes(text: str, at: datetime) -> tuple[Quote, ...]:
    """Quotes from "0.77" (COIN in USD) or "BTC=40000/USDT@spot,COIN=0.7": price, currency, source.

    The venue's own index beside each is the same, so the first price of a coin is believed; "COIN=0.7!" has none beside it.
    """
    made = []
    for part in text.split(","):
        asset, _, rest = part.rpartition("=")
        price, _, source = rest.partition("@")
        price, _, currency = price.partition("/")
        value = Decimal(price.removesuffix("!"))
        beside = None if price.endswith("!") else value
        made.append(Quote(asset or "COIN", value, currency or "USD", source or "feed", at, beside=beside))
    return tuple(made)


def shorten(alert: Alert, at: datetime) -> str:
    text = alert.type.removeprefix("loan_group.")
    if alert.type == "loan_group.liquidation.triggered":
        text += f"({alert.reason})"
    if alert.subject != "G-1":
        text += f":{alert.subject}"
    if alert.at != at:
        seconds = int((alert.at - START).total_seconds())
        text += f"@{seconds // 3600:02}:{seconds // 60 % 60:02}" + (f":{seconds % 60:02}" if seconds % 60 else "")
    return text


def strange_facts(alert: Alert) -> set[str]:
    """Facts of an alert that its row of the catalogue does not name."""
    return alert.facts.keys() - {fact.name for fact in CATALOGUE[alert.type].facts} - set(CAUSE)


def plainly(alerts: Iterable[Alert]) -> list[Mapping[str, Any]]:
    """Alerts as values that can be compared whole; when they were noticed is left out."""
    return [msgspec.structs.asdict(msgspec.structs.replace(whole(a), detected_at=a.at)) for a in alerts]
