"""Behind a reverse proxy: who asks, which origin is ours, and where a notice leads."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, cast

import msgspec
import pytest
from aiohttp import ClientSession, web
from multidict import CIMultiDict

from monitor.addresses import check_public_url, networks_of
from monitor.core.schema import Invalid, read
from monitor.web.app import Server
from monitor.web.proxy import client_of, is_https, link_of
from monitor.web_table import TokenConfig, WebConfig
from tests.fakes import alert
from tests.web.desk import WebDesk, serving

SECRET = "abcdefghijklmnopqrstuvwxyz0123456789"
TRUSTED = (ip_network("10.0.0.0/24"), ip_network("127.0.0.1/32"))


class Asked:
    """A request as far as the proxy matters."""

    def __init__(self, remote: str, **headers: str) -> None:
        self.remote = remote
        self.headers = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})


def asked(remote: str, **headers: str) -> web.Request:
    return cast(web.Request, Asked(remote, **headers))


@pytest.mark.parametrize(
    ("remote", "said", "client"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "garbage", "127.0.0.1"),
        ("127.0.0.1", "10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("::ffff:10.0.0.5", "2001:db8::1", "2001:db8::1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
    ],
)
def test_only_a_trusted_proxy_says_who_asks(remote: str, said: str, client: str) -> None:
    assert client_of(asked(remote, X_Forwarded_For=said), TRUSTED) == client


@pytest.mark.parametrize(
    ("remote", "headers", "secure"),
    [
        ("127.0.0.1", {"X_Forwarded_Proto": "https"}, True),
        ("127.0.0.1", {"X_Forwarded_Proto": "http"}, False),
        ("192.0.2.1", {"X_Forwarded_Proto": "https"}, False),
        ("192.0.2.1", {"Origin": "https://risk.desk.example"}, True),
        ("127.0.0.1", {}, False),
    ],
)
def test_a_cookie_is_secure_where_the_browser_speaks_https(remote: str, headers: dict[str, str], secure: bool) -> None:
    assert is_https(asked(remote, **headers), TRUSTED) is secure


def test_a_notice_leads_to_its_page() -> None:
    public = "https://risk.desk.example/monitor/"
    assert link_of(public, alert(subject="G/1 #2")) == "https://risk.desk.example/monitor/#/group/G%2F1%20%232"
    assert link_of(public, alert("price.stale", "BTC")) == "https://risk.desk.example/monitor/#/prices"
    assert link_of(public, alert("delivery.failing", "mail")) == "https://risk.desk.example/monitor/#/prices"
    assert link_of(public, alert("channel.off", "mail")) == "https://risk.desk.example/monitor/#/prices"
    lost = msgspec.structs.replace(alert("delivery.lost", "G-1"), facts={"alert_type": "loan_group.margin_call.opened"})
    assert link_of(public, lost) == "https://risk.desk.example/monitor/#/group/G-1"
    assert link_of(public, alert("fund.exceeded", "fund")) == "https://risk.desk.example/monitor/#/exposure"
    assert link_of(public, alert("book.refused", "main:3")) == "https://risk.desk.example/monitor/#/alerts"


@pytest.mark.parametrize(
    "url",
    [
        "risk.desk.example",
        "ftp://risk.desk.example",
        "https://",
        "https://a@b.example",
        "https://a.example/?x=1",
        "https://a:b",
    ],
)
def test_a_public_url_is_an_address_that_people_can_open(url: str) -> None:
    with pytest.raises(ValueError, match="expected the address that people open"):
        check_public_url(url)
    with pytest.raises(Invalid, match="public_url"):
        read(WebConfig, {"public_url": url}, "web")


def test_trusted_proxies_are_addresses_or_networks() -> None:
    assert networks_of(["10.0.0.0/24", "127.0.0.1", "::1"]) == (
        ip_network("10.0.0.0/24"),
        ip_network("127.0.0.1/32"),
        ip_network("::1/128"),
    )
    with pytest.raises(Invalid, match=r"trusted_proxies: found 'proxy\.example'"):
        read(WebConfig, {"trusted_proxies": ["proxy.example"]}, "web")


WRITES = [
    ({"Origin": "https://risk.desk.example", "Sec-Fetch-Site": "same-origin"}, None, 200),
    (
        {"Host": "risk.desk.example", "Origin": "https://risk.desk.example:8443", "Sec-Fetch-Site": "same-origin"},
        None,
        200,
    ),
    ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, None, 403),
    ({"Origin": "https://evil.example"}, None, 403),
    ({"Origin": "https://risk.desk.example"}, None, 403),
    ({"Origin": "https://risk.desk.example"}, "https://risk.desk.example", 200),
    ({"Origin": "https://risk.desk.example:443"}, "https://risk.desk.example", 200),
    ({"Origin": "https://risk.desk.example:8443"}, "https://risk.desk.example", 403),
    ({"Origin": "http://risk.desk.example"}, "https://risk.desk.example", 403),
    ({"Origin": "https://risk.desk.example", "Sec-Fetch-Site": "same-site"}, "https://risk.desk.example", 403),
]


@pytest.mark.parametrize(("headers", "public_url", "status"), WRITES)
async def test_sign_in_works_behind_a_plain_proxy_and_for_nobody_else(
    headers: dict[str, str], public_url: str | None, status: int
) -> None:
    token = read(TokenConfig, {"name": "ops", "role": "admin", "secret": SECRET})
    config = WebConfig(port=0, tokens=(token,), public_url=public_url)
    async with (
        serving(WebDesk(), config) as base,
        ClientSession() as http,
        http.post(f"{base}/v1/session", json={"token": SECRET}, headers=headers) as answer,
    ):
        assert answer.status == status


@pytest.mark.parametrize(("proxies", "status"), [((), 403), (("127.0.0.1",), 200)])
async def test_only_a_trusted_proxy_says_which_host_was_asked(proxies: tuple[str, ...], status: int) -> None:
    """A reload that names the proxy counts at once."""
    token = read(TokenConfig, {"name": "ops", "role": "admin", "secret": SECRET})
    headers = {"Origin": "https://risk.desk.example", "X-Forwarded-Host": "risk.desk.example"}
    server = Server(WebConfig(port=0, tokens=(token,)), WebDesk().handed_over())
    host, port = await server.start()
    try:
        server.use_proxies(WebConfig(port=0, tokens=(token,), trusted_proxies=proxies))
        async with (
            ClientSession() as http,
            http.post(f"http://{host}:{port}/v1/session", json={"token": SECRET}, headers=headers) as answer,
        ):
            assert answer.status == status
    finally:
        await server.stop()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "risk.desk.example", "Origin": "http://risk.desk.example", "X-Forwarded-Host": "127.0.0.1"},
        {"Host": "risk.desk.example", "Origin": "http://risk.desk.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://risk.desk.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://risk.desk.example"},
    ],
)
async def test_without_tokens_a_rebound_name_changes_nothing(headers: dict[str, str]) -> None:
    """A page whose name was made to lead to the loopback looks like our own to the browser."""
    config = WebConfig(port=0, public_url="https://risk.desk.example")
    async with (
        serving(WebDesk(), config) as base,
        ClientSession() as http,
        http.post(f"{base}/v1/session", json={"token": "x"}, headers=headers) as answer,
    ):
        problem: dict[str, Any] = await answer.json()
    assert answer.status == 403
    assert problem["type"].endswith(("foreign-host", "cross-origin"))
