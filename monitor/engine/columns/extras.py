"""What few groups have and no column holds: several or empty collateral accounts, balances, contacts."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from monitor.core.loans.group import Contact, Group


class GroupExtras(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of Columns.extras. `collateral` is None where the positions say it all (Columns)."""

    collateral: dict[str, dict[str, Decimal]] | None = None
    thresholds: dict[str, Decimal] = {}
    """Of blocks up to format 2; a column since (codec.load)."""
    balances: dict[str, dict[str, Decimal]] = {}
    contacts: dict[str, tuple[Contact, ...]] = {}


_NOTHING = GroupExtras()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(GroupExtras).decode


def extras_of(group: Group) -> bytes | None:
    """The group's entry in Columns.extras; None for a group that needs none."""
    found = GroupExtras(
        collateral=None if sole_account(group.collateral) else _plain(group.collateral),
        balances=_plain(group.balances),
        contacts=dict(group.contacts),
    )
    return None if found == _NOTHING else _encode(found)


def read_extras(raw: bytes) -> GroupExtras:
    """Reads what `extras_of` made."""
    return _decode(raw)


def without_lines(raw: bytes) -> tuple[dict[str, Decimal], bytes | None]:
    """The lines in an entry of an older block, and the entry without them; None where nothing else is in it."""
    found = _decode(raw)
    rest = msgspec.structs.replace(found, thresholds={})
    return found.thresholds, None if rest == _NOTHING else _encode(rest)


def sole_account(collateral: Mapping[str, Mapping[str, Decimal]]) -> str | None:
    """The account that holds all the collateral, if there is just one account and none of its holdings is zero."""
    if len(collateral) != 1:
        return None
    (account,) = collateral
    return account if all(collateral[account].values()) else None


def _plain(holdings: Mapping[str, Mapping[str, Decimal]]) -> dict[str, dict[str, Decimal]]:
    return {account: dict(coins) for account, coins in holdings.items()}
