"""Every path, verb and role, with a scope and without, made of the table of routes: a route without a verdict fails here.

For a token with a scope, what is another's reads like what is not there: same status, same headers, same body.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest

from monitor.core.events.events import ProductsChanged
from monitor.core.rules.settings import FourEyes
from monitor.core.schema import read
from monitor.web.auth import MAY, OPEN
from monitor.web.contract import routes
from monitor.web.site import Endpoint
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import bearer

ROLES = ("viewer", "feeder", "operator", "admin")
WHO = [(role, scope) for role in ROLES for scope in ("", "ACME")]
MATRIX = read(
    WebConfig,
    {
        "tokens": [
            {"name": f"{role}{scope.lower()}", "role": role, "secret": f"s-{role}{scope}"}
            | ({"scope": {"borrower": scope}} if scope else {})
            for role, scope in WHO
        ]
        + [
            {"name": "beta", "role": "admin", "secret": "s-beta", "scope": {"borrower": "BETA"}},
            {"name": "asker", "role": "operator", "secret": "s-asker"},
            {"name": "named", "role": "feeder", "secret": "s-named", "scope": {"borrower": "ACME"}, "prefix": "acme-"},
        ]
    },
)

EVERYBODY = "everybody"
"""The same for all who ask, with a token or without."""
SHARED = "shared"
"""What is no borrower's: rates, prices, feeds, who is on duty."""
LIST = "list"
"""Each sees its own part; the whole desk sees all."""
ONE = "one"
"""One borrower's thing: another's is as one that is not there."""
DESK = "desk"
"""The whole desk's: refused to every scope, whatever is asked."""
PUT = "put"
"""Refused where another has the id: 403, unless a prefix keeps ids apart."""


class Verdict(NamedTuple):
    """Whose a route is. `kind` of the id in its path, a body, and the status for the whole desk and for the owner."""

    whose: str
    of: str = "none"
    body: Any = None
    whole: int = 200
    own: int | None = None
    query: str = ""


