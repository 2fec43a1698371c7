"""Real days, replayed: every alert of the monitor against the reference model, to the last digit.

The tapes are recorded closes of an exchange, the books are made up: seeded groups whose LTV meets a line on the way, some
of them exactly. A version of the product comes into force inside each tape.
"""

import json
import os
import subprocess
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Rules, Trust
from monitor.products import vip_loan
from monitor.replay import run as replay
from tests.effort import examples, more_in_a_soak
from tests.reference import books, run, tape
from tests.scenarios.agreement import first_difference, flat, told

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("MONITOR_SHARED", ROOT.parent / "shared"))
PRICES = SHARED / "data" / "prices"


class Day(NamedTuple):
    """A tape, the book that is made for it, and when its second version of the rules comes into force."""

    name: str
    seed: int
    groups: int
    second: str
    first: str = "2020-01-01T00:00:00Z"

    def __str__(self) -> str:
        return f"{self.name.split('.')[0]}-{self.seed}"

    @property
    def path(self) -> Path:
        return PRICES / self.name


DAYS = [
    # tape                            seed  groups  a version comes into force       the first, where it is inside as well
    Day("crash_2021-05-19_1m.csv.gz",    2,    100, "2021-05-16T10:00:00Z"),
    Day("crash_2022-11_5m.csv.gz",       3,    100, "2022-11-09T13:07:00Z"),
    Day("crash_2023-03_5m.csv.gz",       4,    100, "2023-03-15T00:00:00Z",          "2023-03-11T00:00:00Z"),
    Day("crash_2024-08-05_5m.csv.gz",    5,    100, "2024-08-01T00:00:00Z"),
    Day("last_2025-12_5m.csv.gz",        6,    100, "2025-12-10T10:10:00Z"),
    Day("mark_2025-12_1h.csv.gz",        7,    100, "2025-12-10T10:10:30Z"),
    Day("calm_2025-05_1m.csv.gz",        8,     50, "2025-05-10T10:10:00Z"),
    Day("calm_2025-05_1m.csv.gz",        9,     50, "2025-05-20T23:59:59Z"),
]  # fmt: skip


def needed(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"the recorded tape {path.name} is not in ../shared/data/prices (MONITOR_SHARED says where else)")


class Played(NamedTuple):
    """A day read and its book made: the same input for both sides."""

    table: dict[str, Any]
    text: str
    book: list[dict[str, Any]]
    rows: list[tape.Row]

    def theirs(self, usdt_usd: str = "1") -> list[dict[str, Any]]:
        return run.expected("desk-1", self.table, {}, self.book, self.rows, usdt_usd)

    def ours(self, usdt_usd: str = "1") -> list[dict[str, Any]]:
        products = {"vip_loan": vip_loan.load(self.table)}
        rules = Rules("desk-1", products, trust=Trust(enabled=False, usdt_usd=usdt_usd))
        rows = ((at, [Quote(a, Decimal(p), "USDT", "tape", at) for a, p in prices.items()]) for at, prices in self.rows)
        with TemporaryDirectory() as folder:
            book = Path(folder) / "book.jsonl"
            book.write_text("".join(json.dumps(line) + "\n" for line in self.book))
            return [flat(told(x, products)) for _, alerts in replay.tape(rules, book, rows) for x in alerts]


def play(day: Day, groups: int | None = None) -> Played:
    needed(day.path)
    text = books.product_toml(day.first, day.second)
    rows = list(tape.rows(day.path))
    book = books.book(day.seed, groups or day.groups, tape.summary(rows), rows[0][0], rows[-1][0])
    return Played(tomllib.loads(text), text, book, rows)


@more_in_a_soak
@pytest.mark.parametrize(
    "day",
    [DAYS[1], DAYS[5], *(pytest.param(day, marks=pytest.mark.soak) for day in (DAYS[0], *DAYS[2:5], DAYS[-2]))],
    ids=str,
)
def test_a_replay_agrees_with_the_reference_model_alert_by_alert(day: Day) -> None:
    played = play(day, examples(40, day.groups))
    ours, theirs = played.ours(), played.theirs()
    assert first_difference(ours, theirs) is None
    assert len(ours) > 100
    assert len({alert["rules"] for alert in ours if "rules" in alert}) == 2


def test_a_replay_in_which_usdt_is_worth_less_than_a_dollar_agrees_as_well() -> None:
    """docs/replay.md: a pair's price is in USDT, and USDT itself is worth `usdt_usd`."""
    played = play(DAYS[5])
    ours, theirs = played.ours("0.9983"), played.theirs("0.9983")
    assert first_difference(ours, theirs) is None
    assert ours != played.ours("1")


CONFIG = """
[monitor]
name = "desk-1"
[store]
kind = "memory"
[[product]]
kind = "vip_loan"
file = "vip_loan.toml"
"""


def test_the_command_prints_the_same_alerts_one_a_line_and_nothing_else(tmp_path: Path) -> None:
    """`monitor replay --json`: the process, its files and its stdout. Some groups hold a coin that no tape prices."""
    played = play(DAYS[2], groups=60)
    (tmp_path / "monitor.toml").write_text(CONFIG)
    (tmp_path / "vip_loan.toml").write_text(played.text)
    (tmp_path / "book.jsonl").write_text("".join(json.dumps(each) + "\n" for each in played.book))
    files = ["--config", "monitor.toml", "--tape", str(DAYS[2].path), "--book", "book.jsonl"]
    command = [sys.executable, "-m", "monitor", "replay", *files, "--json", "--allow-unvalued"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=True, timeout=240
    )
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert first_difference([flat(line) for line in printed], played.theirs()) is None
    assert [line["data"]["cursor"] for line in printed] == list(range(1, len(printed) + 1))
    assert all(line["data"]["detected_at"] == line["timestamp"] for line in printed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.jsonl", "monitor.toml", "vip_loan.toml"]


@pytest.mark.soak
def test_the_longest_tape_agrees_with_rules_that_begin_before_a_midnight() -> None:
    played = play(DAYS[-1])
    assert first_difference(played.ours(), played.theirs()) is None


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10, 14))
def test_two_thousand_groups_over_the_crash_of_2021_agree(seed: int) -> None:
    played = play(DAYS[0]._replace(seed=seed), groups=500)
    assert first_difference(played.ours(), played.theirs()) is None
