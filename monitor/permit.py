"""Whether this process may send now. Whoever puts the bytes of a notice on a wire asks here right before.

A daemon whose store has a lease sets its own answer once, before it begins its tasks: they all inherit it. Without one
everything may be sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

LOOK_S = 0.05
"""How often it is looked whether sending is permitted again."""


class Silent(Exception):
    """Another may be sending now, so these bytes must not go. No attempt was made."""


class Permit(Protocol):
    """What a head knows of its right to send."""

    def may_send(self) -> bool:
        """Now."""

    def has_last_word(self) -> bool:
        """Nobody can say whether another sends: one word of that may go all the same."""

    def is_of_lease(self) -> bool:
        """It holds the lease, and not only the word of its peer."""


class _Always:
    def may_send(self) -> bool:
        return True

    def has_last_word(self) -> bool:
        return True

    def is_of_lease(self) -> bool:
        return True


_permit: ContextVar[Permit] = ContextVar("permit", default=_Always())  # noqa: B039  it holds nothing
_is_last_word: ContextVar[bool] = ContextVar("last word", default=False)


def use(permit: Permit) -> None:
    """From now on, for this task and all that it begins."""
    _permit.set(permit)


def check() -> None:
    """Right before the bytes. Raises Silent."""
    permit = _permit.get()
    if not permit.may_send() and not (_is_last_word.get() and permit.has_last_word()):
        raise Silent("this head holds no lease now, and another may be sending")


@contextmanager
def last_word() -> Iterator[None]:
    """What is sent inside says that nothing more can be."""
    token = _is_last_word.set(True)
    try:
        yield
    finally:
        _is_last_word.reset(token)


async def granted() -> bool:
    """Waits until sending is permitted. False where it had to wait and then held the lease: the store takes commits again."""
    has_waited = False
    while True:
        try:
            check()
        except Silent:
            has_waited = True
            await asyncio.sleep(LOOK_S)
        else:
            return not (has_waited and _permit.get().is_of_lease())
