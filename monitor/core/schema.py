"""Turns JSON and TOML objects into frozen structs, and names every problem: where, what was found, what was expected.

msgspec stops at the first error; a person who mends a configuration or a loan book wants them all, with the nearest key.
"""

from __future__ import annotations

import difflib
import math
import re
import types
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from monitor.core.coins import coin_problem, is_coin
from monitor.core.money import NotANumber, number, places

T = TypeVar("T")


class Bounds(msgspec.Struct, frozen=True):
    """Limits of a decimal: low <= value <= high (low exclusive if `above`), at most `max_places` places."""

    low: str
    high: str
    max_places: int
    above: bool = False

    def problem(self, value: Decimal) -> str | None:
        """What is wrong with the value, or None."""
        low, high = Decimal(self.low), Decimal(self.high)
        if value < low or value > high or (self.above and value == low):
            return f"a number {'above' if self.above else 'from'} {self.low} up to {self.high}"
        if places(value) > self.max_places:
            return f"at most {self.max_places} places after the point"
        return None


class Span(msgspec.Struct, frozen=True):
    """Limits of a duration, written like one: shortest <= value <= longest (the shortest exclusive if `above`).

    `old_places`: the key used to end in `_s` and to hold a number of seconds with at most this many decimal places. Such
    a key still works; None where there was none.
    """

    shortest: str
    longest: str
    above: bool = False
    old_places: int | None = None

    def problem(self, value: timedelta) -> str | None:
        """What is wrong with the value, or None."""
        low, high = _duration(self.shortest), _duration(self.longest)
        assert low is not None
        assert high is not None
        if not low <= value <= high or (self.above and value == low):
            return f'a duration {"above" if self.above else "from"} "{self.shortest}" up to "{self.longest}"'
        return None


class Pattern(msgspec.Struct, frozen=True):
    """The form of a text and its description for people."""

    regex: str
    expected: str


class CoinName(msgspec.Struct, frozen=True):
    """The name of a coin (core.coins)."""

    def problem(self, value: str) -> str | None:
        """What was expected instead, or None."""
        return coin_problem(value)


