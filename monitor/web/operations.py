"""What the contract says of an operation beside its types: its name for clients, headers, and ids that serve as examples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

IDS: Mapping[str, str] = {
    "groups": "G-1",
    "borrowers": "ACME",
    "alerts": "evt_0f3c",
    "deliveries": "dlv_1_risk-desk",
    "endpoints": "acme",
    "silences": "sil_0f3c",
    "levers": "L-1",
    "proposals": "P-1",
    "prices": "BTC",
    "channels": "risk-desk",
}
"""By the collection: an id as it may stand in the path."""
HEADERS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "If-Match": (
        {"type": "string", "pattern": r'^ *(?:\*|"[0-9]{1,18}"|[0-9]{1,18}) *$', "examples": ['"7"']},
        "The version that the change is for, as an ETag said it; `*` for any.",
    ),
    "If-None-Match": (
        {"enum": ["*"]},
        "`*`: create, never replace. Not together with If-Match.",
    ),
    "Idempotency-Key": (
        {"type": "string", "pattern": r'^(?:"[\u0021\u0023-\u007e]{1,128}"|[\u0021\u0023-\u007e]{1,128})$'},
        "The id of the entry, where its body states none.",
    ),
    "Last-Event-ID": (
        {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,1000}$"},
        "The id of the last event that was read: the stream goes on behind it.",
    ),
}
"""By name: the schema of a header, and what it is for."""
TIMES = frozenset({"at", "since", "until", "deadline", "due", "as_of", "timestamp", "expires", "effective"})
"""Keys of answers that hold a time, beside those that end in `_at`."""
_SINGULAR: Mapping[str, str] = {"deliveries": "delivery", "entries": "entry", "status": "status"}
_VERBS: Mapping[str, str] = {"GET": "get", "PUT": "put", "POST": "create", "DELETE": "delete"}


def named_by_path(method: str, path: str, *, is_list: bool) -> str:
    """A name such as `list_groups`, `get_group`, `list_group_ltv` or `retry_delivery`, unique by method and path."""
    parts = [part for part in path.removeprefix("/v1").split("/") if part]
    words: list[str] = []
    for i, part in enumerate(parts):
        if part == "{id}":
            continue
        owns_one = i + 1 < len(parts) and parts[i + 1] == "{id}"
        words.append(_singular(part) if owns_one else re.sub(r"\W+", "_", part))
    if method == "POST" and len(parts) == 3 and parts[1] == "{id}":
        return f"{words[1]}_{words[0]}" if not words[1].endswith("s") else f"create_{words[0]}_{_singular(words[1])}"
    if method == "POST":
        words[-1] = _singular(words[-1])
    return "_".join(["list" if is_list else _VERBS[method], *words])


def _singular(word: str) -> str:
    return _SINGULAR.get(word, word.removesuffix("s"))
