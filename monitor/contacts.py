"""Which kinds of notifier reach a borrower, and whether an address of a loan book can be used.

A notifier's module is a contact kind if it has `contact(text) -> str`: the address as that notifier sends to it, or a
ValueError that says what is wrong. Nothing else lists the kinds.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from monitor import plugins
from monitor.core.alerts.catalogue import CATALOGUE, GROUP, LOAN, OF_THE_DESK
from monitor.core.loans.group import Contact
from monitor.core.loans.line_bounds import MOST_CONTACTS
from monitor.core.schema import Problem

_SHOWN = 80


class Manner(NamedTuple):
    """How the owner of an address is written to; empty texts stand for English and for the usual template."""

    language: str = ""
    template: str = ""


def is_for_borrowers(type_: str) -> bool:
    """An alert of this type tells a borrower of the own loans; any other is the desk's alone."""
    row = CATALOGUE.get(type_)
    return row is not None and row.about in (GROUP, LOAN) and type_ not in OF_THE_DESK


@cache
def check_of(kind: str) -> Callable[[str], str] | None:
    """What reads an address of a kind; None where notifiers of that kind reach no borrower."""
    try:
        found: Callable[[str], str] | None = getattr(plugins.module("notifiers", kind), "contact", None)
    except (plugins.UnknownKind, ImportError):  # the libraries of an optional kind may be absent
        return None
    return found


def without_receivers(
    names: Sequence[str], kinds: Sequence[tuple[object, object]], notifiers: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Notifiers among `names` that could write to a borrower and state nobody of their own: what comes there is lost.

    `kinds` are name and kind of each of the `notifiers`, which are tables.
    """
    found = []
    for (name, kind), table in zip(kinds, notifiers, strict=True):
        if name in names and check_of(str(kind)) is not None and not table.get("to"):
            found.append(f'{name!r} has nobody to send to; state its `to`, or route to "contacts" alone')
    return found


def kinds() -> list[str]:
    """All kinds of notifier that reach a borrower."""
    return [kind for kind in plugins.kinds("notifiers") if check_of(kind) is not None]


def address_of(contact: Contact) -> str:
    """The address as the book states it."""
    return contact if isinstance(contact, str) else contact.to


def manner_of(contact: Contact) -> Manner:
    """How its owner is written to."""
    return Manner() if isinstance(contact, str) else Manner(contact.language, contact.template)


def problems(contacts: Mapping[str, Sequence[Contact]]) -> list[Problem]:
    """The contacts that cannot be used, each with its place, its value and the reason."""
    return list(_problems(contacts))


def _problems(contacts: Mapping[str, Sequence[Contact]]) -> Iterator[Problem]:
    for kind, stated in contacts.items():
        check = check_of(kind)
        if check is None:
            known = kinds()
            near = difflib.get_close_matches(kind, known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            expected = f"expected one of: {', '.join(known)}{hint}"
            yield Problem(f"contacts.{kind}", f"found {kind!r}, which reaches nobody; {expected}", "contacts")
            continue
        for i, contact in enumerate(stated):
            where = f"contacts.{kind}[{i}]"
            if i == MOST_CONTACTS:
                what = f"found {len(stated)} contacts, expected at most {MOST_CONTACTS}; leave some out"
                yield Problem(where, what, "contacts")
                break
            try:
                check(address_of(contact))
            except ValueError as e:
                yield Problem(where, f"found {address_of(contact)[:_SHOWN]!r}, {e}", "contacts")


def usable(contacts: Mapping[str, Sequence[Contact]], kind: str) -> tuple[dict[str, Manner], list[str]]:
    """The addresses of a kind as its notifier sends to them, each once, and those as stated that nobody can use."""
    check = check_of(kind)
    good: dict[str, Manner] = {}
    bad: list[str] = []
    for contact in contacts.get(kind, ())[:MOST_CONTACTS] if check is not None else ():
        try:
            assert check is not None
            good.setdefault(check(address_of(contact)), manner_of(contact))
        except ValueError:
            bad.append(address_of(contact))
    return good, bad
