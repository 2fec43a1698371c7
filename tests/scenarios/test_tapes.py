"""Real days against generated books: the monitor and the independent reference model agree to the last digit.

The reference (tests/reference) is written from the rules alone and shares no code with the monitor. Prices come from tapes
outside the project, so these tests skip where those are absent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from monitor.core.product import Lifecycle, Rules, Trust
from monitor.core.render import data, envelope
from monitor.feeds.tape import rows
from monitor.products import vip_loan
from monitor.replay import tape as replayed
from tests.feeds.shared import SHARED
from tests.reference import books, run
from tests.reference import tape as reference_tape

PRICES = SHARED / "data" / "prices"
pytestmark = pytest.mark.skipif(not PRICES.is_dir(), reason=f"the recorded days are not here: {PRICES}")


class Day(NamedTuple):
    """A tape, a seed for its book, and when the second version of the rules comes into force."""

    file: str
    seed: int
    changes: str
    groups: int = 100


DAYS = [
    Day("crash_2021-05-19_1m.csv.gz", 11, "2021-05-16T10:00:00Z"),
    Day("crash_2022-11_5m.csv.gz", 12, "2022-11-09T13:07:00Z"),
    Day("crash_2023-03_5m.csv.gz", 13, "2023-03-15T00:00:00Z"),
    Day("crash_2024-08-05_5m.csv.gz", 14, "2024-08-01T00:00:00Z"),
    Day("calm_2025-05_1m.csv.gz", 15, "2025-05-10T10:10:00Z"),
    Day("last_2025-12_5m.csv.gz", 16, "2025-12-10T10:10:00Z"),
    Day("mark_2025-12_1h.csv.gz", 17, "2025-12-10T10:10:00Z"),
]


class World(NamedTuple):
    """What both sides are given."""

    path: Path
    product: str
    book: list[dict[str, Any]]
    expected: list[dict[str, Any]]


def world(day: Day) -> World:
    """A seeded book for a day, and what the reference says of it."""
    path = PRICES / day.file
    past = list(reference_tape.rows(path))
    product = books.producttomllib.loads("2020-01-01T00:00:00Z", day.changes)
    book = books.book(day.seed, day.groups, reference_tape.summary(past), past[0][0], past[-1][0])
    expected = run.expected("desk-1", tomllib.loads(product), {}, book, past)
    return World(path, product, book, expected)


def flat(item: dict[str, Any]) -> dict[str, Any]:
    """An alert of INTERFACES section 5 in the reference's flat form."""
    body = item["data"]
    same = ("id", "sequence", "episode", "reason", "ltv", "debt_usd", "recognised_usd", "market_usd", "thresholds",
            "deadline", "suppressed", "supersedes", "blind", "severity", "rules")  # fmt: skip
    stage = {"stage_from": body["stage"]["from"], "stage_to": body["stage"]["to"]}
    head = {"type": item["type"], "timestamp": item["timestamp"], "group": body["group"]["id"]}
    assert body["detected_at"] == item["timestamp"], "in a replay everything is detected in time"
    return {**head, **stage, **{key: body[key] for key in same}}


def compare(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """Alert by alert, in order; the first difference is shown with what came before it."""
    assert found, "a day without any alert proves nothing"
    mine = [flat(item) for item in found]
    theirs = [{key: one[key] for key in mine[0]} for one in expected]
    for i, (want, got) in enumerate(zip(theirs, mine, strict=False)):
        assert got == want, f"alert {i} of group {want['group']}"
    assert len(mine) == len(theirs)


def monitored(one: World) -> list[dict[str, Any]]:
    """The monitor's alerts, as `replay --json` prints them."""
    product = vip_loan.load(tomllib.loads(one.product))
    rules = Rules("desk-1", {"vip_loan": product}, Lifecycle(), Trust(enabled=False))
    refused: list[object] = []
    lines = ((f"book:{i}", line) for i, line in enumerate(one.book, 1))
    found = [
        envelope(logged.alert, data(logged.alert, logged.cursor, rules.products))
        for _, alerts in replayed(rules, lines, rows(one.path, refused.append))
        for logged in alerts
    ]
    assert refused == []
    return found


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.file.split("_1")[0].split("_5")[0])
def test_a_real_day_agrees_with_the_reference_alert_by_alert(day: Day) -> None:
    one = world(day)
    compare(one.expected, monitored(one))


def test_the_command_prints_what_the_reference_says_of_the_19th_of_may(tmp_path: Path) -> None:
    """`monitor replay --json` as a program uses it: one alert per line on stdout and nothing else."""
    one = world(Day("crash_2021-05-19_1m.csv.gz", 21, "2021-05-16T10:00:00Z", 60))
    (tmp_path / "vip_loan.toml").write_text(one.product)
    (tmp_path / "book.jsonl").write_text("".join(json.dumps(line) + "\n" for line in one.book))
    (tmp_path / "monitor.toml").write_text(
        '[monitor]\nname = "desk-1"\n[store]\nkind = "memory"\n[[product]]\nkind = "vip_loan"\nfile = "vip_loan.toml"\n'
    )
    command = [sys.executable, "-m", "monitor", "replay", "--config", str(tmp_path / "monitor.toml")]
    command += ["--tape", str(one.path), "--book", str(tmp_path / "book.jsonl"), "--json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=240)
    compare(one.expected, [msgspec.json.decode(line) for line in done.stdout.splitlines()])


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_thousand_groups_through_the_crash_agree_with_the_reference() -> None:
    one = world(Day("crash_2021-05-19_1m.csv.gz", 31, "2021-05-16T10:00:00Z", 2_000))
    compare(one.expected, monitored(one))
