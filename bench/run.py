"""The whole benchmark: `python -m bench.run [--quick]`. Every part on the same seeded book."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench import (
    deliveries,
    desk,
    fenced,
    lateness,
    machine,
    memory,
    pages,
    path,
    peers,
    plain_storm,
    reading,
    report,
    scrolling,
    sources,
    spread,
    storm,
    sweep,
)
from bench.book import Book, book, market
from bench.contender import ticks
from bench.ours import Ours
from bench.progress import Advance, Bars
from bench.rounds import Seconds
from monitor import telemetry

GROUPS = 1_000_000
GROWTH = (10_000, 30_000, 100_000, 300_000, GROUPS)
STREAMING = 100_000
"""The largest book for bytewax: at 1M groups one round takes ten seconds and the flow holds three gigabytes."""
STORM = 10_000
HERE = Path(__file__).parent


class Plan(NamedTuple):
    """How many rounds of what."""

    engine: int
    peers: dict[int, int]
    growth: int
    lateness_s: float
    path: int
    storm: int
    by_column: int
    sources: int
    storms_watched: int
    reading: int
    fenced: int
    spread: tuple[int, int]
    """The book over shards: groups, and rounds."""


FULL = Plan(
    engine=41,
    peers={10_000: 31, 100_000: 15, GROUPS: 15},
    growth=31,
    lateness_s=20,
    path=21,
    storm=15,
    by_column=7,
    sources=300,
    storms_watched=8,
    reading=5,
    fenced=7,
    spread=(GROUPS, 11),
)
QUICK = Plan(
    engine=15,
    peers={10_000: 15, 100_000: 7, GROUPS: 3},
    growth=9,
    lateness_s=5,
    path=9,
    storm=5,
    by_column=3,
    sources=100,
    storms_watched=3,
    reading=3,
    fenced=3,
    spread=(50_000, 5),
)

METHOD = """\
- One seeded book for all: 8.0 collateral positions and 1.6 debts a group, 600 assets, ladders of 2-8 tiers, 9 % of the
  positions beyond the first, three profiles of lines. The first n groups are the book of n groups. Every tick moves all
  600 prices.
- A round is one tick by every contender, in a new random order; Python's garbage collector stands still meanwhile. All
  contenders, the slow ones too, run the same rounds. Before each tick against peers 128 MiB are read, so that it finds the
  caches cold, as a tick does that comes a second after the one before. In every round all stages, LTVs (to 1e-11) and changed
  groups are held against numpy's, and after the last one 3,000 groups against Decimal.
- "ours, runs" is our screen as it was before slices, with the same steps around it.
- Each peer is one file of `bench/peers` and says what form it has. polars and DuckDB use both cores, ours one. "numpy, tuned"
  and "polars, lists" are forms by somebody who has profiled them: they show what remains when a peer is tuned by hand.
  bytewax takes one event a group and tick, and runs at sizes that it can do.
- A sweep is `FastScreen.suspects`; where it is set against peers, deciding and re-lining the groups that it names is in it,
  compiled as theirs is. Which assets move in ticks of one and of ten, and how far, is chosen before they are timed.
- What is within a tenth of its target counts as met, and stands among what is missed all the same.
- The bound is the bytes that a sweep reads and writes over the median one-thread streaming sum over 1 GiB of the same rounds.
- The path runs from the bytes of a frame to the return of the commit, in turns with a sweep of the same book by one thread.
- One, three and five feeds: every price of 600 coins moves in every frame, and the feeds stay within a hundredth of a per
  cent of each other. A frame is handled by a whole monitor without groups.
- A storm and single commits go through the journal and the SQLite store as the daemon's do, on this disk, synced.
- Reading: 98,304 lines, by the processor's time of the daemon's process, without the collector. The process that packs the
  pages of a large book has begun. A re-read is a whole start of the file's book, whose groups are there already. A midnight
  is the book's new debts and one sweep, at 1M groups.
- Pages: 8,192 lines, by the processor's time of core's thread, turn by turn. Of each page of new groups the longest turn; the
  first pages, which meet all coins, are not counted. A changed page has another debt in every line.
- Lateness: the loop of the daemon, with its switch interval and its thresholds of the collector, sleeps a millisecond again
  and again. A storm is ten thousand alerts in one tick.
- Webhooks: a storm goes through the store, the dispatcher and a signed webhook, each alert alone and then in batches. The
  sending process has one core and the receiver the other. A body has the figures of eight coins at most.
- One rendered alert: the body of a webhook, of an alert whose figures are known, by the processor's time. The clock of the
  core is that of a compiled chain of steps that wait for each other, before and after. At 3 GHz it takes as many cycles.
- Scrolling: a real Chromium scrolls by the wheel from the first of 100,000 rows to the last, while the stream changes all of
  its 500 rows four times a second. The longest task of the page's thread is told by the processor's time.
- Shards: a calm book, the same in one process and in all shards, which take turns; every price moves a little each round.
  Nothing else of the machine is faster for them than for one process: what two cores give is what other processes leave.
  Larger books, and actors of Ray, by `python -m bench.spread GROUPS ROUNDS --ray --keep`.
