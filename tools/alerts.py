"""Writes what is made from the catalogue of alerts: the tables of docs/alerts.md and the dashboard's words.

    python -m tools.alerts

A test compares both files with the catalogue, so a change of it that is not written out is found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from monitor.core.alerts.alert_type import SEVERITY_RANK, AlertType
from monitor.core.alerts.catalogue import CATALOGUE, FAMILIES
from monitor.core.stages.stages import STAGE_RANK

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/alerts.md"
WORDS = ROOT / "dashboard/src/alerts.generated.ts"


def types_table() -> str:
    """Every type: how severe, about what, when it comes and what to do."""
    rows = [f"| `{r.type}` | {r.severity} | {r.about} | {r.means} | {r.todo} |" for r in CATALOGUE.values()]
    return "\n".join(["| type | severity | about | when | what to do |", "|---|---|---|---|---|", *rows])


def facts_table() -> str:
    """The facts of every type that has some; types with the same facts share a row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for row in CATALOGUE.values():
        if row.facts:
            alike.setdefault(tuple(_facts(row)), []).append(f"`{row.type}`")
    rows = [f"| {', '.join(types)} | {'; '.join(facts)} |" for facts, types in alike.items()]
    return "\n".join(["| type | facts (those in brackets may be null or absent) |", "|---|---|", *rows])


def _facts(row: AlertType) -> Iterator[str]:
    for fact in row.facts:
        yield f"[`{fact.name}`]: {fact.words}" if fact.optional else f"`{fact.name}`: {fact.words}"


def page(text: str) -> str:
    """The page of documentation with its generated tables as they should be."""
    for name, table in (("types", types_table()), ("facts", facts_table())):
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        assert found, f"{PAGE.name} has no mark {begin!r}"
        assert closed, f"{PAGE.name} has no mark {end!r}"
        text = f"{before}{begin}\n{table}\n\n{end}{after}"
    return text


def words() -> str:
    """The dashboard's module: stages and severities, the worst first, titles by type, and families of types."""
    return "".join(
        [
            "/** Made by `python -m tools.alerts` from the catalogue of alerts; change that, not this file. */\n\n",
            _list("STAGES", STAGE_RANK),
            "export type Stage = (typeof STAGES)[number];\n\n",
            _list("SEVERITIES", SEVERITY_RANK),
            "export type Severity = (typeof SEVERITIES)[number];\n\n",
            _table("STAGE_NAMES", "Stage", {stage: _sentence(stage.replace("_", " ")) for stage in STAGE_RANK}),
            "\n/** What a list of alerts can be narrowed to. */\n",
            _table("FAMILIES", "string", FAMILIES),
            "\n/** What an alert says in a few words, by type. */\n",
            _table("TITLES", "string", {row.type: _sentence(row.title) for row in CATALOGUE.values()}),
        ]
    )


def _list(name: str, values: Iterable[str]) -> str:
    return f"export const {name} = {json.dumps(list(values))} as const;\n"


def _table(name: str, key: str, words_of: Mapping[str, str]) -> str:
    lines = [f"  {k if k.isidentifier() else json.dumps(k)}: {json.dumps(v)},\n" for k, v in words_of.items()]
    return f"export const {name}: Readonly<Record<{key}, string>> = {{\n{''.join(lines)}}};\n"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def main() -> None:
    """Writes both files."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    WORDS.write_text(words(), encoding="utf-8")


if __name__ == "__main__":
    main()
