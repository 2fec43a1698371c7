"""A random world over real processes that are killed and stopped meanwhile, beside a book of objects that looks away alike.

That book is told which groups are with a missing shard, and does two things: it decides nothing about them, and once they are
watched again it looks at all of them. What it says then is what is true of the groups that somebody watches.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import cast

import msgspec
import pytest

from monitor.core.events.events import Event, GroupsPut, TimePassed
from monitor.core.groups.outcome import Outcome
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.settings import Rules, Trust
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.columns.fields import GROUPS
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.links import Shards
from monitor.engine.spread.spreading import Spreading
from tests.engine import market as markets
from tests.engine import twins
from tests.engine.market import QUICK, WARY
from tests.engine.spread.worlds import SpreadMarket, spread_of
from tests.engine.twins import Twins, of_groups, of_prices

LONG_S, SHORT_S = 60.0, 3.0
"""How long a question may wait in general, and while a shard that was stopped is looked for."""

HOLD = timedelta(seconds=5)

Hurt = Callable[[SpreadBook, int, signal.Signals], None]


class AbsentBook(PlainBook):
    """Objects, some of which nobody watches."""

    def __init__(self) -> None:
        super().__init__()
        self._owed = dict[str, None]()
        """Groups that were unwatched, and have not been looked at since."""

    def look_away(self, ids: Collection[str]) -> None:
        """Nobody watches these groups now, and somebody all others."""
        for record in self.records():
            record.is_unwatched = record.group.id in ids
            if record.is_unwatched:
                record.weight = None  # of the prices of before
                self._owed[record.group.id] = None

    @property
    def is_behind(self) -> bool:
        return any(map(self._is_watched, self._owed))

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> Collection[str]:
        found = [id_ for id_ in (*super().suspects(change, board), *self._owed) if self._is_watched(id_)]
        self._owed = {id_: None for id_ in self._owed if id_ not in found and self.find(id_) is not None}
        return dict.fromkeys(found)

    def accrue(self, at: datetime, kinds: Collection[str]) -> Collection[str]:
        """What nobody watches is not weighed at each price, so it is weighed again when it is asked for."""
        found = super().accrue(at, kinds)
        for record in self.records():
            if record.is_unwatched:
                record.weight = None
        return found

    def _is_watched(self, id_: str) -> bool:
        record = self.find(id_)
        return record is not None and not record.is_unwatched


class LosingTwins(Twins):
    """The side of the objects hears after each event what the other side could not see in it."""

    def __init__(self, rules: Rules, fold_at: int) -> None:
        super().__init__(rules, fold_at)
        self._before = set[str]()
        self.plain = RiskMonitor(rules, book=AbsentBook())
        self.partial = 0
        """Events while some shard was missing."""

    def tell(self, event: Event) -> Outcome:
        self._before = unwatched_in(cast("SpreadBook", self.book))
        return super().tell(event)

    def _plain(self, event: Event) -> Outcome:
        book = cast("SpreadBook", self.book)
        closed = {id_ for id_ in self._before if book.find(id_) is None}  # by this event
        cast("AbsentBook", self.plain.book).look_away(unwatched_in(book) | closed)
        return super()._plain(event)

    def compare(self, event: Event, columns: Outcome, plain: Outcome) -> None:
        if cast("SpreadBook", self.book).is_whole:
            super().compare(event, columns, plain)
            return
        # Sums of a whole product miss what nobody sees, and say so. Of groups the same is said in the same order.
        self.partial += 1
        assert of_prices(columns.alerts) == of_prices(plain.alerts)
        ours, theirs = ([alert for alert in out.alerts if alert.group is not None] for out in (columns, plain))
        assert of_groups(ours) == of_groups(theirs)
        if not isinstance(event, GroupsPut):
            assert [alert.id for alert in ours] == [alert.id for alert in theirs]

    def restart(self) -> None:
        """All shards are loaded again. While one is missing only a start as the daemon's decides what is overdue: there

        each price has to be confirmed first, and counts as one that moved then (`restart_both`).
        """
        before, memory = self.book, self.columns.memory
        if unwatched_in(cast("SpreadBook", before)):
            return
        self.columns = RiskMonitor(self.rules, memory, twins.ColumnarBook(self._fold_at, plain_from=1))
        cast("SpreadBook", before).close()

    def restart_both(self, at: datetime) -> None:
        before = self.book
        super().restart_both(at)
        cast("SpreadBook", before).close()


def unwatched_in(book: SpreadBook) -> set[str]:
    """The groups of missing shards."""
    if book.columnar is None or book.is_whole:
        return set()
    rows, links = book.columnar.rows, book.links
    return {id_ for id_ in rows.ids() if links.place(rows.row_of(id_) // GROUPS) in links.missing}


class HoldingMarket(SpreadMarket):
    """Whatever ends has to hold for some seconds first."""

    def rules(self, trust: Trust) -> Rules:
        rules = super().rules(trust)
        return msgspec.structs.replace(rules, lifecycle=msgspec.structs.replace(rules.lifecycle, clear_hold=HOLD))


class LosingWorld:
    """A market over shards, whose copies are hurt and replaced."""

    def __init__(
        self, patch: pytest.MonkeyPatch, make: Callable[[], Shards], hurt: Hurt, seed: int, count: int, copies: int,
        kinds: Sequence[str],
    ) -> None:  # fmt: skip
        class Spread(SpreadBook):
            def __init__(self, fold_at: int, plain_from: int) -> None:  # shards decide nothing by column
                super().__init__(make(), count, fold_at, Spreading(LONG_S, copies))

        patch.setattr(twins, "ColumnarBook", Spread)
        patch.setattr(twins, "PlainBook", AbsentBook)
        patch.setattr(markets, "Twins", LosingTwins)
        self.market = HoldingMarket(seed, 20, 3, WARY, 7, kinds)
        self.market.in_blocks(12)
        self.random = random.Random(seed)
        self.hurts = self.gaps = 0
        self._hurt = hurt

    @property
    def book(self) -> SpreadBook:
        return spread_of(self.market)

    @property
    def twins(self) -> LosingTwins:
        return cast("LosingTwins", self.market.twins)

    def hurt(self) -> None:
        """Kills or stops one copy that is there. With several, one of its shard goes on."""
        links = self.book.links
        seats = [seat for place in links.live for seat in links.blocks.seats(place)]
        seat = self.random.choice([s for s in seats if s not in links.gone])
        self._hurt(self.book, seat, self.random.choice((signal.SIGKILL, signal.SIGSTOP)))
        self.hurts += 1
        links.limit_s = SHORT_S
        for _ in range(200):
            links.ask_all("ready")
            if seat in links.gone:
                break
            time.sleep(0.05)
        assert seat in links.gone
        links.limit_s = LONG_S
        self.gaps += not self.book.is_whole

    def mend(self) -> None:
        """Replaces all that are gone. The first prices after it go through their groups, also where none moves."""
        book = self.book
        for seat in book.plan_mending(range(64)):
            assert book.mend(seat)
            book.take_back(seat)
        assert book.is_whole

    def crash(self, low: float, high: float) -> None:
        """All prices move, and groups go over their lines."""
        self.market.now += timedelta(seconds=1)
        self.market.move(list(self.market.usd), low, high)

    def pass_hold(self) -> None:
        """What has been well for long enough is told to be, where somebody watches."""
        self.market.now += HOLD
        self.market.twins.tell(TimePassed(self.market.now))

    def quote_one(self) -> None:
        """A price that does not move: what is decided with it is overdue."""
        self.market.now += timedelta(seconds=1)
        self.market.quote(["C0"])

    def step(self, steps: int = 1) -> None:
        """What is said, kept and listed is compared with every event."""
        for _ in range(steps):
            self.market.step(QUICK)

    def end(self) -> None:
        """After the first prices of all, each group is in every part what it is for one who never lost sight of it."""
        self.mend()
        self.market.now += self.market.twins.rules.trust.stale_after
        self.market.silent = set()
        self.market.move(list(self.market.usd), 0.99, 1.01)
        self.market.twins.check_lists()
        self.market.twins.check_groups(self.market.twins.objects.ids())
        self.book.close()
