"""What a command says of a call that does not fit it."""

from __future__ import annotations

from cyclopts import CycloptsError, CycloptsPanel, UnusedCliTokensError
from rich.panel import Panel

from monitor.control_characters import visible


def wrong_use(error: CycloptsError) -> Panel:
    """The panel of an error: which word the command does not take, and what to write instead."""
    if isinstance(error, UnusedCliTokensError):
        command = " ".join(("monitor", *(error.command_chain or ())))
        return CycloptsPanel(CycloptsError(msg=_left_over(command, error.unused_tokens or [""])))
    return CycloptsPanel(error)


def _left_over(command: str, words: list[str]) -> str:
    found, remedy = visible(" ".join(words)), f"{command} --help lists what it takes"
    if words[0].endswith(".toml"):
        remedy = f"a configuration stands after --config: {command} --config {visible(words[0])}"
    return f"{command} has no use for {found!r}; {remedy}"
