"""The disk is full: every channel that needs no disk hears it, requests are refused, and all is whole again when there is room."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, Stream, but_stalls, now_s, until, webhook
from tests.feeds.venue import Venue


class Disk:
    """A folder that can be filled and given room again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, daemon: Daemon) -> None:
        """From now on nothing grows."""

    def empty(self, daemon: Daemon) -> None:
        """There is room again."""


class SmallDisk(Disk):
    """A file system of 8 MB in memory, with everything on it that the daemon writes, its log included."""

    def fill(self, daemon: Daemon) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def empty(self, daemon: Daemon) -> None:
        (self.folder / "filler").unlink()


class SmallFiles(Disk):
    """RLIMIT_FSIZE: no file of the process may grow beyond what the largest has now. What is to grow fails, at once."""

    def fill(self, daemon: Daemon) -> None:
        # Smaller than the store's pages: what lies below its end already may be written, a longer log may not.
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    def empty(self, daemon: Daemon) -> None:
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """RLIMIT_FSIZE works for everybody; `on_both` runs a test on a small file system too."""
    if getattr(request, "param", "rlimit") == "rlimit":
        yield SmallFiles(tmp_path)
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs is not permitted here")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


on_both = pytest.mark.parametrize("disk", [pytest.param("tmpfs", marks=pytest.mark.soak), "rlimit"], indirect=True)


@pytest.fixture
async def full_house(disk: Disk, venue: Venue, receiver: SignedReceiver) -> AsyncIterator[House]:
    house = House(disk.folder, venue)
    house.write(webhook("desk", receiver.url()))
    return house