Quantity = Annotated[Decimal, Bounds("0", "1e24", 24)]
Ratio = Annotated[Decimal, Bounds("0", "1", 18)]
DailyRate = Annotated[Decimal, Bounds("-1", "1", 18)]
"""Per day, or per period of a product. Below zero the lender pays the borrower."""
Interest = Annotated[Decimal, Bounds("-1e24", "1e24", 24)]
ID_EXPECTED = "1 to 128 printable ASCII characters without spaces"
Id = Annotated[str, Pattern(r"[\x21-\x7e]{1,128}", ID_EXPECTED)]
Asset = Annotated[str, CoinName()]
is_asset = is_coin
is_id = re.compile(get_args(Id)[1].regex).fullmatch
Name = Annotated[str, Pattern(r"[a-z0-9-]+", "lower-case letters, digits and hyphens")]

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)", re.ASCII)
# A calendar ends in the year 9999: deadlines are sums of times and durations, and must stay far below that.
_FIRST_YEAR, _LAST_YEAR, _LONGEST = 1900, 2200, timedelta(days=36525)
_UNIT_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, as a sentence with its place; `reason` is a counter's label."""

    where: str
    what: str
    reason: str = "invalid"

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class Invalid(Exception):
    """The object could not be read; `problems` holds every one that was found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems

    @property
    def reason(self) -> str:
        """The label under which the whole is counted: that of the first problem."""
        return self.problems[0].reason if self.problems else "invalid"


def read(
    cls: type[T], value: object, where: str = "", folder: Path | None = None, old_keys: list[str] | None = None
) -> T:
    """A struct of class `cls` from a JSON or TOML value. Path fields are taken relative to `folder`. Raises Invalid.

    `old_keys` takes a sentence about each key that goes by another name now.
    """
    problems: list[Problem] = []
    result = _Reader(folder, problems, [] if old_keys is None else old_keys).value(cls, value, where)
    if problems:
        raise Invalid(problems)
    return result  # type: ignore[no-any-return]


def read_or_note(cls: Any, value: object, problems: list[Problem]) -> Any:
    """The same, also for a union of structs. A value that cannot be read is None, and its problems join the list."""
    try:
        return read(cls, value)
    except Invalid as e:
        problems += e.problems
        return None


class _Reader:
    def __init__(self, folder: Path | None, problems: list[Problem], old_keys: list[str]) -> None:
        self.folder = folder
        self.problems = problems
        self.old_keys = old_keys

    def wrong(self, where: str, found: object, expected: str, reason: str = "invalid") -> None:
        self.problems.append(Problem(where, f"found {_show(found, where)}, expected {expected}", reason))

    def value(self, kind: Any, value: object, where: str) -> Any:
        """Reads one value of any supported type; notes what is wrong and returns None then."""
        origin, limits = get_origin(kind), ()
        if origin is Annotated:
            kind, *limits = get_args(kind)  # type: ignore[assignment]
            origin = get_origin(kind)
        if origin in (Union, types.UnionType):
            return self.union(kind, limits, value, where)
        if origin is Literal:
            return self.choice(get_args(kind), value, where)
        if origin in (list, tuple):
            return self.sequence(kind, value, where)
        if origin is dict:
            return self.mapping(kind, value, where)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(kind, value, where)
        return self.scalar(kind, limits, value, where)

    def union(self, kind: Any, limits: Any, value: object, where: str) -> Any:
        members = get_args(kind)
        if value is None and type(None) in members:
            return None
        structs = [m for m in members if isinstance(m, type) and issubclass(m, msgspec.Struct)]
        if len(structs) > 1:
            return self.tagged(structs, value, where)
        if structs and isinstance(value, dict):
            return self.struct(structs[0], value, where)
        (member,) = [m for m in members if m is not type(None) and m not in structs] or structs
        return self.value(Annotated[member, *limits] if limits else member, value, where)

    def tagged(self, structs: list[type[msgspec.Struct]], value: object, where: str) -> Any:
        """A tagged union: the tag field names the struct."""
        field = structs[0].__struct_config__.tag_field or "type"
        by_tag = {s.__struct_config__.tag: s for s in structs}
        if not isinstance(value, dict):
            return self.wrong(where, value, "an object")
        tag = value.get(field)
        if not isinstance(tag, str) or tag not in by_tag:
            return self.choice(tuple(by_tag), tag, _under(where, field))
        rest = {k: v for k, v in value.items() if k != field}
        return self.struct(by_tag[tag], rest, where)

    def choice(self, options: tuple[Any, ...], value: object, where: str) -> Any:
        if value in options and type(value) in map(type, options):
            return value
        near = difflib.get_close_matches(str(value), [str(o) for o in options], 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return self.wrong(where, value, "one of " + ", ".join(map(repr, options)) + hint)

    def sequence(self, kind: Any, value: object, where: str) -> Any:
        if not isinstance(value, list | tuple):
            return self.wrong(where, value, "a list")
        args = get_args(kind)
        if get_origin(kind) is tuple and Ellipsis not in args:
            if len(value) != len(args):
                return self.wrong(where, value, f"a list of {len(args)}")
            return tuple(self.value(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))
        items = [self.value(args[0], v, f"{where}[{i}]") for i, v in enumerate(value)]
        return tuple(items) if get_origin(kind) is tuple else items

    def mapping(self, kind: Any, value: object, where: str) -> Any:
        if not isinstance(value, dict):
            return self.wrong(where, value, "a table of names and values")
        key, item = get_args(kind)
        return {self.value(key, k, where): self.value(item, v, _under(where, str(k))) for k, v in value.items()}

    def struct(self, cls: type[msgspec.Struct], value: object, where: str) -> Any:
        if not isinstance(value, dict):
            return self.wrong(where, value, "an object with keys and values")
        hints, fields, renamed = _shape(cls)
        before, got = len(self.problems), {}
        for key in value:
            if key not in fields and key not in renamed.values():
                self.unknown(str(key), list(fields), where, value[key])
        for name, field in fields.items():
            if name in renamed and renamed[name] in value:
                got[field.name] = self.seconds(hints[field.name], value, name, where)
            elif name in value:
                got[field.name] = self.value(hints[field.name], value[name], _under(where, name))
            elif field.required:
                self.problems.append(Problem(_under(where, name), "is missing", "missing"))
        if len(self.problems) > before:
            return None
        try:
            return cls(**got)
        except ValueError as e:  # a struct's own __post_init__ says what does not fit together
            self.problems.append(_of_key(where, str(e), list(fields)))
            return None

    def seconds(self, hint: Any, table: dict[str, Any], name: str, where: str) -> timedelta | None:
        """A duration that stands under its old key as a number of seconds."""
        key = f"{name}_s"
        place = _under(where, key)
        if name in table:
            what = f"found {_show(table[key], key)} beside {name} = {_show(table[name], name)}; leave {key} out"
            self.problems.append(Problem(place, what))
            return None
        limits = get_args(hint)[1:]
        bounds = [
            Bounds("0", "31536000", a.old_places) for a in limits if isinstance(a, Span) and a.old_places is not None
        ]
        seconds = self.float(bounds, table[key], place)
        if seconds is None:
            return None
        duration = self.limited(timedelta(seconds=seconds), limits, table[key], place)
        if duration is not None:
            now = f'{name} = "{in_words(duration)}"'
            self.old_keys.append(f"{place} is now {now}; the old key works until the next version")
        return duration

    def limited(self, duration: timedelta, limits: Any, found: object, where: str) -> timedelta | None:
        for limit in limits:
            if problem := limit.problem(duration):
                self.wrong(where, found, problem)
                return None
        return duration

    def unknown(self, key: str, known: list[str], where: str, found: object) -> None:
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "known here: " + ", ".join(known)
        what = f"unknown key (value {_show(found, key)}); {hint}"
        self.problems.append(Problem(_under(where, key), what, "unknown_key"))

    def scalar(self, kind: Any, limits: Any, value: object, where: str) -> Any:
        if kind is Any or kind is object:
            return value
        if kind is Decimal:
            return self.decimal(limits, value, where)
        if kind is Path:
            return (self.folder or Path()) / value if isinstance(value, str) else self.wrong(where, value, "a path")
        if kind is timedelta:
            return self.duration(limits, value, where)
        if kind is datetime:
            return self.instant(value, where)
        if kind is date:
            return self.day(value, where)
        if kind is float:
            return self.float(limits, value, where)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            return self.wrong(
                where, value, {str: "a text", int: "a whole number", bool: "true or false"}.get(kind, str(kind))
            )
        for limit in limits:
            if isinstance(limit, Pattern) and not re.fullmatch(limit.regex, str(value)):
                return self.wrong(where, value, limit.expected)
            if isinstance(limit, CoinName) and (expected := limit.problem(str(value))) is not None:
                return self.wrong(where, value, expected)
            if isinstance(limit, range) and value not in limit:
                return self.wrong(where, value, f"a whole number from {limit.start} to {limit.stop - 1}")
        return value

    def float(self, limits: Any, value: object, where: str) -> float | None:
        # A struct that states no limits judges nan and infinity itself, and says what it wants instead.
        if isinstance(value, bool) or not isinstance(value, int | float) or (limits and math.isnan(value)):
            self.wrong(where, value, "a number")
            return None
        for limit in limits:
            if problem := limit.problem(Decimal(str(value))):
                self.wrong(where, value, problem)
                return None
        return float(value)

    def decimal(self, limits: Any, value: object, where: str) -> Decimal | None:
        if not isinstance(value, str):
            self.wrong(where, value, 'a decimal number in quotes, such as "12.5"')
            return None
        try:
            result = number(value)
        except NotANumber:
            self.wrong(where, value, 'a decimal number in quotes, such as "12.5"', "not_a_number")
            return None
        for limit in limits:
            if problem := limit.problem(result):
                self.wrong(where, value, problem, "negative" if result < 0 else "out_of_range")
                return None
        return result

    def duration(self, limits: Any, value: object, where: str) -> timedelta | None:
        duration = _duration(value) if isinstance(value, str) else None
        if duration is None:
            self.wrong(where, value, 'a duration such as "90s", "15m", "24h" or "7d", of a hundred years at most')
            return None
        return self.limited(duration, limits, value, where)

    def instant(self, value: object, where: str) -> datetime | None:
        try:
            return instant(value)
        except ValueError as e:
            self.wrong(where, value, str(e))
            return None

    def day(self, value: object, where: str) -> date | None:
        try:
            return msgspec.convert(value, date)
        except msgspec.ValidationError:
            self.wrong(where, value, "a day such as 2026-01-05")
            return None


def _duration(text: str) -> timedelta | None:
    """The duration of a text; None where it is none, or longer than a hundred years."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _UNIT_S[match[2]] if match else math.inf
    return timedelta(seconds=seconds) if seconds <= _LONGEST.total_seconds() else None


