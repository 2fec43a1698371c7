"""A storm on the real daemon: in one tick every group goes beyond its line, and people are told without being flooded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, now_s, until
from tests.notifiers.service import Got, Service, serving

FIRST = 10
"""As of the configuration: so many leave at once."""
AT_ONCE_S = 8.0
"""For the first ones on a busy machine. The digest does not begin before the wait is over, which is longer."""
ROUTE = (
    '[[route]]\nmatch = {{ type = "loan_group.*" }}\nto = ["room"]\n'
    'group_by = ["severity"]\ngroup_wait = "{wait}s"\ngroup_interval = "1h"\n'
)
ROOM = '[[notifier]]\nname = "room"\nkind = "slack"\nurl = "{url}/hook"\nallow_private = true\n'


def memory_mb(daemon: Daemon, of: str) -> float:
    """`VmRSS`: now; `VmHWM`: the most there ever was."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    match = re.search(rf"^{of}:\s+(\d+) kB$", status, re.MULTILINE)
    assert match is not None
    return int(match[1]) / 1024


def fields(got: Got) -> dict[str, str]:
    """The facts of a message to the room, by their names."""
    blocks: list[dict[str, Any]] = got.json["blocks"]
    texts = [field["text"] for block in blocks if block["type"] == "section" for field in block["fields"]]
    return {name: value for name, _, value in (text.partition("\n") for text in texts)}


def told_alone(room: Service) -> list[Got]:
    return [got for got in room.got if " notices: " not in got.json["text"]]


def digests(room: Service) -> list[Got]:
    return [got for got in room.got if " notices: " in got.json["text"]]


@pytest.mark.parametrize(
    ("groups", "wait_s", "more_mb"),
    [pytest.param(500, 3, 40, id="500"), pytest.param(5000, 20, 100, id="5000", marks=pytest.mark.soak)],
)
async def test_when_all_groups_go_beyond_a_line_in_one_tick_the_first_leave_at_once_and_a_digest_tells_the_rest(
    house: House, groups: int, wait_s: int, more_mb: float
) -> None:
    assert house.venue is not None
    async with serving() as room:
        room.body = "ok"
        house.write(ROOM.format(url=room.url), ROUTE.format(wait=wait_s))
        async with Daemon(house) as daemon:
            await house.venue.marks({"BTCUSDT": "1000000"})
            await daemon.put(*(one_btc(f"G-{n}", owed=str(100_000 + n)) for n in range(groups)))
            before_mb = memory_mb(daemon, "VmRSS")
            assert room.got == []
            fell_s = now_s()
            await house.venue.marks({"BTCUSDT": "100000"})
            await until(lambda: room.got, "the first notice", 30)
            first_s = now_s() - fell_s
            await until(lambda: len(told_alone(room)) == FIRST, "the first critical ones", 30)
            took_s = now_s() - fell_s
            assert digests(room) == [], "the first ones do not wait for the digest"
            await until(lambda: digests(room), "the digest", 90)
            grown_mb = memory_mb(daemon, "VmHWM") - before_mb
            log = await daemon.alerts("&type=loan_group.liquidation.triggered")
            await until(lambda: _is_empty(daemon), "nothing waits any more")
    print(f"{groups} groups: first after {first_s:.2f} s, {FIRST} after {took_s:.2f} s, {grown_mb:.0f} MB more")
    assert len(log) == groups
    assert {fields(got)["about"] for got in told_alone(room)} == {f"G-{groups - 1 - n}" for n in range(FIRST)}
    (digest,) = digests(room)
    rest = groups - FIRST
    owed = sum(100_000 + n for n in range(rest))
    assert digest.json["text"] == f"[CRITICAL] {rest:,} notices: {rest:,} liquidation; debt {owed:,} USD"
    assert next(iter(fields(digest))) == f"G-{rest - 1}", "the largest debt of the rest first"
    assert took_s < AT_ONCE_S
    assert grown_mb < more_mb


async def _is_empty(daemon: Daemon) -> bool:
    return [(c["queued"], c["held"]) for c in (await daemon.get("/v1/channels"))["items"]] == [(0, 0)]
