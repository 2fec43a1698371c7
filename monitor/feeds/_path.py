"""Where a value stands in a JSON document: `data.nav`, `result[0].price`, `rows[symbol=BTC].last` or a JSON Pointer."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from monitor.feeds._markets import REPEATED

_STEP = re.compile(
    r"""(?:^|\.)(?P<name>[^.\[\]"=]+)            # a key, after a point unless it comes first
      | \[(?P<index>-?\d{1,6})\]                 # an item by its number; -1 is the last
      | \["(?P<quoted>[^"]+)"\]                  # a key that holds a point or a bracket
      | \[(?P<key>[^\[\]"=]+)=(?P<value>[^\[\]]*)\]   # the item of a list in which a key has this value""",
    re.ASCII | re.VERBOSE,
)
_MOST_NAMED = 5


class NotThere(Exception):
    """The document has no such value. The text says how far the path leads, and what is there instead."""


class JsonStep(msgspec.Struct, frozen=True):
    """One step of a path: a key of an object, an item of a list, or the item in which `key` has the value."""

    text: str
    name: str | None = None
    index: int | None = None
    key: str | None = None
    value: str = ""


class JsonPath(msgspec.Struct, frozen=True):
    """A path, read once and followed in every document."""

    text: str
    steps: tuple[JsonStep, ...]

    def find(self, document: object) -> Any:
        """The value. Raises NotThere."""
        found, way = document, "the answer"
        for step in self.steps:
            found = _follow(step, found, way)
            way = step.text if way == "the answer" else f"{way}{'' if step.text.startswith('[') else '.'}{step.text}"
        if found is REPEATED:
            raise NotThere(f"{way} holds a key twice")
        return found


def read_path(text: str) -> JsonPath:
    """The path of a text. Raises ValueError, which says what is expected."""
    steps = _pointer(text) if text.startswith("/") else _dotted(text.removeprefix("$.").removeprefix("$"))
    if not steps:
        raise ValueError(
            f'found {text[:60]!r}, expected a path such as "data.nav", "result[0].price", "rows[symbol=BTC].last", '
            'or a JSON Pointer such as "/data/nav"'
        )
    return JsonPath(text, tuple(steps))


def _dotted(text: str) -> list[JsonStep]:
    steps, at = [], 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            return []
        part = match[0].removeprefix(".")
        if match["key"] is not None:
            steps.append(JsonStep(part, key=match["key"], value=match["value"].strip('"')))
        elif match["index"] is not None:
            steps.append(JsonStep(part, index=int(match["index"])))
        else:
            steps.append(JsonStep(part, name=match["name"] or match["quoted"]))
        at = match.end()
    return steps


def _pointer(text: str) -> list[JsonStep]:
    """RFC 6901: a number may be a key or an index, as the document decides."""
    steps = []
    for part in text[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        is_index = re.fullmatch(r"0|[1-9]\d{0,5}", name, re.ASCII) is not None
        steps.append(JsonStep(name, name=name, index=int(name) if is_index else None))
    return steps


def _follow(step: JsonStep, found: object, way: str) -> Any:
    if found is REPEATED:
        raise NotThere(f"{way} holds a key twice")
    if isinstance(found, dict) and step.name is not None:
        if step.name in found:
            return found[step.name]
        raise NotThere(f"{way} has no key {step.name!r}; there are: {_some(found)}")
    if isinstance(found, list) and step.index is not None:
        if -len(found) <= step.index < len(found):
            return found[step.index]
        raise NotThere(f"{way} has no item {step.index}; it has {len(found)} items")
    if isinstance(found, list) and step.key is not None:
        items = [i for i in found if isinstance(i, dict) and i.get(step.key) == step.value]
        if len(items) == 1:
            return items[0]
        raise NotThere(f"{way} has {len(items)} items in which {step.key!r} is {step.value!r}")
    expected = "an object" if step.name is not None else "a list"
    raise NotThere(f"{way} is {_kind(found)}, expected {expected} with {step.text!r}")


def _some(found: dict[str, object]) -> str:
    names = [repr(name[:40]) for name in found]
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "") if names else "no keys"


def _kind(found: object) -> str:
    if isinstance(found, dict):
        return "an object"
    if isinstance(found, list):
        return "a list"
    return "nothing" if found is None else f"the value {str(found)[:40]!r}"