- Behind a fence: the alerts of a storm and single ones, through the journal into SQLite and into PostgreSQL on this machine,
  both on one disk and synced. There the commit begins with the fence of a lease that a keeper holds meanwhile. A
  network adds a way there and back. Both stage the figures of the storm.
- Memory is resident memory of a process that read the book from JSON lines and took prices, less that of the same process
  with an empty file; before it, both processes load, use and drop another small book. Here the groups owe seven tenths, so
  that none is past a line: after the first prices of the book as it is, 18,861 alerts at once left the process at 442 bytes.
"""


def measure(plan: Plan, bars: Bars, folder: Path) -> report.Measured:
    """Runs all parts, one after the other: nothing else may want the cores."""
    started, facts = time.perf_counter(), machine.facts()
    with bars.part("the book", 1):
        whole = book(GROUPS, market())
    with bars.part("sweeps of 1,000,000 groups", plan.engine) as advance:
        engine = sweep.engine(whole, plan.engine, advance)
    with bars.part("growth", plan.growth) as advance:
        growth = sweep.growth(whole, GROWTH, plan.growth, advance)
    with bars.part("lateness of the event loop", 1):
        late = _lateness(whole, plan.lateness_s)
    side_by_side = {n: _peers(whole.first(n), rounds, bars) for n, rounds in plan.peers.items()}
    with bars.part(f"a storm of {STORM:,} alerts", plan.storm + 1) as advance:
        stormed = storm.run(whole.market, STORM, plan.storm, folder, advance)
    with bars.part("a storm by column, and one by one", plan.by_column) as advance:
        by_column = plain_storm.run(whole.market, STORM, plan.by_column, folder, advance)
    with bars.part(f"webhooks of {STORM:,} alerts", 1):
        posted = deliveries.measure(STORM)
    lines, one_product = folder / "book.jsonl", desk.of_one_product(whole)
    with bars.part("the event loop in storms", 1):
        in_storms = storm.late(market(), STORM, plan.storms_watched)
    with bars.part("reading", 1):
        read = reading.measure(one_product.first(reading.LINES), plan.reading)
    with bars.part("pages", 1):
        paged = pages.measure(one_product.first(pages.PAGES * desk.AT_ONCE))
    with bars.part("one, three and five feeds", 3) as advance:
        fed = _sources(plan.sources, advance)
    with bars.part("the book as JSON lines", 1):
        desk.write_lines(one_product, lines)
    with bars.part("the whole path", -(-GROUPS // desk.AT_ONCE) + plan.path + 1) as advance:
        whole_path = path.run(one_product, lines, folder, plan.path, plan.lateness_s, advance)
    over, rounds = plan.spread
    with bars.part(f"{over:,} groups over shards", len(spread.COUNTS) + rounds + 2) as advance:
        over_shards = spread.measure(one_product.first(over), rounds, advance)
    with bars.part("commits behind the fence of a lease", plan.fenced + 1) as advance:
        behind_a_fence = fenced.run(market(), STORM, plan.fenced, advance)
    with bars.part("memory", 1):
        desk.write_lines(desk.calm(one_product), lines)
        held = memory.run(GROUPS, lines, folder)
    with bars.part(f"scrolling through {scrolling.ROWS:,} rows", 1):
        scrolled = scrolling.measure()
    positions = (len(whole.collateral) + len(whole.debts)) / GROUPS
    took_s = time.perf_counter() - started
    return report.Measured(
        facts, positions, engine, side_by_side, growth, late, whole_path, stormed, in_storms, by_column, posted, fed,
        read, paged, held, scrolled, over_shards, behind_a_fence, took_s
    )  # fmt: skip


def _peers(some: Book, rounds: int, bars: Bars) -> Seconds:
    names = [name for name in (*peers.PEERS, *peers.MORE) if name != "bytewax" or len(some) <= STREAMING]
    with bars.part(f"peers, {len(some):,} groups", len(names) + rounds) as advance:
        return sweep.against_peers(some, names, rounds, advance)


def _sources(frames: int, advance: Advance) -> dict[int, sources.Cost]:
    costs = {}
    for feeds in (1, 3, 5):
        costs[feeds] = sources.measure(feeds, frames)
        advance()
    return costs


def _lateness(whole: Book, seconds: float) -> lateness.Lateness:
    ours, market = Ours(whole, threads=2), ticks(64)
    ours.tick(market[0])
    return lateness.measure(lambda i: ours.tick(market[i % len(market)]), seconds)


def main() -> None:
    """Writes the results beside this file; those of a quick run have names of their own, and git does not see them."""
    is_quick = "--quick" in sys.argv[1:]
    telemetry.configure("error")
    var = Path("var")
    var.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=var) as folder, Bars() as bars:
        measured = measure(QUICK if is_quick else FULL, bars, Path(folder))
    report.write(measured, HERE, ".quick" if is_quick else "", METHOD)
    for row in report.rows(measured):
        print(f"{'met   ' if row.is_met else 'MISSED'} {row.what}: {row.measured:.3g}{row.unit} ({row.target})")
    print(f"{measured.took_s:.0f} s in all; written to bench/RESULTS{'.quick' if is_quick else ''}.md")


if __name__ == "__main__":
    main()
