"""The JSON Schema of what the API reads, as strict as `core.schema.read`: made of the same types and the same limits.

What a struct's `__post_init__` asks of several keys at once stands in `TOGETHER`, beside what the type alone cannot say.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from monitor.core.schema import Bounds, CoinName, Pattern, Span, read
from monitor.web.body_rules import CONTROLS, INSTANT, KEYS, NOTE, PRICE, PRICES, TOGETHER
from monitor.web.http import With

TEXT: Mapping[str, Any] = {"type": "string", "pattern": f"^[^{CONTROLS}]*$"}
_SIGNS = r"\u20a0-\u20a7\u20a9-\u20bf\u4e00-\u9fff"
_COIN = {
    "type": "string",
    "pattern": rf"^[A-Za-z0-9{_SIGNS}][A-Za-z0-9{_SIGNS}._+-]{{0,31}}$",
    "description": "What the venue calls the coin; case counts. Letters of other scripts are read too, as long as nobody can "
    "mistake them for these.",
    "examples": ["BTC"],
}


def body_schemas(bodies: list[Any], ref: str) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """A schema for each type, and the structs that they name. `ref` is the address of a struct, with its `{name}`."""
    made = _Schemas(ref)
    return [made.of(body) for body in bodies], made.structs


class Worded(msgspec.Struct, frozen=True, eq=False):
    """The schema of a text, as it stands."""

    schema: Mapping[str, Any]


class _Schemas:
    """Makes schemas, and keeps those of structs by name."""

    def __init__(self, ref: str) -> None:
        self._ref = ref
        self.structs: dict[str, dict[str, Any]] = {}

    def of(self, kind: Any, limits: tuple[Any, ...] = ()) -> dict[str, Any]:
        """The schema of one type, as `core.schema` reads it."""
        origin = get_origin(kind)
        if origin is Annotated:
            kind, *found = get_args(kind)
            return self.of(kind, tuple(found))
        if origin in (Union, types.UnionType):
            return self._union(kind, limits)
        if origin is Literal:
            return {"enum": list(get_args(kind))}
        if origin in (list, tuple):
            return self._list(kind)
        if origin is dict:
            return self._table(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(kind, next((each.head for each in limits if isinstance(each, With)), None))
        return _scalar(kind, limits)

    def _union(self, kind: Any, limits: tuple[Any, ...]) -> dict[str, Any]:
        members = [member for member in get_args(kind) if member is not type(None)]
        schemas = [self.of(member, limits) for member in members]
        if type(None) in get_args(kind):
            schemas.append({"type": "null"})
        tags = {m.__struct_config__.tag for m in members if isinstance(m, type) and issubclass(m, msgspec.Struct)}
        if len(tags) < len(schemas) or None in tags:
            return {"anyOf": schemas}
        mapping = {m.__struct_config__.tag: s["$ref"] for m, s in zip(members, schemas, strict=True)}
        field = members[0].__struct_config__.tag_field or "type"
        return {"oneOf": schemas, "discriminator": {"propertyName": field, "mapping": mapping}}

    def _list(self, kind: Any) -> dict[str, Any]:
        args = get_args(kind)
        if get_origin(kind) is tuple and Ellipsis not in args:
            parts = [self.of(arg) for arg in args]
            return {
                "type": "array",
                "prefixItems": parts,
                "items": False,
                "minItems": len(parts),
                "maxItems": len(parts),
            }
        return {"type": "array", "items": self.of(args[0])}

    def _table(self, kind: Any) -> dict[str, Any]:
        key, item = get_args(kind)
        schema: dict[str, Any] = {"type": "object", "additionalProperties": self.of(item)}
        names = {k: v for k, v in self.of(key).items() if k in ("pattern", "enum", "maxLength", "minLength")}
        return {**schema, "propertyNames": names}

    def _struct(self, cls: type[msgspec.Struct], head: type[msgspec.Struct] | None) -> dict[str, Any]:
        name = cls.__name__ if head is None else f"{cls.__name__}{head.__name__.removesuffix('Head')}"
        reference = {"$ref": self._ref.format(name=name)}
        if name in self.structs:
            return reference
        made: dict[str, Any] = {"title": name, "type": "object"}
        self.structs[name] = made
        made["description"] = (cls.__doc__ or name).strip()
        config = cls.__struct_config__
        tag = {} if config.tag is None else {config.tag_field or "type": {"const": config.tag, "type": "string"}}
        made["properties"] = tag | (self._keys(head) if head is not None else {}) | self._keys(cls)
        made["required"] = [*tag, *(field.encode_name for field in msgspec.structs.fields(cls) if field.required)]
        made["additionalProperties"] = False
        made |= TOGETHER.get(cls.__name__, {})
        return reference

    def _keys(self, cls: type[msgspec.Struct]) -> dict[str, Any]:
        """The schema of each key of a struct."""
        hints = get_type_hints(cls, include_extras=True)
        found: dict[str, Any] = {}
        for field in msgspec.structs.fields(cls):
            place = cls.__name__, field.encode_name
            own = self.of(_text_of(*place, hints[field.name]))
            found[field.encode_name] = own | dict(KEYS.get(place, {})) | _default(field)
        return found


def _default(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    """What an absent key means, where that is a plain value."""
    plain = field.default
    return {"default": plain} if isinstance(plain, bool | int | str) else {}


def _text_of(struct: str, key: str, hint: Any) -> Any:
    """The type of a key; where it is a person's note or a price, with that as its limit."""
    limit = (
        NOTE if key in ("note", "reason") and struct != "EndpointBody" else PRICE if (struct, key) in PRICES else None
    )
    if limit is None:
        return hint
    is_optional = type(None) in get_args(hint)
    return Annotated[str, Worded(limit)] | None if is_optional else Annotated[str, Worded(limit)]