PAST = {"until": "2026-03-02T14:00:00Z", "reason": "a test"}
LEVER = {"type": "override", "thresholds": {"margin_call": "0.8"}, **PAST}
VERDICTS: dict[tuple[str, str], Verdict] = {
    ("GET", "/healthz"): Verdict(EVERYBODY),
    ("GET", "/readyz"): Verdict(EVERYBODY),
    ("GET", "/openapi.json"): Verdict(EVERYBODY),
    ("GET", "/asyncapi.json"): Verdict(EVERYBODY),
    ("POST", "/v1/session"): Verdict(EVERYBODY, body={"token": "none"}, whole=401),
    ("GET", "/v1/session"): Verdict(SHARED),
    ("DELETE", "/v1/session"): Verdict(SHARED, whole=204),
    ("GET", "/v1/sign-in/ways"): Verdict(EVERYBODY),
    ("GET", "/v1/sign-in"): Verdict(EVERYBODY, whole=404),
    ("GET", "/v1/sign-in/callback"): Verdict(EVERYBODY, whole=404),
    ("POST", "/v1/sign-in/sign-out"): Verdict(EVERYBODY, body={}, whole=404),
    ("GET", "/v1/groups"): Verdict(LIST),
    ("GET", "/v1/alerts"): Verdict(LIST),
    ("GET", "/v1/deliveries"): Verdict(LIST),
    ("GET", "/v1/silences"): Verdict(LIST),
    ("GET", "/v1/escalations"): Verdict(SHARED),
    ("GET", "/v1/exposure"): Verdict(LIST, query="?by=label.borrower"),
    ("GET", "/v1/stream"): Verdict(SHARED, query="?limit=0", whole=400),
    ("POST", "/v1/stress"): Verdict(LIST, body={"shocks": {"BTC": "-90%"}}),
    ("GET", "/v1/status"): Verdict(SHARED),
    ("GET", "/v1/prices"): Verdict(SHARED),
    ("GET", "/v1/prices/{id}"): Verdict(SHARED, "BTC"),
    ("GET", "/v1/rates"): Verdict(SHARED),
    ("GET", "/v1/rota"): Verdict(SHARED),
    ("GET", "/v1/feeds"): Verdict(SHARED),
    ("GET", "/v1/groups/{id}"): Verdict(ONE, "group"),
    ("DELETE", "/v1/groups/{id}"): Verdict(ONE, "group", whole=204),
    ("POST", "/v1/groups/{id}/entries"): Verdict(
        ONE, "group", {"type": "repay", "asset": "USDT", "amount": "1", "id": "e"}
    ),
    ("POST", "/v1/groups/{id}/what-if"): Verdict(ONE, "group", {}),
    ("GET", "/v1/groups/{id}/calls"): Verdict(ONE, "group"),
    ("POST", "/v1/groups/{id}/calls"): Verdict(
        ONE, "group", {"type": "resolve", "reason": "r", "by": "b", "id": "e"}, whole=409
    ),
    ("GET", "/v1/groups/{id}/statement"): Verdict(ONE, "group", query="?day=2026-03-02"),
    ("GET", "/v1/borrowers/{id}/statement"): Verdict(ONE, "borrower", query="?day=2026-03-02"),
    ("GET", "/v1/groups/{id}/history"): Verdict(ONE, "group", query="?kind=loan"),
    ("GET", "/v1/groups/{id}/ltv"): Verdict(ONE, "group"),
    ("GET", "/v1/groups/{id}/timeline"): Verdict(ONE, "group"),
    ("PUT", "/v1/groups/{id}"): Verdict(PUT, "group"),
    ("GET", "/v1/alerts/{id}"): Verdict(ONE, "alert"),
    ("POST", "/v1/alerts/{id}/ack"): Verdict(ONE, "alert", {}),
    ("DELETE", "/v1/alerts/{id}/ack"): Verdict(ONE, "alert", whole=204),
    ("GET", "/v1/deliveries/{id}"): Verdict(ONE, "delivery"),
    ("POST", "/v1/deliveries/{id}/retry"): Verdict(ONE, "delivery"),
    ("POST", "/v1/deliveries/retry"): Verdict(LIST, body={"notifier": "risk-desk", "state": "pending"}),
    ("POST", "/v1/deliveries/replay"): Verdict(SHARED, body={"notifier": "none", "after": 0}, whole=422, own=200),
    ("POST", "/v1/silences"): Verdict(
        SHARED, body={"match": {"labels": {"borrower": "ACME"}}, **PAST}, query="?preview=true"
    ),
    ("DELETE", "/v1/silences/{id}"): Verdict(ONE, "silence", whole=204),
    ("GET", "/v1/levers"): Verdict(LIST),
    ("POST", "/v1/levers"): Verdict(
        SHARED, body={"lever": LEVER, "select": {"labels": {"borrower": "ACME"}}}, query="?dry_run=true"
    ),
    ("DELETE", "/v1/levers/{id}"): Verdict(ONE, "lever", whole=204),
    ("GET", "/v1/proposals"): Verdict(LIST),
    ("GET", "/v1/proposals/{id}"): Verdict(ONE, "proposal"),
    ("POST", "/v1/proposals/{id}/approve"): Verdict(ONE, "proposal", {}),
    ("POST", "/v1/proposals/{id}/reject"): Verdict(ONE, "proposal", {"reason": "a test"}),
    ("GET", "/v1/audit"): Verdict(DESK),
    ("GET", "/metrics"): Verdict(DESK),
    ("GET", "/v1/fund"): Verdict(DESK, whole=404),
    ("GET", "/v1/books"): Verdict(DESK),
    ("GET", "/v1/shards"): Verdict(DESK),
    ("POST", "/v1/reload"): Verdict(DESK, whole=404),
    ("POST", "/v1/rules/preview"): Verdict(DESK, body={"products": [{"kind": "none", "lines": []}]}, whole=422),
    ("POST", "/v1/import"): Verdict(DESK, whole=404),
    ("POST", "/v1/rates"): Verdict(DESK, body={"product": "vip_loan", "rates": {"USDT": "0.0002"}}),
    ("POST", "/v1/prices/{id}/decisions"): Verdict(DESK, "BTC", {"pin": "10500", **PAST}, 201),
    ("DELETE", "/v1/prices/{id}/decisions"): Verdict(DESK, "BTC", whole=404),
    ("GET", "/v1/channels"): Verdict(DESK),
    ("POST", "/v1/channels/{id}/enable"): Verdict(DESK, whole=404),
    ("POST", "/v1/channels/{id}/disable"): Verdict(DESK, body={"reason": "x"}, whole=404),
    ("POST", "/v1/channels/{id}/test"): Verdict(DESK, whole=404),
    ("GET", "/v1/endpoints"): Verdict(DESK),
    ("POST", "/v1/endpoints"): Verdict(DESK, body={"url": "http://10.0.0.1/x"}, whole=422),
    ("GET", "/v1/endpoints/{id}"): Verdict(DESK, whole=404),
    ("DELETE", "/v1/endpoints/{id}"): Verdict(DESK, whole=404),
    ("POST", "/v1/endpoints/{id}/rotate"): Verdict(DESK, body={}, whole=404),
    ("POST", "/v1/endpoints/{id}/disable"): Verdict(DESK, whole=404),
    ("POST", "/v1/endpoints/{id}/enable"): Verdict(DESK, whole=404),
    ("POST", "/v1/endpoints/{id}/test"): Verdict(DESK, whole=404),
    ("GET", "/v1/endpoints/{id}/deliveries"): Verdict(DESK, whole=404),
}


