"""The table [head]: this daemon is one of two, and decides only while it holds the lease in the store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from socket import gethostname
from typing import Annotated

import msgspec

from monitor.addresses import check_certificates, check_port, origin_of, shown_url
from monitor.core.schema import Pattern, Span


class HeadTable(msgspec.Struct, frozen=True):
    """[head]. Without it the daemon is alone and takes no lease."""

    peer: str | None = None
    """The address of the other daemon's web, as this one reaches it. Without it a head that is cut off goes on sending."""
    name: Annotated[str, Pattern(r"[A-Za-z0-9._-]{0,64}", "at most 64 letters, digits, dots, hyphens and _")] = ""
    """How people know this head; else the name of its machine."""
    ttl: Annotated[timedelta, Span("1s", "1m")] = timedelta(seconds=2)
    """How long a head holds the lease after its newest beat: so long nobody watches when its machine dies."""
    peer_ca_file: Path | None = None
    """Certificates in PEM form that the peer's must go back to; else those of the system."""

    def __post_init__(self) -> None:
        if self.peer is not None:
            if origin_of(self.peer) is None or shown_url(self.peer) != self.peer.rstrip("/"):
                shown = shown_url(self.peer)
                raise ValueError(f"peer: found {shown!r}, expected the other daemon's address, as https://risk-b:8080")
            check_port("peer", self.peer)
        if self.peer_ca_file is not None:
            check_certificates("peer_ca_file", self.peer_ca_file)

    @property
    def place(self) -> str:
        """For people."""
        return self.name or gethostname()


def head_problem(head: HeadTable | None, store: str) -> str | None:
    """What keeps two heads from one store of this kind, or None."""
    if head is None or store == "postgres":
        return None
    return f'needs [store] kind = "postgres", which two daemons can share; found {store!r}'
