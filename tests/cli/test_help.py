"""Every option of every command has a help text and an example, and each example is a command."""

from __future__ import annotations

import io
import shlex

import pytest
from cyclopts import App as Commands
from rich.console import Console

from monitor.cli.help_texts import EXAMPLES, examples_of, explained, walked
from monitor.cli.main import commands

COMMANDS = {path: command for path, command in walked(commands) if command.default_command is not None}


def lines(path: str) -> list[list[str]]:
    return [shlex.split(words) for words in examples_of(path, COMMANDS[path])]


def arguments(command: Commands) -> list[tuple[str, str | None, bool]]:
    """Each argument: the name that `--help` shows, its text, and whether it may stand without its name."""
    found = command.assemble_argument_collection(parse_docstring=True)
    return [(each.names[0], each.parameter.help, each.index is not None) for each in found]


def test_the_walk_sees_every_command() -> None:
    assert len(COMMANDS) > 30
    assert {"run", "audit", "audit verify", "import", "what-if"} <= COMMANDS.keys()
    assert EXAMPLES.keys() == COMMANDS.keys(), "no example of what is gone"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_has_a_text_and_an_example(path: str) -> None:
    used = {word for line in lines(path) for word in line}
    for name, text, is_positional in arguments(COMMANDS[path]):
        assert text, f"{path} {name} has no text"
        assert text.endswith("."), f"{path} {name}: {text!r} is no sentence"
        assert is_positional or name in used, f"no example of {path} uses {name}"


@pytest.mark.parametrize("path", COMMANDS)
def test_each_example_is_a_command(path: str) -> None:
    for words in lines(path):
        command, bound, _ = commands.parse_args([*path.split(), *words], exit_on_error=False, print_error=False)
        assert command is COMMANDS[path].default_command
        assert len(bound.arguments) > 0 or not words


def help_of(path: str) -> str:
    """What `--help` prints on a terminal of 80 columns."""
    shown = io.StringIO()
    commands.help_print(path.split(), console=Console(file=shown, width=80))
    return shown.getvalue()


def test_help_shows_texts_and_examples_within_80_columns() -> None:
    for path in COMMANDS:
        said = help_of(path).splitlines()
        assert max(map(len, said)) <= 80
        shown = " ".join(" ".join(line.removesuffix("\\") for line in said).split())
        for words in examples_of(path, COMMANDS[path]):
            assert f"monitor {path} {words}".strip() in shown
    shown = " ".join(help_of("stress").replace("│", " ").split())
    assert "such as BTC=-20% or BTC=30000; may be given several times." in shown


def test_a_text_of_several_lines_stays_whole() -> None:
    def silence(*, match: str) -> None:
        """Hides alerts.

        Parameters
        ----------
        match: type=GLOB, or label.NAME=GLOB; an
            alert must match them all.
        """

    app = Commands()
    app.command(silence)
    explained(app)
    ((_, text, _),) = arguments(app["silence"])
    assert " ".join((text or "").split()) == "type=GLOB, or label.NAME=GLOB; an alert must match them all."
