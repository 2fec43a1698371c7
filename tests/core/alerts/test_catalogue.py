"""The catalogue: every type has words, a family, a schema that its alerts meet."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from monitor.core.alerts.alert_schema import schema_of
from monitor.core.alerts.alert_type import SEVERITY_RANK, AlertType
from monitor.core.alerts.catalogue import BAD_STAGE_NEWS, CATALOGUE, FAMILIES, GOOD_STAGE_NEWS
from monitor.core.alerts.titles import title_of
from monitor.core.stages.stages import NORMAL, TABLE

ROWS = pytest.mark.parametrize("row", CATALOGUE.values(), ids=CATALOGUE)


@ROWS
def test_every_type_has_words_for_people(row: AlertType) -> None:
    assert row.severity in SEVERITY_RANK
    assert row.title == title_of(row.type)
    assert row.title.strip()
    assert row.means.endswith((".", ".)"))
    assert row.todo.endswith(".")


@ROWS
def test_every_type_is_in_a_family_by_which_lists_are_narrowed(row: AlertType) -> None:
    assert any(fnmatchcase(row.type, family) for family in FAMILIES)


@ROWS
def test_no_type_names_a_fact_twice(row: AlertType) -> None:
    names = [fact.name for fact in row.facts]
    assert len(names) == len(set(names))


@ROWS
def test_a_schema_says_the_type_its_severity_and_the_facts_that_are_always_there(row: AlertType) -> None:
    own = schema_of(row)["properties"]
    assert own["type"] == {"const": row.type}
    both = row.critical_by is not None
    assert own["data"]["properties"]["severity"] == (
        {"enum": [row.severity, "critical"]} if both else {"const": row.severity}
    )
    if row.facts:
        facts = own["data"]["properties"]["facts"]
        assert list(facts["properties"]) == [fact.name for fact in row.facts]
        assert facts["required"] == [fact.name for fact in row.facts if not fact.optional]


def test_an_unknown_type_is_spelled_out() -> None:
    assert title_of("some.new_type") == "some new type"


def test_what_tells_of_a_new_stage_is_what_the_table_of_stages_says() -> None:
    worse = {row.alert for row in TABLE.values() if row.alert is not None and "cure" not in row.alert}
    assert {t for t in worse if t.endswith(("opened", "started", "triggered"))} == BAD_STAGE_NEWS
    better = {t for t in CATALOGUE if t.endswith((".cured", ".cleared"))}
    assert better == {row.alert for row in TABLE.values() if row.stage == NORMAL}
    assert {*better, "loan_group.closed"} == GOOD_STAGE_NEWS
