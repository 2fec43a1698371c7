"""What must hold after a death, after a restart, and at the end of a trial."""

from __future__ import annotations

import signal
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatch
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.crash.oracle import Continued, Fold, kept_standing, said, standing
from tests.crash.receiver import CHANNELS, TAKEN, Arrival
from tests.reference.books import NEVER_LISTED
from tests.reference.model import Alert

if TYPE_CHECKING:
    from tests.crash.harness import Trial

STAGE_NEWS = tuple(
    f"loan_group.{name}"
    for name in (
        "margin_call.opened", "margin_call.cured", "delayed_liquidation.started", "delayed_liquidation.cured",
        "liquidation.triggered", "liquidation.cleared", "closed",
    )
)  # fmt: skip
GOOD_NEWS = tuple(type_ for type_ in STAGE_NEWS if type_.endswith(("cured", "cleared", "closed")))
TRIGGERED = "loan_group.liquidation.triggered"
IN_FLIGHT, MOST_IN_FLIGHT = 8, 32
"""Attempts that one channel makes at a time, and what a webhook gets that answers quickly."""
SLACK = timedelta(seconds=5)
"""How late a busy machine may notice a deadline; a second as a rule."""


# After a death


def kept(trial: Trial) -> None:
    """What was committed or answered before the death is there, and nothing was sent that is not."""
    life, found = trial.lives[-1], trial.lives[-1].findings
    before = trial.lives[-2].findings if len(trial.lives) > 1 else None
    if before is not None:
        assert found.alerts[: len(before.alerts)] == before.alerts, f"life {life.number} lost committed alerts"
        assert found.deliveries.keys() >= before.deliveries.keys()
        assert set(found.entries) >= set(before.entries)
        for key, owed in before.deliveries.items():
            told = found.deliveries[key]
            assert told.attempts >= owed.attempts, f"attempts of {key} were forgotten"
            assert owed.state != "delivered" or told == owed, f"{key} was delivered and is now {told}"
    for group, label in trial.acknowledged.items():
        assert int(found.groups[group]["labels"]["line"]) >= int(label), f"{group} was put and answered, and is lost"
    entered = {id_ for _, id_ in found.entries}
    assert trial.entered <= entered, f"answered and lost: {trial.entered - entered}"
    committed = set(found.alerts)
    early = {arrival.id for arrival in trial.receiver.arrivals if arrival.is_durable} - committed
    assert not early, f"sent, but not committed: {early}"


# After a restart


async def restored(trial: Trial) -> None:
    """Groups are those that were kept, and every deadline is the one that was kept. Raises Died."""
    if len(trial.lives) < 2:
        return
    found = trial.lives[-2].findings
    rows = {row["id"]: row for row in await trial.daemon.items("/v1/groups")}
    assert rows.keys() >= found.groups.keys()
    for id_, state in found.states.items():
        row = rows.get(id_)
        if row is None or row["stage"] != "delayed_liquidation":
            continue
        shown = datetime.fromisoformat(row["deadline"])
        deadline = state.get("deadline")
        is_new = shown >= trial.lives[-1].began_at
        is_kept = deadline is not None and shown == _milliseconds(datetime.fromisoformat(deadline))
        # A market that goes on meanwhile may have cured the group and begun another grace period.
        assert is_kept or (trial.market_goes_on and is_new), f"{id_}: deadline {deadline} is now {shown}"


def _milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


# At the end


def everything(trial: Trial, alerts: list[dict[str, Any]]) -> None:
    """`alerts` are the log as the API gave it shortly before the stop."""
    assert trial.receiver.violations == []
    expected = expectation(trial)
    log = [alert for alert in alerts if alert["type"].startswith("loan")]
    _same(trial, expected, [said(alert) for alert in log])
    _cursors(alerts)
    _others(trial, [alert for alert in alerts if not alert["type"].startswith("loan")])
    _times(trial, log)
    _arrived_as_logged(trial, alerts)
    for channel in CHANNELS:
        arrivals = [arrival for arrival in trial.receiver.arrivals if arrival.channel == channel]
        _complete(trial, channel, arrivals, expected)
        _repeated(trial, channel, arrivals)
        _ordered(arrivals)
    # The load may have been broken off while one was asked; that those answered are there is seen after each death.
    assert {id_ for _, id_ in trial.lives[-1].findings.entries} <= trial.entries.keys()
    _deposited(trial)


