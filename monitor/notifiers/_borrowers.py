"""What a borrower is told: the part of an alert that is theirs, in the language and by the template of the contact.

The texts are Jinja templates. `full.mail.txt` is a layout; `pl.words.txt` has its words in Polish. A folder of the
configuration replaces any of them, or adds to them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import msgspec

from monitor import contacts
from monitor.contacts import Manner, is_for_borrowers
from monitor.core.alerts.alert_type import Fact
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.loans.group import Contact
from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL, TRIGGERED
from monitor.notifiers import _base as base
from monitor.notifiers import _stage_words as stage_words
from monitor.notifiers._base import Notice

ENGLISH = "en"
USUAL = "full"
"""The template of a contact that states none."""

BROKEN = (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError)
"""What a template can raise that asks for what is not there, cannot be worked out, or needs itself."""

_LAYOUT = re.compile(r"([a-z0-9-]+)\.(?:mail|sms)\.txt")
_WORDS = re.compile(r"([a-z]{2}(?:-[A-Z]{2})?)\.words\.txt")

SETTLED = "settled"
"""Of a dispute that is over: texts may have another title for it. What was said of it stays with the desk."""

# What is not named here stays with the desk: labels, who acknowledged and why, pins and their reasons, feeds, links into
# the monitor, silences, the reasons against a renewal.
_OF_ALERT = frozenset({
    "id", "severity", "test", "blind", "sequence", "episode", "stage", "reason", "ltv", "debt_usd", "recognised_usd",
    "market_usd", "thresholds", "cure", "liquidation_price", "inputs_cut", "debts_cut", "metric", "margin_level",
    "health_factor", "deadline", "supersedes", "band", "next_line", "zone",
})  # fmt: skip
_OF_INPUT = ("asset", "quantity", "price", "value_usd", "recognised_usd")
_OF_DEBT = ("loan", "asset", "principal", "interest", "value_usd")
OF_FACTS = ("loan", "asset", "principal", "interest", "matures_at", "closes_at", "matured_at", "liquidation_at",
             "balance", "short", "paid", "owed", "returned",
             "called_usd", "received_usd", "outstanding_usd", "due", "paid_usd", "returnable_usd",
             "disputed_usd", "was")  # fmt: skip
_TIMES = frozenset({"matures_at", "closes_at", "matured_at", "liquidation_at", "due", "was"})
_CALLED = ("called_usd", "received_usd", "outstanding_usd", "paid_usd", "returnable_usd", "disputed_usd")
_AMOUNTS = frozenset({"principal", "interest", "balance", "short", "paid", "owed", "returned", *_CALLED})


def for_borrower(
    notice: Notice, stated: Mapping[str, Sequence[Contact]], to: tuple[str, ...], public: Collection[str] = ()
) -> Notice:
    """The notice as the owners of these addresses get it: with what is theirs alone, and the labels that are public."""
    data: dict[str, Any] = {key: value for key, value in notice.data.items() if key in _OF_ALERT}
    group = notice.data.get("group")
    if group:
        data["group"] = {"id": group.get("id"), "product": group.get("product")}
        data["group"]["labels"] = {k: v for k, v in (group.get("labels") or {}).items() if k in public}
        data["public_labels"] = data["group"]["labels"]
    for key, kept in (("inputs", _OF_INPUT), ("debts", _OF_DEBT)):
        if key in notice.data:
            data[key] = [{name: row.get(name) for name in kept} for row in notice.data[key] or ()]
    facts = {name: value for name, value in (notice.data.get("facts") or {}).items() if name in OF_FACTS}
    if facts:
        data["facts"] = facts
    if base.is_settled(notice):
        data[SETTLED] = True
    if base.by_rules(notice.data):
        data["cause"] = notice.data["cause"]  # what else can cause an alert, a lever for example, stays with the desk
    return msgspec.structs.replace(notice, data=data, to=to, manner=_manner(stated, to))


def _manner(stated: Mapping[str, Sequence[Contact]], to: tuple[str, ...]) -> Manner:
    """The manner of the first address: the router gives each manner a delivery of its own."""
    for kind in stated:
        good, _ = contacts.usable(stated, kind)
        for address in to:
            if address in good:
                return good[address]
    return Manner()


class Letter(NamedTuple):
    """A mail to a borrower."""

    subject: str
    body: str


class BorrowerTexts:
    """The texts of one notifier. Raises ValueError for a language without words and for a template that cannot be used."""

    def __init__(self, languages: Sequence[str] = (), folder: Path | None = None) -> None:
        loaders: list[jinja2.BaseLoader] = [jinja2.PackageLoader("monitor.notifiers", "templates/borrower")]
        if folder is not None:
            if not folder.is_dir():
                raise ValueError(f"templates: {folder}: no such folder; expected one with files such as pl.words.txt")
            loaders.insert(0, jinja2.FileSystemLoader(folder))
        self._templates = jinja2.Environment(
            loader=jinja2.ChoiceLoader(loaders),
            autoescape=False,  # noqa: S701  plain text: an escape would show as such
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["capitalize_first"] = _capital
        names = self._templates.list_templates()
        self._layouts = set(names)
        known = sorted(found[1] for name in names if (found := _WORDS.fullmatch(name)))
        for language in languages:
            if language not in known:
                hint = f"or put {language}.words.txt into the folder of templates"
                raise ValueError(f"languages: found {language!r}, expected one of: {', '.join(known)}; {hint}")
        self.languages = tuple(dict.fromkeys((ENGLISH, *languages)))
        """English, and those that are switched on."""
        if folder is not None:
            self._check()

    def mail(self, notice: Notice) -> Letter:
        """Subject and text. The first line of the layout is the subject."""
        subject, _, body = self._render(notice, "mail").partition("\n")
        return Letter(base.one_line(subject, 250), body.lstrip("\n"))

    def short(self, notice: Notice) -> str:
        """One line, for an SMS or a chat."""
        return base.one_line(self._render(notice, "sms").replace("\n", ""), 1000)

    def _render(self, notice: Notice, medium: str) -> str:
        """A language that is off, and a template that is not there, must not keep a borrower from being told."""
        language, template = notice.manner
        layout = f"{template or USUAL}.{medium}.txt"
        return self._rendered(
            notice,
            language if language in self.languages else ENGLISH,
            layout if layout in self._layouts else f"{USUAL}.{medium}.txt",
        )

    def _rendered(self, notice: Notice, language: str, layout: str) -> str:
        words = self._templates.get_template(f"{language}.words.txt").module
        return self._templates.get_template(layout).render(_view(notice, words), w=words)

    def _check(self) -> None:
        """Renders every layout in every language with every type of alert for borrowers. Raises ValueError."""
        layouts = sorted(name for name in self._layouts if _LAYOUT.fullmatch(name))
        for notice in examples():
            for language in self.languages:
                for layout in layouts:
                    try:
                        self._rendered(notice, language, layout)
                    except AttributeError as e:
                        what = f"{language}.words.txt sets no {e.name!r}"
                        raise ValueError(f"templates: {what} ({notice.type} in {layout})") from None
                    except BROKEN as e:
                        line = f", line {e.lineno}" if isinstance(e, jinja2.TemplateSyntaxError) else ""
                        name = getattr(e, "name", None) or layout
                        text = base.one_line(e)
                        raise ValueError(f"templates: {name}{line}: {text} ({notice.type} in {language!r})") from None


def _view(notice: Notice, words: Any) -> dict[str, Any]:
    """Every name that the layouts use. What the alert lacks is None or empty."""
    data = notice.data
    metric = data.get("metric")
    cure: dict[str, Any] = data.get("cure") or {"repay_usd": "0"}
    needs = Decimal(cure["repay_usd"]) != 0

    def figures(text: str | None) -> str | None:
        """A number as people write it in this language: 1,234.5 would be read as one in Poland."""
        swap = {",": words.thousands, ".": words.point}
        return None if text is None else "".join(swap.get(c, c) for c in text)

    def maybe(words_of: Any, value: Any) -> str | None:
        return None if value is None else figures(words_of(value))

    return {
        "test": bool(data.get("test")),
        "blind": bool(data.get("blind")),
        "id": base.one_line(data["id"]),
        "type": notice.type,
        "title": (data.get(SETTLED) and words.titles.get(f"{notice.type}.{SETTLED}"))
        or words.titles.get(notice.type)
        or base.title(notice),
        "group": base.subject_of(notice),
        "at": base.moment(notice.timestamp, data.get("zone")),
        "labels": [(base.one_line(k, 60), base.one_line(v, 120)) for k, v in (data.get("public_labels") or {}).items()],
        "figure": words.metrics[metric or "LTV"],
        "ltv": figures(base.value_of(data)),
        "deadline": base.moment(data["deadline"], data.get("zone")) if data.get("deadline") else None,
        "reason": words.reasons.get(data.get("reason")) if notice.type == TRIGGERED and has_words(words) else None,
        "called": None
        if (call := stage_words.called(data)) is None
        else (figures(base.whole_usd_up(call[0])), base.moment(call[1], data.get("zone"))),
        "next": next_for_borrower(data, words, figures) if has_words(words) else [],
        "cause": getattr(words, "by_rules", None) if base.by_rules(data) else None,
        "debt": maybe(base.usd, data.get("debt_usd")),
        "recognised": maybe(base.usd, data.get("recognised_usd")),
        "repay": maybe(base.whole_usd_up, cure["repay_usd"]) if needs else None,
        "add": maybe(base.whole_usd_up, cure["add_recognised_usd"]) if needs else None,
        "debts": [
            {**row, "principal": maybe(base.number, row["principal"]), "interest": maybe(base.number, row["interest"])}
            for row in data.get("debts") or ()
        ],
        "collateral": [
            {
                "asset": row["asset"],
                "quantity": maybe(base.number, row["quantity"]),
                "value": maybe(base.usd, row.get("value_usd")),
            }
            for row in data.get("inputs") or ()
        ],
        "more": data.get("inputs_cut") or 0,
        "facts": [
            (name, _fact(name, value, figures, data.get("zone"))) for name, value in (data.get("facts") or {}).items()
        ],
    }


def has_words(words: Any) -> bool:
    """The words of a language know stages. A desk's own file may be older than they are."""
    return hasattr(words, "reasons") and hasattr(words, "lines")


