"""Which block is with which shard, and which shards have room for more."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b

from monitor.engine.spread.spreading import NOWHERE

LEAST_ROOM = 64 << 20
"""A shard with less room than this takes no more blocks: one takes some MB, and a sweep needs room of its own."""


ROOM_OF_BODY = 3
"""A shard takes so many times the bytes of a body for its block, at most, while it lays it."""


def place_of(number: int, places: Collection[int]) -> int:
    """The shard of a block, by rendezvous: with one shard more, only the blocks that go there move."""
    if not places:
        return NOWHERE
    score = lambda place: blake2b(b"%d/%d" % (number, place), digest_size=8).digest()  # noqa: E731
    return max(places, key=score)


class Placement:
    """The shards that there are, and the blocks of each."""

    def __init__(self, count: int, copies: int, most_groups: int) -> None:
        self.copies = copies
        self.ring = list(range(count))
        """The shards to which blocks go."""
        self.joining = set[int]()
        """Shards that are told all, but are not there yet."""
        self.leaving = set[int]()
        """Shards that still hold blocks, which are on their way to the others."""
        self.missing = frozenset[int]()
        """Shards of which no copy is there; NOWHERE, where some blocks are with no shard."""
        self.most_groups = most_groups
        self.groups: dict[int, int] = {}
        """By shard: how many groups it has."""
        self.room: dict[int, int] = {}
        """By copy: bytes that it may still take, as it said last, less what it was told since."""
        self._holder: dict[int, int] = {}
        """By block: the shard that has it."""

    @property
    def places(self) -> list[int]:
        """All shards, also those that are about to come or go."""
        return sorted({*self.ring, *self.joining, *self.leaving})

    def seats(self, place: int) -> range:
        """The copies of a shard."""
        return range(place * self.copies, (place + 1) * self.copies)

    def place(self, number: int) -> int:
        """The shard of a block."""
        found = self._holder.get(number)
        if found is None:
            found = self._holder[number] = place_of(number, [place for place in self.ring if self.has_room(place)])
        return found

    def holder(self, number: int) -> int | None:
        """The same, or None where the block has no place yet."""
        return self._holder.get(number)

    def forget(self, number: int) -> None:
        """The block is gone."""
        self._holder.pop(number, None)

    def hand_over(self, number: int, place: int) -> int:
        """The block is with another shard now. Says where it was."""
        before = self.place(number)
        self._holder[number] = place
        return before

    @property
    def has_homeless(self) -> bool:
        """Some block is with no shard."""
        return NOWHERE in self._holder.values()

    def has_room(self, place: int) -> bool:
        """The shard may take one block more."""
        if place in self.missing or (self.most_groups and self.groups.get(place, 0) >= self.most_groups):
            return False
        return all(self.room.get(seat, LEAST_ROOM) >= LEAST_ROOM for seat in self.seats(place))

    def loaded(self, place: int, groups: int, nbytes: int) -> None:
        """Groups that came to a shard, with the bytes of their body."""
        if place == NOWHERE:
            return
        self.groups[place] = self.groups.get(place, 0) + groups
        for seat in self.seats(place):
            if seat in self.room:
                self.room[seat] -= ROOM_OF_BODY * nbytes

    def moves(self, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """Blocks that are not where they should be, and where that is: first those that nobody watches."""
        open_ = [place for place in self.ring if self.has_room(place)]
        found = []
        for number in numbers:
            at = self.place(number)
            should = place_of(number, self.ring)
            if at == should:
                continue
            if should in open_:
                found.append((number, should))
            elif at not in self.ring and open_:
                found.append((number, place_of(number, open_)))
        return sorted(found, key=lambda move: self.place(move[0]) != NOWHERE)