def _scalar(kind: Any, limits: tuple[Any, ...]) -> dict[str, Any]:
    if kind is Any or kind is object:
        return {}
    if kind is Decimal:
        return decimal_schema(next((each for each in limits if isinstance(each, Bounds)), None))
    if kind is datetime:
        return dict(INSTANT)
    if kind is timedelta:
        return _duration(next((each for each in limits if isinstance(each, Span)), None))
    if kind is bool:
        return {"type": "boolean"}
    if kind is int:
        found = next((each for each in limits if isinstance(each, range)), None)
        return {"type": "integer"} | ({"minimum": found.start, "maximum": found.stop - 1} if found is not None else {})
    if kind is float:
        return {"type": "number"}
    assert kind is str, f"no body has a {kind}"
    for limit in limits:
        if isinstance(limit, Worded):
            return dict(limit.schema)
        if isinstance(limit, CoinName):
            return dict(_COIN)
        if isinstance(limit, Pattern):
            return {"type": "string", "pattern": whole(limit.regex), "description": limit.expected}
    return dict(TEXT)


def whole(regex: str) -> str:
    """A pattern of ours as JSON Schema has it: of the whole text, with ASCII digits, and without control characters."""
    text = regex.replace(r"\d", "[0-9]").replace(r"[^\x00-\x1f\x7f]", f"[^{CONTROLS}]")
    return f"^(?:{text})$"


def decimal_schema(bounds: Bounds | None) -> dict[str, Any]:
    """A decimal text in plain notation. Text with an exponent is read too, but a program need not write it."""
    if bounds is None:
        return {"type": "string", "pattern": r"^[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})$"}
    first = "above" if bounds.above else "from"
    return {
        "type": "string",
        "format": "decimal",
        "pattern": f"^(?:{'|'.join(_forms(bounds))})$",
        "description": f"A number in quotes, {first} {bounds.low} up to {bounds.high}, to {bounds.max_places} places.",
        "examples": ["0.5" if Decimal(bounds.high) <= 1 else "1.5"],
    }


def _forms(bounds: Bounds) -> list[str]:
    """The texts within bounds whose ends are powers of ten, as patterns: what is below the end, the end, and zero."""
    digits = Decimal(bounds.high).adjusted()
    assert Decimal(bounds.high) == Decimal(10) ** digits, "another end needs another pattern"
    assert Decimal(bounds.low) in (0, -Decimal(bounds.high)), "another beginning needs another pattern"
    sign = "[+-]?" if Decimal(bounds.low) < 0 else "[+]?"
    places = bounds.max_places
    fraction = rf"(?:\.[0-9]{{0,{places}}}0{{0,4}})?"
    end = rf"{sign}0{{0,4}}1{'0' * digits}(?:\.0{{0,4}})?"
    zeros = r"-(?:0{1,4}(?:\.0{0,4})?|\.0{1,4})"
    if not bounds.above:
        below = rf"0{{0,4}}[0-9]{{1,{digits}}}{fraction}" if digits else rf"0{{1,9}}{fraction}"
        return [rf"{sign}(?:{below}|\.[0-9]{{1,{places}}}0{{0,4}})", end, *([zeros] if sign == "[+]?" else [])]
    small = rf"{sign}0{{0,4}}\.[0-9]{{0,{places - 1}}}[1-9]0{{0,4}}"
    large = [rf"{sign}0{{0,4}}[1-9][0-9]{{0,{digits - 1}}}{fraction}"] if digits else []
    return [*large, small, end]


def _duration(span: Span | None) -> dict[str, Any]:
    """A duration such as "90s", "15m", "24h" or "7d", within its limits."""
    longest, above = ("36525d", False) if span is None else (span.longest, span.above)
    assert span is None or span.shortest == "0s", "another beginning needs another pattern"
    most = read(timedelta, longest)
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    forms = (
        f"{_up_to(min(int(most.total_seconds() / s), 999_999_999), above=above)}{unit}" for unit, s in units.items()
    )
    return {
        "type": "string",
        "pattern": f"^(?:{'|'.join(forms)})$",
        "description": f"A duration {'above' if above else 'from'} 0s up to {longest}.",
        "examples": ["24h" if most >= timedelta(days=1) else "10s"],
    }


def _up_to(most: int, *, above: bool) -> str:
    """The texts of numbers from 0 (or above it) to a whole number, with three places at most, as a pattern."""
    small = r"0\.[0-9]{0,2}[1-9]" if above else r"0(?:\.[0-9]{1,3})?"
    return rf"(?:{small}|(?:{'|'.join(_below(most))})(?:\.[0-9]{{1,3}})?|{most}(?:\.0{{1,3}})?)"


def _below(most: int) -> list[str]:
    """The texts of the whole numbers from 1 to before another one: the shorter ones, then those of as many digits."""
    text = str(most - 1)
    found = [f"[1-9]{_any(digits)}" for digits in range(len(text) - 1)]
    for i, digit in enumerate(text):
        low = 1 if i == 0 else 0
        if int(digit) > low:
            found.append(f"{text[:i]}[{low}-{int(digit) - 1}]{_any(len(text) - i - 1)}")
    return [*found, text]


def _any(digits: int) -> str:
    return f"[0-9]{{{digits}}}" if digits else ""
