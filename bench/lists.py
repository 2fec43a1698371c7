"""What a page of the list costs over a million groups: `python -m bench.lists [GROUPS] [ROUNDS]`.

Each query of the API that may be slow, encoded as the API answers it, against the obvious way: sorting all rows in Python.
Rounds are interleaved; p95 and median of each query, the processor's time in it (median: on a machine that others use,
this is what the query itself takes), and the ratio of medians to the sort of the same run.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from monitor.core.groups.outcome import StoredGroup
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import Prices, Scope
from monitor.core.loans.group import Group, Loan, Rate
from monitor.core.portfolio.group_list import GroupQuery, cursor_of, key_of
from monitor.core.queries.explain import row as shown
from monitor.core.rules.product import Product, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.stages import STAGES, GroupState
from monitor.engine.group_list import ColumnarGroupLists

START = datetime(2026, 1, 5, 10, tzinfo=UTC)
ASSETS = [f"A{i:03d}" for i in range(600)]
COINS, LOANS, BLOCK, BORROWERS = 8, 2, 8192, 2000
D = Decimal
VERSION = Version(START, Thresholds(D("0.72"), D("0.77"), D("0.91"), D("0.95")), {a: ((None, D(1)),) for a in ASSETS})
PRODUCTS = {kind: Product(kind, (VERSION,)) for kind in ("vip_loan", "other_loan")}
PRICES = Prices(dict.fromkeys(ASSETS, D(1)))
SCOPE: Scope = (("borrower", "B-7"),)
RATE = Rate("fixed", D(0))


class Block:
    """A block of groups in the layout of engine.columns.fields; every coin is worth a dollar and counts in full."""

    def __init__(self, rng: np.random.Generator, first: int, count: int) -> None:
        texts = (f"\x09G-{i:07d}\x09a-{i:07d}\x02L1\x02L2" for i in range(first, first + count))
        held = rng.integers(1_000, 100_000, (count, COINS))
        ltv = rng.uniform(0.3, 0.97, count)
        owed = np.maximum(1, (held.sum(1) * ltv / LOANS).astype(np.int64))
        self.count, self.ltv = count, LOANS * owed / held.sum(1)
        self.columns = SimpleNamespace(
            arena=np.frombuffer("".join(texts).encode(), np.uint8),
            start=(np.arange(count + 1) * 26).astype(np.uint32),
            product=(rng.random(count) < 0.2).astype(np.uint16),
            labels=rng.integers(1, BORROWERS + 1, count, np.uint32),
            positions=(np.arange(count + 1) * COINS).astype(np.uint32),
            asset=np.sort(rng.integers(0, len(ASSETS), (count, COINS), np.uint16), axis=1).ravel(),
            mantissa=held.ravel(),
            loans=(np.arange(count + 1) * LOANS).astype(np.uint32),
            loan_asset=np.tile(np.array([0, 1], np.uint16), count),
            principal_mantissa=np.repeat(owed, LOANS),
        )

    def __len__(self) -> int:
        return self.count

    def is_owed(self) -> np.ndarray:
        return self.columns.principal_mantissa != 0

    def id(self, i: int) -> str:
        at = 26 * i + 1
        return self.columns.arena[at : at + 9].tobytes().decode()

    def group(self, i: int, labels: list[dict[str, str]]) -> Group:
        c, account = self.columns, self.columns.arena[26 * i + 11 : 26 * i + 20].tobytes().decode()
        at = slice(COINS * i, COINS * i + COINS)
        coins: dict[str, Decimal] = {}
        for place, q in zip(c.asset[at].tolist(), c.mantissa[at].tolist(), strict=True):
            coins[ASSETS[place]] = coins.get(ASSETS[place], D(0)) + D(q)
        due, day = START + timedelta(days=30), START.date()
        principal = D(int(c.principal_mantissa[LOANS * i]))
        loans = tuple(Loan(f"L{k}", ASSETS[k - 1], principal, D(0), RATE, "30d", START, due, day) for k in (1, 2))
        product = ("vip_loan", "other_loan")[c.product[i]]
        return Group(
            self.id(i), product, account, {account: coins}, loans, False, {}, labels[c.labels[i]], {}, None, {}
        )


class Columnar:
    """What lists read of the groups in columns. One in a hundred lacks a price; stages follow the LTV."""

    def __init__(self, groups: int) -> None:
        rng = np.random.default_rng(1)
        labels = [{}, *({"borrower": f"B-{i}", "desk": "EU" if i % 2 else "US"} for i in range(BORROWERS))]
        self.names = SimpleNamespace(assets=ASSETS, products=list(PRODUCTS), labels=labels)
        self.blocks = [Block(rng, i, min(BLOCK, groups - i)) for i in range(0, groups, BLOCK)]
        rows = len(self.blocks) * BLOCK
        self.stage = np.full(rows, 255, np.uint8)
        debt, recognised = np.zeros(rows), np.zeros(rows)
        for number, block in enumerate(self.blocks):
            at = slice(number * BLOCK, number * BLOCK + len(block))
            recognised[at] = np.add.reduceat(block.columns.mantissa, block.columns.positions[:-1])
            debt[at] = block.ltv * recognised[at]
            self.stage[at] = np.searchsorted([0.94, 0.955, 0.965], block.ltv)
        blind = np.where(rng.random(rows) < 0.01, 2, 0).astype(np.uint8)
        self.rows = self
        self.fast = SimpleNamespace(debt=debt, recognised=recognised, blind=blind)
        self.screen = self

    def ladders_of(self, block: Block) -> np.ndarray:
        return block.columns.product.astype(np.int64)

    def record_at(self, row: int) -> GroupRecord:
        group = self.blocks[row // BLOCK].group(row % BLOCK, self.names.labels)
        return GroupRecord(StoredGroup(group, "bench", 1, START), self.state(row), PRODUCTS[group.product], START)

    def state(self, row: int) -> GroupState:
        stage = STAGES[self.stage[row]]
        due = START + timedelta(seconds=row % 86400) if stage == "delayed_liquidation" else None
        return GroupState("", stage=stage, deadline=due)


class Fresh:
    """No group is fresh."""

    def records(self) -> list[GroupRecord]:
        return []

    def find(self, group_id: str) -> None:
        return None


def encoded(group_lists: ColumnarGroupLists, query: GroupQuery, scope: Scope = ()) -> int:
    """A page as the API answers it."""
    page = group_lists.page(query, scope, PRICES)
    return len(msgspec.json.encode([shown(s) for s in page.rows]))


def queries(group_lists: ColumnarGroupLists, groups: int) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    middle = group_lists.sight(f"G-{groups // 2:07d}", PRICES)
    assert middle is not None
    found: dict[str, GroupQuery] = {
        "no filter": GroupQuery(), "stage=margin_call": GroupQuery(stages=frozenset(["margin_call"])),
        "product=other_loan": GroupQuery(products=frozenset(["other_loan"])),
        "label.borrower=B-7": GroupQuery(labels=SCOPE), "q=b-12 (labels)": GroupQuery(q="b-12"),
        "q=00123 (ids)": GroupQuery(q="00123"), "q=zzz (nothing)": GroupQuery(q="zzz"), "limit=1000": GroupQuery(limit=1000),
        "stage, q, sort=id": GroupQuery(stages=frozenset(["normal"]), q="g-", sort="id"),
    }  # fmt: skip
    for sort in ("ltv", "id", "debt_usd", "deadline"):
        for name in (sort, f"-{sort}"):
            key = key_of(middle, sort, name.startswith("-"))
            found[f"sort={name}"] = GroupQuery(sort=name)
            found[f"sort={name}, from the middle"] = GroupQuery(sort=name, after=cursor_of(name, key))
    calls: dict[str, Callable[[], object]] = {n: (lambda q=q: encoded(group_lists, q)) for n, q in found.items()}
    calls["scope of a token"] = lambda: encoded(group_lists, GroupQuery(), SCOPE)
    calls["stream: 500 rows"] = lambda: encoded(group_lists, GroupQuery(limit=500))
    calls["one group by id"] = lambda: group_lists.sight(f"G-{groups // 3:07d}", PRICES)
    calls["counts"] = lambda: group_lists.counts((), PRICES)
    calls["counts in a scope"] = lambda: group_lists.counts(SCOPE, PRICES)
    calls["needed"] = lambda: group_lists.needed(())
    return calls


def new_order(columnar: Columnar) -> float:
    """Seconds for the first page by id after the blocks became others."""
    group_lists = ColumnarGroupLists(SimpleNamespace(fresh=Fresh(), columnar=columnar))  # type: ignore[arg-type]
    return timed(lambda: encoded(group_lists, GroupQuery(sort="id")))


def timed(call: Callable[[], object]) -> float:
    return both(call)[0]


def both(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the wall, and of this thread on a processor."""
    started, used = time.perf_counter(), time.thread_time()
    call()
    return time.perf_counter() - started, time.thread_time() - used


