"""Gathers the material of a report: from a replay, or from a running daemon about one day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from monitor.client import DaemonClient
from monitor.core.alerts.payload import alert_item
from monitor.core.events.events import RatesChanged
from monitor.core.rules.settings import Rules
from monitor.core.schema import instant
from monitor.core.stages.stages import STAGE_RANK, STAGES
from monitor.core.text import as_json, stamp
from monitor.core.valuation.shown_figures import ltv_of
from monitor.feeds._tapes.reader import Refusal, TapeFile
from monitor.replay import run as replay
from monitor.replay.unvalued import unvalued

SAMPLES = 400
"""Points of a line: more than a screen shows."""
TRACKED, COINS = 50, 8
"""So many groups and coins have a drawing; the table of alerts has all groups."""
LISTED = 2_000
"""The table has this many alerts; the counts are of all."""
Point = tuple[datetime, Decimal]


class Gathered(NamedTuple):
    """The material of a report. Alerts are the objects of the log, oldest first."""

    title: str
    source: str
    begin: datetime
    end: datetime
    events: int | None
    alerts: list[dict[str, Any]]
    prices: dict[str, list[Point]]
    tracks: dict[str, list[Point]]
    """LTV of the worst groups."""
    deliveries: dict[str, list[dict[str, Any]]] | None
    """By alert; None for a replay, which sends nothing."""
    refused: int = 0
    unvalued: Sequence[str] = ()
    """Sentences about groups that owe and were never valued, in a replay."""


Advance = Callable[[], None]


class Played(NamedTuple):
    """A tape, and all that it is played with."""

    rules: Rules
    path: Path
    book: Path
    rates: Sequence[RatesChanged]
    file: TapeFile | None = None
    """The same tape, where it was looked through already."""

    def steps(self, file: TapeFile, on_refused: Callable[[Refusal], None], run: replay.Replay) -> Iterator[replay.Step]:
        """Each event of the tape with its alerts."""
        return replay.tape(self.rules, self.book, file.rows(on_refused), self.rates, replay=run)


def of_replay(played: Played, advance: Advance) -> Gathered:
    """Plays the tape twice: for its alerts, then for the lines of the groups and coins in them. Calls `advance` for each row.

    Raises EmptyReport, and UnreadableTape if the file is no tape.
    """
    file = played.file or TapeFile(played.path)
    run = replay.Replay(played.rules)
    refused: Counter[str] = Counter()
    alerts: list[dict[str, Any]] = []
    begin = None
    end = None
    events = 0
    for at, logged in played.steps(file, lambda refusal: refused.update((refusal.reason,)), run):
        begin, end, events = begin or at, at, events + 1
        alerts += [as_json(alert_item(each.alert, each.cursor, played.rules.products)) for each in logged]
        advance()
    if begin is None or end is None:
        raise EmptyReport(replay.nothing_played(played.path))
    prices: dict[str, list[Point]] = {coin: [] for coin in main_coins(alerts)}
    tracks: dict[str, list[Point]] = {group: [] for group in worst_groups(alerts)[:TRACKED]}
    _draw(played._replace(file=file), prices, tracks, max(1, events // SAMPLES), advance)
    title = f"{played.path.name} on {played.book.name}"
    lacking = unvalued(run.monitor, file)
    return Gathered(title, "replay", begin, end, events, alerts, prices, tracks, None, refused.total(), lacking)


class EmptyReport(Exception):
    """Nothing happened, so there is nothing to report."""


def _draw(
    played: Played, prices: dict[str, list[Point]], tracks: dict[str, list[Point]], every: int, advance: Advance
) -> None:
    """Adds a point to each line of a coin or a group at every `every`th event, and at each event with an alert."""
    run = replay.Replay(played.rules)
    file = played.file or TapeFile(played.path)
    for n, (at, logged) in enumerate(played.steps(file, lambda _: None, run)):
        if n % every == 0 or logged:
            board = run.monitor.board
            for coin, points in prices.items():
                if coin in board.usd:
                    points.append((at, board.usd[coin]))
            for group, points in tracks.items():
                sight = run.monitor.sight(group)
                ltv = ltv_of(sight.held, sight.weight) if sight is not None and sight.weight is not None else None
                if ltv is not None:
                    points.append((at, ltv))
        advance()


def of_daemon(url: str, token_file: Path | None, day: date) -> Gathered:
    """One UTC day of a daemon's log, with every delivery and its attempts. Raises client.NoAnswer."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = begin + timedelta(days=1)

    get = DaemonClient(url, token_file).get
    status = get("/v1/status")
    alerts: list[dict[str, Any]] = []
    # A token with a scope has no cursors to look back by. An alert is logged at its time or later, so a time does as well.
    has_cursors = status["cursor"] is not None
    where = "" if has_cursors else f"&from={stamp(begin)}"
    after: int | str | None = _first_cursor(get, begin, status["cursor"]) if has_cursors else 0
    while after is not None:
        page = get(f"/v1/alerts?limit=1000&after={after}{where}")
        alerts += [item for item in page["items"] if stamp(begin) <= item["timestamp"] < stamp(end)]
        is_over = bool(page["items"]) and page["items"][-1]["data"]["detected_at"] >= stamp(end + timedelta(hours=1))
        after = None if is_over else page["next"]
    tracks = {group: _points_of(alerts, group) for group in worst_groups(alerts)[:TRACKED]}
    prices = {coin: _priced(alerts, coin) for coin in main_coins(alerts)}
    end = min(end, max(instant(status["at"]), begin + timedelta(minutes=1)))
    begin, end = _framed(alerts, begin, end)
    title = f"{status['name']}, {day.isoformat()}"
    return Gathered(title, url, begin, end, None, alerts, prices, tracks, _deliveries(get, alerts))


