"""People sign in at a real provider on loopback; each forgery is refused, and their groups say what they may do."""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import msgspec
import pytest
from joserfc.jwk import OctKey
from yarl import URL

from monitor.config import Named
from monitor.core.schema import Invalid, read
from monitor.daemon.wiring import unusable
from monitor.web import oidc
from monitor.web.app import Server
from monitor.web.auth import Tokens
from monitor.web.id_tokens import keys_of
from monitor.web.sessions import COOKIE, CSRF_HEADER
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk
from tests.web.provider import CLIENT, CLIENT_SECRET, Provider, elliptic, providing, rsa, signed
from tests.web.proxies import free_port
from tests.web.sse import stream
from tests.web.test_admission import ask

SECRET = "abcdefghijklmnopqrstuvwxyz0123456789"
OPS = {"Authorization": f"Bearer {SECRET}"}
GROUPS = [
    {"name": "risk-admins", "role": "admin"},
    {"name": "risk-desk", "role": "operator"},
    {"name": "acme", "role": "viewer", "scope": {"borrower": "ACME"}},
]
CALLBACK = "/v1/sign-in/callback"


class Desk:
    """A server with a provider, and browsers before it."""

    def __init__(self, server: Server, provider: Provider, web_desk: WebDesk, config: WebConfig) -> None:
        self.server, self.provider, self.desk, self.config = server, provider, web_desk, config
        self.url = str(config.public_url)

    def browser(self) -> aiohttp.ClientSession:
        """Keeps cookies, also of an address without a name."""
        return aiohttp.ClientSession(base_url=self.url, cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def back(self, http: aiohttp.ClientSession) -> str:
        """Goes to the provider; the address by which it sends the browser back."""
        async with http.get("/v1/sign-in", allow_redirects=False) as there:
            assert there.status == 303, await there.text()
            url = there.headers["Location"]
        async with aiohttp.ClientSession() as elsewhere, elsewhere.get(url, allow_redirects=False) as back:
            return back.headers["Location"]

    async def sign_in(self, http: aiohttp.ClientSession, back: str | None = None) -> tuple[int, str]:
        """The whole way; the status of its end and its words."""
        back = back or await self.back(http)
        async with http.get(URL(back, encoded=True), allow_redirects=False, headers={"Accept": "text/html"}) as end:
            return end.status, await end.text()

    def reload(self, **oidc_table: Any) -> None:
        """Takes another table over, as a reload does."""
        table = {**oidc_table_of(self.provider), **oidc_table}
        self.server.use_proxies(msgspec.structs.replace(self.config, oidc=read_web(self.url, table).oidc))


def oidc_table_of(provider: Provider) -> dict[str, Any]:
    return {"issuer": provider.issuer, "client_id": CLIENT, "groups": GROUPS, "client_secret_file": "client"}


def read_web(url: str, table: dict[str, Any] | None, folder: Path | None = None) -> WebConfig:
    tokens = [{"name": "ops", "role": "admin", "secret": SECRET}]
    stated = {"tokens": tokens, "public_url": url, "port": urlsplit(url).port or 0}
    config: WebConfig = read(
        WebConfig, {**stated, **({} if table is None else {"oidc": table})}, "web", folder or FOLDER[0]
    )
    return config


FOLDER = [Path(".")]


@asynccontextmanager
async def desk_before(provider: Provider, folder: Path) -> AsyncIterator[Desk]:
    """The monitor, whose people sign in at this provider."""
    (folder / "client").write_text(CLIENT_SECRET)
    (folder / "client").chmod(0o600)
    FOLDER[0] = folder
    config = read_web(f"http://127.0.0.1:{free_port()}", oidc_table_of(provider))
    server = Server(config, provider.desk.handed_over())
    await server.start()
    try:
        yield Desk(server, provider, provider.desk, config)
    finally:
        await server.stop()


@pytest.fixture
async def at(desk: WebDesk, tmp_path: Path) -> AsyncIterator[Desk]:
    async with providing(desk) as provider, desk_before(provider, tmp_path) as at:
        yield at


@asynccontextmanager
async def signed_in(at: Desk) -> AsyncIterator[aiohttp.ClientSession]:
    async with at.browser() as http:
        assert (await at.sign_in(http))[0] == 303
        yield http


async def test_a_person_signs_in_acts_under_their_name_and_signs_out(at: Desk) -> None:
    async with at.browser() as http:
        assert (await ask(http, "GET", "/v1/sign-in/ways"))[2] == {
            "token": True,
            "provider": "Sign in with your desk account",
        }
        back = await at.back(http)
        (asked,) = at.provider.asked
        assert asked["scope"] == "openid profile email"
        assert asked["redirect_uri"] == at.url + CALLBACK
        assert len(asked["state"]) == len(asked["nonce"]) == len(asked["code_challenge"]) == 43
        async with http.get(URL(back, encoded=True), allow_redirects=False) as end:
            assert (end.status, end.headers["Location"]) == (303, at.url + "/")
            cookie = end.cookies[COOKIE]
            assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
            assert not end.cookies[oidc.COOKIE].value, "the sign-in that was begun is used up"
        who = (await ask(http, "GET", "/v1/session"))[2]
        assert (who["name"], who["role"], who["cookie"]) == ("sso:anna@desk.example", "operator", True)
        out = urlsplit(who["sign_out_url"])
        assert who["sign_out_url"].startswith(at.provider.issuer + "/out?")
        assert parse_qs(out.query) == {"client_id": [CLIENT], "post_logout_redirect_uri": [at.url + "/"]}

        body = {"match": {"type": "price.*"}, "until": "2026-03-02T14:00:00Z", "reason": "x"}
        assert (await ask(http, "POST", "/v1/silences", body))[0] == 403, "a page elsewhere makes a browser send that"
        assert (await ask(http, "POST", "/v1/silences", body, **{CSRF_HEADER: "monitor"}))[0] == 201
        assert [s.by for s in at.desk.risk.silences] == ["sso:anna@desk.example"]
        assert (await ask(http, "GET", "/v1/audit"))[0] == 403, "an operator is no admin"

        assert (await ask(http, "DELETE", "/v1/session", None, **{CSRF_HEADER: "monitor"}))[0] == 204
        assert (await ask(http, "GET", "/v1/session"))[0] == 401


Claims = dict[str, Any]


def but(**more: Any) -> Callable[[Provider], None]:
    """The provider states other claims; None leaves one out."""

    def forge(provider: Provider) -> None:
        provider.forge = lambda claims: {k: v for k, v in {**claims, **more}.items() if v is not None}

    return forge


def later(name: str, seconds: int) -> Callable[[Provider], None]:
    def forge(provider: Provider) -> None:
        now_s = int(provider.desk.clock.now.timestamp())
        provider.forge = lambda claims: {**claims, name: now_s + seconds}

    return forge


def by(sign: Callable[[Claims], str]) -> Callable[[Provider], None]:
    def forge(provider: Provider) -> None:
        provider.sign = sign

    return forge


def unsigned(claims: Claims) -> str:
    """As `alg: none` of RFC 7519."""
    head, body, _ = signed(claims, rsa("k1")).split(".")
    return ".".join([encoded(b'{"alg":"none"}'), body, ""])


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def changed(claims: Claims) -> str:
    """Signed, and changed afterwards."""
    head, _, seal = signed(claims, rsa("k1")).split(".")
    return ".".join([head, encoded(msgspec.json.encode({**claims, "groups": ["risk-admins"]})), seal])


def by_shared_secret(claims: Claims) -> str:
    return signed(claims, OctKey.import_key(CLIENT_SECRET, {"kid": "k1"}), "HS256")


def by_public_key_as_secret(claims: Claims) -> str:
    """Everybody knows the public key; a program that takes any algorithm would take it as a shared secret."""
    head = encoded(msgspec.json.encode({"alg": "HS256", "kid": "k1"}))
    said = f"{head}.{encoded(msgspec.json.encode(claims))}"
    seal = hmac.digest(rsa("k1").as_pem(private=False), said.encode(), "sha256")
    return f"{said}.{encoded(seal)}"


FORGERIES = {
    "another issuer": (but(iss="https://evil.example"), "iss"),
    "for another program": (but(aud="other"), "aud"),
    "for several, and not given to us": (but(aud=[CLIENT, "other"]), "azp"),
    "given to another program": (but(azp="other"), "azp"),
    "no audience": (but(aud=None), "aud"),
    "run out": (later("exp", -61), "run out"),
    "without an end": (but(exp=None), "'exp'"),
    "an end that is no number": (but(exp=True), "'exp'"),
    "of a later time": (later("iat", 61), "later time"),
    "not yet": (later("nbf", 61), "later time"),
    "another nonce": (but(nonce="x"), "nonce"),
    "no nonce": (but(nonce=None), "nonce"),
    "nobody": (but(sub=None), "sub"),
    "no name": (but(email=""), "no name"),
    "a name of two lines": (but(email="anna\nroot"), "printed"),
    "an address that nobody verified": (but(email_verified=False), "verified"),
    "groups that are none": (but(groups={"risk-admins": True}), "groups"),
    "unsigned": (by(unsigned), "'none'"),
    "changed afterwards": (by(changed), "no key"),
    "by a shared secret": (by(by_shared_secret), "'HS256'"),
    "by the public key as a secret": (by(by_public_key_as_secret), "'HS256'"),
    "by another key": (by(lambda claims: signed(claims, rsa("k2"))), "no key"),
    "by another key under the same name": (by(lambda claims: signed(claims, rsa("k2"), kid="k1")), "no key"),
    "by a key that it brings along": (
        by(lambda claims: signed(claims, rsa("k2"), kid=None, jwk=rsa("k2").as_dict(private=False))),
        "no key",
    ),
    "by another algorithm than the key is for": (by(lambda claims: signed(claims, elliptic("k1"), "ES256")), "no key"),
    "no token": (by(lambda _: "not.a.token"), "cannot be read"),
    "claims that are none": (by(lambda _: signed([], rsa("k1"))), "no claims"),  # type: ignore[arg-type]
    "endless": (by(lambda claims: signed({**claims, "x": "y" * 70_000}, rsa("k1"))), "longer"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_no_forged_token_signs_anybody_in(at: Desk, forgery: str) -> None:
    forge, word = FORGERIES[forgery]
    forge(at.provider)
    async with at.browser() as http:
        status, words = await at.sign_in(http)
        assert status == 403, words
        assert word in words.replace("&#x27;", "'"), words
        assert (await ask(http, "GET", "/v1/session"))[0] == 401
    assert not at.server.site.sessions._open


async def test_a_header_of_a_provider_may_hold_more_but_nothing_critical_that_is_unknown(at: Desk) -> None:
    at.provider.sign = lambda claims: signed(claims, rsa("k1"), x5t="abc", theirs="x" * 3000)
    async with signed_in(at):
        pass
    at.provider.sign = lambda claims: signed(claims, rsa("k1"), crit=["theirs"], theirs=1)
    async with at.browser() as http:
        assert (await at.sign_in(http))[0] == 403


async def test_clocks_may_differ_by_a_minute(at: Desk) -> None:
    for forge in (later("exp", -59), later("iat", 59), later("nbf", 59)):
        forge(at.provider)
        async with signed_in(at) as http:
            assert (await ask(http, "GET", "/v1/session"))[0] == 200


async def test_the_answer_counts_in_the_browser_that_began_and_once(at: Desk) -> None:
    async with at.browser() as mine, at.browser() as other, at.browser() as fresh:
        back = await at.back(mine)
        theirs = await at.back(other)
        for browser, url in ((fresh, back), (other, back), (mine, theirs)):
            status, words = await at.sign_in(browser, url)
            assert status == 403, words
        assert at.provider.count.get("/realm/token", 0) == 0, "no code was sent on"
        back = await at.back(mine)
        cookie = mine.cookie_jar.filter_cookies(URL(at.url))[oidc.COOKIE].value
        assert (await at.sign_in(mine, back))[0] == 303
        async with at.browser() as thief:
            thief.cookie_jar.update_cookies({oidc.COOKIE: cookie}, URL(at.url))
            status, words = await at.sign_in(thief, back)
            assert status == 403, "the provider takes a code once"
            assert "does not take the code" in words


async def test_a_code_of_another_sign_in_is_refused_by_its_proof(at: Desk) -> None:
    """Somebody pastes a code of their own into the sign-in of another: PKCE and nonce belong to the first."""
    async with at.browser() as mine, at.browser() as attacker:
        code = parse_qs(urlsplit(await at.back(attacker)).query)["code"][0]
        parts = urlsplit(await at.back(mine))
        said = {k: v[0] for k, v in parse_qs(parts.query).items()} | {"code": code}
        status, words = await at.sign_in(mine, f"{at.url}{CALLBACK}?{urlencode(said)}")
        assert (status, "does not take the code" in words) == (403, True)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"error": "access_denied", "error_description": "<b>no</b>"}, "access_denied: &lt;b&gt;no"),
        ({"iss": "https://evil.example"}, "another provider"),
        ({"code": ""}, "no code"),
        ({"state": ""}, "another sign-in"),
        ({"state": "ü"}, "another sign-in"),
    ],
)
async def test_what_the_browser_brings_back_is_looked_at(at: Desk, said: dict[str, str], word: str) -> None:
    async with at.browser() as http:
        parts = urlsplit(await at.back(http))
        query = {k: v[0] for k, v in parse_qs(parts.query).items()} | said
        status, words = await at.sign_in(http, f"{at.url}{CALLBACK}?{urlencode(query)}")
        assert (status, word in words) == (403, True), words


