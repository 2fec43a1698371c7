"""Reading wide price tapes: `ts_utc` in milliseconds and one column per USDT pair (docs/replay.md)."""

import csv
import gzip
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

Row = tuple[datetime, dict[str, str]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows(path: str | Path) -> Iterator[Row]:
    """Yield (time, {asset: price in USDT}) for each row; an empty cell is no price, so the asset is absent."""
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", encoding="ascii", newline="") as file:
        reader = csv.reader(file)
        clock, *pairs = next(reader)
        if clock != "ts_utc" or not all(pair.endswith("USDT") for pair in pairs):
            raise ValueError(f"{path} is not a wide tape: {clock}, {', '.join(pairs)}")
        assets = [pair.removesuffix("USDT") for pair in pairs]
        for milliseconds, *cells in reader:
            at = EPOCH + timedelta(milliseconds=int(milliseconds))
            yield at, {asset: cell for asset, cell in zip(assets, cells, strict=True) if cell}


def summary(tape: Iterable[Row]) -> dict[str, tuple[str, str, str]]:
    """The first, lowest and highest price of each asset, as books are generated from."""
    history: dict[str, list[str]] = {}
    for _, prices in tape:
        for asset, price in prices.items():
            history.setdefault(asset, []).append(price)
    return {asset: (prices[0], min(prices, key=Decimal), max(prices, key=Decimal)) for asset, prices in history.items()}
