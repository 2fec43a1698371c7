"""A shard as an actor of Ray. Whoever hands it to Ray does not load the array libraries."""

from __future__ import annotations

import pickle  # nosec B403
from typing import Any

import ray


class Actor:
    """A shard. What it cannot do ends it, as a process; its head loads another one."""

    def __init__(self) -> None:
        from monitor.engine.spread.shard import Shard, Vector

        self._shard = Shard()
        self._vector = Vector
        self._is_over = False

    def place(self) -> tuple[str, str]:
        """Its machine: for Ray, and for people."""
        return ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address()

    def do(self, calls: bytes, prices: Any) -> bytes:
        """Pickled calls in order; the pickled answer of the last one. Prices are read where they lie."""
        if self._is_over:
            raise RuntimeError("the shard has failed before")
        try:
            return pickle.dumps(self._shard.do(_unpickled(calls), None if prices is None else self._vector(*prices)))
        except Exception:  # as a process, which ends by what it cannot do; it is raised again
            self._is_over = True
            raise

    def aside(self, call: bytes) -> bytes:
        """A pickled call, answered beside all prices."""
        name, args = _unpickled(call)
        return pickle.dumps(self._shard.aside(name, args))


def _unpickled(raw: bytes) -> Any:
    """What the head wrote, over the cluster: who is in it runs what he likes anyway."""
    return pickle.loads(raw)  # noqa: S301  # nosec B301
