"""Puts every input in one order: take, handle, commit, publish (DESIGN section 5).

Prices are conflated: of each asset and source only the latest quote waits. Everything else waits in a bounded queue.
Core runs in one worker thread; the event loop stays free for sockets. Only what was committed is published or sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from monitor import crashpoint
from monitor.clock import Clock
from monitor.core.alerts.silences import Act
from monitor.core.events.events import (
    API,
    BookEntry,
    Event,
    MarkPrices,
    OperatorAct,
    ProductsChanged,
    RatesChanged,
    TimePassed,
)
from monitor.core.events.rates import Asked
from monitor.core.groups.outcome import Outcome, Publication
from monitor.core.groups.survey import Prices
from monitor.core.loans.group import restated
from monitor.core.portfolio.snapshot import WholeBook
from monitor.core.prices.conflation import Latest
from monitor.core.prices.quote import Batch, assets_of
from monitor.core.queries.inbox import Acted, Answer, Given, Look, Request
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.clock_watch import ClockEvent, ClockWatch
from monitor.daemon.event_log import EventLog, Start
from monitor.daemon.journal import Journal
from monitor.stores._base import Applied, Audit, Store, StoreUnavailable
from monitor.telemetry import Health, Metrics, log

QUEUE_LIMIT = 10_000
"""Jobs that may wait; beyond it whoever asks waits. A book batch is one job, a request of the API another."""
TICK_S = 1.0
"""How often the clocks are compared when nothing happens."""
RECENT_ENTRIES = 10_000
"""Entries remembered beside the store: more than can be between a look into the store and its commit."""
SAVE_EVERY_S = 10.0
"""Prices are kept with every alert, and this often without one: a restart goes on from them."""


class _Job(NamedTuple):
    """Work that arrived from a book, the API or the shell, and the future of whoever waits."""

    run: Callable[[datetime, _Batch], Any]
    done: asyncio.Future[Any]
    needs_commit: bool
    """Whoever waits is told when the turn could not be committed."""


class _Batch:
    """What one turn of the loop collects for its commit."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.audits: list[Audit] = []
        self.entries: list[Applied] = []
        self.answers: list[tuple[_Job, Any]] = []


