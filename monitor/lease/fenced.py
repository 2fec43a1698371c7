"""What ends a head: another one has the lease."""

from __future__ import annotations


class Fenced(Exception):
    """Another head has the lease: this one must write and send nothing more. The process ends."""


def fenced_by(e: BaseException) -> Fenced | None:
    """The word of it in what broke; None where something else did."""
    if isinstance(e, BaseExceptionGroup):
        return next((found for each in e.exceptions if (found := fenced_by(each)) is not None), None)
    return e if isinstance(e, Fenced) else None