class Answered(NamedTuple):
    """An answer, without what differs between any two."""

    status: int
    headers: dict[str, str]
    body: str


class Asker:
    """Asks one route of a desk with two borrowers, for each token about what it has, what another has and what is not there."""

    def __init__(self, http: aiohttp.ClientSession, desk: WebDesk, route: Endpoint, verdict: Verdict) -> None:
        self.http = http
        self.desk = desk
        self.route = route
        self.verdict = verdict
        self.ids: dict[str, str] = {}

    async def prepare(self) -> None:
        """A group, its alert, its delivery and a silence for each borrower."""
        for who in ("BETA", "ACME"):
            stated = line(f"G-{who}", btc="3.2", labels={"borrower": who})
            assert (await self.ask(f"/v1/groups/G-{who}", "PUT", stated)).status == 201
            quiet = {"match": {"type": "book.*", "labels": {"borrower": who}}, **PAST}
            assert (await self.ask("/v1/silences", "POST", quiet)).status == 201
        alerts = {x.alert.subject: x.alert.id for x in self.desk.store.log}
        silences = {s.said.match.labels["borrower"]: s.said.id for s in self.desk.risk.silences}
        for who in ("BETA", "ACME"):
            sent = next(d.id for d in self.desk.store.sent.values() if d.subject == f"G-{who}")
            if "levers" in self.route.path or "proposals" in self.route.path:
                self.ids[who] = await self.levered(who)
                continue
            found = {
                "group": f"G-{who}",
                "borrower": who,
                "alert": alerts[f"G-{who}"],
                "silence": silences[who],
                "delivery": sent,
            }
            self.ids[who] = found.get(self.verdict.of, self.verdict.of)

    async def levered(self, who: str) -> str:
        """A lever on the group of a borrower, or a proposal of one by somebody whom no other token belongs to."""
        if self.verdict.of != "lever" and "proposals" in self.route.path:
            self.desk.owners = {token.name: "bo" for token in MATRIX.tokens} | {"asker": "ann"}
            eyes = FourEyes(True, people=("ann", "bo"))
            rules = msgspec.structs.replace(self.desk.risk.rules, four_eyes=eyes)
            self.desk.handle(ProductsChanged(self.desk.clock.now, rules))
        made = await self.ask("/v1/levers", "POST", {"lever": LEVER, "groups": [f"G-{who}"]}, "s-asker")
        assert made.status in (201, 202), made.body
        return str(msgspec.json.decode(made.body)["id"])

    async def ask(self, path: str, method: str, body: Any, token: str = "s-admin") -> Answered:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(method, path, json=body, headers=headers) as r:
            kept = {k: v for k, v in r.headers.items() if k not in ("Date", "Content-Length")}
            return Answered(r.status, kept, await r.text())

    async def about(self, what: str, token: str) -> Answered:
        """The route, about an id; the id itself is taken out of the answer."""
        path = self.route.path.replace("{id}", what) + self.verdict.query
        body = line(what, labels={"borrower": "ACME"}) if self.verdict.whose == PUT else self.verdict.body
        found = await self.ask(path, self.route.method, body, token)
        return found._replace(body=found.body.replace(what, "ID"))

    async def id_for(self, owner: str, token: str) -> str:
        """The id of a borrower's thing, as that token would know it: deliveries have other ids for each scope."""
        if self.verdict.of != "delivery":
            return self.ids[owner]
        async with self.http.get("/v1/deliveries", headers={"Authorization": f"Bearer {token}"}) as r:
            found = [d["id"] for d in (await r.json())["items"] if d["subject"] == f"G-{owner}"]
            return str(found[0])


def named(route: Endpoint) -> str:
    return f"{route.method} {route.path}"


def test_every_route_has_a_verdict_and_nothing_else_has() -> None:
    """What a new path tells which token is decided when it is made."""
    assert {(r.method, r.path) for r in routes()} == VERDICTS.keys()


