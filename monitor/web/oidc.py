"""Sign-in at a provider of OpenID Connect: the authorization code flow with PKCE, state and nonce.

What a browser must bring back is in a sealed cookie of its own, so nothing is kept here for those who never come back. The
provider's addresses and keys are asked for when they are needed, and kept for an hour.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from joserfc.jwk import Key

from monitor.addresses import origin_of
from monitor.asking import cause_of, polling_session
from monitor.clock import Clock
from monitor.secret_files import read_secret
from monitor.sign_in_table import OidcConfig
from monitor.telemetry import BoundedLog
from monitor.web.http import Rejected
from monitor.web.id_tokens import Expected, Forged, UnknownKey, checked_sign_in, checked_sign_out, keys_of, signed
from monitor.web.people import BadIdentity, Identity, usable_groups, usable_name
from monitor.web.seals import Seals

T = TypeVar("T")

COOKIE = "monitor_sign_in"
LASTS_S = 600.0
"""A person finds a password and a second factor within ten minutes."""
KEPT_S = 3600.0
"""Addresses and keys of the provider are asked for again after an hour."""
NEW_KEYS_S = 30.0
"""A token by an unknown key has the keys asked for again, this often at most: anybody can make up a key."""
REST_S = 5.0
"""A provider that could not be asked is left alone for so long."""
UNAVAILABLE = "the provider cannot be asked now; a token still signs in"
TIMEOUT_S = 10.0
MOST_BYTES = 262_144
AT_ONCE = 8
"""Exchanges with the provider at a time: whoever reaches the port can begin one."""
MOST_SEEN = 10_000
_PLACE = "sign-in"
_CALLBACK = "/v1/sign-in/callback"


class Provider(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct, frozen=True):
    """What the provider gives for a code."""

    id_token: str
    access_token: str = ""


class _Begun(msgspec.Struct, frozen=True, array_like=True):
    """A sign-in that a browser has begun."""

    state: str
    nonce: str
    verifier: str
    until: float


class Begin(NamedTuple):
    """Where a browser goes to sign in, and the cookie that it brings back."""

    url: str
    cookie: str


class _Kept(NamedTuple):
    provider: Provider
    keys: list[Key]
    at_s: float


class Oidc:
    """One provider, for one address of ours."""

    def __init__(self, config: OidcConfig, public_url: str, clock: Clock) -> None:
        """Raises BadSecret."""
        self.config = config
        self.home = public_url.rstrip("/") + "/"
        """The address of the page."""
        self.redirect_uri = public_url.rstrip("/") + _CALLBACK
        self._clock = clock
        self._secret = None if config.client_secret_file is None else read_secret(None, config.client_secret_file)
        self._kept: _Kept | None = None
        self._failed_s = float("-inf")
        self._asking = asyncio.Lock()
        self._exchanges = asyncio.Semaphore(AT_ONCE)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._log = BoundedLog()

    def goes_on_from(self, before: Oidc) -> bool:
        """Takes over what is known of the provider, if it is the same one and knows us by the same name."""
        mine, theirs = self.config, before.config
        if (mine.issuer, mine.client_id) != (theirs.issuer, theirs.client_id):
            return False
        self._kept, self._seen = before._kept, before._seen
        return True

    # -- to the provider --

    async def begin(self, seals: Seals) -> Begin:
        """A new sign-in. Raises Rejected where the provider cannot be asked."""
        provider = (await self._known()).provider
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        begun = _Begun(state, nonce, verifier, self._clock.utc().timestamp() + LASTS_S)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.config.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        cookie = seals.cursor(msgspec.json.encode(begun).decode(), (), _PLACE)
        return Begin(_with_query(provider.authorization_endpoint, asked), cookie)

    def sign_out_url(self) -> str | None:
        """The provider's page of sign-out, which leads back to ours; None where it has none, or was not asked yet."""
        url = None if self._kept is None else self._kept.provider.end_session_endpoint
        if url is None:
            return None
        return _with_query(url, {"client_id": self.config.client_id, "post_logout_redirect_uri": self.home})

    # -- back from the provider --

    async def finish(self, said: Mapping[str, str], cookie: str | None, seals: Seals) -> Identity:
        """Who has signed in. Raises Rejected, with the reason for the person and, in the log, for the desk."""
        begun = self._begun(said, cookie, seals)
        async with self._exchanges:
            known = await self._known()
            try:
                tokens = await self._exchange(known.provider, said["code"], begun)
                claims = await self._signed(tokens.id_token, known)
                subject = checked_sign_in(claims, self._expected(), begun.nonce)
                return await self._identity(claims, subject, tokens, known.provider)
            except (Forged, BadIdentity) as e:
                raise self._refused(str(e)) from None

    def _begun(self, said: Mapping[str, str], cookie: str | None, seals: Seals) -> _Begun:
        """The sign-in that this browser began, as its cookie says. Raises Rejected."""
        text = None if not cookie else seals.read_cursor(cookie, (), _PLACE)
        if text is None:
            raise self._refused("this browser has begun no sign-in; begin again at the monitor's page")
        begun = msgspec.json.decode(text, type=_Begun)
        if not hmac.compare_digest(said.get("state", "").encode("utf-8", "backslashreplace"), begun.state.encode()):
            raise self._refused("the answer belongs to another sign-in (state); begin again")
        if begun.until <= self._clock.utc().timestamp():
            raise self._refused("the sign-in took more than ten minutes; begin again")
        if "iss" in said and said["iss"] != self.config.issuer:
            raise self._refused("the answer is of another provider (iss)")
        if "error" in said:
            more = said.get("error_description", "")[:200]
            raise self._refused(f"the provider says {said['error'][:60]}{': ' + more if more else ''}")
        if not said.get("code"):
            raise self._refused("the provider gave no code")
        return begun

    async def _exchange(self, provider: Provider, code: str, begun: _Begun) -> _Tokens:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        form["code_verifier"] = begun.verifier
        headers = {}
        if self._secret is None:
            form["client_id"] = self.config.client_id
        elif "client_secret_basic" in provider.token_endpoint_auth_methods_supported:
            pair = f"{quote(self.config.client_id, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": self.config.client_id, "client_secret": self._secret}
        return await self._ask(_Tokens, "POST", provider.token_endpoint, data=form, headers=headers)

    async def _signed(self, token: str, known: _Kept) -> dict[str, Any]:
        """The claims of a token. A key that is not known may be a new one. Raises Forged and Rejected."""
        try:
            return signed(token, known.keys)
        except UnknownKey:
            fresh = await self._known(newer_than_s=NEW_KEYS_S)
            if fresh is known:
                raise
            return signed(token, fresh.keys)

    async def _identity(self, claims: Mapping[str, Any], subject: str, tokens: _Tokens, provider: Provider) -> Identity:
        """The person. What the ID token leaves out, the provider is asked for. Raises BadIdentity, Forged, Rejected."""
        wanted = (self.config.name_claim, self.config.groups_claim)
        if any(name not in claims for name in wanted) and provider.userinfo_endpoint and tokens.access_token:
            bearer = {"Authorization": f"Bearer {tokens.access_token}"}
            more = await self._ask(dict[str, Any], "GET", provider.userinfo_endpoint, headers=bearer)
            if more.get("sub") != subject:
                raise Forged("the provider told of another person than it signed (sub)")
            claims = {**more, **claims}
        name, groups = (claims.get(claim) for claim in wanted)
        if self.config.name_claim == "email" and claims.get("email_verified") is False:
            raise BadIdentity("the provider has not verified the address")
        session = claims.get("sid")
        session = session if isinstance(session, str) else ""
        return Identity(usable_name(name), usable_groups(groups), subject, session)

    # -- the provider tells of a sign-out --

    async def signed_out(self, token: str) -> tuple[str, str]:
        """Subject and session that are over, one of which may be empty. Raises Rejected for a word of somebody else."""
        try:
            claims = await self._signed(token, await self._known())
            id_, subject, session = checked_sign_out(claims, self._expected())
            if id_ in self._seen:
                raise Forged("the token was sent before")
        except Forged as e:
            raise self._refused(str(e)) from None
        self._seen[id_] = None
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
        return subject, session

    # -- asking --

    def _expected(self) -> Expected:
        return Expected(self.config.issuer, self.config.client_id, self._clock.utc())

    def _refused(self, why: str) -> Rejected:
        self._log.warning(self._clock.monotonic_s(), "refused", "a sign-in was refused", reason=why)
        return Rejected("forbidden", f"not signed in: {why}")

    async def _known(self, newer_than_s: float = KEPT_S) -> _Kept:
        """The provider's addresses and keys, asked for again where they are older. Raises Rejected."""
        async with self._asking:
            now_s = self._clock.monotonic_s()
            if self._kept is not None and now_s - self._kept.at_s < newer_than_s:
                return self._kept
            if now_s - self._failed_s < REST_S:
                raise Rejected("sign-in-unavailable", UNAVAILABLE, after_s=REST_S)
            self._failed_s = (
                now_s  # until it is known better: those who wait for the same question must not ask it one by one
            )
            issuer = self.config.issuer
            url = issuer.rstrip("/") + "/.well-known/openid-configuration"
            provider = await self._ask(Provider, "GET", url)
            if provider.issuer != issuer:
                raise self._unavailable(url, "it says that it is another issuer; compare the issuer to the letter")
            for each in (provider.authorization_endpoint, provider.token_endpoint, provider.jwks_uri):
                self._check_address(each)
            keys = keys_of(await self._ask(dict[str, Any], "GET", provider.jwks_uri))
            self._kept = _Kept(provider, keys, now_s)
            self._failed_s = float("-inf")
            return self._kept

    def _check_address(self, url: str) -> None:
        """A provider by https stays so at each of its addresses. Raises Rejected."""
        ours, theirs = origin_of(self.config.issuer), origin_of(url)
        if theirs is None or (ours is not None and ours[0] == "https" and theirs[0] != "https"):
            raise self._unavailable(url, "it is no https address")

    async def _ask(self, kind: type[T], method: str, url: str, **more: Any) -> T:
        """One question to the provider. Raises Rejected, without anything of the answer in it: it may hold a token.

        Raises Forged where the provider refuses what is posted."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **more.pop("headers", {})}
        tls: ssl.SSLContext | bool = True
        if self.config.ca_file is not None:
            tls = await asyncio.to_thread(ssl.create_default_context, cafile=str(self.config.ca_file))
        try:
            async with (
                polling_session(MOST_BYTES, TIMEOUT_S, allow_private=True) as http,
                http.request(method, url, headers=headers, allow_redirects=False, ssl=tls, **more) as answer,
            ):
                body = await answer.content.read(MOST_BYTES + 1)
                while (part := await answer.content.read(MOST_BYTES + 1)) and len(body) <= MOST_BYTES:
                    body += part
                if method == "POST" and answer.status in (400, 401, 403):
                    raise Forged(
                        f"the provider does not take the code, or not from this program (HTTP {answer.status})"
                    )
                if answer.status != 200:
                    raise self._unavailable(url, f"HTTP {answer.status}")
                return msgspec.json.decode(body, type=kind)
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise self._unavailable(url, "no answer in time" if isinstance(e, TimeoutError) else cause_of(e)) from None
        except msgspec.MsgspecError:
            raise self._unavailable(url, "its answer is not what OpenID Connect says") from None

    def _unavailable(self, url: str, why: str) -> Rejected:
        address = url.partition("?")[0]
        self._log.warning(
            self._clock.monotonic_s(), address, "the provider cannot be used", address=address, reason=why
        )
        return Rejected("sign-in-unavailable", UNAVAILABLE, after_s=REST_S)


def _with_query(url: str, values: Mapping[str, str]) -> str:
    """An address, which may have a query already, with more of it."""
    return url + ("&" if "?" in url else "?") + urlencode(values)