async def test_a_person_is_told_on_a_page_and_a_program_as_elsewhere(at: Desk) -> None:
    async with at.browser() as http:
        for accept, media in (("text/html,*/*", "text/html"), ("*/*", "application/problem+json")):
            async with http.get(CALLBACK, headers={"Accept": accept}) as answer:
                assert (answer.status, answer.content_type) == (403, media)
                assert "begun no sign-in" in await answer.text()


async def test_a_sign_in_that_takes_too_long_begins_again(at: Desk) -> None:
    async with at.browser() as http:
        back = await at.back(http)
        at.desk.clock.now += timedelta(seconds=oidc.LASTS_S)
        status, words = await at.sign_in(http, back)
        assert (status, "ten minutes" in words) == (403, True)


async def test_groups_say_what_a_person_may_do_and_see(at: Desk) -> None:
    async with aiohttp.ClientSession(base_url=at.url, headers=OPS) as ops:
        for id_, borrower in (("G-1", "ACME"), ("G-2", "OTHER")):
            assert (await ask(ops, "PUT", f"/v1/groups/{id_}", line(id_, labels={"borrower": borrower})))[0] == 201
    for groups, role, seen in (
        (["x", "acme", "risk-desk"], "operator", ["G-1", "G-2"]),
        (["acme"], "viewer", ["G-1"]),
        ("risk-admins", "admin", ["G-1", "G-2"]),
    ):
        at.provider.person["groups"] = groups
        async with signed_in(at) as http:
            assert (await ask(http, "GET", "/v1/session"))[2]["role"] == role
            assert [row["id"] for row in (await ask(http, "GET", "/v1/groups"))[2]["items"]] == seen
    for groups in ([], ["Risk-Desk"], None):
        at.provider.person["groups"] = groups
        at.provider.told = {"sub": "u-1"}
        async with at.browser() as http:
            status, words = await at.sign_in(http)
            assert (status, "anna@desk.example is in no group" in words) == (403, True)


