"""Puts alerts together: the lifecycle's word with the figures, a price's loss of trust, what the shell noticed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor.core.alerts.alert import Alert, Figures
from monitor.core.events.events import GroupClosed, GroupPut, GroupsPut, Noticed, RatesChanged
from monitor.core.events.rates import Late, late_words
from monitor.core.groups.loan_book import Exposure
from monitor.core.groups.record import GroupRecord
from monitor.core.ids import alert_id
from monitor.core.money import plain
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import Mark
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product
from monitor.core.stages.decision import Said
from monitor.core.text import MOST_NAMED, stamp, stamp_or_none


def group_alert(
    said: Said, record: GroupRecord, figures: Figures, detected_at: datetime, facts: Mapping[str, Any]
) -> Alert:
    """An alert about a group: what the lifecycle said, on the figures of its time."""
    return Alert(
        type=said.type, id=said.id, at=said.at, detected_at=detected_at, subject=record.group.id,
        sequence=said.sequence, episode=said.episode, group=record.ref,
        stage_from=said.stage_from, stage_to=said.stage_to, reason=said.reason, figures=figures,
        deadline=said.deadline, supersedes=said.supersedes, suppressed=said.suppressed,
        blind=record.blind, facts=facts, contacts=record.group.contacts,
    )  # fmt: skip


def price_alert(
    name: str,
    type_: str,
    mark: Mark,
    board: PriceBoard,
    exposed: Exposure,
    at: datetime,
    detected_at: datetime,
) -> Alert:
    """Going blind, or seeing again, for one asset: with the exposed groups and their sums."""
    usd = board.usd.get(mark.asset)
    facts: dict[str, Any] = {
        "asset": mark.asset,
        "trust": mark.trust,
        "reason": mark.reason or None,
        "price": None if usd is None else plain(usd),
        "source": mark.source,
        "price_at": stamp_or_none(mark.price_at),
        "received_at": stamp(mark.received_at),
        "candidate": None if mark.candidate is None else plain(mark.candidate),
        "groups": exposed.groups,
        "debt_usd": plain(exposed.debt),
        "recognised_usd": plain(exposed.recognised),
        **_named(exposed),
    }
    if not exposed.is_exact:
        facts["sums"] = "indicative"
    return Alert(
        type=type_, id=alert_id(name, mark.asset, mark.episode, mark.sequence, type_), at=at, detected_at=detected_at,
        subject=mark.asset, sequence=mark.sequence, episode=mark.episode, facts=facts, blind=type_ != "price.restored",
    )  # fmt: skip


def missing_alert(
    name: str, type_: str, asset: str, sequence: int, exposed: Exposure, at: datetime, detected_at: datetime
) -> Alert:
    """A held asset was never priced, or has its first price now: its groups are unknown, not healthy (DESIGN section 8)."""
    facts = {
        "asset": asset,
        "trust": "missing" if type_ == "price.stale" else "good",
        "reason": "no price was ever seen; check that a feed quotes it" if type_ == "price.stale" else None,
        "groups": exposed.groups,
        **_named(exposed),
    }
    return Alert(
        type=type_, id=alert_id(name, asset, 0, sequence, type_), at=at, detected_at=detected_at, subject=asset,
        sequence=sequence, episode=0, facts=facts, blind=type_ == "price.stale",
    )  # fmt: skip


def _named(exposed: Exposure) -> dict[str, Any]:
    return {"group_ids": list(exposed.ids), "group_ids_cut": exposed.groups - len(exposed.ids)}


def refusal(event: GroupPut | GroupClosed | RatesChanged, refused: Refused) -> Noticed:
    """What the desk must know of a line that the book does not allow, or of rates that cannot be taken."""
    if isinstance(event, RatesChanged):
        stated = {"problem": str(refused), "reason": refused.reason, "source": event.source, "product": event.product}
        return Noticed(event.at, "book.refused", f"{event.source}#{event.product}", stated, fingerprint=str(refused))
    group_id = event.group.id if isinstance(event, GroupPut) else event.group_id
    facts = {"problem": str(refused), "reason": refused.reason, "group": group_id, "source": event.source}
    return Noticed(event.at, "book.refused", f"{event.source}#{group_id}", facts, fingerprint=str(refused))


def late_rates(event: RatesChanged, late: Sequence[Late], product: Product) -> Noticed:
    """Rates of a source that come too late to be taken; or none does any more."""
    place = f"{event.source}#{event.product}"
    if not late:
        return Noticed(event.at, "book.refused", place, {}, clears=True)
    rows = [
        {
            "asset": x.row.asset,
            "effective": stamp(x.row.effective),
            "rate": plain(x.row.rate),
            "counted": plain(x.counted),
        }
        for x in late[:MOST_NAMED]
    ]
    more = f" (and {len(late) - 1} more)" if len(late) > 1 else ""
    facts = {
        "problem": late_words(late[0], product) + more,
        "reason": "past",
        "source": event.source,
        "product": event.product,
        "rates": rows,
        "rates_cut": len(late) - len(rows),
    }
    return Noticed(event.at, "book.refused", place, facts, fingerprint=f"{len(late)} rates: " + str(rows))


def accepted(event: GroupPut) -> Noticed:
    """The same line is in order again."""
    return Noticed(event.at, "book.refused", f"{event.source}#{event.group.id}", {}, clears=True)


def accepted_lines(
    notices: Mapping[str, tuple[int, str | None]], event: GroupsPut, rest: Collection[int]
) -> list[Noticed]:
    """Lines of a batch that were refused before and are in order now, all but those in the places of `rest`."""
    mine = f"book.refused|{event.source}#"
    said = [key for key, (_, last) in notices.items() if last is not None and key.startswith(mine)]
    taken = {id_ for i, id_ in enumerate(event.batch.ids()) if i not in rest} if said else set()
    ids = (key.removeprefix(mine) for key in said)
    return [Noticed(event.at, "book.refused", f"{event.source}#{id_}", {}, clears=True) for id_ in ids if id_ in taken]


def notice(name: str, notices: dict[str, tuple[int, str | None]], event: Noticed) -> tuple[Alert | None, bool]:
    """The alert of something noticed, unless the very same was said last; and whether `notices` changed."""
    key = f"{event.kind}|{event.subject}"
    count, last = notices.get(key, (0, None))
    if event.clears:
        if last is None:
            return None, False
        notices[key] = (count, None)
        return None, True
    if event.fingerprint is not None and event.fingerprint == last:
        return None, False
    notices[key] = (count + 1, event.fingerprint)
    alert = Alert(
        type=event.kind, id=alert_id(name, event.subject, 0, count + 1, event.kind), at=event.at, detected_at=event.at,
        subject=event.subject, sequence=count + 1, episode=0, facts=event.facts,
    )  # fmt: skip
    return alert, True
