"""Imports of a desk's own tables: a process reads the file, core takes what it says as one whole or not at all (decision 79).

The groups of an import belong to the source `import:NAME`. A file states each of its groups as a whole; a group that it
states as before is no event, and one that it names no more is closed only where that is asked for.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from monitor import contacts
from monitor.core.events.events import BookSeen, GroupClosed, GroupPut, GroupsPut
from monitor.core.groups.outcome import StoredGroup
from monitor.core.loans.group import Group, misfits, parse_line
from monitor.core.rules.settings import Rules
from monitor.core.text import stamp
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import Journal
from monitor.daemon.sequencer import Sequencer, Turn
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from monitor.imports.desk import ImportAnswer, ImportAsked, ImportCounts, ImportFailed
from monitor.imports.fields import FIELDS, LINES, ImportOptions, KeptMapping
from monitor.imports.standing import KnownGroup, MarketNow, Put
from monitor.imports.work import MOST_NAMED, FileSaid, JudgedHead, frame
from monitor.stores._base import Audit
from monitor.telemetry import log

SOURCE = "import:"
"""The sources of imports; the names of books have no colon."""
READ_S = 280.0
"""A file of 100,000 rows takes half a minute of one core; a busy machine has less than one."""
LOOKED_AT_ONCE = 200
"""Groups that are looked up in one turn of core: that takes some milliseconds, for which a price may wait."""
PACKED = 1000
"""So many new groups and more come as blocks of the engine, thousands at a time; fewer come one by one."""
BLOCK = 8192
TRIES = 3
"""The book or the rules may change between the look and the turn; then the file is judged again."""
AUDITED = 100
"""Groups that the audit record of an import names; each has its own history."""


class _Plan(NamedTuple):
    """A file as it was judged, and all that it was judged by."""

    said: FileSaid
    head: JudgedHead
    rows: msgspec.Raw
    """The rows as they are answered; the daemon does not look into them."""
    puts: list[Put]
    market: MarketNow
    missing: list[str]


class _Changes(NamedTuple):
    """All that a file changes, and who asks for it."""

    asked: ImportAsked
    who: str
    plan: _Plan
    events: list[GroupPut | GroupsPut]
    closing: list[str]


class DeskImports:
    """See monitor.imports.desk.ImportDesk. One file is read at a time: each may take a gigabyte."""

    def __init__(
        self,
        core: tuple[RiskMonitor, ColumnarBook],
        sequencer: Sequencer,
        journal: Journal,
        folder: Path,
        note_bulk: Callable[[], None],
    ) -> None:
        self._monitor, self._book = core
        self._note_bulk = note_bulk
        self._sequencer = sequencer
        self._journal = journal
        self._folder = folder
        self._turn = asyncio.Lock()

    async def look(self, raw: bytes, asked: ImportAsked) -> ImportAnswer:
        """What would become of a file."""
        async with _one(self._turn):
            return _answer(asked, await self._plan(raw, asked))

    async def take(self, raw: bytes, asked: ImportAsked, who: str) -> ImportAnswer:
        """Takes a file as one whole, or not at all."""
        async with _one(self._turn):
            for _ in range(TRIES):
                plan = await self._plan(raw, asked)
                if plan.said.questions or plan.head.refused_count:
                    return _answer(asked, plan)
                self._journal.check_writable()
                events = await asyncio.to_thread(self._events, plan)
                changes = _Changes(asked, who, plan, events, plan.missing if asked.close_missing else [])
                if len(plan.puts) >= PACKED:
                    self._note_bulk()
                if not await self._sequencer.ask(partial(self._apply, changes)):
                    continue
                await asyncio.to_thread(self._keep, asked.name, plan.said.mapping)
                return _answer(asked, plan, closed=len(changes.closing), taken=True)
            raise ImportFailed("the book changes all the time; try again", is_busy=True)

    # -- what a file says --

    async def _plan(self, raw: bytes, asked: ImportAsked) -> _Plan:
        rules = self._monitor.rules
        options = await asyncio.to_thread(self._options, asked, rules)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "monitor.imports.work",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        )
        try:
            async with asyncio.timeout(READ_S):
                return await self._ask(process, raw, asked, options)
        except (asyncio.IncompleteReadError, BrokenPipeError, ConnectionResetError):
            code = await process.wait()
            raise ImportFailed(
                f"the file could not be read: the reader ended with {code}; it may need too much memory or time, split it"
            ) from None
        except TimeoutError:
            raise ImportFailed(f"the file could not be read within {READ_S:.0f} s; split it") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _ask(
        self, process: asyncio.subprocess.Process, raw: bytes, asked: ImportAsked, options: ImportOptions
    ) -> _Plan:
        assert process.stdin is not None
        process.stdin.write(frame(msgspec.json.encode(options)) + frame(raw))
        await process.stdin.drain()
        said = msgspec.json.decode(await _next(process), type=FileSaid)
        if said.problem:
            raise ImportFailed(said.problem)
        if said.questions:
            market = await self._market(asked, FileSaid())
            return _Plan(said, JudgedHead([], 0, 0, 0, 0), msgspec.Raw(b"[]"), [], market, [])
        market = await self._market(asked, said)
        process.stdin.write(frame(msgspec.json.encode(market)))
        for i in range(0, len(said.ids), LOOKED_AT_ONCE):
            known = await self._sequencer.ask(
                partial(self._known, said.ids[i : i + LOOKED_AT_ONCE]), needs_commit=False
            )
            if known:
                process.stdin.write(frame(msgspec.json.encode(known)))
                await process.stdin.drain()
        process.stdin.write(frame(b""))
        head = msgspec.json.decode(await _next(process), type=JudgedHead)
        rows = msgspec.Raw(await _next(process))
        puts: list[Put] = []
        while part := await _next(process):
            puts += msgspec.json.decode(part, type=list[Put])
        if not said.ids and not head.refused_count:
            raise ImportFailed("the file states no group below its header; nothing is changed")
        missing = await asyncio.to_thread(self._missing, market.source, frozenset(said.ids))
        return _Plan(said, head, rows, puts, market, missing)

    def _options(self, asked: ImportAsked, rules: Rules) -> ImportOptions:
        """What the person says, what was kept of the last time, and what the monitor knows."""
        coins = set(self._monitor.board.usd)
        for product in rules.products.values():
            coins.update(*(version.ladders for version in product.versions))
        kept = asked.options.kept if asked.options.kept != KeptMapping() else self._kept(asked.name)
        return msgspec.structs.replace(
            asked.options, kept=kept, coins=frozenset(coins), products=tuple(sorted(rules.products))
        )

    async def _market(self, asked: ImportAsked, said: FileSaid) -> MarketNow:
        """Rules and prices of now, and which group of the book has each account that the file names."""
        owners: dict[str, str] = {}
        for i in range(0, len(said.accounts), 10 * LOOKED_AT_ONCE):
            some = said.accounts[i : i + 10 * LOOKED_AT_ONCE]
            owners |= await self._sequencer.ask(partial(self._owners, some), needs_commit=False)
        rules = self._monitor.rules
        only = next(iter(rules.products)) if len(rules.products) == 1 else None

        def now(at: datetime, _turn: Turn) -> MarketNow:
            _, usd, untrusted = self._monitor.board.snapshot()
            prices = dict(usd), frozenset(untrusted)
            return MarketNow(at, SOURCE + asked.name, rules, *prices, (), owners, only)

        return await self._sequencer.ask(now, needs_commit=False)

    def _known(self, ids: Sequence[str], _at: datetime, _turn: Turn) -> list[KnownGroup]:
        records = [record for id_ in ids if (record := self._monitor.book.find(id_)) is not None]
        return [KnownGroup(StoredGroup(r.group, r.source, r.version, r.put_at), r.state) for r in records]

    def _owners(self, accounts: Sequence[str], _at: datetime, _turn: Turn) -> dict[str, str]:
        return {account: owner for account in accounts if (owner := self._monitor.book.owner(account)) is not None}

    def _missing(self, source: str, named: frozenset[str]) -> list[str]:
        return sorted(id_ for id_ in self._book.of_source(source) if id_ not in named)

    # -- what becomes of it --

    def _events(self, plan: _Plan) -> list[GroupPut | GroupsPut]:
        """The puts of a plan; many new groups as blocks."""
        at, source, products = plan.market.at, plan.market.source, plan.market.rules.products
        fresh = [put for put in plan.puts if not put.version]
        if len(fresh) < PACKED:
            return [GroupPut(at, _group(put, plan.market), source) for put in plan.puts]
        events: list[GroupPut | GroupsPut] = []
        reader = BlockReader(lambda: products, self._book.names, None, contacts.problems)
        for i in range(0, len(fresh), BLOCK):
            some = fresh[i : i + BLOCK]
            packed = reader.pack([bytes(put.line) for put in some], at, source)
            events.append(GroupsPut(at, source, packed.batch))
            events += [GroupPut(at, _group(some[place], plan.market), source) for place in packed.rest]
        return events + [GroupPut(at, _group(put, plan.market), source) for put in plan.puts if put.version]

    def _apply(self, changes: _Changes, at: datetime, turn: Turn) -> bool:
        """In core's thread: all of it in one turn, which is one commit. False where it was judged by what is no more."""
        asked, who, plan, events, closing = changes
        if not self._holds(changes, at):
            return False
        source = plan.market.source
        handled = [self._sequencer.handle(GroupClosed(at, id_, source), turn) for id_ in closing]
        handled += [self._sequencer.handle(msgspec.structs.replace(event, at=at), turn) for event in events]
        handled.append(self._sequencer.handle(BookSeen(at, source, as_of=at), turn))
        refused = [outcome.refused for outcome in handled if outcome.refused is not None]
        if refused:  # `_holds` looks at all that core refuses by
            log.error("an import was taken in part", name=asked.name, refused=len(refused), first=str(refused[0]))
        after = {
            "file": asked.file,
            "groups": msgspec.to_builtins(_counts(plan, len(closing))),
            "put": [put.id for put in plan.puts[:AUDITED]],
            "closed": closing[:AUDITED],
            "mapping": msgspec.to_builtins(plan.said.mapping),
        }
        turn.audits.append(Audit(at, who, "import", source, None, after))
        return True

    def _holds(self, changes: _Changes, at: datetime) -> bool:
        """Rules and book are those that the file was judged by: so core refuses no part of it."""
        book, market = self._monitor.book, changes.plan.market
        if self._monitor.rules is not market.rules:
            return False
        gone = frozenset(changes.closing)
        for put in changes.plan.puts:
            record = book.find(put.id)
            if (record.version if record is not None else 0) != put.version:
                return False
            if record is not None and record.source != market.source:
                return False
            if any(
                book.owner(account) not in (None, put.id) and book.owner(account) not in gone
                for account in put.accounts
            ):
                return False
        for id_ in changes.closing:
            record = book.find(id_)
            if record is None or record.source != market.source:
                return False
        products = market.rules.products
        singles = (event.group for event in changes.events if isinstance(event, GroupPut))
        return not any(misfits(group, products[group.product], at) for group in singles)

    # -- the mapping that is kept --

    def _kept(self, name: str) -> KeptMapping:
        """What was confirmed with the last file of this name; nothing where that cannot be read."""
        try:
            return msgspec.json.decode((self._folder / f"{name}.json").read_bytes(), type=KeptMapping)
        except (OSError, msgspec.MsgspecError):
            return KeptMapping()

    def _keep(self, name: str, mapping: KeptMapping) -> None:
        """Keeps a mapping that was confirmed; without it the next file is guessed again, so a full disk stops nothing."""
        target = self._folder / f"{name}.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = target.with_suffix(".new")
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(mapping)) + b"\n")
            fresh.replace(target)
        except OSError as e:
            log.warning("the mapping of an import could not be kept", name=name, reason=e.strerror)


