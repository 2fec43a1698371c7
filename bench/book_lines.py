"""Writes the seeded book of the benchmark as a desk has it: `python -m bench.book_lines FOLDER [--groups N] [--labels]`.

FOLDER/book.jsonl has a line a group and FOLDER/vip_loan.toml the rules that they fit: what a daemon needs to start with a
million groups.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from bench import desk
from bench.book import LINES_BP, Book, Market, book, market
from bench.progress import Bars

CITIES = ("Geneva", "Hong Kong", "London", "Singapore", "Zürich")


def write_book(path: Path, whole: Book, *, labels: bool = False) -> None:
    """Writes a line a group, with a progress bar; labels are such as desks set: a borrower of its own, one of five cities."""
    with Bars() as bars, bars.part("book.jsonl", len(whole) // desk.AT_ONCE) as advance, path.open("w") as file:
        for begin in range(0, len(whole), desk.AT_ONCE):
            lines = desk.book_lines(whole, begin, min(begin + desk.AT_ONCE, len(whole)))
            file.writelines(_labelled(lines, begin) if labels else lines)
            advance()


def _labelled(lines: Iterator[str], begin: int) -> Iterator[str]:
    for g, line in enumerate(lines, begin):
        yield f'{line[:-2]},"labels":{{"borrower":"B{g:07}","desk":"{CITIES[g % len(CITIES)]}"}}}}\n'


def write_product(path: Path, of: Market) -> None:
    """Writes the ladders of a market, the lines of the first profile, and a flexible rate for every coin."""
    lines = ", ".join(
        f'{name} = "{bp / 10_000}"'
        for name, bp in zip(("initial", "margin_call", "liquidation", "immediate"), LINES_BP[0].tolist(), strict=True)
    )
    rates = ", ".join(f'{name} = "0.0001"' for name in desk.NAMES)
    parts = ["[[version]]", "effective = 2024-01-01T00:00:00Z", f"thresholds = {{ {lines} }}", f"rates = {{ {rates} }}"]
    parts.append("[version.ladders]")
    for name, ladder in zip(desk.NAMES, of.ladders, strict=True):
        tiers = ", ".join(f'["{"inf" if bound is None else bound}", "{share / 10_000}"]' for bound, share in ladder)
        parts.append(f"{name} = [{tiers}]")
    path.write_text("\n".join(parts) + "\n")


def main() -> None:
    """Reads the command line and writes both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--groups", type=int, default=1_000_000)
    parser.add_argument("--labels", action="store_true")
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    of = market()
    write_product(wanted.folder / "vip_loan.toml", of)
    write_book(wanted.folder / "book.jsonl", desk.of_one_product(book(wanted.groups, of)), labels=wanted.labels)


if __name__ == "__main__":
    main()
