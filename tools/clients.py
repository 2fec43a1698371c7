"""Makes the typed clients in `clients/` from the contract: a method for each operation, a type for each schema.

    python -m tools.clients

A test compares the files with the contract.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from monitor.web.contract import document, routes
from tools import client_python, client_typescript

ROOT = Path(__file__).parent.parent / "clients"
LABELS = "label.*"
JSON = "application/json"


class Argument(NamedTuple):
    """A query key or a header: its name in the contract, its schema, and whether it must be stated."""

    name: str
    about: str
    schema: Any
    required: bool


class Operation(NamedTuple):
    """An operation as a client needs it."""

    name: str
    method: str
    path: str
    about: str
    ids: tuple[str, ...]
    query: tuple[Argument, ...]
    headers: tuple[Argument, ...]
    has_labels: bool
    body: Any
    """The schema of the body; None where there is none."""
    is_file: bool
    body_required: bool
    answers: tuple[Any, ...]
    """Schemas of its JSON answers; empty where it has none."""
    has_text: bool
    also: tuple[int, ...]
    """Statuses beside 2xx with an answer that is no problem."""


def operations(contract: Mapping[str, Any]) -> Iterator[Operation]:
    """Every operation but the stream, by name."""
    found = [
        _operation(method.upper(), path, operation)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
    ]
    yield from sorted((each for each in found if each.name != "get_stream"), key=lambda each: each.name)


def _operation(method: str, path: str, stated: Mapping[str, Any]) -> Operation:
    parameters = stated.get("parameters", [])
    query = [p for p in parameters if p["in"] == "query"]
    body = stated.get("requestBody")
    media, content = next(iter(body["content"].items())) if body else (JSON, {})
    shown = {int(status): answer for status, answer in stated["responses"].items() if "$ref" not in answer}
    contents = [answer["content"] for answer in shown.values() if "content" in answer]
    schemas = [each[JSON]["schema"] for each in contents if JSON in each]
    return Operation(
        name=stated["operationId"],
        method=method,
        path=re.sub(r"{\w+}", "{}", path),
        about=stated["summary"],
        ids=tuple(p["name"] for p in parameters if p["in"] == "path"),
        query=tuple(_argument(p) for p in query if p["name"] != LABELS),
        headers=tuple(_argument(p) for p in parameters if p["in"] == "header"),
        has_labels=any(p["name"] == LABELS for p in query),
        body=content.get("schema"),
        is_file=media != JSON,
        body_required=bool(body and body["required"]),
        answers=tuple({repr(schema): schema for schema in schemas}.values()),
        has_text=any(name != JSON for each in contents for name in each),
        also=tuple(status for status in shown if status >= 300),
    )


def _argument(stated: Mapping[str, Any]) -> Argument:
    return Argument(stated["name"], stated.get("description", ""), stated["schema"], stated["required"])


def made() -> dict[Path, str]:
    """Every generated file with its text."""
    contract = document(routes())
    schemas = {name: each for name, each in contract["components"]["schemas"].items() if "." not in name}
    found = list(operations(contract))
    places: Mapping[str, Callable[..., str]] = {
        "python/loan_monitor_client/models.py": lambda: client_python.models(schemas, found),
        "python/loan_monitor_client/operations.py": lambda: client_python.methods(found),
        "typescript/src/models.ts": lambda: client_typescript.models(schemas, found),
        "typescript/src/operations.ts": lambda: client_typescript.methods(found),
    }
    return {ROOT / place: _formatted(text()) if place.endswith(".py") else text() for place, text in places.items()}


def _formatted(text: str) -> str:
    """A module of Python as `ruff format` leaves it."""
    command = [str(Path(sys.executable).with_name("ruff")), "format", "--line-length", "120", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own words


def main() -> None:
    """Writes the files."""
    for file, text in made().items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
