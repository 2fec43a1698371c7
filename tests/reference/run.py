"""Fold a book and a tape into the alerts that a replay has to give.

python -m tests.reference.run --name desk-1 --product vip_loan.toml --book book.jsonl --tape tape.csv.gz
"""

import argparse
import json
import tomllib
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

from tests.reference import tape
from tests.reference.figures import EXACT
from tests.reference.model import Alert, Model

Rows = list[tuple[datetime, str, Decimal]]  # of a rate file: (effective, coin, rate)


def expected(
    name: str,
    product: dict[str, Any],
    lifecycle: dict[str, Any],
    book: Iterable[dict[str, Any]],
    tape_rows: Iterable[tape.Row],
    usdt_usd: str = "1",
    kind: str = "vip_loan",
    entries: Iterable[dict[str, Any]] = (),
    rates: Rows | None = None,
    agreement: str | None = None,
) -> list[Alert]:
    """Put the book at the first row's time, then feed each row as one event, and each entry before the rows of its time.

    Deadlines after the last row do not run. A pair's price is in USDT, so it is worth `usdt_usd` times that.
    """
    model = Model(name, product, lifecycle, usdt_usd, kind, rates, agreement)
    alerts: list[Alert] = []
    coming = [(datetime.fromisoformat(entry["at"]), entry) for entry in reversed(list(entries))]
    for number, (at, prices) in enumerate(tape_rows):
        if number == 0:
            for line in book:
                alerts += model.put(at, line)
        while coming and coming[-1][0] <= at:
            when, entry = coming.pop()
            alerts += model.enter(when, entry["group"], entry)
        alerts += model.prices(at, in_usd(prices, Decimal(usdt_usd)))
    return alerts


def in_usd(prices: dict[str, str], usdt_usd: Decimal) -> dict[str, Decimal]:
    with localcontext(EXACT):
        return {asset: Decimal(price) * usdt_usd for asset, price in prices.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the alerts that the reference model expects, one a line.")
    parser.add_argument("--name", default="desk-1")
    parser.add_argument("--product", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="a configuration whose [lifecycle] is used")
    parser.add_argument("--book", type=Path, required=True)
    parser.add_argument("--tape", type=Path, required=True)
    asked = parser.parse_args()
    product = tomllib.loads(asked.product.read_text())
    lifecycle = tomllib.loads(asked.config.read_text()).get("lifecycle", {}) if asked.config else {}
    lines = [json.loads(line) for line in asked.book.read_text().splitlines() if line.strip()]
    for alert in expected(asked.name, product, lifecycle, lines, tape.rows(asked.tape)):
        print(json.dumps(alert))


if __name__ == "__main__":
    main()
