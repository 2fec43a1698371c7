"""What alerts about levers and proposals state, and what acts do to groups before they are done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor.core.alerts.alert import GroupRef
from monitor.core.alerts.matching import Match, covers
from monitor.core.alerts.silences import CRITICAL_STAGES, MakeSilence, may_hide_critical_stage
from monitor.core.events.entries import Lever
from monitor.core.events.levers import (
    MOST_GROUPS,
    Proposable,
    PullLever,
    change_in_words,
    kind_of,
    reason_of,
    until_of,
)
from monitor.core.groups.book_changes import BookChanges
from monitor.core.groups.lever_effects import Judges, effect_of, hidden_effect, pin_effect
from monitor.core.groups.lever_states import LeverEffect
from monitor.core.groups.loan_book import EXACT_SUMS
from monitor.core.groups.snapshot import common_labels
from monitor.core.prices.decisions import Pin
from monitor.core.refusal import Refused
from monitor.core.text import MOST_NAMED, stamp_or_none
from monitor.core.watch.watcher import Ground


class ActEffects:
    """Works out what an act would do to each group, on the prices of now."""

    def __init__(self, ground: Ground, book_changes: BookChanges) -> None:
        self._ground = ground
        self._book_changes = book_changes

    def of(self, act: Proposable, at: datetime) -> tuple[LeverEffect, ...]:
        """In the order of the groups of a lever; of a pin at most 50 groups, of a silence those in a critical stage."""
        rules = self._ground.rules
        how = Judges(rules.name, rules.lifecycle, self._ground.board, at)
        match act:
            case PullLever():
                return tuple(self._of_lever(act.lever, group_id, how) for group_id in act.groups)
            case Pin():
                ids = self._ground.book.exposure([act.asset], self._ground.board, EXACT_SUMS).ids
                return tuple(pin_effect(self._ground.known(id_), act.asset, act.price, how) for id_ in ids)
            case MakeSilence():
                return tuple(hidden_effect(self._ground.known(id_), how) for id_ in self.critical(act.match))

    def critical(self, match: Match) -> list[str]:
        """The first groups by id that a match covers and that are in a critical stage."""
        return sorted(self._covered(match))[:MOST_GROUPS]

    def hides_critical_stage(self, act: MakeSilence) -> bool:
        """A silence would keep from the channels that a group is in a critical stage."""
        may = may_hide_critical_stage(act)
        return next(self._covered(act.match), None) is not None if may is None else may

    def _covered(self, match: Match) -> Iterator[str]:
        for group_id in self._ground.book.in_stages(CRITICAL_STAGES):
            if covers(match, self._ground.known(group_id).ref):
                yield group_id

    def labels(self, act: Proposable) -> Mapping[str, str] | None:
        """What all groups of an act have in common; None for a price, which is the whole desk's."""
        match act:
            case PullLever():
                refs = [self._ref(group_id) for group_id in act.groups]
                return _in_common([ref for ref in refs if ref is not None])
            case MakeSilence():
                return act.match.labels
        return None

    def _ref(self, group_id: str) -> GroupRef | None:
        record = self._ground.book.find(group_id)
        return None if record is None else record.ref

    def _of_lever(self, lever: Lever, group_id: str, how: Judges) -> LeverEffect:
        try:
            old, changed = self._book_changes.pulled(group_id, lever, "", how.at, self._ground.rules)
        except Refused as e:
            return LeverEffect(group_id, refused=str(e), reason=e.reason)
        return effect_of(old, changed, how)


def _in_common(refs: Sequence[GroupRef]) -> Mapping[str, str] | None:
    if not refs:
        return None
    labels = dict(refs[0].labels)
    for ref in refs[1:]:
        labels = common_labels(labels, ref.labels)
    return labels


def facts_of(
    act: Proposable, by: str, person: str, groups: Sequence[str], effects: Iterable[LeverEffect] = ()
) -> dict[str, Any]:
    """The facts that every alert about an act states."""
    moves = [
        {"group": e.group, "from": e.before.stage, "to": e.after.stage}
        for e in effects
        if e.before is not None and e.after is not None and e.before.stage != e.after.stage
    ]
    return {
        "act": kind_of(act),
        "change": change_in_words(act),
        "by": by,
        "person": person or None,
        "reason": reason_of(act),
        "until": stamp_or_none(until_of(act)),
        "groups": len(groups),
        "group_ids": list(groups[:MOST_NAMED]),
        "group_ids_cut": max(0, len(groups) - MOST_NAMED),
        "moves": moves[:MOST_NAMED],
        "moves_cut": max(0, len(moves) - MOST_NAMED),
    }
