"""Reload: a configuration applies whole or not at all, and only the parts that it names notice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from typing import Any

import pytest

from tests.book_lines import one_btc
from tests.faults.house import SECRET, Daemon, House, SignedReceiver, Stream, Ticker, but_stalls, until, webhook
from tests.feeds.venue import Venue

OPENED = "loan_group.margin_call.opened"
REFUSED = "the configuration was not reloaded"
OTHER_SECRET = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3Q="  # made up, too
TOKENS = '[{{ name = "ops", role = "admin", secret_file = "{0}" }}]'


async def _price(daemon: Daemon, price: str) -> None:
    """Sends a price and waits until it is in force."""

    async def is_there() -> bool:
        return any(p["price"] == price for p in (await daemon.get("/v1/prices"))["items"])

    assert daemon.house.venue is not None
    await daemon.house.venue.marks({"BTCUSDT": price})
    await until(is_there, f"a price of {price}")


async def test_a_hundred_hangups_while_alerts_flow_lose_and_repeat_nothing(
    house: House, receiver: SignedReceiver
) -> None:
    house.write(webhook("hook", receiver.url()))
    async with Daemon(house) as daemon:
        await _price(daemon, "100000")
        await daemon.put(*(one_btc(f"G-{n}", owed=str(50_000 + 1_000 * n)) for n in range(20)))
        open_files = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
        for n in range(100):
            daemon.signal(signal.SIGHUP)
            price = 100_000 - 600 * n
            assert house.venue is not None
            await house.venue.marks({"BTCUSDT": str(price)})
            await asyncio.sleep(0.02)
        await _price(daemon, "40001")
        await until(lambda: "configuration reloaded" in daemon.said(), "a reload")
        log = await daemon.alerts("&type=loan_group.*")
        assert Counter(item["type"] for item in log)["loan_group.liquidation.triggered"] == 20
        assert max(Counter(item["data"]["id"] for item in log).values()) == 1
        delivered = await daemon.get("/v1/deliveries?state=delivered&limit=1000")
        superseded = await daemon.get("/v1/deliveries?state=superseded&limit=1000")
        await until(
            lambda: {i["data"]["id"] for i in log if "triggered" in i["type"]} <= set(receiver.ids), "deliveries"
        )
        assert len(delivered["items"]) + len(superseded["items"]) <= len(log)
        assert max(Counter(receiver.ids).values()) == 1
        await asyncio.sleep(0.5)
        assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) <= open_files + 10
        assert REFUSED not in daemon.said()
        assert (await daemon.stop())[0] == 0


@pytest.mark.parametrize(
    ("breaking", "said"),
    [
        ("this is not [TOML", "is not TOML"),
        ('[prices]\nstale_after = "soon"', "prices.stale_after"),
        ('[monitr]\nname = "x"', "unknown table"),
        ('[[route]]\nto = ["hok"]', "did you mean 'hook'"),
    ],
    ids=["TOML", "value", "table", "route"],
)
async def test_a_configuration_that_is_wrong_changes_nothing_and_says_why(
    house: House, receiver: SignedReceiver, breaking: str, said: str
) -> None:
    house.write(webhook("hook", receiver.url()))
    async with Daemon(house) as daemon:
        await _price(daemon, "100000")
        await daemon.put(one_btc("G-1", owed="75000"))
        good = house.config.read_text()
        house.product(margin_call="0.74")
        house.config.write_text(good.replace('[prices]\nstale_after = "3600s"', "") + "\n" + breaking)
        await daemon.reload(REFUSED)
        assert said in daemon.said()
        assert (await daemon.get("/v1/groups/G-1"))["stage"] == "normal"
        assert (await daemon.get("/v1/audit"))["items"][-1]["action"] != "reload"
        house.config.write_text(good)
        await daemon.reload()
        await until(lambda: receiver.of(OPENED), "the margin call by the new rules")


async def test_new_lines_move_five_hundred_groups_once_and_leave_the_others_alone(
    house: House, receiver: SignedReceiver
) -> None:
    """Timers of those that were in a stage before stand as they did."""
    house.write(webhook("hook", receiver.url()), max_moves=1000)
    async with Daemon(house) as daemon:
        await _price(daemon, "100000")
        moved = [one_btc(f"M-{n}", owed="75000") for n in range(500)]
        calm = [one_btc(f"C-{n}", owed="50000") for n in range(100)]
        delayed = [one_btc(f"D-{n}", owed="92000", delayed_liquidation=True) for n in range(5)]
        called = [one_btc(f"E-{n}", owed="80000") for n in range(5)]
        await daemon.put(*moved, *calm, *delayed, *called)
        others = [group["id"] for group in (*calm, *delayed, *called)]
        await until(lambda: len(but_stalls(receiver.got)) == 10, "what was in a stage at first")
        before = {id_: _timers(await daemon.get(f"/v1/groups/{id_}")) for id_ in others}
        cursor = (await daemon.alerts())[-1]["data"]["cursor"]

        house.product(margin_call="0.74")
        await daemon.reload()
        fresh = but_stalls((await daemon.get(f"/v1/alerts?after={cursor}&limit=1000"))["items"])
        assert sorted(item["data"]["group"]["id"] for item in fresh) == sorted(group["id"] for group in moved)
        assert {item["type"] for item in fresh} == {OPENED}
        assert len({item["timestamp"] for item in fresh}) == 1
        assert {id_: _timers(await daemon.get(f"/v1/groups/{id_}")) for id_ in others} == before
        await until(lambda: len(but_stalls(receiver.got)) == 510, "all of them delivered", 30)
        assert max(receiver.tries.values()) == 1
        record = (await daemon.get("/v1/audit?limit=1000"))["items"][-1]
        assert (record["action"], record["who"]) == ("reload", "signal")
        lines = [record[k]["products"]["vip_loan"][0]["thresholds"]["margin_call"] for k in ("before", "after")]
        assert lines == ["0.77", "0.74"]


def _timers(group: dict[str, Any]) -> tuple[Any, ...]:
    return group["stage"], group["deadline"], group.get("episode"), group.get("sequence"), group.get("since")


async def test_rules_that_do_not_fit_a_group_are_refused_with_all_that_came_along(
    house: House, receiver: SignedReceiver
) -> None:
    """Neither the other groups' lines, nor the new channel, nor the new token are taken then."""
    house.write(webhook("hook", receiver.url()))
    async with SignedReceiver() as other, Daemon(house) as daemon:
        await _price(daemon, "100000")
        await daemon.put(
            one_btc("G-own", owed="10000", thresholds={"margin_call": "0.75"}), one_btc("G-1", owed="74500")
        )
        house.product(initial="0.76", margin_call="0.77")
        (house.folder / "token").write_text("s3cret-of-the-test")
        house.write(webhook("other", other.url()), web=f"port = 0\ntokens = {TOKENS.format('token')}")
        await daemon.reload(REFUSED)
        assert "G-own" in daemon.said()
        assert [a["action"] for a in (await daemon.get("/v1/audit"))["items"]] == ["put group", "put group"]
        await _price(daemon, "90000")
        await until(lambda: receiver.of(OPENED), "a margin call by the old rules on the old channel")
        assert not other.bodies