class _one:  # noqa: N801  reads as a word at its `async with`
    """A turn of one; a second file is told to come again rather than wait with its bytes in memory."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock

    async def __aenter__(self) -> None:
        if self._lock.locked():
            raise ImportFailed("another file is being read; try again", is_busy=True)
        await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


async def _next(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    size = int.from_bytes(await process.stdout.readexactly(8), "big")
    return await process.stdout.readexactly(size)


def _group(put: Put, market: MarketNow) -> Group:
    """The group of a put; `line` names what the file states, whatever interest was counted since."""
    line = msgspec.json.decode(put.line)
    return msgspec.structs.replace(parse_line(line, market.at, market.rules.products), line=put.digest)


def _counts(plan: _Plan, closed: int) -> ImportCounts:
    head = plan.head
    return ImportCounts(
        plan.said.rows, head.new, head.changed, head.same, head.refused_count, len(plan.missing), closed
    )


def _answer(asked: ImportAsked, plan: _Plan, closed: int = 0, *, taken: bool = False) -> ImportAnswer:
    said = plan.said
    rows: Any = plan.rows  # encoded as they are: a hundred thousand structs would hold up the loop
    return ImportAnswer(
        name=asked.name,
        source=plan.market.source,
        at=stamp(plan.market.at),
        taken=taken,
        counts=_counts(plan, closed),
        sheets=said.sheets,
        fields=[*FIELDS, *(f"line:{line}" for line in LINES), "label:desk", "contact:email", "contact:sms"],
        notes=said.notes,
        questions=said.questions,
        refused=plan.head.refused,
        rows=rows,
        missing=plan.missing[:MOST_NAMED],
    )
