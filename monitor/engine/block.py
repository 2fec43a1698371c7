"""An immutable block of groups in columns (ARCHITECTURE): what a million groups are held in, exactly."""

from __future__ import annotations

from monitor.engine.columns import Columns
from monitor.engine.names import Names, Terms

__all__ = ["Columns", "Names", "Terms"]
