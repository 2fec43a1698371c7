"""`monitor replay --json` as a process of its own, over files that a test writes."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.forks import ran
from tests.reference.terms import stamp

ROOT = Path(__file__).parents[2]
CONFIG = """\
[monitor]
name = "desk-1"
[store]
kind = "memory"
[[product]]
kind = "{kind}"
file = "product.toml"
"""


def write(
    folder: Path,
    kind: str,
    product: str,
    book: Iterable[Mapping[str, Any]],
    rows: Iterable[tuple[datetime, dict[str, str]]],
    entries: Iterable[Mapping[str, Any]],
    more: str = "",
) -> None:
    """The files of a replay: configuration, product, book, entries, and a long tape as .csv.gz."""
    (folder / "monitor.toml").write_text(CONFIG.format(kind=kind) + more)
    (folder / "product.toml").write_text(product)
    (folder / "book.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in book))
    (folder / "entries.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    with gzip.open(folder / "tape.csv.gz", "wt", encoding="ascii", compresslevel=1) as tape:
        tape.write("at,asset,price\n")
        for at, prices in rows:
            tape.writelines(f"{stamp(at)},{asset},{price}\n" for asset, price in prices.items())


def replayed(folder: Path, *options: str) -> tuple[list[dict[str, Any]], str]:
    """The alerts that the command prints for these files, and what it says on stderr."""
    files = ["--config", "monitor.toml", "--tape", "tape.csv.gz", "--book", "book.jsonl", "--entries", "entries.jsonl"]
    done = ran(["replay", *files, "--json", *options], folder, os.environ | {"PYTHONPATH": str(ROOT)}, timeout_s=240)
    assert done.code == 0, done
    return [json.loads(line) for line in done.out.splitlines()], done.err
