"""A password or a token of an address is shown nowhere: no log, no answer, no alert, no command, no file that we write."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.book_lines import one_btc
from tests.faults.house import ROOT, Daemon, House, until

SECRET, TOKEN, CODED = "geheim-7Qx", "tok-9Zy4", "gehe%69m-8Kw"
"""The last is written with an escape, which a library may take away."""
DECODED = "geheim-8Kw"
ALL = (SECRET, TOKEN, CODED, DECODED)
PARTS = """\
[[feed]]
name = "silent"
kind = "binance_futures"
url = "ws://desk:{secret}@127.0.0.1:9/ws/x?token={token}"
retry_min = "50ms"
retry_max = "100ms"

[[feed]]
name = "refusing"
kind = "binance_futures"
url = "ws://desk:{secret}@127.0.0.1:{port}/ws/x?key={token}"
retry_min = "50ms"
retry_max = "100ms"

[[feed]]
name = "coded"
kind = "binance_futures"
url = "ws://desk:{coded}@127.0.0.1:{port}/ws/x"
retry_min = "50ms"
retry_max = "100ms"

[[notifier]]
name = "stream"
kind = "redis_stream"
url = "redis://desk:{secret}@127.0.0.1:9/0"
stream = "alerts"

[[notifier]]
name = "hook"
kind = "webhook"
url = "http://desk:{secret}@127.0.0.1:9/hook?token={token}"
secret = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM="
allow_private = true

[[notifier]]
name = "mail"
kind = "email"
smtp = "smtp://127.0.0.1:9"
username = "desk"
password = "{secret}"
sender = "desk@example.com"
to = ["risk@example.com"]

[[route]]
to = ["stream", "hook", "mail"]
"""
PATHS = (
    "/readyz", "/v1/status", "/v1/feeds", "/v1/prices", "/v1/prices/BTC", "/v1/channels", "/v1/deliveries", "/v1/alerts",
    "/v1/audit", "/v1/groups", "/v1/groups/G-1", "/metrics", "/openapi.json", "/v1/rates",
)  # fmt: skip
BROKEN = (
    'urll = "ws://desk:{secret}@127.0.0.1:9/x"',
    'url = "http://desk:{secret}@127.0.0.1:9/x?token={token}"',
    'url = "ws://desk:{secret}@127.0.0.1:99999/x"',
    'url = "ws://desk:{secret}@[::1/x"',
    'url = "ws://desk:{secret}/with/slashes@host/x"',
    'url = ["ws://desk:{secret}@127.0.0.1:9/x"]',
    'symbols = "ws://desk:{secret}@127.0.0.1:9/x"',
    'url = "ws://desk:{secret}@127.0.0.1:9/x',
    'nested = {{ url = "ws://desk:{secret}@127.0.0.1:9/x" }}',
)


def told(text: str, where: str) -> None:
    """Fails where a secret stands in a text."""
    for secret in ALL:
        assert secret not in text, f"{where} shows {secret}: {re.findall(f'.*{re.escape(secret)}.*', text)[:3]}"


def written(text: str, port: int = 9) -> str:
    return text.format(secret=SECRET, token=TOKEN, coded=CODED, port=port)


async def test_no_output_of_the_daemon_or_of_a_command_shows_the_password_of_an_address(tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Says back what it was asked, as a proxy that explains itself would."""
        asked = await reader.read(4096)
        writer.write(
            b"HTTP/1.1 403 Forbidden\r\nX-Asked: " + asked.split(b"\r\n")[0] + b"\r\nContent-Length: 0\r\n\r\n"
        )
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    house = House(tmp_path)
    house.write(written(PARTS, server.sockets[0].getsockname()[1]))
    async with server, Daemon(house) as daemon:
        await daemon.put(one_btc("G-1", btc="0"))

        async def is_failing() -> bool:
            feeds = (await daemon.get("/v1/feeds"))["items"]
            channels = (await daemon.get("/v1/channels"))["items"]
            return all(f["reason"] not in ("", "connecting") for f in feeds) and all(
                c["last_failure"] for c in channels
            )

        await until(is_failing, "every feed and channel has failed")
        for path in PATHS:
            async with daemon.http.get(daemon.url + path) as answer:
                told(await answer.text(), path)
        for command in (
            ("check-config",), ("doctor", "--json"), ("price", "BTC", "--url", daemon.url),
            ("send-test", "hook"), ("send-test", "stream"), ("send-test", "mail"),
        ):  # fmt: skip
            arguments = () if command[0] == "price" else ("--config", "monitor.toml")
            ended = await house.ran(*command, *arguments)
            told(ended.out + ended.err, " ".join(command))
            assert "Traceback" not in ended.err, ended
        await daemon.stop()
        told(daemon.said(), "the log of the daemon")
    for file in (tmp_path / "var").rglob("*"):
        if file.is_file():
            told(file.read_bytes().decode("latin-1"), str(file))


def test_a_line_of_the_log_shows_no_password_whoever_wrote_it() -> None:
    """Run in a process of its own, as the log of this one is set up already."""
    url = f"redis://desk:{SECRET}@127.0.0.1:9/0?token={TOKEN}"
    program = f"from monitor import telemetry; telemetry.configure(); telemetry.log.error('lost', reason={url!r})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "127.0.0.1:9" in ended.stderr
    told(ended.stderr, "the log")


@pytest.mark.parametrize("line", BROKEN)
def test_a_problem_of_the_configuration_does_not_show_the_password(tmp_path: Path, line: str) -> None:
    house = House(tmp_path)
    house.write(f'[[feed]]\nname = "venue"\nkind = "binance_futures"\n{written(line)}\n')
    ended = house.command("check-config", "--config", "monitor.toml")
    told(ended.out + ended.err, "check-config")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "table",
    [
        'feed = "ws://desk:{secret}@host/x"',
        '[[notifier]]\nname = "x"\nkind = "redis_stream"\nurl = "http://desk:{secret}@host"\nstream = "s"',
        '[[notifier]]\nname = "x"\nkind = "webhook"\nurl = "ftp://desk:{secret}@host?token={token}"',
        '[[notifier]]\nname = "x"\nkind = "email"\nsmtp = "http://desk:{secret}@host"\nsender = "a@b.c"\nto = ["a@b.c"]',
        '[[book]]\nname = "x"\nkind = "file"\npath = "ws://desk:{secret}@host/x"',
        'redis = "redis://desk:{secret}@host"',
    ],
)
def test_neither_does_a_problem_of_another_table(tmp_path: Path, table: str) -> None:
    house = House(tmp_path)
    house.write(more="" if table.startswith(("feed", "redis")) else written(table))
    if table.startswith(("feed", "redis")):
        house.config.write_text(written(table) + "\n" + house.config.read_text())
    ended = house.command("check-config", "--config", "monitor.toml")
    told(ended.out + ended.err, "check-config")
    assert ended.code == 2, ended
