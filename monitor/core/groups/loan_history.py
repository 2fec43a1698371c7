"""Makes the rows of the history where the book of a group changes, or a liquidation begins or ends. Pure.

A row that ends a stretch of unchanged principal and terms keeps the loan as it was, and until when. What each day of the
stretch charged follows from that (`charges`), so nothing is written at midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.events.entries import Liquidated, Payment, Renew, Repay, payment
from monitor.core.events.events import BookEntry, GroupClosed, GroupPut
from monitor.core.events.history import LIQUIDATION, LOAN, OPENED, REPAYMENT, RESTATED, SETTLED, Row, stated
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import common_labels
from monitor.core.loans.group import Loan
from monitor.core.loans.interest import interest, midnight
from monitor.core.money import ZERO, plain
from monitor.core.rules.thresholds import metric_reason
from monitor.core.stages.decision import Said
from monitor.core.stages.stages import LIQUIDATION as IN_LIQUIDATION
from monitor.core.text import plain_or_none
from monitor.core.valuation.clearance import Clearance, clearance, cleared
from monitor.core.valuation.shown_figures import ltv_of


def of_change(
    old: GroupRecord | None, record: GroupRecord, event: GroupPut | BookEntry, usd: Mapping[str, Decimal]
) -> list[Row]:
    """The rows of a put or an entry that was applied and decided. A group that is new has none."""
    if old is None:
        return []
    rows = _of_change(old, record, event, usd)
    if old.group.labels == record.group.labels:
        return _owned(rows, record)
    return _handed_over(rows, old, record, event)


def of_return(record: GroupRecord, event: GroupPut) -> list[Row]:
    """The rows of a group that a snapshot had left out: its loans, which were closed with it, are there again."""
    facts = {"what": OPENED, "reason": "group_back"}
    return _owned(
        (Row(event.group.id, LOAN, event.at, x.id, {**facts, **stated(x)}) for x in record.group.loans), record
    )


def _of_change(
    old: GroupRecord, record: GroupRecord, event: GroupPut | BookEntry, usd: Mapping[str, Decimal]
) -> list[Row]:
    entry = event.entry if isinstance(event, BookEntry) else None
    rows = [_liquidated(old, entry, event, usd)] if isinstance(entry, Liquidated) else []
    if old.group.loans is record.group.loans:
        return rows
    before, after = ({loan.id: loan for loan in each.group.loans} for each in (old, record))
    made = payment(old.group, entry, event.at, old.product, usd) if isinstance(entry, Repay) else None
    for loan in old.group.loans:
        rows += _changed(old, loan, after.get(loan.id), event, record, made)
    for loan in record.group.loans:
        if loan.id not in before:
            facts = {"what": OPENED, **_named(event), **stated(loan)}
            rows.append(Row(record.group.id, LOAN, event.at, loan.id, facts))
    return rows


def of_close(record: GroupRecord, event: GroupClosed) -> list[Row]:
    """The rows of a group that is no longer watched."""
    rows = [_gone(record, loan, event.at, {"reason": "group_closed"}) for loan in record.group.loans]
    return _owned(rows, record)


def of_stage(record: GroupRecord, said: Said, usd: Mapping[str, Decimal]) -> list[Row]:
    """The row of a liquidation that begins or is cleared, with what it would leave; none of other stages."""
    if IN_LIQUIDATION not in (said.stage_from, said.stage_to) or said.stage_to is None:
        return []  # a group that is closed is not cleared: its loans say how they ended
    begins = said.stage_to == IN_LIQUIDATION
    ends = _ends(record, usd) if begins else None
    facts = {
        "what": "started" if begins else "cleared",
        "reason": metric_reason(said.reason, record.held.lines.metric),
        "alert": said.id,
        **_sums(ends),
    }
    return _owned([Row(record.group.id, LIQUIDATION, said.at, "", facts)], record)


def _owned(rows: Iterable[Row], record: GroupRecord, labels: Mapping[str, str] | None = None) -> list[Row]:
    """Rows with the life and the labels of their group, or with other labels."""
    theirs = record.group.labels if labels is None else labels
    return [msgspec.structs.replace(row, labels=theirs, life=record.state.life) for row in rows]


def _handed_over(rows: Iterable[Row], old: GroupRecord, record: GroupRecord, event: GroupPut | BookEntry) -> list[Row]:
    """The rows of a put that changes the labels of its group.

    What ends is for those who saw the group until now, what begins for those who see it from now on. What tells of both
    is for those who see it before and after, so it has only the labels that stay.
    """
    both = common_labels(old.group.labels, record.group.labels)
    found: list[Row] = []
    for row in rows:
        if row.before is None:
            found += _owned([row], record)
            continue
        is_of_both = row.facts.get("what") == RESTATED
        found += _owned([msgspec.structs.replace(row, kind=SETTLED, facts={}) if is_of_both else row], old)
        if is_of_both:
            found += _owned([msgspec.structs.replace(row, product="", before=None, until=None)], record, both)
    return found


def _changed(
    old: GroupRecord,
    loan: Loan,
    now: Loan | None,
    event: GroupPut | BookEntry,
    record: GroupRecord,
    made: Payment | None,
) -> list[Row]:
    """What became of one loan that was there; nothing where only what it had accrued was settled, and that was nothing."""
    if now is None:
        return [_gone(old, loan, event.at, {"reason": "put", **_named(event)})]
    entry = event.entry if isinstance(event, BookEntry) else None
    settled = _settled(old, loan, event.at)
    is_other = (now.principal, now.interest) != (loan.principal, settled)
    if made is not None and is_other:
        return _repaid(old, loan, now, event, record, made.written_off.get(loan.id, ZERO))
    if isinstance(entry, Liquidated) and loan.is_owed:
        return [_gone(old, loan, event.at, {"reason": "liquidated", **_named(event)})]
    if isinstance(entry, Renew) and entry.loan == loan.id:
        renewed = {"what": "renewed", **_named(event), **stated(now)}
        if not settled:
            return [_row(old, loan, LOAN, event.at, renewed)]
        return [*_repaid(old, loan, now, event, record), Row(old.group.id, LOAN, event.at, loan.id, renewed)]
    if is_other or _terms(now) != _terms(loan):
        before = {"principal_before": plain(loan.principal), "interest_before": plain(settled)}
        return [_row(old, loan, LOAN, event.at, {"what": RESTATED, **_named(event), **stated(now), **before})]
    return [_row(old, loan, SETTLED, event.at, {})] if settled != loan.interest else []


def _repaid(
    old: GroupRecord,
    loan: Loan,
    now: Loan,
    event: GroupPut | BookEntry,
    record: GroupRecord,
    dust: Decimal = ZERO,
) -> list[Row]:
    """A repayment, and the end of the loan where nothing is left; `dust` of it was written off and not paid."""
    # A payment takes interest first, so what it left is of the principal as far as there is any.
    settled, of_dust = _settled(old, loan, event.at), min(dust, loan.principal)
    of_interest, of_principal = settled - now.interest - (dust - of_dust), loan.principal - now.principal - of_dust
    facts = {
        **_named(event),
        "asset": loan.asset,
        "amount": plain(of_interest + of_principal),
        "interest_paid": plain(of_interest),
        "principal_paid": plain(of_principal),
        "interest_left": plain(now.interest),
        "principal_left": plain(now.principal),
        "ltv_after": plain_or_none(ltv_of(record.held, record.weight)) if record.weight is not None else None,
    }
    rows = [_row(old, loan, REPAYMENT, event.at, facts)]
    if not now.is_owed:
        closed = {"what": "closed", "reason": "repaid", **_named(event), **stated(now)}
        if dust:
            closed["written_off"] = plain(dust)
        rows.append(Row(old.group.id, LOAN, event.at, loan.id, closed))
    return rows


def _gone(old: GroupRecord, loan: Loan, at: datetime, why: Mapping[str, Any]) -> Row:
    """A loan that ends otherwise than by a repayment, with what was owed."""
    owed = {"principal_before": plain(loan.principal), "interest_before": plain(_settled(old, loan, at))}
    ended = msgspec.structs.replace(loan, principal=ZERO, interest=ZERO)
    return _row(old, loan, LOAN, at, {"what": "closed", **why, **stated(ended), **owed})


def _liquidated(old: GroupRecord, entry: Liquidated, event: GroupPut | BookEntry, usd: Mapping[str, Decimal]) -> Row:
    """A liquidation that was carried out, on its own figures as far as the entry states them."""
    ends = _ends(old, usd)
    if ends is not None and entry.proceeds_usd is not None:
        ends = cleared(old.held.version.clearance, old.held.lines, entry.proceeds_usd, ends.debt_usd)
    if ends is not None and entry.fee_usd is not None:
        left = max(ZERO, ends.market_usd - ends.debt_usd - entry.fee_usd)
        ends = msgspec.structs.replace(ends, fee_usd=entry.fee_usd, left_usd=left)
    facts = {"what": "liquidated", **_named(event), "proceeds_usd": plain_or_none(entry.proceeds_usd), **_sums(ends)}
    if ends is None and entry.fee_usd is not None:
        facts["fee_usd"] = plain(entry.fee_usd)
    return Row(old.group.id, LIQUIDATION, event.at, "", facts)


def sums_of(record: GroupRecord, usd: Mapping[str, Decimal]) -> dict[str, str | None]:
    """What the row of a liquidation that begins says of what it would leave."""
    return _sums(_ends(record, usd))


def _ends(record: GroupRecord, usd: Mapping[str, Decimal]) -> Clearance | None:
    return clearance(record.held, usd) if record.held.assets <= usd.keys() else None


def _sums(ends: Clearance | None) -> dict[str, str | None]:
    names = ("market_usd", "debt_usd", "fee_usd", "left_usd", "shortfall_usd")
    return {name: None if ends is None else plain(getattr(ends, name)) for name in names}


def _row(old: GroupRecord, loan: Loan, kind: str, at: datetime, facts: Mapping[str, Any]) -> Row:
    """A row that ends the stretch in which the loan was as it was."""
    day, minute = old.product.moment(at)
    until = midnight(day) + timedelta(minutes=minute)
    return Row(old.group.id, kind, at, loan.id, facts, old.group.product, loan, until)


def _settled(old: GroupRecord, loan: Loan, at: datetime) -> Decimal:
    return interest(loan, old.product, *old.product.moment(at))


def _named(event: GroupPut | BookEntry) -> dict[str, str]:
    return {"entry": event.id} if isinstance(event, BookEntry) else {}


def _terms(loan: Loan) -> tuple[Any, ...]:
    return loan.asset, loan.rate, loan.term, loan.opened_at, loan.matures_at
