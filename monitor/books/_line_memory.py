"""What a book in a file remembers of its lines: which are in force, and which groups a reading names.

Lines and ids are 64-bit hashes of this process. In a book of a million lines, two lines have the same hash once in some ten
million readings.
"""

from __future__ import annotations

from array import array
from typing import Protocol


class LineMemory(Protocol):
    """A hash is never 0. In a list of ids, 0 stands for an unknown one."""

    def __len__(self) -> int:
        """Lines in force."""

    def applied(self, lines: array[int]) -> array[int]:
        """The id that each line puts, or 0 for a line that is not in force."""

    def name(self, ids: array[int], numbers: list[int]) -> list[int]:
        """Notes which groups lines of this reading name. For each, the number of the line that named it before, or 0."""

    def take(self, lines: array[int], ids: array[int]) -> None:
        """These lines are in force after this reading; each id once."""

    def named(self, ids: array[int]) -> list[bool]:
        """Whether this reading names each group."""

    def lacks(self) -> bool:
        """A line was in force before this reading whose group it does not name."""

    def end(self, *, forget: bool) -> None:
        """Ends the reading. Lines of groups that it names but did not put stay; `forget` drops those of other groups."""


class PlainLineMemory:
    """For books of some thousand lines."""

    def __init__(self) -> None:
        self._lines: dict[int, int] = {}
        self._taken: dict[int, int] = {}
        self._first: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def applied(self, lines: array[int]) -> array[int]:
        return array("q", [self._lines.get(line, 0) for line in lines])

    def name(self, ids: array[int], numbers: list[int]) -> list[int]:
        firsts = [
            self._first.setdefault(id_, number) if id_ else number for id_, number in zip(ids, numbers, strict=True)
        ]
        return [0 if first == number else first for first, number in zip(firsts, numbers, strict=True)]

    def take(self, lines: array[int], ids: array[int]) -> None:
        self._taken.update(zip(lines, ids, strict=True))

    def named(self, ids: array[int]) -> list[bool]:
        return [id_ in self._first for id_ in ids]

    def lacks(self) -> bool:
        return not self._first.keys() >= set(self._lines.values())

    def end(self, *, forget: bool) -> None:
        if not (self._taken or forget):
            self._first = {}
            return
        put = set(self._taken.values())
        stays = {
            line: id_ for line, id_ in self._lines.items() if id_ not in put and (not forget or id_ in self._first)
        }
        self._lines = stays | self._taken
        self._taken = {}
        self._first = {}

    def hand_over(self, other: LineMemory) -> None:
        """Gives all lines in force to another memory, between two readings."""
        other.take(array("q", self._lines.keys()), array("q", self._lines.values()))
        other.end(forget=False)
