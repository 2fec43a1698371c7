"""A book over shards that no other process of this run holds: how far the memory of a machine goes.

The shards load it as after a restart, from blocks as the store has them. Half a million groups are made and read; the others
are the same ones under other ids and accounts, as making ten million one by one takes longer than all that is measured.
"""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from bench import desk, spread
from bench.book import book, market
from bench.machine import rss_bytes
from bench.progress import Advance
from monitor.core.groups.outcome import Memory, StoredBlock
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.spread.groups import SpreadGroups
from monitor.engine.spread.local import LocalShards
from monitor.telemetry import trim_memory

FROM = 2_000_000
"""Above it no process holds the whole book beside its shards."""
SHARDS = 4
DIFFERENT = 60 * desk.AT_ONCE
MOST = 24 * DIFFERENT
"""One letter tells copies apart."""


def steps(groups: int) -> int:
    """How often `measure` advances before its rounds."""
    return -(-groups // DIFFERENT) + 2


def measure(groups: int, rounds: int, advance: Advance) -> spread.Figures:
    """A whole number of blocks, at least as many groups. Says besides what they take, in bytes a group."""
    assert groups <= MOST, f"at most {MOST:,} groups"
    rules, memory = _distinct()
    advance()
    wanted = -(-groups // desk.AT_ONCE)
    blocks = tuple(_blocks(memory.blocks, wanted, advance))
    groups = wanted * desk.AT_ONCE
    trim_memory()
    memory = msgspec.structs.replace(memory, blocks=blocks, groups=(), states=())
    del blocks
    over = spread.spread_over(LocalShards(), SHARDS, rules, memory)
    advance()
    del memory  # the bodies are the store's answer, and go after the start
    gc.collect()
    trim_memory()
    held = over.book.columnar
    assert isinstance(held, SpreadGroups)
    assert sum(held.by_shard().values()) == groups, "all groups are watched"
    over.book.hear_memory()
    shards = sum(each.resident for each in over.book.memory_of.values())
    parts = {
        "columns of the head": sum(over.book.nbytes().values()),
        "the head's process, shards loaded": rss_bytes(),
        "the same at most, at the start, with all bodies": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "file of blocks": held.shelf.nbytes,
        f"{SHARDS} shards": shards,
    }
    found = spread.compared(groups, market(), {}, {f"{SHARDS} local": over}, rounds, advance)
    return found._replace(memory={name: size / groups for name, size in parts.items()})


def _distinct() -> tuple[spread.Rules, Memory]:
    """Half a million calm groups in blocks."""
    calm = desk.calm(desk.of_one_product(book(DIFFERENT, market())))
    monitor = desk.new_monitor(calm.market)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.jsonl"
        desk.write_lines(calm, path)
        desk.fill(monitor, path)
    assert monitor.memory is not None
    return monitor.rules, monitor.memory


def _blocks(kept: tuple[StoredBlock, ...], wanted: int, advance: Advance) -> Iterator[StoredBlock]:
    """So many blocks: the first ones as they are, and then again and again under other ids."""
    whole = [block.body for block in kept]
    for number in range(wanted):
        copy, which = divmod(number, len(whole))
        yield StoredBlock(number, renamed(whole[which], copy))
        if which == 0:
            advance()


def renamed(body: bytes, copy: int) -> bytes:
    """The groups of a block under ids and accounts that no other copy has: their first letters are other ones."""
    names = Names()
    block = Block.load(body, names)
    arena = block.columns.arena.copy()
    ids, accounts = block.columns.start[:-1].astype(np.int64), block.account_keys()[0]
    arena[ids + 1] = ord("A") + copy
    arena[accounts + 1] = ord("a") + copy
    return Block(block.columns._replace(arena=arena)).dump(names)
