"""Query strings, read as strictly as bodies: an unknown key is refused with the nearest known one."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from aiohttp import web
from multidict import MultiMapping

from monitor.core.alerts.catalogue import CATALOGUE, CRITICAL, INFO, WARNING
from monitor.core.portfolio.group_list import SORTS, BadCursor, GroupQuery
from monitor.core.portfolio.snapshot import LABEL_PREFIX
from monitor.core.schema import Problem, instant
from monitor.core.stages.stages import STAGES
from monitor.web.problem import Rejected, invalid

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
MAX_CURSOR = 1000
"""Characters; a cursor holds a sort key and an id of at most 128."""
STREAM_EVENTS = ("alert", "groups", "counts", "prices", "status")
STREAM_ROWS = 500
DELIVERY_STATES = ("pending", "delivered", "superseded", "failed")
_PLACE = re.compile(r"\d{1,18}:[\x21-\x7e]{1,128}", re.ASCII)
SORT_VALUES = (*SORTS, *(f"-{name}" for name in SORTS))


_TEXT: Mapping[str, Any] = {"type": "string"}


class Param(NamedTuple):
    """A query key: for the reader and for the OpenAPI document."""

    name: str
    about: str
    schema: Mapping[str, Any] = _TEXT
    many: bool = False
    """May be said more than once: any of the values."""


def _one_of(values: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


LIMIT = Param(
    "limit", f"How many items, 1 to {MAX_LIMIT}.",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)  # fmt: skip
AFTER = Param("after", "The `next` of the page before.")
AFTER_NUMBER = Param("after", "Items after this cursor, oldest first.", {"type": "integer", "minimum": 0, "default": 0})
GROUP_FILTER = (
    Param("stage", "Only groups in this stage.", _one_of(STAGES), many=True),
    Param("product", "Only groups of this product.", many=True),
    Param("label.*", "Only groups with this label: `label.borrower=ACME`."),
    Param("q", "Only groups whose id, receiving account or a label holds this text."),
    Param(
        "sort",
        "`ltv` is worst first: stage, then LTV from high to low. The others rise. A `-` in front reverses.",
        {**_one_of(SORT_VALUES), "default": "ltv"},
    ),
)
GROUPS = (*GROUP_FILTER, LIMIT, AFTER)
ALERTS = (
    AFTER_NUMBER,
    Param("group", "Only alerts of this group."),
    Param("type", "Only alerts of this type; may be a glob such as `loan_group.*`."),
    Param("severity", "Only alerts of this severity.", _one_of((INFO, WARNING, CRITICAL))),
    LIMIT,
)
DELIVERIES = (
    Param("state", "Only deliveries in this state.", _one_of(DELIVERY_STATES)),
    Param("notifier", "Only deliveries to this notifier."),
    Param("alert", "Only deliveries of this alert."),
    LIMIT,
    AFTER,
)
HISTORY = (
    Param("kind", "Which history. Required.", _one_of(("loan", "repayment", "liquidation", "interest"))),
    Param("loan", "Only of this loan."),
    LIMIT,
    AFTER,
)
PRICES = CHANNELS = FEEDS = (LIMIT, AFTER)
_TIME: Mapping[str, Any] = {"type": "string", "format": "date-time"}
LTV = (
    Param("from", "The beginning; a day before the end by default, at most 30 days before now.", _TIME),
    Param("to", "The end; now by default.", _TIME),
    Param(
        "points", "At most so many points, 10 to 5000.",
        {"type": "integer", "minimum": 10, "maximum": 5000, "default": 500},
    ),
)  # fmt: skip
TIMELINE = (Param("from", "Only what happened from this time on.", _TIME), LIMIT, AFTER)
SILENCES = (LIMIT, AFTER)
SILENCE = (Param("preview", "Says what would be hidden, and makes nothing.", _one_of(("true", "false"))),)
EXPOSURE = (
    Param("by", "`asset`, `product`, or a label such as `label.borrower`.", {"type": "string", "default": "product"}),
    LIMIT,
    AFTER,
)
STRESS = (
    Param(
        "format",
        "`csv`: every group that changes stage. The header Accept: text/csv asks the same.",
        _one_of(("json", "csv")),
    ),
)
RATES = (
    Param("product", "Only rates of this product."),
    Param("asset", "Only rates of this coin."),
    LIMIT,
    AFTER,
)
AUDIT = (AFTER_NUMBER, LIMIT)
STREAM = (
    Param("events", "Which events, separated by commas; all by default: " + ", ".join(STREAM_EVENTS) + "."),
    Param("after", "Replay alerts after this cursor, as the header Last-Event-ID does.", AFTER_NUMBER.schema),
    *GROUP_FILTER,
    Param(
        "limit", f"How many groups, 1 to {STREAM_ROWS}.",
        {"type": "integer", "minimum": 1, "maximum": STREAM_ROWS, "default": STREAM_ROWS},
    ),
)  # fmt: skip


class Values:
    """The query of one request. Each reader notes what is wrong; `done` raises it all at once."""

    def __init__(self, request: web.Request, known: Sequence[Param]) -> None:
        self._query: MultiMapping[str] = request.query
        self._known = {p.name: p for p in known}
        self._problems: list[Problem] = []
        for key in dict.fromkeys(self._query):
            self._check(key)

    def done(self) -> None:
        """Raises Rejected with every problem found."""
        if self._problems:
            raise invalid(self._problems, "bad-query")

    def text(self, key: str) -> str | None:
        """The value as it is, or None."""
        return self._query.get(key)

    def texts(self, key: str) -> list[str]:
        """All values of a key that may be said more than once."""
        return list(self._query.getall(key, []))

    def choice(self, key: str) -> str | None:
        """One of the values that the key's schema lists, or None."""
        return next(iter(self.choices(key)), None)

    def required(self, key: str) -> str:
        """One of the values that the key's schema lists; that it is missing is noted."""
        if key not in self._query:
            self._problems.append(
                Problem(key, "is missing; expected one of " + ", ".join(self._known[key].schema["enum"]))
            )
        return self.choice(key) or ""

    def choices(self, key: str) -> list[str]:
        """All values of the key, each one that its schema lists."""
        options = self._known[key].schema["enum"]
        for value in self.texts(key):
            if value not in options:
                self._wrong(key, value, "one of " + ", ".join(options) + _hint(value, options))
        return self.texts(key)

    def number(self, key: str) -> int:
        """A whole number within the key's schema, or its default."""
        schema = self._known[key].schema
        low, high, text = schema["minimum"], schema.get("maximum", 2**63 - 1), self._query.get(key)
        if text is None:
            return int(schema["default"])
        if not (text.isascii() and text.isdigit() and len(text) <= 19 and low <= int(text) <= high):
            limits = f"from {low} to {high}" if "maximum" in schema else f"from {low}"
            self._wrong(key, text, f"a whole number {limits}")
            return int(schema["default"])
        return int(text)

    def cursor(self, key: str = "after") -> str | None:
        """An opaque cursor; whoever made it checks it."""
        text = self._query.get(key)
        if text is not None and len(text) > MAX_CURSOR:
            self._wrong(key, text, "the `next` of the page before")
            return None
        return text

    def time(self, key: str) -> datetime | None:
        """A time with its zone, or None."""
        text = self._query.get(key)
        try:
            return None if text is None else instant(text)
        except ValueError as e:
            self._wrong(key, str(text), str(e))
            return None

    def place(self, key: str = "after") -> str | None:
        """The place of a delivery in the list of deliveries."""
        text = self._query.get(key)
        if text is not None and not _PLACE.fullmatch(text):
            self._wrong(key, text, "the `next` of the page before")
            return None
        return text

    def type_glob(self, key: str = "type") -> str | None:
        """A type of alert or a glob that some type matches."""
        text = self._query.get(key)
        if text is not None and not any(fnmatch.fnmatchcase(t, text) for t in CATALOGUE):
            self._wrong(key, text, "a type of alert or a glob such as 'loan_group.*'" + _hint(text, list(CATALOGUE)))
        return text

    def exposure_key(self, key: str = "by") -> str:
        """What exposures are summed by."""
        text = self._query.get(key, str(self._known[key].schema["default"]))
        if text not in ("asset", "product") and not (text.startswith(LABEL_PREFIX) and len(text) > len(LABEL_PREFIX)):
            self._wrong(key, text, "asset, product, or a label such as label.borrower")
        return text

    def some_of(self, key: str, options: Sequence[str]) -> frozenset[str]:
        """A list separated by commas; all options where the key is absent."""
        text = self._query.get(key)
        if text is None:
            return frozenset(options)
        parts = [p.strip() for p in text.split(",") if p.strip()]
        for part in parts:
            if part not in options:
                self._wrong(key, part, "some of " + ",".join(options) + _hint(part, options))
        if not parts:
            self._wrong(key, text, "some of " + ",".join(options))
        return frozenset(parts)

    def groups(self, *, paged: bool = True) -> GroupQuery:
        """The filter and order of the list of groups."""
        labels = tuple(
            (key.removeprefix(LABEL_PREFIX), self._query[key])
            for key in dict.fromkeys(self._query)
            if key.startswith(LABEL_PREFIX) and "label.*" in self._known
        )
        return GroupQuery(
            stages=frozenset(self.choices("stage")), products=frozenset(self.texts("product")), labels=labels,
            q=self.text("q") or "", sort=self.choice("sort") or "ltv", limit=self.number("limit"),
            after=self.cursor() if paged else None,
        )  # fmt: skip

    def _check(self, key: str) -> None:
        is_label = key.startswith(LABEL_PREFIX) and len(key) > len(LABEL_PREFIX) and "label.*" in self._known
        param = self._known.get(key)
        if not is_label and param is None:
            near = difflib.get_close_matches(key, list(self._known), 1)
            hint = f"did you mean {near[0]!r}?" if near else "known here: " + (", ".join(self._known) or "none")
            self._problems.append(Problem(key[:100], f"unknown query key; {hint}"))
        elif len(self._query.getall(key)) > 1 and not (param and param.many):
            self._problems.append(Problem(key[:100], "is said more than once"))

    def _wrong(self, key: str, found: str, expected: str) -> None:
        self._problems.append(Problem(key, f"found {found[:60]!r}, expected {expected}"))


def _hint(value: str, options: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, options, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def paged_by_name(names: Sequence[str], after: str | None, limit: int) -> tuple[list[str], str | None]:
    """A page of sorted names, and the name after which the next begins or None."""
    rest = [n for n in names if after is None or n > after]
    page = rest[:limit]
    return page, page[-1] if len(rest) > limit else None


def or_bad_cursor(query: Callable[[], Any]) -> Any:
    """What a query of the view gives. Raises Rejected for a cursor of another list."""
    try:
        return query()
    except BadCursor as e:
        raise Rejected("bad-cursor", f"after {e}") from None
