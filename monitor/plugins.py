"""Finds a plug-in by its kind: `kind = "webhook"` in the family `notifiers` is `monitor/notifiers/webhook.py`.

A plug-in is one module with a `Config` struct, `build(...)` and one class; a product has `load(table)` instead. There is no
registry: the file is the entry.
"""

import difflib
import importlib
import pkgutil
from types import ModuleType


class UnknownKind(Exception):
    """The family has no module of that name. The text names those that exist, and the nearest."""

    def __init__(self, family: str, kind: str) -> None:
        known = kinds(family)
        near = difflib.get_close_matches(kind, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"no such kind {kind!r} among the {family}; {hint}there are: {', '.join(known)}")


def kinds(family: str) -> list[str]:
    """The names of all plug-ins of a family, sorted. A module that begins with `_` holds what they share, and is no kind."""
    package = importlib.import_module(f"monitor.{family}")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def module(family: str, kind: str) -> ModuleType:
    """The plug-in's module. Raises UnknownKind."""
    if kind not in kinds(family):
        raise UnknownKind(family, kind)
    return importlib.import_module(f"monitor.{family}.{kind}")
