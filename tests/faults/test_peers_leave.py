"""Peers that go away: readers of streams, of answers, of the daemon's own log. None of them ends the daemon."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, environment, until, webhook


async def test_streams_cut_off_in_the_middle_do_not_end_the_daemon(house: House, receiver: SignedReceiver) -> None:
    """Writing to a connection that was reset raises SIGPIPE, which would end a process that does not ignore it."""
    assert house.venue is not None
    house.write(webhook("hook", receiver.url()))
    async with Daemon(house) as daemon:
        await house.venue.marks({"BTCUSDT": "100000"})
        await daemon.put(*(one_btc(f"G-{n}") for n in range(20)))
        host, port = daemon.url.removeprefix("http://").split(":")
        for n in range(20):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET /v1/stream?after=0 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            await reader.readline()
            raw = writer.get_extra_info("socket")
            if n % 2:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()
            await house.venue.marks({"BTCUSDT": "64000" if n % 2 else "100000"})
        await until(lambda: len(receiver.of("loan_group.margin_call.opened")) >= 20, "alerts on the channel")
        assert daemon.process.returncode is None, daemon.said()
        assert (await daemon.stop())[0] == 0


async def test_a_log_that_nobody_reads_any_more_does_not_end_the_daemon(house: House, receiver: SignedReceiver) -> None:
    """`monitor run 2>&1 | head`: the watch goes on, as its alerts do not depend on its log."""
    assert house.venue is not None
    house.write(webhook("hook", receiver.url()))
    prefix = ("bash", "-c", 'exec "$@" 2> >(head -n 1 >/dev/null)', "run")
    async with Daemon(house, prefix=prefix) as daemon:
        for _ in range(3):
            await daemon.ask("PUT", "/v1/groups/G-1", one_btc("G-1"))
            await house.venue.marks({"BTCUSDT": "100000"})
            house.venue.drop()  # said in the log
            await asyncio.sleep(0.2)
            await house.venue.joined()
            daemon.signal(1)  # and so is a reload
        await house.venue.marks({"BTCUSDT": "64000"})
        await until(lambda: receiver.of("loan_group.margin_call.opened"), "the alert")
        assert daemon.process.returncode is None
        assert (await daemon.stop())[0] == 0


async def test_a_command_whose_reader_has_enough_ends_quietly(house: House) -> None:
    """`monitor check-config | head`: no traceback for a closed pipe."""
    house.write(feed=False)
    shell = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        '"$0" -m monitor check-config --config monitor.toml | true; echo "${PIPESTATUS[0]}"',
        sys.executable,
        cwd=house.folder,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _out, err = await shell.communicate()
    assert b"Traceback" not in err, err
