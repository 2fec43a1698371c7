"""What database the heads share: its version, and the settings on which it depends whether a commit outlives a machine."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

LOOK_S = 30.0
"""How often it is looked at: settings change with a reload of the server."""
_LOOK = (
    "SELECT current_setting('server_version') AS version, current_setting('synchronous_standby_names') AS standbys, "
    "current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes, "
    "pg_is_in_recovery() AS is_standby"
)


class DatabaseState(msgspec.Struct, frozen=True):
    """What the database says of itself. `synchronous_standby_names`: those that a commit waits for; empty: for none."""

    version: str
    synchronous_standby_names: str
    fsync: str
    full_page_writes: str
    is_standby: bool

    @property
    def troubles(self) -> list[str]:
        """What makes commits unsafe, or impossible."""
        names = ("fsync", "full_page_writes")
        found = [
            f"{name} is off: a power cut there loses commits; turn it on"
            for name in names
            if getattr(self, name) == "off"
        ]
        if self.is_standby:
            found.append("it is a standby, which takes no commits; name the primary in url")
        return found


async def look(db: Any) -> DatabaseState:
    """As it stands now."""
    row = await db.fetchrow(_LOOK)
    return DatabaseState(*row)


def offset_of(ours: datetime, theirs: datetime, way_s: float) -> float:
    """Our clock less theirs, by the middle of the way there and back. Half of the way is not known: it counts for neither."""
    off_s = (ours - timedelta(seconds=way_s / 2) - theirs).total_seconds()
    sure_s = max(abs(off_s) - way_s / 2, 0.0)
    return sure_s if off_s >= 0 else -sure_s
