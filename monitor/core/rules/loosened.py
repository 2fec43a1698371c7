"""What other rules make easier for borrowers: lines further off, more recognised, more time. Pure.

A desk that loosens its lines may mean it. It is named in an alert, so that nobody does it unseen (decision 90).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from monitor.core.money import ZERO, plain
from monitor.core.rules.ladders import ByAmount
from monitor.core.rules.product import Ladder, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.schema import in_words

NONE = "none"


class Loosened(NamedTuple):
    """One thing that was made easier: `line liquidation` from 0.91 to 0.93, for example."""

    what: str
    was: str
    now: str


def loosened(old: Version, new: Version) -> list[Loosened]:
    """Everything that a version makes easier than another, in a fixed order."""
    found = list(_of_lines("", old.thresholds, new.thresholds))
    for coin in sorted(old.lines_by_coin.keys() | new.lines_by_coin.keys()):
        was, now = old.lines_by_coin.get(coin, old.thresholds), new.lines_by_coin.get(coin, new.thresholds)
        found += _of_lines(f" of {coin}", was, now)
    for leverage in sorted(old.lines_by_leverage.keys() & new.lines_by_leverage.keys()):
        grades = zip(old.lines_by_leverage[leverage], new.lines_by_leverage[leverage], strict=False)
        for i, (one, other) in enumerate(grades, 1):
            found += _of_lines(f" at leverage {leverage}, tier {i}", one.lines, other.lines)
    found += _of_ladders(old, new)
    found += _of_tiers(old, new)
    found += _of_time("grace", old.grace, new.grace)
    found += _of_time("overdue_after", old.overdue_after, new.overdue_after)
    if new.is_grace_for_all and not old.is_grace_for_all:
        found.append(Loosened("grace", "for those who are enrolled", "for all"))
    return found


def _of_lines(of: str, old: Thresholds, new: Thresholds) -> Iterator[Loosened]:
    if old.metric != new.metric:
        yield Loosened(f"metric{of}", old.metric.name, new.metric.name)
        return
    for name, level in old.stated.items():
        now = new.stated.get(name)
        if now is None or new.is_worse(now, level):
            yield Loosened(f"line {name}{of}", plain(level), NONE if now is None else plain(now))


def _of_ladders(old: Version, new: Version) -> Iterator[Loosened]:
    for coin in sorted(old.ladders.keys() | new.ladders.keys()):
        was, now = old.ladder(coin) or (), new.ladder(coin) or ()
        if was != now and _is_ever_more(was, now):
            yield Loosened(f"ladder {coin}", _shown(was), _shown(now))
    if old.unlisted != new.unlisted and _is_ever_more(old.unlisted or (), new.unlisted or ()):
        yield Loosened("ladder of coins that are not listed", _shown(old.unlisted or ()), _shown(new.unlisted or ()))


def _of_tiers(old: Version, new: Version) -> Iterator[Loosened]:
    was: Mapping[str, object] = old.liability_tiers or {}
    for coin, tiers in sorted((new.liability_tiers or {}).items()):
        if coin not in was or old.liability_tiers is None:
            continue
        before = old.liability_tiers[coin].maintenance
        if before != tiers.maintenance and _is_ever_more(tiers.maintenance, before):
            yield Loosened(f"maintenance margin of {coin}", _shown(before), _shown(tiers.maintenance))


def _of_time(name: str, was: timedelta | None, now: timedelta | None) -> Iterator[Loosened]:
    if now is not None and (was is None or now > was):
        yield Loosened(name, NONE if was is None else in_words(was), in_words(now))


def _is_ever_more(was: Ladder, now: Ladder) -> bool:
    """Some part of a value counts for more. Tiers by amount and by value have no part in common: any may meet any."""
    if (type(was) is ByAmount) != (type(now) is ByAmount):
        return bool(now) and now[0][1] > _share(was, None)
    bounds = sorted({bound for bound, _ in (*was, *now) if bound is not None})
    return any(_share(now, at) > _share(was, at) for at in (*bounds, None))


def _share(ladder: Ladder, at: Decimal | None) -> Decimal:
    """The share of the part of a value just below `at`; of what lies above all bounds where that is None."""
    for bound, share in ladder:
        if bound is None or (at is not None and at <= bound):
            return share
    return ZERO


def _shown(ladder: Ladder) -> str:
    parts = [f"{plain(share)}" + ("" if bound is None else f" up to {plain(bound)}") for bound, share in ladder]
    return ", ".join(parts) + (" of the coin" if type(ladder) is ByAmount else "") or "nothing"
