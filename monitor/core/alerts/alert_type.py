"""What a type of alert is made of: its severity, its words, and the facts that it states. The rows are in `catalogue.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
INFO: Final = "info"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
SEVERITY_RANK: Mapping[str, int] = {CRITICAL: 0, WARNING: 1, INFO: 2}
"""The worst first."""
COLOUR: Mapping[str, str] = {CRITICAL: "bold red", WARNING: "yellow", INFO: "green"}
"""Of a severity on a terminal."""

TEXT: Mapping[str, Any] = {"type": "string"}
AMOUNT: Mapping[str, Any] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
TIME: Mapping[str, Any] = {"type": "string", "format": "date-time"}
COUNT: Mapping[str, Any] = {"type": "integer"}
COUNTS: Mapping[str, Any] = {"type": "object", "additionalProperties": COUNT}
FLAG: Mapping[str, Any] = {"type": "boolean"}
NAMES: Mapping[str, Any] = {"type": "array", "items": TEXT}
ROWS: Mapping[str, Any] = {"type": "array", "items": {"type": "object"}}


class Fact(msgspec.Struct, frozen=True):
    """One thing that an alert states beside its figures."""

    name: str
    schema: Mapping[str, Any]
    words: str
    optional: bool = False
    """It may be null or absent."""


class AlertType(msgspec.Struct, frozen=True):
    """A row of the catalogue. Texts are Markdown."""

    type: str
    severity: Severity
    title: str
    """A few words for people: the subject line of a mail, a row of the dashboard."""
    about: str
    means: str
    todo: str
    facts: tuple[Fact, ...] = ()
    news: Literal["bad", "good"] | None = None
    """Whether it tells of a new stage: a worse one, or a better one."""
    critical_by: str | None = None
    """The fact that makes it critical where it says so: what the alert is about was."""
    ends: tuple[str, ...] = ()
    """The types whose alerts about the same subject are over with it."""

    def may_be(self, severity: str | None) -> bool:
        """Whether an alert of this type can have that severity; None stands for any."""
        return severity in (None, self.severity) or (severity == CRITICAL and self.critical_by is not None)
