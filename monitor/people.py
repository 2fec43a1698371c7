"""The people of the desk and how each is reached ([[person]]), and what does not fit in rotas and escalations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from monitor import contacts, plugins
from monitor.addresses import check_port, origin_of, shown_url
from monitor.core.rules.duty import Escalation, Rota
from monitor.core.rules.settings import FourEyes
from monitor.core.schema import Name, Span
from monitor.sign_in_table import PREFIX, GroupRole
from monitor.web_table import TokenConfig

Contacts = Mapping[str, Mapping[str, str]]
"""By person: by the name of a notifier the person's address there."""


class Person(msgspec.Struct, frozen=True):
    """[[person]]: `contacts` by the name of a notifier, such as { mail = "anna@desk.example", phone = "+46701740605" }.

    `tokens` are the names of the person's own [[web.tokens]], `sign_in` those under which the person signs in at a provider
    or a proxy: what one of them proposes, none of them approves.
    """

    name: Name
    contacts: dict[str, str] = {}
    tokens: tuple[str, ...] = ()
    sign_in: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.contacts and not self.tokens and not self.sign_in:
            raise ValueError(
                "contacts: is empty, expected an address for a [[notifier]], as nobody is reached otherwise"
            )
        for notifier, address in self.contacts.items():
            if not address.strip() or not address.isprintable():
                raise ValueError(f"contacts: found {address!r} for {notifier!r}, expected an address")


class HeartbeatTable(msgspec.Struct, frozen=True):
    """[heartbeat]: an outside address that is asked while prices are evaluated and commits are made, and not otherwise."""

    ping_url: str
    every: Annotated[timedelta, Span("1s", "1h")] = timedelta(minutes=1)
    allow_private: bool = False

    def __post_init__(self) -> None:
        if origin_of(self.ping_url) is None:
            raise ValueError(f"ping_url: found {shown_url(self.ping_url)!r}, expected https://host/path, or http://")
        check_port("ping_url", self.ping_url)

    def __repr__(self) -> str:
        return f"HeartbeatTable({shown_url(self.ping_url)})"


class SmsReplies(msgspec.Struct, frozen=True):
    """[sms_replies]: texts that people send back are taken from a gateway that signs them (POST /v1/hooks/sms)."""

    auth_token: str | None = None
    auth_token_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.auth_token is None) == (self.auth_token_file is None):
            raise ValueError('state either "auth_token_file" or "auth_token"')

    def __repr__(self) -> str:
        return "SmsReplies()"


def contacts_of(people: Sequence[Person]) -> Contacts:
    """How everybody is reached."""
    return {person.name: dict(person.contacts) for person in people}


class FourEyesTable(msgspec.Struct, frozen=True):
    """[four_eyes]: levers, pins and silences of critical stages need another person. Off unless `enabled` is true."""

    enabled: bool = False
    proposals_last: Annotated[timedelta, Span("1m", "30d")] = timedelta(hours=24)

    def settings(
        self, people: Sequence[Person], tokens: Sequence[TokenConfig], groups: Sequence[GroupRole] = ()
    ) -> FourEyes:
        """As core takes it: with those who may approve. Which groups a person is in shows when they sign in."""
        able = {token.name for token in tokens if token.role in APPROVERS}
        can_sign_in = any(group.role in APPROVERS for group in groups)
        names = (p.name for p in people if not able.isdisjoint(p.tokens) or (can_sign_in and p.sign_in))
        return FourEyes(self.enabled, self.proposals_last, tuple(names))


APPROVERS = ("operator", "admin")
"""Roles of tokens that may propose and approve."""


def owners_of(people: Sequence[Person]) -> Mapping[str, str]:
    """By the name of a token, or the one under which a person signs in, whose it is."""
    by_token = {token: person.name for person in people for token in person.tokens}
    return by_token | {PREFIX + name: person.name for person in people for name in person.sign_in}


