"""Whose fault an answer is that may be about one notice alone: 413 or 422 for a body, or for everything."""

from __future__ import annotations

from collections import OrderedDict

from monitor.notifiers._base import Fault

IN_A_ROW = 3
"""So many different notices with the same answer, and none that passes: the channel refuses them all."""
LOSABLE = frozenset({"413", "422"})
"""Answers that may cost a notice. Any other keeps it for its whole horizon."""
_KEPT = 1_000


class DoubtfulAnswers:
    """What one channel refused since a notice passed. It remembers the last 1,000 notices that are in doubt."""

    def __init__(self) -> None:
        self._passed = 0
        self._row: tuple[str, set[str]] = ("", set())
        """The last answer, and the deliveries that had it one after the other."""
        self._doubted: OrderedDict[str, int] = OrderedDict()
        """By delivery: how many others had passed when it was refused last."""

    def judge(self, delivery: str, answer: str) -> Fault:
        """The fault behind a doubtful answer to a delivery."""
        said, row = self._row
        row = {*row, delivery} if said == answer else {delivery}
        self._row = answer, row
        if len(row) >= IN_A_ROW:
            return Fault.CHANNEL
        before = self._doubted.pop(delivery, None)
        if answer in LOSABLE and before is not None and before < self._passed:
            return Fault.NOTICE
        self._doubted[delivery] = self._passed
        if len(self._doubted) > _KEPT:
            self._doubted.popitem(last=False)
        return Fault.DOUBTFUL

    def passed(self, delivery: str) -> None:
        """The channel took a notice: what it refuses after this, it refuses for the notice's sake."""
        self._passed += 1
        self._row = ("", set())
        self._doubted.pop(delivery, None)
