"""The command `replay`: the alerts of a tape or of a recorded event log on the terminal.

Only this command imports it, and late: core and the columns take a moment to load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from monitor.cli import output
from monitor.cli.options import FINE, TROUBLE, WRONG
from monitor.config import Config
from monitor.core.alerts.payload import alert_item
from monitor.core.rules.settings import Rules
from monitor.core.text import as_json as json_values
from monitor.daemon import event_log, wiring
from monitor.feeds._tapes.files import UnreadableTape
from monitor.feeds._tapes.reader import TapeFile
from monitor.replay import run
from monitor.replay.entries import EntryTape
from monitor.replay.export import tape_of
from monitor.replay.unvalued import unvalued


def of_tape(
    config: Config,
    tape: Path,
    book: Path,
    entries: Path | None,
    *,
    trust: bool,
    as_json: bool,
    allow_unvalued: bool = False,
) -> int:
    """Replays a tape and gives the exit code. Raises BadConfig if rates cannot be used."""
    rates = wiring.rates_of(config)
    rules = config.rules if trust else run.without_trust(config.rules)
    refused = output.Refusals()
    try:
        file = opened(tape, rules)
        stated = EntryTape(entries, refused.take) if entries is not None else None
        replay = run.Replay(rules)
        steps = run.tape(rules, book, file.rows(refused.take), rates, stated, replay)
        timeline = output.ReplayProgress(tape.name, file.survey.rows, as_json=as_json)
        _show(timeline, steps, lambda: rules)
    except UnreadableTape as e:
        output.problems(str(e).splitlines())
        return WRONG
    timeline.summary(refused)
    output.notes([*file.read_otherwise(), *file.uncounted(rules.trust)])
    if not timeline.events:
        output.problems([run.nothing_played(tape)])
        return TROUBLE
    return output.unvalued(unvalued(replay.monitor, file), are_allowed=allow_unvalued)


def opened(tape: Path, rules: Rules) -> TapeFile:
    """A tape that can be played under these rules; says on stderr what a person should know of it.

    Raises UnreadableTape, also where its prices would be stale between two rows.
    """
    try:
        file = TapeFile(tape)
    except OSError as e:
        raise UnreadableTape(f"{tape}: cannot be read: {e.strerror or e}; check the path") from None
    if problems := file.too_slow(rules.trust):
        raise UnreadableTape("\n".join(f"{problem}, or leave out --trust" for problem in problems))
    output.notes(file.said())
    return file


def of_log(path: Path, *, as_json: bool) -> int:
    """Replays a recorded event log, a file or a folder, and gives the exit code: 1 where some of it is missing."""
    rules: list[Rules] = []
    lost: list[str] = []
    timeline = output.ReplayProgress(path.name, _lines(path), as_json=as_json)
    try:
        _show(timeline, run.recorded(path, rules.append, lost.append), lambda: rules[-1])
    except event_log.Torn as e:
        output.problems([*lost, str(e)])
        return WRONG
    timeline.summary(output.Refusals())
    output.problems(lost)
    return TROUBLE if lost else FINE


def export(log: Path, out: Path) -> int:
    """Writes the prices of a recorded event log as a tape, and gives the exit code as `of_log` does."""
    lost: list[str] = []
    rows = -1
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            for line in tape_of(log, lost.append):
                file.write(line + "\n")
                rows += 1
        part.replace(out)
    except event_log.Torn as e:
        output.problems([*lost, str(e)])
        return WRONG
    except OSError as e:
        output.problems([f"{out}: {e.strerror}"])
        return TROUBLE
    finally:
        part.unlink(missing_ok=True)
    output.problems(lost)
    output.say(f"{out}: {rows:,} prices, {out.stat().st_size:,} bytes")
    return TROUBLE if lost else FINE


def _show(timeline: output.ReplayProgress, steps: Iterable[run.Step], rules: Callable[[], Rules]) -> None:
    """Prints alerts as they come."""
    with timeline:
        for at, alerts in steps:
            for logged in alerts:
                timeline.alert(json_values(alert_item(logged.alert, logged.cursor, rules().products)))
            timeline.step(at)


def _lines(path: Path) -> int | None:
    """Lines of a tape or of a recorded log, for the progress bar."""
    counts = [output.count_lines(file) for file in event_log.files(path)]
    return None if None in counts else sum(count or 0 for count in counts)
