"""Counts the files that one more alert type, venue, notifier and endpoint touch, by really adding one of each.

    python -m tools.additions

Each is added to a copy of the repository: its files are written, what is generated is generated, and tests show that it
works. Then git says which files differ.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
KERNELS = "*.nb[ci]"
"""What numba compiled; without it each copy would compile for half a minute."""


class Edit(NamedTuple):
    """A text that stands in front of another one in a file, or in its place."""

    file: str
    found: str
    put: str


class Addition(NamedTuple):
    """One more thing, and what shows that it works."""

    name: str
    most: int
    """The files that it may touch."""
    new: Mapping[str, str]
    edits: tuple[Edit, ...] = ()
    generate: tuple[str, ...] = ()
    """Modules that write generated files."""
    probe: str = ""
    """A test that is no part of the addition."""
    tests: tuple[str, ...] = ()
    """Tests of the repository that must pass with it."""


ALERT = Addition(
    name="alert type",
    most=4,
    new={},
    edits=(
        Edit(
            "monitor/core/alerts/catalogue.py",
            '    AlertType(\n        "monitor.clock_jump"',
            """    AlertType(
        "delivery.barred", CRITICAL, "channel barred", "delivery",
        "A channel refuses everything that we send.",
        "Look at its password, its certificate and its address.",
        (Fact("notifier", TEXT, "the channel"), Fact("alert", TEXT, "id of the alert that met the refusal")),
    ),
    AlertType(
        "monitor.clock_jump\"""",
        ),
        Edit(
            "monitor/dispatch/outage.py",
            "        self._failures += 1\n",
            """        self._failures += 1
        if at_once:
            return Noticed(at, "delivery.barred", delivery.id, {"notifier": self._notifier, "alert": delivery.alert})
""",
        ),
    ),
    generate=("tools.alerts",),
    probe="""
from types import SimpleNamespace

from jsonschema import Draft202012Validator

from monitor.core.alerts.alert_schema import schema_of
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.dispatch.outage import Outage
from monitor.notifiers._base import Notice, headline
from tests.core.desk import START, Desk


def test_the_alert_is_raised_and_rendered() -> None:
    refused = SimpleNamespace(id="dlv_1", alert="evt_1", type="loan.overdue", subject="G-1")
    desk = Desk()
    (alert,) = desk.handle(Outage("desk-mail").failed(0.0, START, refused, "HTTP 401", at_once=True))
    told = desk.told(alert)
    assert (told["type"], told["data"]["severity"]) == ("delivery.barred", "critical")
    assert headline(Notice(told["type"], told["timestamp"], told["data"])) == "[CRITICAL] dlv_1 channel barred"
    Draft202012Validator(schema_of(CATALOGUE["delivery.barred"])).validate(told)
""",
    tests=("tests/tools/test_alerts.py", "tests/core/alerts/test_catalogue.py"),
)

