"""Decides where an alert goes. The journal puts the answer into the same commit as the alert.

- Without any route every alert goes to every notifier.
- With routes the first that matches decides, and those after it only if it says `continue = true`.
- An alert that no route matches goes to the log alone, unless it is critical: that one goes to every notifier, because
  a forgotten route must not hide a liquidation. The same holds when the only target is `contacts` and the borrower has
  none. A route with `to = []` says on purpose that something goes nowhere.
- `contacts` in `to` means the borrower's own addresses, each kind through the first notifier of that kind; an alert that
  is about no group has none. A borrower whose addresses cannot be used counts as one without.
- An alert that core found silenced goes to the log alone.
- In the quiet times of a route its targets carry the time until which they are held: alerts of info and warning, but never
  a critical one, nor the end of something critical, which opened an incident or woke somebody. What keeps an incident open
  hears of the end of an episode at once.
- Another deadline of a grace period goes where the alert goes that started it: to those who were told the old one.
- A step of an escalation goes to the people whom it names, and to every notifier where none of them can be reached.
- What was done alone in an emergency goes to every notifier and to the people who may approve it, whatever the routes say. A
  proposal goes to those people beside where the routes send it.
- Where a route gathers, its targets that people read carry the key of their digest. A critical alert that goes to
  everybody because no route took it is never gathered.
- `delivery.failing` and `channel.off` never go through a notifier that they are about while there is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from monitor import contacts
from monitor.channel_rules import Gathering
from monitor.config import Route, is_for_people, keeps_open
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.alert_type import CRITICAL
from monitor.core.alerts.catalogue import (
    CATALOGUE,
    CHANNEL_OFF,
    DELIVERY_FAILING,
    GOOD_STAGE_NEWS,
    LEVER_EMERGENCY,
    LEVER_PROPOSED,
    TO_PEOPLE,
)
from monitor.core.alerts.matching import takes
from monitor.core.stages.stages import DEADLINE_MOVED, DELAYED, LIQUIDATION, STARTED
from monitor.dispatch.digests import gather_key
from monitor.people import Contacts
from monitor.quiet_times import QuietTimes
from monitor.stores._base import Target

NOBODY: Contacts = {}
CONTACTS = "contacts"


def route(
    alert: Alert,
    routes: Sequence[Route],
    channels: Mapping[str, str],
    people: Contacts = NOBODY,
    quiet_until: Callable[[QuietTimes], datetime | None] = lambda _: None,
) -> tuple[Target, ...]:
    """The targets of an alert, each once. `channels` are the notifiers' names and kinds in the configured order.

    `quiet_until` says when quiet times end that are now.
    """
    if alert.silenced_by is not None:
        return ()
    if alert.type in TO_PEOPLE:
        asked = _to_people(alert, channels, people)
        return asked if asked or alert.severity != CRITICAL else tuple(map(Target, channels))
    if alert.type == LEVER_EMERGENCY:
        return (*map(Target, channels), *_to_people(alert, channels, people))
    named = _named(told_like(alert), routes, tuple(channels))
    targets: dict[tuple[str, tuple[str, ...]], Target] = {}
    for name, by in named:
        found = _contacts(alert, channels) if name == CONTACTS else [Target(name)] if name in channels else []
        until = quiet_until(by.quiet) if by is not None and by.quiet is not None else None
        for target in found:
            routed = _gathered(target, by.gathering if by is not None else None, alert, channels)
            if until is not None and waits_for_quiet_times(alert, channels[target.notifier]):
                routed = msgspec.structs.replace(routed, until=until)
            targets.setdefault((target.notifier, target.to), routed)
    if not targets and named and alert.severity == CRITICAL:
        targets = {(name, ()): Target(name) for name in channels}
    if alert.type in (DELIVERY_FAILING, CHANNEL_OFF):
        return told_elsewhere(_failing(alert), tuple(targets.values()), channels)
    if alert.type == LEVER_PROPOSED:
        return tuple(dict.fromkeys((*targets.values(), *_to_people(alert, channels, people))))
    return tuple(targets.values())


def told_like(alert: Alert) -> Alert:
    """An alert as the routes judge it: another deadline goes to those who were told the old one."""
    return msgspec.structs.replace(alert, type=STARTED) if alert.type == DEADLINE_MOVED else alert


def _gathered(target: Target, gathering: Gathering | None, alert: Alert, channels: Mapping[str, str]) -> Target:
    """A borrower's notice goes by itself: a digest is the desk's, and names other groups."""
    if gathering is None or target.to or not is_for_people(channels[target.notifier]):
        return target
    return Target(target.notifier, target.to, gather_key(gathering, alert))


def waits_for_quiet_times(alert: Alert, kind: str) -> bool:
    """Whether those behind a kind of notifier may be left alone with an alert for a while."""
    if alert.severity == CRITICAL:
        return False
    if alert.type in GOOD_STAGE_NEWS:
        return alert.stage_from not in (DELAYED, LIQUIDATION) and not keeps_open(kind)
    row = CATALOGUE.get(alert.type)
    return row is None or not any(CATALOGUE[ended].severity == CRITICAL for ended in row.ends)


def _to_people(alert: Alert, channels: Mapping[str, str], people: Contacts) -> tuple[Target, ...]:
    """Everybody whom the alert names, on every channel on which they can be reached."""
    found = [
        Target(notifier, (address,))
        for person in alert.facts.get("people", ())
        for notifier, address in people.get(person, {}).items()
        if notifier in channels
    ]
    return tuple(dict.fromkeys(found))


def _failing(alert: Alert) -> frozenset[str]:
    """The channels that an alert about channels is about."""
    listed = alert.facts.get("channels") or ()
    return frozenset((alert.subject, *(str(row.get("notifier")) for row in listed)))


def told_elsewhere(
    failing: Collection[str], targets: tuple[Target, ...], channels: Mapping[str, str]
) -> tuple[Target, ...]:
    """The targets without failing notifiers; if none is left, all other notifiers; if there is none, the targets."""
    others = tuple(t for t in targets if t.notifier not in failing)
    return others or tuple(Target(name) for name in channels if name not in failing) or targets


def _named(alert: Alert, routes: Sequence[Route], everyone: tuple[str, ...]) -> list[tuple[str, Route | None]]:
    """What the routes say, as it stands in `to`, each with the route that says it."""
    named: list[tuple[str, Route | None]] = []
    is_matched = False
    for one in routes:
        if takes(one.match, alert):
            is_matched = True
            named += [(name, one) for name in one.to]
            if not one.continue_:
                break
    if not routes or (not is_matched and alert.severity == CRITICAL):
        return [(name, None) for name in everyone]
    return named


def _contacts(alert: Alert, channels: Mapping[str, str]) -> list[Target]:
    """The borrower's addresses, each kind through the first notifier of that kind, each language by itself.

    One that cannot be used goes along with those that can: the notifier names it as refused, and the delivery is partial.
    """
    if not alert.contacts or not contacts.is_for_borrowers(alert.type):
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
