"""The webhook against a real receiver on loopback; every signature is checked by the public verifier."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook, WebhookVerificationError

from monitor.clock import SystemClock
from monitor.notifiers import _http, webhook
from monitor.notifiers._base import Body, DeliveryError, batches
from monitor.notifiers.webhook import Config, WebhookNotifier
from monitor.secret_files import BadSecret
from tests.fakes import FakeClock
from tests.notifiers.conftest import SECRET, MakeNotice, MakeWebhook

OLD_SECRET = "whsec_" + base64.b64encode(b"an older key of thirty-two bytes").decode()


class ScriptedServer:
    """An HTTP server that answers as told and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.ok
        self.port = 0

    @staticmethod
    async def ok(_: web.Request) -> web.StreamResponse:
        return web.Response(text="thank you")

    def says(self, status: int, **headers: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

        self.answer = answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.got.append((dict(request.headers), await request.read()))
        return await self.answer(request)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"


@pytest.fixture
async def receiver() -> AsyncIterator[ScriptedServer]:
    one = ScriptedServer()
    server = web.Server(one.handle)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


async def test_a_notice_arrives_as_the_specification_asks(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice
) -> None:
    notice = make_notice()
    receipt = await make(receiver.url).send(notice)
    ((headers, body),) = receiver.got
    shown = Webhook(SECRET).verify(body, headers)
    assert shown == {"type": notice.type, "timestamp": notice.timestamp, "data": notice.data}
    assert headers["webhook-id"] == notice.id
    assert headers["Content-Type"] == "application/json"
    assert headers["webhook-signature"].count(",") == 1
    assert receipt.detail == "HTTP 200"


def test_the_signature_of_the_specifications_example_is_reproduced() -> None:
    clock = FakeClock(datetime.fromtimestamp(1614265330, UTC))
    notifier = WebhookNotifier("hook", Config(url="https://risk.example", secret=SECRET), clock)
    headers = notifier._headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}')
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_changed_bit_is_noticed(receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice) -> None:
    await make(receiver.url).send(make_notice())
    ((headers, body),) = receiver.got
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"1000000.001", b"1000000.002"), headers)


async def test_a_retry_has_a_new_time_and_signature_but_the_same_id_and_bytes(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice
) -> None:
    clock = FakeClock(SystemClock().utc())
    notifier = make(receiver.url, clock=clock)
    await notifier.send(make_notice())
    await clock.advance(90)
    await notifier.send(make_notice())
    (first, first_body), (second, second_body) = receiver.got
    Webhook(SECRET).verify(second_body, second)
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 90
    assert first["webhook-signature"] != second["webhook-signature"]
    assert (first["webhook-id"], first_body) == (second["webhook-id"], second_body)


async def test_while_a_key_is_rotated_both_keys_verify(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice
) -> None:
    await make(receiver.url, f"{SECRET}\n{OLD_SECRET}").send(make_notice())
    ((headers, body),) = receiver.got
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(body, headers)
    await make(receiver.url, SECRET).send(make_notice())
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD_SECRET).verify(receiver.got[1][1], receiver.got[1][0])


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_success(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice, status: int
) -> None:
    receiver.says(status)
    assert (await make(receiver.url).send(make_notice())).detail == f"HTTP {status}"


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, "doubtful"), (413, "doubtful"), (422, "doubtful"), (401, "channel"), (403, "channel"), (404, "channel"),
        (405, "channel"), (407, "channel"), (410, "channel"), (451, "channel"), (408, "passing"), (409, "passing"),
        (425, "passing"), (429, "passing"), (500, "passing"), (502, "passing"), (503, "passing"), (504, "passing"),
        (599, "passing"),
    ],
)  # fmt: skip
async def test_a_failing_status_says_whose_fault_it_is(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice, status: int, fault: str
) -> None:
    receiver.says(status)
    with pytest.raises(DeliveryError) as failed:
        await make(receiver.url).send(make_notice())
    assert (failed.value.fault, failed.value.after_s) == (fault, None)
    assert str(status) in failed.value.reason


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_a_redirect_is_a_failure_and_its_target_is_never_contacted(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice, status: int
) -> None:
    receiver.says(status, Location=f"http://127.0.0.1:{receiver.port}/elsewhere")
    with pytest.raises(DeliveryError):
        await make(receiver.url).send(make_notice())
    assert receiver.paths == ["/hooks"]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("value", "after_s"),
    [
        ("7", 7), ("0", 0), ("-5", 0), ("315360000", 3600), ("9" * 5000, None), ("soon", None), ("", None),
        (format_datetime(datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC), usegmt=True), 30),
        (format_datetime(datetime(2036, 1, 1, tzinfo=UTC), usegmt=True), 3600),
        (format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True), 0),
        ("Wed, 99 Foo 2026 00:00:00 GMT", None),
    ],
)  # fmt: skip
async def test_retry_after_is_kept_within_an_hour(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice, status: int, value: str, after_s: float | None
) -> None:
    receiver.says(status, Retry_After=value)
    with pytest.raises(DeliveryError) as failed:
        await make(receiver.url, clock=FakeClock(datetime(2026, 1, 1, tzinfo=UTC))).send(make_notice())
    assert (failed.value.retry, failed.value.after_s) == (True, after_s)


