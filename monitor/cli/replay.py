"""The command `replay`: the alerts of a tape or of a recorded event log on the terminal.

Only this command imports it, and late: core and the columns take a moment to load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from monitor.cli import output
from monitor.cli.options import FINE, WRONG
from monitor.config import Config
from monitor.core.alerts.payload import alert_item
from monitor.core.rules.settings import Rules
from monitor.core.text import as_json as json_values
from monitor.daemon import event_log, wiring
from monitor.feeds.tape import rows
from monitor.replay import run
from monitor.replay.entries import EntryTape


def of_tape(config: Config, tape: Path, book: Path, entries: Path | None, *, trust: bool, as_json: bool) -> int:
    """Replays a tape and gives the exit code. Raises BadConfig if rates cannot be used."""
    rates = wiring.rates_of(config)
    rules = config.rules if trust else run.without_trust(config.rules)
    refused: list[str] = []
    stated = EntryTape(entries, refused.append) if entries is not None else None
    steps = run.tape(rules, book, rows(tape, lambda problem: refused.append(str(problem))), rates, stated)
    _show(tape, steps, lambda: rules, refused, as_json=as_json)
    return FINE


def of_log(path: Path, *, as_json: bool) -> int:
    """Replays a recorded event log and gives the exit code."""
    rules: list[Rules] = []
    try:
        _show(path, run.recorded(path, rules.append), lambda: rules[-1], [], as_json=as_json)
    except event_log.Torn as e:
        output.problems([str(e)])
        return WRONG
    return FINE


def _show(
    path: Path, steps: Iterable[run.Step], rules: Callable[[], Rules], refused: list[str], *, as_json: bool
) -> None:
    """Prints alerts as they come and a summary at the end; names refused prices and entries on stderr."""
    timeline = output.ReplayProgress(path.name, output.count_lines(path), as_json=as_json)
    with timeline:
        for at, alerts in steps:
            for logged in alerts:
                timeline.alert(json_values(alert_item(logged.alert, logged.cursor, rules().products)))
            timeline.step(at)
    timeline.summary(refused)
