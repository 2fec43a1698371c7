"""How far a large book is read is shown where somebody looks; and what quiet times hold."""

from __future__ import annotations

import io
import tomllib
from pathlib import Path

import pytest
from rich.console import Console
from structlog.testing import CapturingLogger

from monitor.cli import output
from monitor.cli.main import FINE, check_config, commands
from monitor.cli.output import BookBars
from tests.faults.house import House

MB = 1 << 20


class Watch:
    """A clock that is moved by saying so."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> CapturingLogger:
    log = CapturingLogger()
    monkeypatch.setattr(output, "log", log)
    return log


def console(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> io.StringIO:
    shown = io.StringIO()
    monkeypatch.setattr(output, "err", Console(file=shown, force_terminal=is_terminal, width=80))
    return shown


def test_where_nobody_looks_the_log_says_it_every_two_seconds(
    monkeypatch: pytest.MonkeyPatch, watch: Watch, log: CapturingLogger
) -> None:
    shown, progress = console(monkeypatch, is_terminal=False), BookBars(watch)
    for k in range(100):
        progress.step("loans", k * MB, 100 * MB)
        watch.now_s += 0.125
    progress.step("loans", 100 * MB, 100 * MB)
    assert [call.kwargs["read"] for call in log.calls] == ["16 %", "32 %", "48 %", "64 %", "80 %", "96 %"]
    assert {(call.kwargs["book"], call.kwargs["of_mb"]) for call in log.calls} == {("loans", 100)}
    assert shown.getvalue() == ""


def test_what_is_read_at_once_needs_no_word(
    monkeypatch: pytest.MonkeyPatch, watch: Watch, log: CapturingLogger
) -> None:
    shown, progress = console(monkeypatch, is_terminal=True), BookBars(watch)
    for _ in range(10):
        progress.step("loans", 1, 2)
        watch.now_s += 1.0
        progress.step("loans", 2, 2)
    assert (log.calls, shown.getvalue()) == ([], "")


def test_on_a_terminal_a_bar_grows_and_goes(
    monkeypatch: pytest.MonkeyPatch, watch: Watch, log: CapturingLogger
) -> None:
    """Two books are read at once; a daemon that stops meanwhile leaves no bar behind."""
    shown, progress = console(monkeypatch, is_terminal=True), BookBars(watch)
    for k in range(5):
        progress.step("loans", k * MB, 10 * MB)
        progress.step("more [loans]", k * MB, 20 * MB)
        watch.now_s += 1.0
    progress.step("loans", 10 * MB, 10 * MB)
    assert progress._progress.live.is_started
    progress.end("more [loans]")
    assert log.calls == []
    assert not progress._progress.live.is_started
    assert "loans" in shown.getvalue()
    assert "more [loans]" in shown.getvalue()
    progress.end("loans")  # says nothing, as it is at its end already


def test_check_config_says_when_a_route_is_quiet_and_which_calendar_has_run_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house, warned = House(tmp_path), console(monkeypatch, is_terminal=False)
    quiet = 'quiet = { hours = ["22:00-07:00"], days = ["sat"], calendar = "house", time_zone = "Europe/London" }\n'
    calendar = '[[calendar]]\nname = "house"\ndays = [2021-01-01]\n'
    house.write('[[notifier]]\nkind = "console"\n', '[[route]]\nto = ["console"]\n' + quiet, calendar, feed=False)
    assert check_config(config=house.config) == FINE
    assert "route[0] to console: 22:00-07:00, sat, the days of house (Europe/London)" in capsys.readouterr().out
    assert "calendar 'house': its last day, 2021-01-01, is over; add those to come" in warned.getvalue().replace(
        "\n", " "
    )


def test_channels_show_what_quiet_times_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(output, "out", Console(file=shown, width=200))
    plain = dict.fromkeys(("fallback", "last_failure", "off_at", "off_reason"))
    output.channels([{"name": "mail", "kind": "email", "breaker": "closed", "queued": 3, "held": 41, **plain}])
    assert "held" in shown.getvalue()
    assert "41" in shown.getvalue()


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    commands(["--version"], exit_on_error=False)
    stated = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out.strip() == stated