def in_words(duration: timedelta) -> str:
    """A duration as a configuration states it, in the largest unit that leaves no fraction: "15m"."""
    micros = duration // timedelta(microseconds=1)
    for unit, seconds in reversed(_UNIT_S.items()):
        if micros and micros % int(seconds * 1_000_000) == 0:
            return f"{micros // int(seconds * 1_000_000)}{unit}"
    return f"{micros / 1000:g}ms" if micros else "0s"


def instant(value: object) -> datetime:
    """A time in UTC, of its text or as TOML gives it. Raises ValueError, which says what is expected."""
    try:
        when = value if isinstance(value, datetime) else msgspec.convert(value, datetime)
        if when.tzinfo is not None and _FIRST_YEAR <= when.year <= _LAST_YEAR:
            return when.astimezone(UTC)
    except msgspec.ValidationError:
        pass
    years = f"between {_FIRST_YEAR} and {_LAST_YEAR}"
    raise ValueError(f"a time with its zone, such as 2026-01-05T10:00:00Z, {years}")


@cache
def _shape(cls: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, msgspec.structs.FieldInfo], dict[str, str]]:
    """Types of a struct, its fields by key, and the old keys of some. Kept, as a book has a struct in every line: looking
    them up each time was nine tenths of reading it."""
    hints = get_type_hints(cls, include_extras=True)
    fields = {f.encode_name: f for f in msgspec.structs.fields(cls)}
    spans = {key: [a for a in get_args(hints[f.name])[1:] if isinstance(a, Span)] for key, f in fields.items()}
    return (
        hints,
        fields,
        {key: f"{key}_s" for key, found in spans.items() if any(a.old_places is not None for a in found)},
    )


