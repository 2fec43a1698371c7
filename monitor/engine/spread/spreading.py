"""How a book is spread over shards, as the configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

NOWHERE = -1
"""The place of groups that no shard took."""
LIMIT_S = 1.0
"""A shard that has not answered by then is abandoned."""


class Spreading(NamedTuple):
    """How a book is spread."""

    limit_s: float = LIMIT_S
    copies: int = 1
    """Of each shard: the first that answers counts."""
    most_groups: int = 0
    """A shard that has so many takes no more blocks; 0: no limit."""
    most_bytes: int | None = None
    """The same by the memory of its process; None: that of its machine is the limit."""
    folder: Path | None = None
    """Where the file of blocks is; None: where the system has such files."""


DEFAULT = Spreading()