def _framed(alerts: list[dict[str, Any]], begin: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The part of the day that has alerts, with some room, so that a crash of minutes is more than a stroke."""
    if not alerts:
        return begin, end
    first, last = (instant(alerts[i]["timestamp"]) for i in (0, -1))
    room = max((last - first) / 10, timedelta(minutes=1))
    return max(begin, first - room), min(end, last + room)


def _first_cursor(get: Callable[[str], Any], begin: datetime, last: int) -> int:
    """A cursor before which every alert is from before a time. It halves the log, which has no index of times."""
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        items = get(f"/v1/alerts?limit=1&after={middle}")["items"]
        if items and items[0]["data"]["detected_at"] < stamp(begin):
            low = middle + 1
        else:
            high = middle
    return max(low - 1, 0)


def _deliveries(get: Callable[[str], Any], alerts: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {item["data"]["id"]: [] for item in alerts}
    if not alerts:
        return found
    first, last = (alerts[i]["data"]["cursor"] for i in (0, -1))
    after: str | None = "" if first is None else f"&after={max(first - 1, 0)}:~"
    while after is not None:
        page = get(f"/v1/deliveries?limit=1000{after}")
        for item in page["items"]:
            if item["alert"] in found:
                found[item["alert"]].append(item)
        is_over = not page["items"] or (last is not None and page["items"][-1]["cursor"] > last)
        is_over = page["next"] is None or (is_over and first is not None)
        after = None if is_over else f"&after={page['next']}"
    listed = [delivery for item in alerts[:LISTED] for delivery in found[item["data"]["id"]]]
    for delivery in listed[:LISTED]:
        delivery["record"] = get(f"/v1/deliveries/{delivery['id']}")["record"]
    return found


def worst_groups(alerts: Iterable[dict[str, Any]]) -> list[str]:
    """Groups with alerts, by their worst stage and then by their highest LTV."""
    stage: dict[str, int] = {}
    peak: dict[str, Decimal] = {}
    for item in alerts:
        body = item["data"]
        if "group" in body:
            id_ = body["group"]["id"]
            stage[id_] = min(stage.get(id_, len(STAGES)), STAGE_RANK.get(body["stage"]["to"], len(STAGES)))
            peak[id_] = max(peak.get(id_, Decimal(0)), Decimal(body.get("ltv") or 0))
    return sorted(stage, key=lambda id_: (stage[id_], -peak[id_], id_))


def main_coins(alerts: Iterable[dict[str, Any]]) -> list[str]:
    """The coins that most alerts have as collateral."""
    count = Counter(row["asset"] for item in alerts for row in item["data"].get("inputs") or ())
    return [coin for coin, _ in sorted(count.items(), key=lambda each: (-each[1], each[0]))][:COINS]


def _points_of(alerts: list[dict[str, Any]], group: str) -> list[Point]:
    mine = (item for item in alerts if item["data"].get("group", {}).get("id") == group)
    return [(instant(item["timestamp"]), Decimal(item["data"]["ltv"])) for item in mine if item["data"].get("ltv")]


def _priced(alerts: list[dict[str, Any]], coin: str) -> list[Point]:
    points: dict[datetime, Decimal] = {}
    for item in alerts:
        for row in item["data"].get("inputs") or ():
            if row["asset"] == coin and row["price"] is not None:
                points[instant(item["timestamp"])] = Decimal(row["price"])
    return sorted(points.items())
