"""What a replay could not show: groups that owe and were never valued, and the coins without a price, with the reason.

A tape whose prices belong to other coins than those of the book plays to its end without an alert, and looks like a calm day.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from monitor.core.schema import is_asset
from monitor.core.text import MOST_NAMED
from monitor.core.watch.risk import RiskMonitor
from monitor.feeds._tapes.reader import TapeFile

_SHOWN = 5
"""So many groups or coins a sentence names."""


def unvalued(monitor: RiskMonitor, tape: TapeFile) -> list[str]:
    """A sentence for the groups that owe and have no value at the end of a tape, and one for each coin that they lack."""
    book, usd = monitor.book, monitor.board.usd
    missing = frozenset(asset for asset in book.needed() if asset not in usd)
    if not missing:
        return []
    exposure = book.exposure(missing, monitor.board, 0)
    candidates: Iterable[str] = exposure.ids
    found = _owing(monitor, candidates)
    if not found and exposure.groups > len(exposure.ids):
        found = _owing(monitor, book.ids())
    if not found:
        return []
    lacking = sorted(frozenset().union(*(assets & missing for _, assets in found)))
    names = ", ".join(id_ for id_, _ in found[:_SHOWN])
    more = exposure.groups > len(exposure.ids)
    who = f"group {names} owes and was" if len(found) == 1 and not more else f"{len(found)} groups that owe were"
    who = f"at least {who}" if more else who
    shown = f" ({names}{', ...' if len(found) > _SHOWN else ''})" if not who.startswith("group") else ""
    first = f"{tape.path}: {who} never valued{shown}: no price of {', '.join(lacking[:MOST_NAMED])}"
    return [first, *(_why(asset, monitor, tape) for asset in lacking[:_SHOWN])]


def _owing(monitor: RiskMonitor, ids: Iterable[str]) -> list[tuple[str, frozenset[str]]]:
    """Those of these groups that owe and lack a price, with the coins that decide about them; at most MOST_NAMED."""
    records = (record for id_ in ids if (record := monitor.book.find(id_)) is not None)
    usd = monitor.board.usd
    owing = (
        (record.group.id, record.held.assets)
        for record in records
        if record.held.debts and not all(asset in usd for asset in record.held.assets)
    )
    return list(islice(owing, MOST_NAMED))


def _why(asset: str, monitor: RiskMonitor, tape: TapeFile) -> str:
    """What the tape has in place of a coin's price, and what to do."""
    mark = monitor.board.marks.get(asset)
    said = monitor.board.sources(asset, monitor.at) if monitor.at is not None and mark is None else ()
    doubts = [price.reason or "no second price confirmed the first" for price in said] + (
        [mark.reason] if mark is not None and mark.reason else []
    )
    if doubts:
        return f"{tape.path}: {asset} has prices that were not believed: {doubts[0]}"
    if mark is not None:
        return f"{tape.path}: {asset} has prices in {mark.quote}, and {mark.quote} has none in USD; see usdt_usd of [prices]"
    alike = [f"{name!r}, which {why}" for name, why in tape.left_out.items() if asset in name.upper()]
    if alike:
        return f"{tape.path}: {asset} has no price; the tape has {'; '.join(alike[:_SHOWN])}"
    coins = sorted(monitor.board.marks)
    near = [coin for coin in coins if asset in coin or coin in asset]
    has = ", ".join((near or coins)[:_SHOWN]) or "no price that can be used"
    rest = ", ..." if not near and len(coins) > _SHOWN else ""
    remedy = f"add rows of {asset}" if is_asset(asset) else "mend the book"
    return f"{tape.path}: {asset} has no price; the tape has {has}{rest}: {remedy}, or name the coin as the tape does"
