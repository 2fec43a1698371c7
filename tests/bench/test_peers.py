"""All contenders of the benchmark give the same answers on the same book. Their packages come with `make bench`."""

from __future__ import annotations

import numpy as np
import pytest

from bench import peers
from bench.book import LINES_BP, Book, book, market
from bench.contender import Contender, check_exact, check_same, ticks
from bench.ours import BLOCK, Ours
from bench.sweep import OURS, against_peers, engine, growth

GROUPS = 400


def contender(name: str, some: Book) -> Contender:
    """A peer, or a skip that says which package is missing."""
    try:
        return peers.build_of(name)(some)
    except ImportError as missing:
        pytest.skip(f"{name}: {missing}; `make bench` makes .venv-bench, which has all peers")


@pytest.fixture(scope="module")
def some() -> Book:
    return book(GROUPS, market())


@pytest.mark.parametrize("name", [*peers.PEERS, *peers.MORE])
def test_a_peer_answers_as_numpy_does(some: Book, name: str) -> None:
    peer, right = contender(name, some), contender("numpy", some)
    try:
        for tick in ticks(4, sigma=0.02):
            found, known = peer.tick(tick), right.tick(tick)
            check_same(name, (found, *peer.answers()), (known, *right.answers()))
    finally:
        peer.close()


def test_numpy_answers_as_decimal_does(some: Book) -> None:
    known = contender("numpy", some)
    for tick in ticks(3, sigma=0.02):
        known.tick(tick)
        check_exact(some, tick, known.answers()[0], LINES_BP, np.arange(GROUPS))


def test_our_kernels_answer_as_numpy_does_over_several_blocks() -> None:
    large = book(BLOCK + 700, market())
    ours, known = Ours(large, threads=2), contender("numpy", large)
    for tick in ticks(4):
        found, right = ours.tick(tick), known.tick(tick)
        check_same(OURS, (found, *ours.answers()), (right, *known.answers()))


def test_a_wrong_stage_ltv_or_change_is_found(some: Book) -> None:
    known = contender("numpy", some)
    changed = known.tick(ticks(1)[0])
    stage, ltv = known.answers()
    assert len(changed), "a book in which nothing changes proves nothing"
    check_same("right", (changed, stage, ltv), (changed, stage, ltv))
    other = stage.copy()
    other[17] += 1
    with pytest.raises(AssertionError, match="stage of 1 groups is wrong, the first is group 17"):
        check_same("wrong", (changed, other, ltv), (changed, stage, ltv))
    far = ltv * np.where(np.arange(GROUPS) == 5, 1 + 1e-10, 1)
    with pytest.raises(AssertionError, match="LTV of 1 groups is wrong, the first is group 5"):
        check_same("wrong", (changed, stage, far), (changed, stage, ltv))
    with pytest.raises(AssertionError, match="groups changed"):
        check_same("wrong", (changed[1:], stage, ltv), (changed, stage, ltv))


def test_a_stage_that_decimal_does_not_confirm_is_found(some: Book) -> None:
    tick = ticks(1)[0]
    known = contender("numpy", some)
    known.tick(tick)
    stage = known.answers()[0].copy()
    stage[3] += 1
    with pytest.raises(AssertionError, match="stage of group 3"):
        check_exact(some, tick, stage, LINES_BP, np.arange(GROUPS))


def test_the_parts_of_a_run_time_everybody_in_every_round(some: Book) -> None:
    names, done = ["numpy", "numba_csr", "python_float"], []
    seconds = against_peers(some, names, 3, lambda: done.append(1))
    assert {name: len(each) for name, each in seconds.items()} == dict.fromkeys([OURS, *names], 3)
    assert len(done) == len(names) + 3
    alone = engine(some, 3, lambda: None, stream_bytes=1 << 20)
    assert {name: len(each) for name, each in alone.seconds.items()} == dict.fromkeys(
        ["sum", "sweep", "sweep2", "one", "ten"], 3
    )
    assert sum(alone.swept_bytes.values()) >= 10 * (len(some.collateral) + len(some.debts)) + 16 * GROUPS
    assert list(growth(some, [100, GROUPS], 2, lambda: None)) == ["100", str(GROUPS)]
