"""A body where none is taken is refused if it says something: nothing that a caller says is silently ignored."""

from __future__ import annotations

import aiohttp
import pytest

from monitor.web.contract import document, routes
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask, bearer
from tests.web.test_borrowers import TOKENS

TAKES_NONE = [r for r in routes() if r.body is None and r.path != "/v1/stream"]


async def test_every_path_without_a_body_refuses_one_that_says_something() -> None:
    async with serving(WebDesk(), TOKENS) as url, aiohttp.ClientSession(base_url=url) as http:
        for route in TAKES_NONE:
            path = route.path.replace("{id}", "X-1")
            status, _, answer = await ask(http, route.method, path, {"confirm": True}, **bearer("boss"))
            assert (status, "takes none" in answer["detail"]) == (400, True), (route.method, path, answer)
            async with http.request(route.method, path, data=b"confirm=true", headers=bearer("boss")) as refused:
                assert refused.status == 400, (route.method, path)


@pytest.mark.parametrize("body", [b"", b"{}", b" null\n"])
async def test_a_body_that_says_nothing_is_none(body: bytes) -> None:
    async with (
        serving(WebDesk(), TOKENS) as url,
        aiohttp.ClientSession(base_url=url) as http,
        http.post("/v1/reload", data=body, headers=bearer("boss")) as answer,
    ):
        assert answer.status == 404, await answer.text()


async def test_a_confirmation_in_the_body_of_a_reload_names_the_query() -> None:
    async with serving(WebDesk(), TOKENS) as url, aiohttp.ClientSession(base_url=url) as http:
        status, _, answer = await ask(http, "POST", "/v1/reload", {"confirm": True}, **bearer("boss"))
        assert status == 400
        assert answer["detail"].endswith("leave it out; the query takes dry_run, confirm")
        async with http.post("/v1/reload", data=b" " * 1_100_000, headers=bearer("boss")) as large:
            assert (large.status, (await large.json())["detail"].startswith("this takes no body")) == (400, True)
    operation = document(routes())["paths"]["/v1/reload"]["post"]
    assert "It takes no body: one that says something is refused (400)." in operation["description"]
    assert "400" in operation["responses"]