def whole(house: House) -> bool:
    with sqlite3.connect(f"file:{house.folder}/var/monitor.db?mode=ro", uri=True) as db:
        return bool(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok")


async def _calm(daemon: Daemon, groups: int) -> None:
    assert daemon.house.venue is not None
    await daemon.house.venue.marks({"BTCUSDT": "100000"})
    await daemon.put(*(one_btc(f"G-{n}") for n in range(groups)))


@on_both
async def test_a_full_disk_is_said_and_heals_by_itself(disk: Disk, full_house: House, receiver: SignedReceiver) -> None:
    """The whole outage in one life of the daemon."""
    venue = full_house.venue
    assert venue is not None
    async with Daemon(full_house) as daemon:
        await _calm(daemon, 5)
        disk.fill(daemon)
        filled_s = now_s()
        await until(daemon.reasons, "readiness fails", 5)
        assert any("full" in r or "I/O" in r or "large" in r for r in (await daemon.reasons()).values())
        await until(lambda: receiver.of("monitor.degraded"), "the desk is told", 12)
        assert now_s() - filled_s < 12

        await venue.marks({"BTCUSDT": "64000"})
        await until(lambda: len(receiver.of("loan_group.margin_call.opened")) == 5, "alerts without a disk", 5)
        volatile = receiver.of("loan_group.margin_call.opened")
        assert {body["data"]["durable"] for body in volatile} == {False}
        ids = {body["data"]["id"] for body in volatile}

        for method, path, body in (
            ("PUT", "/v1/groups/G-new", one_btc("G-new")),
            ("DELETE", "/v1/groups/G-1", None),
            ("POST", "/v1/groups/G-1/entries", {"type": "enroll", "delayed_liquidation": True, "id": "e-1"}),
        ):
            status, answer = await daemon.ask(method, path, body)
            assert (status, answer["type"]) == (503, "urn:loan-monitor:store-unavailable"), (path, answer)
        assert len((await daemon.get("/v1/groups"))["items"]) == 5
        assert await daemon.alerts("&type=loan_group.*") == []
        pid = daemon.process.pid

        disk.empty(daemon)
        await until(lambda: receiver.of("monitor.recovered"), "the desk is told that it is over", 10)
        await until(lambda: len(receiver.of("loan_group.margin_call.opened")) == 10, "the same alerts, durable", 10)
        again = receiver.of("loan_group.margin_call.opened")[5:]
        assert {body["data"]["id"] for body in again} == ids
        assert {body["data"]["durable"] for body in again} == {True}
        await until(lambda: _is_ready(daemon), "ready again", 10)
        assert daemon.process.pid == pid
        log = await daemon.alerts()
        assert sorted(item["data"]["id"] for item in log if item["type"].startswith("loan_group")) == sorted(ids)
        for type_ in ("monitor.degraded", "monitor.recovered"):
            assert len([item for item in log if item["type"] == type_]) == 1
        await daemon.put(one_btc("G-new"))
        assert (await daemon.stop())[0] == 0, daemon.said()
        assert whole(full_house)
        await daemon.again()
        assert {g["id"] for g in (await daemon.get("/v1/groups"))["items"]} == {*(f"G-{n}" for n in range(5)), "G-new"}
        assert (await daemon.get("/v1/groups/G-1"))["stage"] == "margin_call"


async def _is_ready(daemon: Daemon) -> bool:
    return not await daemon.reasons()


async def test_streams_see_what_became_durable_when_the_disk_had_room_again(
    disk: Disk, full_house: House, receiver: SignedReceiver
) -> None:
    """A reader that stayed connected misses nothing: the alerts of the outage come with their cursors."""
    venue = full_house.venue
    assert venue is not None
    async with Daemon(full_house) as daemon:
        await _calm(daemon, 3)
        async with Stream(daemon, "?events=alert") as stream:
            disk.fill(daemon)
            await until(lambda: receiver.of("monitor.degraded"), "the desk is told", 12)
            await venue.marks({"BTCUSDT": "64000"})
            await until(lambda: len(receiver.of("loan_group.margin_call.opened")) == 3, "alerts without a disk", 5)
            disk.empty(daemon)
            await until(lambda: receiver.of("monitor.recovered"), "it is over", 10)
            log = [item["data"]["cursor"] for item in await daemon.alerts()]
            await until(lambda: stream.ids() == log, f"{log} on the stream, has {stream.ids()}", 3)
        volatile = [item for name, id_, item in stream.events if name == "alert" and not id_]
        assert sorted(item["type"] for item in but_stalls(volatile)) == ["loan_group.margin_call.opened"] * 3 + [
            "monitor.degraded"
        ]
        assert not any(item["data"]["durable"] for item in volatile)


@pytest.mark.parametrize("refused", ["before", "meanwhile"])
async def test_an_alert_that_was_durable_just_before_is_sent_though_its_attempt_cannot_be_counted(
    disk: Disk, full_house: House, receiver: SignedReceiver, refused: str
) -> None:
    """The log has it, the channel is there: it waits neither for the count of its next try nor for the end of the last."""

    async def refuse_first(_: object) -> int:
        if refused == "meanwhile":
            await filled.wait()
        return 503 if refusing else 200

    refusing, filled = True, asyncio.Event()
    receiver.answer = refuse_first
    venue = full_house.venue
    assert venue is not None
    async with Daemon(full_house) as daemon:
        await _calm(daemon, 1)
        await venue.marks({"BTCUSDT": "64000"})
        await until(lambda: receiver.tries if refused == "meanwhile" else "HTTP 503" in daemon.said(), "the first try")
        disk.fill(daemon)
        filled.set()
        await until(daemon.reasons, "readiness fails", 5)
        refusing = False
        await until(lambda: receiver.of("loan_group.margin_call.opened"), "the margin call", 20)
        assert receiver.of("loan_group.margin_call.opened")[0]["data"]["durable"] is True


async def test_a_stop_while_the_disk_is_full_repeats_everything_under_the_same_ids(
    disk: Disk, full_house: House, receiver: SignedReceiver
) -> None:
    """What could not be kept is found again by the next start: the same alerts with the same ids, once in the log."""
    venue = full_house.venue
    assert venue is not None
    async with Daemon(full_house) as daemon:
        await _calm(daemon, 3)
        disk.fill(daemon)
        await until(lambda: receiver.of("monitor.degraded"), "the desk is told", 12)
        await venue.marks({"BTCUSDT": "64000"})
        await until(lambda: len(receiver.of("loan_group.margin_call.opened")) == 3, "alerts without a disk", 5)
        ids = {body["data"]["id"] for body in receiver.of("loan_group.margin_call.opened")}
        code, took_s = await daemon.stop()
        assert (code, "Traceback" in daemon.said()) == (1, False), daemon.said()
        assert took_s < 10
        if isinstance(disk, SmallDisk):
            disk.empty(daemon)
        assert whole(full_house)
        await daemon.again()
        await venue.marks({"BTCUSDT": "64000"})
        await until(lambda: len(_told(receiver, ids)) == 6, "the same alerts again")
        log = await daemon.alerts("&type=loan_group.*")
        assert {item["data"]["id"] for item in log} == ids
        assert len(log) == 3


def _told(receiver: SignedReceiver, ids: set[str]) -> list[str]:
    return [id_ for id_ in receiver.ids if id_ in ids]


@on_both
async def test_the_event_log_makes_no_heap_of_empty_files_on_a_full_disk(
    disk: Disk, full_house: House, receiver: SignedReceiver
) -> None:
    """It begins a new file now and then, not for each event, and says so as seldom."""
    venue = full_house.venue
    assert venue is not None
    async with Daemon(full_house) as daemon:
        await _calm(daemon, 1)
        disk.fill(daemon)
        for n in range(60):
            await venue.marks({"BTCUSDT": str(99_000 + n)})
            await until(lambda n=n: _price_is(daemon, str(99_000 + n)), "the price")
        events = list((full_house.folder / "var" / "events").iterdir())
        assert len(events) < 5, events
        assert daemon.said().count("event log") < 5
        disk.empty(daemon)


async def _price_is(daemon: Daemon, price: str) -> bool:
    return any(p["price"] == price for p in (await daemon.get("/v1/prices"))["items"])
