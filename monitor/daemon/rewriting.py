"""After a take-over: the blocks of the book are written again while the daemon serves (decision 172).

Who takes over serves first, so it writes no blocks. Two daemons that only ever take over from each other would keep more and
more groups beside the blocks, and a start with nothing read ahead would be slower each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple

from monitor.core.groups.outcome import Outcome
from monitor.daemon.sequencer import Sequencer, Turn
from monitor.daemon.startup import REWRITE_FROM
from monitor.engine.book import ColumnarBook
from monitor.running import Running
from monitor.stores._base import StoredState, StoreUnavailable
from monitor.telemetry import log

QUIET_S = 10.0
"""After a take-over there is other work: feeds are joined, the first prices decide."""
PAUSE_S = 2.0
"""Between two blocks: the next standby takes them one by one, and looks as often."""


class KeptBeside(NamedTuple):
    """What a store keeps beside its blocks when a head takes over."""

    blocks: frozenset[int]
    """The numbers of its blocks."""
    groups: frozenset[str]
    closed: frozenset[str]

    @staticmethod
    def of(snapshot: StoredState) -> KeptBeside:
        """As it was read."""
        groups = {*snapshot.known, *(stored.group.id for stored in snapshot.groups)}
        blocks = frozenset(block.number for block in snapshot.blocks)
        # Where no state says which life of the group it was, this row alone says that it had one.
        closed = frozenset(snapshot.closed).intersection(state.group for state in snapshot.states)
        return KeptBeside(blocks, frozenset(groups), closed)


def begin(beside: KeptBeside, running: Running, book: ColumnarBook, sequencer: Sequencer) -> None:
    """From now on in the background, where many groups are kept beside the blocks."""
    if len(beside.groups) + len(beside.closed) >= REWRITE_FROM:
        running.tasks.begin("blocks", rewrite(beside, book, sequencer))


async def rewrite(beside: KeptBeside, book: ColumnarBook, sequencer: Sequencer) -> None:
    """One pass over all blocks. A store that does not take them now gets them with the next commit that it takes."""
    from monitor.engine.rewriting import BlockRewrite  # the array libraries are loaded late

    await asyncio.sleep(QUIET_S)
    work = await sequencer.ask(lambda _, __: BlockRewrite(book, *beside), needs_commit=False)
    while (now := await sequencer.ask(lambda _, __: work.step(), needs_commit=False)) is not None:
        made = await asyncio.to_thread(now.made, book.names)
        if made is not None:
            while work.is_owing:
                await _committed(sequencer, work.owed)
            await _committed(sequencer, partial(work.outcome, made=made))
    log.info("all blocks of the book were written again", blocks=work.blocks, rows=work.rows)


async def _committed(sequencer: Sequencer, what: Callable[[datetime], Outcome]) -> None:
    """With a turn of core, whose commit is in order with all others; and then a rest."""

    def run(at: datetime, turn: Turn) -> None:
        turn.outcomes.append(what(at))

    with suppress(StoreUnavailable):  # it waits, and is in before whatever comes after it
        await sequencer.ask(run)
    await asyncio.sleep(PAUSE_S)
