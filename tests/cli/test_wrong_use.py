"""A word that a command does not take: what it is, and what to write instead."""

from __future__ import annotations

import io

import pytest
from cyclopts import CycloptsError
from rich.console import Console

from monitor.cli.main import commands


def told(*words: str) -> str:
    shown = io.StringIO()
    with pytest.raises(CycloptsError):
        commands(words, exit_on_error=False, print_error=True, error_console=Console(file=shown, width=200))
    return shown.getvalue()


def test_a_configuration_by_itself_is_sent_to_its_option() -> None:
    said = told("check-config", "desk/monitor.toml")
    assert "monitor check-config has no use for 'desk/monitor.toml'" in said
    assert "monitor check-config --config desk/monitor.toml" in said


def test_any_other_word_is_sent_to_the_help_of_the_command() -> None:
    said = told("store", "upgrade", "no\x1bw")
    assert "monitor store upgrade has no use for" in said
    assert "monitor store upgrade --help" in said
    assert "\x1b" not in said


def test_a_misspelt_option_keeps_its_hint() -> None:
    assert "Did you mean --config?" in told("run", "--cofig", "monitor.toml")