async def test_tokens_channels_routes_and_feeds_change_with_a_reload(house: House, receiver: SignedReceiver) -> None:
    for name in ("old", "new"):
        (house.folder / name).write_text(f"s3cret-{name}-of-the-test")
    routed = '[[route]]\nmatch = { severity = "warning" }\nto = ["hook"]\n'
    house.write(webhook("hook", receiver.url()), routed, web=f"port = 0\ntokens = {TOKENS.format('old')}")
    old, new = ({"Authorization": f"Bearer s3cret-{n}-of-the-test"} for n in ("old", "new"))
    async with SignedReceiver() as other, Venue() as elsewhere, Daemon(house) as daemon:
        assert (await daemon.ask("GET", "/v1/groups", **old))[0] == 200
        assert house.venue is not None
        await house.venue.marks({"BTCUSDT": "100000"})
        assert (await daemon.ask("PUT", "/v1/groups/G-1", one_btc("G-1"), **old))[0] == 201
        first = house.venue
        house.venue = elsewhere
        routed = routed.replace("hook", "other")
        house.write(webhook("other", other.url()), routed, web=f"port = 0\ntokens = {TOKENS.format('new')}")
        await daemon.reload()
        assert (await daemon.ask("GET", "/v1/groups", **old))[0] == 401
        assert (await daemon.ask("GET", "/v1/groups", **new))[0] == 200
        await until(lambda: not first.sockets, "the old exchange is left")
        await elsewhere.joined()
        await elsewhere.marks({"BTCUSDT": "64000"})
        await until(lambda: other.of(OPENED), "the margin call on the new channel")
        assert not receiver.bodies
        (record,) = [a for a in (await daemon.ask("GET", "/v1/audit", **new))[1]["items"] if a["action"] == "reload"]
        assert "s3cret" not in json.dumps(record)
        assert [t["name"] for t in record["after"]["tokens"]] == ["ops"]