def next_for_borrower(data: dict[str, Any], words: Any, figures: Any) -> list[tuple[str, str | None]]:
    """What counts next in the stage of the loan: a line ahead, and the level that ends the stage."""
    found, line, lines = [], data.get("next_line"), data.get("thresholds") or {}
    stage = stage_words.stage_of(data)
    if stage in (MARGIN_CALL, DELAYED) and line:
        found.append(
            (words.lines[line["name"]], figures(stage_words.level_text(data, line.get("ltv") or line["level"])))
        )
    if stage in (MARGIN_CALL, DELAYED, LIQUIDATION) and "initial" in lines:
        name = "cleared" if stage == LIQUIDATION else "cured"
        found.append((words.lines[name], figures(stage_words.level_text(data, lines["initial"]))))
    return found


def _fact(name: str, value: Any, figures: Any, zone: str | None) -> str:
    if value is not None and name in _TIMES:
        return base.moment(str(value), zone)
    if value is not None and name in _AMOUNTS:
        return str(figures(base.number(str(value))))
    return base.one_line("-" if value is None else value)


def _capital(text: str) -> str:
    """A capital at the start, the rest as it is."""
    return text[:1].upper() + text[1:]


_EXAMPLE: dict[str, Any] = {
    "id": "evt_example", "cursor": 1, "severity": "critical", "test": True, "durable": True, "blind": True,
    "sequence": 1, "episode": 1, "detected_at": "2026-01-05T10:00:00.000Z", "reason": "ltv",
    "group": {"id": "G-1", "product": "vip_loan", "receiving_account": "a", "labels": {"desk": "EU"}},
    "stage": {"from": "normal", "to": "margin_call"}, "ltv": "0.78", "debt_usd": "780000", "recognised_usd": "1000000",
    "market_usd": "1000000", "thresholds": {"initial": "0.72", "margin_call": "0.77"}, "band": "margin_call",
    "next_line": {"name": "liquidation", "ltv": "0.91", "distance_percent": "14.28"}, "zone": "Europe/Stockholm",
    "cure": {"to_ltv": "0.72", "repay_usd": "60000", "add_recognised_usd": "83333.34", "by_asset": {"BTC": "2"}},
    "liquidation_price": {"BTC": "30000"}, "inputs_cut": 1, "debts_cut": 0, "deadline": "2026-01-06T10:00:00.000Z",
    "inputs": [{"asset": "BTC", "quantity": "25", "price": "40000", "value_usd": "1000000", "recognised_usd": "1000000",
                "source": "feed", "trust": "good"}],
    "debts": [{"loan": "L-1", "asset": "USDT", "principal": "780000", "interest": "1.5", "value_usd": "780001.5"}],
    "rules": "vip_loan@2024-04-29", "cause": "rules", "rules_from": "vip_loan@2023-01-01", "suppressed": [],
}  # fmt: skip
_FACTS = {
    "loan": "L-1", "asset": "USDT", "principal": "780000", "interest": "1.5", "matures_at": "2026-01-06T10:00:00.000Z",
    "closes_at": "2026-01-06T10:00:00.000Z", "matured_at": "2026-01-06T10:00:00.000Z", "assumed": True,
    "liquidation_at": "2026-01-06T10:00:00.000Z", "balance": "1", "short": "0.5",
    "called_usd": "83333.34", "received_usd": "20000", "outstanding_usd": "63333.34", "due": "2026-01-06T10:00:00.000Z",
    "paid_usd": "20000", "returnable_usd": "50000", "disputed_usd": "10000", "was": "2026-01-06T10:00:00.000Z",
}  # fmt: skip
_UNKNOWN = (
    "next_line",
    "ltv",
    "debt_usd",
    "recognised_usd",
    "market_usd",
    "cure",
    "liquidation_price",
    "deadline",
    "stage",
    "cause",
)


