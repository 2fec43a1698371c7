"""A preview of rules: what is wrong with them is said by its place, and nothing of the book changes."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.book_lines import line
from tests.faults.house import PRODUCT
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

GOOD = {"kind": "vip_loan", "lines": PRODUCT.format(initial="0.1", margin_call="0.2", grace="24h").splitlines()}


async def previewed(http: aiohttp.ClientSession, **body: Any) -> tuple[int, Any]:
    status, _, found = await ask(http, "POST", "/v1/rules/preview", body)
    return status, found


async def test_a_preview_names_what_would_change(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    """BTC costs 40,000: the group owes a quarter of what it holds."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    status, found = await previewed(
        http, products=[GOOD], lifecycle={"clear_hold": "1m", "reopen": "0s", "tell_deadlines": False}
    )
    assert status == 200, found
    assert [(m["from"], m["to"], m["groups"]) for m in found["moves"]] == [("normal", "margin_call", 1)]
    assert (found["refused"], found["lifecycle"], found["cut"], found["is_exact"]) == (None, ["clear_hold"], 0, True)
    (row,) = found["items"]
    assert (row["id"], row["from"], row["to"], row["ltv_before"], row["ltv"]) == (
        ("G-1", "normal", "margin_call", row["ltv_before"], row["ltv"])
    )
    assert row["ltv"].startswith("0.25")
    assert found["products"][0]["from"] == "vip_loan@2024-04-29"
    status, found = await previewed(http, products=[GOOD], limit=0)
    assert (found["items"], found["cut"]) == ([], 1)
    sight = desk.risk.sight("G-1")
    assert sight is not None
    assert sight.state.stage == "normal"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"products": []}, "products"),
        ({"products": [{"kind": "none", "lines": []}]}, "products[0].kind"),
        ({"products": [GOOD, GOOD]}, "products[1].kind"),
        ({"products": [{"kind": "vip_loan", "lines": ["= ="]}]}, "products[0].lines"),
        (
            {"products": [{"kind": "vip_loan", "lines": [line.replace('"0.91"', '"x"') for line in GOOD["lines"]]}]},
            "products[0]: version[0].thresholds.liquidation",
        ),
        ({"products": [GOOD], "lifecycle": {"clear_hold": "soon"}}, "lifecycle.clear_hold"),
        ({"products": [GOOD], "lifecycle": {"clear_hol": "1m"}}, "lifecycle"),
        ({"products": [GOOD], "limit": 100000}, "limit"),
    ],
)
async def test_what_is_wrong_is_named_by_its_place(
    body: dict[str, Any], where: str, http: aiohttp.ClientSession
) -> None:
    status, found = await previewed(http, **body)
    assert status == 422
    assert where in found["detail"], found
