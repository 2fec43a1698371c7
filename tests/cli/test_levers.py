"""The desk's own controls at a terminal, with two people, over a kill: what the commands say, and how they end."""

from __future__ import annotations

from pathlib import Path

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House
from tests.here import Here

PEOPLE = """
[four_eyes]
enabled = true

[[person]]
name = "anna"
tokens = ["anna-desk"]

[[person]]
name = "bo"
tokens = ["bo-desk"]
"""
NAMES = ("anna-desk", "bo-desk")


def house_of_two(folder: Path) -> House:
    house = House(folder)
    tokens = [f'{{ name = "{name}", role = "operator", secret_file = "{name}" }}' for name in NAMES]
    tokens.append('{ name = "boss", role = "admin", secret = "admin-admin-admin-admin-" }')
    tokens.append('{ name = "book", role = "feeder", secret = "feeder-feeder-feeder-feeder" }')
    for name in NAMES:
        (folder / name).write_text(name * 4)
        (folder / name).chmod(0o600)
    house.write(PEOPLE, web=f"port = 0\ntokens = [{', '.join(tokens)}]", feed=False)
    return house


async def test_a_proposal_survives_a_kill_and_is_approved_by_another_person(tmp_path: Path, here: Here) -> None:
    house = house_of_two(tmp_path)
    lever = ["override", "--line", "margin_call=0.85", "--group", "G", "--until", "6h"]
    first = [
        ("anna-desk", [*lever, "--preview"], 0, "another person must approve it"),
        ("anna-desk", lever, 2, "a lever states --reason"),
        ("anna-desk", [*lever[:3], "--until", "6h", "--reason", "x"], 2, "either --group or --match"),
        ("anna-desk", ["override", "--line", "x", "--group", "G", "--until", "6h"], 2, "liquidation=0.93"),
        ("anna-desk", ["move", "--product", "x", "--group", "G", "--reason", "x"], 1, "expected one of: vip_loan"),
        ("anna-desk", [*lever, "--reason", "as agreed"], 0, "proposed P-1, needs another person until"),
        ("anna-desk", ["approve", "P-1", "--yes"], 1, "another person must approve it"),
    ]
    then = [
        ("bo-desk", ["proposals"], 0, "anna (anna-desk)"),
        ("bo-desk", ["approve", "P-1"], 0, "approve what is shown with"),
        ("bo-desk", ["approve", "P-1", "--yes"], 0, "P-1: approved"),
        ("bo-desk", ["approve", "P-1", "--yes"], 1, "there is no open proposal P-1"),
        ("bo-desk", ["levers"], 0, "margin call 0.85"),
        ("bo-desk", ["levers", "--end", "L-1", "--reason", "enough"], 0, "are as they were before"),
        ("anna-desk", ["proposals"], 0, "nothing waits"),
        ("bo-desk", [*lever, "--reason", "as agreed", "--emergency", "nobody answers"], 0, "approves P-2"),
        ("anna-desk", ["reject", "P-2", "--reason", "no need"], 0, "P-2: rejected"),
        ("anna-desk", ["levers"], 0, "no lever is in force"),
    ]
    async with Daemon(house) as daemon:
        headers = {"Authorization": "Bearer feeder-feeder-feeder-feeder"}
        async with daemon.http.put(f"{daemon.url}/v1/groups/G", json=one_btc("G"), headers=headers) as r:
            assert r.status == 201
        await _play(first, daemon, here)
        daemon.process.kill()
        await daemon.process.wait()
    async with Daemon(house) as daemon:
        await _play(then, daemon, here)
        boss = {"Authorization": "Bearer admin-admin-admin-admin-"}
        async with daemon.http.get(f"{daemon.url}/v1/audit", headers=boss) as r:
            said = [(row["who"], row["action"], row["subject"]) for row in (await r.json())["items"]]
    assert said[-5:] == [
        ("anna-desk", "propose override", "P-1"),
        ("bo-desk", "approve", "L-1"),
        ("bo-desk", "end_lever", "L-1"),
        ("bo-desk", "emergency override", "L-2"),
        ("anna-desk", "reject", "P-2"),
    ]


async def _play(commands: list[tuple[str, list[str], int, str]], daemon: Daemon, here: Here) -> None:
    for who, command, code, word in commands:
        ended = await here(*command, "--url", daemon.url, "--token-file", who)
        assert ended.code == code, (command, ended)
        assert word in " ".join((ended.out + ended.err).split()), (command, ended)
        assert "Traceback" not in ended.err