async def test_what_the_token_leaves_out_is_asked_for_about_the_same_person(at: Desk) -> None:
    del at.provider.person["groups"], at.provider.person["email"]
    at.provider.told = {"sub": "u-1", "email": "anna@desk.example", "groups": ["risk-desk"]}
    async with signed_in(at) as http:
        assert (await ask(http, "GET", "/v1/session"))[2]["name"] == "sso:anna@desk.example"
    at.provider.told["sub"] = "u-2"
    async with at.browser() as http:
        status, words = await at.sign_in(http)
        assert (status, "another person" in words) == (403, True)


async def test_a_reload_counts_at_once(at: Desk) -> None:
    async with signed_in(at) as http:
        async with stream(http) as reader:
            await reader.next()
            at.reload(groups=[{"name": "risk-desk", "role": "viewer"}])
            assert (await ask(http, "GET", "/v1/session"))[2]["role"] == "viewer"
            assert not at.server.site.hub.clients or all(c.is_over for c in at.server.site.hub.clients)
        at.reload(groups=[{"name": "others", "role": "viewer"}])
        assert (await ask(http, "GET", "/v1/session"))[0] == 401
        at.reload()
        assert (await ask(http, "GET", "/v1/session"))[0] == 401, "what was signed out stays so"
    async with signed_in(at) as http:
        at.reload(client_id="another")
        at.reload()
        assert (await ask(http, "GET", "/v1/session"))[0] == 401, "a session is of the provider that made it"


