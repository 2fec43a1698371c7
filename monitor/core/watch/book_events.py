"""What a book or the API says of groups: puts, closings, entries and readings, from the event to what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from monitor.core.events.entries import Lever, OverrideLines, Repay, payment
from monitor.core.events.events import BookEntry, BookSeen, GroupClosed, GroupPut, GroupsPut, LenderSaid
from monitor.core.groups import loan_history
from monitor.core.groups.book_changes import BookChanges, may_come_back
from monitor.core.groups.calls import rows_of_the_gone
from monitor.core.groups.lever_states import BeforeLever
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.money import plain
from monitor.core.prices.quote import PriceChange
from monitor.core.refusal import Refused
from monitor.core.stages.decision import close, say
from monitor.core.stages.stages import DEADLINE_MOVED, DELAYED
from monitor.core.text import stamp
from monitor.core.watch.effects import GroupEffects
from monitor.core.watch.watcher import NO_CAUSE, BookChange, Ground
from monitor.core.watch.watchers.books import BookWatch
from monitor.core.watch.watchers.left_out import LeftOutWatch
from monitor.core.watch.watchers.lender import LenderWatch
from monitor.core.watch.watchers.noticed import NoticedWatch
from monitor.core.watch.watchers.silences import SilenceWatch


class BookEvents:
    """Takes the events of books. `follow` shows a change to the watchers and has the groups decided."""

    def __init__(
        self,
        ground: Ground,
        book_changes: BookChanges,
        noticed: NoticedWatch,
        effects: GroupEffects,
        silences: SilenceWatch,
        follow: Callable[[BookChange, Outcome], None],
    ) -> None:
        self._ground = ground
        self._book_changes = book_changes
        self._noticed = noticed
        self.books = BookWatch(ground)
        self._effects = effects
        self._lender = LenderWatch(ground, effects)
        self.left_out = LeftOutWatch(ground, book_changes, silences)
        self._follow = follow

    def take(self, event: GroupPut | GroupsPut | GroupClosed | BookEntry | BookSeen | LenderSaid, out: Outcome) -> None:
        """One of them. Raises Refused."""
        match event:
            case GroupPut():
                self.put(event, out)
            case GroupsPut():
                self.put_all(event, out)
            case GroupClosed():
                self.close(event, out)
            case BookEntry():
                self.enter(event, out)
            case LenderSaid():
                self._lender.take(event, out)
            case BookSeen():
                self.books.take(event, out)

    def put(self, event: GroupPut, out: Outcome) -> None:
        """One group. Raises Refused."""
        record = self._book_changes.put(event, self._ground.rules)
        if record is not None:
            if self._book_changes.former is not None:
                self.left_out.end_former(self._book_changes.former, record, out)
            self._changed(record, event, out)
        self._noticed.accept(event, out)

    def put_all(self, event: GroupsPut, out: Outcome) -> None:
        """What the book takes as a whole, then the other groups one by one, each as if it came alone."""
        taken = self._book_changes.put_all(event)
        for i in taken.rest:
            put = GroupPut(event.at, event.batch.group(i), event.source)
            try:
                self.put(put, out)
            except Refused as refused:
                self._noticed.refuse(put, refused, out)
                out.refused = None
        if taken.block is not None:
            out.blocks.append(taken.block)
            # A group that is put beyond a line is there at the prices in force; it does not wait for the next ones.
            look = tuple(taken.look)
            suspects = dict.fromkeys((*look, *self._ground.book.suspects(PriceChange(), self._ground.board)))
            self._follow(
                BookChange(event.at, of_block=look, suspects=suspects.keys(), needed=taken.assets, coins=taken.coins),
                out,
            )
            self._noticed.accept_block(event, frozenset(taken.rest), out)

    def enter(self, event: BookEntry, out: Outcome) -> None:
        """A book entry. Raises Refused."""
        record = self._book_changes.enter(event, event.at, self._ground.rules, self._ground.board.usd)
        self._changed(record, event, out)
        if isinstance(event.entry, Repay):
            self._say_what_goes_back(record, event, event.entry, out)

    def pull(self, group_id: str, lever: Lever, by: str, at: datetime, out: Outcome) -> None:
        """A lever of the desk on one group. Raises Refused."""
        record = self._book_changes.pull(group_id, lever, by, at, self._ground.rules)
        self._changed(record, BookEntry(at, group_id, by, lever), out, {"cause": "lever", "lever": by})

    def take_back(self, was: BeforeLever, lever: Lever, by: str, at: datetime, out: Outcome) -> bool:
        """A group without a lever of the desk, where that changes something. Raises Refused."""
        record = self._book_changes.take_back(was, lever, by, at, self._ground.rules)
        if record is not None:
            self._changed(record, BookEntry(at, was.group, by, lever), out, {"cause": "lever_ended", "lever": by})
        return record is not None

    def end_lines(self, group_id: str, at: datetime, out: Outcome) -> None:
        """The time of other lines of a group is over: its former lines hold again, and it is decided."""
        record = self._ground.known(group_id)
        lines = record.state.other_lines
        assert lines is not None
        record = self._book_changes.end_lines(group_id, at, self._ground.rules)
        entry = BookEntry(at, group_id, lines.by, OverrideLines(dict(lines.lines), lines.until, ""))
        self._changed(record, entry, out, {"cause": "lever_ended", "lever": lines.by})

    def close(self, event: GroupClosed, out: Outcome) -> None:
        """The group is gone. What was told of its stage is over, at once or when it comes back no more. Raises Refused."""
        record, reopen = self._book_changes.closing(event), self._ground.rules.lifecycle.reopen
        id_ = record.group.id
        self._lender.close(record, event.at, out)
        if not may_come_back(event, reopen):
            out.history += rows_of_the_gone(record.state, record.group.labels, event.at)
        if event.is_told and not may_come_back(event, reopen):
            verdict = close(self._ground.rules.name, record.state, event.at)
            self._effects.follow(record, verdict, out, {"source": event.source})
        kept = self._book_changes.close(record, event, reopen, self.left_out.figures(record))
        self.left_out.plan(kept)
        out.history += loan_history.of_close(record, event)
        out.closed.add(id_)
        out.states[id_] = kept
        out.touched.add(id_)
        self._follow(BookChange(event.at, closed=id_), out)

    def _say_what_goes_back(self, record: GroupRecord, event: BookEntry, entry: Repay, out: Outcome) -> None:
        old = self._book_changes.replaced
        assert old is not None, "a group that was not there refuses its entries"
        made = payment(old.group, entry, event.at, old.product, self._ground.board.usd)
        if not made.returned:
            return
        facts = {
            "asset": entry.asset,
            "entry": event.id,
            "paid": plain(made.amount),
            "owed": plain(made.owed),
            "returned": plain(made.returned),
        }
        facts |= {"account": entry.account} if entry.account is not None else {}
        said = say(self._ground.rules.name, record.state, "loan.overpaid", event.at, "repayment")
        self._effects.follow(record, said, out, facts)

    def _tell_deadline(
        self, replaced: GroupRecord | None, record: GroupRecord, at: datetime, out: Outcome, cause: Mapping[str, str]
    ) -> None:
        """Those who were told when a grace period ends are told when it ends now."""
        was = None if replaced is None else replaced.state.deadline
        if was is None or record.state.stage != DELAYED or record.state.deadline in (None, was):
            return
        if not self._ground.rules.lifecycle.tell_deadlines:
            return
        state, said = say(self._ground.rules.name, record.state, DEADLINE_MOVED, at)
        said = msgspec.structs.replace(said, supersedes=record.state.last_alert)
        self._effects.follow_and_plan(record, (state, said), out, {"was": stamp(was), **cause})

    def _changed(
        self, record: GroupRecord, event: GroupPut | BookEntry, out: Outcome, cause: Mapping[str, str] = NO_CAUSE
    ) -> None:
        """A group is new or holds something else now: it is decided on the prices in force."""
        id_, replaced, place = record.group.id, self._book_changes.replaced, len(out.history)
        out.changed.add(id_)
        found = self._effects.calls.book(replaced, record, event, out)
        out.states[id_] = record.state
        left_at = self._book_changes.left_at if isinstance(event, GroupPut) else None
        change = BookChange(event.at, groups=(record,), needed=record.held.assets, left_at=left_at, cause=cause)
        self._follow(change, out)
        self._tell_deadline(replaced, record, event.at, out, cause)
        self._effects.calls.tell(record, found, event.at, out, place)
        # Made last, as a repayment says what LTV it led to, and put first: what was decided followed from it.
        usd = self._ground.board.usd
        out.history[place:place] = (
            loan_history.of_return(record, event)
            if isinstance(event, GroupPut) and left_at is not None
            else loan_history.of_change(replaced, record, event, usd)
        )
