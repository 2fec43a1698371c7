"""Decides where an alert goes. The journal puts the answer into the same commit as the alert.

- Without any route every alert goes to every notifier.
- With routes the first that matches decides, and those after it only if it says `continue = true`.
- An alert that no route matches goes to the log alone, unless it is critical: that one goes to every notifier, because
  a forgotten route must not hide a liquidation. The same holds when the only target is `contacts` and the borrower has
  none. A route with `to = []` says on purpose that something goes nowhere.
- `contacts` in `to` means the borrower's own addresses, through the first notifier of kind email and the first of kind
  sms; an alert that is about no group has none.
- An alert that core found silenced goes to the log alone.
- A step of an escalation goes to the people whom it names, and to every notifier where none of them can be reached.
- `delivery.failing` never goes through the notifier that it is about while there is another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.config import Route
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import CRITICAL, DELIVERY_FAILING, TO_PEOPLE
from monitor.core.alerts.matching import takes
from monitor.people import Contacts
from monitor.stores._base import Target

NOBODY: Contacts = {}
CONTACTS = "contacts"
_CONTACT_KINDS = ("email", "sms")


def route(
    alert: Alert, routes: Sequence[Route], channels: Mapping[str, str], people: Contacts = NOBODY
) -> tuple[Target, ...]:
    """The targets of an alert, each once. `channels` are the notifiers' names and kinds in the configured order."""
    if alert.silenced_by is not None:
        return ()
    if alert.type in TO_PEOPLE:
        found = _to_people(alert, channels, people)
        return found if found or alert.severity != CRITICAL else tuple(map(Target, channels))
    names = _names(alert, routes, tuple(channels))
    targets: dict[Target, None] = {}
    for name in names:
        if name == CONTACTS:
            targets.update(dict.fromkeys(_contacts(alert, channels)))
        elif name in channels:
            targets[Target(name)] = None
    if not targets and names and alert.severity == CRITICAL:
        targets.update(dict.fromkeys(map(Target, channels)))
    if alert.type == DELIVERY_FAILING:
        return told_elsewhere(alert.subject, tuple(targets), channels)
    return tuple(targets)


def told_elsewhere(failing: str, targets: tuple[Target, ...], channels: Mapping[str, str]) -> tuple[Target, ...]:
    """The targets without the failing notifier; if none is left, all other notifiers; if there is none, the targets."""
    others = tuple(t for t in targets if t.notifier != failing)
    return others or tuple(Target(name) for name in channels if name != failing) or targets


def _to_people(alert: Alert, channels: Mapping[str, str], people: Contacts) -> tuple[Target, ...]:
    """Everybody whom the alert names, on every channel on which they can be reached."""
    found = [
        Target(notifier, (address,))
        for person in alert.facts.get("people", ())
        for notifier, address in people.get(person, {}).items()
        if notifier in channels
    ]
    return tuple(dict.fromkeys(found))


def _names(alert: Alert, routes: Sequence[Route], everyone: tuple[str, ...]) -> tuple[str, ...]:
    """What the routes say, as it stands in `to`."""
    if not routes:
        return everyone
    names: list[str] = []
    is_matched = False
    for one in routes:
        if takes(one.match, alert):
            is_matched = True
            names += one.to
            if not one.continue_:
                break
    return tuple(names) if is_matched or alert.severity != CRITICAL else everyone


def _contacts(alert: Alert, channels: Mapping[str, str]) -> list[Target]:
    """The borrower's addresses, each kind through the first notifier that speaks it."""
    found = []
    for kind in _CONTACT_KINDS:
        through = next((name for name, k in channels.items() if k == kind), None)
        addresses = tuple(dict.fromkeys(alert.contacts.get(kind, ())))
        if through is not None and addresses:
            found.append(Target(through, addresses))
    return found
