"""Which alerts a route or a silence means: both use this one grammar."""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec

from monitor.core.alerts.alert import Alert, GroupRef
from monitor.core.alerts.alert_type import Severity


class Match(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an alert must be like, in every key that is stated. `type`, `group` and the values of `labels` may be globs.

    `group_id` is an id as it stands: a star in it is a star.
    """

    type: str | None = None
    severity: Severity | None = None
    product: str | None = None
    group: str | None = None
    labels: dict[str, str] = {}
    group_id: str | None = None


def takes(match: Match, alert: Alert) -> bool:
    """Whether an alert matches. An alert that is about no group has no product, group or label to match."""
    if match.type is not None and not fnmatchcase(alert.type, match.type):
        return False
    if match.severity is not None and alert.severity != match.severity:
        return False
    return covers(match, alert.group)


def covers(match: Match, group: GroupRef | None) -> bool:
    """Whether a match means a group, whatever the alert says of it."""
    if match.product is None and match.group is None and match.group_id is None and not match.labels:
        return True
    return (
        group is not None
        and (match.product is None or group.product == match.product)
        and match.group_id in (None, group.id)
        and (match.group is None or match.group == group.id or fnmatchcase(group.id, match.group))
        and all(key in group.labels and fnmatchcase(group.labels[key], value) for key, value in match.labels.items())
    )