def four_eyes_misfits(
    people: Sequence[Person], tokens: Sequence[TokenConfig], table: FourEyesTable, groups: Sequence[GroupRole] = ()
) -> Iterator[tuple[str, str]]:
    """Places and sentences about tokens that nobody has or that two have, and about a desk that is too small."""
    names = [token.name for token in tokens]
    owners: dict[str, str] = {}
    for i, person in enumerate(people):
        for token in person.tokens:
            if token not in names:
                yield f"person[{i}].tokens", f"no token {token!r}; there are: {', '.join(names) or 'none'}"
            elif owners.setdefault(token, person.name) != person.name:
                yield f"person[{i}].tokens", f"{token!r} is {owners[token]}'s already; a token is one person's"
        for name in person.sign_in:
            if not groups:
                yield (
                    f"person[{i}].sign_in",
                    "nobody signs in without a token; configure [web.oidc] or [web.proxy_auth]",
                )
            elif owners.setdefault(PREFIX + name, person.name) != person.name:
                yield f"person[{i}].sign_in", f"{name!r} is {owners[PREFIX + name]}'s already; a name is one person's"
    if table.enabled and len(table.settings(people, tokens, groups).people) < 2:
        what = "needs two people who have a token of role operator or admin; name it in the tokens of a [[person]]"
        yield "four_eyes.enabled", what


def reads_alone(notifier: str, kind: str, address: str, people: Contacts, routed: Collection[str]) -> bool:
    """Whether one person alone reads what comes to a contact, as far as a configuration can show.

    A mailbox, a number or a chat with an id is its owner's, unless two people state it or it is the id of a group. A channel
    without addresses, such as a room of Slack, is one person's where nobody else names it, and no route of `routed`.
    """
    if contacts.check_of(kind) is None:
        return notifier not in routed and sum(notifier in by for by in people.values()) == 1
    is_group = getattr(plugins.module("notifiers", kind), "read_by_several", None)
    is_shared = is_group is not None and is_group(address)
    return not is_shared and sum(address in by.values() for by in people.values()) == 1


def without_links(people: Contacts, kinds: Mapping[str, str], routed: Collection[str]) -> list[str]:
    """A sentence about each contact to which a step of an escalation sends no link. `kinds` are those of the notifiers."""
    return [
        f"person {person!r}: several read what comes to {notifier!r}, so no link to acknowledge is sent there"
        for person, by in people.items()
        for notifier, address in by.items()
        if not reads_alone(notifier, kinds[notifier], address, people, routed)
    ]


def misfits(
    people: Sequence[Person], rotas: Sequence[Rota], escalations: Sequence[Escalation], notifiers: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Places and sentences about names that nobody has, or that two have."""
    names = [person.name for person in people]
    known = [*names, *(rota.name for rota in rotas)]
    for i, person in enumerate(people):
        for notifier in person.contacts:
            if notifier not in notifiers:
                yield f"person[{i}].contacts", f"no notifier {notifier!r}; there are: {', '.join(notifiers) or 'none'}"
    unreachable = {person.name for person in people if not person.contacts}
    for name in sorted({name for name in known if known.count(name) > 1}):
        yield "person", f"{name!r} is the name of two people or rotas; give each its own"
    for i, rota in enumerate(rotas):
        for named in (*rota.people, *(each.person for each in rota.overrides)):
            if named in unreachable:
                yield f"rota[{i}]", f"{named!r} has no contacts, so nobody is reached; add one"
            if named not in names:
                yield f"rota[{i}]", f"no person {named!r}; add a [[person]] of that name"
    taken = [each.name for each in escalations]
    for i, escalation in enumerate(escalations):
        if taken.count(escalation.name) > 1:
            yield f"escalation[{i}].name", f"{escalation.name!r} stands twice; give each its own name"
        for k, step in enumerate(escalation.step):
            for name in step.to:
                if name in unreachable:
                    yield f"escalation[{i}].step[{k}].to", f"{name!r} has no contacts, so nobody is reached; add one"
                if name not in known:
                    yield (
                        f"escalation[{i}].step[{k}].to",
                        f"no person and no rota {name!r}; there are: {', '.join(known)}",
                    )
