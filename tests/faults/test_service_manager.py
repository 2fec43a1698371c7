"""A service manager hears from a real daemon, over the socket that it names, when it is ready, and whether its loop turns."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import threading
from pathlib import Path

import pytest

from monitor import config as configuration
from monitor.clock import SystemClock
from monitor.daemon.app import App
from monitor.service_manager import LONGEST_STATUS, ServiceManager, of_environment
from tests.faults.house import Daemon, House, now_s, until

CLOCK = SystemClock()


class Listener:
    """The socket of a manager, and what came to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def said(self) -> list[str]:
        """Every datagram so far."""
        try:
            while True:
                self.heard.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return self.heard

    def count(self, line: str) -> int:
        return sum(line in one.splitlines() for one in self.said())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    return Listener(tmp_path / "notify")


async def test_a_manager_hears_of_the_start_of_reloads_of_each_turn_and_of_the_stop(
    tmp_path: Path, listener: Listener
) -> None:
    """And the metrics say whether the configuration that was read last is in force."""
    house = House(tmp_path / "house")
    house.write(feed=False)
    env = {"NOTIFY_SOCKET": str(listener.path), "WATCHDOG_USEC": "1000000"}
    async with Daemon(house, env=env) as daemon:
        await until(lambda: listener.count("READY=1"), "the daemon is ready")
        port = daemon.url.rpartition(":")[2]
        assert f"STATUS=watches 0 groups, port {port}" in listener.said()[0].splitlines()
        assert listener.said()[0].startswith("READY=1"), "nothing is said before"
        await until(lambda: listener.count("WATCHDOG=1") >= 3, "signs of life", 10)
        assert await reload_state(daemon) == "1.0"
        first = await reloaded_at(daemon)

        good = house.config.read_text()
        house.config.write_text(good + '\n[monitr]\nname = "x"\n')
        await daemon.reload("the configuration was not reloaded")
        await until(lambda: listener.count("READY=1") == 2, "the end of the reload is said though it was refused")
        assert re.search(r"STATUS=.*refused", listener.said()[-1]), listener.said()[-1]
        assert (await reload_state(daemon), await reloaded_at(daemon)) == ("0.0", first)

        house.config.write_text(good)
        await daemon.reload()
        await until(lambda: listener.count("READY=1") == 3, "the end of the reload")
        assert await reload_state(daemon) == "1.0"
        assert await reloaded_at(daemon) > first
        assert listener.count("RELOADING=1") == 2
        (started,) = [re.search(r"MONOTONIC_USEC=(\d+)", one) for one in listener.said() if "RELOADING=1" in one][-1:]
        assert started is not None
        assert abs(int(started[1]) / 1e6 - now_s()) < 30, "by the clock of the manager"

        daemon.signal(signal.SIGTERM)
        await daemon.ended()
    assert listener.count("STOPPING=1") == 1


async def test_a_core_that_stands_still_gives_no_sign_of_life_though_the_port_answers(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path / "house")
    house.write(feed=False)
    monkeypatch.chdir(house.folder)
    app = App(configuration.load(house.config), CLOCK, manager=ServiceManager(str(listener.path), 0.4, CLOCK))
    await app.start()
    gate = threading.Event()
    try:
        app.sequencer.save_soon()  # a turn comes at once, and not only after a second
        await until(lambda: listener.count("WATCHDOG=1"), "the first sign of life", 3)
        held = asyncio.create_task(app.sequencer.ask(lambda at, turn: gate.wait(5), needs_commit=False))
        await asyncio.sleep(0.1)
        before = listener.count("WATCHDOG=1")
        await asyncio.sleep(1.2)
        assert listener.count("WATCHDOG=1") == before, "the event loop ran all the while, and that does not count"
        gate.set()
        await held
        await until(lambda: listener.count("WATCHDOG=1") > before, "it goes on", 3)
    finally:
        gate.set()
        await app.stop()


async def reload_state(daemon: Daemon) -> str:
    return await sample(daemon, "monitor_config_last_reload_successful")


async def reloaded_at(daemon: Daemon) -> float:
    return float(await sample(daemon, "monitor_config_last_reload_success_timestamp_seconds"))


async def sample(daemon: Daemon, name: str) -> str:
    async with daemon.http.get(daemon.url + "/metrics") as answer:
        rows = (await answer.text()).splitlines()
    (found,) = [row.split()[1] for row in rows if row.startswith(name + " ")]
    return found


def test_the_variables_are_taken_away_so_that_no_child_speaks_for_the_daemon() -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    manager = of_environment(CLOCK, environ)
    assert manager.watchdog_s == 5
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_for_this_process_none_is_fed(environ: dict[str, str]) -> None:
    assert of_environment(CLOCK, dict(environ)).watchdog_s is None


@pytest.mark.parametrize("address", [None, "", "@", "vsock:2:1234", "relative/path", "/no/such/socket"])
def test_a_manager_that_cannot_be_told_is_no_trouble(address: str | None) -> None:
    manager = ServiceManager(address, 1, CLOCK)
    manager.ready("fine")
    manager.turned()
    manager.stopping()


def test_a_name_of_the_abstract_kind_is_one_and_a_long_status_is_cut() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(f"\0loan-monitor-test-{os.getpid()}")
        ServiceManager(f"@loan-monitor-test-{os.getpid()}", None, CLOCK).ready("x" * 5000)
        assert there.recv(8192).decode() == "READY=1\nSTATUS=" + "x" * LONGEST_STATUS
