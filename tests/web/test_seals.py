"""Texts that a token with a scope gets in place of cursors and ids: it alone reads them, and they tell nothing."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from monitor.core.schema import read
from monitor.web.seals import LOG, Seals
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.sse import stream
from tests.web.test_admission import ask, bearer

ACME_SCOPE, BETA_SCOPE = (("borrower", "ACME"),), (("borrower", "BETA"),)
TWO = read(
    WebConfig,
    {
        "tokens": [
            {"name": "boss", "role": "admin", "secret": "s-boss"},
            {"name": "acme", "role": "admin", "secret": "s-acme", "scope": {"borrower": "ACME"}},
            {"name": "also", "role": "viewer", "secret": "s-also", "scope": {"borrower": "ACME"}},
            {"name": "beta", "role": "admin", "secret": "s-beta", "scope": {"borrower": "BETA"}},
        ]
    },
)
BOSS, ACME, ALSO, BETA = map(bearer, ("boss", "acme", "also", "beta"))


def seals(key: bytes = b"k" * 32) -> Seals:
    return Seals(key)


def test_a_text_is_read_by_its_scope_in_its_list_with_its_key_alone() -> None:
    text = seals().cursor("1042", ACME_SCOPE, LOG)
    assert seals().read_cursor(text, ACME_SCOPE, LOG) == "1042"
    assert seals().read_cursor(text, BETA_SCOPE, LOG) is None
    assert seals().read_cursor(text, ACME_SCOPE, "/v1/groups") is None
    assert seals(b"x" * 32).read_cursor(text, ACME_SCOPE, LOG) is None
    assert seals().read_name(text, ACME_SCOPE, LOG) is None


@pytest.mark.parametrize("text", ["", "0", "1042", "%%%", "ä" * 20, "A" * 43, "A" * 4000])
def test_other_texts_are_read_as_nothing(text: str) -> None:
    assert seals().read_cursor(text, ACME_SCOPE, LOG) is None
    assert seals().read_name(text, ACME_SCOPE, LOG) is None


def test_no_changed_bit_passes() -> None:
    text = seals().cursor("1042", ACME_SCOPE, LOG)
    for i in range(len(text)):
        other = text[:i] + ("A" if text[i] != "A" else "B") + text[i + 1 :]
        assert seals().read_cursor(other, ACME_SCOPE, LOG) in (None, "1042"), "spare bits of the last letter"
        assert i == len(text) - 1 or seals().read_cursor(other, ACME_SCOPE, LOG) is None


def test_a_text_does_not_tell_how_large_its_number_is_nor_whether_it_moved() -> None:
    small, large = (seals().cursor(number, ACME_SCOPE, LOG) for number in ("1", "123456789012345"))
    assert len(small) == len(large)
    assert seals().cursor("7", ACME_SCOPE, LOG) != seals().cursor("7", ACME_SCOPE, LOG)
    assert seals().name("dlv_7_x", ACME_SCOPE, "d") == seals().name("dlv_7_x", ACME_SCOPE, "d")


@pytest.fixture
async def desk() -> WebDesk:
    """Three alerts of ACME among those of BETA."""
    desk = WebDesk()
    async with serving(desk, TWO) as url, aiohttp.ClientSession(base_url=url) as http:
        for n in range(3):
            for who in ("BETA", "ACME"):
                id_ = f"{who}-{n}"
                stated = line(id_, btc="3.2", labels={"borrower": who})
                assert (await ask(http, "PUT", f"/v1/groups/{id_}", stated, **BOSS))[0] == 201
    return desk


def theirs(desk: WebDesk, borrower: str = "ACME") -> list[str]:
    return [x.alert.id for x in desk.store.log if x.alert.group and x.alert.group.labels["borrower"] == borrower]


async def all_of(http: aiohttp.ClientSession, path: str, who: dict[str, str]) -> list[Any]:
    """Every item of a list, one a page."""
    items, after = [], ""
    for _ in range(50):
        page = (await ask(http, "GET", f"{path}limit=1{after}", **who))[2]
        items += page["items"]
        if page["next"] is None:
            return items
        after = f"&after={page['next']}"
    raise AssertionError(f"{path} never ends")


async def test_every_list_is_paged_by_texts_that_another_scope_cannot_use(desk: WebDesk) -> None:
    async with serving(desk, TWO) as url, aiohttp.ClientSession(base_url=url) as http:
        for path in ("/v1/groups?", "/v1/alerts?", "/v1/deliveries?", "/v1/prices?", "/v1/groups/ACME-1/timeline?"):
            assert len(await all_of(http, path, ACME)) == len((await ask(http, "GET", path, **ACME))[2]["items"]) > 1
            following = (await ask(http, "GET", f"{path}limit=1", **ACME))[2]["next"]
            assert isinstance(following, str)
            assert not following.isdigit()
            assert (await ask(http, "GET", f"{path}after={following}", **ALSO))[0] == 200, "the same scope"
            # The prices go on after a name, and any text is one for the whole desk.
            for who in (BETA,) if path == "/v1/prices?" else (BETA, BOSS):
                assert (await ask(http, "GET", f"{path}after={following}", **who))[0] in (400, 404), path
        assert (await ask(http, "GET", "/v1/alerts?after=1", **ACME))[0] == 400, (
            "a cursor of the desk is none of theirs"
        )


async def test_an_alert_has_no_cursor_and_a_delivery_no_id_of_the_desk(desk: WebDesk) -> None:
    async with serving(desk, TWO) as url, aiohttp.ClientSession(base_url=url) as http:
        items = await all_of(http, "/v1/alerts?", ACME)
        assert [(a["data"]["id"], a["data"]["cursor"]) for a in items] == [(id_, None) for id_ in theirs(desk)]
        assert (await ask(http, "GET", f"/v1/alerts/{theirs(desk)[0]}", **ACME))[2]["data"]["cursor"] is None
        assert (await ask(http, "GET", f"/v1/alerts/{theirs(desk)[0]}", **BOSS))[2]["data"]["cursor"] == 2
        sent = await all_of(http, "/v1/deliveries?", ACME)
        ours = [d for d in desk.store.sent.values() if d.subject.startswith("ACME")]
        assert [d["alert"] for d in sent] == [d.alert for d in ours]
        for shown, known in zip(sent, ours, strict=True):
            assert (shown["cursor"], "dlv_" in shown["id"]) == (None, False)
            assert (await ask(http, "GET", f"/v1/deliveries/{shown['id']}", **ACME))[2]["alert"] == known.alert
            assert (await ask(http, "POST", f"/v1/deliveries/{shown['id']}/retry", **ACME))[0] == 200
            for who, id_ in ((BETA, shown["id"]), (BOSS, shown["id"]), (ACME, known.id)):
                assert (await ask(http, "GET", f"/v1/deliveries/{id_}", **who))[0] == 404
        assert desk.retried == ours
        for who, expected in ((ACME, None), (BOSS, 6)):
            assert (await ask(http, "GET", "/v1/status", **who))[2]["cursor"] == expected


async def test_a_stream_resumes_by_its_own_texts_over_a_restart(desk: WebDesk) -> None:
    """Replayed from the beginning, cut off, and again from `Last-Event-ID` on another server of the same store."""
    async with serving(desk, TWO) as url, aiohttp.ClientSession(base_url=url) as http:
        async with stream(http, "events=alert,status&after=0", **ACME) as reader:
            first = await reader.next("alert")
            assert (first.data["data"]["cursor"], first.id.isdigit()) == (None, False)
            assert (await reader.next("status")).data["cursor"] is None
        async with stream(http, "events=alert", **ACME) as reader:
            started = await _first_id(reader)
    async with serving(desk, TWO) as url, aiohttp.ClientSession(base_url=url) as http:
        for place in ({"query": f"&after={first.id}"}, {"Last-Event-ID": first.id}):
            query, headers = place.pop("query", ""), place
            async with stream(http, f"events=alert{query}", **headers, **ACME) as reader:
                found = [(await reader.next("alert")).data["data"]["id"] for _ in range(2)]
            assert [first.data["data"]["id"], *found] == theirs(desk)
        desk.notice("book.refused", "books/beta.jsonl:3")
        async with stream(http, "events=alert", **ACME, **{"Last-Event-ID": started}) as reader:
            desk.prices({"BTC": "33000"})
            assert (await reader.next("alert")).data["data"]["group"]["id"] == "ACME-0"
        for id_, who in ((first.id, BETA), (first.id, BOSS), ("7", ACME)):
            async with http.get("/v1/stream", headers={**who, "Last-Event-ID": id_}) as answer:
                assert answer.status == 400


async def _first_id(reader: Any) -> str:
    """The text before any event: where a stream began that saw no alert."""
    async for raw in reader.response.content:
        if raw.startswith(b"id: "):
            return str(raw.decode().removeprefix("id: ").strip())
    raise EOFError


async def test_a_history_is_paged_by_texts_too(desk: WebDesk) -> None:
    async with serving(desk, TWO) as url, aiohttp.ClientSession(base_url=url) as http:
        for n, amount in enumerate(("1", "2", "3")):
            body = {"type": "repay", "asset": "USDT", "amount": amount, "id": f"r-{n}"}
            assert (await ask(http, "POST", "/v1/groups/ACME-1/entries", body, **ACME))[0] == 200
        items = await all_of(http, "/v1/groups/ACME-1/history?kind=repayment&", ACME)
        assert [item["amount"] for item in items] == ["1", "2", "3"]
        assert not any(item["cursor"].isdigit() for item in items)
        after = items[0]["cursor"]
        page = (await ask(http, "GET", f"/v1/groups/ACME-1/history?kind=repayment&after={after}", **ACME))[2]["items"]
        assert [item["amount"] for item in page] == ["2", "3"], "an item's cursor is a place as well"


async def test_a_replay_goes_on_by_texts_and_tells_no_cursor_and_no_channel(
    desk: WebDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.web.resources.replay.MOST_ALERTS", 1)
    monkeypatch.setattr("monitor.web.resources.replay.MAX_LIMIT", 1)
    async with serving(desk, TWO) as url, aiohttp.ClientSession(base_url=url) as http:
        asked: dict[str, Any] = {"notifier": "none", "after": 0}
        for _ in range(10):
            status, _, found = await ask(http, "POST", "/v1/deliveries/replay", asked, **ACME)
            assert (status, found["first"], found["last"]) == (200, None, None)
            if found["next"] is None:
                break
            asked = {"notifier": "none", "next": found["next"]}
            assert (await ask(http, "POST", "/v1/deliveries/replay", asked, **BETA))[0] == 400
        assert found["next"] is None
        for wrong in ({"after": 3}, {"after": 0, "up_to": 9}):
            status, _, found = await ask(http, "POST", "/v1/deliveries/replay", {"notifier": "none", **wrong}, **ACME)
            assert status == 422
            assert "no cursors" in found["detail"]
