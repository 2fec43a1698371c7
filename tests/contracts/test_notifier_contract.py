"""What every channel must hold, found by its file: a new notifier is tested here without being named."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from monitor import plugins
from monitor.core import schema
from monitor.notifiers._base import DeliveryError, Notice, Notifier, Receipt

KINDS = plugins.kinds("notifiers")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HINT = "hunter2"

# Tables as the configuration has them; `{port}` is a peer on loopback. A kind that needs no key needs no line.
TABLES: dict[str, dict[str, Any]] = {
    "alertmanager": {
        "urls": ["http://127.0.0.1:{port}/hunter2"],
        "token_file": "secret",
        "file": "{folder}/open.jsonl",
        "allow_private": True,
    },
    "apprise": {"urls": ["json://user:hunter2@127.0.0.1:{port}/hunter2"], "allow_unguarded": True},
    "console": {},
    "email": {
        "smtp": "smtp://127.0.0.1:{port}",
        "sender": "m@desk.example",
        "to": ["r@desk.example"],
        "username": "monitor",
        "password_file": "secret",
    },
    "jira_service_management": {
        "url": "http://127.0.0.1:{port}/jsm/ops/integration/v2/alerts",
        "api_key_file": "secret",
        "allow_private": True,
    },
    "ntfy": {
        "url": "http://127.0.0.1:{port}",
        "topic": "hunter2",
        "username": "monitor",
        "password_file": "secret",
        "allow_private": True,
    },
    "pagerduty": {
        "url": "http://127.0.0.1:{port}/v2/enqueue",
        "routing_key_file": "secret",
        "allow_private": True,
    },
    "redis_pubsub": {"url": "redis://monitor:hunter2@127.0.0.1:{port}/0"},
    "redis_stream": {"url": "redis://monitor:hunter2@127.0.0.1:{port}/0"},
    "sms": {"to": ["+15550100"], "file": "{folder}/sms.log"},
    "slack": {"url": "http://127.0.0.1:{port}/services/T0/B0/hunter2", "allow_private": True},
    "teams": {"url": "http://127.0.0.1:{port}/workflows/x?sig=hunter2", "allow_private": True},
    "telegram": {
        "url": "http://127.0.0.1:{port}",
        "token": "123456:hunter2hunter2",
        "to": ["-1001234567890"],
        "allow_private": True,
    },
    "webhook": {
        "url": "http://user:hunter2@127.0.0.1:{port}/hooks?key=hunter2",
        "secret": SECRET,
        "allow_private": True,
    },
}

NOTICE = Notice(
    "price.stale", "2026-11-21T14:05:59.000Z", {"id": "evt_1", "severity": "warning", "subject": "BTC", "facts": {}}
)


Build = Callable[..., Notifier]


def has_peer(kind: str) -> bool:
    """Whether it sends to another process."""
    return "{port}" in str(TABLES.get(kind, {}))


def filled(value: Any, port: int, folder: Path) -> Any:
    """A table with the port and the folder in place of their names."""
    if isinstance(value, dict):
        return {k: filled(v, port, folder) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, port, folder) for v in value]
    return value.format(port=port, folder=folder) if isinstance(value, str) else value


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def module(kind: str) -> ModuleType:
    return plugins.module("notifiers", kind)


@pytest.fixture
def config(kind: str, module: ModuleType, tmp_path: Path) -> Callable[[int], Any]:
    """The kind's Config, read as the daemon reads it."""

    def read(port: int) -> Any:
        (tmp_path / "secret").write_text(HINT)
        (tmp_path / "secret").chmod(0o600)
        table = filled(TABLES.get(kind, {}), port, tmp_path)
        return schema.read(module.Config, table, "notifier[0]", tmp_path)

    return read


def test_every_table_in_this_test_is_one_of_a_notifier() -> None:
    assert set(TABLES) <= set(KINDS)


def test_a_module_has_one_config_one_build_and_one_notifier(module: ModuleType) -> None:
    assert issubclass(module.Config, msgspec.Struct)
    assert module.Config.__struct_config__.frozen
    assert list(inspect.signature(module.build).parameters) == ["name", "config"]
    own = [
        c
        for _, c in inspect.getmembers(module, inspect.isclass)
        if c.__module__ == module.__name__ and hasattr(c, "send") and hasattr(c, "close")
    ]
    assert len(own) == 1


def test_an_unknown_key_is_refused(module: ModuleType, kind: str, tmp_path: Path) -> None:
    with pytest.raises(schema.Invalid, match="unknown key"):
        schema.read(module.Config, {**TABLES.get(kind, {}), "colour": "red"}, "notifier[0]", tmp_path)


async def test_building_opens_no_connection_and_needs_no_running_peer(
    module: ModuleType, config: Callable[[int], Any]
) -> None:
    connections = 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    notifier = module.build("one", config(server.sockets[0].getsockname()[1]))
    await asyncio.sleep(0.02)
    await notifier.close()
    assert connections == 0
    server.close()


async def test_a_peer_that_hangs_up_is_asked_once_and_is_a_failure_that_may_pass(
    kind: str, module: ModuleType, config: Callable[[int], Any]
) -> None:
    connections = 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    notifier = module.build("one", config(server.sockets[0].getsockname()[1]))
    if not has_peer(kind):
        assert isinstance(await notifier.send(NOTICE), Receipt)
    else:
        with pytest.raises(DeliveryError) as failed:
            async with asyncio.timeout(20):
                await notifier.send(NOTICE)
        assert (connections, failed.value.retry) == (1, True)
    await notifier.close()
    server.close()


async def test_no_secret_shows_in_the_look_of_it_nor_in_an_error(
    kind: str, module: ModuleType, config: Callable[[int], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config(1)
    notifier = module.build("one", settings)
    shown = f"{settings!r} {settings} {notifier!r} {notifier}"
    if has_peer(kind):
        with pytest.raises(DeliveryError) as failed:
            await notifier.send(NOTICE)
        shown += f"{failed.value!r} {failed.value.__cause__!r} {failed.value.reason}"
    shown += "".join(capsys.readouterr())
    assert HINT not in shown
    assert SECRET.removeprefix("whsec_") not in shown
    await notifier.close()


async def test_closing_is_harmless_before_the_first_attempt_and_twice(
    module: ModuleType, config: Callable[[int], Any]
) -> None:
    notifier = module.build("one", config(1))
    await notifier.close()
    await notifier.close()


async def test_notices_can_be_sent_side_by_side(kind: str, module: ModuleType, config: Callable[[int], Any]) -> None:
    """The dispatcher makes eight attempts at a time."""
    notifier = module.build("one", config(1))
    ended = await asyncio.gather(*(notifier.send(NOTICE) for _ in range(8)), return_exceptions=True)
    wanted = DeliveryError if has_peer(kind) else Receipt
    assert [type(e) for e in ended] == [wanted] * 8
    await notifier.close()