async def test_another_secret_in_the_file_counts_after_a_reload(at: Desk) -> None:
    async with signed_in(at) as http:
        file = FOLDER[0] / "client"
        file.write_text("another secret")
        at.reload()
        out = (await ask(http, "GET", "/v1/session"))[2]["sign_out_url"]
        assert out is not None, "what is known of the provider stays"
        async with at.browser() as other:
            status, words = await at.sign_in(other)
            assert (status, "does not take the code" in words) == (403, True)
        file.unlink()
        at.reload()
        assert (await ask(http, "GET", "/v1/session"))[0] == 200, "a secret that is gone ends nothing"
        file.write_text(CLIENT_SECRET)
        at.reload()
    async with signed_in(at):
        pass


async def test_other_tokens_end_no_session_of_a_person(at: Desk) -> None:
    async with signed_in(at) as http, stream(http) as reader:
        await reader.next()
        tokens = read_web(at.url, None).tokens
        at.server.use_tokens(Tokens([msgspec.structs.replace(tokens[0], secret="another-secret-of-the-tests")]))
        assert not [c for c in at.server.site.hub.clients if c.is_over]
        assert (await ask(http, "GET", "/v1/session"))[0] == 200


async def told_out(at: Desk, token: str) -> int:
    async with (
        aiohttp.ClientSession() as provider,
        provider.post(at.url + "/v1/sign-in/sign-out", data={"logout_token": token}) as r,
    ):
        return r.status


