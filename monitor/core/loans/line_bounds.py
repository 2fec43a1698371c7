"""What a line may hold of labels and contacts. Too much of them is left out, and control characters are shown as escapes;
the group is watched all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.control_characters import control_in, visible
from monitor.core.schema import Problem

MOST_LABELS = 32
LABEL_NAME_BYTES = 64
LABEL_VALUE_BYTES = 256
"""All labels of a group together then take at most half of a notice's 20 kB."""
MOST_CONTACTS = 50
"""Of one kind. A mail server takes a hundred recipients at once; a borrower has a few."""

_SHOWN = 60


def label_problems(labels: Mapping[str, str]) -> list[Problem]:
    """The labels that are too many or too long, or hold control characters, each with its place and what is allowed."""
    problems: list[Problem] = []
    kept = 0
    for name, value in labels.items():
        where = f"labels.{visible(name[:_SHOWN])}"
        if (found := len(name.encode(errors="replace"))) > LABEL_NAME_BYTES:
            what = f"found a name of {found} bytes, expected at most {LABEL_NAME_BYTES}; shorten it"
            problems.append(Problem(where, what, "labels"))
        elif (found := len(value.encode(errors="replace"))) > LABEL_VALUE_BYTES:
            what = f"found {value[:_SHOWN]!r}... of {found} bytes, expected at most {LABEL_VALUE_BYTES}; shorten it"
            problems.append(Problem(where, what, "labels"))
        elif (control := control_in(name) or control_in(value)) is not None:
            kept += 1
            what = (
                f"found {value[:_SHOWN]!r} with the control character {control}, which is shown like that; take it out"
            )
            problems.append(Problem(where, what, "labels"))
        elif kept == MOST_LABELS:
            what = f"found {len(labels)} labels, expected at most {MOST_LABELS}; leave some out"
            problems.append(Problem(where, what, "labels"))
            break
        else:
            kept += 1
    return problems


def bounded_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that a group keeps: the first 32 of those that are short enough."""
    if not labels:
        return {}
    fitting = (
        (name, value)
        for name, value in labels.items()
        if len(name.encode(errors="replace")) <= LABEL_NAME_BYTES
        and len(value.encode(errors="replace")) <= LABEL_VALUE_BYTES
    )
    return {name: value for _, (name, value) in zip(range(MOST_LABELS), fitting, strict=False)}


def in_words(problems: Iterable[Problem], most: int = 5) -> str:
    """Problems as one sentence; the first few are named, the others counted."""
    found = list(problems)
    more = f"; and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(map(str, found[:most])) + more
