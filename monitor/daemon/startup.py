"""What a start does: restores what the store kept, writes its blocks again where that pays, loads the engine."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import monitor
from monitor import audit_keys, descriptors, private_files
from monitor.ack_links import KEY_FILE
from monitor.config import BadConfig, Config
from monitor.core.groups.outcome import Memory
from monitor.core.prices.quote import unconfirmed
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.stores._base import Change, Store, StoredState
from monitor.tables import PORT_FILE
from monitor.telemetry import log

WARM_AFTER_S = 5.0
"""The array libraries load in the background soon after the start, so that a book that grows need not wait."""
REWRITE_FROM = 20_000
"""Groups kept beside the blocks: reading this many adds a second to a start, and writing all blocks takes a few."""
KERNELS = "kernels"
"""The folder of `state_dir` for compiled loops, where the package cannot be written to."""
IO_THREADS = 32
SWITCH_S = 0.0005
"""How long core's thread may keep the interpreter from the event loop; Python's own 5 ms would be the loop's lateness."""

GARBAGE = (2_000, 3, 160)
"""Objects between two looks for circles, and how often a look goes on to older objects. A look holds the loop for as long as
it goes through objects, so the first two look at few; all are looked at as seldom as with (10_000, 10, 10), which costs."""


def prepare_threads(loop: asyncio.AbstractEventLoop) -> None:
    """Gives I/O many threads, as a look-up that hangs must not hold up files, and keeps core from delaying the loop."""
    descriptors.raise_limit()
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*GARBAGE)
    loop.set_default_executor(ThreadPoolExecutor(IO_THREADS, "io"))


def prepare_files(config: Config) -> None:
    """Puts the compiled loops of an image where they can be used, and closes to others what the monitor writes."""
    take_built_kernels()
    keep_private(config)


def keep_private(config: Config) -> None:
    """Closes to other users what the monitor has written and will write: store, logs, mails, texts, lists, kernels."""
    private_files.use(config.monitor.group)
    named = [getattr(part.config, key) for part in config.notifiers for key in part.config.__struct_fields__]
    mails = [Path(text.removeprefix("file:")) for text in named if isinstance(text, str) and text.startswith("file:")]
    texts = [Path(text) for part in config.notifiers if isinstance(text := getattr(part.config, "file", None), str)]
    folders = [config.state_dir, *(config.state_dir / name for name in ("events", KERNELS)), *mails]
    if kernels := os.environ.get("NUMBA_CACHE_DIR"):
        folders.append(Path(kernels))
    files = [*store_files(config), *texts, config.state_dir / PORT_FILE]
    if config.monitor.group is not None:
        # Made now, so that what is made in them belongs to the group from the beginning.
        folders += [file.parent for file in (*files, *texts) if not file.parent.exists()]
        with contextlib.suppress(OSError):  # who needs the folder says so
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
    places = private_files.Places(
        folders, files, keys=[config.state_dir / name for name in (KEY_FILE, audit_keys.KEY_FILE)]
    )
    private_files.narrow(config.monitor.group, places, keep_open=[config.path.parent])


def keep_store_private(config: Config) -> None:
    """The same for what SQLite has made just now, for its owner alone: a group may read it."""
    private_files.narrow(config.monitor.group, private_files.Places(files=store_files(config)))


def store_files(config: Config) -> list[Path]:
    """The store and what SQLite keeps beside it."""
    path = getattr(config.store.config, "path", None)
    if path is None:
        return []
    return [Path(f"{os.path.realpath(path)}{suffix}") for suffix in ("", "-wal", "-shm", "-journal", ".lock")]


def restored(rules: Rules, snapshot: StoredState, book: ColumnarBook, *, blocks_fit: bool = False) -> RiskMonitor:
    """The monitor as it was committed. Raises BadConfig where today's rules do not fit a group that was kept.

    `blocks_fit`: all groups of the book that the snapshot does not state singly were found to fit.
    """
    if snapshot.desk is None:
        return RiskMonitor(rules, book=book)
    try:
        return RiskMonitor(rules, memory_of(snapshot), book, blocks_fit=blocks_fit)
    except Refused as e:
        raise BadConfig([str(e)]) from None


def memory_of(snapshot: StoredState) -> Memory:
    """What core goes on from; the store has a desk. No price counts until a feed confirms it."""
    assert snapshot.desk is not None
    return Memory(
        at=snapshot.desk.at,
        marks=tuple(map(unconfirmed, snapshot.desk.marks)),
        watchers=snapshot.desk.watchers,
        groups=snapshot.groups,
        states=snapshot.states,
        blocks=snapshot.blocks,
        closed=snapshot.closed,
        rates=snapshot.rates,
    )


async def rewrite_blocks(store: Store, book: ColumnarBook, snapshot: StoredState) -> None:
    """Writes all blocks again where many groups are kept beside them: a start reads such a group fifty times slower."""
    beside = {*(stored.group.id for stored in snapshot.groups), *snapshot.closed}
    if len(beside) < REWRITE_FROM or snapshot.desk is None:
        return
    blocks = book.rewritten(beside)
    written = {block.number for block in blocks}
    dropped = tuple(b.number for b in snapshot.blocks if b.number not in written)
    await store.commit(Change(snapshot.desk.at, blocks=blocks, dropped_blocks=dropped))
    log.info("all blocks of the book were written again", blocks=len(blocks), groups=len(book), were_beside=len(beside))


def note_port(state_dir: Path, port: int | None) -> None:
    """Leaves a word of the port for `monitor doctor`: with `port = 0` nobody else knows it. None: the daemon stops."""
    with contextlib.suppress(OSError):  # a full disk says more of itself elsewhere
        if port is None:
            (state_dir / PORT_FILE).unlink(missing_ok=True)
        else:
            state_dir.mkdir(parents=True, exist_ok=True)
            (state_dir / PORT_FILE).write_text(f"{port}\n")


BUILT = "MONITOR_KERNELS"
"""Names a folder of loops that were compiled when the image was made."""


def take_built_kernels() -> None:
    """Copies the loops of an image to where the compiler looks for them, which has to be a folder that can be written."""
    built, wanted = os.environ.get(BUILT), os.environ.get("NUMBA_CACHE_DIR")
    if not built or not wanted:
        return
    try:
        shutil.copytree(built, wanted, dirs_exist_ok=True)
    except (OSError, shutil.Error) as e:
        log.warning("the compiled loops of the image cannot be used; they are compiled again", reason=str(e)[:200])


ENGINE = Path(monitor.__file__).parent / "engine"
"""Where the compiled kernels are kept if the package can be written to."""


async def warm(state_dir: Path, after_s: float = WARM_AFTER_S) -> None:
    """Loads and compiles the engine. In two steps, as a stop waits for the step that has begun."""
    await asyncio.sleep(after_s)
    engine = await asyncio.to_thread(_import_engine, state_dir)
    await asyncio.to_thread(engine.warm)


def _import_engine(state_dir: Path) -> Any:
    """Where the package cannot be written to, the compiled kernels are kept beside the state."""
    if not os.access(ENGINE, os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(state_dir.absolute() / KERNELS))
    return import_module("monitor.engine.warm")