async def test_the_provider_ends_one_session_or_all_of_a_person(at: Desk) -> None:
    async with signed_in(at) as first:
        at.provider.person["sid"] = "s-2"
        async with signed_in(at) as second, stream(second) as reader:
            await reader.next()
            token = at.provider.logout_token(sid="s-1", sub=None)
            assert await told_out(at, token) == 200
            assert (await ask(first, "GET", "/v1/session"))[0] == 401
            assert (await ask(second, "GET", "/v1/session"))[0] == 200
            assert await told_out(at, token) == 400, "a word counts once"
            assert await told_out(at, at.provider.logout_token(sid=None, sub="u-2")) == 200
            assert (await ask(second, "GET", "/v1/session"))[0] == 200, "that was somebody else"
            assert await told_out(at, at.provider.logout_token(sid=None)) == 200
            assert (await ask(second, "GET", "/v1/session"))[0] == 401
            assert all(c.is_over for c in at.server.site.hub.clients)


LOGOUT_FORGERIES: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "for another program": {"aud": "other"},
    "run out": {"exp": 1},
    "old": {"iat": 1},
    "no time": {"iat": None},
    "a token of a sign-in": {"nonce": "x"},
    "no sign-out": {"events": {}},
    "an event that is none": {"events": {"http://schemas.openid.net/event/backchannel-logout": "x"}},
    "no id of its own": {"jti": None},
    "nobody's": {"sub": None, "sid": None},
    "a session that is no text": {"sid": 7},
}


@pytest.mark.parametrize("forgery", LOGOUT_FORGERIES)
async def test_no_forged_word_signs_anybody_out(at: Desk, forgery: str) -> None:
    async with signed_in(at) as http:
        assert await told_out(at, at.provider.logout_token(**LOGOUT_FORGERIES[forgery])) == 400
        at.provider.sign = lambda claims: signed(claims, rsa("k2"), kid="k1")
        assert await told_out(at, at.provider.logout_token()) == 400
        assert await told_out(at, "x") == 400
        assert (await ask(http, "GET", "/v1/session"))[0] == 200


async def test_a_new_key_of_the_provider_is_found_and_made_up_ones_ask_it_seldom(at: Desk) -> None:
    async with signed_in(at):
        pass
    at.provider.keys = [rsa("k2"), elliptic("e1")]
    asked = at.provider.count["/realm/keys"]
    async with at.browser() as http:
        assert (await at.sign_in(http))[0] == 403, "within half a minute the keys are not asked for again"
    assert at.provider.count["/realm/keys"] == asked
    at.desk.clock.now += timedelta(seconds=oidc.NEW_KEYS_S)
    async with signed_in(at):
        pass
    at.provider.sign = lambda claims: signed(claims, elliptic("e1"), "ES256")
    async with signed_in(at):
        pass
    assert at.provider.count["/realm/keys"] == asked + 1


