"""A tape through the same core in virtual time: docs/replay.md."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monitor.core.alerts.alert import Alert
from monitor.core.events.events import RatesChanged
from monitor.core.rules.product import RateRow
from monitor.core.rules.settings import Rules, Trust
from monitor.daemon.event_log import Start
from monitor.daemon.recorder import Recorder
from monitor.replay import run as replay
from tests.coin_desk import START, clock, line, loan
from tests.core.desk import Desk, product, quotes, shorten

ROOT = Path(__file__).parents[2]


def played(lines: list[Any], rows: str, trust: Trust | None = None) -> list[Alert]:
    """Alerts of a tape given as rows of "time  prices"."""
    rules = Rules("desk-1", {"vip_loan": product()}, trust=trust or Trust())
    rules = rules if trust else replay.without_trust(rules)
    split = [row.split() for row in rows.replace(";", "\n").strip().splitlines()]
    tape = ((clock(at), list(quotes(what, clock(at)))) for at, what in split)
    with written(lines) as book:
        return [x.alert for _, alerts in replay.tape(rules, book, tape) for x in alerts]


@contextmanager
def written(lines: list[Any]) -> Iterator[Path]:
    """A book file of these lines; a text stands there as it is."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.jsonl"
        path.write_text("".join(f"{x if isinstance(x, str) else json.dumps(x)}\n" for x in lines))
        yield path


def short(alerts: list[Alert]) -> str:
    return " ".join(shorten(alert, START) for alert in alerts)


def test_the_book_is_put_at_the_time_of_the_first_row() -> None:
    alerts = played([line()], "05:00 0.8")
    assert short(alerts) == "margin_call.opened@05:00"


def test_every_price_is_good_unless_trust_is_asked_for() -> None:
    rows = "00:00 0.5; 01:00 0.92; 02:00 0.5"
    assert short(played([line()], rows)) == "liquidation.triggered(ltv)@01:00 liquidation.cleared@02:00"
    with_trust = played([line()], rows, Trust(stale_after=timedelta(hours=9)))
    assert short(with_trust) == "price.suspect:COIN@01:00 price.restored:COIN@02:00"


def test_rates_are_given_before_the_book_and_hold_through_the_tape() -> None:
    rules = replay.without_trust(Rules("desk-1", {"vip_loan": product()}))
    rows = [(clock(t), list(quotes("0.769", clock(t)))) for t in ("00:00", "30:00", "60:00")]
    given = RatesChanged(
        clock("900:00"),
        "vip_loan",
        "daily",
        (
            RateRow(clock("-24:00"), "NEW", Decimal("0.001")),
            RateRow(clock("48:00"), "COIN", Decimal("0.002")),
        ),
        is_whole=True,
    )
    lines = [line(), line("G-2", loans=[loan("NEW")])]
    with written(lines) as book:
        alerts = [x.alert for _, a in replay.tape(rules, book, rows, [given]) for x in a]
    assert short(alerts) == "early_warning margin_call.opened@48:00"


def test_deadlines_after_the_end_of_a_tape_do_not_run() -> None:
    assert short(played([line(delayed_liquidation=True)], "00:00 0.92; 11:59 0.92")) == "delayed_liquidation.started"


def test_everything_is_detected_when_it_happened_and_numbered_from_1() -> None:
    rules = replay.without_trust(Rules("desk-1", {"vip_loan": product()}))
    rows = [(clock(t), list(quotes("0.92", clock(t)))) for t in ("00:00", "40:00")]
    with written([line(delayed_liquidation=True)]) as book:
        logged = [x for _, a in replay.tape(rules, book, rows) for x in a]
    assert [x.cursor for x in logged] == list(range(1, len(logged) + 1))
    assert all(x.alert.detected_at == x.alert.at for x in logged)
    assert logged[-1].alert.at == clock("24:00")


def test_a_refused_line_is_an_alert_with_its_place_and_takes_no_other_with_it() -> None:
    book = [
        line(),
        "not a JSON object",
        {"id": "G-2"},
        line("G-3", receiving_account="in-G-1"),
        line("G-4"),
    ]
    alerts = played(book, "00:00 0.8")
    assert [(a.type, Path(a.subject).name) for a in alerts] == [
        ("book.refused", "book.jsonl:2"),
        ("book.refused", "book.jsonl:3"),
        ("book.refused", "book#G-3"),
        ("loan_group.margin_call.opened", "G-1"),
        ("loan_group.margin_call.opened", "G-4"),
    ]
    assert "is missing" in alerts[1].facts["problem"]


def test_a_tape_without_rows_is_a_day_without_alerts() -> None:
    with written([line()]) as book:
        assert list(replay.tape(Desk().rules, book, [])) == []


def test_the_command_folds_a_recorded_log_to_the_same_ids(tmp_path: Path) -> None:
    desk = Desk()
    log = Recorder(tmp_path / "events", timedelta(days=7), 1 << 31)
    log.start(Start(desk.rules, None, START), 0)
    handle = desk.monitor.handle

    def both(event: Any) -> Any:
        log.append(event)
        return handle(event)

    desk.monitor.handle = both
    desk.put("00:00", line(delayed_liquidation=True))
    desk.play("00:01 0.92 delayed_liquidation.started; 00:02 0.72 delayed_liquidation.cured")
    log.close()
    (tmp_path / "vip.toml").write_text(
        "[[version]]\neffective = 2020-01-01T00:00:00Z\n"
        'thresholds = { initial = "0.1", margin_call = "0.2", liquidation = "0.3", immediate = "0.4" }\nladders = {}\n'
    )
    (tmp_path / "monitor.toml").write_text('[[product]]\nkind = "vip_loan"\nfile = "vip.toml"\n')
    (path,) = (tmp_path / "events").iterdir()
    command = [sys.executable, "-m", "monitor", "replay", "--config", "monitor.toml", "--log", str(path), "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    printed = [json.loads(row) for row in done.stdout.splitlines()]
    told = [desk.told(alert) for alert in desk.alerts]
    for cursor, each in enumerate(told, 1):
        each["data"]["cursor"] = cursor
    assert printed == told
