"""Alertmanager's API v2 on loopback, as a model of what it does with labels and times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.dispatch.refresher import KeptAlive, refresh
from monitor.notifiers import alertmanager
from monitor.notifiers._base import DeliveryError, Fault
from monitor.notifiers._open_alerts import OpenAlerts
from monitor.telemetry import BoundedLog
from tests.fakes import FakeClock
from tests.notifiers.conftest import MakeNotice
from tests.notifiers.service import HOSTILE, Service, failure, serving

NOW = datetime(2026, 11, 21, 14, 6, tzinfo=UTC)
CURED = "loan_group.delayed_liquidation.cured"

Build = Callable[..., alertmanager.AlertmanagerNotifier]


def seconds(text: str) -> float:
    return (datetime.fromisoformat(text) - NOW).total_seconds()


class Peer:
    """What an Alertmanager makes of the posts: an alert is its labels, and fires until its `endsAt`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def alerts(self) -> dict[frozenset[tuple[str, str]], dict[str, Any]]:
        found: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}
        for got in self._service.got:
            assert got.path == "/api/v2/alerts"
            assert got.headers["content-type"] == "application/json"
            for alert in got.json:
                assert set(alert) <= {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
                assert alert["labels"]["alertname"]
                assert all(v for v in alert["labels"].values())
                assert all(k.replace("_", "a").isalnum() and not k[0].isdigit() for k in alert["labels"])
                assert datetime.fromisoformat(alert["endsAt"]) >= datetime.fromisoformat(alert["startsAt"])
                found[frozenset(alert["labels"].items())] = alert
        return found

    def firing(self, at: datetime) -> list[dict[str, str]]:
        return [a["labels"] for a in self.alerts().values() if datetime.fromisoformat(a["endsAt"]) > at]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def build(service: Service, clock: FakeClock, tmp_path: Path) -> Build:
    def make(*urls: str, **more: Any) -> alertmanager.AlertmanagerNotifier:
        config = alertmanager.Config(
            urls=urls or (service.url,), file=str(tmp_path / "var" / "open.jsonl"), allow_private=True, **more
        )
        return alertmanager.AlertmanagerNotifier("am", config, {}, clock)

    return make


async def test_an_alert_fires_with_the_words_of_the_desk(
    service: Service, build: Build, make_notice: MakeNotice
) -> None:
    receipt = await build(labels={"desk": "vip"}).send(make_notice(url="https://risk.desk.example/groups/G-1001"))
    ((alert,),) = [got.json for got in service.got]
    assert alert["labels"] == {
        "alertname": "loan_group.delayed_liquidation",
        "severity": "critical",
        "episode": "loan_group:G-1001:3",
        "subject": "G-1001",
        "product": "vip_loan",
        "label_borrower": "ACME",
        "desk": "vip",
    }
    assert alert["annotations"]["summary"].startswith("[CRITICAL] G-1001 delayed liquidation: LTV 91.84 %")
    assert alert["generatorURL"] == "https://risk.desk.example/groups/G-1001"
    assert alert["startsAt"] == "2026-11-21T14:05:59.000Z"
    assert seconds(alert["endsAt"]) == 300
    assert receipt.detail == "HTTP 200: firing"


async def test_the_end_of_an_episode_ends_the_alert_under_the_labels_it_fired_with(
    service: Service, build: Build, clock: FakeClock, make_notice: MakeNotice
) -> None:
    notifier = build()
    await notifier.send(make_notice())
    await clock.advance(60)
    await notifier.send(make_notice(CURED, severity="info", group={"id": "G-1001", "labels": {"other": "now"}}))
    fired, ended = (got.json[0] for got in service.got)
    assert ended["labels"] == fired["labels"]
    assert ended["startsAt"] == fired["startsAt"]
    assert seconds(ended["endsAt"]) == 60
    await notifier.keep_alive()
    assert len(service.got) == 2, "what is over is not sent again"


async def test_another_stage_replaces_the_alert_of_the_one_before(
    service: Service, build: Build, clock: FakeClock, make_notice: MakeNotice
) -> None:
    notifier = build()
    await notifier.send(make_notice("loan_group.margin_call.opened", severity="warning"))
    await clock.advance(10)
    await notifier.send(make_notice("loan_group.liquidation.triggered"))
    (firing,) = Peer(service).firing(clock.utc())
    assert (firing["alertname"], firing["severity"]) == ("loan_group.liquidation", "critical")
    assert service.last.json[1]["startsAt"] == service.got[0].json[0]["startsAt"]


async def test_open_alerts_are_sent_again_before_they_end_and_over_restarts(
    service: Service, build: Build, clock: FakeClock, make_notice: MakeNotice
) -> None:
    group = {"id": "G-2", "product": "vip_loan", "receiving_account": "a", "labels": {}}
    first = build(resolve_after=timedelta(minutes=4))
    await first.send(make_notice())
    await first.send(make_notice(group=group))
    await first.send(make_notice(CURED, group=group))
    assert first.every_s == 120
    await clock.advance(120)
    await first.keep_alive()
    await first.close()
    second = build(resolve_after=timedelta(minutes=4))
    await clock.advance(200)
    await second.keep_alive()
    (again,) = service.last.json
    assert again["labels"]["subject"] == "G-1001"
    assert seconds(again["endsAt"]) == 120 + 200 + 240
    assert [labels["subject"] for labels in Peer(service).firing(clock.utc())] == ["G-1001"]
    await second.send(make_notice(CURED))
    third = build()
    before = len(service.got)
    await third.keep_alive()
    assert (len(service.got), Peer(service).firing(clock.utc())) == (before, [])


async def test_what_is_over_is_not_lit_again_by_a_restart_before_its_end_is_noted(
    service: Service, build: Build, clock: FakeClock, make_notice: MakeNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the push of the end and its line in the file: the notice is still pending, and comes again."""
    killed = build()
    await killed.send(make_notice())

    async def die(*_: object) -> None:
        raise DeliveryError("killed")

    monkeypatch.setattr(OpenAlerts, "remove", die)
    await failure(killed, make_notice(CURED))
    monkeypatch.undo()
    pushed = len(service.got)
    restarted = build()
    await restarted.keep_alive()
    assert len(service.got) == pushed, "it was lit again"
    assert Peer(service).firing(clock.utc()) == []
    await restarted.send(make_notice(CURED, group={"id": "G-1001", "labels": {"other": "now"}}))
    assert service.last.json[0]["labels"] == service.got[0].json[0]["labels"]
    assert Peer(service).firing(clock.utc()) == []
    await restarted.send(make_notice(episode=4))
    await restarted.keep_alive()
    assert [labels["episode"] for labels in Peer(service).firing(clock.utc())] == ["loan_group:G-1001:4"]


async def test_a_line_that_a_crash_cut_off_takes_no_other_along(
    service: Service, build: Build, tmp_path: Path, make_notice: MakeNotice
) -> None:
    await build().send(make_notice())
    file = tmp_path / "var" / "open.jsonl"
    with file.open("ab") as lines:
        lines.write(b'\n{"key":"loan_group:G-2:1","lab')
    other = build()
    await other.send(make_notice(episode=4))
    after = build()
    await after.keep_alive()
    assert [a["labels"]["episode"] for a in service.last.json] == ["loan_group:G-1001:3", "loan_group:G-1001:4"]


async def test_the_file_stays_as_short_as_what_is_open(
    service: Service, build: Build, tmp_path: Path, make_notice: MakeNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.notifiers._open_alerts.COMPACT_ABOVE", 5)
    notifier = build()
    await notifier.send(make_notice())
    for episode in range(10, 30):
        await notifier.send(make_notice(episode=episode))
        await notifier.send(make_notice(CURED, episode=episode))
    assert len((tmp_path / "var" / "open.jsonl").read_bytes().splitlines()) < 12
    await build().keep_alive()
    assert [a["labels"]["episode"] for a in service.last.json] == ["loan_group:G-1001:3"]


async def test_an_alert_that_is_not_kept_is_not_delivered(
    service: Service, build: Build, tmp_path: Path, make_notice: MakeNotice
) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    error = await failure(build(), make_notice())
    assert error.fault is Fault.PASSING
    assert "open.jsonl" in error.reason


async def test_each_member_of_a_cluster_is_told_and_one_is_enough(
    service: Service, build: Build, make_notice: MakeNotice
) -> None:
    async with serving() as other:
        other.status = 503
        receipt = await build(service.url, other.url).send(make_notice())
        assert (len(service.got), len(other.got)) == (1, 1)
        assert "HTTP 503" in receipt.detail
        service.status = 500
        with pytest.raises(DeliveryError):
            await build(service.url, other.url).send(make_notice())


@pytest.mark.parametrize(
    ("status", "fault"), [(400, Fault.DOUBTFUL), (401, Fault.CHANNEL), (404, Fault.CHANNEL), (503, Fault.PASSING)]
)
async def test_whose_fault_a_refusal_of_alertmanager_is(
    service: Service, build: Build, make_notice: MakeNotice, status: int, fault: Fault
) -> None:
    service.status, service.body = status, "bad"
    notifier = build()
    assert (await failure(notifier, make_notice())).fault is fault
    service.status = 200
    before = len(service.got)
    await notifier.keep_alive()
    assert len(service.got) == before, "what was not taken is not repeated: its delivery is"


async def test_any_name_and_label_is_one_that_alertmanager_takes(
    service: Service, build: Build, make_notice: MakeNotice
) -> None:
    labels = {"client-name": HOSTILE, "": "x", "9": "y", "severity": "none", "\u00e9": ""}
    await build().send(make_notice(group={"id": HOSTILE, "product": "vip_loan", "labels": labels}))
    (found,) = Peer(service).firing(NOW)
    assert found["severity"] == "critical"
    assert found["label_client_name"] == HOSTILE


async def test_what_has_no_end_fires_once_and_is_not_repeated(
    service: Service, build: Build, plain_notice: MakeNotice
) -> None:
    notifier = build()
    await notifier.send(plain_notice("book.refused"))
    await notifier.keep_alive()
    assert len(service.got) == 1


async def test_the_dispatcher_repeats_at_the_start_in_time_and_soon_after_a_failure(
    service: Service, build: Build, clock: FakeClock, make_notice: MakeNotice
) -> None:
    notifier = build(resolve_after=timedelta(minutes=2))
    assert isinstance(notifier, KeptAlive)
    await notifier.send(make_notice())
    service.got.clear()
    task = asyncio.create_task(refresh("am", notifier, clock, BoundedLog()))

    async def posts(n: int) -> None:
        for _ in range(1000):
            if len(service.got) >= n:
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert len(service.got) == n

    await posts(1)
    service.status = 503
    await clock.advance(60)
    await posts(2)
    service.status = 200
    await clock.advance(10)
    await posts(3)
    await clock.advance(59)
    await posts(3)
    await clock.advance(1)
    await posts(4)
    task.cancel()


def test_an_alertmanager_that_can_never_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match="urls: found nothing"):
        alertmanager.Config(urls=())
    with pytest.raises(ValueError, match=r"urls\[1\]"):
        alertmanager.Config(urls=("https://am.example", "am.example:9093"))
    with pytest.raises(ValueError, match="labels"):
        alertmanager.Config(urls=("https://am.example",), labels={"a-b": "c"})
    with pytest.raises(ValueError, match="private or reserved"):
        alertmanager.Config(urls=("http://10.0.0.1:9093",))