VENUE = Addition(
    name="venue",
    most=1,
    new={
        "monitor/feeds/okx_swaps.py": '''"""Mark prices of OKX perpetuals in USDT: the channel `mark-price`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from monitor.clock import Clock, SystemClock
from monitor.core.prices.quote import Batch
from monitor.feeds._base import Unusable
from monitor.feeds._markets import Spelled
from monitor.feeds._venue import LiveConfig, LiveFeed, instant

SUFFIX = "-USDT-SWAP"


class Config(LiveConfig, frozen=True, kw_only=True):
    """Keys of a `[[feed]]` of kind okx_swaps."""

    url: str = "wss://ws.okx.com:8443/ws/v5/public"

    def spelled(self, symbol: str) -> Spelled:
        """BTC-USDT-SWAP prices BTC."""
        return Spelled(symbol.removesuffix(SUFFIX), "USDT") if symbol.endswith(SUFFIX) else Spelled(refused="symbol")


class _Item(msgspec.Struct):
    market: str = msgspec.field(name="instId")
    price: str = msgspec.field(name="markPx")
    at_ms: str = msgspec.field(name="ts")


class _Message(msgspec.Struct):
    data: tuple[_Item, ...] = ()


_decode = msgspec.json.Decoder(_Message).decode


class OkxSwaps(LiveFeed):
    """The feed."""

    PING: ClassVar[str] = "ping"

    def read(self, data: bytes) -> Batch:
        """The prices of one message."""
        try:
            items = _decode(data).data
        except msgspec.DecodeError as e:
            raise Unusable("not_json", data[:40]) from e
        made = (self.quote(item.market, item.price, instant(item.at_ms, as_text=True)) for item in items)
        return [quote for quote in made if quote is not None]

    def topics(self) -> Sequence[str]:
        """The markets of the coins that the book needs."""
        return self.markets.symbols_of(self.desk.needs(), lambda base, quote: base + SUFFIX)

    def ask(self, topics: Sequence[str]) -> Sequence[str]:
        """One request for all of them."""
        args = [{"channel": "mark-price", "instId": topic} for topic in topics]
        return [msgspec.json.encode({"op": "subscribe", "args": args}).decode()]


def build(name: str, config: Config, clock: Clock | None = None) -> OkxSwaps:
    """The feed of that name."""
    return OkxSwaps(name, config, clock or SystemClock())
'''
    },
    probe="""
import asyncio
import json
from pathlib import Path

from websockets.asyncio.server import serve

from monitor import plugins
from monitor.core.schema import read
from monitor.feeds._base import Desk

ITEM = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "markPx": "42310.6", "ts": "1767225600000"}


async def test_a_price_of_the_venue_becomes_a_quote(tmp_path: Path) -> None:
    asked = []

    async def talk(socket):
        asked.append(json.loads(await socket.recv()))
        await socket.send("no JSON")
        await socket.send(json.dumps({"event": "subscribe"}))
        await socket.send(json.dumps({"data": [ITEM, {**ITEM, "markPx": "dear"}]}))
        await socket.wait_closed()

    async with serve(talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        module = plugins.module("feeds", "okx_swaps")
        table = {"url": f"ws://127.0.0.1:{port}"}
        feed = module.build("okx", read(module.Config, table, "feed[0]", tmp_path))
        feed.attach(Desk(lambda: {"BTC"}))
        quotes = feed.quotes()
        async with asyncio.timeout(10):
            (quote,) = await anext(quotes)
        await quotes.aclose()
    assert asked[0]["args"] == [{"channel": "mark-price", "instId": "BTC-USDT-SWAP"}]
    assert (quote.asset, str(quote.price), quote.quote, quote.source) == ("BTC", "42310.6", "USDT", "okx")
    assert dict(feed.stats.refused) == {"not_json": 1, "not_a_number": 1}
""",
    tests=("tests/test_plugins.py",),
)

NOTIFIER = Addition(
    name="notifier",
    most=1,
    new={
        "monitor/notifiers/lines.py": '''"""Adds each notice to a file as one line of JSON."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from monitor.notifiers._base import DeliveryError, Notice, Receipt


class Config(msgspec.Struct, frozen=True):
    """`file` is relative to the working directory."""

    file: str = "/dev/null"


def build(name: str, config: Config) -> LinesNotifier:
    return LinesNotifier(name, Path(config.file))


class LinesNotifier:
    """One line a notice."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    async def send(self, notice: Notice) -> Receipt:
        """Writes the body that a webhook would post."""
        try:
            await asyncio.to_thread(self._append, notice.body() + b"\\n")
        except OSError as e:
            raise DeliveryError(f"cannot write {self._path.name}: {e.strerror}", retry=True) from None
        return Receipt(f"written: {self._path.name}")

    async def close(self) -> None:
        """Nothing to free."""

    def _append(self, line: bytes) -> None:
        with self._path.open("ab") as file:
            file.write(line)
'''
    },
    tests=("tests/contracts/test_notifier_contract.py", "tests/test_plugins.py", "-k", "lines or famil or kind"),
)

