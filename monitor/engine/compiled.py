"""How the engine's loops are compiled, and when what was compiled counts no longer.

numba keeps the machine code of a loop on disk, and believes it as long as the file of that loop is as it was. It does not
look at what the loop takes from other files, and cannot even read its own index where that names a class that is gone. So
all of it is forgotten as soon as any file of the engine is another one: after an upgrade, and after a pull in a checkout.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

ENGINE = Path(__file__).parent
MARK = "engine.sha256"
"""Says by which files the loops beside it were compiled."""

_njit: Any = njit


def kernel(function: F) -> F:
    """Compiles at the first call, once per machine, and runs without the GIL."""
    return cast(F, _njit(nogil=True, cache=True, _nrt=True)(function))


def borrowing(function: F) -> F:
    """The same for a loop that makes no arrays. It counts nowhere that it has those of others: these counts are half of the
    code, and with cold caches each is a line of memory of its own."""
    return cast(F, _njit(nogil=True, cache=True, _nrt=False)(function))


def forget_older(engine: Path, kept: Path) -> None:
    """Removes the loops that other files than those in `engine` were compiled to. What cannot be removed stays."""
    with contextlib.suppress(OSError):
        now, mark = _digest(engine), kept / MARK
        if mark.is_file() and mark.read_text(encoding="ascii", errors="replace") == now:
            return
        for path in (*kept.rglob("*.nbi"), *kept.rglob("*.nbc")):
            path.unlink(missing_ok=True)
        kept.mkdir(parents=True, exist_ok=True)
        # Another process may read it meanwhile: then it finds half a line and forgets once more.
        mark.write_text(now, encoding="ascii")


def _digest(engine: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(engine.rglob("*.py")):
        source = path.read_bytes()
        found.update(f"{path.relative_to(engine)} {len(source)}\n".encode() + source)
    return found.hexdigest()


forget_older(ENGINE, Path(os.environ.get("NUMBA_CACHE_DIR") or ENGINE))
