"""docs/rules.md names the tests that there are."""

from tests.rules import RULES, TABLE, by_rule, table


def test_the_table_of_rules_is_that_of_the_tests() -> None:
    assert TABLE.read_text() == table(), "run: python -m tests.rules"


def test_every_test_named_after_a_rule_names_one_that_there_is() -> None:
    assert by_rule().keys() <= RULES.keys()


def test_every_rule_of_loans_interest_and_margin_that_core_decides_has_a_test() -> None:
    decided = {6, 7, 8, *range(9, 15), 16, *range(17, 21), 22, 24, 25, 27, 30, *range(32, 43)}
    assert not decided - by_rule().keys()
