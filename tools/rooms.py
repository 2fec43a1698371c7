"""Prints the rooms at the top level of the monitor, the arrows of imports between them, and the circles between modules.

python -m tools.rooms
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

import grimp

MONITOR = "monitor"


class Rooms(NamedTuple):
    """Packages and modules right under `monitor`."""

    names: frozenset[str]
    arrows: frozenset[tuple[str, str]]
    """(who imports, what is imported)."""
    circle: tuple[str, ...]
    """Modules that import each other in a ring; empty where there is none."""


def counted() -> Rooms:
    """Of the imports that the code states, those inside functions included."""
    graph = grimp.build_graph(MONITOR)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    arrows = {(_room(a), _room(b)) for a, found in imports.items() for b in found if _room(a) != _room(b)}
    names = {_room(module) for module in imports} - {MONITOR}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as e:
        return Rooms(frozenset(names), frozenset(arrows), tuple(e.args[1]))
    return Rooms(frozenset(names), frozenset(arrows), ())


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


if __name__ == "__main__":
    rooms = counted()
    print(f"{len(rooms.names)} rooms at the top level, {len(rooms.arrows)} arrows between them")
    print("a circle: " + " -> ".join(rooms.circle) if rooms.circle else "no circle between modules")
