"""The staging form of a tick's plain steps: its groups in columns, the sheet of its prices, and its rules, as bytes.

A commit keeps it in place of the figures of its alerts. Any process reads it back, and works out the very figures.
"""

from __future__ import annotations

import hashlib
import struct
from datetime import datetime
from decimal import Decimal

import msgspec

from monitor.core.alerts.light import StagedForm
from monitor.core.groups.plain_moves import Disproved
from monitor.core.prices.frame_columns import BoardView
from monitor.core.prices.quote import Mark
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import Signal, Stage
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.moves.moved import CutBy, CutGroups, Decided, PlainStep

FORMAT = 1


class _Body(msgspec.Struct, frozen=True, array_like=True):
    format: int
    name: str
    """Of the monitor."""
    at: datetime
    products: dict[str, bytes]
    """By name, the digest of its rules."""
    usd: dict[str, Decimal]
    marks: tuple[Mark, ...]
    kinds: tuple[tuple[Stage, Signal], ...]
    """The distinct steps."""
    steps: bytes
    """By group, the place of its step among them."""
    block: bytes
    debts: bytes = b""
    """By group, what it owes in USD as far as a float says it: for the order in which notices go. Older forms have none."""


_encode = msgspec.msgpack.Encoder().encode
_body = msgspec.msgpack.Decoder(_Body).decode
_product = msgspec.msgpack.Decoder(Product).decode


class RulesForms:
    """The bytes of products, worked out once for each."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Product, tuple[bytes, bytes]]] = {}

    def of(self, product: Product) -> tuple[bytes, bytes]:
        """(digest, bytes) of a product."""
        found = self._known.get(id(product))
        if found is None:
            body = _encode(product)
            assert _product(body) == product, "rules that do not survive their bytes"
            found = product, (hashlib.sha256(body).digest()[:16], body)
            if len(self._known) >= 64:
                self._known.clear()
            self._known[id(product)] = found
        return found[1]


def dump(groups: CutGroups, forms: RulesForms) -> StagedForm:
    """The staging form of groups."""
    rules, at, _ = groups.decided
    used = {groups.names.products[place] for place in groups.block.products()}
    products = {name: forms.of(rules.products[name]) for name in sorted(used)}
    kinds = list(dict.fromkeys(groups.steps))
    place = {step: number for number, step in enumerate(kinds)}
    body = _Body(
        FORMAT,
        rules.name,
        at,
        {name: digest for name, (digest, _) in products.items()},
        dict(groups.prices.usd),
        tuple(groups.prices.marks.values()),
        tuple((step.stage, step.signal) for step in kinds),
        bytes([place[step] for step in groups.steps]),
        groups.block.dump(groups.names),
        struct.pack(f"<{len(groups.debts)}d", *groups.debts),
    )
    return StagedForm(_encode(body), dict(products.values()))


def load(form: StagedForm, disproved: Disproved) -> CutGroups:
    """The groups of a staging form."""
    body, names = _body(form.body), Names()
    assert body.format == FORMAT, f"a staging form of format {body.format}, this monitor knows {FORMAT}"
    products = {name: _product(form.rules[digest]) for name, digest in body.products.items()}
    kinds = [PlainStep(*kind) for kind in body.kinds]
    view = BoardView({mark.asset: mark for mark in body.marks}, body.usd, frozenset())
    decided = Decided(Rules(body.name, products), body.at, view)
    block = Block.load(body.block, names)
    debts = struct.unpack(f"<{len(body.debts) // 8}d", body.debts)
    return CutGroups(block, names, [kinds[k] for k in body.steps], decided, CutBy(debts, disproved, lambda _: form))