async def test_retry_after_on_another_status_is_not_asked_for(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice
) -> None:
    receiver.says(500, Retry_After="7")
    with pytest.raises(DeliveryError) as failed:
        await make(receiver.url).send(make_notice())
    assert failed.value.after_s is None


async def test_a_receiver_that_never_answers_is_given_up_in_time(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice
) -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    receiver.answer = hang
    with pytest.raises(DeliveryError, match="no answer within") as failed:
        async with asyncio.timeout(5):
            await make(receiver.url, timeout_s=0.2).send(make_notice())
    assert failed.value.retry


async def test_a_body_that_drips_does_not_hold_up_a_success(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http, "BODY_TIME_S", 0.2)

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    receiver.answer = drip
    began_s = SystemClock().monotonic_s()
    assert (await make(receiver.url).send(make_notice())).detail == "HTTP 200"
    assert SystemClock().monotonic_s() - began_s < 2


async def test_of_a_huge_body_only_the_beginning_is_read(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice
) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        while sent < 1_000_000_000:
            await response.write(b"x" * 100_000)
            sent += 100_000
        return response

    receiver.answer = flood
    with pytest.raises(DeliveryError, match="HTTP 500"):
        await make(receiver.url).send(make_notice())
    # What the sockets' buffers hold is sent though nobody reads it.
    assert sent < 20_000_000


async def test_a_header_bomb_is_a_failure_that_may_pass(make: MakeWebhook, make_notice: MakeNotice) -> None:
    async def bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: %s\r\n" % (n, b"y" * 4000) for n in range(1000)))
        writer.close()

    server = await asyncio.start_server(bomb, "127.0.0.1", 0)
    with pytest.raises(DeliveryError) as failed:
        await make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/").send(make_notice())
    assert failed.value.retry
    server.close()


@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 102 Processing\r\n\r\n" * 400,
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 300,
        b"x-more: " + b"y" * 7000 + b"\r\n",
        b"y" * 8000,
    ],
)
async def test_a_peer_that_never_comes_to_its_answer_is_cut_off_by_bytes(
    make: MakeWebhook, make_notice: MakeNotice, flood: bytes
) -> None:
    """Interim answers, headers, a line without end: a peer may send 64 kB, and not for as long as it likes."""
    sent = 0

    async def go_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"" if flood.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n")
            while sent < 200_000_000:
                writer.write(flood)
                sent += len(flood)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(go_on, "127.0.0.1", 0)
    with pytest.raises(DeliveryError) as failed:
        async with asyncio.timeout(5):
            await make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/").send(make_notice())
    assert failed.value.retry
    assert sent < 20_000_000
    server.close()


async def test_a_success_with_a_long_body_in_one_piece_is_a_success(make: MakeWebhook, make_notice: MakeNotice) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + b"x" * 1_000_000)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    assert (await make(url).send(make_notice())).detail == "HTTP 200"
    server.close()


async def test_each_request_of_a_kept_connection_may_have_a_whole_answer(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice
) -> None:
    """The bytes are counted for a request, not for a connection."""

    async def talk(_: web.Request) -> web.StreamResponse:
        return web.Response(text="x" * 19_000)

    receiver.answer = talk
    notifier = make(receiver.url)
    for _ in range(8):
        assert (await notifier.send(make_notice())).detail == "HTTP 200"


@pytest.mark.parametrize("reply", [b"", b"not http at all\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-le"])
async def test_a_connection_that_breaks_is_a_failure_that_may_pass(
    make: MakeWebhook, make_notice: MakeNotice, reply: bytes
) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    with pytest.raises(DeliveryError) as failed:
        await make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/").send(make_notice())
    assert failed.value.retry
    server.close()


async def test_nobody_listening_is_a_failure_that_may_pass(make: MakeWebhook, make_notice: MakeNotice) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DeliveryError, match="cannot connect") as failed:
        await make(f"http://127.0.0.1:{port}/").send(make_notice())
    assert failed.value.retry


async def test_a_name_that_does_not_resolve_is_a_failure_that_may_pass(
    make: MakeWebhook, make_notice: MakeNotice
) -> None:
    with pytest.raises(DeliveryError, match="cannot connect") as failed:
        await make("http://nobody.invalid/").send(make_notice())
    assert failed.value.retry


