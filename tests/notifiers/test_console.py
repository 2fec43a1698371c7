"""One line per notice."""

import pytest

from monitor.notifiers import console
from monitor.notifiers._base import DeliveryError
from tests.notifiers.conftest import MakeNotice


async def test_it_prints_one_plain_line_to_stderr(capfd: pytest.CaptureFixture[str], make_notice: MakeNotice) -> None:
    await console.build("tty", console.Config()).send(make_notice())
    out, err = capfd.readouterr()
    assert out == ""
    assert err == (
        "2026-11-21T14:05:59.000Z [CRITICAL] G-1001 delayed liquidation: LTV 91.83 %, cure by 2026-11-22 14:05 UTC "
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
    tty = console.build("tty", console.Config())

    def broken(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(tty._console, "print", broken)
    with pytest.raises(DeliveryError, match="Broken pipe") as failed:
        await tty.send(make_notice())
    assert failed.value.retry
