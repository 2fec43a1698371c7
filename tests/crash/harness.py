"""A trial: the real daemon with a market, a loan book and a receiver that all outlive it, killed and started again.

    async with Trial(tmp_path, seed=1, plan=["before commit:3", "after send:2"]) as trial:
        await trial.start()
        await trial.put_book()
        await trial.step(trial.market.swing(0.2))
        await trial.finish()

Whatever dies is examined, started again without any other help, and asked the same again. `finish` stops the daemon
cleanly and compares all that was said, sent and kept with the reference model (checks.py).
"""

from __future__ import annotations

import asyncio
import json
import signal
import tomllib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

from monitor.clock import SystemClock
from tests.crash import checks
from tests.crash.autopsy import Findings, examine
from tests.crash.daemon import Daemon, Died
from tests.crash.market import HISTORY, Market
from tests.crash.oracle import EARLIEST
from tests.crash.receiver import CHANNELS, SECRET, TroubledReceiver
from tests.feeds.venue import Venue
from tests.reference import books

T = TypeVar("T")

NAME = "desk-1"
GRACE_S, REMINDER_S, REPEAT_S, HOLD_S = 2, 1, 2, 1
"""Days and hours of the real product, in seconds: deadlines fall into every life, and into every death."""
WITHIN_S = 30.0
PRODUCT = books.product_toml(second="2025-01-01T00:00:00Z").replace('grace = "24h"', f'grace = "{GRACE_S}s"')
LIFECYCLE = {"clear_hold_s": HOLD_S, "grace_reminders": [f"{REMINDER_S}s"], "margin_call_repeat": f"{REPEAT_S}s"}
CONFIG = """
[monitor]
name = "{name}"
state_dir = "var"
[store]
kind = "sqlite"
path = "var/monitor.db"
[web]
port = 0
[prices]       # the reference knows good prices only: none grows old here, and no jump is doubted
stale_after = "1h"
confirm_jump = "10"
[lifecycle]
clear_hold = "{hold}s"
grace_reminders = ["{reminder}s"]
margin_call_repeat = "{repeat}s"
[[product]]
kind = "vip_loan"
file = "product.toml"
[[feed]]
name = "venue"
kind = "binance_futures"
url = "{venue}"
silence = "1h"
first_frame = "1h"
retry_min = "20ms"
retry_max = "100ms"
"""
BOOK = """
[[book]]
name = "file"
kind = "file"
path = "book.jsonl"
watch = true
"""
NOTIFIER = """
[[notifier]]
name = "{name}"
kind = "webhook"
url = "{url}"
secret = "{secret}"
allow_private = true
"""


@dataclass
class Life:
    """One life of the daemon, from its start to what was found when it was dead."""

    number: int
    daemon: Daemon
    began_at: datetime
    crash_at: str = ""
    ready_at: datetime | None = None
    """When it answered, or died without."""
    may_end: bool = False
    """It was asked to stop, so it may have ended before the kill."""
    code: int = 0
    logs: list[Path] = field(default_factory=list)
    """Its record of events: one file, and another after each time that the disk was full."""
    findings: Findings = field(default_factory=Findings)