async def test_the_public_address_changes_with_a_reload(house: House, receiver: SignedReceiver) -> None:
    """For the sign-in and for the links alike."""
    (house.folder / "ops").write_text("s-ops")
    (house.folder / "ops").chmod(0o600)
    tokens = f"port = 0\ntokens = {TOKENS.format('ops')}"
    house.write(webhook("hook", receiver.url()), web=tokens)
    page = {"Origin": "https://risk.desk.example"}
    async with Daemon(house) as daemon:
        assert (await daemon.ask("POST", "/v1/session", {"token": "s-ops"}, **page))[0] == 403
        house.write(webhook("hook", receiver.url()), web=f'{tokens}\npublic_url = "https://risk.desk.example"')
        await daemon.reload()
        assert (await daemon.ask("POST", "/v1/session", {"token": "s-ops"}, **page))[0] == 200
        assert house.venue is not None
        await house.venue.marks({"BTCUSDT": "100000"})
        group = one_btc("G/1", owed="80000")
        status, _ = await daemon.ask("PUT", "/v1/groups/G%2F1", group, Authorization="Bearer s-ops")
        assert status == 201
        await until(lambda: any(b["data"].get("group") for b in receiver.got), "a notice about the group")
        links = {b["data"]["url"] for b in receiver.got if b["data"].get("group")}
        assert links == {"https://risk.desk.example/#/group/G%2F1"}


async def test_a_dead_feed_beside_another_stops_no_alerts_and_is_forgotten_with_its_table(house: House) -> None:
    house.write('[[feed]]\nname = "dead"\nkind = "binance_futures"\nurl = "ws://127.0.0.1:9/x"\n')
    assert house.venue is not None
    async with Daemon(house) as daemon, Ticker(house.venue, BTC="100000"):
        await until(lambda: _complains(daemon, "feed dead"), "readiness names the dead feed")
        await until(lambda: _is_ready(daemon), "ready all the same", 5)
        house.write()
        await daemon.reload()
        assert await daemon.degraded() == {}


async def _complains(daemon: Daemon, part: str) -> bool:
    return part in await daemon.degraded()


async def _is_ready(daemon: Daemon) -> bool:
    return not await daemon.reasons()


@pytest.mark.parametrize("of", ["channel", "token"])
async def test_a_new_secret_that_cannot_be_read_leaves_the_old_configuration(
    house: House, receiver: SignedReceiver, of: str
) -> None:
    house.write(webhook("hook", receiver.url()))
    async with Daemon(house) as daemon:
        await _price(daemon, "100000")
        await daemon.put(one_btc("G-1"), one_btc("G-2", owed="75000"))
        house.product(margin_call="0.74")
        if of == "channel":
            house.write(webhook("hook", receiver.url(), secret='secret_file = "gone"'))
        else:
            house.write(webhook("hook", receiver.url()), web=f"port = 0\ntokens = {TOKENS.format('gone')}")
        await daemon.reload(REFUSED)
        assert "gone" in daemon.said()
        assert (await daemon.get("/v1/groups/G-2"))["stage"] == "normal"
        assert (await daemon.get("/v1/audit"))["items"][-1]["action"] != "reload"
        await _price(daemon, "64000")
        await until(lambda: receiver.of(OPENED), "a margin call on the old channel")


async def test_a_secret_that_was_replaced_in_its_file_signs_after_a_reload(
    house: House, receiver: SignedReceiver
) -> None:
    """Rotation: the file's name stays, its content changes."""
    (house.folder / "key").write_text(SECRET)
    house.write(webhook("hook", receiver.url(), secret='secret_file = "key"'))
    async with Daemon(house) as daemon:
        await _price(daemon, "100000")
        await daemon.put(one_btc("G-1"))
        (house.folder / "key").write_text(OTHER_SECRET)
        receiver.secret = OTHER_SECRET
        await daemon.reload()
        await _price(daemon, "64000")
        await until(lambda: receiver.of(OPENED), "the margin call")
        assert not receiver.bad


