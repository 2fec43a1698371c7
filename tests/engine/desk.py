"""A book, a market, its rules and trust that change at random, told to the fast screen and to its exact twin alike."""

import random
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, localcontext

import numpy as np

from monitor.core.rules.product import Ladder
from monitor.engine.columns.fields import GROUPS
from monitor.engine.screen.arrays import MISSING, UNTRUSTED
from monitor.engine.screen.screen import FastScreen
from tests.engine.model import GUARD_EXACT, Held, Model, floats, sides

D = Decimal
ASSETS = 7
FALLING = (
    ((D(50_000), D(1)), (D(200_000), D("0.9")), (D(1_000_000), D("0.5")), (None, D("0.1"))),
    ((D(1_000), D("0.95")), (D(2_000), D("0.7"))),  # nothing counts above 2,000
    ((None, D("0.8")),),
    ((D(3_000_000), D(1)), (None, D(0))),
    (),  # listed, and nothing counts
)
RISING = (
    ((D(50_000), D("0.05")), (D(100_000), D("0.07")), (None, D("0.08"))),
    ((D(30_000), D("0.05")), (None, D("0.07"))),
)
TABLES = [(i % ASSETS, FALLING[i % len(FALLING)]) for i in range(ASSETS + 3)] + [
    (i % ASSETS, RISING[i % 2]) for i in range(ASSETS)
]
COLLATERAL, LIABILITIES = range(ASSETS + 3), range(ASSETS + 3, len(TABLES))
LINES = (None, D("0.65"), D("0.72"), D("0.77"), D("0.91"), D("0.95"))
NEAR = (D(0), D("1e-10"), D("-1e-10"), D("9e-10"), D("-9e-10"), D("3e-9"), D("-3e-9"), D("1e-8"), D("-1e-8"))