class Sequencer:
    """The daemon's heart: owns core, and is the Inbox of the web."""

    def __init__(
        self, monitor: RiskMonitor, store: Store, journal: Journal, clock: Clock, metrics: Metrics, health: Health,
        publish: Callable[[Publication], None], event_log: EventLog | None,
    ) -> None:  # fmt: skip
        self._monitor, self._store, self._journal, self._clock = monitor, store, journal, clock
        self._metrics, self._health, self._publish, self._event_log = metrics, health, publish, event_log
        self._prices = Latest()
        self._quoted_s: float | None = None
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(QUEUE_LIMIT)
        self._wake = asyncio.Event()
        self._stopping = self._is_over = False
        self._thread = ThreadPoolExecutor(1, "core")
        self._saved_s = clock.monotonic_s()
        self._clocks = ClockWatch(monitor, clock)
        self._applied: dict[tuple[str, str], str] = {}

    # -- what feeds, books, the web and the shell call --

    def quotes(self, batch: Batch) -> None:
        """Takes quotes or a frame; an unhandled older price of the same asset and source is replaced."""
        now_s = self._clock.monotonic_s()
        self._clocks.heard(assets_of(batch), now_s)
        self._metrics.conflated.inc(self._prices.put(batch))
        if self._quoted_s is None:
            self._quoted_s = now_s
        self._wake.set()

    async def events(self, events: Sequence[Event]) -> list[Outcome]:
        """Handles a batch of book events or notices as one commit; returns when it is durable."""

        def run(at: datetime, batch: _Batch) -> list[Outcome]:
            return [self._handle(msgspec.structs.replace(e, at=at), batch) for e in events]

        return await self._ask(run)  # type: ignore[no-any-return]

    async def request(self, request: Request) -> Answer:
        """See core.queries.inbox.Inbox. Refuses at once while the store is known to fail: nobody is told «done» in vain."""
        self._journal.check_writable()
        if request.entry_id is not None:
            known = await self._store.entry(request.group_id, request.entry_id)
            if known is not None:
                return await self._repeated(request, known)
        return await self._ask(lambda at, batch: self._change(request, at, batch))  # type: ignore[no-any-return]

    async def give_rates(self, asked: Asked, who: str) -> Given:
        """See core.queries.inbox.Inbox."""
        self._journal.check_writable()
        return await self._ask(lambda at, batch: self._give(asked, who, at, batch))  # type: ignore[no-any-return]

    async def look(self, group_id: str) -> Look | None:
        """See core.queries.inbox.Inbox."""
        return await self._ask(lambda at, _: self._look(group_id, at), needs_commit=False)  # type: ignore[no-any-return]

    async def act(self, act: Act, who: str, subject: str) -> Acted:
        """See core.queries.inbox.Inbox."""
        self._journal.check_writable()
        return await self._ask(lambda at, batch: self._act(act, who, subject, at, batch))  # type: ignore[no-any-return]

    async def whole_book(self) -> WholeBook:
        """See core.queries.inbox.Inbox."""
        await asyncio.to_thread(self._monitor.book.prepare_survey)
        return await self._ask(lambda at, _: self._whole_book(at), needs_commit=False)  # type: ignore[no-any-return]

    async def record(self, who: str, action: str, subject: str, before: object, after: object) -> None:
        """See core.queries.inbox.Inbox."""

        def run(at: datetime, batch: _Batch) -> bool:
            batch.audits.append(Audit(at, who, action, subject, before, after))
            return True

        await self._ask(run)

    async def change_rules(
        self, rules: Rules, who: str, before: object, after: object, adopt: Callable[[], None]
    ) -> Outcome:
        """A reload: new rules as one event, audited. `outcome.refused` says which group does not fit.

        `adopt` is called in core's thread when they are taken: what they raise is routed by all of the new configuration.
        Raises StoreUnavailable where nothing was changed. A store that fails only now has its word by the journal: the
        rules are in force by then, and will be durable with all else.
        """
        self._journal.check_writable()

        def run(at: datetime, batch: _Batch) -> Outcome:
            outcome = self._handle(ProductsChanged(at, rules), batch)
            if outcome.refused is None:
                adopt()
                batch.audits.append(Audit(at, who, "reload", "configuration", before, after))
            return outcome

        return await self._ask(run, needs_commit=False)  # type: ignore[no-any-return]

    def save_soon(self) -> None:
        """Commits with the next turn, so that a store that fails is found out and the desk is told."""
        self._saved_s = float("-inf")
        self._wake.set()

    async def catch_up(self, events: Sequence[Event]) -> None:
        """Before `run`: takes events as if they had come with the last one before the restart, ahead of all deadlines that
        passed since. Of a fresh start, as the first. A store that fails now takes them later."""
        batch = _Batch()
        at = self._monitor.at or self._now()
        for event in events:
            await self._in_core(self._handle, msgspec.structs.replace(event, at=at), batch)
        await self._conclude(batch, None)

    # -- the loop --

    async def run(self) -> None:
        """Runs until stop(); raises what broke an invariant, which must end the process."""
        while not self._stopping or self._prices or not self._jobs.empty():
            await self._turn()
        self._is_over = True
        await self._in_core(self._flush_log)

    async def stop(self) -> None:
        """Ends the loop when all that was taken is handled and committed."""
        self._stopping = True
        self._wake.set()

    async def close(self) -> None:
        """Keeps the marks of the end, so that the next start goes on from them.

        Not after a turn that was cut off: its marks without its alerts would hide from the next start what it missed.
        """
        if self._is_over:
            await self._journal.commit(self._monitor, [])
        if self._event_log is not None:
            self._event_log.close()
        self._thread.shutdown()

    async def _turn(self) -> None:
        await self._wait()
        jumps = self._clocks.compare()
        jobs = [self._jobs.get_nowait() for _ in range(min(self._jobs.qsize(), 1_000))]
        prices = MarkPrices(self._clocks.wall, *self._prices.take())
        quoted_s, self._quoted_s = self._quoted_s, None
        batch = _Batch()
        await self._in_core(self._handle_all, jumps, jobs, prices, batch)
        crashpoint.reached("after tick")
        await self._conclude(batch, quoted_s)

    async def _wait(self) -> None:
        """Until something comes, a deadline is due, or it is time to compare the clocks."""
        if not self._wake.is_set() and not self._stopping:
            due = self._monitor.next_due
            wait_s = TICK_S if due is None else min(TICK_S, max(0.0, (due - self._clock.utc()).total_seconds()))
            # Not wait_for: before Python 3.12 that forgets a cancellation which comes together with the wake.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
        self._wake.clear()

    def _handle_all(self, jumps: list[ClockEvent], jobs: list[_Job], prices: MarkPrices, batch: _Batch) -> None:
        """In core's thread: everything of one turn, in order. Books before prices of the same time (DESIGN section 6)."""
        for jump in jumps:
            self._handle(msgspec.structs.replace(jump, at=self._now()), batch)
        for job in jobs:
            batch.answers.append((job, job.run(self._now(), batch)))
        at = self._now()
        if prices.quotes or prices.frames:
            self._handle(msgspec.structs.replace(prices, at=at), batch)
        elif self._monitor.next_due is not None and self._monitor.next_due <= at:
            self._handle(TimePassed(at), batch)
        self._flush_log()

    def _handle(self, event: Event, batch: _Batch) -> Outcome:
        started_s = self._clock.monotonic_s()
        if self._event_log is not None:
            if self._event_log.wants_start(started_s):
                self._event_log.start(Start(self._monitor.rules, self._monitor.memory, event.at), started_s)
            self._event_log.append(event)
        outcome = self._monitor.handle(event)
        batch.outcomes.append(outcome)
        self._metrics.handle.labels(type(event).__name__).observe(self._clock.monotonic_s() - started_s)
        return outcome

    async def _conclude(self, batch: _Batch, quoted_s: float | None) -> None:
        """Commits, answers those who wait, publishes, and hands the deliveries over."""
        now_s = self._clock.monotonic_s()
        is_time = now_s - self._saved_s >= (SAVE_EVERY_S if batch.outcomes else 10 * SAVE_EVERY_S)
        failure: StoreUnavailable | None = None
        published: tuple[Any, ...] = ()
        if batch.audits or batch.entries or is_time or any(o.is_durable for o in batch.outcomes):
            self._saved_s = now_s
            try:
                published = await self._journal.commit(self._monitor, batch.outcomes, batch.audits, batch.entries)
            except StoreUnavailable as e:
                failure = e
            if quoted_s is not None and failure is None and any(o.alerts for o in batch.outcomes):
                self._metrics.tick_to_commit.observe(self._clock.monotonic_s() - quoted_s)
        else:
            published = await self._journal.retry(self._monitor)
        self._show(batch, published)
        for job, answer in batch.answers:
            if not job.done.done():
                if failure is not None and job.needs_commit:
                    job.done.set_exception(failure)
                else:
                    job.done.set_result(answer)

    def _show(self, batch: _Batch, alerts: tuple[Any, ...]) -> None:
        """Alerts may come without an outcome: those of an outage, when the store takes them at last."""
        monitor = self._monitor
        if monitor.at is None or not (batch.outcomes or alerts):
            return
        moved, fund, silences = bool(batch.outcomes), monitor.fund, monitor.silences.all
        self._publish(Publication(monitor.at, moved, monitor.board.snapshot(), alerts, fund, silences))

    # -- in core's thread --

    def _change(self, request: Request, at: datetime, batch: _Batch) -> Answer:
        before = self._monitor.sight(request.group_id)
        # A repeated entry comes first: the version that it expects is the one before its own first time.
        known = self._applied.get((request.group_id, request.entry_id or ""))
        if known is not None:
            return Answer(before, is_duplicate=known == request.digest, is_conflict=known != request.digest)
        if request.if_version is not None and request.if_version != (before.version if before else 0):
            return Answer(before, is_stale=True)
        event = request.make(at)
        outcome = self._handle(event, batch)
        after = self._monitor.sight(request.group_id)
        if outcome.refused is not None:
            return Answer(after, refused=outcome.refused)
        if isinstance(event, BookEntry):
            assert request.entry_id is not None
            assert after is not None
            self._remember(request)
            batch.entries.append(Applied(request.group_id, request.entry_id, request.digest or "", after.version, at))
        shown = [restated(s.group) if s is not None else None for s in (before, after)]
        batch.audits.append(Audit(at, request.who, request.action, request.group_id, *shown))
        return Answer(after, is_new=before is None)

    def _give(self, asked: Asked, who: str, at: datetime, batch: _Batch) -> Given:
        rows = asked.rows(self._monitor.rules, at)
        outcome = self._handle(RatesChanged(at, asked.product, API, rows), batch)
        if outcome.rates:
            batch.audits.append(Audit(at, who, "give rates", asked.product, None, msgspec.to_builtins(rows)))
        return Given(rows, outcome.refused)

    def _remember(self, request: Request) -> None:
        """The store knows an entry only after the commit; a twin may come before that."""
        self._applied[request.group_id, request.entry_id or ""] = request.digest or ""
        if len(self._applied) > RECENT_ENTRIES:
            del self._applied[next(iter(self._applied))]

    async def _repeated(self, request: Request, known: Applied) -> Answer:
        look = await self.look(request.group_id)
        same = known.digest == request.digest
        return Answer(look.sight if look else None, is_duplicate=same, is_conflict=not same)

    def _look(self, group_id: str, at: datetime) -> Look | None:
        sight, board = self._monitor.sight(group_id), self._monitor.board
        if sight is None:
            return None
        return Look(at, sight, *board.snapshot(), self._monitor.rules)

    def _act(self, act: Act, who: str, subject: str, at: datetime, batch: _Batch) -> Acted:
        operators = self._monitor.operators
        before = operators.known(act)
        outcome = self._handle(OperatorAct(at, who, act), batch)
        acted = Acted(before, operators.known(act), outcome.refused)
        if acted.before != acted.after:
            shown = [msgspec.to_builtins(x) for x in acted[:2]]
            batch.audits.append(Audit(at, who, str(type(act).__struct_config__.tag), subject, *shown))
        return acted

    def _whole_book(self, at: datetime) -> WholeBook:
        _, usd, untrusted = self._monitor.board.snapshot()
        return WholeBook(at, Prices(usd, untrusted), self._monitor.rules, self._monitor.book.survey(at))

    def _flush_log(self) -> None:
        if self._event_log is not None:
            self._event_log.flush()
            if self._event_log.reason is not None:
                log.warning("the event log could not be written", reason=self._event_log.reason)
                self._event_log.reason = None

    def _now(self) -> datetime:
        return self._clocks.now(self._monitor.at)

    # -- plumbing --

    async def _ask(self, run: Callable[[datetime, _Batch], Any], *, needs_commit: bool = True) -> Any:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._is_over:
            await self._jobs.put(_Job(run, done, needs_commit))
        if self._is_over:  # asked again, as putting may have waited for room until nobody took any more
            raise StoreUnavailable("the monitor is stopping; nothing was changed")
        self._wake.set()
        return await done

    async def _in_core(self, work: Callable[..., object], *args: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
