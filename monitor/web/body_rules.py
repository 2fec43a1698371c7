"""What a body must keep beside the types of its keys, as JSON Schema: keys that go together, and lengths of lists.

Each says what the `__post_init__` of its struct, or the handler, asks. `tests/web/test_fuzzed_api.py` holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.core.events.levers import MOST_GROUPS
from monitor.core.loans.line_bounds import MOST_CONTACTS, MOST_LABELS
from monitor.core.portfolio.stress import MAX_AXIS, MAX_SHOCKS

NULL: Mapping[str, Any] = {"type": "null"}
CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"
"""As in control_characters: no text of a body may hold them."""
_BLANKS = r" \t\n\u000b\f\r\u0085"
_SEEN = r"[^\s\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u202f\u205f\u2066-\u2069\u3000]"
NOTE_LENGTH = 500
NOTE: Mapping[str, Any] = {
    "type": "string",
    "pattern": f"^[{_BLANKS}]{{0,9}}{_SEEN}(?:[^{CONTROLS}]|[{_BLANKS}]){{0,{NOTE_LENGTH - 1}}}$",
    "description": f"1 to {NOTE_LENGTH} characters; its lines become one.",
}
"""A text of a person: something to see, in any number of lines."""
PRICE: Mapping[str, Any] = {
    "type": "string",
    "pattern": r"^0{0,4}(?:[1-9][0-9]{0,14}(?:\.[0-9]{0,18})?|0?\.[0-9]{0,17}[1-9])$",
    "description": "A price per coin in quotes, such as 30000.",
}
_ASCII_OR_FEW = r"^(?:[\u0020-\u007e]{{{low},{long}}}|[^{controls}]{{{low},{few}}})$"
LABEL = {"pattern": _ASCII_OR_FEW.format(low=0, long=64, few=16, controls=CONTROLS)}
LABEL_VALUE = {"type": "string", "pattern": _ASCII_OR_FEW.format(low=0, long=256, few=64, controls=CONTROLS)}
"""A name has 64 bytes at most and a value 256; letters beyond ASCII have up to four each."""


_DAYS = "(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31"  # of every year
_LEAP = "(?:(?:19|21)(?:0[48]|[2468][048]|[13579][26])|20(?:[02468][048]|[13579][26]))-02-29"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
INSTANT: Mapping[str, Any] = {
    "type": "string",
    "format": "date-time",
    "pattern": f"^(?:(?:19[0-9]{{2}}|20[0-9]{{2}}|21[0-9]{{2}})-(?:{_DAYS})|{_LEAP})T{_CLOCK}$",
    "examples": ["2026-01-05T10:00:00Z"],
}
"""A time with its zone, of the years 1900 to 2199."""


def is_null(*names: str) -> dict[str, Any]:
    """These keys are absent or null."""
    return {"properties": dict.fromkeys(names, NULL)}


def stated(*names: str) -> dict[str, Any]:
    """These keys are there, and not null."""
    return {"required": list(names), "properties": {name: {"not": NULL} for name in names}}


def one_of(*names: str) -> dict[str, Any]:
    """Exactly one of these keys is stated."""
    return {"oneOf": [{**stated(name), **_others(name, names)} for name in names]}


def _others(name: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {"properties": {name: {"not": NULL}, **{other: NULL for other in names if other != name}}}


KEYS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("GroupLine", "labels"): {
        "propertyNames": LABEL,
        "additionalProperties": LABEL_VALUE,
        "maxProperties": MOST_LABELS,
    },
    ("GroupLine", "contacts"): {"description": f"At most {MOST_CONTACTS} of a kind of notifier, by that kind."},
    ("Stress", "shocks"): {"maxProperties": MAX_SHOCKS},
    ("Axis", "shocks"): {"minItems": 1, "maxItems": MAX_AXIS},
    ("EndpointBody", "types"): {"maxItems": 50},
    ("LeverBody", "groups"): {"maxItems": MOST_GROUPS, "uniqueItems": True},
    ("OverrideLines", "thresholds"): {"minProperties": 1},
    ("RatesBody", "rates"): {"minProperties": 1},
    ("ReplayBody", "alerts"): {"maxItems": 1000},
    ("RulesBody", "products"): {"minItems": 1, "maxItems": 100},
}
"""Limits of one key, by its struct and its name."""
PRICES = frozenset({("DecisionBody", "believe"), ("DecisionBody", "pin")})
"""Texts that are prices."""

_SOMETHING: Mapping[str, Any] = {
    "anyOf": [
        *(stated(name) for name in ("type", "severity", "product", "group", "group_id")),
        {"required": ["labels"], "properties": {"labels": {"minProperties": 1}}},
    ]
}
TOGETHER: Mapping[str, Mapping[str, Any]] = {
    "GroupLine": {"required": ["product", "receiving_account", "collateral", "loans"]},  # the path has the id
    "Rate": {
        "oneOf": [
            {"properties": {"kind": {"const": "fixed"}, "daily": {"not": NULL}}, "required": ["kind", "daily"]},
            {"properties": {"kind": {"const": "flexible"}, "daily": NULL}, "required": ["kind"]},
        ]
    },
    "LoanLine": {
        "oneOf": [
            {
                "properties": {
                    "term": {"const": "open"},
                    "matures_at": NULL,
                    "rate": {"properties": {"kind": {"const": "flexible"}}},
                }
            },
            {
                "properties": {"term": {"not": {"const": "open"}}, "matures_at": {"not": NULL}},
                "required": ["matures_at"],
            },
        ]
    },
    "Terms": {"anyOf": [is_null("scale"), is_null("haircut")]},
    "Repay": one_of("amount", "percent"),
    "Selected": {
        "anyOf": [
            stated("product"),
            {"required": ["labels"], "properties": {"labels": {"minProperties": 1}}},
        ]
    },
    "LeverBody": {
        "oneOf": [
            {
                "required": ["groups"],
                "properties": {"groups": {"minItems": 1}, "select": NULL},
            },
            {**stated("select"), "properties": {"select": {"not": NULL}, "groups": {"maxItems": 0}}},
        ]
    },
    "SilenceBody": {
        "anyOf": [is_null("up_to"), {"properties": {"even_worse": {"const": False}}}],
        "allOf": [{"properties": {"match": _SOMETHING}}],
    },
    "DecisionBody": {
        "oneOf": [
            {
                "required": ["believe"],
                "properties": {"believe": {"not": NULL}, **is_null("exclude", "pin", "until")["properties"]},
            },
            {
                "required": ["exclude"],
                "properties": {"exclude": {"not": NULL}, **is_null("believe", "pin")["properties"]},
            },
            {
                "required": ["pin", "until"],
                "properties": {
                    "pin": {"not": NULL},
                    "until": {"not": NULL},
                    **is_null("believe", "exclude")["properties"],
                },
            },
        ]
    },
    "RetryBody": {"anyOf": [stated(name) for name in ("notifier", "type", "since", "until")]},
    "ReplayBody": {
        "oneOf": [
            {
                "required": ["alerts"],
                "properties": {"alerts": {"minItems": 1}, **is_null("after", "next", "since")["properties"]},
            },
            {
                "properties": {"alerts": {"maxItems": 0}},
                "anyOf": [stated(name) for name in ("after", "next", "since")],
            },
        ]
    },
    "Stress": {
        "oneOf": [
            {
                "required": ["shocks"],
                "properties": {
                    "shocks": {"minProperties": 1},
                    **is_null("scenario", "matrix", "reverse")["properties"],
                },
            },
            *(
                {
                    "required": [name],
                    "properties": {
                        name: {"not": NULL},
                        "shocks": {"maxProperties": 0},
                        **is_null(*({"scenario", "matrix", "reverse"} - {name}))["properties"],
                    },
                }
                for name in ("scenario", "matrix", "reverse")
            ),
        ]
    },
}
"""What keys of one struct must keep together, by its name."""
