"""What is refused on the way into the book is counted by reason and named in the log, and the rest applies (bad input)."""

from __future__ import annotations

import asyncio
import json
import re

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, until

BAD = [
    ("unknown_key", {**one_btc("K"), "lables": {}}),
    ("negative", {**one_btc("N"), "collateral": {"N-a": {"BTC": "-1"}}}),
    ("account_in_use", {**one_btc("D"), "collateral": {"G-a": {"BTC": "1"}}}),
    ("unknown_product", {**one_btc("P"), "product": "flat"}),
    ("no_rate", {**one_btc("R"), "loans": [{**one_btc("R")["loans"][0], "asset": "XYZ"}]}),
]


async def _refused(daemon: Daemon, source: str) -> dict[str, int]:
    async with daemon.http.get(daemon.url + "/metrics") as response:
        text = await response.text()
    found = re.findall(rf'^monitor_book_refused_total{{reason="(\w+)",source="{source}"}} (\d+)', text, re.MULTILINE)
    return {reason: int(number) for reason, number in found}


async def test_bad_lines_of_a_file_are_counted_by_reason_and_named_in_the_log(house: House) -> None:
    lines = [json.dumps(group) for _, group in BAD]
    (house.folder / "book.jsonl").write_text(
        "\n".join([json.dumps(one_btc("G")), *lines, "{", json.dumps(one_btc("H"))])
    )
    house.write('[[book]]\nname = "loans"\nkind = "file"\npath = "book.jsonl"\n', feed=False)
    wanted = {**{reason: 1 for reason, _ in BAD}, "not_json": 1}
    async with Daemon(house) as daemon:
        await until(lambda: _all(daemon, "loans", wanted), f"{wanted}")
        for reason in wanted:
            assert f"reason={reason}" in daemon.said()
        told = {a["data"]["facts"]["reason"] for a in await daemon.alerts() if a["type"] == "book.refused"}
        assert told == set(wanted)
        assert {g["id"] for g in (await daemon.get("/v1/groups"))["items"]} == {"G", "H"}


async def _all(daemon: Daemon, source: str, wanted: dict[str, int]) -> bool:
    return await _refused(daemon, source) == wanted


async def test_bad_puts_are_counted_by_reason_and_named_in_the_log_at_a_bounded_rate(house: House) -> None:
    house.write(feed=False)
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G"))
        for _, group in BAD:
            answers = await asyncio.gather(*(daemon.ask("PUT", f"/v1/groups/{group['id']}", group) for _ in range(5)))
            assert {status for status, _ in answers} <= {409, 422}
        assert await _refused(daemon, "api") == {reason: 5 for reason, _ in BAD}
        assert daemon.said().count("a change of the loan book was refused") == len(BAD)
