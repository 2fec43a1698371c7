"""Finds a plug-in by its kind: `kind = "webhook"` in the family `notifiers` is `monitor/notifiers/webhook.py`.

A plug-in is one module with a `Config` struct, `build(...)` and one class. There is no registry: the file is the entry.
"""

import difflib
import importlib
import pkgutil
from types import ModuleType


class UnknownKind(Exception):
    """No module of that name in the family. Says which exist and which is nearest."""

    def __init__(self, family: str, kind: str) -> None:
        known = kinds(family)
        near = difflib.get_close_matches(kind, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"no such kind {kind!r} among the {family}; {hint}there are: {', '.join(known)}")
        self.family, self.kind, self.known = family, kind, known


def kinds(family: str) -> list[str]:
    """Names of all plug-ins of a family, sorted. A module that begins with `_` is what they share, and no kind."""
    package = importlib.import_module(f"monitor.{family}")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def module(family: str, kind: str) -> ModuleType:
    """The plug-in's module. Raises UnknownKind."""
    if kind not in kinds(family):
        raise UnknownKind(family, kind)
    return importlib.import_module(f"monitor.{family}.{kind}")
