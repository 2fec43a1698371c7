"""The demonstration keeps its promise: within one loop a newcomer sees every stage, and the next loop shows it again.

The scenario's path is folded through the core with the shipped rules and book, deadlines included, in virtual time.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor import config as configuration
from monitor.cli import output
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.payload import alert_item
from monitor.core.events.events import Event, GroupPut, MarkPrices, TimePassed
from monitor.core.loans.group import parse_line
from monitor.core.prices.quote import Quote
from monitor.core.text import as_json
from monitor.core.watch.risk import RiskMonitor
from monitor.feeds import scenario
from monitor.notifiers._base import Notice, headline
from tests.docs.blocks import blocks_of
from tests.docs.terminal import shape, steps

ROOT = Path(__file__).parent.parent
START = datetime(2026, 1, 1, 10, tzinfo=UTC)


class Run:
    """The alerts of two loops, by loop and type."""

    def __init__(self) -> None:
        config = configuration.load(ROOT / "config/monitor.toml")
        played = scenario.load(config.feeds[0].config.file)
        self.cycle, self.alerts = played.cycle, list[Alert]()
        self.monitor = RiskMonitor(config.rules)
        for line in config.books[0].config.path.read_text("utf-8").splitlines():
            self.take(GroupPut(START, parse_line(json.loads(line), START, config.rules.products), "demo"))
        self.groups = list(self.monitor.book.ids())
        for after, prices in scenario.for_ever(played):
            if after >= 2 * played.cycle:
                break
            at = START + after
            # The daemon wakes at each deadline, not only with a price.
            while self.monitor.next_due is not None and self.monitor.next_due < at:
                self.take(TimePassed(self.monitor.next_due))
            self.take(MarkPrices(at, tuple(Quote(a, p, played.quote, "scenario", at) for a, p in prices.items())))

    def take(self, event: Event) -> None:
        self.alerts += self.monitor.handle(event).alerts

    def loop(self, number: int) -> list[Alert]:
        begin = START + number * self.cycle
        return [a for a in self.alerts if begin <= a.at < begin + self.cycle]

    def path(self, group: str, number: int = 0) -> list[str]:
        """The stage alerts of a group in a loop, without reminders, in order."""
        return [a.type.removeprefix("loan_group.") for a in self.loop(number) if a.subject == group]


@pytest.fixture(scope="module")
def run() -> Run:
    return Run()


def seconds(alert: Alert) -> float:
    return (alert.at - START).total_seconds()


def of(alerts: list[Alert], type_: str, reason: str | None = None) -> list[Alert]:
    return [a for a in alerts if a.type == type_ and reason in (None, a.reason)]


def test_the_first_alerts_come_within_fifteen_seconds(run: Run) -> None:
    """Nobody waits a minute to see whether anything works."""
    assert run.alerts[0].type == "loan_group.early_warning"
    assert seconds(run.alerts[0]) < 15
    assert seconds(of(run.alerts, "loan_group.margin_call.opened")[0]) < 15


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        ("loan_group.early_warning", None),
        ("loan_group.margin_call.opened", None),
        ("loan_group.margin_call.reminder", None),
        ("loan_group.margin_call.cured", None),
        ("loan_group.delayed_liquidation.started", None),
        ("loan_group.delayed_liquidation.reminder", None),
        ("loan_group.delayed_liquidation.cured", None),
        ("loan_group.liquidation.triggered", "ltv"),
        ("loan_group.liquidation.triggered", "immediate"),
        ("loan_group.liquidation.triggered", "grace_expired"),
        ("loan_group.liquidation.cleared", None),
        ("price.stale", None),
        ("price.restored", None),
    ],
)
def test_every_loop_shows(run: Run, number: int, type_: str, reason: str | None) -> None:
    """Each kind of news comes in each loop."""
    assert of(run.loop(number), type_, reason)


def test_a_delayed_liquidation_runs_through_its_reminders_to_its_end(run: Run) -> None:
    """Eider Holdings has two reminders and is liquidated exactly when the grace period ends."""
    started, first, second, ended = [
        a for a in run.loop(0) if a.subject == "eider-holdings" and ("delayed" in a.type or "triggered" in a.type)
    ]
    assert [first.at - started.at, second.at - started.at] == [timedelta(seconds=20), timedelta(seconds=40)]
    assert ended.reason == "grace_expired"
    assert ended.at == started.deadline == started.at + timedelta(seconds=60)


def test_a_delayed_liquidation_is_cured_by_the_rebound(run: Run) -> None:
    """Goldcrest Mining reaches the initial level before its time is over."""
    path = run.path("goldcrest-mining")
    assert path.index("delayed_liquidation.cured") == path.index("delayed_liquidation.started") + 1


def test_a_gap_through_the_margin_call_is_told_as_a_liquidation_alone(run: Run) -> None:
    """Magpie Syndicate goes from normal past its own margin-call line in one step."""
    (alert,) = [a for a in run.loop(0) if a.subject == "magpie-syndicate" and "triggered" in a.type]
    assert alert.stage_from == "normal"
    assert alert.suppressed == ("loan_group.margin_call.opened",)
    assert "margin_call.opened" not in run.path("magpie-syndicate")


def test_a_silent_price_holds_back_a_cure(run: Run) -> None:
    """Curlew Oracle is cured in the moment in which LINK is heard of again."""
    (restored,) = of(run.loop(0), "price.restored")
    cured = [a for a in of(run.loop(0), "loan_group.margin_call.cured") if a.subject == "curlew-oracle"]
    assert restored.subject == "LINK"
    assert [a.at for a in cured] == [restored.at]


def test_some_groups_never_alert(run: Run) -> None:
    """A desk sees calm ones too: at least ten of the book."""
    assert len(set(run.groups) - {a.subject for a in run.alerts}) >= 10


def test_the_second_loop_repeats_the_first(run: Run) -> None:
    """Every group finds its way back to normal, so that the demonstration can run for hours."""
    for group in run.groups:
        liquidated = [run.path(group, n).count("liquidation.triggered") for n in (0, 1)]
        assert liquidated[0] == liquidated[1], group


def test_the_readme_shows_what_the_program_prints(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """README.md, "Two commands": the first lines as they are said, and alerts of one loop in their order, with these figures and ids."""
    (block,) = [b for b in blocks_of(ROOT / "README.md") if b.text.startswith("$ make run")]
    ((_, (begun, *shown)),) = steps(block)
    assert f'echo "{begun.replace("config/monitor.toml", "$(CONFIG)")}"' in (ROOT / "Makefile").read_text()
    output.welcome(configuration.load(ROOT / "config/monitor.toml"), ("127.0.0.1", 8080))
    printed = capsys.readouterr().out.splitlines()
    first = [line for line in shown if re.match(r"monitor |  \w", line)]
    assert [shape(line) for line in first] == [shape(line) for line in printed]
    products = run.monitor.rules.products
    told = [as_json(alert_item(alert, 1, products)) for alert in run.loop(0)]
    lines = [f"{headline(Notice(t['type'], t['timestamp'], t['data']))} ({t['data']['id']})" for t in told]
    lines = [re.sub(r"cure by [\d :-]+ UTC", "cure by TIME", line) for line in lines]
    for line in shown[len(first) :]:
        if line != "...":
            said = re.sub(r"cure by [\d :-]+ UTC", "cure by TIME", line.partition(" ")[2])
            assert said in lines, f"{said}\nis not among\n" + "\n".join(lines)
            lines = lines[lines.index(said) + 1 :]
