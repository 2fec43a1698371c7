"""docs/domain.md names the tests that there are."""

from tests.rules import PAGE, by_heading, document, headings


def test_the_lists_of_tests_are_those_that_there_are() -> None:
    assert PAGE.read_text("utf-8") == document(), "run: python -m tests.rules"


def test_no_heading_stands_twice() -> None:
    assert len(headings()) == len(set(headings()))


def test_every_rule_of_loans_interest_and_margin_that_core_decides_has_a_test() -> None:
    decided = {6, 7, 8, *range(9, 15), 16, *range(17, 21), 22, 24, 25, 27, 30, *range(32, 48)}
    assert not {f"Rule {n}" for n in decided} - by_heading().keys()
