"""Which alerts are meant: the one grammar of routes and silences."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from monitor.core.alerts.alert import Alert, GroupRef


class Match(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a route or a silence matches: all that is stated. `type`, `group` and the values of `labels` may be globs."""

    type: str | None = None
    severity: Literal["info", "warning", "critical"] | None = None
    product: str | None = None
    group: str | None = None
    labels: dict[str, str] = {}


def takes(match: Match, alert: Alert) -> bool:
    """Whether an alert matches. One that is about no group matches no product, group or label."""
    if match.type is not None and not fnmatchcase(alert.type, match.type):
        return False
    if match.severity is not None and alert.severity != match.severity:
        return False
    return covers(match, alert.group)


def covers(match: Match, group: GroupRef | None) -> bool:
    """Whether a group is one that is meant, whatever is said of it."""
    if match.product is None and match.group is None and not match.labels:
        return True
    return (
        group is not None
        and (match.product is None or group.product == match.product)
        and (match.group is None or fnmatchcase(group.id, match.group))
        and all(key in group.labels and fnmatchcase(group.labels[key], value) for key, value in match.labels.items())
    )
