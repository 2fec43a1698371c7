"""A daemon over actors of Ray, by TLS and with a token: `make soak-ray` runs it, as a cluster takes its time to begin."""

import asyncio
import importlib.util
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.config import BadConfig, load
from monitor.daemon.app import App
from monitor.daemon.shards import book_of
from monitor.engine.spread.book import SpreadBook
from tests.book_lines import one_btc
from tests.engine.spread.own_authority import tls_of_ray
from tests.engine.spread.ray_cluster import OURS, TOKEN, Cluster, a_cluster, address_of_this_machine
from tests.faults.house import House, Ticker, until
from tests.faults.inside import running, said
from tests.feeds.venue import Venue

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(600),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
]
GROUPS = 600
CALL = "loan_group.margin_call.opened"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return tls_of_ray(tmp_path_factory.mktemp("tls") / "ours", "127.0.0.1", address_of_this_machine())


@pytest.fixture(scope="module")
def cluster(tls: dict[str, str]) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch, a_cluster(TOKEN | tls) as begun:
        for name, value in (OURS | TOKEN | tls | {"RAY_ADDRESS": begun.address}).items():
            patch.setenv(name, value)
        yield begun


def a_book(house: House, ray: str = "auto") -> None:
    lines = [json.dumps(one_btc(f"G-{n:03}", owed="30000")) for n in range(GROUPS)]
    (house.folder / "book.jsonl").write_text("\n".join(lines) + "\n")
    engine = f'[engine]\nshards = 2\nray = "{ray}"\nshard_limit = "10s"\n'
    house.write('[[book]]\nname = "book"\nkind = "file"\npath = "book.jsonl"\n', engine)


async def subjects(app: App, kind: str) -> set[str | None]:
    return {each.alert.subject for each in await said(app, kind)}


async def test_a_daemon_joins_by_tls_with_a_token_and_replaces_an_actor_that_is_killed(
    house: House, venue: Venue, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_book(house)
    monkeypatch.chdir(house.folder)
    async with running(house) as app, Ticker(venue, BTC="40000") as ticker:
        book: Any = app.book
        assert isinstance(book, SpreadBook)
        await until(lambda: len(book) == GROUPS, "the book is read", 60.0)
        await until(lambda: sum(seen.debt for seen in book.seen()) > 0, "actors have seen prices", 60.0)
        holder = next(seen for seen in book.seen() if seen.groups)
        os.kill(await asyncio.to_thread(book.links.shards.pid, holder.seat), signal.SIGKILL)
        await until(lambda: not book.is_whole, "it is found out", 30.0)
        ticker.prices["BTC"] = "38000"
        await until(lambda: book.is_whole and not app.health.reasons, "there is a replacement", 120.0)

        async def all_are_called() -> bool:
            return len(await subjects(app, CALL)) == GROUPS

        await until(all_are_called, "every margin call", 60.0)
        assert await subjects(app, "shard.missing") == {f"shard {holder.place}"}


@pytest.mark.parametrize("ray", ["auto", "ray"])
async def test_a_wrong_certificate_is_said_with_place_value_and_remedy(
    house: House, tmp_path: Path, cluster: Cluster, tls: dict[str, str], monkeypatch: pytest.MonkeyPatch, ray: str
) -> None:
    wrong = tls_of_ray(tmp_path / "wrong", "127.0.0.1")
    address = "auto" if ray == "auto" else cluster.far
    a_book(house, address)
    monkeypatch.chdir(house.folder)
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadConfig) as told:
        await book_of(load(house.config))
    (problem,) = told.value.problems
    assert f'engine.ray = "{address}"' in problem or f"engine.ray = {address!r}" in problem
    assert f"RAY_TLS_CA_CERT = {wrong['RAY_TLS_CA_CERT']} must be its authority" in problem
    # Ours is not of the authority that the cluster knows.
    monkeypatch.setenv("RAY_TLS_CA_CERT", tls["RAY_TLS_CA_CERT"])
    with pytest.raises(BadConfig, match=r"refuses RAY_TLS_SERVER_CERT = |no TLS with it"):
        await book_of(load(house.config))
