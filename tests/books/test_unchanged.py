"""A file that is unchanged since before a restart costs a digest; whatever else is different costs a whole reading."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.books import file
from monitor.books._base import KeptBook, Packed
from monitor.clock import SystemClock
from monitor.core.events.events import Event, GroupClosed, GroupPut
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.kept_lines import kept_lines
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from monitor.file_watch import Waits
from monitor.products import vip_loan
from tests.coin_desk import line, loan, version

LINES = 1_100
"""Enough to be packed."""


def product(**more: Any) -> Product:
    return vip_loan.load({"version": [version(**more)]})


class Reading(BlockReader):
    """Counts the lines that it is asked to look at."""

    looked_at = 0

    def pack(self, raws: list[bytes], at: datetime, source: str) -> Packed:
        self.looked_at += len(raws)
        return super().pack(raws, at, source)

    def parse(self, line: object, at: datetime) -> Any:
        self.looked_at += 1
        return super().parse(line, at)


class Desk:
    """A daemon's book, whose file is read at each start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rules = Rules("desk", {"vip_loan": product()})
        self.monitor = RiskMonitor(self.rules, book=ColumnarBook())
        self.aliases: dict[str, str] = {}
        self.looked_at = 0

    async def start(self) -> dict[str, Any]:
        """Reads the file until it is at rest; the groups then."""
        book, seen = self.monitor.book, self.monitor.books.states.get("desk")
        assert isinstance(book, ColumnarBook)
        lines = lambda: kept_lines(book, "desk", self.monitor.rules, self.aliases, SystemClock().utc())  # noqa: E731
        kept = KeptBook(lambda: book.of_source("desk"), position=seen.position if seen else "", lines=lines)
        reader = Reading(lambda: self.monitor.rules.products, book.names)
        waits = Waits(settle_s=0.01, close_after_s=0.01, poll_s=0.01)
        config = file.Config(self.path, close_missing=True)
        async for batch in file.FileBook("desk", config, reader, SystemClock(), kept, waits).batches():
            self.take(*batch)
        self.looked_at = reader.looked_at
        return {id_: record.group for id_ in book.ids() if (record := book.find(id_)) is not None}

    def take(self, *events: Event) -> None:
        for event in events:
            self.monitor.handle(msgspec.structs.replace(event, at=SystemClock().utc()))

    def restart(self, rules: Rules | None = None) -> None:
        """As from its store."""
        self.monitor = RiskMonitor(rules or self.rules, self.monitor.memory, ColumnarBook())


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """It has read its file, and was started again."""
    monkeypatch.setattr(file, "_LARGE_BYTES", 1)
    path = tmp_path / "book.jsonl"
    lines = [line(f"G-{n}", loans=[loan("USDT", f"{100 + n}")]) for n in range(LINES)]
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in lines))
    desk = Desk(path)
    assert len(await desk.start()) == LINES
    assert desk.looked_at == LINES
    desk.restart()
    return desk


async def test_an_unchanged_file_is_not_read_line_by_line_again(desk: Desk) -> None:
    """Nor at the start after that, nor where somebody only touched it."""
    for _ in range(2):
        groups = await desk.start()
        assert (len(groups), desk.looked_at) == (LINES, 0)
        desk.restart()
        desk.path.touch()


def changed_figure(desk: Desk) -> None:
    """One digit, as long as before."""
    desk.path.write_bytes(desk.path.read_bytes().replace(b'"principal":"1199"', b'"principal":"1198"'))


def line_gone(desk: Desk) -> None:
    desk.path.write_bytes(desk.path.read_bytes().partition(b"\n")[2])


def other_group_kept(desk: Desk) -> None:
    record = desk.monitor.book.find("G-7")
    assert record is not None
    desk.take(
        GroupPut(SystemClock().utc(), msgspec.structs.replace(record.group, labels={"by": "us"}, line="00"), "desk")
    )


def group_closed(desk: Desk) -> None:
    desk.take(GroupClosed(SystemClock().utc(), "G-7", "desk"))


def lost_block(desk: Desk) -> None:
    memory = desk.monitor.memory
    assert memory.blocks
    desk.monitor = RiskMonitor(desk.rules, msgspec.structs.replace(memory, blocks=()), ColumnarBook())


def other_rules(desk: Desk) -> None:
    desk.restart(Rules("desk", {"vip_loan": product(rates={"USDT": "0.0009", "COIN": "0.0001"})}))


def coming_version(desk: Desk) -> None:
    later = version(SystemClock().utc() + timedelta(days=1))
    desk.restart(Rules("desk", {"vip_loan": vip_loan.load({"version": [version(), later]})}))


def other_names(desk: Desk) -> None:
    desk.aliases["XBT"] = "BTC"


DIFFERENT = (
    changed_figure, line_gone, other_group_kept, group_closed, lost_block, other_rules, coming_version, other_names,
)  # fmt: skip


@pytest.mark.parametrize("difference", DIFFERENT, ids=lambda each: each.__name__)
async def test_whatever_is_different_costs_a_whole_reading(desk: Desk, difference: Callable[[Desk], None]) -> None:
    """The groups are those of a desk that knows no digest."""
    difference(desk)
    plain = Desk(desk.path)
    plain.rules = desk.monitor.rules
    plain.restart(desk.monitor.rules)
    expected = await plain.start()
    assert await desk.start() == expected
    assert desk.looked_at >= len(expected)


async def test_a_file_with_a_line_that_is_refused_is_read_again(desk: Desk) -> None:
    """What is said of the line must be said again, or be mended."""
    with desk.path.open("ab") as lines:
        lines.write(b'{"id": 1}\n')
    await desk.start()
    desk.restart()
    await desk.start()
    assert desk.looked_at > LINES
