"""Shards are killed and stopped at random while a random world runs: nothing false is said, and with two copies nothing is missed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta

import msgspec
import pytest

from monitor.clock import SystemClock
from monitor.core.events.events import GroupClosed, GroupPut, TimePassed
from monitor.core.loans.group import parse_line
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.columns.fields import GROUPS
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.local import LocalShards, NearShards
from tests.coin_desk import START, line
from tests.core.desk import plainly
from tests.effort import IS_LONG, examples, more_in_a_soak
from tests.engine.market import WARY
from tests.engine.spread.losing import LosingWorld, unwatched_in
from tests.engine.spread.test_spread_book import NOW, fall, mended, with_groups

CLOCK = SystemClock()
KINDS = ("vip_loan", "flat_loan")
EVERY_S = 3.0
"""So often a shard is hurt in a soak."""
FOR_S = 180.0


def hurt(book: SpreadBook, seat: int, how: signal.Signals) -> None:
    shards = book.links.shards
    assert isinstance(shards, LocalShards)
    pid = shards.processes[seat].pid
    assert pid is not None
    os.kill(pid, how)


def lives_through(world: LosingWorld) -> None:
    """A few losses, or in a soak one every three seconds; on a busy machine that takes longer."""
    until_s = CLOCK.monotonic_s() + FOR_S
    while world.hurts < examples(3, 20) or (IS_LONG and CLOCK.monotonic_s() < until_s):
        hurt_s = CLOCK.monotonic_s()
        world.crash(0.75, 1.0)
        world.crash(1.0, 1.4)
        world.hurt()
        world.pass_hold()
        world.crash(0.75, 1.3)
        world.step(world.random.randint(0, 2))
        world.mend()
        world.quote_one()
        world.step(2)
        while IS_LONG and CLOCK.monotonic_s() - hurt_s < EVERY_S:
            world.step()
    world.end()
    assert world.twins.alerts > 20


@more_in_a_soak
@pytest.mark.timeout(900 if IS_LONG else 120)
@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 6))])
def test_while_shards_are_killed_and_stopped_nothing_false_is_said_and_the_first_prices_make_it_good(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    world = LosingWorld(monkeypatch, LocalShards, hurt, seed, 3, 1, KINDS)
    lives_through(world)
    assert world.gaps == world.hurts
    assert world.twins.partial > world.hurts


@more_in_a_soak
@pytest.mark.timeout(900 if IS_LONG else 120)
@pytest.mark.parametrize("seed", [6, *(pytest.param(n, marks=pytest.mark.soak) for n in range(7, 10))])
def test_with_two_copies_killed_and_stopped_shards_are_never_missed(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    world = LosingWorld(monkeypatch, LocalShards, hurt, seed, 2, 2, KINDS)
    lives_through(world)
    assert world.gaps == world.twins.partial == 0


def lose(book: SpreadBook, place: int) -> set[str]:
    """A shard is gone, and known to be. Names its groups."""
    book.links.shards.abandon(place)
    book.links.ask_all("ready")
    return unwatched_in(book)


def test_the_end_of_a_hold_is_told_where_somebody_watches_alone() -> None:
    """Prices were well when the shard went missing, and nobody knows whether they stayed so."""
    monitor = with_groups(RiskMonitor(NOW, book=SpreadBook(NearShards(), 2, fold_at=0)))
    book = monitor.book
    assert isinstance(book, SpreadBook)
    assert len(fall(monitor, "0.8", 1)) == 60
    assert fall(monitor, "0.68", 2) == []
    gone = lose(book, 0)
    ended = plainly(monitor.handle(TimePassed(START + timedelta(hours=2))).alerts)
    assert {alert["subject"] for alert in ended} == set(book.ids()) - gone
    assert 0 < len(gone) < 60


def test_a_group_that_comes_out_of_the_block_of_a_missing_shard_is_watched_and_decided_by_the_head() -> None:
    """Also where no price moves again: the one that it missed is enough."""
    monitor = with_groups(RiskMonitor(NOW, book=SpreadBook(NearShards(), 2, fold_at=4)))
    book = monitor.book
    assert isinstance(book, SpreadBook)
    first = min(lose(book, 0))
    assert first not in {alert["subject"] for alert in fall(monitor, "0.8", 1)}
    assert book.columnar is not None
    number = book.columnar.rows.row_of(first) // GROUPS
    *others, last = sorted(book.columnar.rows.ids_in(number))
    said = [monitor.handle(GroupClosed(START + timedelta(seconds=1), id_, "book")).alerts for id_ in others]
    assert [alert.subject for alerts in said for alert in alerts] == [last]
    fall(monitor, "0.68", 3)
    ended = plainly(monitor.handle(TimePassed(START + timedelta(hours=2))).alerts)
    assert last in {alert["subject"] for alert in ended}, "it is not blind any more"


def test_groups_that_the_head_watches_stay_with_it_while_the_shard_of_the_last_block_is_missing() -> None:
    """The other shard has room, but they would go into the last block."""
    monitor = with_groups(RiskMonitor(NOW, book=SpreadBook(NearShards(), 2, fold_at=0)))
    book = monitor.book
    assert isinstance(book, SpreadBook)
    lose(book, book.links.place(14))
    at = START + timedelta(seconds=1)
    monitor.handle(GroupPut(at, parse_line(line("G-99"), at, NOW.products), "book"))
    assert "G-99" in {alert["subject"] for alert in fall(monitor, "0.8", 2)}
    mended(book)
    assert "G-99" not in {alert["subject"] for alert in fall(monitor, "0.8", 3)}


def test_a_head_that_fails_ends_its_shards_and_itself() -> None:
    """An interpreter that ends waits for its processes, and those wait for their head."""
    fails = "shards = LocalShards(); shards.begin(0); print(shards.processes[0].pid, flush=True); raise SystemExit(3)"
    code = f"from monitor.engine.spread.local import LocalShards\nif __name__ == '__main__':\n    {fails}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert done.returncode == 3, done.stderr
    assert not os.path.exists(f"/proc/{int(done.stdout)}/exe")


def test_a_price_that_only_groups_of_a_missing_shard_need_is_told_of() -> None:
    """They are with the head, on its shelf: it knows how many need the price, and which."""
    monitor = with_groups(
        RiskMonitor(msgspec.structs.replace(NOW, trust=WARY), book=SpreadBook(NearShards(), 2, fold_at=0))
    )
    book = monitor.book
    assert isinstance(book, SpreadBook)
    gone = lose(book, 0)
    for id_ in set(book.ids()) - gone:
        monitor.handle(GroupClosed(START, id_, "book"))
    silent = monitor.handle(TimePassed(START + 3 * WARY.stale_after)).alerts
    (told,) = plainly([alert for alert in silent if alert.type.startswith("price.")])
    assert set(told["facts"]["group_ids"]) == gone
    assert (told["facts"]["groups"], told["facts"]["sums"]) == (len(gone), "indicative")
