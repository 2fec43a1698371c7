"""What core knows is captured at once, and written down by another thread while core goes on."""

from __future__ import annotations

import threading
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from monitor.core.groups.outcome import Memory
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import event_log, recorder
from monitor.daemon.event_log import Start
from monitor.daemon.recorder import Recorder
from monitor.engine.book import ColumnarBook
from monitor.engine.columns.block import Block
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.local import NearShards
from tests.engine import twins
from tests.engine.market import QUICK, WARY, Market


def ordered(memory: Memory) -> Memory:
    """States stand in another order in a record."""
    states = sorted(memory.states, key=lambda state: state.group)
    return msgspec.structs.replace(memory, states=tuple(states))


def market_of(monkeypatch: pytest.MonkeyPatch, seed: int, *, is_spread: bool) -> Market:
    class Spread(SpreadBook):
        def __init__(self, fold_at: int, plain_from: int) -> None:
            super().__init__(NearShards(), 2, fold_at)

    if is_spread:
        monkeypatch.setattr(twins, "ColumnarBook", Spread)
    market = Market(seed, 40, 3, WARY, 7)
    for _ in range(3):
        market.step(QUICK)
        market.now += timedelta(seconds=1)
        market.move(list(market.usd), 0.8, 1.2)
    return market


@pytest.mark.parametrize(("seed", "is_spread"), [(0, False), (1, True)], ids=["one process", "shards"])
def test_what_is_written_later_is_what_core_knew_then(
    monkeypatch: pytest.MonkeyPatch, seed: int, is_spread: bool
) -> None:
    """Groups change, come and close meanwhile, and blocks are folded and dropped."""
    market = market_of(monkeypatch, seed, is_spread=is_spread)
    monitor = market.twins.columns
    then, captured = monitor.memory, monitor.captured()
    assert then is not None
    assert captured is not None
    assert then.blocks
    assert {state.group for state in then.states} - {g.group.id for g in then.groups}
    start = Start(monitor.rules, captured.memory, market.now, awakened=True)
    pieces = event_log.pieces(start, captured.blocks)
    for _ in range(6):
        market.now += timedelta(seconds=1)
        market.change_book()
        market.move(list(market.usd), 0.8, 1.2)
    assert monitor is market.twins.columns
    assert monitor.memory != then
    written = BytesIO(b"".join(pieces)).readlines()
    assert len(written) == 1
    found = event_log._started(event_log._start.decode(written[0]))
    expected = msgspec.structs.replace(start, memory=ordered(then))
    assert found.memory is not None
    read = event_log._started(event_log._start.decode(event_log.encoder.encode(expected)))
    assert msgspec.structs.replace(found, memory=ordered(found.memory)) == read


def test_a_large_record_is_begun_without_a_block_being_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Core only hands it over. The thread of the record makes the bytes of all blocks, and a replay goes on from them."""
    market = market_of(monkeypatch, 1, is_spread=False)
    made: list[str] = []
    dump = Block.dump
    monkeypatch.setattr(Block, "dump", lambda *args: made.append(threading.current_thread().name) or dump(*args))
    monitor = market.twins.columns
    log = Recorder(tmp_path, timedelta(days=7), 1 << 31)
    recorder.begin(log, monitor, market.now, 0.0)
    log.close()
    assert made
    assert set(made) == {"event log"}
    (path,) = event_log.files(tmp_path)
    start = event_log.start_of(path)
    assert start is not None
    again = RiskMonitor(start.rules, start.memory, ColumnarBook())
    assert again.memory is not None
    assert monitor.memory is not None
    assert {g: again.sight(g) for g in again.book.ids()} == {g: monitor.sight(g) for g in monitor.book.ids()}