@pytest.mark.parametrize("route", routes(), ids=named)
async def test_each_role_with_a_scope_and_without_gets_what_is_its_own(route: Endpoint) -> None:
    verdict = VERDICTS[route.method, route.path]
    waiting = list(WHO) if verdict.whose != EVERYBODY else WHO[:1]
    while waiting:
        desk = WebDesk()
        async with serving(desk, MATRIX) as url, aiohttp.ClientSession(base_url=url) as http:
            asker = Asker(http, desk, route, verdict)
            await asker.prepare()
            while waiting:
                who = waiting.pop()
                await check(asker, route, who)
                if may_change(route, who[0]):
                    break  # the next one begins with a desk as it was


def may_change(route: Endpoint, role: str) -> bool:
    """The thing that was asked about may be another now."""
    whose = VERDICTS[route.method, route.path].whose
    return route.method != "GET" and whose in (ONE, PUT) and route.needs in MAY[role]


async def check(asker: Asker, route: Endpoint, who: tuple[str, str]) -> None:
    verdict, (role, scope) = asker.verdict, who
    token = f"s-{role}{scope}"
    if route.needs == OPEN:
        assert (await asker.about("none", "")).status in (verdict.whole, 503)
        return
    assert (await asker.about(asker.ids["BETA"], "")).status == 401
    if route.needs not in MAY[role]:
        told = {await _as_text(asker, id_, token) for id_ in (asker.ids["ACME"], asker.ids["BETA"], "none")}
        assert len(told) == 1, "a role that may not ask learns of no id"
        assert (await asker.about("none", token)).status == 403
    elif verdict.whose == DESK:
        assert (await asker.about(asker.ids["ACME"], token)).status == (403 if scope else verdict.whole)
    elif verdict.whose == ONE and scope:
        await _check_one(asker, token)
    elif verdict.whose == LIST:
        found = await asker.about("none", token)
        assert found.status == 200
        assert "BETA" not in found.body or not scope
        assert scope or "BETA" in found.body or route.method == "POST", "the list has nothing that could be hidden"
    elif verdict.whose == PUT and scope:
        assert [(await asker.about(id_, token)).status for id_ in ("G-BETA", "G-NEW", "G-ACME")] == [403, 201, 200]
    elif verdict.whose in (ONE, PUT):
        assert (await asker.about(await asker.id_for("BETA", token), token)).status == verdict.whole
    else:
        own = verdict.own if scope and verdict.own is not None else verdict.whole
        found = await asker.about(verdict.of, token)
        assert found.status in (own, 503 if own == 200 and "status" in route.path else own)
        assert "BETA" not in found.body or not scope


async def _check_one(asker: Asker, token: str) -> None:
    absent = await asker.about("none", token)
    assert absent.status == 404
    for another in (asker.ids["BETA"], await asker.id_for("BETA", "s-beta"), await asker.id_for("BETA", "s-admin")):
        assert await asker.about(another, token) == absent
    own = await asker.about(await asker.id_for("ACME", token), token)
    assert own.status == asker.verdict.whole
    assert "BETA" not in own.body


async def _as_text(asker: Asker, id_: str, token: str) -> str:
    return str(await asker.about(id_, token))


async def test_with_a_prefix_a_put_tells_of_nobody(desk: WebDesk) -> None:
    """Ids and accounts of others do not begin so: whether they are there or not, the answer is one."""
    async with serving(desk, MATRIX) as url, aiohttp.ClientSession(base_url=url) as http:
        taken = line("G-BETA", labels={"borrower": "BETA"}, collateral={"their-account": {"BTC": "3"}})
        answers = []
        for is_there in (False, True):
            if is_there:
                async with http.put("/v1/groups/G-BETA", json=taken, headers=bearer("admin")) as r:
                    assert r.status == 201
            for id_, more in (
                ("G-BETA", {}),
                ("acme-1", {"collateral": {"their-account": {"BTC": "1"}}, "receiving_account": "acme-in"}),
            ):
                stated = line(id_, labels={"borrower": "ACME"}, **more)
                async with http.put(f"/v1/groups/{id_}", json=stated, headers=bearer("named")) as r:
                    answers.append((r.status, await r.text()))
        assert answers[:2] == answers[2:]
        assert [status for status, _ in answers] == [422] * 4
        assert "begins with 'acme-'" in answers[0][1]
        assert '"where":"collateral.their-account"' in answers[1][1]
        fine = line("acme-1", collateral={"acme-a": {"BTC": "3"}}, receiving_account="acme-in")
        async with http.put("/v1/groups/acme-1", json=fine, headers=bearer("named")) as r:
            assert r.status == 201
        for account, status in (("their-account", 422), ("acme-b", 200)):
            entry = {"type": "attach_account", "account": account, "id": account}
            async with http.post("/v1/groups/acme-1/entries", json=entry, headers=bearer("named")) as r:
                assert r.status == status
