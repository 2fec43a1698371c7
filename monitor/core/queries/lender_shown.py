"""What the lender's own system said of a group, as answers show it beside ours."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor.core.rules.settings import LenderRules
from monitor.core.stages.stages import LenderView, Stage
from monitor.core.text import plain_or_none, stamp, stamp_or_none


class LenderShown(msgspec.Struct, frozen=True):
    """What the lender's own system said last, to be held against our level, stage and deadline.

    `level` is in the metric of the product; null where the lender leaves it empty, as `stage` and `deadline` are. `differs`:
    what the desk was told of and still differs. `old`: it is older than [lender] old_after. `compared` is false where our
    prices were not trusted then: only what is worse by the lender counted.
    """

    source: str
    level: str | None
    stage: Stage | None
    words: str
    deadline: str | None
    as_of: str
    age_s: float
    old: bool
    figures: dict[str, str]
    differs: list[str]
    compared: bool


def lender_shown(view: LenderView, rules: LenderRules, at: datetime) -> LenderShown:
    """The last reading with its age at a time."""
    reading = view.reading
    age = at - reading.as_of
    return LenderShown(
        source=view.source,
        level=plain_or_none(reading.level),
        stage=reading.stage,
        words=reading.words,
        deadline=stamp_or_none(reading.deadline),
        as_of=stamp(reading.as_of),
        age_s=round(age.total_seconds(), 3),
        old=age > rules.old_after,
        figures=dict(reading.figures),
        differs=list(view.told),
        compared=view.is_compared,
    )
