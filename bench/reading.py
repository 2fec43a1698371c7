"""What reading a book costs: `python -m bench.reading [LINES]`.

A first read (pack, hand over, as a large book file does, whose packing process has begun) against the typed decode of the
same lines; and a file that is unchanged since before a restart against a digest of its bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from bench import desk
from bench.book import Book, book, market
from bench.rounds import no_collection
from monitor.books import file
from monitor.books._base import KeptBook
from monitor.books._unchanged import position_of
from monitor.clock import SystemClock
from monitor.core.events.events import Event
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.kept_lines import kept_lines
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.line_schema import LineText
from monitor.engine.ingest.reader import BlockReader

LINES = 12 * desk.AT_ONCE
ROUNDS = 3


class Figures(NamedTuple):
    """Seconds of the processor of the reading process, all its threads together, without those of the packing process."""

    lines: int
    first_s: list[float]
    decode_s: list[float]
    reread_s: list[float]
    digest_s: list[float]

    @property
    def first_over_decode(self) -> float:
        """A first read against the typed decode of the same lines."""
        return statistics.median(self.first_s) / statistics.median(self.decode_s)

    @property
    def reread_over_digest(self) -> float:
        """An unchanged file at a restart against a digest of it."""
        return statistics.median(self.reread_s) / statistics.median(self.digest_s)


def measure(some: Book, rounds: int = ROUNDS) -> Figures:
    """All four in turns. `some` is a book of one product."""
    found = Figures(len(some), [], [], [], [])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.jsonl"
        desk.write_lines(some, path)
        for _ in range(rounds):
            monitor, digest = desk.new_monitor(some.market), _digest(path)
            reader = _begun(monitor)
            with no_collection():
                found.decode_s.append(_timed(partial(_decode, path)))
                found.first_s.append(_timed(partial(desk.fill, monitor, path, reader=reader)))
                reader.end()
                found.digest_s.append(_timed(partial(_digest, path)))
                found.reread_s.append(_timed(partial(_restart, monitor, path, digest)))
    return found


def _begun(monitor: RiskMonitor) -> BlockReader:
    """A reader in the middle of a large book."""
    reader = desk.new_reader(monitor)
    reader.large_pages = 0
    reader.pack([], desk.START, "bench")
    while reader.process is not None and not reader.process.is_ready():
        time.sleep(0.01)
    assert reader.process is not None, "it began no process"
    return reader


def _timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _decode(path: Path) -> None:
    decode = msgspec.json.Decoder(LineText).decode
    with path.open("rb") as lines:
        while page := list(islice(lines, desk.AT_ONCE)):
            for line in page:
                decode(line)


def _digest(path: Path) -> bytes:
    whole = hashlib.blake2b(digest_size=16)
    with path.open("rb") as lines:
        while block := lines.read(1 << 20):
            whole.update(block)
    return whole.digest()


def _restart(monitor: RiskMonitor, path: Path, digest: bytes) -> None:
    asyncio.run(_reread(monitor, path, digest))


async def _reread(monitor: RiskMonitor, path: Path, digest: bytes) -> None:
    """As at a restart, where the store has all groups."""
    held = monitor.book
    assert isinstance(held, ColumnarBook)
    lines = lambda: kept_lines(held, "bench", monitor.rules, {}, desk.START)  # noqa: E731
    position = position_of(digest, lines())
    kept = KeptBook(position=position, lines=lines)
    reader = BlockReader(lambda: monitor.rules.products, held.names)
    batches: list[list[Event]] = []
    async for batch in file.FileBook("bench", file.Config(path), reader, SystemClock(), kept).batches():
        batches.append(batch)
    assert [len(batch) for batch in batches] == [1], "the file was read again"


def main() -> None:
    """Prints the figures."""
    found = measure(desk.of_one_product(book(int(sys.argv[1]) if len(sys.argv) > 1 else LINES, market())))
    per_line = [statistics.median(each) / found.lines * 1e6 for each in found[1:]]
    print(
        f"us a line: first read {per_line[0]:.2f}, typed decode {per_line[1]:.2f}, ratio {found.first_over_decode:.1f}"
    )
    print(f"us a line: re-read {per_line[2]:.2f}, digest {per_line[3]:.2f}, ratio {found.reread_over_digest:.2f}")


if __name__ == "__main__":
    main()
