"""The client for TypeScript: models as interfaces, operations as methods."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tools.client_python import union_name

if TYPE_CHECKING:
    from tools.clients import Argument, Operation

HEAD = "/** {about} Made by `python -m tools.clients` from the contract; change that, not this file. */\n"
KINDS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def models(schemas: Mapping[str, Any], operations: Iterable[Operation]) -> str:
    """The module of types: an interface for each struct, and a name for each union of them."""
    unions = "".join(
        f"\nexport type {name} = {type_of(each.body)};\n" for each in operations if (name := union_name(each))
    )
    return HEAD.format(about="What the API reads and answers.") + "".join(_models(schemas)) + unions


def _models(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        needed = set(schema.get("required", ()))
        lines = "".join(
            f"  readonly {_key(key)}{'' if key in needed else '?'}: {type_of(each)};\n"
            for key, each in schema.get("properties", {}).items()
        )
        yield f"\n/** {_text(schema.get('description', name))} */\nexport interface {name} {{\n{lines}}}\n"


def _key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def type_of(schema: Any) -> str:
    """A schema as a type of TypeScript."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    for union in ("anyOf", "oneOf"):
        if union in schema and "properties" not in schema:
            return " | ".join(dict.fromkeys(map(type_of, schema[union])))
    match schema.get("type"):
        case "array":
            item = type_of(schema["items"]) if isinstance(schema.get("items"), dict) else "unknown"
            return f"ReadonlyArray<{item}>"
        case "object":
            return f"Readonly<Record<string, {type_of(schema.get('additionalProperties') or {})}>>"
        case None:
            return "unknown"
        case kind:
            return KINDS[kind]


def methods(operations: Iterable[Operation]) -> str:
    """The module of operations: a method for each."""
    found = list(operations)
    texts = "".join(_method(each) for each in found)
    return (
        HEAD.format(about="The operations of the API.")
        + 'import { Connection, type Settings } from "./http.js";\nimport type * as m from "./models.js";\n'
        + "\n/** A running monitor: a method for each operation. Each throws ApiProblem where the monitor refuses. */\n"
        + "export class MonitorClient {\n  readonly #to: Connection;\n\n"
        + "  /** `url`: its address, such as http://127.0.0.1:8080; `token`: the secret of a token, where it has some. */\n"
        + "  constructor(url: string, settings: Settings = {}) {\n    this.#to = new Connection(url, settings);\n  }\n"
        + f"{texts}}}\n"
    )


def _method(of: Operation) -> str:
    arguments = [f"{name}: string" for name in of.ids]
    if of.body is not None:
        arguments.append(f"body{'' if of.body_required else '?'}: {_body_type(of)}")
    if named := list(_named(of)):
        rest = "" if any(each.required for each in of.query) else " = {}"
        arguments.append(f"options: {{ {'; '.join(named)} }}{rest}")
    returned = " | ".join(dict.fromkeys([*map(_model, of.answers), *(["string"] if of.has_text else [])])) or "void"
    asked = ", ".join(_asked(of))
    call = f'this.#to.ask("{of.method}", "{of.path}"{f", {{ {asked} }}" if asked else ""})'
    head = f"  {_camel(of.name)}({', '.join(arguments)}): Promise<{returned}> {{"
    return f"\n  /** {_text(of.about)} */\n{head}\n    return {call};\n  }}\n"


def _body_type(of: Operation) -> str:
    name = union_name(of)
    return "Uint8Array" if of.is_file else f"m.{name}" if name else _model(of.body)


def _model(schema: Any) -> str:
    """A type, in which models have the name of their module."""
    if "$ref" in schema:
        return f"m.{type_of(schema)}"
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(dict.fromkeys(map(_model, schema[union])))
    return type_of(schema)


def _named(of: Operation) -> Iterator[str]:
    for each in (*of.query, *of.headers):
        yield f"{_camel(each.name)}{'' if each.required else '?'}: {_query_type(each)}"
    if of.has_labels:
        yield "labels?: Readonly<Record<string, string>>"


def _query_type(of: Argument) -> str:
    return type_of(of.schema)


def _camel(name: str) -> str:
    first, *rest = name.replace("-", "_").lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


def _asked(of: Operation) -> Iterator[str]:
    if of.ids:
        yield f"ids: [{', '.join(of.ids)}]"
    for kind, parts in (("query", of.query), ("headers", of.headers)):
        if parts:
            yield f"{kind}: {{ {', '.join(f'{json.dumps(each.name)}: options.{_camel(each.name)}' for each in parts)} }}"
    if of.has_labels:
        yield "labels: options.labels"
    if of.body is not None:
        yield "body"
    if of.also:
        yield f"also: {list(of.also)}"


def _text(about: str) -> str:
    return about.partition("\n\n")[0].replace("*/", "* /")
