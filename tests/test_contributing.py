"""The examples of CONTRIBUTING.md are complete and do what they say: each is taken from the text and run."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiohttp import ClientSession, web
from jsonschema import Draft202012Validator

from monitor.books._base import KeptBook, PlainReader
from monitor.clock import SystemClock
from monitor.core.alerts.alert_schema import schema_of
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.events.events import GroupPut, Noticed
from monitor.core.schema import Invalid, read
from monitor.notifiers._base import DeliveryError, Notice, headline
from monitor.web.contract import routes
from tests.coin_desk import START
from tests.core.desk import Desk
from tests.web.desk import WebDesk, serving

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"`(monitor/[\w/]+\.py)`:\n\n```python\n(.*?)```", TEXT, re.DOTALL))
EDITS = re.findall(r"`(monitor/[\w/]+\.py)`, (before|after) `([^`\n]+)`:\n\n```text\n(.*?)```", TEXT, re.DOTALL)
NOTICE = Notice(
    "loan_group.margin_call.opened",
    "2021-05-19T12:58:00.000Z",
    {"id": "evt_1", "severity": "warning", "ltv": "0.7712", "group": {"id": "G-1"}},
)

Example = Callable[[str], ModuleType]


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    """The module of an example by its path in the text, or one of ours after the edits that the text names."""
    names: list[str] = []

    def load(path: str) -> ModuleType:
        file = tmp_path / Path(path).name
        file.write_text(EXAMPLES.get(path) or _edited(path))
        name = f"example_{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in names:
        del sys.modules[name]


def _edited(path: str) -> str:
    """A file of ours with each block before or after the line that the text names, which must stand once."""
    lines = (ROOT / path).read_text("utf-8").splitlines(keepends=True)
    for _, side, named, block in (edit for edit in EDITS if edit[0] == path):
        (place,) = (i for i, line in enumerate(lines) if line.strip() == named)
        lines.insert(place if side == "before" else place + 1, block)
    return "".join(lines)


class Peer:
    """A server on loopback that answers with what a test sets, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status, self.body, self.got, self.base = 200, "", list[object](), ""

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append(await request.json() if request.can_read_body else None)
        return web.Response(status=self.status, text=self.body)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    it, app = Peer(), web.Application()
    app.router.add_route("*", "/", it.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    it.base = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield it
    await runner.cleanup()


def test_every_family_but_the_store_has_an_example() -> None:
    """A family without one would be a section that nobody can follow."""
    assert {path.split("/")[1] for path in EXAMPLES} == {"notifiers", "feeds", "books", "products", "web"}


@pytest.mark.parametrize(("status", "retry"), [(500, True), (429, True), (400, False), (302, False)])
async def test_the_notifier_says_whether_to_retry(
    example: Example, peer: Peer, tmp_path: Path, status: int, retry: bool
) -> None:
    """A refused text is final, a busy room is not."""
    peer.status = status
    with pytest.raises(DeliveryError) as raised:
        await _chat(example, peer, tmp_path).send(NOTICE)
    assert raised.value.retry is retry


async def test_the_notifier_posts_one_line(example: Example, peer: Peer, tmp_path: Path) -> None:
    """What arrives is the headline."""
    receipt = await _chat(example, peer, tmp_path).send(NOTICE)
    assert receipt.detail == "HTTP 200"
    assert peer.got == [{"text": "[WARNING] G-1 margin call: LTV 77.12 %"}]


def _chat(example: Example, peer: Peer, folder: Path):
    (folder / "room").write_text(peer.base)
    (folder / "room").chmod(0o600)
    chat = example("monitor/notifiers/chat.py")
    return chat.build("room", read(chat.Config, {"url_file": "room"}, folder=folder))


async def test_the_feed_quotes_and_counts_what_it_refuses(example: Example, peer: Peer) -> None:
    """A bad price does not take the good one along."""
    peer.body = '{"BTC": "38035.92", "ETH": "-1"}'
    poll = example("monitor/feeds/poll.py")
    feed = poll.build("poll", read(poll.Config, {"url": peer.base, "every": "10ms"}))
    quotes = feed.quotes()
    (quote,) = await anext(quotes)
    await quotes.aclose()
    assert (quote.asset, quote.price, quote.source) == ("BTC", Decimal("38035.92"), "poll")
    assert feed.stats.refused == {"negative": 1}


async def test_the_feed_survives_its_peer(example: Example, peer: Peer) -> None:
    """After an answer that is no JSON it goes on, and the next good one counts."""
    peer.body = "try later"
    poll = example("monitor/feeds/poll.py")
    feed = poll.build("poll", read(poll.Config, {"url": peer.base, "every": "10ms"}))

    class Mended(poll.PollFeed):
        def parse(self, frame: bytes, at: datetime):
            peer.body = '{"BTC": "1"}'
            return super().parse(frame, at)

    feed.__class__ = Mended
    quotes = feed.quotes()
    assert len(await anext(quotes)) == 1
    await quotes.aclose()
    assert feed.stats.connected


async def test_the_book_puts_lines_and_names_the_refused(example: Example, peer: Peer) -> None:
    """The whole book as one batch, a broken line in its place."""
    flat = example("monitor/products/flat_loan.py")
    product = flat.load(tomllib.loads(RULES))
    peer.body = LINE + "\n{broken\n"
    url = example("monitor/books/url.py")
    config = read(url.Config, {"url": peer.base, "every": "1h"})
    reader = PlainReader(lambda: {"flat_loan": product})
    batches = url.build("desk", config, reader, SystemClock(), KeptBook()).batches()
    put, noticed = await anext(batches)
    await batches.aclose()
    assert isinstance(put, GroupPut)
    assert (put.group.id, put.source) == ("G-1", "desk")
    assert isinstance(noticed, Noticed)
    assert noticed.subject == "desk:2"


RULES = """
[[version]]
effective = 2024-01-01T00:00:00Z
call_at = "0.7"
sell_at = "0.8"
shares = { BTC = "0.9" }
rates = { USDT = "0.0002" }
"""
LINE = (
    '{"id":"G-1","product":"flat_loan","receiving_account":"a","collateral":{"a":{"BTC":"1"}},"loans":[{"id":"L","asset":'
    '"USDT","principal":"1","rate":{"kind":"flexible"},"term":"open","opened_at":"2026-01-05T10:00:00Z"}]}'
)


def test_the_product_states_its_lines(example: Example) -> None:
    """Two figures of the file make the four lines."""
    (version,) = example("monitor/products/flat_loan.py").load(tomllib.loads(RULES)).versions
    lines = version.thresholds
    assert (lines.initial, lines.margin_call) == (Decimal("0.65"), Decimal("0.7"))
    assert (lines.liquidation, lines.immediate) == (Decimal("0.8"), Decimal("0.84"))
    assert version.grace == timedelta(hours=12)


def test_the_product_names_what_is_wrong(example: Example) -> None:
    """Lines that are out of order are refused with their place."""
    with pytest.raises(Invalid, match=r"version\[0\]: lines out of order"):
        example("monitor/products/flat_loan.py").load(tomllib.loads(RULES.replace('"0.8"', '"0.6"')))


def test_the_alert_type_is_raised_with_its_severity_and_title(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel that refuses everything becomes an alert that fits its row of the catalogue."""
    row = example("monitor/core/alerts/catalogue.py").CATALOGUE["delivery.barred"]
    monkeypatch.setitem(cast("dict[str, Any]", CATALOGUE), "delivery.barred", row)
    refused = SimpleNamespace(id="dlv_1", alert="evt_1", type="loan.overdue", subject="G-1")
    outage = example("monitor/dispatch/outage.py").Outage("desk-mail")
    desk = Desk()
    (alert,) = desk.handle(outage.failed(0.0, START, refused, "HTTP 401", at_once=True))
    told = desk.told(alert)
    assert headline(Notice(told["type"], told["timestamp"], told["data"])) == "[CRITICAL] dlv_1 channel barred"
    Draft202012Validator(schema_of(row)).validate(told)


async def test_the_endpoint_answers(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is served beside all others."""
    added = example("monitor/web/resources/untrusted.py").ROUTES
    monkeypatch.setattr("monitor.web.app.routes", lambda: (*routes(), *added))
    async with serving(WebDesk()) as base, ClientSession() as session, session.get(f"{base}/v1/untrusted") as answer:
        assert (answer.status, await answer.json()) == (200, {"assets": []})


def test_the_entry_is_read_and_changes_the_group(example: Example) -> None:
    """Other labels, and nothing else."""
    entries = example("monitor/core/events/entries.py")
    product = example("monitor/products/flat_loan.py").load(tomllib.loads(RULES))
    group = PlainReader(lambda: {"flat_loan": product}).parse(msgspec.json.decode(LINE), START)
    entry = msgspec.convert({"type": "relabel", "labels": {"desk": "EU"}}, entries.Entry)
    after = entries.apply(group, entry, START, product, {})
    assert after == msgspec.structs.replace(group, labels={"desk": "EU"})