async def test_a_provider_that_is_down_leaves_the_tokens_and_is_asked_seldom(at: Desk) -> None:
    at.provider.is_down = True
    async with at.browser() as http:
        for _ in range(5):
            status, headers, problem = await ask(http, "GET", "/v1/sign-in")
            assert (status, problem["type"]) == (503, "urn:loan-monitor:sign-in-unavailable")
            assert int(headers["Retry-After"]) >= 1
        assert sum(at.provider.count.values()) == 1
        assert (await ask(http, "POST", "/v1/session", {"token": SECRET}))[0] == 200
        at.provider.is_down = False
        at.desk.clock.now += timedelta(seconds=oidc.REST_S)
        assert (await at.sign_in(http))[0] == 303


@pytest.mark.parametrize(
    "stated", [{"issuer": "https://evil.example"}, {"jwks_uri": "file:///etc/passwd"}, {"token_endpoint": 7}]
)
async def test_a_provider_that_is_another_one_is_not_used(at: Desk, stated: dict[str, Any]) -> None:
    at.provider.stated = stated
    async with at.browser() as http:
        assert (await ask(http, "GET", "/v1/sign-in"))[0] == 503


async def test_guesses_at_the_way_back_are_counted(at: Desk) -> None:
    async with at.browser() as http:
        found = {(await at.sign_in(http, f"{at.url}{CALLBACK}?code=x&state=y"))[0] for _ in range(25)}
    assert found == {403, 429}


async def test_without_a_provider_there_is_nothing_to_sign_in_at(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    assert (await ask(http, "GET", "/v1/sign-in"))[0] == 404
    assert (await ask(http, "GET", "/v1/sign-in/ways"))[2] == {"token": False, "provider": None}


def test_keys_that_cannot_sign_are_left_out() -> None:
    good = rsa("k1").as_dict(private=False)
    rows = [good, {**good, "use": "enc"}, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "RSA"}, "x", {"kty": "new"}]
    assert [key.kid for key in keys_of({"keys": rows})] == ["k1"]
    assert keys_of([]) == keys_of({"keys": "x"}) == []


OIDC = {"issuer": "https://id.desk.example", "client_id": "m", "groups": GROUPS}


@pytest.mark.parametrize(
    ("table", "word"),
    [
        (OIDC | {"issuer": "http://id.desk.example"}, "https://"),
        (OIDC | {"issuer": "id.desk.example"}, "issuer"),
        (OIDC | {"groups": []}, "nobody may do anything"),
        (OIDC | {"groups": [{"name": "x", "role": "root"}]}, "role"),
        (OIDC | {"scopes": ["email"]}, "openid"),
        (OIDC | {"client_id": " "}, "client_id"),
        (OIDC | {"label": ""}, "label"),
        (OIDC | {"ca_file": "none.pem"}, "ca_file"),
    ],
)
def test_a_table_that_could_not_work_is_refused(table: dict[str, Any], word: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=word):
        read_web("https://risk.desk.example", table, tmp_path)


def test_tokens_and_the_address_of_the_page_belong_to_it() -> None:
    """Without tokens everybody is admin: then a sign-in would protect nothing."""
    with pytest.raises(Invalid, match="needs a token"):
        read(WebConfig, {"public_url": "https://risk.desk.example", "oidc": OIDC})
    with pytest.raises(Invalid, match="public_url"):
        read(WebConfig, {"tokens": [{"name": "ops", "role": "admin", "secret": SECRET}], "oidc": OIDC})


def test_a_secret_that_is_not_there_is_named_by_its_place(tmp_path: Path) -> None:
    config = read_web("https://risk.desk.example", OIDC | {"client_secret_file": "none"}, tmp_path)
    (problem,) = unusable(tmp_path / "monitor.toml", Named(secrets=config.secrets))
    assert "web.oidc.client_secret_file" in problem
    assert "none" in problem