@pytest.fixture
def own_certificate(tmp_path: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            tmp_path / "key",
            "-out",
            tmp_path / "crt",
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    return context


async def test_an_untrusted_certificate_is_refused(
    make: MakeWebhook, make_notice: MakeNotice, own_certificate: ssl.SSLContext
) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=own_certificate)
    with pytest.raises(DeliveryError, match="certificate") as failed:
        await make(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/").send(make_notice())
    assert (failed.value.retry, seen) == (True, [])
    server.close()


async def test_an_expired_certificate_is_refused_though_its_issuer_is_trusted(
    make_notice: MakeNotice, tmp_path: Path
) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1))
        writer.close()

    file = _expired(tmp_path / "old.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    notifier = webhook.build("hook", Config(url=url, secret=SECRET, allow_private=True, ca_file=file))
    with pytest.raises(DeliveryError, match="expired") as failed:
        await notifier.send(make_notice())
    assert (failed.value.retry, seen) == (True, [])
    await notifier.close()
    server.close()


def _expired(file: Path) -> Path:
    """A certificate for this address that ended yesterday, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = SystemClock().utc()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now - timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(*form) + made.public_bytes(serialization.Encoding.PEM))
    return file


async def test_the_proxies_of_the_environment_are_not_asked(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    await make(receiver.url).send(make_notice())
    assert receiver.paths == ["/hooks"]


@pytest.mark.parametrize("url", ["ftp://x.example", "x.example/hooks", "https://", "", "http://[::1", "file:///etc"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url: found"):
        Config(url=url, secret=SECRET)


@pytest.mark.parametrize("secret", ["whsec_====", "whsec_!!!", "", "whsec_ä"])
def test_a_secret_that_cannot_sign_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(BadSecret) as refused:
        webhook.build("hook", Config(url="https://risk.example", secret=secret))
    assert not secret or secret not in str(refused.value)


def test_a_secret_is_needed_and_one_place_for_it() -> None:
    for more in ({}, {"secret": SECRET, "secret_file": Path("x")}):
        with pytest.raises(ValueError, match="secret"):
            Config(url="https://risk.example", **more)


async def test_neither_secret_nor_query_shows_in_errors_or_in_the_look_of_it(
    make: MakeWebhook, make_notice: MakeNotice, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    config = Config(url="http://user:hunter2@127.0.0.1:1/x?key=hunter2", secret_file=path, allow_private=True)
    notifier = webhook.build("hook", config)
    with pytest.raises(DeliveryError) as failed:
        await notifier.send(make_notice())
    shown = f"{config!r} {notifier!r} {failed.value!r} {failed.value.__cause__!r}"
    assert "hunter2" not in shown
    assert SECRET not in shown
    await notifier.close()


async def test_closing_twice_is_harmless(receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice) -> None:
    notifier = make(receiver.url)
    await notifier.send(make_notice())
    await notifier.close()
    await notifier.close()


async def test_a_storm_uses_few_connections(
    receiver: ScriptedServer, make: MakeWebhook, make_notice: MakeNotice
) -> None:
    ports: set[int] = set()

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.Response()

    receiver.answer = answer
    notifier = make(receiver.url)
    for _ in range(10):
        await asyncio.gather(*(notifier.send(make_notice()) for _ in range(8)))
    assert len(receiver.got) == 80
    assert len(ports) <= 10
    for headers, body in receiver.got:
        Webhook(SECRET).verify(body, headers)


def test_the_timestamp_is_the_attempts_wall_time(make_notice: MakeNotice) -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.wall_step = timedelta(hours=1)
    notifier = WebhookNotifier("hook", Config(url="https://risk.example", secret=SECRET), clock)
    headers = notifier._headers("evt_1", json.dumps({}).encode())
    assert int(headers["webhook-timestamp"]) == int(datetime(2026, 1, 1, 1, tzinfo=UTC).timestamp())


class Impatient:
    """A raw server: it answers the first request of each connection and closes at the second one without an answer."""

    def __init__(self) -> None:
        self.requests = 0
        self.connections = 0
        self.answers_first = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for n in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]  # it is there
            await reader.readexactly(length)
            self.requests += 1
            if n or not self.answers_first:
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        writer.close()


async def test_a_connection_closed_while_idle_costs_no_attempt(make: MakeWebhook, make_notice: MakeNotice) -> None:
    peer = Impatient()
    async with await asyncio.start_server(peer.serve, "127.0.0.1", 0) as server:
        hook = make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/h")
        for n in range(3):
            assert (await hook.send(make_notice(id=f"evt_{n}"))).detail == "HTTP 200"
        assert (peer.requests, peer.connections) == (5, 3)


async def test_a_peer_that_always_closes_is_asked_twice_at_most(make: MakeWebhook, make_notice: MakeNotice) -> None:
    peer = Impatient()
    async with await asyncio.start_server(peer.serve, "127.0.0.1", 0) as server:
        hook = make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/h")
        await hook.send(make_notice())
        peer.answers_first = False
        with pytest.raises(DeliveryError) as failed:
            await hook.send(make_notice())
        assert failed.value.fault == "passing"
        assert peer.requests == 3
        with pytest.raises(DeliveryError):
            await hook.send(make_notice())
        assert peer.requests == 4, "a fresh connection that fails is a failure"


async def test_a_batch_holds_the_alerts_as_they_would_have_gone_alone(
    receiver: ScriptedServer, make_notice: MakeNotice
) -> None:
    notifier = WebhookNotifier(
        "hook", Config(url=receiver.url, secret=SECRET, allow_private=True, batch=True), SystemClock()
    )
    some = [make_notice(id=f"evt_{n}") for n in range(3)]
    await notifier.send_batch(some)
    await notifier.send_batch(some)
    await notifier.send_batch(some[:2])
    await notifier.send(some[0])
    await notifier.close()
    (first, body), (again, body_again), (other, _), (_, single) = receiver.got
    shown = Webhook(SECRET).verify(body, first)
    assert shown["type"] == "batch"
    assert shown["data"]["items"] == [json.loads(notice.body()) for notice in some]
    assert (first["webhook-id"], body) == (again["webhook-id"], body_again)
    assert re.fullmatch(r"bat_[a-z2-7]{26}", first["webhook-id"])
    assert other["webhook-id"] != first["webhook-id"]
    assert len(json.loads(single)["data"]["items"]) == 1


def test_batches_keep_the_order_and_the_length_of_a_body(make_notice: MakeNotice) -> None:
    notices = [make_notice(id=f"evt_{n}", reason="x" * (n * 613 % 9000)) for n in range(60)]
    cut = batches(notices)
    assert [n for each in cut for n in each] == notices
    assert max(len(webhook.batch_body(each)) for each in cut) <= 20_000
    assert len(cut) < 25, "bodies are half empty"
    giant = make_notice(id="evt_giant", reason="x" * 30_000)
    assert batches([notices[0], giant, notices[1]]) == [[notices[0]], [giant], [notices[1]]]


class _Ear(asyncio.Protocol):
    """Keeps the bytes of requests as they come, and takes them."""

    got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        type(self).got += data
        if data.endswith(b"hello"):
            assert isinstance(self._transport, asyncio.Transport)
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


@pytest.mark.parametrize("where", ["/a/b?x=1&y=%20#part", "/\u00e4 b", "", "//user:p%40ss@/in"])
async def test_a_request_is_byte_by_byte_what_a_session_of_aiohttp_sends(where: str) -> None:
    """Only the way to it is shorter."""

    class Ear(_Ear):
        pass

    server = await asyncio.get_running_loop().create_server(Ear, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    user, _, path = where.removeprefix("//").rpartition("@") if where.startswith("//") else ("", "", where)
    url = f"http://{user}{'@' if user else ''}{host}{path}"
    headers = {**_http.JSON, "webhook-id": "evt_\u00e4", "x-more": "1"}
    client = _http.Http(_http.Reach(allow_private=True))
    for _ in range(2):
        assert (await client.post(url, b"hello", headers)).status == 204
    await client.close()
    ours, Ear.got = Ear.got, b""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        for _ in range(2):
            async with session.post(url, data=b"hello", headers=headers, allow_redirects=False) as answer:
                assert answer.status == 204
    server.close()
    assert ours == Ear.got
    assert ours.count(b"POST ") == 2


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_header_never_has_a_second_line(receiver: ScriptedServer, value: str) -> None:
    client = _http.Http(_http.Reach(allow_private=True))
    with pytest.raises(ValueError, match="more than one line"):
        await client.post(receiver.url, b"{}", {**_http.JSON, "webhook-id": value})
    assert receiver.got == []
    await client.close()


async def test_a_peer_that_speaks_no_http_may_come_back() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    client = _http.Http(_http.Reach(allow_private=True))
    with pytest.raises(DeliveryError, match="not HTTP") as failed:
        await client.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", b"{}", _http.JSON)
    assert failed.value.fault == "passing"
    await client.close()
    server.close()


async def test_a_notice_as_bytes_is_signed_and_sent_like_the_notice(
    receiver: ScriptedServer, make_notice: MakeNotice
) -> None:
    notice = make_notice()
    body = Body.of(notice)
    assert body.notice == notice
    hook = WebhookNotifier("hook", Config(url=receiver.url, secret=SECRET, allow_private=True), SystemClock())
    await hook.send(notice)
    await hook.send_body(body)
    await hook.close()
    (first, one), (second, other) = receiver.got
    assert one == other == body.content
    assert first["webhook-id"] == second["webhook-id"] == notice.id
    Webhook(SECRET).verify(other, second)