class ScreenDesk:
    """The fast screen and its exact twin, told the same."""

    def __init__(self, seed: int, threads: int = 2) -> None:
        self.random = random.Random(seed)
        self.fast, self.model = FastScreen(threads), Model(TABLES)
        self.set_rules(TABLES)
        self.usd = [D(1), *(self.number(-4, 5) for _ in range(ASSETS - 1))]
        self.start, self.flags = list(self.usd), [0] * ASSETS
        self.laid: dict[int, dict[int, Held]] = {}
        self.touched: set[int] = set()
        """Rows that the next call must look at."""

    def set_rules(self, tables: Sequence[tuple[int, Ladder]]) -> None:
        self.model.tables = tables
        assets = np.array([asset for asset, _ in tables], np.uint16)
        self.fast.instruments(assets, [floats(ladder) for _, ladder in tables])
        self.touched = set(self.model.groups)

    def number(self, low: int, high: int) -> Decimal:
        """Up to ten digits, anywhere between two powers of ten."""
        return D(self.random.randint(1, 10**10)).scaleb(self.random.randint(low, high) - 10)

    def group(self) -> Held:
        """A group that is often within 1e-8 of a line at the prices of now, or exactly on it."""
        r = self.random
        collateral = {i: self.number(-1, 6) for i in r.sample(COLLATERAL, r.randint(0, 5))}
        liabilities = {i: self.number(-1, 4) for i in r.sample(LIABILITIES, r.choice((0, 0, 0, 1, 2)))}
        debts = {i: self.number(-1, 4) for i in r.sample(COLLATERAL, r.randint(0, 3))}
        sums = self.model.weigh(Held(collateral, {}, liabilities), self.usd)
        if sums.recognised > 0 and r.random() < 0.7:
            debts = self.debts_at(r.choice(LINES[1:]) * (1 + r.choice(NEAR)) * sums.recognised - sums.debt) or debts
        # A holding of nothing needs no price.
        debts.setdefault(r.choice(COLLATERAL), D(0))
        collateral.setdefault(r.choice(COLLATERAL), D(0))
        return Held(collateral, debts, liabilities)

    def debts_at(self, usd: Decimal) -> dict[int, Decimal]:
        asset = self.random.choice((0, 0, *COLLATERAL))
        with localcontext(prec=40):
            return {asset: usd / self.usd[TABLES[asset][0]]} if usd > 0 else {}

    def put(self, number: int, size: int) -> None:
        groups = {i: self.group() for i in range(size)}
        self.forget(number)
        self.laid[number] = groups
        self.fast.put_block(number, size, *sides(groups))
        rows = [number * GROUPS + i for i in groups]
        self.model.groups |= dict(zip(rows, groups.values(), strict=True))
        self.touched |= set(rows)
        self.watch(self.random.sample(rows, size * 3 // 4))

    def drop(self, number: int) -> None:
        self.fast.drop_block(number)
        self.forget(number)

    def forget(self, number: int) -> None:
        self.laid.pop(number, None)
        for row in [row for row in self.model.groups if row // GROUPS == number]:
            self.clear(row)

    def clear(self, row: int) -> None:
        self.fast.clear_row(row)
        del self.model.groups[row]
        self.model.lines.pop(row, None)

    def owe(self, number: int) -> None:
        rate = 1 + D(self.random.randint(1, 10**4)) / 10**6
        for i, held in self.laid[number].items():
            debts, liabilities = ({k: q * rate for k, q in owed.items()} for owed in (held.debts, held.liabilities))
            self.laid[number][i] = Held(held.collateral, debts, liabilities)
            row = number * GROUPS + i
            if row in self.model.groups:
                self.model.groups[row] = self.laid[number][i]
                self.touched.add(row)
        self.fast.owe(number, *sides(self.laid[number])[1:])

    def watch(self, rows: Sequence[int]) -> None:
        pairs = [(a, b) for a in LINES for b in LINES if a is None or b is None or a < b]
        self.give_lines(rows, self.random.choices(pairs, k=len(rows)))

    def give_lines(self, rows: Sequence[int], lines: Sequence[tuple[Decimal | None, Decimal | None]]) -> None:
        self.model.lines |= dict(zip(rows, lines, strict=True))
        low = np.array([-1.0 if a is None else float(a) for a, _ in lines])
        high = np.array([np.inf if b is None else float(b) for _, b in lines])
        self.fast.watch(np.array(rows, np.int64), low, high)

    def move(self, assets: Iterable[int], how: Callable[[int], Decimal]) -> None:
        for asset in assets:
            before, self.usd[asset] = self.usd[asset], how(asset)
            # What the market does with a price that is missing here is seen by nobody.
            if self.usd[asset] != before and not self.flags[asset] & MISSING:
                self.touched |= {row for row, held in self.model.groups.items() if asset in self.model.assets(held)}

    def set_flags(self, flags: list[int]) -> None:
        if flags != self.flags:
            self.flags, self.touched = flags, set(self.model.groups)

    def check(self, moved: list[int] | None) -> set[int]:
        """Asks the screen, and its twin whether the answer may be."""
        usd = [D(0) if flag & MISSING else p for p, flag in zip(self.usd, self.flags, strict=True)]
        price = np.array([float(p) for p in usd])
        named = self.fast.suspects(moved, price, np.array(self.flags, np.uint8)).tolist()
        assert named == sorted(set(named))
        looked_at = set(self.model.groups) if moved is None else self.touched & set(self.model.groups)
        must = self.model.beyond(usd, self.flags, GUARD_EXACT * D("0.999")) & looked_at
        may = self.model.beyond(usd, self.flags, GUARD_EXACT * D("1.001"))
        assert must - set(named) == set(), "a group at its line was missed"
        assert set(named) - may == set(), "a group was named that is clear of its lines"
        self.touched = set()
        return set(named)

    def step(self) -> None:
        """Something happens to the book, the market, the rules or the trust."""
        r, blocks = self.random, list(self.laid)
        match r.choice(
            (
                "walk",
                "walk",
                "walk",
                "land",
                "crash",
                "back",
                "flags",
                "good",
                "put",
                "drop",
                "clear",
                "watch",
                "owe",
                "rules",
            )
        ):
            case "walk":
                self.move(
                    r.sample(range(ASSETS), r.randint(1, 3)),
                    lambda a: self.usd[a] * (1 + D(r.randint(-999, 999)) / 10**6),
                )
            case "land":
                self.move(range(ASSETS), lambda a: self.start[a])
            case "crash":
                self.move(r.sample(range(ASSETS), r.choice((1, ASSETS))), lambda a: self.usd[a] / 10**6)
            case "back":
                self.move(range(ASSETS), lambda a: self.start[a] if self.usd[a] * 1000 < self.start[a] else self.usd[a])
            case "flags":
                self.set_flags([r.choice((0, 0, 0, UNTRUSTED, MISSING, UNTRUSTED | MISSING)) for _ in range(ASSETS)])
            case "good":
                self.set_flags([0] * ASSETS)
            case "put":
                self.put(r.randint(0, 4), r.choice((1, 3, 20)))
            case "drop" if blocks:
                self.drop(r.choice(blocks))
            case "clear" if self.model.groups:
                self.clear(r.choice(list(self.model.groups)))
            case "watch" if self.model.groups:
                self.watch(r.sample(list(self.model.groups), r.randint(1, len(self.model.groups))))
            case "owe" if blocks:
                self.owe(r.choice(blocks))
            case "rules":
                self.set_rules(
                    [(asset, r.choice(FALLING if i in COLLATERAL else RISING)) for i, (asset, _) in enumerate(TABLES)]
                )
