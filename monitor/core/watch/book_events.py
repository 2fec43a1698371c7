"""What a book or the API says of groups: puts, closings and entries, from the event to what follows for the group."""

from __future__ import annotations

from collections.abc import Callable

from monitor.core.events.entries import Repay, payment
from monitor.core.events.events import BookEntry, GroupClosed, GroupPut, GroupsPut
from monitor.core.groups import loan_history
from monitor.core.groups.book_changes import BookChanges, may_come_back
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.money import plain
from monitor.core.prices.quote import PriceChange
from monitor.core.refusal import Refused
from monitor.core.stages.decision import close, say
from monitor.core.watch.effects import GroupEffects
from monitor.core.watch.watcher import BookChange, Ground
from monitor.core.watch.watchers.left_out import LeftOutWatch
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
        self._effects = effects
        self.left_out = LeftOutWatch(ground, book_changes, silences)
        self._follow = follow

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
            self._follow(BookChange(event.at, of_block=look, suspects=suspects.keys(), needed=taken.assets), out)
            self._noticed.accept_block(event, frozenset(taken.rest), out)

    def enter(self, event: BookEntry, out: Outcome) -> None:
        """A book entry. Raises Refused."""
        record = self._book_changes.enter(event, event.at, self._ground.board.usd)
        self._changed(record, event, out)
        if isinstance(event.entry, Repay):
            self._say_what_goes_back(record, event, event.entry, out)

    def close(self, event: GroupClosed, out: Outcome) -> None:
        """The group is gone. What was told of its stage is over, at once or when it comes back no more. Raises Refused."""
        record, reopen = self._book_changes.closing(event), self._ground.rules.lifecycle.reopen
        id_ = record.group.id
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

    def _changed(self, record: GroupRecord, event: GroupPut | BookEntry, out: Outcome) -> None:
        """A group is new or holds something else now: it is decided on the prices in force."""
        id_, replaced, place = record.group.id, self._book_changes.replaced, len(out.history)
        out.changed.add(id_)
        out.states[id_] = record.state
        left_at = self._book_changes.left_at if isinstance(event, GroupPut) else None
        self._follow(BookChange(event.at, groups=(record,), needed=record.held.assets, left_at=left_at), out)
        # Made last, as a repayment says what LTV it led to, and put first: what was decided followed from it.
        usd = self._ground.board.usd
        out.history[place:place] = (
            loan_history.of_return(record, event)
            if isinstance(event, GroupPut) and left_at is not None
            else loan_history.of_change(replaced, record, event, usd)
        )
