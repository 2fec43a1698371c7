"""What every channel shares: the notice, one attempt, and one error that says whether to retry."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec


class Notice(msgspec.Struct, frozen=True):
    """An alert as it is sent: the object of INTERFACES section 5, and to whom where the borrower's own contacts are meant."""

    type: str
    timestamp: str
    data: dict[str, Any]
    to: tuple[str, ...] = ()
    """Addresses that replace the notifier's own (route target `contacts`)."""

    @property
    def id(self) -> str:
        """Stable over all attempts: receivers drop duplicates by it."""
        return str(self.data["id"])

    def body(self) -> bytes:
        """The exact bytes that are signed and sent; the same for every attempt."""
        return msgspec.json.encode({"type": self.type, "timestamp": self.timestamp, "data": self.data})


class Receipt(msgspec.Struct, frozen=True):
    """What the other side said on taking the notice: kept in the record of the attempt."""

    detail: str = ""


class DeliveryError(Exception):
    """One attempt failed. `retry`: the same notice may go through later; `after_s`: not before, as the peer asked."""

    def __init__(self, reason: str, *, retry: bool, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry, self.after_s = reason, retry, after_s


class Notifier(Protocol):
    """A channel. Its module has `Config` (a frozen struct read by wire.read) and `build(name, config) -> Notifier`."""

    async def send(self, notice: Notice) -> Receipt:
        """ONE attempt, bounded in time. Raises DeliveryError."""
        ...

    async def close(self) -> None:
        """Frees connections."""
        ...
