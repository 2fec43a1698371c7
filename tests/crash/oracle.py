"""What the daemon has to have said: the reference model, folded over what core was handed and the store kept.

Times and batches come from the daemon's own record of events, which is first compared with what the test sent: no
price, group or entry counts that the test did not make, and none may come earlier or much later than it was made.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

from tests.crash.market import Sent
from tests.reference import state
from tests.reference.figures import EXACT, Figures, band, is_below, plain
from tests.reference.model import Alert, Model
from tests.scenarios.agreement import flat

LATEST = timedelta(seconds=5)
"""How much later than sent a price may be handled: a busy machine is slow, a queue of old prices is a fault."""
EARLIEST = timedelta(milliseconds=2)


class Continued(Model):
    """The reference, and what a restart means to it.

    Prices that were kept over a restart count as stale until the feed confirms them (decision 15): alerts say `blind`, and neither a cure nor a clear hold is decided on them.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.unconfirmed: set[str] = set()

    def restart(self) -> None:
        """The daemon started again from what it kept."""
        self.unconfirmed = {asset for asset in self.price if asset != "USDT" or not self.usdt_is_fixed}
        for group in self.groups.values():
            self._set_next(group)

    def prices(self, at: datetime, usd: Mapping[str, str | Decimal]) -> list[Alert]:
        """As the reference does; a price that is confirmed has its holders decided even where it did not change."""
        with localcontext(EXACT):
            self._advance(at)
            named = {asset: Decimal(text) for asset, text in usd.items()}
            moved = {asset for asset, price in named.items() if self.price.get(asset) != price}
            moved |= self.unconfirmed & named.keys()
            self.price.update(named)
            self.unconfirmed -= named.keys()
            for group in self.groups.values():
                if not group.assets.isdisjoint(named if self._hold_end(group) == at else moved):
                    self._evaluate(group, at, on_new_prices=True)
            return self._collect()

    def deposit(self, at: datetime, group_id: str, account: str, asset: str, quantity: Decimal) -> list[Alert]:
        """More collateral; no loan changes, so interest and deadlines go on as they were."""
        with localcontext(EXACT):
            self._advance(at)
            group = self.groups[group_id]
            held = group.line.collateral
            group.line = replace(group.line, collateral=held | {asset: held.get(asset, Decimal(0)) + quantity})
            self._apply_rules(group)
            self._evaluate(group, at)
            return self._collect()

    def _is_blind(self, group: state.Group) -> bool:
        return not group.priced or not self.unconfirmed.isdisjoint(group.assets)

    def _hold_end(self, group: state.Group) -> datetime | None:
        return None if self._is_blind(group) else super()._hold_end(group)

    def _decide(self, group: state.Group, at: datetime, figures: Figures, on_new_prices: bool) -> None:
        if not self._is_blind(group):
            super()._decide(group, at, figures, on_new_prices)
        elif self._worsen(group, at, band(figures, group.thresholds)):
            return
        elif group.stage == state.NORMAL:
            self._warn(group, at, figures)
        elif not is_below(figures, group.thresholds["margin_call"] - self.clear_margin):
            group.hold_since = None

    def _say(self, group: state.Group, at: datetime, kind: str, reason: str = "ltv") -> Alert:
        alert = super()._say(group, at, kind, reason)
        alert["blind"] = self._is_blind(group)
        return alert