def _of_key(where: str, text: str, keys: list[str]) -> Problem:
    """A struct's own complaint; one that begins with a key, as in "url: found ...", belongs under that key."""
    match = re.match(r"([a-z_]+)((?:\[\d+\])?): ", text)
    if match is None or match[1] not in keys:
        return Problem(where, text)
    return Problem(_under(where, match[1]) + match[2], text[match.end() :])


def _under(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


_ADDRESS = re.compile(r"://([^\s'\",]*)")
"""Behind its scheme: a pattern that looks for the scheme takes time that grows with the square of a long word."""


def _host_alone(found: re.Match[str]) -> str:
    """An address without its user, path and query, which may hold secrets, under whatever key it stands."""
    rest = found[1]
    end = re.search("[/?#]", rest)
    host = rest[: end.start()] if end else rest
    if "@" in rest and "@" not in host and not re.fullmatch(r"[^:]*(:\d*)?", host):
        return "://..."  # a password with a slash in it
    host = host.rpartition("@")[2]
    return f"://{host}{'/...' if len(rest) > len(host) else ''}"


def _show(value: object, where: str) -> str:
    if re.search("secret|token|passw|key$", where.lower()) and value is not None:
        return "a value that is not shown"
    text = "nothing" if value is None else _ADDRESS.sub(_host_alone, repr(value))
    return text if len(text) <= 60 else text[:57] + "..."
