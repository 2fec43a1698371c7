"""A block gives its untouched groups the lines that core gives each of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from monitor.core.groups.outcome import StoredGroup
from monitor.core.loans.group import parse_line
from monitor.core.money import exact, plain
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.stages.decision import calm
from monitor.core.stages.stages import GroupState
from monitor.core.valuation.valuation import holding
from monitor.engine.columns.agreements import Agreements
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.screen.defaults import defaults
from tests.coin_desk import START
from tests.engine.kinds import ALL, LEVERAGES, MOST_COINS, OWN, STRICT, Kinds

D = Decimal
COINS = ("A", "B", "C", "USDT", "ODD")
NOW = START + timedelta(days=1)
HOW = Lifecycle()


def product(kind: str, seed: int) -> Product:
    return Kinds(Random(seed), COINS, COINS[:4], "ODD").product(kind, [START, NOW + timedelta(days=1)])


def random_line(kind: str, number: int, random: Random, amounts: list[Decimal]) -> dict[str, Any]:
    loans = [
        {
            "id": f"L{k}", "asset": random.choice(COINS[:4]), "principal": plain(random.choice(amounts)),
            "rate": {"kind": "flexible"}, "term": "open", "opened_at": "2026-01-01T00:00:00Z",
        }
        for k in range(random.randint(0, 3))
    ]  # fmt: skip
    coins = random.sample(COINS, random.randint(0, min(3, MOST_COINS.get(kind, 3))))
    more = {"leverage": random.choice(LEVERAGES)} if kind == "isolated" and random.random() < 0.8 else {}
    id_ = f"G{number}"
    held = {id_: {coin: random.choice(("0", "1.5")) for coin in coins}}
    return {"id": id_, "product": kind, "receiving_account": id_, "collateral": held, "loans": loans, **more}


def check(products: dict[str, Product], lines: list[dict[str, Any]]) -> int:
    """The lines of all groups are those of core, except where these must be asked for; returns how many must."""
    names = Names()
    groups = [parse_line(stated, NOW, products) for stated in lines]
    block = Block.of([StoredGroup(group, "book", 1, NOW) for group in groups], names)
    low, high, unsure = defaults(block, Agreements(NOW, Rules("desk", products), names), names, HOW)
    for i, group in enumerate(groups):
        if i not in unsure:
            with exact():
                held = holding(group, products[group.product].of(group), NOW)
            assert (low[i], high[i]) == calm(GroupState(""), held, HOW).bounds, group
    return len(unsure)


@pytest.mark.parametrize("seed", range(8))
def test_groups_of_all_products_have_the_lines_that_core_gives_them(seed: int) -> None:
    random, products = Random(seed), {kind: product(kind, seed) for kind in ALL}
    caps = [cap for g in products["isolated"].version_at(NOW).lines_by_leverage.values() for cap in g[0].caps.values()]
    amounts = [
        *caps,
        *(cap / 2 for cap in caps),
        *(cap * D("1.000001") for cap in caps),
        *(5 * cap for cap in caps),
        D(0),
    ]
    lines = [random_line(random.choice(ALL), i, random, amounts) for i in range(600)]
    assert 0 < check(products, lines) < 100


@pytest.mark.parametrize("seed", range(3))
def test_lines_of_labels_and_of_the_line_itself_are_found_in_the_same_pass(seed: int) -> None:
    random, making = Random(seed), Kinds(Random(seed), COINS, COINS[:4], "ODD")
    labels = [{"borrower": f"B{i}", "desk": "EU"} for i in range(6)]
    products = {
        kind: making.with_overrides(making.product(kind, [START, NOW + timedelta(days=1)]), labels) for kind in ALL
    }
    lines = []
    for i in range(400):
        stated = random_line(random.choice(ALL), i, random, [D(5)])
        kind = stated["product"]
        own = random.choice(({}, STRICT.get(kind, {}), *OWN[kind]))
        lines.append(stated | {"labels": random.choice(labels), "thresholds": own, "terms": making.terms(kind)})
    check(products, lines)
    assert sum(bool(p.overrides) for p in products.values()) > 3


def test_a_principal_that_a_float_cannot_tell_from_its_cap_is_asked_for() -> None:
    products = {"isolated": product("isolated", 1)}
    coin, cap = next(iter(products["isolated"].version_at(NOW).lines_by_leverage[3][0].caps.items()))
    beside = [cap + D(f"{sign}1e-20") for sign in "+-"]
    stated = random_line("isolated", 1, Random(1), [D(1)]) | {"leverage": 3}
    loan = {"id": "L", "asset": coin, "rate": {"kind": "flexible"}, "term": "open", "opened_at": "2026-01-01T00:00:00Z"}
    lines = [
        stated
        | {"id": f"G{i}", "receiving_account": f"G{i}", "collateral": {}, "loans": [loan | {"principal": plain(p)}]}
        for i, p in enumerate(beside)
    ]
    assert check(products, lines) == 2
