"""The extra for other services, with the library itself and a service of its own on loopback."""

from __future__ import annotations

import sys
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