def expectation(trial: Trial) -> list[Alert]:
    """All alerts that the reference expects; also compares where every group stands at the end."""
    from tests.crash.harness import LIFECYCLE, NAME

    model = Continued(NAME, trial.product, LIFECYCLE)
    fold = Fold(model, trial.lines, trial.entries, trial.market.sent, trial.earliest)
    fold.listens_ahead = trial.listens_ahead
    for life in trial.lives:
        fold.life(life.logs, life.findings.at)
    found = trial.lives[-1].findings
    states = {id_: found.states.get(id_, {}) for id_ in found.groups}
    kept, expected = kept_standing(states), standing(model)
    assert kept == expected, {id_: (kept.get(id_), expected.get(id_)) for id_ in kept if kept[id_] != expected.get(id_)}
    assert fold.handed, "the daemon never had a price"
    return fold.alerts


def _same(trial: Trial, expected: list[Alert], log: list[Alert]) -> None:
    """The log is what the reference expects, alert by alert and in order; its tail was said after the last look."""
    for number, (wanted, got) in enumerate(zip(expected, log, strict=False)):
        differs = {key: (got.get(key), wanted.get(key)) for key in {*got, *wanted} if got.get(key) != wanted.get(key)}
        assert got == wanted, f"alert {number} of {len(expected)}, {wanted['id']}: said and expected {differs}"
    assert len(log) <= len(expected), f"not expected: {log[len(expected) :]}"
    kept_ids = trial.lives[-1].findings.alerts
    missing = [alert["id"] for alert in expected if alert["id"] not in set(kept_ids)]
    assert not missing, f"expected and not in the log: {missing}"


def _cursors(alerts: list[dict[str, Any]]) -> None:
    assert [alert["data"]["cursor"] for alert in alerts] == list(range(1, len(alerts) + 1))
    assert len({alert["data"]["id"] for alert in alerts}) == len(alerts)


UNKNOWN = {("book.unknown_coin", NEVER_LISTED)}
"""Some groups of the books hold a coin that no product lists and no feed prices."""


def _others(trial: Trial, alerts: list[dict[str, Any]]) -> None:
    """Nothing else was said but that a channel fails, and only of one that did; and of the coin that nobody knows."""
    alerts = [alert for alert in alerts if (alert["type"], alert["data"]["subject"]) not in UNKNOWN]
    failing = {arrival.channel for arrival in trial.receiver.arrivals if arrival.what != TAKEN}
    unknown = {x["type"] for x in alerts if not any(fnmatch(x["type"], known) for known in trial.others)}
    assert not unknown, unknown
    failing |= {"channels"} if failing == set(CHANNELS) else set()
    told = {alert["data"]["subject"] for alert in alerts if alert["type"] == "delivery.failing"}
    assert told <= failing, f"{told - failing} failed, and nobody saw it"


def _times(trial: Trial, log: list[dict[str, Any]]) -> None:
    """Noticed in some life, and at once, or at the start of the life after the death in which it fell due."""
    for alert in log:
        at, detected_at = (datetime.fromisoformat(x) for x in (alert["timestamp"], alert["data"]["detected_at"]))
        life = [x for x in trial.lives if x.began_at <= detected_at + timedelta(milliseconds=1)][-1]
        assert life.ready_at is not None
        assert at <= detected_at <= max(at, life.ready_at) + SLACK, f"noticed late: {alert}"
        if alert["data"]["reason"] == "grace_expired":
            (started,) = [x for x in log if x["data"]["id"] == alert["data"]["supersedes"]]
            assert alert["timestamp"] == started["data"]["deadline"]


def _arrived_as_logged(trial: Trial, alerts: list[dict[str, Any]]) -> None:
    """Every body is the log's own alert, byte for byte the same on both channels and in every attempt."""
    logged = {alert["data"]["id"]: alert for alert in alerts}
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    late = set(trial.lives[-1].findings.alerts) - logged.keys()
    for arrival in trial.receiver.arrivals:
        if not arrival.is_durable:
            assert arrival.id in late or arrival.id in logged, (
                f"sent without the store, and never in the log: {arrival}"
            )
            continue
        assert arrival.id in late or arrival.body == logged[arrival.id]
        bodies[arrival.id].add(arrival.raw)
    assert {id_: len(raws) for id_, raws in bodies.items() if len(raws) > 1} == {}