async def test_rules_and_channels_of_one_reload_belong_together(house: House, receiver: SignedReceiver) -> None:
    """What the new rules raise goes to the new channels, even where the old ones are gone."""
    house.write(webhook("old", receiver.url()), max_moves=20)
    async with SignedReceiver() as other, Daemon(house) as daemon:
        await _price(daemon, "100000")
        await daemon.put(*(one_btc(f"G-{n}", owed="75000") for n in range(20)))
        house.product(margin_call="0.74")
        house.write(webhook("new", other.url()), max_moves=20)
        await daemon.reload()
        await until(lambda: len(other.of(OPENED)) == 20, f"margin calls on the new channel, {len(other.got)}", 10)
        failed = await daemon.get("/v1/deliveries?state=failed")
        assert failed["items"] == []


async def test_a_stream_ends_when_its_token_does(house: House) -> None:
    """Who was sent away may not go on listening; who may stay comes back from where it was."""
    for name in ("old", "new"):
        (house.folder / name).write_text(f"s3cret-{name}-of-the-test")
    house.write(web=f"port = 0\ntokens = {TOKENS.format('old')}")
    async with Daemon(house) as daemon, Stream(daemon, Authorization="Bearer s3cret-old-of-the-test") as stream:
        await daemon.reload()
        await asyncio.sleep(0.5)
        assert not stream.is_over, "a reload that leaves the tokens alone ends no stream"
        house.write(web=f"port = 0\ntokens = {TOKENS.format('new')}")
        await daemon.reload()
        await until(lambda: stream.is_over, "the stream ends", 3)


async def test_a_reload_while_the_store_fails_is_refused_as_a_whole(house: House, receiver: SignedReceiver) -> None:
    import resource

    house.write(webhook("hook", receiver.url()))
    async with Daemon(house) as daemon:
        await _price(daemon, "100000")
        await daemon.put(one_btc("G-1", owed="75000"))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        await until(daemon.reasons, "readiness fails", 6)
        house.product(margin_call="0.74")
        await until(lambda: receiver.of("monitor.degraded"), "the desk is told")
        await daemon.reload(REFUSED)
        assert (await daemon.get("/v1/groups/G-1"))["stage"] == "normal"
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until(lambda: _is_ready(daemon), "ready again", 10)
        assert (await daemon.get("/v1/groups/G-1"))["stage"] == "normal"
        await daemon.reload()
        await until(lambda: receiver.of(OPENED), "the margin call by the new rules")


async def test_what_cannot_change_while_it_runs_is_named(house: House) -> None:
    house.write(feed=False)
    async with Daemon(house) as daemon:
        web = "port = 0\nhealth_port = 0\nmax_connections = 50"
        house.write(name="desk-2", store='kind = "sqlite"\npath = "var/other.db"', web=web, feed=False)
        await daemon.reload(REFUSED)
        assert "web.health_port cannot change" in daemon.said()
        assert "web.max_connections cannot change" in daemon.said()
        assert "monitor.name cannot change" in daemon.said()
        assert "store cannot change" in daemon.said()


async def test_a_book_that_changes_with_a_reload_is_read_anew(house: House) -> None:
    """And one whose file changes during the reload loses no line."""
    book = '[[book]]\nname = "loans"\nkind = "told"\npath = "{0}"\n'
    told = house.folder / "a.jsonl"
    told.write_text(json.dumps({"put": [one_btc("G-a")]}) + "\n")
    (house.folder / "b.jsonl").write_text(json.dumps({"put": [one_btc("G-b")]}) + "\n")
    house.write(book.format("a.jsonl"), feed=False)
    async with Daemon(house, module="tests.faults.rigged") as daemon:
        await until(lambda: _groups(daemon, "G-a"), "the book")
        for n in range(10):
            daemon.signal(signal.SIGHUP)
            with told.open("a") as file:
                file.write(json.dumps({"put": [one_btc(f"G-{n}")]}) + "\n")
            await asyncio.sleep(0.02)
        await until(lambda: _groups(daemon, "G-a", *(f"G-{n}" for n in range(10))), "all lines")
        house.write(book.format("b.jsonl"), feed=False)
        await daemon.reload()
        await until(lambda: _groups(daemon, "G-a", "G-b", *(f"G-{n}" for n in range(10))), "the other file")


async def _groups(daemon: Daemon, *ids: str) -> bool:
    return {g["id"] for g in (await daemon.get("/v1/groups?limit=1000"))["items"]} == set(ids)
