"""The extra for other services, with the library itself and a service of its own on loopback."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monitor.notifiers import apprise
from monitor.notifiers._base import Fault
from monitor.secret_files import BadSecret
from tests.notifiers.conftest import MakeNotice
from tests.notifiers.service import Service, failure


def build(service: Service) -> apprise.AppriseNotifier:
    pytest.importorskip("apprise")
    url = f"json://user:hunter2@127.0.0.1:{service.port}/hunter2"
    return apprise.build("rest", apprise.Config(urls=(url,), allow_unguarded=True))


async def test_a_notice_goes_out_through_the_library(service: Service, make_notice: MakeNotice) -> None:
    receipt = await build(service).send(make_notice())
    body = service.last.json
    assert body["title"].startswith("[CRITICAL] G-1001 delayed liquidation")
    assert "to cure: repay 66,396 USD or add collateral" in body["message"]
    assert body["type"] == "failure"
    assert receipt.detail == "sent to 1"


async def test_a_failure_may_pass_and_says_no_address(
    service: Service, make_notice: MakeNotice, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    service.status = 500
    error = await failure(build(service), make_notice())
    assert error.fault is Fault.PASSING
    assert "hunter2" not in error.reason + caplog.text + "".join(capsys.readouterr())


class Hanging:
    """The library, while a service neither answers nor hangs up."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0

    def __len__(self) -> int:
        return 1

    def notify(self, **_: object) -> bool:
        self.asked += 1
        self.go.wait(20)
        return True


async def test_a_service_that_hangs_takes_no_thread_of_others(
    make_notice: MakeNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise, "TIMEOUT_S", 0.05)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    hanging = Hanging()
    notifier = apprise.AppriseNotifier("rest", hanging)
    found = [(await failure(notifier, make_notice())).reason for _ in range(6)]
    assert found == ["no answer within 0.05 s"] * 4 + ["4 earlier attempts hang still"] * 2
    assert hanging.asked == 4
    async with asyncio.timeout(2):
        assert await asyncio.to_thread(len, "free") == 4
    hanging.go.set()
    monkeypatch.setattr(apprise, "TIMEOUT_S", 5)
    await asyncio.sleep(0.05)
    assert (await notifier.send(make_notice())).detail == "sent to 1"


def test_it_is_off_until_the_configuration_says_that_it_is_unguarded() -> None:
    with pytest.raises(ValueError, match="allow_unguarded = true"):
        apprise.Config(urls=("json://localhost",))
    with pytest.raises(ValueError, match='either "urls" or "urls_file"'):
        apprise.Config(allow_unguarded=True)


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ValueError, match=r'pip install "loan-monitor\[apprise\]"'):
        apprise.build("rest", apprise.Config(urls=("json://localhost",), allow_unguarded=True))


def test_an_address_that_the_library_does_not_know_is_refused_without_being_shown(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    file = tmp_path / "urls"
    file.write_text("json://desk.example\nnosuch://hunter2\n")
    with pytest.raises(BadSecret, match="address 2") as refused:
        apprise.build("rest", apprise.Config(urls_file=file, allow_unguarded=True))
    assert "hunter2" not in str(refused.value)
