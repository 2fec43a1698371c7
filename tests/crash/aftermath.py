"""What must hold of all channels after a death, and at the end of a day."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitor.core.alerts.catalogue import BAD_STAGE_NEWS, GOOD_STAGE_NEWS, STAGE_NEWS
from tests.crash.channels import DESK, NOBODY
from tests.crash.checks import IN_FLIGHT, most_in_flight

if TYPE_CHECKING:
    from tests.crash.desk import Desk, Life

STEPS = "loan_group.escalated"


# After a death


def kept(desk: Desk) -> None:
    """What was committed or answered before the death is there, and nothing was sent that is not."""
    life, found = desk.lives[-1], desk.lives[-1].findings
    if len(desk.lives) > 1:
        before = desk.lives[-2].findings
        assert found.alerts[: len(before.alerts)] == before.alerts, f"life {life.number} lost committed alerts"
        rows = {row["id"]: row for row in found.rows}
        for old in before.rows:
            now = rows.get(old["id"])
            assert now is not None, f"lost: {old}"
            assert now["attempts"] >= old["attempts"], f"attempts were forgotten: {now}"
            is_replayed = old["notifier"] == "theirs"
            assert is_replayed or old["state"] != "delivered" or now["state"] == "delivered", f"{old} is now {now}"
    committed = set(found.alerts)
    for arrival in desk.receivers.arrivals:
        if arrival.channel != "watch":
            assert set(arrival.alerts) <= committed, f"sent, but not committed: {arrival}"
    _answers_kept(desk, life)
    if len(desk.lives) > 1:
        _next_steps_stand(desk.lives[-2], life)


def _answers_kept(desk: Desk, life: Life) -> None:
    """What was answered: keys, the switch, acknowledgements."""
    found = life.findings
    for name, known in desk.receivers.signatures.keys.items():
        if name:
            kept_keys = {key["secret"] for key in found.endpoints[name]["keys"]}
            assert set(known) <= kept_keys, f"life {life.number} lost a key of {name}"
    if desk.is_off:
        assert "gone" in found.switched
    for group, (who, _) in desk.answered.items():
        one = found.escalations.get(group)
        assert one is None or who in {answer["by"] for answer in one["answers"]}, f"{group} is not in hand any more"


def _next_steps_stand(before: Life, life: Life) -> None:
    """A step that was not taken meanwhile is due when it was due; none was taken back."""
    for subject, one in life.findings.escalations.items():
        old = before.findings.escalations.get(subject)
        if old is None or old["answers"] != one["answers"]:
            continue
        assert one["taken"] >= old["taken"], f"a step about {subject} was forgotten"
        assert one["taken"] > old["taken"] or one["due"] == old["due"], f"the next step about {subject} has moved"


# At the end


def everything(desk: Desk, alerts: list[dict[str, Any]]) -> None:
    """`alerts` are the log as the API gave it shortly before the stop."""
    log = {alert["data"]["id"]: alert for alert in alerts}
    rows = desk.lives[-1].findings.rows
    _complete(desk, rows)
    _repeated(desk)
    _handed_over(rows)
    _good_news(rows)
    _ordered(desk, log)
    _asked_once(desk, alerts)
    _batches(desk, rows)
    _digests(desk, rows)
    assert missing(desk) == []
    _alertmanager(desk)
    _heartbeats(desk, alerts)
    _refused(desk, alerts)


def _complete(desk: Desk, rows: list[dict[str, Any]]) -> None:
    """Each delivery ended, and what is recorded as delivered was taken by its receiver; nothing else came."""
    assert Counter(row["state"] for row in rows if row["state"] not in ("delivered", "superseded")) == {}
    owed: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        owed[row["notifier"]].add(row["alert"])
        if row["state"] != "delivered" or row["gather"] or row["notifier"] == "am":
            continue
        assert row["alert"] in desk.receivers.ids(row["notifier"]), f"recorded as delivered and never taken: {row}"
    for arrival in desk.receivers.arrivals:
        if arrival.channel != "watch":
            assert set(arrival.alerts) <= owed[arrival.channel], f"sent to nobody's order: {arrival}"


def _repeated(desk: Desk) -> None:
    """What was taken comes again only after a kill between the sending and the mark, and then under the same id."""
    for channel in ("hook", "gone", "phone", "mail"):
        by_life: defaultdict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
        for arrival in desk.receivers.of(channel):
            by_life[arrival.life][arrival.to, arrival.id] += 1
        seen: Counter[tuple[str, str]] = Counter()
        for life in desk.lives:
            twice = [key for key, count in by_life[life.number].items() if count > 1]
            assert twice == [], f"twice on {channel} in life {life.number}: {twice}"
            again = [key for key in by_life[life.number] if seen[key]]
            sent = max((by_life[n].total() for n in range(life.number)), default=0)
            most = most_in_flight(sent) if channel in ("hook", "gone") else IN_FLIGHT
            assert len({id_ for _, id_ in again}) <= most, f"{again} came again after one kill on {channel}"
            seen.update(by_life[life.number])


def _handed_over(rows: list[dict[str, Any]]) -> None:
    """Every critical notice of a channel that was away has one row at the fallback."""
    at_fallback = Counter((row["alert"]) for row in rows if row["notifier"] == "phone" and row["targets"] == "[]")
    assert max(at_fallback.values(), default=0) <= 1
    away = {row["alert"] for row in rows if row["notifier"] == "gone" and row["type"] in BAD_STAGE_NEWS}
    assert away <= at_fallback.keys()


def _good_news(rows: list[dict[str, Any]]) -> None:
    """It is owed to whom the bad news of its episode was attempted, and to nobody else."""
    heard: defaultdict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
    told: defaultdict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        place, target = (row["subject"], row["episode"]), (row["notifier"], row["targets"])
        if row["type"] in BAD_STAGE_NEWS and row["attempts"]:
            heard[place].add(target)
        if row["type"] in GOOD_STAGE_NEWS:
            told[place].add(target)
    for place, targets in told.items():
        assert targets == heard[place], f"{place}: the bad news went to {heard[place]}, the good news to {targets}"
    assert told, "there was no good news"


def _ordered(desk: Desk, log: dict[str, dict[str, Any]]) -> None:
    """Of one group no stage comes after a newer one; what a desk asked for again is another matter."""
    for channel in ("hook", "gone", "phone"):
        last: dict[str, int] = {}
        for arrival in desk.receivers.of(channel):
            for alert in (log[id_] for id_ in arrival.alerts if id_ in log):
                if alert["type"] in STAGE_NEWS:
                    group, sequence = alert["data"]["group"]["id"], alert["data"]["sequence"]
                    assert sequence >= last.get(group, 0), f"older after newer on {channel}: {alert['type']} of {group}"
                    last[group] = sequence


def _asked_once(desk: Desk, alerts: list[dict[str, Any]]) -> None:
    """No step is taken twice, and none after somebody had it in hand."""
    taken: Counter[tuple[str, int, int]] = Counter()
    for alert in alerts:
        if alert["type"] == STEPS:
            data = alert["data"]
            group = data["group"]["id"]
            taken[group, data["episode"], data["facts"]["step"]] += 1
            if group in desk.answered:
                at = datetime.fromisoformat(alert["timestamp"])
                assert at <= desk.answered[group][1], f"{group} was asked about after its answer: {alert}"
    assert [step for step, count in taken.items() if count > 1] == []
    assert {group for group, _, _ in taken} == set(desk.answered), "nobody was asked"


def _batches(desk: Desk, rows: list[dict[str, Any]]) -> None:
    """The id of a batch is made of the ids in it, none stands in it twice, and the record names it."""
    for arrival in (a for a in desk.receivers.arrivals if a.channel == "theirs"):
        digest = hashlib.sha256("\n".join(arrival.alerts).encode()).digest()
        assert arrival.id == "bat_" + b32encode(digest).decode().lower()[:26]
        assert len(set(arrival.alerts)) == len(arrival.alerts)
    taken = {arrival.id for arrival in desk.receivers.of("theirs")}
    recorded = {row["detail"] for row in rows if row["notifier"] == "theirs" and row["state"] == "delivered"}
    named = {detail.partition(",")[0].removeprefix("in ") for detail in recorded if detail.startswith("in ")}
    assert named <= taken, f"recorded and never taken: {named - taken}"
    assert named, "nothing went in a batch"


def _digests(desk: Desk, rows: list[dict[str, Any]]) -> None:
    """Those of a digest that was taken are recorded in it, and its id is made of them."""
    by_digest: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["notifier"] == "mail" and row["gather"] and row["state"] == "delivered":
            digest = row["detail"].partition(",")[0].removeprefix("in ")
            by_digest[digest if digest.startswith("dgs_") else ""].add(row["alert"])
    alone = by_digest.pop("", set())
    arrived = {a.id for a in desk.receivers.of("mail", DESK)}
    assert alone <= arrived
    for id_, members in by_digest.items():
        digest = hashlib.sha256("|".join(sorted(members)).encode()).digest()
        assert id_ == "dgs_" + b32encode(digest).decode().lower()[:26], f"{id_} is not made of {members}"
        assert id_ in arrived, f"{id_} was never taken"
    # How many fall into one wait is a matter of the machine's speed: who kills in a digest must have had one.
    assert by_digest or not desk.is_about_mail, "there was no digest"


def missing(desk: Desk) -> list[str]:
    """What was asked for again on the endpoint and did not come since then."""
    found = []
    for begun, ids in desk.replays:
        since = [a for a in desk.receivers.arrivals[begun:] if a.channel == "theirs" and a.is_taken]
        found += sorted(set(ids) - {id_ for arrival in since for id_ in arrival.alerts})
    return found


def _alertmanager(desk: Desk) -> None:
    """Each episode fires from its start to its end, over all kills, and is not lit again."""
    pushes: defaultdict[str, list[tuple[int, datetime, dict[str, Any]]]] = defaultdict(list)
    for push in desk.receivers.pushes:
        pushes[push[2]["labels"]["episode"]].append(push)
    assert pushes, "nothing was pushed"
    for key, mine in pushes.items():
        ends = [datetime.fromisoformat(one["endsAt"]) - at for _, at, one in mine]
        # An end that is told again after a kill has nothing in the file any more, and so no other start than its own.
        starts = {one["startsAt"] for (_, _, one), left in zip(mine, ends, strict=True) if left > timedelta()}
        assert len(starts) == 1, f"{key} began twice"
        over = next((n for n, left in enumerate(ends) if left <= timedelta()), None)
        assert over is not None, f"{key} is never over"
        assert all(left <= timedelta() for left in ends[over:]), f"{key} was lit again after its end"


def _heartbeats(desk: Desk, alerts: list[dict[str, Any]]) -> None:
    """They stand in no list, and tell of nothing that is not committed."""
    beats = [a for a in desk.receivers.arrivals if a.channel == "watch"]
    assert len({a.id for a in beats}) == len(beats)
    assert "monitor.heartbeat" not in {alert["type"] for alert in alerts}
    assert not any(row["type"] == "monitor.heartbeat" for row in desk.lives[-1].findings.rows)


def _refused(desk: Desk, alerts: list[dict[str, Any]]) -> None:
    """A recipient who takes nothing is told of once, whatever dies, and each record names them."""
    told = [a for a in alerts if a["type"] == "delivery.recipient_refused" and NOBODY in a["data"]["subject"]]
    assert len(told) == 1, f"told {len(told)} times"
    rows = [row for row in desk.lives[-1].findings.rows if row["notifier"] == "mail" and row["targets"] == "[]"]
    assert all(NOBODY in row["detail"] for row in rows if row["state"] == "delivered"), "a record is silent about them"
