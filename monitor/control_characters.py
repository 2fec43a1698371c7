"""Control characters, which command a terminal, begin a line of a mail or a log, or turn the direction of other words.

They never leave the monitor in a text for people: the API refuses them, and what came by a file, a venue or an older store is
shown with escapes.
"""

from __future__ import annotations

import re

_CONTROL = "\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""What a terminal obeys, what begins a line of a mail or a log, and what turns the direction of others' words. The letters of
right-to-left scripts are not among them, nor the joiners that shape some."""
_ANY_CONTROL = re.compile(f"[{_CONTROL}]")
_CONTROL_BUT_LINES = re.compile(f"(?!\n)[{_CONTROL}]")
_BREAKS = re.compile("[ \t]*[\r\n\t\v\f\x85\u2028\u2029]+[ \t]*")


def visible(text: str, *, keeps_lines: bool = False) -> str:
    """A text with its control characters as escapes, such as \\x1b: they change nothing where the text is shown.

    `keeps_lines`: of a text of several lines, which are its own.
    """
    return (_CONTROL_BUT_LINES if keeps_lines else _ANY_CONTROL).sub(_escape, text)


def control_in(text: str) -> str | None:
    """The first control character of a text, as an escape; None where there is none."""
    found = _ANY_CONTROL.search(text)
    return None if found is None else _escape(found)


def unbroken(text: str) -> str:
    """A text on one line: each line break and tab is a blank."""
    return _BREAKS.sub(" ", text).strip()


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
