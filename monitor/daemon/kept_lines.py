"""What a source of loans may hold its book against after a restart: the lines in force, and what decides what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from importlib.metadata import version

import msgspec

from monitor.books._unchanged import KeptLines
from monitor.core.rules.settings import Rules
from monitor.engine.book import ColumnarBook


def kept_lines(book: ColumnarBook, source: str, rules: Rules, aliases: Mapping[str, str], at: datetime) -> KeptLines:
    """Of one source. A version of the rules that comes into force counts as other rules. Any thread may ask."""
    decides = (rules.products, rules.next_version(at), aliases, version("loan-monitor"))
    plain = msgspec.to_builtins(decides, str_keys=True, order="sorted", enc_hook=repr)
    text = msgspec.json.encode(plain, order="deterministic")
    return KeptLines(book.lines_of(source), blake2b(text, digest_size=8).hexdigest())
