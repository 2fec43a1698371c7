"""A change that the book or the rules do not allow."""

from __future__ import annotations


class Refused(Exception):
    """The book does not allow it. `reason` is a counter's label; the text says what to do instead."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
