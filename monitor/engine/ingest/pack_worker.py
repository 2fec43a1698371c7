"""The packing process of a large book: it packs pages as the daemon would, and sends them back as blocks.

It ends when the daemon is gone, or asks for nothing for a while.
"""

from __future__ import annotations

import contextlib
import os
import pickle  # nosec B403
import socket
from collections.abc import Mapping

import msgspec

from monitor.core.instants import EPOCH
from monitor.core.rules.product import Product
from monitor.engine.columns.names import Names
from monitor.engine.ingest.pack_messages import READY, PackedPage, Page, receive, send
from monitor.engine.ingest.packer import PackedGroups, Packer

IDLE_S = 30.0
"""A page is committed in a second at most. One that comes later is the daemon's own to pack, or that of another process."""
NICENESS = 5
"""It gives way to core, where they share a processor; what it loads before that may take no longer than must be."""

_page = msgspec.msgpack.Decoder(Page).decode


def main(handle: int) -> None:
    """Serves the daemon at the other end of a socket."""
    names = Names()
    packer = Packer(names)
    products: Mapping[str, Product] = {}
    with socket.socket(fileno=handle) as peer, contextlib.suppress(OSError):  # the daemon is gone, or asks no more
        peer.settimeout(IDLE_S)
        packer.pack([], EPOCH, products, "")  # loads what is compiled
        send(peer, READY, b"")
        os.nice(NICENESS)
        while (asked := receive(peer)) is not None:
            page, body = _page(asked[0]), asked[1]
            if page.products:
                products = pickle.loads(page.products)  # noqa: S301  # nosec B301 - the daemon that began this process made it
            packed = packer.pack(page.lines(body), page.at, products, page.source, is_live=page.is_live)
            assert isinstance(packed.batch, PackedGroups)
            send(peer, PackedPage(packed.rest), packed.batch.block.dump(names))