def keys_of(columnar: Columnar) -> list[tuple[int, float, str]]:
    """A Python object for every row, ready to be sorted: what the obvious way would hold."""
    ltv, stage = (columnar.fast.debt / np.maximum(columnar.fast.recognised, 1)).tolist(), columnar.stage.tolist()
    return [
        (-stage[n * BLOCK + i], -ltv[n * BLOCK + i], b.id(i))
        for n, b in enumerate(columnar.blocks)
        for i in range(len(b))
    ]


def main() -> None:
    """Prints the table."""
    groups, rounds = (int(a) for a in (*sys.argv[1:], *("1000000", "20")[len(sys.argv) - 1 :]))
    columnar: Any = Columnar(groups)
    group_lists = ColumnarGroupLists(SimpleNamespace(fresh=Fresh(), columnar=columnar))  # type: ignore[arg-type]
    calls = queries(group_lists, groups)
    cold = {name: timed(call) for name, call in calls.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    naive, order = [], []
    keys = keys_of(columnar)
    random.Random(1).shuffle(keys)  # noqa: S311
    for i in range(rounds):
        for name, call in calls.items():
            times[name].append(both(call))
        if i % 5 == 0:
            naive.append(timed(lambda: sorted(keys)[:100]))
            order.append(new_order(columnar))
    base = statistics.median(naive)
    print(f"{groups} groups, {rounds} rounds; sorted() of all rows takes {base * 1e3:.0f} ms (median)")
    print(f"{'query':36} {'p95 ms':>8} {'median ms':>10} {'cpu ms':>8} {'x faster':>9} {'first ms':>9}")
    for name, each in times.items():
        wall, cpu = (np.array(x) * 1e3 for x in zip(*each, strict=True))
        p95, median = np.quantile(wall, 0.95), np.median(wall)
        ratio = base * 1e3 / median
        print(f"{name:36} {p95:8.1f} {median:10.1f} {np.median(cpu):8.1f} {ratio:9.1f} {cold[name] * 1e3:9.1f}")
    print(f"{'sort=id with other blocks':36} {max(order) * 1e3:8.1f} {statistics.median(order) * 1e3:10.1f}")


if __name__ == "__main__":
    main()
