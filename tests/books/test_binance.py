"""Signed questions (domain section 4.5): the documentation's vectors, the clock, the limits, and faults that are waits."""

import asyncio
import base64
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from monitor.books._binance import (
    ACCOUNT,
    TIME,
    Binance,
    KeyDenied,
    KeyFiles,
    Keys,
    Later,
    check_base_url,
    ed25519_signer,
    hmac_signer,
    signed_query,
)
from monitor.books._weights import VenueCall
from monitor.secret_files import BadSecret
from tests import virtual
from tests.books.venues.server import Answer, Venue

ORDERS = VenueCall("/sapi/v1/loan/vip/ongoing/orders", 400)

# binance-spot-api-docs, rest-api.md, "SIGNED Endpoint Examples for POST /api/v3/order"
DOC_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
DOC_PARAMS = {
    "symbol": "LTCBTC",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1",
    "price": "0.1",
    "recvWindow": "5000",
    "timestamp": "1499827319559",
}
VECTORS = [
    ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    ("\uff11\uff12\uff13\uff14\uff15\uff16", "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
]


@pytest.mark.parametrize(("symbol", "signature"), VECTORS)
def test_the_vectors_of_the_documentation(symbol: str, signature: str) -> None:
    query = signed_query({**DOC_PARAMS, "symbol": symbol}, hmac_signer(DOC_SECRET))
    assert query.endswith(f"&timestamp=1499827319559&signature={signature}")
    assert query.isascii()


def test_an_ed25519_signature_is_base64_that_is_percent_encoded_and_verifies(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for number in range(20):
        params = {"number": str(number)}
        query = signed_query(params, ed25519_signer(pem))
        payload, _, signature = query.partition("&signature=")
        assert not set("+/=") & set(signature)
        (plain,) = parse_qs(query)["signature"]
        key.public_key().verify(base64.b64decode(plain, validate=True), payload.encode())


def test_the_vector_of_rfc_8032_signs_as_the_standard_does() -> None:
    secret = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    pem = Ed25519PrivateKey.from_private_bytes(secret).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    expected = (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert base64.b64decode(ed25519_signer(pem.decode())(bytes.fromhex("af82"))).hex() == expected


@pytest.mark.parametrize("pem", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_a_file_that_is_no_key_is_named_as_such(pem: str) -> None:
    with pytest.raises(BadSecret, match="private_key_file"):
        ed25519_signer(pem)


@pytest.mark.parametrize("url", ["http://api.binance.com", "ftp://127.0.0.1", "api.binance.com", "https://a/path", ""])
def test_a_key_goes_over_https_except_to_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        check_base_url(url)


def test_addresses_that_are_fine() -> None:
    for url in ("https://api.binance.com", "http://127.0.0.1:8000", "http://[::1]:80", "http://localhost:1"):
        check_base_url(url)


def keys(folder: Path, account: str = "1") -> Keys:
    (folder / "key").write_text("the-key\n")
    (folder / "secret").write_text("the-secret\n")
    (folder / "key").chmod(0o600)
    (folder / "secret").chmod(0o600)
    return Keys(account, KeyFiles(api_key_file=folder / "key", secret_file=folder / "secret"))


class Desk:
    """A venue, a client, and the virtual clock of both."""

    def __init__(self, folder: Path) -> None:
        self.clock = virtual.LoopClock()
        self.venue = Venue(self.clock)
        self.venue.on(TIME.path, lambda _: {"serverTime": self.venue.now_ms()})
        self.venue.on(ORDERS.path, lambda _: {"rows": [], "total": 0, "news": {"of": "no kind that we know"}})
        self.venue.on(ACCOUNT.path, lambda _: {"balances": []})
        self.keys = keys(folder)

    def run(self, work: Any) -> None:
        async def main() -> None:
            async with self.venue.serving():
                client = Binance(self.venue.url, self.clock)
                try:
                    await work(client)
                finally:
                    await client.close()

        virtual.run(main())

    async def fails(self, asked: Coroutine[Any, Any, Any], kind: type[Exception] = Later) -> str:
        with pytest.raises(kind) as found:
            await asked
        return str(found.value)


def test_a_question_carries_the_key_the_venues_time_and_its_signature_last(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.venue.clock_offset_ms = -90_000

    async def work(client: Binance) -> None:
        assert (await client.get(ORDERS, desk.keys, {"current": "1"}))["total"] == 0
        (seen,) = desk.venue.asked(ORDERS.path)
        assert seen.key == "the-key"
        payload, _, signature = seen.raw_query.partition("&signature=")
        assert signature == hmac_signer("the-secret")(payload.encode())
        assert abs(int(seen.query["timestamp"]) - desk.venue.now_ms()) < 1_000
        assert seen.query["recvWindow"] == "5000"

    desk.run(work)


def test_a_clock_that_the_venue_refuses_is_read_again_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    bad = Answer(400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."})

    async def work(client: Binance) -> None:
        await client.get(ORDERS, desk.keys)
        desk.venue.clock_offset_ms = 60_000
        desk.venue.fail(ORDERS.path, bad)
        await client.get(ORDERS, desk.keys)
        assert len(desk.venue.asked(TIME.path)) == 2
        assert abs(int(desk.venue.asked(ORDERS.path)[-1].query["timestamp"]) - desk.venue.now_ms()) < 1_000
        desk.venue.fail(ORDERS.path, bad, bad)
        assert "clock" in await desk.fails(client.get(ORDERS, desk.keys))

    desk.run(work)


def test_what_is_a_wait_is_never_an_answer(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    faults = [
        Answer(500, {"code": -1000}),
        Answer(502, b"<html>"),
        Answer(504, b""),
        Answer(200, b'{"rows": [], "tot'),
        Answer(200, b"\xff\xfe"),
        Answer(200, {"rows": []}, is_cut=True),
        Answer(200, {"rows": []}, after_s=20.0),
    ]

    async def work(client: Binance) -> None:
        for fault in faults:
            desk.venue.fail(ORDERS.path, fault)
            words = await desk.fails(client.get(ORDERS, desk.keys))
            assert "the-key" not in words
            assert "the-secret" not in words
        assert (await client.get(ORDERS, desk.keys))["rows"] == []

    desk.run(work)


@pytest.mark.parametrize(("status", "stated", "least_s"), [(429, "30", 30), (429, "", 60), (418, "120", 120)])
def test_a_limit_that_was_passed_is_a_silence_as_long_as_the_venue_asks(
    tmp_path: Path, status: int, stated: str, least_s: float
) -> None:
    desk = Desk(tmp_path)

    async def work(client: Binance) -> None:
        await client.get(ORDERS, desk.keys)
        desk.venue.fail(ORDERS.path, Answer(status, {"code": -1003}, {"Retry-After": stated} if stated else {}))
        assert f"HTTP {status}" in await desk.fails(client.get(ORDERS, desk.keys))
        began_s = desk.clock.monotonic_s()
        await asyncio.gather(client.get(ORDERS, desk.keys), client.get(ACCOUNT, desk.keys))
        orders, account = desk.venue.asked(ORDERS.path)[-1], desk.venue.asked(ACCOUNT.path)[-1]
        assert orders.at_s - began_s >= least_s
        assert (account.at_s - began_s >= least_s) is (status == 418)

    desk.run(work)


def test_a_refusal_says_the_venues_words_and_no_secret(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def work(client: Binance) -> None:
        desk.venue.fail(ORDERS.path, Answer(401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions."}))
        words = await desk.fails(client.get(ORDERS, desk.keys), KeyDenied)
        assert words == f"{ORDERS.path}: HTTP 401, code -2015: Invalid API-key, IP, or permissions."

    desk.run(work)


def test_numbers_are_never_floats_and_ids_keep_all_their_digits(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.venue.on(ORDERS.path, lambda _: b'{"orderId": 756783308056935434, "ltv": 0.1, "far": 1e-30}')

    async def work(client: Binance) -> None:
        found = await client.get(ORDERS, desk.keys)
        assert (str(found["orderId"]), found["ltv"]) == ("756783308056935434", Decimal("0.1"))
        assert isinstance(found["far"], Decimal)

    desk.run(work)


def test_a_redirect_is_not_followed_with_the_key(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def work(client: Binance) -> None:
        desk.venue.fail(ORDERS.path, Answer(302, {}, {"Location": f"{desk.venue.url}{ACCOUNT.path}"}))
        await desk.fails(client.get(ORDERS, desk.keys), KeyDenied)
        assert desk.venue.asked(ACCOUNT.path) == []

    desk.run(work)
