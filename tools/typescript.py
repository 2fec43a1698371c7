"""Writes the dashboard's types of what the API sends: dashboard/src/answers.generated.ts.

    python -m tools.typescript

They are made of the structs that the handlers return and that the stream sends. A test compares the file with the structs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from monitor.core.alerts.alert_type import SEVERITY_RANK
from monitor.core.portfolio.group_list import SORTS
from monitor.core.stages.stages import STAGES
from monitor.web.contract import answers, routes
from monitor.web.http import ProblemDetails
from monitor.web.live import EVENT_TYPES

FILE = Path(__file__).parent.parent / "dashboard/src/answers.generated.ts"
WORDS: Mapping[frozenset[str], str] = {
    frozenset(STAGES): "Stage",
    frozenset(SEVERITY_RANK): "Severity",
    frozenset((*STAGES, *SEVERITY_RANK)): "Stage | Severity",
}
"""Choices that alerts.generated.ts names."""
BY_STAGE = frozenset({"stages", "debt_usd", "before", "after", "newly"})
"""Fields that have a value for each stage, where they are tables."""
HEAD = """/** Made by `python -m tools.typescript` from the structs that the monitor sends; change those, not this file.

Money, prices and ratios are decimal text, times RFC 3339 in UTC. What each is stands in /openapi.json. */

import type { Severity, Stage } from "./alerts.generated";
"""


def types() -> str:
    """The dashboard's module: an interface for each struct, by name."""
    sent = [type_ for route in routes() for type_ in answers(route).values() if type_ is not None]
    _, schemas = msgspec.json.schema_components([*sent, *EVENT_TYPES, ProblemDetails], ref_template="{name}")
    keys = " | ".join(map(json.dumps, SORTS))
    sorts = f"\n/** What a list of groups can be sorted by. */\nexport type SortKey = {keys};\n"
    return HEAD + sorts + "".join(interface(name, schemas[name]) for name in sorted(schemas))


def interface(name: str, schema: Mapping[str, Any]) -> str:
    """A struct's schema as an interface of TypeScript."""
    return f"\nexport interface {name} {{\n{''.join(_fields(schema))}}}\n"


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, each in schema["properties"].items():
        mark = "" if name in schema.get("required", ()) else "?"
        key = name if name.isidentifier() else json.dumps(name)
        yield f"  readonly {key}{mark}: {_type(each, name)};\n"


def _type(schema: Mapping[str, Any], field: str = "") -> str:
    """A schema as a type of TypeScript; `field` is the name of the field that it is of."""
    if "$ref" in schema:
        return str(schema["$ref"])
    if "anyOf" in schema:
        return " | ".join(_type(each, field) for each in schema["anyOf"])
    if "enum" in schema:
        words = WORDS.get(frozenset(schema["enum"]))
        return words or " | ".join(json.dumps(each) for each in schema["enum"])
    match schema.get("type"):
        case "string":
            return "string"
        case "integer" | "number":
            return "number"
        case "boolean" | "null" as simple:
            return str(simple)
        case "array":
            item = _type(schema["items"], field)
            is_plain = not ("anyOf" in schema["items"] or item.startswith("readonly"))
            return f"readonly {item}[]" if is_plain else f"readonly ({item})[]"
        case "object":
            key = "Stage" if field in BY_STAGE else "string"
            return f"Readonly<Record<{key}, {_type(schema.get('additionalProperties', {}))}>>"
    return "unknown"


def main() -> None:
    """Writes the file."""
    FILE.write_text(types(), encoding="utf-8")


if __name__ == "__main__":
    main()
