"""The client for Python: models as TypedDicts, operations as methods."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.clients import Argument, Operation

HEAD = '"""{about} Made by `python -m tools.clients` from the contract; change that, not this file."""\n\n'
KINDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def models(schemas: Mapping[str, Any], operations: Iterable[Operation]) -> str:
    """The module of types: a TypedDict for each struct, and a name for each union of them."""
    unions = "".join(f"\n\n{name} = {type_of(each.body)}\n" for each in operations if (name := union_name(each)))
    imports = "from __future__ import annotations\n\nfrom typing import Any, Literal, NotRequired, TypedDict\n"
    return HEAD.format(about="What the API reads and answers.") + imports + "".join(_models(schemas)) + unions


def _models(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        keys = schema.get("properties", {})
        needed = set(schema.get("required", ()))
        types = {key: _field(each, key in needed) for key, each in keys.items()}
        about = _text(schema.get("description", name).partition("\n\n")[0])
        if all(key.isidentifier() and not keyword.iskeyword(key) for key in keys):
            lines = "".join(f"    {key}: {type_}\n" for key, type_ in types.items())
            yield f'\n\nclass {name}(TypedDict):\n    """{about}"""\n\n{lines}'
        else:
            lines = "".join(f"        {json.dumps(key)}: {json.dumps(type_)},\n" for key, type_ in types.items())
            yield f'\n\n{name} = TypedDict(\n    "{name}",\n    {{\n{lines}    }},\n)\n"""{about}"""\n'


def _field(schema: Any, required: bool) -> str:
    return type_of(schema) if required else f"NotRequired[{type_of(schema)}]"


def type_of(schema: Any) -> str:
    """A schema as a type of Python."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    for union in ("anyOf", "oneOf"):
        if union in schema and "properties" not in schema:
            return " | ".join(dict.fromkeys(map(type_of, schema[union])))
    match schema.get("type"):
        case "array":
            return f"list[{type_of(schema['items'])}]" if isinstance(schema.get("items"), dict) else "list[Any]"
        case "object":
            return f"dict[str, {type_of(schema.get('additionalProperties') or {})}]"
        case None:
            return "Any"
        case kind:
            return KINDS[kind]


def methods(operations: Iterable[Operation]) -> str:
    """The module of operations: a method for each."""
    found = list(operations)
    texts = "".join(_method(each) for each in found)
    names = sorted(set(_names(found)) - {"Any", "Literal"})
    imports = (
        "from __future__ import annotations\n\nfrom collections.abc import Mapping, Sequence\n"
        "from typing import Any, Literal, cast\n\nfrom loan_monitor_client._http import Connection\n"
        f"from loan_monitor_client.models import (\n{''.join(f'    {name},{chr(10)}' for name in names)})\n"
    )
    head = (
        '\n\nclass MonitorClient:\n    """A running monitor: a method for each operation. Each raises ApiProblem where the '
        'monitor refuses, and NoAnswer."""\n\n'
        "    def __init__(self, url: str, token: str | None = None, timeout_s: float = 15.0) -> None:\n"
        '        """`url`: its address, such as http://127.0.0.1:8080; `token`: the secret of one, where it has some."""\n'
        "        self._to = Connection(url, token, timeout_s)\n"
    )
    return HEAD.format(about="The operations of the API.") + imports + head + texts


def _names(operations: Iterable[Operation]) -> Iterator[str]:
    for each in operations:
        for schema in (*each.answers, *((_body_type(each),) if each.body else ())):
            yield from re.findall(r"\b[A-Z]\w+", schema if isinstance(schema, str) else type_of(schema))


def _method(of: Operation) -> str:
    ids = "".join(f"{name}: str, " for name in _ids(of))
    named = "".join(f"        {line},\n" for line in _named(of))
    body = _body(of)
    star = "        *,\n" if named else ""
    signature = (
        f"        self,\n{''.join(f'        {x},{chr(10)}' for x in (ids + body).rstrip(', ').split(', ') if x)}"
    )
    returned = _returned(of)
    asked = "".join(f"            {line},\n" for line in _asked(of))
    call = f'self._to.ask(\n            "{of.method}",\n            "{of.path}",\n{asked}        )'
    last = (
        call if returned == "None" else f'return cast("{returned}", {call})' if returned != "Any" else f"return {call}"
    )
    head = f"\n    def {of.name}(\n{signature}{star}{named}    ) -> {returned}:\n"
    return f'{head}        """{_text(of.about)}"""\n        {last}\n'


def _ids(of: Operation) -> list[str]:
    return ["id_" if name == "id" else name for name in of.ids]


def _body(of: Operation) -> str:
    if of.body is None:
        return ""
    kind = _body_type(of)
    return f"body: {kind}, " if of.body_required else f"body: {kind} | None = None, "


def _body_type(of: Operation) -> str:
    return "bytes" if of.is_file else union_name(of) or type_of(of.body)


def union_name(of: Operation) -> str | None:
    """What a body is called that may be one of many: `ApplyEntryBody`."""
    is_union = not of.is_file and isinstance(of.body, dict) and "oneOf" in of.body
    return "".join(word.capitalize() for word in of.name.split("_")) + "Body" if is_union else None


def _named(of: Operation) -> Iterator[str]:
    for each in (*of.query, *of.headers):
        kind = _query_type(each)
        yield f"{_python(each.name)}: {kind}" if each.required else f"{_python(each.name)}: {kind} | None = None"
    if of.has_labels:
        yield "labels: Mapping[str, str] | None = None"


def _query_type(of: Argument) -> str:
    if of.schema.get("type") == "array":
        return f"Sequence[{type_of(of.schema['items'])}]"
    return type_of(of.schema)


def _python(name: str) -> str:
    found = name.replace("-", "_").lower()
    return f"{found}_" if keyword.iskeyword(found) or found in ("type", "map", "set", "format") else found


def _asked(of: Operation) -> Iterator[str]:
    if of.ids:
        yield f"ids=({', '.join(_ids(of))},)"
    for kind, parts in (("query", of.query), ("headers", of.headers)):
        if parts:
            yield f"{kind}={{{', '.join(f'{json.dumps(each.name)}: {_python(each.name)}' for each in parts)}}}"
    if of.has_labels:
        yield "labels=labels"
    if of.body is not None:
        yield "body=body"
    if of.also:
        yield f"also={of.also!r}"


def _returned(of: Operation) -> str:
    kinds = [type_of(schema) for schema in of.answers] + (["str"] if of.has_text else [])
    return " | ".join(dict.fromkeys(kinds)) or "None"


def _text(about: str) -> str:
    return about.replace("\\", "\\\\").replace("\n", "\n    ").replace('"""', "'''")
