"""The sweep: against the bandwidth of memory, against the peers, by few assets, and how it grows with the book."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bench import peers
from bench.bandwidth import GIB, Stream
from bench.book import ASSETS, LINES_BP, Book, Floats, Ints
from bench.contender import Contender, Tick, check_exact, check_same, ticks
from bench.ours import Ours
from bench.progress import Advance
from bench.rounds import Seconds, interleaved, no_collection

OURS = "ours"
SWEPT = ("amounts", "instruments", "slices", "side", "seats", "runs", "band", "sums")
"""The arrays of the screen that a sweep reads, or writes (the last), while all prices are good."""
COLD_BYTES = GIB // 8
"""A second lies between two ticks, in which others use the caches. Reading this much leaves nothing of a book in them."""
SAMPLE = 3_000
"""Groups whose stages are held against Decimal: enough to find one wrong in a thousand, in a few seconds."""


class Engine(NamedTuple):
    """What the engine alone took."""

    seconds: Seconds
    """`sum` (over `stream_bytes`), `sweep` and `sweep2` (one and two threads), `one` and `ten` (assets)."""
    stream_bytes: int
    swept_bytes: dict[str, int]
    """What a sweep reads and writes, by array."""


def engine(book: Book, rounds: int, advance: Advance, stream_bytes: int = GIB) -> Engine:
    """Sweeps by one and two threads, ticks of one tail asset and of ten, and the sum over 1 GiB, interleaved."""
    one, two, few = Ours(book), Ours(book, threads=2), _Few(book)
    stream, market = Stream(stream_bytes), ticks(rounds + 1)
    for contender in (one, two):
        contender.tick(market[0])
    ones, tens = ([few.chosen(assets) for _ in range(rounds)] for assets in (1, 10))
    work = {
        "sum": lambda i: stream.read(),
        "sweep": lambda i: one.sweep(market[i + 1]),
        "sweep2": lambda i: two.sweep(market[i + 1]),
        "one": lambda i: few.tick_of(ones[i]),
        "ten": lambda i: few.tick_of(tens[i]),
    }

    def after(i: int, results: dict[str, Any]) -> None:
        assert np.array_equal(results["sweep"], results["sweep2"]), "one and two threads name different groups"
        one.decide(results["sweep"])
        two.decide(results["sweep2"])
        advance()

    seconds = interleaved(work, rounds, after)
    few.check(book)
    return Engine(seconds, stream_bytes, swept_bytes(one))


def swept_bytes(ours: Ours) -> dict[str, int]:
    """The arrays that a sweep goes through, in bytes: each is read or written once, from one end to the other."""
    return {name: ours.screen.nbytes[name] for name in SWEPT}


class _Few:
    """A book in which only a few assets move at a time."""

    def __init__(self, book: Book) -> None:
        self._ours, self._rng = Ours(book), np.random.default_rng(5)
        self._usd = book.market.usd.copy()
        self._tail = np.argsort(book.market.popularity)[: ASSETS // 2]
        self._ours.tick(Tick(self._usd, []))

    def chosen(self, assets: int) -> tuple[Ints, Floats]:
        """One asset of the less popular half, or ten of all, and by what factors they move."""
        moved = self._rng.choice(self._tail if assets == 1 else ASSETS, assets, replace=False)
        return moved, 1 + 0.002 * self._rng.normal(size=assets)

    def tick_of(self, chosen: tuple[Ints, Floats]) -> Ints:
        """Moves these assets."""
        moved, factors = chosen
        self._usd[moved] *= factors
        return self._ours.tick(Tick(self._usd, []), moved.tolist())

    def check(self, book: Book) -> None:
        """Asserts that after all these ticks every group stands where a full valuation puts it."""
        right = peers.build_of("numpy")(book)
        right.tick(Tick(self._usd, []))
        nothing = np.empty(0, np.int64)
        check_same("ticks of few assets", (nothing, *self._ours.answers()), (nothing, *right.answers()))


def against_peers(book: Book, names: Sequence[str], rounds: int, advance: Advance) -> Seconds:
    """Our tick, by one thread, and that of the peers, each with cold caches; asserts that all give the same answers in
    every round."""
    market = ticks(rounds + 1)
    contenders: dict[str, Contender] = {OURS: Ours(book)}
    with no_collection():
        for name in names:
            contenders[name] = peers.build_of(name)(book)
            advance()
    gc.freeze()
    try:
        _check_round(contenders, {name: each.tick(market[0]) for name, each in contenders.items()})

        def after(i: int, changed: dict[str, Any]) -> None:
            _check_round(contenders, changed)
            advance()

        work = {name: lambda i, each=each: each.tick(market[i + 1]) for name, each in contenders.items()}
        seconds = interleaved(work, rounds, after, before_each=Stream(COLD_BYTES).read)
        sample = np.random.default_rng(1).choice(len(book), min(len(book), SAMPLE), replace=False)
        check_exact(book, market[rounds], contenders[OURS].answers()[0], LINES_BP, sample)
    finally:
        for each in contenders.values():
            each.close()
        gc.unfreeze()
    return seconds


def _check_round(contenders: dict[str, Contender], changed: dict[str, Any]) -> None:
    """Asserts that everybody answered as numpy did."""
    right = (np.asarray(changed["numpy"]), *contenders["numpy"].answers())
    for name, each in contenders.items():
        check_same(name, (changed[name], *each.answers()), right)


def growth(book: Book, sizes: Sequence[int], rounds: int, advance: Advance) -> Seconds:
    """Our tick at several sizes of the book, interleaved; keyed by the number of groups."""
    market = ticks(rounds + 1)
    ours = {str(n): Ours(book.first(n)) for n in sizes}
    for each in ours.values():
        each.tick(market[0])
    work = {n: lambda i, each=each: each.tick(market[i + 1]) for n, each in ours.items()}
    return interleaved(work, rounds, lambda i, results: advance())