def _complete(trial: Trial, channel: str, arrivals: list[Arrival], expected: list[Alert]) -> None:
    """Each expected alert was told, or gave way to newer news of its group before it could be.

    A channel must get the good news of an episode if its bad news was attempted there, and else must not.
    """
    found = trial.lives[-1].findings
    told = {arrival.id for arrival in arrivals if arrival.is_told}
    attempted = {arrival.id for arrival in arrivals}
    last_news = {alert["group"]: alert["sequence"] for alert in expected if alert["type"] in STAGE_NEWS}
    bad_news: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for alert in expected:
        if alert["type"] in STAGE_NEWS and alert["type"] not in GOOD_NEWS:
            bad_news[alert["group"], alert["episode"]].add(alert["id"])
    for alert in expected:
        if alert["type"] in GOOD_NEWS and alert["id"] in attempted:
            heard = [found.deliveries.get((channel, id_)) for id_ in bad_news[alert["group"], alert["episode"]]]
            assert any(bad and bad.attempts for bad in heard), f"{channel} never heard of what is over: {alert}"
        if alert["id"] in told:
            continue
        owed = found.deliveries.get((channel, alert["id"]))
        if owed is None:
            assert alert["type"] in GOOD_NEWS, f"never owed to {channel}: {alert}"
            unheard = bad_news[alert["group"], alert["episode"]]
            assert not unheard & attempted, f"{channel} heard the bad news and is not told the good: {alert}"
        else:
            assert owed.state == "superseded", f"{owed.state} on {channel}, and not told: {alert}"
            assert alert["sequence"] < last_news[alert["group"]], f"superseded by nothing: {alert}"


def _repeated(trial: Trial, channel: str, arrivals: list[Arrival]) -> None:
    """What was taken comes again only after a kill that fell between the sending and the mark."""
    by_life: defaultdict[int, set[str]] = defaultdict(set)
    for arrival in arrivals:
        for life in trial.lives[: arrival.life - 1]:
            owed = life.findings.deliveries.get((channel, arrival.id))
            assert owed is None or owed.state == "pending", f"sent although it was {owed}"
        if arrival.what == TAKEN and not arrival.in_outage:
            assert arrival.id not in by_life[arrival.life], f"twice in life {arrival.life}: {arrival.id}"
            by_life[arrival.life].add(arrival.id)
    sent = Counter(arrival.life for arrival in arrivals)
    for life in trial.lives:
        again = by_life[life.number] & set().union(*(ids for n, ids in by_life.items() if n > life.number))
        assert not again or life.code == -signal.SIGKILL
        most = most_in_flight(sent[life.number])
        assert len(again) <= most, f"{len(again)} were sent again after one kill, {most} were under way"


def most_in_flight(sent: int) -> int:
    """How many a webhook can have under way, and so the most that one kill can repeat, after so many in one life.

    One more each time that all which may be under way were taken quickly.
    """
    most = IN_FLIGHT
    while sent >= most < MOST_IN_FLIGHT:
        sent -= most
        most += 1
    return most


def _ordered(arrivals: list[Arrival]) -> None:
    """A group's notices come in the order of their sequence, and no margin call after its liquidation."""
    by_group: defaultdict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        if arrival.body["type"].startswith("loan"):
            by_group[arrival.body["data"]["group"]["id"]].append(arrival)
    for lane in by_group.values():
        for earlier, later in pairwise(lane):
            data, then = later.body["data"], earlier.body["data"]
            assert data["sequence"] >= then["sequence"], f"{later.body} after {earlier.body}"
        liquidated: set[int] = set()
        for arrival in lane:
            episode = arrival.body["data"]["episode"]
            assert episode not in liquidated or "margin_call" not in arrival.body["type"]
            liquidated |= {episode} if arrival.body["type"] == TRIGGERED else set()


def _deposited(trial: Trial) -> None:
    """Each entry counts once: the accounts hold what was put and what was deposited, to the last digit."""
    found = trial.lives[-1].findings
    for group, label in trial.acknowledged.items():
        held = {k: dict(v) for k, v in found.groups.get(group, {}).get("collateral", {}).items()}
        if not held or found.groups[group]["labels"]["line"] != label:
            continue
        due = {k: {a: Decimal(q) for a, q in v.items()} for k, v in trial.lines[group, label]["collateral"].items()}
        for owner, id_ in found.entries:
            if owner == group and id_ in trial.entries:
                entry = trial.entries[id_]
                coins = due[entry["account"]]
                coins[entry["asset"]] = coins.get(entry["asset"], Decimal(0)) + Decimal(entry["quantity"])
        assert {k: {a: Decimal(q) for a, q in v.items()} for k, v in held.items()} == due