ENDPOINT = Addition(
    name="endpoint",
    most=3,
    new={
        "monitor/web/resources/untrusted.py": '''"""Coins whose price is not trusted."""

from __future__ import annotations

import msgspec

from monitor.web.auth import READ
from monitor.web.site import Call, Endpoint


class Untrusted(msgspec.Struct, frozen=True):
    """Which coins the monitor cannot price for sure now."""

    assets: list[str]


async def untrusted(call: Call) -> Untrusted:
    """Coins whose price is not trusted."""
    return Untrusted(sorted(call.daemon.view.published.untrusted))


ROUTES = (Endpoint("GET", "/v1/untrusted", untrusted, READ),)
'''
    },
    edits=(
        Edit(
            "tests/web/test_admission.py",
            '    ("GET", "/v1/fund", None, {*ROLES}, 404),\n',
            """    ("GET", "/v1/fund", None, {*ROLES}, 404),
    ("GET", "/v1/untrusted", None, {*ROLES}, 200),
""",
        ),
    ),
    generate=("tools.typescript",),
    tests=("tests/web/test_contract.py", "tests/web/test_admission.py", "tests/tools/test_typescript.py"),
)

ADDITIONS = (ALERT, ENDPOINT, VENUE, NOTIFIER)


class Count(NamedTuple):
    """What an addition touched, and why it does not work, if so."""

    addition: Addition
    files: tuple[str, ...]
    trouble: str

    @property
    def is_fine(self) -> bool:
        return not self.trouble and len(self.files) <= self.addition.most


def count(addition: Addition) -> Count:
    """Adds one thing to a copy of the repository, and looks at what differs."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _copy(root)
        for file, text in addition.new.items():
            (root / file).write_text(text, encoding="utf-8")
        for edit in addition.edits:
            _change(root / edit.file, edit)
        commands = [["-m", module] for module in addition.generate]
        if addition.probe:
            (root / "tests/test_probe.py").write_text(addition.probe, encoding="utf-8")
        tests = (*addition.tests, *(["tests/test_probe.py"] if addition.probe else []))
        commands += [["-m", "mypy"], ["-m", "pytest", "-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", *tests]]
        trouble = next((said for command in commands if (said := _run(root, command)) is not None), "")
        (root / "tests/test_probe.py").unlink(missing_ok=True)
        changed = _git(root, "status", "--porcelain", "--untracked-files=all").splitlines()
    return Count(addition, tuple(sorted(line[3:] for line in changed)), trouble)


def _copy(root: Path) -> None:
    """All that git would keep of the repository, as the one commit of a new one, and what numba compiled."""
    listed = _git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    compiled = [str(path.relative_to(ROOT)) for path in (ROOT / "monitor").rglob(KERNELS)]
    for file in (*listed, *compiled):
        if (ROOT / file).is_file():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, root / file)
    _git(root, "init", "--quiet")
    _git(root, "add", "--all")
    _git(root, "-c", "user.name=tools", "-c", "user.email=tools@localhost", "commit", "--quiet", "--message", "A copy")


def _change(path: Path, edit: Edit) -> None:
    text = path.read_text(encoding="utf-8")
    if edit.found not in text:
        raise SystemExit(f"{edit.file} has no {edit.found!r} any more: mend the addition in {__file__}")
    path.write_text(text.replace(edit.found, edit.put, 1), encoding="utf-8")


def _run(root: Path, command: list[str]) -> str | None:
    """What a command said, where it failed."""
    done = subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, *command],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


def shown(counts: list[Count]) -> str:
    """Each addition with its files."""
    lines = []
    for each in counts:
        lines.append(f"One more {each.addition.name}: {len(each.files)} files, at most {each.addition.most}")
        lines += [f"  {file}" for file in each.files]
        lines += [f"  DOES NOT WORK: {each.trouble}"] if each.trouble else []
    return "\n".join(lines)


if __name__ == "__main__":
    wanted = [a for a in ADDITIONS if not sys.argv[1:] or a.name in sys.argv[1:]]
    counts = [count(addition) for addition in wanted]
    print(shown(counts))
    sys.exit(not all(each.is_fine for each in counts))
