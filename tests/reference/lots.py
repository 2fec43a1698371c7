"""Seeded books of any product around its lines, with prices and entries: what a whole run of that product is made of."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from random import Random
from typing import Any

from tests.reference.figures import EXACT, counts
from tests.reference.lenders import LENDERS, lender_of, read_versions
from tests.reference.terms import DAY, HOUR, MINUTE, Version, stamp

Line = dict[str, Any]
Row = tuple[datetime, dict[str, str]]
WORTH = {"BTC": 30000.0, "ETH": 2000.0, "BNB": 300.0, "SOL": 50.0}  # at the start; other coins about a dollar
STABLE = {"USDT", "USDC", "BUSD", "FDUSD"}
TERMED = {"vip_loan", "bybit_loan"}
MOST_COINS = {"flexible_loan": 1, "isolated_margin": 2}
OWN_LINES = {
    "cross_margin_classic": {"initial": "1.25", "margin_call": "1.16"},
    "isolated_margin": {"initial": "1.23", "margin_call": "1.22", "liquidation": "1.18"},
    "vip_loan": {"initial": "0.65", "margin_call": "0.7", "liquidation": "0.85"},
}
LEVERAGES = {"cross_margin_classic": (3, 5), "isolated_margin": (10, 5, 3)}
# A version of the shipped file comes into force inside the run, where it has several.
START = {
    "vip_loan": datetime(2025, 11, 20, 7, tzinfo=UTC),
    "cross_collateral": datetime(2020, 12, 20, 7, tzinfo=UTC),
    "cross_margin_pro": datetime(2025, 1, 20, 3, tzinfo=UTC),
    "isolated_margin": datetime(2022, 5, 31, 3, tzinfo=UTC),
}
LATER = datetime(2025, 3, 1, 7, tzinfo=UTC)
# How long a run is, by the period of interest, and how far its rows are apart.
SPAN = {
    DAY: (40 * DAY, timedelta(hours=5, minutes=20)),
    HOUR: (4 * DAY, timedelta(minutes=48)),
    MINUTE: (4 * HOUR, timedelta(minutes=7, seconds=30)),
}


@dataclass(frozen=True)
class Lot:
    """A run: the product as its file states it, a book, the rows of a tape, and entries in order of time."""

    kind: str
    product: str
    book: list[Line]
    rows: list[Row]
    entries: list[Line]

    @property
    def table(self) -> dict[str, Any]:
        return tomllib.loads(self.product)


def lot(kind: str, shipped: str, seed: int, groups: int) -> Lot:
    """The same arguments give the same run. `shipped` is a product file; another version of it comes into force late."""
    rng = Random(f"{kind}-{seed}")
    first = read_versions(tomllib.loads(shipped), kind)[0]
    start = START.get(kind, LATER) if first.effective <= START.get(kind, LATER) else LATER
    start += timedelta(seconds=rng.randrange(600))
    span, step = SPAN[lender_of(tomllib.loads(shipped), kind).period]
    product = with_later_version(with_amounts(shipped) if seed % 2 else shipped, start + span * 0.7)
    versions = read_versions(tomllib.loads(product), kind)
    version = [v for v in versions if v.effective <= start][-1]
    makes = _Maker(rng, kind, version, start)
    rows = walk(rng, sorted(makes.coins - {"USDT"}), start, span, step)  # USDT is worth a stated dollar
    book = [makes.group(number) for number in range(1, groups + 1)]
    entries = sorted((e for line in book for e in makes.entries(line, span)), key=lambda entry: str(entry["at"]))
    return Lot(kind, product, book, rows, entries)


def with_amounts(text: str) -> str:
    """The file with a ladder of SOL by its amount, in place of each by its value (section 9.9)."""
    tiers = '{ by = "amount", tiers = [["2000", "0.9"], ["50000", "0.7"]] }'
    return re.sub(r"^SOL = \[\[.*$", f"SOL = {tiers}", text, flags=re.MULTILINE)


def with_later_version(text: str, at: datetime) -> str:
    """The file, and its last version once more from `at` on, with rates ten times as high or more."""
    last = text[text.rindex("[[version]]") :]
    later = re.sub(r"effective = \S+", f"effective = {at.replace(minute=0, second=0):%Y-%m-%dT%H:%M:%SZ}", last)
    head, rates, tail = later.partition("[version.rates]")
    body, limits, rest = tail.partition("\n[")
    return text + "\n" + head + rates + body.replace('"0.000', '"0.001') + limits + rest


def walk(rng: Random, coins: Iterable[str], start: datetime, span: timedelta, step: timedelta) -> list[Row]:
    """Prices that fall, recover and jump; a coin is left out of a row now and then."""
    now = {coin: WORTH.get(coin, 1.0 if coin in STABLE else rng.uniform(0.5, 40)) for coin in coins}
    rows: list[Row] = [(start, {coin: text(price) for coin, price in now.items()})]
    for number in range(1, span // step + 1):
        market = rng.gauss(0, 0.02) + (rng.choice((-0.12, 0.1)) if rng.random() < 0.04 else 0)
        for coin in now:
            moved = rng.gauss(0, 0.0005) if coin in STABLE else market + rng.gauss(0, 0.01)
            now[coin] *= max(0.5, 1 + moved)
        said = {coin: text(price) for coin, price in now.items() if rng.random() < 0.9}
        rows.append((start + number * step, said))
    return rows


def text(number: float) -> str:
    """Six significant digits in plain notation."""
    return format(Decimal(f"{number:.6g}"), "f")


def length(term: str) -> timedelta:
    """Of a loan of that term ("30d")."""
    return timedelta(days=int(term[:-1]))


class _Maker:
    """Makes the groups of one product."""

    def __init__(self, rng: Random, kind: str, version: Version, start: datetime) -> None:
        self.rng, self.kind, self.version, self.start, self.falls = rng, kind, version, start, LENDERS[kind].falls
        self.lent = sorted(version.rates if version.maintenance is None else version.rates.keys() & version.maintenance)
        named = {*version.ladders, *self.lent, *(WORTH if version.unlisted else ())}
        self.coins = set(sorted(named)[:14]) | set(self.lent)
        self.pledged = sorted(coin for coin in self.coins if version.ladder(coin) is not None)

    def group(self, number: int) -> Line:
        rng, name = self.rng, f"{self.kind.replace('_', '-')}-{number}"
        chosen = rng.sample(self.pledged, rng.randint(1, min(MOST_COINS.get(self.kind, 4), len(self.pledged))))
        usd = 10 ** rng.uniform(4, 7.5)
        holds = {coin: text(usd * rng.uniform(0.1, 1) / WORTH.get(coin, 1.0)) for coin in chosen}
        line: Line = {
            "id": name,
            "product": self.kind,
            "receiving_account": f"{name}-in",
            "collateral": {f"{name}-a": holds, f"{name}-b": {}},
        }
        if self.kind in OWN_LINES and rng.random() < 0.3:
            line["thresholds"] = OWN_LINES[self.kind]
        if self.version.grades and rng.random() < 0.6:
            line["leverage"] = rng.choice(LEVERAGES[self.kind])
        if self.kind == "vip_loan":
            line["delayed_liquidation"] = rng.random() < 0.5
        if self.kind == "cross_margin_pro" and number % 3 == 0:
            line["open_order_loss"] = text(usd * 0.01)
        line["loans"] = self._loans(name, self._recognised(holds))
        return line

    def _recognised(self, holds: dict[str, str]) -> float:
        with localcontext(EXACT):
            return float(
                sum(
                    counts(self.version.ladder(coin) or (), Decimal(q), Decimal(WORTH.get(coin, 1.0)))
                    for coin, q in holds.items()
                )
            )

    def _loans(self, name: str, recognised: float) -> list[Line]:
        """Loans whose sum is near one of the lines, beyond it, far from all, or nothing."""
        rng, lines = self.rng, [float(level) for level in self.version.thresholds.values()]
        level = rng.choice(lines) * rng.uniform(0.93, 1.07) if rng.random() < 0.8 else rng.uniform(0.3, 2.5)
        if self.version.maintenance is not None:
            debt = recognised / (1 + level * 0.06)
        else:
            debt = recognised / level if self.falls else recognised * level
        owing = rng.sample(self.lent, min(len(self.lent), rng.choice((0, 1, 1, 1, 2))))
        return [
            self._loan(f"{name}-L{i}", coin, debt / len(owing) / WORTH.get(coin, 1.0)) for i, coin in enumerate(owing)
        ]

    def _loan(self, id_: str, coin: str, principal: float) -> Line:
        rng = self.rng
        opened = self.start - timedelta(days=rng.choice((0, 0, 1, 2, 5, 13, 110)), seconds=rng.randrange(86400))
        rate: Line = {"kind": "flexible"}
        if self.kind == "cross_margin_pro" and rng.random() < 0.3:
            rate["paid_in"] = "BNB"
        term, matures = "open", None
        if self.kind in TERMED and rng.random() < 0.4:
            term = rng.choice(self.version.terms)
            end = self.start + timedelta(days=rng.uniform(-1, 45))
            opened, matures = min(opened, end - length(term)), stamp(end)
            rate = {"kind": "fixed", "daily": "0.00021"} if rng.random() < 0.5 else rate
        interest = text(principal * 0.001) if rng.random() < 0.3 else "0"
        return {
            "id": id_,
            "asset": coin,
            "principal": text(principal),
            "interest": interest,
            "rate": rate,
            "term": term,
            "opened_at": stamp(opened),
            "matures_at": matures,
        }

    def entries(self, line: Line, span: timedelta) -> list[Line]:
        """A few changes of a group at random times, some of them not allowed."""
        rng, account = self.rng, f"{line['id']}-a"
        made = []
        for number in range(rng.choice((0, 0, 1, 2, 3))):
            at = self.start + timedelta(seconds=rng.randrange(60, int(span.total_seconds())))
            coin = rng.choice(sorted(line["collateral"][account]))
            quantity = text(float(line["collateral"][account][coin]) * rng.uniform(0.02, 0.3))
            moved = {"account": account, "asset": coin, "quantity": quantity}
            choices: list[Line] = [{"type": "deposit"} | moved, {"type": "withdraw"} | moved, {"type": "liquidated"}]
            if line["loans"]:
                owed = rng.choice(line["loans"])
                choices += [{"type": "repay", "asset": owed["asset"], "percent": rng.choice(("10", "33.3", "100"))}] * 3
                choices.append(
                    {"type": "repay", "asset": owed["asset"], "amount": text(float(owed["principal"]) * 0.2)}
                )
                # A little of a loan stays, which is dust, or more is paid than is owed.
                choices.append({"type": "repay", "asset": owed["asset"], "percent": "99.9999999999"})
                much = text(float(owed["principal"]) * rng.uniform(1, 1.2))
                choices.append({"type": "repay", "asset": owed["asset"], "amount": much, "loan": owed["id"]})
                more = self._loan(f"{line['id']}-N{number}", owed["asset"], float(owed["principal"]) * 0.1)
                until = None if more["term"] == "open" else stamp(at + length(more["term"]))
                more |= {"opened_at": stamp(at), "matures_at": until, "interest": "0"}
                choices.append({"type": "borrow", "loan": more})
            made.append({"group": line["id"], "id": f"E-{number}", "at": stamp(at)} | rng.choice(choices))
        return made
