"""Whether a book is the one that was read before the restart: then its groups are in the store, and no line need be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol, runtime_checkable

_MASK = (1 << 64) - 1


class LineSums(NamedTuple):
    """Of the digests of lines, which say all of a line, its id too: equal for the same lines in any order."""

    lines: int = 0
    total: int = 0
    """Modulo 2**64."""
    mixed: int = 0
    """All digests, exclusive or."""

    @staticmethod
    def of(digests: Iterable[str]) -> LineSums:
        """Of digests in hex, as groups keep them."""
        found = LineSums()
        for digest in digests:
            value = int(digest or "0", 16)
            found = found.plus(LineSums(1, value, value))
        return found

    def plus(self, other: LineSums) -> LineSums:
        """Of the lines of both."""
        return LineSums(self.lines + other.lines, self.total + other.total & _MASK, self.mixed ^ other.mixed)


@runtime_checkable
class Summed(Protocol):
    """A batch of groups that knows the sums of its lines."""

    @property
    def sums(self) -> LineSums: ...


class KeptLines(NamedTuple):
    """What the monitor has of a source now."""

    sums: LineSums
    """Of the lines that put the groups that are open now."""
    rules: str
    """Stands for all that decides what a line means: the rules, the names of coins, this version of the monitor."""


def position_of(digest: bytes, kept: KeptLines) -> str:
    """What a source leaves with the groups that a whole reading put, and gets back after a restart."""
    return f"{digest.hex()} {kept.rules} {kept.sums.lines} {kept.sums.total:016x} {kept.sums.mixed:016x}"
