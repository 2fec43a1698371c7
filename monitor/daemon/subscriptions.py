"""Endpoints that are made by API: webhooks that stand in the store and send beside those of the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec

from monitor import crashpoint, permit
from monitor.clock import Clock
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import DELIVERY_FAILING
from monitor.core.alerts.matching import takes
from monitor.notifiers import webhook
from monitor.notifiers._base import DeliveryError, Notice, Notifier
from monitor.stores._base import SigningKey, Store, Subscription, Target
from monitor.tables import EndpointsTable
from monitor.telemetry import log
from monitor.web.subscriptions import AskedEndpoint, AuditedChange, EndpointRefused, TestedEndpoint
from monitor.webhook_keys import Kind, NewKey, new_key

KIND = "webhook"
MOST_KEYS = 5
"""In force at once: a header of five signatures is half a kilobyte."""
REMOVE_S = 2.0
"""Attempts under way have this long when an endpoint is switched off; what is cut off goes out again under its id."""


TRY_S = 14.0
"""A test has this long: somebody waits for its answer, and the page waits 15 s."""


async def tried_once(notifier: Notifier, notice: Notice, clock: Clock) -> TestedEndpoint:
    """One attempt, and how it ended."""
    began_s = clock.monotonic_s()
    try:
        permit.check()
        async with asyncio.timeout(TRY_S):
            receipt = await notifier.send(notice)
        is_delivered, detail = True, receipt.detail
    except DeliveryError as e:
        is_delivered, detail = False, e.reason
    except permit.Silent as e:
        is_delivered, detail = False, str(e)
    except TimeoutError:
        is_delivered, detail = False, f"no answer within {TRY_S:.0f} s"
    return TestedEndpoint(is_delivered, detail, round((clock.monotonic_s() - began_s) * 1000, 3))


class Sender(Protocol):
    """What sends: the dispatcher of now, which a reload replaces."""

    async def add(self, name: str, notifier: Notifier) -> None: ...

    async def remove(self, name: str, timeout_s: float) -> None: ...

    def change(self, name: str, notifier: Notifier) -> None: ...

    async def give_away(self, name: str) -> None: ...


class MadeEndpoints:
    """See web.subscriptions.SubscriptionDesk. One change at a time, each in the store before it is in force."""

    def __init__(self, store: Store, clock: Clock, rules: EndpointsTable) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._all: dict[str, Subscription] = {}
        self._notifiers: dict[str, Notifier] = {}
        self._retired: dict[str, Notifier] = {}
        """By name, the one before the last rotation: attempts under way end with it."""
        self._problems: dict[str, str] = {}
        """Why an endpoint cannot send by the rules of now."""
        self._changing = asyncio.Lock()
        self.sender: Sender | None = None
        self.taken: Collection[str] = ()
        """Names of the configuration's notifiers."""

    async def load(self) -> None:
        """Reads what earlier runs kept."""
        for kept in await self._store.subscriptions():
            self._all[kept.name] = kept
            self._build(kept)

    def clashes(self, names: Iterable[str]) -> list[str]:
        """The names that a configuration may not use."""
        return [
            f"notifier {name!r}: an endpoint that was made by API has this name; choose another, or delete the endpoint"
            for name in names
            if name in self._all
        ]

    # -- for the deliveries --

    @property
    def sending(self) -> dict[str, Notifier]:
        """The notifiers of the endpoints that are switched on and can be used."""
        return {name: each for name, each in self._notifiers.items() if self._all[name].is_enabled}

    @property
    def held(self) -> set[str]:
        """The names of the others: what waits for them stays."""
        return set(self._all) - set(self.sending)

    def targets(self, alert: Alert) -> list[Target]:
        """The endpoints that want an alert; none wants to hear of itself that it fails."""
        if alert.silenced_by is not None:
            return []
        names = [name for name in self.sending if _wants(self._all[name], alert)]
        return [Target(n) for n in names if alert.type != DELIVERY_FAILING or n != alert.subject]

    def judge_again(self, rules: EndpointsTable) -> None:
        """After a reload, before the dispatcher starts anew: builds all notifiers by the rules of now."""
        if rules != self._rules:
            self._rules = rules
            for kept in self._all.values():
                self._build(kept)

    async def close(self) -> None:
        """Closes the notifiers."""
        for notifier in (*self._notifiers.values(), *self._retired.values()):
            await notifier.close()

    # -- for the web --

    def all(self) -> list[Subscription]:
        """Every endpoint by name."""
        return [self._all[name] for name in sorted(self._all)]

    def find(self, name: str) -> Subscription | None:
        """One endpoint."""
        return self._all.get(name)

    def problem(self, name: str) -> str | None:
        """Why an endpoint cannot send."""
        return self._problems.get(name)

    async def make(self, asked: AskedEndpoint, audited: AuditedChange | None = None) -> tuple[Subscription, NewKey]:
        """A new endpoint and its key. Raises EndpointRefused."""
        async with self._changing:
            if asked.name in self._all or asked.name in self.taken:
                raise EndpointRefused(
                    "name", f"{asked.name!r} is the name of another notifier; choose another", is_taken=True
                )
            if len(self._all) >= self._rules.most:
                raise EndpointRefused("name", f"there are {len(self._all)} endpoints; [endpoints] most allows no more")
            key = new_key(asked.key)
            kept = Subscription(
                name=asked.name,
                url=asked.url,
                keys=(SigningKey(key.secret),),
                created_at=self._clock.utc(),
                types=asked.types,
                match=asked.match,
                batch=asked.batch,
                note=asked.note,
            )
            notifier = self._notifier(kept)  # raises before anything is kept
            await self._keep(None, kept, audited)
            self._all[kept.name] = kept
            self._notifiers[kept.name] = notifier
            if self.sender is not None:
                await self.sender.add(kept.name, notifier)
            return kept, key

    async def rotate(
        self, name: str, kind: Kind, overlap: timedelta, audited: AuditedChange | None = None
    ) -> tuple[Subscription, NewKey]:
        """A new key; those before it sign until the overlap is over."""
        async with self._changing:
            now = self._clock.utc()
            key = new_key(kind)
            old = [_ending(each, now + overlap) for each in self._all[name].keys]
            keys = [each for each in old if each.until is not None and each.until > now][: MOST_KEYS - 1]
            kept = msgspec.structs.replace(self._all[name], keys=(SigningKey(key.secret), *keys))
            await self._replace(kept, audited)
            return kept, key

    async def switch(self, name: str, *, is_enabled: bool, audited: AuditedChange | None = None) -> Subscription:
        """Switches an endpoint on or off. While it is off what waits for it stays, and it gets no new alert."""
        async with self._changing:
            before = self._all[name]
            kept = msgspec.structs.replace(before, is_enabled=is_enabled)
            if kept == before:
                return kept
            await self._keep(before, kept, audited)
            self._all[name] = kept
            if self.sender is not None and name in self._notifiers:
                if is_enabled:
                    await self.sender.add(name, self._notifiers[name])
                else:
                    await self.sender.remove(name, REMOVE_S)
            return kept

    async def drop(self, name: str, audited: AuditedChange | None = None) -> None:
        """Forgets an endpoint. What waits for it goes by the routes of now; where nobody else takes it, that is told."""
        async with self._changing:
            audit = None if audited is None else audited(self._all[name], None)
            await self._store.drop_subscription(name, audit)
            crashpoint.reached("after endpoint")
            self._all.pop(name)
            self._problems.pop(name, None)
            gone = [self._notifiers.pop(name, None), self._retired.pop(name, None)]
            if self.sender is not None:
                await self.sender.remove(name, REMOVE_S)
                await self.sender.give_away(name)
            for notifier in gone:
                if notifier is not None:
                    await notifier.close()

    async def test(self, name: str, notice: Notice) -> TestedEndpoint:
        """One attempt with a test notice, by the same guard and keys as a real one."""
        notifier = self._notifiers.get(name)
        if notifier is None:
            return TestedEndpoint(False, self._problems.get(name, "it cannot be used"), 0.0)
        return await tried_once(notifier, notice, self._clock)

    async def _replace(self, kept: Subscription, audited: AuditedChange | None) -> None:
        notifier = self._notifier(kept)
        await self._keep(self._all[kept.name], kept, audited)
        self._all[kept.name] = kept
        old = self._notifiers.get(kept.name)
        self._notifiers[kept.name] = notifier
        if old is not None:
            older, self._retired[kept.name] = self._retired.get(kept.name), old
            if older is not None:
                await older.close()
        if self.sender is not None:
            self.sender.change(kept.name, notifier)

    async def _keep(self, before: Subscription | None, kept: Subscription, audited: AuditedChange | None) -> None:
        await self._store.keep_subscription(kept, None if audited is None else audited(before, kept))
        crashpoint.reached("after endpoint")

    def _build(self, kept: Subscription) -> None:
        try:
            self._notifiers[kept.name] = self._notifier(kept)
            self._problems.pop(kept.name, None)
        except EndpointRefused as e:
            self._notifiers.pop(kept.name, None)
            self._problems[kept.name] = e.what
            log.warning("an endpoint cannot be used; what waits for it stays", endpoint=kept.name, problem=e.what)

    def _notifier(self, kept: Subscription) -> Notifier:
        """Raises EndpointRefused for an address that may not be reached."""
        until = {key.secret: key.until for key in kept.keys if key.until is not None}
        try:
            config = webhook.Config(
                url=kept.url,
                secret="\n".join(key.secret for key in kept.keys),
                allow_private=self._rules.allow_private,
                allow=self._rules.allow,
                batch=kept.batch,
            )
        except ValueError as e:
            raise EndpointRefused("url", str(e).removeprefix("url: ")) from None
        return webhook.WebhookNotifier(kept.name, config, self._clock, until=until)


def _wants(kept: Subscription, alert: Alert) -> bool:
    if kept.types and not any(fnmatchcase(alert.type, glob) for glob in kept.types):
        return False
    return takes(kept.match, alert)


def _ending(key: SigningKey, at: datetime) -> SigningKey:
    """A key that is replaced; one that was replaced before keeps its own end if that is sooner."""
    return SigningKey(key.secret, at if key.until is None else min(key.until, at))
