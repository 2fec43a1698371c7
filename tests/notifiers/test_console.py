"""One line per notice."""

import contextlib
import os

import pytest

from monitor import terminal
from monitor.notifiers import console
from monitor.notifiers._base import DeliveryError
from tests.notifiers.conftest import MakeNotice


async def test_it_prints_one_plain_line_to_stderr(capfd: pytest.CaptureFixture[str], make_notice: MakeNotice) -> None:
    await console.build("tty", console.Config()).send(make_notice())
    out, err = capfd.readouterr()
    assert out == ""
    assert err == (
        "2026-11-21T14:05:59.000Z [CRITICAL] G-1001 delayed liquidation: LTV 91.84 %, cure to 72 % by 2026-11-22 14:05 UTC, immediate liquidation above 95 % "
        "(evt_abcdefghijklmnopqrstuvwxyz)\n"
    )


async def test_it_prints_to_stdout_where_told(capfd: pytest.CaptureFixture[str], plain_notice: MakeNotice) -> None:
    await console.build("tty", console.Config(stream="stdout")).send(plain_notice())
    assert capfd.readouterr().out.endswith("[WARNING] BTC price stale (evt_plain)\n")


async def test_a_hostile_name_neither_breaks_the_line_nor_colours_the_terminal(
    capfd: pytest.CaptureFixture[str], make_notice: MakeNotice
) -> None:
    await console.build("tty", console.Config()).send(make_notice(group={"id": "G\n\x1b[2J[bold red]x[/] :boom:"}))
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert "[bold red]x[/] :boom:" in err


async def test_a_stream_that_is_closed_is_a_failure_that_may_pass(
    make_notice: MakeNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setitem(terminal._writers, 2, terminal.Writer(write))
    with pytest.raises(DeliveryError, match="Broken pipe") as failed:
        await console.build("tty", console.Config()).send(make_notice())
    assert failed.value.retry
    os.close(write)


async def test_a_terminal_that_nobody_reads_keeps_the_notice_and_prints_it_once(
    make_notice: MakeNotice, plain_notice: MakeNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 4096)
    os.set_blocking(write, True)
    monkeypatch.setitem(terminal._writers, 2, terminal.Writer(write))
    monkeypatch.setattr(console, "WRITE_S", 0.05)
    tty = console.build("tty", console.Config())
    for make in (make_notice, plain_notice, make_notice):
        with pytest.raises(DeliveryError, match="nobody read the terminal") as failed:
            await tty.send(make())
        assert failed.value.retry
    os.set_blocking(read, False)
    printed = b""
    for notice in (make_notice(), plain_notice()):
        printed += _read(read)
        assert (await tty.send(notice)).detail == "printed"
    printed += _read(read)
    assert printed.count(b"G-1001") == 1
    assert printed.count(b"evt_plain") == 1
    os.close(read)
    os.close(write)


def _read(read: int) -> bytes:
    found = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            found += os.read(read, 65536)
    return found


async def test_the_line_ends_with_the_address_of_the_page(
    capfd: pytest.CaptureFixture[str], make_notice: MakeNotice
) -> None:
    await console.build("tty", console.Config()).send(make_notice(url="https://risk.desk.example/#/group/G-1001"))
    assert capfd.readouterr().err.endswith(
        "(evt_abcdefghijklmnopqrstuvwxyz) https://risk.desk.example/#/group/G-1001\n"
    )
