"""A desk with a channel of every kind, whose daemon is killed in each state that a delivery may have.

    async with Desk(tmp_path, plan=["after hand-over", "after send of mail:2"]) as desk:
        await desk.play()

`play` goes through a day of trouble; whatever dies is examined, started again without any other help, and asked the same
again. What must hold is in aftermath.py.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from monitor.clock import SystemClock
from monitor.web.ack_page import SMS_PATH, sms_signature
from tests.book_lines import one_btc
from tests.crash import aftermath
from tests.crash.autopsy import Findings, examine
from tests.crash.channels import DESK, LATE, NOBODY, Receivers
from tests.crash.daemon import Daemon, Died, Refused
from tests.faults.house import House, Ticker, free_port, webhook
from tests.feeds.venue import Venue

T = TypeVar("T")

GROUPS = tuple(f"G-{n}" for n in range(12))
BY_LINK, BY_SMS = GROUPS[:2]
"""Groups about which people are asked, and how the answer comes."""
ANNA, BEN = "+46701740605", "ben@desk.example"
GATEWAY = "the gateway's own secret"  # made up
PUBLIC = "https://risk.desk.example"
ENDPOINT = "theirs"
WITHIN_S = 40.0
GONE_WITHIN_S = 240.0
"""A channel is off at its second 410, a minute after the first of a life."""
STEP_S, NEXT_STEP_S = 2, 3
"""A step counts until the next one: long enough that a busy machine can answer in time."""
RESOLVE_AFTER_S = 2
CHANNELS = """
[lifecycle]
clear_hold = "1s"
[endpoints]
allow_private = true
[sms_replies]
auth_token = "{gateway}"
[[notifier]]
name = "mail"
kind = "email"
smtp = "smtp://127.0.0.1:{mail_port}"
sender = "risk@desk.example"
to = ["{desk}", "{late}", "{nobody}"]
starttls = "never"
[[notifier]]
name = "phone"
kind = "sms"
to = ["+15550100"]
file = "var/sms.log"
[[notifier]]
name = "am"
kind = "alertmanager"
urls = ["http://127.0.0.1:{port}"]
allow_private = true
resolve_after = "{resolve_after}s"
[[route]]
match = {{ type = "loan_group.*" }}
to = ["hook", "gone", "am"]
continue = true
[[route]]
match = {{ type = "loan_group.*" }}
to = ["mail"]
group_by = ["severity"]
group_wait = "1s"
group_interval = "30s"
first = 1
[[route]]
to = ["phone"]
[[person]]
name = "anna"
contacts = {{ phone = "{anna}" }}
[[person]]
name = "ben"
contacts = {{ mail = "{ben}" }}
[[rota]]
name = "desk"
people = ["anna"]
starts = 2026-01-05
[[escalation]]
name = "night"
match = {{ labels = {{ vip = "yes" }} }}
repeat = 100
[[escalation.step]]
after = "{step}s"
to = ["desk"]
[[escalation.step]]
after = "{next_step}s"
to = ["ben"]
"""
FAILING = 'fallback = "phone"\nfallback_after = "1s"\n'


@dataclass
class Life:
    """One life of the daemon, and what was found when it was dead."""

    number: int
    daemon: Daemon
    crash_at: str
    began_at: datetime
    code: int = 0
    findings: Findings = field(default_factory=Findings)


class Desk:
    """See the module. `plan` names the crash points of the first lives, in their order."""

    def __init__(self, folder: Path, plan: list[str]) -> None:
        self.folder, self.plan = folder, list(plan)
        self.is_about_mail = any("mail" in place for place in plan)
        self.clock = SystemClock()
        self.venue = Venue(ping_every_s=None)
        self.house = House(folder, self.venue)
        self.receivers = Receivers(folder / "var" / "sms.log")
        self.lives: list[Life] = []
        self.answered: dict[str, tuple[str, datetime]] = {}
        """By group: who has it in hand and since when, as it was answered."""
        self.is_off: bool | None = False
        """As it was answered last: the channel `gone` is switched off. None while it is asked for."""
        self.is_asked_to_stop = False
        self.is_ready = asyncio.Event()
        """A daemon lives that answers; whoever finds it dead clears this."""
        self.is_finishing = False
        """The day is over; nobody kills it any more."""
        self.replays: list[tuple[int, list[str]]] = []
        """What was to come again on the endpoint: how many arrivals there were by then, and the alerts."""
        self._left = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._left.enter_async_context(self.venue)
        await self._left.enter_async_context(self.receivers)
        await self._left.enter_async_context(Ticker(self.venue, every_s=0.1, BTC="100000"))
        got = self.receivers
        channels = CHANNELS.format(
            gateway=GATEWAY, mail_port=got.mail_port, port=got.port, desk=DESK, late=LATE, nobody=NOBODY, anna=ANNA, ben=BEN,
            resolve_after=RESOLVE_AFTER_S, step=STEP_S, next_step=NEXT_STEP_S,
        )  # fmt: skip
        watch = webhook("watch", got.url("watch")) + 'heartbeat = "1s"\n'
        hooks = [webhook(name, got.url(name)) + FAILING for name in ("hook", "gone")]
        keys = got.signatures.keys[""][0]
        table = f'port = {await free_port()}\npublic_url = "{PUBLIC}"'
        self.house.write(*hooks, watch, channels, web=table)
        text = self.house.config.read_text()
        self.house.config.write_text(re.sub(r'secret = "whsec_[^"]*"', f'secret = "{keys}"', text))
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if self.lives and self.lives[-1].daemon.code is None:
            await self.lives[-1].daemon.kill()
        await self._left.aclose()
        if kind is not None:
            print(f"lives: {[(life.number, life.crash_at, life.code) for life in self.lives]}")
            print("\n".join(f"--- life {x.number}\n{x.daemon.errors[-3000:]}" for x in self.lives[-2:]))

    # -- lives and deaths --

    @property
    def daemon(self) -> Daemon:
        """The one that runs, or ran last."""
        return self.lives[-1].daemon

    @property
    def kills(self) -> int:
        """How many lives ended by a kill."""
        return sum(life.code == -signal.SIGKILL for life in self.lives)

    async def start(self) -> None:
        """The next life as planned, and those after it while they die before they are ready."""
        while True:
            self.receivers.read_texts()
            number = len(self.lives) + 1
            self.receivers.life = number
            crash_at = self.plan.pop(0) if self.plan else ""
            log = self.folder / f"life-{number}.log"
            daemon = await Daemon.spawn(self.folder, self.house.config, log, crash_at)
            self.lives.append(Life(number, daemon, crash_at, self.clock.utc()))
            try:
                await daemon.ready()
                self.is_ready.set()
                return
            except Died:
                await self.bury()

    async def bury(self) -> None:
        """Waits for the end of the process, which must be a kill or asked for, and examines what it left."""
        self.is_ready.clear()
        life = self.lives[-1]
        life.code = await life.daemon.ended()
        is_expected = life.code == -signal.SIGKILL or (self.is_asked_to_stop and life.code == 0)
        assert is_expected, f"life {life.number} ended with {life.code}:\n{life.daemon.errors[-3000:]}"
        self.receivers.read_texts()
        life.findings = examine(self.folder / "var" / "monitor.db", self.folder / f"found-{life.number}.db")
        aftermath.kept(self)

    async def insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks until a daemon lives long enough to answer."""
        while True:
            try:
                return await ask()
            except Died:
                await self.bury()
                await self.start()

    async def until(self, true: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> None:
        """Waits until something holds, which may take several lives; each has its time."""
        lives, end_s = 0, 0.0
        while True:
            if len(self.lives) != lives:
                lives, end_s = len(self.lives), self.clock.monotonic_s() + within_s
            is_asking = asyncio.iscoroutinefunction(true)
            if await self.insist(true) if is_asking else true():
                return
            assert self.clock.monotonic_s() < end_s, f"not within {within_s} s: {what}"
            await self.insist(self._lives)
            await asyncio.sleep(0.05)

    async def _lives(self) -> None:
        await self.daemon.get("/healthz")

    # -- what is asked of it --

    async def put(self, id_: str, owed: str) -> None:
        """Puts a group; at the price of 100,000 a debt of 96,000 is critical."""
        labels = {"vip": "yes"} if id_ in (BY_LINK, BY_SMS) else {}
        await self.insist(lambda: self.daemon.put(f"/v1/groups/{id_}", one_btc(id_, owed=owed, labels=labels)))

    async def make_endpoint(self) -> None:
        """An endpoint that takes batches. Whoever never saw its key asks for another one."""
        body = {"name": ENDPOINT, "url": self.receivers.url(ENDPOINT), "types": ["loan_group.*"], "batch": True}
        keys = self.receivers.signatures.keys
        try:
            made = await self.daemon.post("/v1/endpoints", body)
            keys[ENDPOINT] = [made["secret"]]
        except Refused:  # a life that died before its answer had made it
            keys[ENDPOINT] = []
            await self.rotate()

    async def rotate(self) -> None:
        """Another key; those before it sign for an hour more."""
        made = await self.daemon.post(f"/v1/endpoints/{ENDPOINT}/rotate", {"overlap": "1h"})
        self.receivers.signatures.keys[ENDPOINT].insert(0, made["secret"])

    async def switch(self, *, off: bool) -> None:
        """Switches the channel `gone` off or on."""
        verb, body = ("disable", {"reason": "moved"}) if off else ("enable", None)
        self.is_off = None
        await self.daemon.post(f"/v1/channels/gone/{verb}", body)
        self.is_off = off

    async def replay(self) -> None:
        """Asks for the whole log again on the endpoint."""
        log = await self.daemon.items("/v1/alerts?type=loan_group.*")
        begun = len(self.receivers.arrivals)
        asked = {"notifier": ENDPOINT, "after": 0, "types": ["loan_group.*"]}
        answer = await self.daemon.post("/v1/deliveries/replay", asked)
        self.replays.append((begun, [a["data"]["id"] for a in log if a["data"]["cursor"] <= (answer["last"] or 0)]))

    async def answer_by_link(self) -> bool:
        """Ben presses the button of his newest mail; True once it is taken."""
        mails = [a.text for a in self.receivers.of("mail", BEN) if BY_LINK in a.text]
        found = re.findall(rf"{PUBLIC}(/ack/\S+)", mails[-1]) if mails else []
        if not found:
            return False
        said = await self.daemon.form(found[0], {})
        return self._took(BY_LINK, "ben", "in hand" in said)

    async def answer_by_sms(self) -> bool:
        """Anna sends the code of her newest text back; True once it is taken."""
        texts = [a.text for a in self.receivers.of("phone", ANNA) if BY_SMS in a.text]
        found = re.findall(r"Reply (OK \w+)", texts[-1]) if texts else []
        if not found:
            return False
        form = {"From": ANNA, "Body": found[0], "MessageSid": f"SM{self.clock.monotonic_s()}"}
        signed = {"X-Twilio-Signature": sms_signature(GATEWAY, PUBLIC + SMS_PATH, form)}
        await self.daemon.form(SMS_PATH, form, signed)
        rows = await self.daemon.get("/v1/escalations")
        return self._took(BY_SMS, "anna", any(r["subject"] == BY_SMS and r["answers"] for r in rows["items"]))

    def _took(self, group: str, who: str, is_taken: bool) -> bool:
        if is_taken:
            self.answered.setdefault(group, (who, self.clock.utc()))
        return is_taken

    async def quiet(self) -> bool:
        """Nothing is left to deliver."""
        return not (await self.daemon.get("/v1/deliveries?state=pending"))["items"]

    async def said(self, type_: str) -> set[str]:
        """The groups of which something was said."""
        return {a["data"]["group"]["id"] for a in await self.daemon.items(f"/v1/alerts?type={type_}")}

    # -- a day of trouble --

    async def play(self, *, by_410: bool = False) -> None:
        """From the first endpoint to the last good news, then a clean stop; then everything is compared.

        `by_410`: the channel `gone` is switched off by its own second 410 a minute after the first, and not by the desk.
        """
        got = self.receivers
        got.status["hook"] = 503
        got.wait_s[ENDPOINT] = 0.1
        await self.start()
        await self.insist(self.make_endpoint)
        await self.insist(self.rotate)
        if by_410:
            got.status["gone"] = 410
        else:
            await self.insist(lambda: self.switch(off=True))
        for group in GROUPS:
            await self.put(group, "96000")
        if by_410:
            await self.until(self._is_switched_off, "the second 410", GONE_WITHIN_S)
            self.is_off = True
        await self.until(self.answer_by_sms, "anna's answer")
        await self.until(self.answer_by_link, "ben's answer")
        await self.until(lambda: self.handed_over() >= set(GROUPS), "what the fallback takes over")
        await self.insist(self.replay)
        await self.until(lambda: aftermath.missing(self) == [], "what was asked for again")
        got.status.clear()
        got.is_late_away = False
        await self.insist(lambda: self.switch(off=False))
        for group in GROUPS:
            await self.put(group, "1000")
        await self.until(self._all_cleared, "the good news")
        await self.finish()

    async def finish(self) -> None:
        """The last deliveries and a clean stop; then everything is compared."""
        self.plan.clear()
        self.is_finishing = True
        if self.lives[-1].crash_at:  # a place that this life did not come to
            self.daemon.signal(signal.SIGKILL)
        for _ in range(5):
            await self.until(self.quiet, "the last delivery")
            await self.until(self._has_beaten, "a heartbeat of this life")
            alerts = await self.insist(lambda: self.daemon.items("/v1/alerts"))
            self.is_asked_to_stop = True
            self.daemon.signal(signal.SIGTERM)
            await self.bury()
            if all(row["state"] != "pending" for row in self.lives[-1].findings.rows):
                aftermath.everything(self, alerts)
                return
            # A word of a channel fell between the last look and the stop; it must go out in the next life.
            self.is_asked_to_stop = False
            await self.start()
        raise AssertionError("there was something to deliver at each of five stops")

    def _has_beaten(self) -> bool:
        return any(arrival.life == len(self.lives) for arrival in self.receivers.of("watch"))

    def handed_over(self) -> set[str]:
        """The groups of whose liquidation the fallback has heard."""
        found = (re.search(r"(G-\d+) liquidation", a.text) for a in self.receivers.of("phone", "+15550100"))
        return {match[1] for match in found if match}

    async def _is_switched_off(self) -> bool:
        rows = (await self.daemon.get("/v1/channels"))["items"]
        return any(row["name"] == "gone" and row["off_at"] is not None for row in rows)

    async def _all_cleared(self) -> bool:
        return await self.said("loan_group.liquidation.cleared") >= set(GROUPS)
