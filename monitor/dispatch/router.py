"""Decides where an alert goes. The journal puts the answer into the same commit as the alert.

- Without any route every alert goes to every notifier.
- With routes the first that matches decides, and those after it only if it says `continue = true`.
- An alert that no route matches goes to the log alone, unless it is critical: that one goes to every notifier, because
  a forgotten route must not hide a liquidation. The same holds when the only target is `contacts` and the borrower has
  none. A route with `to = []` says on purpose that something goes nowhere.
- `contacts` in `to` means the borrower's own addresses, each kind through the first notifier of that kind; an alert that
  is about no group has none. A borrower whose addresses cannot be used counts as one without.
- An alert that core found silenced goes to the log alone.
- `delivery.failing` never goes through the notifier that it is about while there is another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor import contacts
from monitor.config import Route
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import CRITICAL, DELIVERY_FAILING, is_for_borrowers
from monitor.core.alerts.matching import takes
from monitor.stores._base import Target

CONTACTS = "contacts"


def route(alert: Alert, routes: Sequence[Route], channels: Mapping[str, str]) -> tuple[Target, ...]:
    """The targets of an alert, each once. `channels` are the notifiers' names and kinds in the configured order."""
    if alert.silenced_by is not None:
        return ()
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
    """The borrower's addresses, each kind through the first notifier of that kind, each language by itself.

    One that cannot be used goes along with those that can: the notifier names it as refused, and the delivery is partial.
    """
    if not alert.contacts or not is_for_borrowers(alert.type):
        return []
    found = []
    firsts: dict[str, str] = {}
    for name, kind in channels.items():
        firsts.setdefault(kind, name)
    for kind, through in firsts.items():
        good, bad = contacts.usable(alert.contacts, kind)
        by_manner: dict[contacts.Manner, list[str]] = {}
        for address, manner in good.items():
            by_manner.setdefault(manner, []).append(address)
        for addresses in by_manner.values():
            found.append(Target(through, (*addresses, *bad)))
            bad = []
    return found