def examples() -> Iterator[Notice]:
    """For each type of alert for borrowers a notice with all that it may say, and one with as little as possible."""
    for type_ in filter(is_for_borrowers, CATALOGUE):
        facts = {fact.name: _FACTS[fact.name] for fact in CATALOGUE[type_].facts if fact.name in _FACTS}
        whole = Notice(type_, "2026-01-05T10:00:00.000Z", _EXAMPLE | ({"facts": facts} if facts else {}))
        bare = dict.fromkeys(_UNKNOWN) | {"test": False, "blind": False, "inputs": [], "debts": [], "inputs_cut": 0}
        level: dict[str, Any] = {"metric": "margin_level", "margin_level": "1.04", "ltv": None}
        level["next_line"] = {"name": "liquidation", "level": "1.1", "distance_percent": "5"}
        for data in (whole.data, whole.data | bare, whole.data | level):
            yield for_borrower(msgspec.structs.replace(whole, data=data), {}, ())


def _example_of(fact: Fact) -> Any:
    if fact.schema.get("format") == "date-time":
        return "2026-01-06T10:00:00.000Z"
    return [] if fact.schema.get("type") == "array" else "1"


def desk_examples() -> Iterator[Notice]:
    """A notice of each type as the desk gets it."""
    for type_, row in CATALOGUE.items():
        facts = {fact.name: _example_of(fact) for fact in row.facts}
        data = (
            _EXAMPLE if is_for_borrowers(type_) else {"id": "evt_example", "severity": row.severity, "subject": "BTC"}
        )
        yield Notice(type_, "2026-01-05T10:00:00.000Z", data | {"facts": facts})
