"""Has the pages of a large book packed by another process, so that their lines do not ask for the daemon's interpreter.

The other process packs by the same code and the same rules. What it sends back is a block as the store has it, so nothing is
read twice: a page costs the daemon a tenth of what it costs to pack it.
"""

from __future__ import annotations

import pickle  # nosec B403
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime

import msgspec

from monitor.books._base import Packed
from monitor.core.rules.product import Product
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.ingest.pack_messages import PackedPage, Page, receive, send
from monitor.engine.ingest.packer import PackedGroups

ANSWER_S = 60.0
"""A page of long lines takes some seconds on a busy machine. One that takes longer is packed here."""

_CODE = "import sys; sys.path[:] = {path!r}; from monitor.engine.ingest import pack_worker; pack_worker.main({handle})"
_answer = msgspec.msgpack.Decoder(PackedPage).decode


class PackProcessGone(Exception):
    """It does not answer. `is_broken`: it did not end because nothing was asked of it for a while."""

    def __init__(self, *, is_broken: bool) -> None:
        super().__init__("the packing process is gone")
        self.is_broken = is_broken


class PackProcess:
    """One of them. For one thread at a time, `close` aside. Raises OSError where it cannot be begun."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._products: Mapping[str, Product] | None = None
        """The rules that it has."""
        self._is_ready = False
        self._peer, theirs = socket.socketpair()
        self._peer.settimeout(ANSWER_S)
        with theirs:
            code = _CODE.format(path=sys.path, handle=theirs.fileno())
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter, and nobody else's words
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_ready(self) -> bool:
        """It has begun: until then the daemon packs faster itself. Raises PackProcessGone."""
        if not self._is_ready and select.select([self._peer], [], [], 0)[0]:
            self._receive()
            self._is_ready = True
        return self._is_ready

    def pack(
        self, raws: list[bytes], at: datetime, products: Mapping[str, Product], source: str, *, is_live: bool
    ) -> Packed:
        """As Packer.pack. Raises PackProcessGone, and NamesFull."""
        rules = b"" if products is self._products else pickle.dumps(products)
        try:
            send(self._peer, Page(at, source, is_live, rules, list(map(len, raws))), b"".join(raws))
        except OSError:
            raise self._gone() from None
        head, body = self._receive()
        self._products = products
        rest = _answer(head).rest
        left = set(rest)
        packed = [raw for place, raw in enumerate(raws) if place not in left]
        block = Block.load(body, self._names)
        return Packed(PackedGroups(block, self._names, packed, products), rest)

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        self._peer.close()

    def _receive(self) -> tuple[bytes, bytes]:
        try:
            found = receive(self._peer)
        except OSError:
            raise self._gone() from None
        if found is None:
            raise self._gone()
        return found

    def _gone(self) -> PackProcessGone:
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            code = None
        return PackProcessGone(is_broken=code != 0)