def _quotes(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The prices of a recorded batch one by one: those of its frames, which are recorded by column, and its quotes."""
    quotes = list(event["quotes"])
    for frame in event.get("frames", ()):
        later = frame.get("later_ms") or [0] * len(frame["assets"])
        for asset, price, more_ms in zip(frame["assets"], frame["texts"], later, strict=True):
            at = datetime.fromtimestamp((frame["at_ms"] + more_ms) / 1000, UTC)
            quotes.append({"asset": asset, "price": price, "at": at.isoformat()})
    return quotes


class Fold:
    """The reference at work on one life of the daemon after another."""

    def __init__(
        self,
        model: Continued,
        lines: Mapping[tuple[str, str], dict[str, Any]],
        entries: Mapping[str, dict[str, Any]],
        sent: Mapping[datetime, Sent],
        earliest: timedelta = EARLIEST,
    ) -> None:
        self.model = model
        self.alerts: list[Alert] = []
        self.handed: list[datetime] = []
        """The exchange's time of each price set that was handled and kept, in order."""
        self.listens_ahead = False
        """A standby begins with the newest price set that it has heard, which the head before may have had too."""
        self._may_repeat = False
        self._lines, self._entries, self._sent, self._earliest = lines, entries, sent, earliest
        self._stands: dict[str, str] = {}
        self._put_last: dict[str, str] = {}
        self._entered: set[str] = set()

    def life(self, logs: Sequence[Path], kept_until: datetime | None) -> None:
        """Folds what one life was handed, as far as the store kept it. Only its first file begins after a restart."""
        self._may_repeat = self.listens_ahead
        for number, log in enumerate(logs):
            records = list(_records(log))
            if not records:
                continue
            start, *events = records
            if start["memory"] is not None and number == 0:
                self.model.restart()
            for event in events:
                at = datetime.fromisoformat(event["at"])
                if kept_until is not None and at <= kept_until:
                    self.alerts += self._take(event, at)
            # What a full disk kept out of the record is time that passed: deadlines of this life, not of the next.
            is_last = number == len(logs) - 1
            if is_last and kept_until is not None and kept_until > datetime.fromisoformat(records[-1]["at"]):
                self.alerts += self.model.pass_time(kept_until)

    def _take(self, event: dict[str, Any], at: datetime) -> list[Alert]:
        match event["event"]:
            case "markprices":
                return self.model.prices(at, self._checked(_quotes(event), at))
            case "groupput":
                return self._put(event, at)
            case "groupended":
                del self._stands[event["group_id"]], self._put_last[event["group_id"]]
                return self.model.close(at, event["group_id"], event["source"])
            case "bookentry":
                return self._enter(event, at)
        return self.model.pass_time(at)

    def _checked(self, quotes: list[dict[str, Any]], at: datetime) -> dict[str, str]:
        """The prices of a batch, which must be one set that the test sent, whole, shortly before."""
        times = {datetime.fromisoformat(quote["at"]) for quote in quotes}
        assert len(times) == 1, f"a batch at {at} mixes price sets of {times}"
        (exchange_at,) = times
        sent = self._sent[exchange_at]
        prices = {quote["asset"]: quote["price"] for quote in quotes}
        assert prices.keys() == sent.prices.keys()
        assert all(Decimal(prices[asset]) == Decimal(price) for asset, price in sent.prices.items())
        # What a standby has heard waits for the take-over.
        latest = LATEST * (2 if self._may_repeat else 1)
        assert sent.at - self._earliest <= at <= sent.at + latest, f"prices sent at {sent.at} were handled at {at}"
        is_again = self._may_repeat and self.handed[-1:] == [exchange_at]
        assert is_again or not self.handed or exchange_at > self.handed[-1], "an older price set came after a newer one"
        self._may_repeat = False
        self.handed.append(exchange_at)
        return prices

    def _put(self, event: dict[str, Any], at: datetime) -> list[Alert]:
        id_, label = event["group"]["id"], event["group"]["labels"]["line"]
        line = self._lines[id_, label]
        # A line of a file that is equal to the one last applied is no event, whatever was entered since; a put by API is
        # one unless the group still stands as it was put.
        stands = self._put_last if event["source"] == "file" else self._stands
        if stands.get(id_) == label:
            return self.model.pass_time(at)
        self._stands[id_] = self._put_last[id_] = label
        return self.model.put(at, line)

    def _enter(self, event: dict[str, Any], at: datetime) -> list[Alert]:
        assert event["id"] not in self._entered, f"entry {event['id']} happened twice"
        self._entered.add(event["id"])
        entry = self._entries[event["id"]]
        assert entry["type"] == event["entry"]["type"] == "deposit"
        # Another line of the same group may be put again after this one, so the group no longer stands as put.
        self._stands[event["group_id"]] = ""
        quantity = Decimal(entry["quantity"])
        return self.model.deposit(at, event["group_id"], entry["account"], entry["asset"], quantity)


def _records(log: Path) -> list[dict[str, Any]]:
    """The record of one life; what a kill tore off at the end is left out."""
    records = []
    zipped = log.with_name(f"{log.name}.gz")  # the next life compresses it
    whole = log.read_bytes() if log.exists() else gzip.decompress(zipped.read_bytes())
    for line in whole.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        records.append(json.loads(line))
    return records


def said(body: Mapping[str, Any]) -> Alert:
    """An alert of the log or of a webhook, as far as the reference speaks of it."""
    return flat(body)


def standing(model: Continued) -> dict[str, tuple[Any, ...]]:
    """Each group as the reference ends: stage, reason, episode, sequence, deadline, hold, used warnings."""
    return {
        id_: (
            group.stage,
            group.reason,
            group.episode,
            group.sequence,
            group.deadline,
            group.hold_since,
            sorted(map(plain, group.used_warnings)),
        )
        for id_, group in model.groups.items()
    }


def kept_standing(states: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """The same of what the store kept."""
    return {
        id_: (
            kept.get("stage", "normal"),
            kept.get("reason") or "",
            kept.get("episode", 0),
            kept.get("sequence", 0),
            _time(kept.get("deadline")),
            _time(kept.get("below_since")),
            sorted(plain(Decimal(level)) for level in kept.get("warned", ())),
        )
        for id_, kept in states.items()
    }


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
