"""The people of the desk and how each is reached ([[person]]), and what does not fit in rotas and escalations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from monitor.core.rules.duty import Escalation, Rota
from monitor.core.schema import Name

Contacts = Mapping[str, Mapping[str, str]]
"""By person: by the name of a notifier the person's address there."""


class Person(msgspec.Struct, frozen=True):
    """[[person]]: `contacts` by the name of a notifier, such as { mail = "anna@desk.example", phone = "+46701740605" }."""

    name: Name
    contacts: dict[str, str]

    def __post_init__(self) -> None:
        if not self.contacts:
            raise ValueError(
                "contacts: is empty, expected an address for a [[notifier]], as nobody is reached otherwise"
            )
        for notifier, address in self.contacts.items():
            if not address.strip() or not address.isprintable():
                raise ValueError(f"contacts: found {address!r} for {notifier!r}, expected an address")


def contacts_of(people: Sequence[Person]) -> Contacts:
    """How everybody is reached."""
    return {person.name: dict(person.contacts) for person in people}


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
    for name in sorted({name for name in known if known.count(name) > 1}):
        yield "person", f"{name!r} is the name of two people or rotas; give each its own"
    for i, rota in enumerate(rotas):
        for named in (*rota.people, *(each.person for each in rota.overrides)):
            if named not in names:
                yield f"rota[{i}]", f"no person {named!r}; add a [[person]] of that name"
    taken = [each.name for each in escalations]
    for i, escalation in enumerate(escalations):
        if taken.count(escalation.name) > 1:
            yield f"escalation[{i}].name", f"{escalation.name!r} stands twice; give each its own name"
        for k, step in enumerate(escalation.step):
            for name in step.to:
                if name not in known:
                    yield (
                        f"escalation[{i}].step[{k}].to",
                        f"no person and no rota {name!r}; there are: {', '.join(known)}",
                    )
