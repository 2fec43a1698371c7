"""What the tests of the channels share: a notice as the desk gets it, and a webhook."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.notifiers._base import Notice
from monitor.notifiers._http import Http
from monitor.notifiers.webhook import Config, WebhookNotifier
from tests.notifiers.service import Service, serving

MakeNotice = Callable[..., Notice]
MakeWebhook = Callable[..., WebhookNotifier]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The key of the specification's example."""

STARTED: dict[str, Any] = {
    "id": "evt_abcdefghijklmnopqrstuvwxyz", "cursor": 1042, "severity": "critical", "test": False, "durable": True,
    "blind": False,
    "group": {"id": "G-1001", "product": "vip_loan", "receiving_account": "acct-1", "labels": {"borrower": "ACME"}},
    "sequence": 7, "episode": 3, "stage": {"from": "margin_call", "to": "delayed_liquidation"}, "reason": "ltv",
    "ltv": "0.91839999", "debt_usd": "1000000.001", "recognised_usd": "1088914.119", "market_usd": "1310000",
    "thresholds": {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"},
    "band": "liquidation", "next_line": {"name": "immediate", "ltv": "0.95", "distance_percent": "3.32", "strict": True},
    "deadline": "2026-11-22T14:05:59.000Z", "detected_at": "2026-11-21T14:05:59.004Z",
    "cure": {
        "to_ltv": "0.72", "repay_usd": "66395.3", "add_recognised_usd": "92215.69",
        "by_asset": {"BTC": "2.41336623", "SHIB": None},
    },
    "liquidation_price": {"BTC": "31250.5", "SHIB": None},
    "inputs": [
        {"asset": "BTC", "quantity": "12.5", "price": "38210.4", "quote": "USDT", "quote_price": "38210.4",
         "source": "binance-futures", "price_at": "2026-11-21T14:05:58.000Z", "trust": "good", "value_usd": "477630",
         "recognised_usd": "477630"},
        {"asset": "SHIB", "quantity": "81250000000", "price": None, "quote": None, "quote_price": None, "source": None,
         "price_at": None, "trust": "missing", "value_usd": None, "recognised_usd": None},
    ],
    "debts": [
        {"loan": "L-1", "asset": "USDT", "principal": "900000", "interest": "144.000001", "price": "1",
         "value_usd": "900144.000001"},
    ],
    "inputs_cut": 3, "rules": "vip_loan@2024-04-29", "supersedes": "evt_before",
    "suppressed": ["loan_group.margin_call.opened"],
}  # fmt: skip


@pytest.fixture
def make_notice() -> MakeNotice:
    """A notice that delayed liquidation started, with the data that a test changes."""

    def make(type_: str = "loan_group.delayed_liquidation.started", to: tuple[str, ...] = (), **changes: Any) -> Notice:
        data = {**copy.deepcopy(STARTED), **changes}
        return Notice(type_, "2026-11-21T14:05:59.000Z", data, to)

    return make


@pytest.fixture
def plain_notice() -> MakeNotice:
    """A notice that is about no group: a subject and facts."""

    def make(type_: str = "price.stale", subject: str = "BTC", severity: str = "warning", **more: Any) -> Notice:
        data = {
            "id": "evt_plain",
            "cursor": 7,
            "severity": severity,
            "test": False,
            "durable": True,
            "subject": subject,
            "facts": {"reason": "no quote for 10 s", "groups": ["G-1", "G-2"], "exposed_usd": "1234567.8"},
            **more,
        }
        return Notice(type_, "2026-11-21T14:05:59.000Z", data)

    return make


@pytest.fixture
async def make() -> AsyncIterator[MakeWebhook]:
    made: list[WebhookNotifier] = []

    def build(url: str, secret: str = SECRET, clock: Any = None, **more: Any) -> WebhookNotifier:
        config = Config(url=url, secret=secret, allow_private=more.pop("allow_private", True))
        made.append(WebhookNotifier("hook", config, clock or SystemClock(), **more))
        return made[-1]

    yield build
    for one in made:
        await one.close()


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """A service on loopback that keeps what it got. The clients that a test made are closed at its end."""
    made: list[Http] = []
    begin = Http.__init__

    def counted(self: Http, *args: Any, **more: Any) -> None:
        begin(self, *args, **more)
        made.append(self)

    monkeypatch.setattr(Http, "__init__", counted)
    async with serving() as one:
        yield one
        for client in made:
            await client.close()