class Trial:
    """See the module. `plan` names the crash points of the first lives; `trouble` is the receiver's share of faults."""

    listens_ahead = False
    """Whether a daemon hears prices before its life."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        groups: int = 24,
        trouble: float = 0.0,
        plan: list[str] | None = None,
        product: str = PRODUCT,
    ) -> None:
        self.folder, self.seed, self.plan = folder, seed, plan or []
        self.clock = SystemClock()
        self.receiver, self.venue = TroubledReceiver(seed, trouble), Venue(ping_every_s=None)
        self.market = Market(self.venue, seed)
        self.product: dict[str, Any] = tomllib.loads(product)
        self.lives: list[Life] = []
        self.lines: dict[tuple[str, str], dict[str, Any]] = {}
        """Every line that was ever put, by group and label."""
        self.entries: dict[str, dict[str, Any]] = {}
        """Every entry that was ever posted, by its id."""
        self.acknowledged: dict[str, str] = {}
        """The label of the line that the daemon answered 2xx to last, by group."""
        self.entered: set[str] = set()
        """Entries that it answered 2xx to."""
        self.store = folder / "var" / "monitor.db"
        self.config = folder / "monitor.toml"
        self.is_ready = asyncio.Event()
        """A daemon lives that answers; the reader that finds it dead clears this."""
        self.goes_on = asyncio.Event()
        """Cleared while market and feeder hold still."""
        self.goes_on.set()
        self.market_goes_on = False
        """Prices are sent also while the daemon is dead or starting."""
        self.filed: list[dict[str, Any]] = []
        """The lines of the book that is a file; the others come by API."""
        self.patience_s = WITHIN_S
        """How long deliveries may take to go out once all is well."""
        self.others: tuple[str, ...] = ("delivery.failing",)
        """What else may be said beside loans, as patterns."""
        self.earliest = EARLIEST
        """How much earlier than sent a price may be handled by the daemon's clock, which may be set back."""
        self.env: dict[str, str] = {}
        self._groups, self._product_text = groups, product
        self._left = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._left.enter_async_context(self.receiver)
        await self._left.enter_async_context(self.venue)
        start = self.clock.utc()
        lines = books.book(self.seed, self._groups, HISTORY, start, start + timedelta(seconds=30))
        self.book = [self.labelled(line) for line in (*lines, *_falling_due(start))]
        (self.folder / "product.toml").write_text(self._product_text)
        self.file(*self.book[::2] if self._groups else ())
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if self.lives and self.lives[-1].daemon.code is None:
            await self.lives[-1].daemon.kill()
        await self._left.aclose()
        if kind is not None:
            print(f"seed {self.seed}, lives: {[(life.number, life.crash_at, life.code) for life in self.lives]}")
            print("\n".join(f"--- life {x.number}\n{x.daemon.errors[-3000:]}" for x in self.lives[-2:]))

    def write_config(self, secrets: str = SECRET) -> None:
        """The configuration file; with other secrets the notifiers are others, and a reload starts them again."""
        text = CONFIG.format(name=NAME, hold=HOLD_S, reminder=REMINDER_S, repeat=REPEAT_S, venue=self.venue.url)
        text += BOOK if self.filed else ""
        for name in CHANNELS:
            text += NOTIFIER.format(name=name, url=self.address(name), secret=secrets)
        self.config.write_text(text)

    def address(self, channel: str) -> str:
        """Where a channel posts to."""
        return self.receiver.url(channel)

    def file(self, *lines: dict[str, Any]) -> None:
        """Writes the book that is a file, as it is from now on."""
        self.filed = list(lines)
        new = self.folder / "book.new"
        new.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        new.replace(self.folder / "book.jsonl")
        self.write_config()

    def labelled(self, line: dict[str, Any]) -> dict[str, Any]:
        """The line with a label by which the record of events can be compared with what was put."""
        label = str(sum(id_ == line["id"] for id_, _ in self.lines))
        marked = line | {"labels": {**line.get("labels", {}), "line": label}}
        self.lines[line["id"], label] = marked
        return marked

    # -- lives and deaths --

    @property
    def daemon(self) -> Daemon:
        """The one that runs, or ran last."""
        return self.lives[-1].daemon

    @property
    def kills(self) -> int:
        """How many lives ended by a kill."""
        return sum(life.code == -signal.SIGKILL for life in self.lives)

    async def spawn(self, crash_at: str = "") -> Daemon:
        """A new process, which may not be ready yet."""
        self.receiver.life = number = len(self.lives) + 1
        errors = self.folder / f"life-{number}.log"
        began_at = self.clock.utc()
        daemon = await Daemon.spawn(self.folder, self.config, errors, crash_at, self.env)
        self.lives.append(Life(number, daemon, began_at, crash_at))
        return daemon

    async def start(self) -> None:
        """The next life as planned, and those after it while they die before they are ready."""
        while True:
            try:
                await (await self.spawn(self.plan.pop(0) if self.plan else "")).ready()
                self.lives[-1].ready_at = self.clock.utc()
                await checks.restored(self)
                self.is_ready.set()
                return
            except Died:
                await self.bury()

    def terminate(self) -> None:
        """SIGTERM; the end is up to the daemon."""
        self.lives[-1].may_end = True
        self.daemon.signal(signal.SIGTERM)

    async def bury(self) -> None:
        """Waits for the end of the process, which must be a kill or asked for, and examines what it left."""
        self.is_ready.clear()
        life = self.lives[-1]
        life.code = await life.daemon.ended()
        life.ready_at = life.ready_at or self.clock.utc()
        is_expected = life.code == -signal.SIGKILL or (life.may_end and life.code == 0)
        assert is_expected, f"life {life.number} ended with {life.code}:\n{life.daemon.errors[-3000:]}"
        self.note_records()
        life.findings = await self.examined(self.folder / f"found-{life.number}.db")
        checks.kept(self)

    def note_records(self) -> None:
        """Which files of the record of events are those of the last life."""
        life = self.lives[-1]
        found = self.folder.glob("var*/events/events-*.jsonl*")
        known = {log for other in self.lives for log in other.logs}
        life.logs = sorted({log.with_name(log.name.removesuffix(".gz")) for log in found} - known)

    async def examined(self, copy: Path) -> Findings:
        """What a dead daemon left."""
        return examine(self.store, copy)

    async def revive(self) -> None:
        """After a death: the examination and the next life. Nothing else is needed."""
        await self.bury()
        await self.start()

    async def insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks until a daemon lives long enough to answer."""
        while True:
            try:
                return await ask()
            except Died:
                await self.revive()

    # -- what happens to the daemon --

    async def put(self, line: dict[str, Any]) -> None:
        """Puts a line, and notes that it was answered. Raises Died."""
        await self.daemon.put(f"/v1/groups/{quote(line['id'], safe='')}", line)
        self.acknowledged[line["id"]] = line["labels"]["line"]

    async def put_book(self) -> None:
        """Puts the half of the book that does not come by file, whatever dies meanwhile, and waits for the other half."""
        for line in self.book:
            if line not in self.filed:
                await self.insist(lambda line=line: self.put(line))
        await self.insist(self._filed)
        self.acknowledged |= {line["id"]: line["labels"]["line"] for line in self.filed}

    async def _filed(self) -> None:
        wanted: set[str] = {line["id"] for line in self.filed}
        for _ in range(int(WITHIN_S / 0.02)):
            if wanted <= {row["id"] for row in await self.daemon.items("/v1/groups")}:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"seed {self.seed}: the file is not in the book after {WITHIN_S} s")

    async def close(self, group: str) -> None:
        """Closes a group. Raises Died."""
        self.acknowledged.pop(group, None)
        await self.daemon.delete(f"/v1/groups/{quote(group, safe='')}")

    async def deposit(self, id_: str, group: str, account: str, asset: str, quantity: str) -> dict[str, Any]:
        """Posts an entry under an id of its own, and notes that it was answered. Raises Died."""
        entry = {"type": "deposit", "account": account, "asset": asset, "quantity": quantity}
        self.entries[id_] = entry
        answer: dict[str, Any] = await self.daemon.post(
            f"/v1/groups/{quote(group, safe='')}/entries", entry | {"id": id_}
        )
        self.entered.add(id_)
        return answer

    async def step(self, prices: dict[str, str]) -> None:
        """Sends a price set until it is in force, whatever dies meanwhile."""
        await self.insist(lambda: self._in_force(prices))

    async def _in_force(self, prices: dict[str, str]) -> None:
        for _ in range(int(WITHIN_S / 0.5)):
            at = await self.market.send(prices)
            for _ in range(50):
                shown = {item["asset"]: item["price_at"] for item in await self.daemon.items("/v1/prices")}
                if all((shown.get(asset) or "") >= stamp(at) for asset in prices):
                    return
                await asyncio.sleep(0.01)
        raise AssertionError(f"seed {self.seed}: prices are not in force within {WITHIN_S} s")

    async def quiet(self) -> None:
        """Waits until nothing is left to deliver, whatever dies meanwhile."""
        await self.insist(self._quiet)

    async def _quiet(self) -> None:
        left: list[dict[str, Any]] = []
        for _ in range(int(self.patience_s / 0.02)):
            left = (await self.daemon.get("/v1/deliveries?state=pending"))["items"]
            if not left:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"seed {self.seed}: undelivered after {self.patience_s} s: {left}")

    async def stop(self) -> None:
        """SIGTERM, a clean end within ten seconds, and the examination."""
        began_s = self.clock.monotonic_s()
        self.terminate()
        await self.bury()
        took_s = self.clock.monotonic_s() - began_s
        assert self.lives[-1].code == 0
        assert took_s < 10, f"a stop took {took_s:.1f} s"

    async def finish(self) -> None:
        """Calm prices, a receiver that is well again, the last deliveries, a clean stop; then everything is compared."""
        self.plan.clear()
        self.receiver.trouble = 0.0
        if self.lives[-1].crash_at:
            await self.daemon.kill()
        await self.step(self.market.swing(0))
        for _ in range(5):
            await self.quiet()
            alerts = await self.insist(lambda: self.daemon.items("/v1/alerts"))
            await self.stop()
            owed = self.lives[-1].findings.deliveries.values()
            if not any(delivery.state == "pending" for delivery in owed):
                checks.everything(self, alerts)
                return
            # A reminder fell between the last look and the stop; it must go out in the next life.
            await self.start()
        raise AssertionError("there was something to deliver at each of five stops")


def stamp(at: datetime) -> str:
    """RFC 3339 with milliseconds, as the API writes times."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _falling_due(start: datetime) -> list[dict[str, Any]]:
    """Groups whose clocks run out whatever the market does: a maturity, and liquidations a day after one."""
    return [
        {
            "id": f"due-{seconds}",
            "product": "vip_loan",
            "receiving_account": f"due-{seconds}-in",
            "collateral": {f"due-{seconds}-in": {"BTC": "10"}},
            "loans": [
                {
                    "id": f"L-due-{seconds}", "asset": "USDT", "principal": "1000", "interest": "0",
                    "rate": {"kind": "flexible"}, "term": "30d", "opened_at": stamp(start - timedelta(days=31)),
                    "matures_at": stamp(start + timedelta(seconds=seconds)),
                }
            ],
            "delayed_liquidation": True,
        }
        for seconds in (5, 9, 3 - 86_400, 7 - 86_400, 11 - 86_400)
    ]  # fmt: skip
