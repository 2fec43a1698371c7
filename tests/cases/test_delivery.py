"""The handed cases about delivery: what a channel answers for a while loses no notice, and what cannot be sent is told.

Cases whose channel refuses everything wait for the probe of a minute: they are played in real time alone (`make cases`);
`tests/dispatch/test_worker.py` holds the same in virtual time.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tests.cases.player import CASES, SPEED, lines_of
from tests.cases.receivers import Line, Scripted, ScriptedHook, ScriptedMail
from tests.faults.house import Daemon, House, now_s, until
from tests.forks import Ended

DELIVERY = CASES / "delivery"
real_time = pytest.mark.skipif(SPEED != 1, reason="the probe of a refusing channel waits a minute; run `make cases`")


class Played:
    """A case that is being played: its receivers, the daemon, and the groups that it puts by its own clock."""

    def __init__(self, name: str, folder: Path, *receivers: Scripted) -> None:
        self.source = DELIVERY / name
        for shared in ("vip.toml", "flat.toml"):
            shutil.copy(DELIVERY / shared, folder / shared)
        self.folder = folder / name
        shutil.copytree(self.source, self.folder)
        self.receivers = receivers
        self.house = House(self.folder)
        self.daemon = Daemon(self.house)

    def configure(self, name: str = "monitor.toml", **ports: int) -> None:
        """Writes `monitor.toml` out of a file of the case."""
        text = (self.source / name).read_text(encoding="utf-8-sig")
        ports = ports or {"PORT": self.receivers[0].port}
        for word, port in sorted(ports.items(), reverse=True):
            text = text.replace(word, str(port))
        (self.folder / "monitor.toml").write_text(text)

    async def __aenter__(self) -> Self:
        for receiver in self.receivers:
            await receiver.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.daemon._starts:
            await self.daemon.__aexit__()
        for receiver in self.receivers:
            await receiver.__aexit__()

    async def start(self) -> None:
        """Starts the daemon; the clock of the case begins when it is ready."""
        await self.daemon.__aenter__()

        async def priced() -> bool:
            rows = (await self.daemon.get("/v1/prices"))["items"]
            return any(row["asset"] == "USDC" and row["trust"] == "good" for row in rows)

        await until(priced, "prices are there")
        self.began_s = now_s()
        for receiver in self.receivers:
            receiver.began_s = self.began_s

    async def at(self, after_s: float) -> None:
        await asyncio.sleep(max(0.0, self.began_s + after_s - now_s()))

    async def put_all(self, lines: list[Line] | None = None) -> None:
        for line in lines if lines is not None else lines_of(self.source / "puts.jsonl"):
            await self.at(line["after_s"])
            await self.daemon.put(line["put"])

    async def deliveries(self, query: str = "") -> list[dict[str, Any]]:
        return list((await self.daemon.get(f"/v1/deliveries?limit=1000{query}"))["items"])

    async def kinds(self) -> list[str]:
        return [item["type"] for item in await self.daemon.alerts()]

    @property
    def texts(self) -> list[str]:
        """What the phone has."""
        path = self.folder / "var" / "sms.log"
        return [json.loads(line)["text"] for line in path.read_text().splitlines()] if path.exists() else []

    def told(self, words: str) -> Callable[[], bool]:
        return lambda: any(words in text for text in self.texts)

    async def command(self, *words: str) -> Ended:
        return await self.house.ran(*words, "--config", "monitor.toml")


@real_time
@pytest.mark.parametrize(
    "answer", ["535 5.7.8 credentials invalid", "530 5.7.0 authentication required", "454 4.7.0 later"]
)
async def test_a_refused_password_keeps_every_mail(tmp_path: Path, answer: str) -> None:
    mail = ScriptedMail(lines_of(DELIVERY / "password-refused" / "server.jsonl"))
    mail.lines[1]["answer"] = answer
    async with Played("password-refused", tmp_path, mail) as case:
        case.configure()
        await case.start()
        putting = asyncio.create_task(case.put_all())
        await until(case.told("delivery failing"), "the phone hears of the outage", 12)
        await putting
        await until(lambda: len(mail.mails) >= 5, "all mails", 8 + 80)
        told = re.findall(r"Subject: \[CRITICAL\] (\S+)", "".join(text for _, text in mail.mails))
        assert sorted(told) == ["G-0", "G-1", "G-2", "G-3", "G-AFTER"]


@real_time
@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 302, 410])
async def test_an_unauthorised_webhook_keeps_every_notice(tmp_path: Path, status: int) -> None:
    hook = ScriptedHook(lines_of(DELIVERY / "unauthorised" / "server.jsonl"))
    hook.lines[0]["status"] = status
    async with Played("unauthorised", tmp_path, hook) as case:
        case.configure()
        await case.start()
        putting = asyncio.create_task(case.put_all())
        await until(case.told("delivery failing"), "the phone hears of the outage", 12)
        await putting
        await until(lambda: len(hook.groups) >= 6, "all notices", 90)
        assert sorted(hook.groups) == [*(f"G-{n}" for n in range(5)), "G-AFTER"]
        assert await case.deliveries("&state=failed") == []


async def test_notices_of_a_renamed_notifier_arrive(tmp_path: Path) -> None:
    old, new = ScriptedHook([]), ScriptedHook([])
    async with Played("renamed-notifier", tmp_path, old, new) as case:
        ports = {"PORT_1": old.port, "PORT_2": new.port}
        await old.hang_up()
        case.configure(**ports)
        await case.start()
        await case.put_all()
        await until(lambda: case.daemon.said().count("a delivery failed") >= 1, "an attempt")
        case.configure("monitor-after.toml", **ports)
        await case.daemon.reload()
        await old.listen()
        await until(lambda: len(old.groups) + len(new.groups) >= 3, "all notices")
        assert sorted([*old.groups, *new.groups]) == ["G-0", "G-1", "G-2"]
        assert re.search(r"gone while notices wait.*notifier=hook.*waiting=3", case.daemon.said())
        assert await case.deliveries("&state=failed") == []


async def test_notices_of_a_renamed_notifier_arrive_after_a_restart(tmp_path: Path) -> None:
    old, new = ScriptedHook([]), ScriptedHook([])
    async with Played("renamed-notifier", tmp_path, old, new) as case:
        ports = {"PORT_1": old.port, "PORT_2": new.port}
        await old.hang_up()
        case.configure(**ports)
        await case.start()
        await case.put_all()
        case.daemon.process.kill()
        await case.daemon.process.wait()
        case.configure("monitor-after.toml", **ports)
        await case.daemon.again()
        await until(lambda: len(new.groups) >= 3, "all notices")
        assert sorted(new.groups) == ["G-0", "G-1", "G-2"]
        assert "waiting=3" in case.daemon.said()


@pytest.mark.parametrize(
    "answer", ["550 5.1.1 no such user", "552 5.2.2 mailbox full", "550 unknown", "450 4.2.1 later"]
)
async def test_one_recipient_who_is_gone_is_named_and_the_others_have_their_mail(tmp_path: Path, answer: str) -> None:
    mail = ScriptedMail([{"after_s": 0, "step": "RCPT", "for": "gone@desk.example", "answer": answer}])
    async with Played("one-recipient-gone", tmp_path, mail) as case:
        case.configure()
        await case.start()
        await case.put_all()
        await until(lambda: len(mail.to("officer@desk.example")) >= 4, "the officer's mails")
        await until(case.told("recipient refused"), "the phone hears of the recipient", 30)
        assert len(mail.to("officer@desk.example")) == 4
        told = [x for x in await case.daemon.alerts() if x["type"] == "delivery.recipient_refused"]
        assert [x["data"]["facts"]["recipient"] for x in told] == ["gone@desk.example"]
        if answer.startswith("5"):

            async def recorded() -> bool:
                return all("partial" in d["detail"] for d in await case.deliveries("&notifier=mail"))

            await until(recorded, "the records say partial")
            async with case.daemon.http.get(f"{case.daemon.url}/metrics") as metrics:
                assert 'outcome="partial"' in await metrics.text()
        assert "delivery.failing" not in await case.kinds()


async def test_a_bad_contact_hides_no_outage(tmp_path: Path) -> None:
    mail = ScriptedMail([])
    async with Played("outage-behind-a-bad-contact", tmp_path, mail) as case:
        case.configure()
        await case.start()
        bad, *others = lines_of(case.source / "puts.jsonl")
        status, problem = await case.daemon.ask("PUT", "/v1/groups/BAD", bad["put"])
        assert (status, problem["errors"][0]["where"]) == (422, "contacts.email[0]"), (
            "the API refuses it, with the reason"
        )
        await case.at(4)
        await mail.hang_up()
        await case.put_all(others)
        await until(case.told("delivery failing"), "the phone hears of the outage", 60)


async def test_a_contact_whose_mailbox_is_gone_hides_no_outage(tmp_path: Path) -> None:
    """The same with an address that looks right: two alerts, and the phone has both texts."""
    mail = ScriptedMail(
        [{"after_s": 0, "step": "RCPT", "for": "jane@acme.example", "answer": "550 5.1.1 no such user"}]
    )
    async with Played("outage-behind-a-bad-contact", tmp_path, mail) as case:
        case.configure()
        await case.start()
        bad, *others = lines_of(case.source / "puts.jsonl")
        bad["put"]["contacts"] = {"email": ["jane@acme.example"]}
        await case.put_all([bad])
        await until(case.told("notice lost"), "the phone hears of the lost notice", 30)
        await mail.hang_up()
        await case.put_all(others)
        await until(case.told("delivery failing"), "the phone hears of the outage", 60)
        assert {"delivery.lost", "delivery.recipient_refused", "delivery.failing"} <= {*await case.kinds()}


async def test_half_a_text_is_no_delivery(tmp_path: Path) -> None:
    async with Played("half-a-text", tmp_path, ScriptedHook([])) as case:
        case.configure()
        (case.folder / "var").mkdir()
        log = case.folder / "var" / "sms.log"
        log.write_text("x" * 199_900 + "\n")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        case.daemon.begins_anew = True
        try:
            await case.daemon.launch()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await case.daemon.ready()
        case.began_s = now_s()
        await case.put_all()

        async def tried() -> bool:
            return any(d["attempts"] for d in await case.deliveries())

        await until(tried, "an attempt")
        await asyncio.sleep(0.3)
        assert {d["state"] for d in await case.deliveries()} == {"pending"}
        assert log.read_text().splitlines()[1:] == []


async def test_labels_without_bound_lose_no_notice(tmp_path: Path) -> None:
    hook = ScriptedHook(lines_of(DELIVERY / "labels-without-bound" / "server.jsonl"))
    async with Played("labels-without-bound", tmp_path, hook) as case:
        case.configure()
        await case.start()
        for line in lines_of(case.source / "puts.jsonl"):
            status, _ = await case.daemon.ask("PUT", f"/v1/groups/{line['put']['id']}", line["put"])
            assert status in (201, 422), status
        await until(lambda: "THIN" in hook.groups, "the notice of the thin one")
        assert max(hook.sizes) < 20_480


@pytest.mark.parametrize("name", sorted(p.name for p in (DELIVERY / "cannot-ever-send").glob("*.toml")))
async def test_what_can_never_send_is_refused(tmp_path: Path, name: str) -> None:
    async with Played("cannot-ever-send", tmp_path, ScriptedHook([])) as case:
        case.configure(name)
        checked = await case.command("check-config")
        assert checked.code == 2, checked
        assert re.search(r"monitor\.toml: notifier\[0\](\.smtp|\.sender|): .*found", checked.err), checked


async def test_byte_order_marks_are_read(tmp_path: Path) -> None:
    hook = ScriptedHook([])
    async with Played("byte-order-marks", tmp_path, hook) as case:
        text = (case.source / "monitor.toml").read_bytes().replace(b"PORT", str(hook.port).encode())
        assert text.startswith(b"\xef\xbb\xbf")
        (case.folder / "monitor.toml").write_bytes(text)
        assert (await case.command("check-config")).code == 0
        case.configure("monitor-token.toml")
        await case.daemon.__aenter__()
        status, _ = await case.daemon.ask(
            "GET", "/v1/groups", Authorization="Bearer abcdefghijklmnopqrstuvwxyz0123456789"
        )
        assert status == 200


async def test_people_sign_in_behind_a_proxy(tmp_path: Path) -> None:
    async with Played("sign-in-behind-a-proxy", tmp_path, ScriptedHook([])) as case:
        case.configure()
        await case.daemon.__aenter__()
        port = case.daemon.url.rpartition(":")[2]
        for line in lines_of(case.source / "requests.jsonl"):
            headers = {key: value.replace("PORT", port) for key, value in line["headers"].items()}
            url = case.daemon.url + line["path"]
            async with case.daemon.http.request(line["method"], url, json=line["body"], headers=headers) as answer:
                assert answer.status == line["right"], line


async def test_a_connection_that_was_closed_while_idle_costs_no_time(tmp_path: Path) -> None:
    hook = ScriptedHook(lines_of(DELIVERY / "closed-while-idle" / "server.jsonl"))
    async with Played("closed-while-idle", tmp_path, hook) as case:
        case.configure()
        await case.start()
        first, second = lines_of(case.source / "puts.jsonl")
        await case.put_all([first])
        await until(lambda: hook.groups == ["G-1"], "the first notice")
        await case.at(second["after_s"])
        began_s = now_s()
        await case.daemon.put(second["put"])
        await until(lambda: "G-2" in hook.groups, "the second notice", 5)
        assert hook.taken_s[-1] - began_s < 1
        assert [d["attempts"] for d in await case.deliveries()] == [1, 1]


Ready = Callable[[], Awaitable[bool]]


async def test_a_hang_up_soon_after_the_start_is_harmless(tmp_path: Path) -> None:
    async with Played("hangup-at-the-start", tmp_path, ScriptedHook([])) as case:
        case.configure()
        await case.daemon.launch()
        for after_s in (0.2, 0.2, 0.4):
            await asyncio.sleep(after_s)
            case.daemon.signal(1)
        await case.daemon.ready()
        assert case.daemon.process.returncode is None
