"""What every kind of book must hold, found by its file: the book equals the peer's at every quiet point, whatever happens.

To bring a new kind, add a peer to PEERS (tests/books/peers.py).
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor import plugins
from monitor.clock import SystemClock
from monitor.core.events.events import GroupClosed, GroupPut
from tests.books.lenders import BENCHES
from tests.books.peers import PEERS, Peer
from tests.books.sources import RunningBook
from tests.effort import examples, more_in_a_soak

pytestmark = pytest.mark.parametrize("kind", PEERS)


@pytest.fixture
async def peer(kind: str, tmp_path: Path) -> AsyncIterator[Peer]:
    async with PEERS[kind](tmp_path) as peer:
        yield peer


@pytest.fixture
async def book(peer: Peer) -> AsyncIterator[RunningBook]:
    book = RunningBook(peer.module, peer.config)
    yield book
    await book.stop()


async def test_a_book_is_read_changed_refused_broken_and_mended(kind: str, peer: Peer, book: RunningBook) -> None:
    await peer.holds({"G-1": "1", "G-2": "2", "G-3": "3", "G-4": "4"})
    began = SystemClock().utc()
    book.start()
    await book.until(lambda: book.groups == {"G-1": "1", "G-2": "2", "G-3": "3", "G-4": "4"})
    await book.until(lambda: book.seen)
    assert all(seen.source == "desk" and seen.as_of <= SystemClock().utc() for seen in book.seen)
    assert kind == "file" or book.seen[0].as_of >= began

    # The same in another order is no news; a change and a closing are.
    count = puts(book)
    await peer.holds({"G-4": "4", "G-2": "5", "G-1": "1"})
    await book.until(lambda: book.groups == {"G-1": "1", "G-2": "5", "G-4": "4"})
    assert puts(book) == count + 1

    # A bad group beside good ones is named, stays as it was, and is mended.
    await peer.holds({"G-1": "1", "G-2": "6", "G-4": "7"}, bad=("G-4",))
    await book.until(lambda: book.groups["G-2"] == "6" and len(book.notices) == 1)
    assert book.groups["G-4"] == "4"
    (place,) = book.notices
    assert "colour" in book.notices[place]
    await peer.holds({"G-1": "1", "G-2": "6", "G-4": "7"})
    await book.until(lambda: book.groups["G-4"] == "7" and not book.notices)

    # A reading that fails or breaks off is told, and changes and closes nothing.
    await peer.breaks()
    await book.until(lambda: book.notices)
    assert book.groups == {"G-1": "1", "G-2": "6", "G-4": "7"}
    await peer.mends()
    await book.until(lambda: not book.notices)
    assert book.groups == {"G-1": "1", "G-2": "6", "G-4": "7"}
    assert sum(isinstance(event, GroupClosed) for event in book.events) == 1


@more_in_a_soak
async def test_at_every_quiet_point_the_book_is_the_peers_through_kills_and_faults(
    kind: str, peer: Peer, book: RunningBook
) -> None:
    chance = random.Random(kind)
    groups = {f"G-{n}": "1" for n in range(8)}
    await peer.holds(groups)
    book.start()
    for _ in range(examples(6, 60)):
        match chance.choice(("change", "change", "close", "put", "fault", "kill", "cut")):
            case "change":
                groups[chance.choice(sorted(groups))] = str(chance.randrange(1, 99))
            case "close" if len(groups) > 4:
                del groups[chance.choice(sorted(groups))]
            case "put":
                groups[f"G-{chance.randrange(20)}"] = str(chance.randrange(1, 99))
            case "fault":
                await peer.breaks()
                await book.until(lambda: book.notices)
                await peer.mends()
            case "kill":
                await book.restart()
            case "cut":
                book.is_cut = True
        order = sorted(groups, key=lambda _: chance.random())
        await peer.holds({id: groups[id] for id in order})
        if book.is_cut:
            await book.restart()
        await book.until(lambda: book.groups == groups and not book.notices)


def puts(book: RunningBook) -> int:
    return sum(isinstance(event, GroupPut) for event in book.events)


def test_every_kind_has_a_peer(kind: str) -> None:
    """Lenders have a contract of their own (test_lender_contract.py, venues/test_binance_vip.py)."""
    assert set(plugins.kinds("books")) == set(PEERS) | {bench.kind for bench in BENCHES} | {"binance_vip"}
