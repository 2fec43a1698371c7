"""What `--help` says beside the signature of a command: a text for each option, and lines to copy that use them all."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cyclopts import App as Commands

_THERE = "--url http://127.0.0.1:8080 --token-file secrets/desk.token"
_TO_ASK = f"{_THERE} --json"
_LEVER = '--reason "agreed with the borrower"'
_ALONE = '--emergency "nobody else is awake"'
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "ack": (
        'evt_0f3c --note "calling the borrower" --until 2h',
        f"evt_0f3c --undo {_TO_ASK}",
    ),
    "approve": ("P-1", f"P-1 --yes {_TO_ASK}"),
    "audit": (
        "--since 2d --limit 20",
        "--who desk --action '*endpoint' --subject acme --since 2026-01-05T10:00:00Z --until 1h --csv audit.csv",
        _TO_ASK,
    ),
    "audit new-key": ("secrets/audit.key",),
    "audit verify": (
        "--config config/monitor.toml --head 1042:0f3c",
        "--backup copy.db.age --identity desk.txt --store-key-file secrets/store.key --key-file secrets/audit.key --json",
    ),
    "backup": ("copy.db", "copy.db.age --encrypt-to desk.pub --config config/monitor.toml"),
    "call": ("G-1", f"G-1 {_TO_ASK}"),
    "calls": ("", f"--limit 1000 {_TO_ASK}"),
    "channel": (
        "list",
        'disable risk-desk --reason "maintenance"',
        f"enable risk-desk {_TO_ASK}",
    ),
    "check-config": (
        "--config my.toml",
        f"--config my.toml --against running {_TO_ASK}",
    ),
    "doctor": ("--config config/monitor.toml --json",),
    "duty": ("", _TO_ASK),
    "explain": ("G-1", f"G-1 {_TO_ASK}"),
    "export-tape": ("var/events --out prices.csv",),
    "exposure": (
        "--by borrower",
        f"--by asset --limit 20 {_TO_ASK}",
        "--by label.desk --after WyJsYWJlbC5kZXNrIl0",
    ),
    "extend": (
        f"--group G-1 --until 6h {_LEVER} --preview",
        f"--match label.borrower=ACME --until 2026-01-05T10:00:00Z {_LEVER} {_ALONE} {_TO_ASK}",
    ),
    "import": (
        "loans.xlsx --dry-run",
        "loans.csv --name november --map 'Ccy=loan_coin' --set product=vip_loan --decimal comma --dates dmy"
        " --encoding cp1250",
        f"loans.xlsx --sheet Book --close-missing --yes {_TO_ASK}",
        "--template loans.xlsx",
    ),
    "levers": ("", f'--end L-3 --reason "the borrower has paid" {_TO_ASK}'),
    "move": (
        f"--group G-1 --product cross_margin_pro {_LEVER} --preview",
        f"--match product=vip_loan --product vip_loan_2 {_LEVER} {_ALONE} {_TO_ASK}",
    ),
    "override": (
        f"--group G-1 --line liquidation=0.93 --until 2d {_LEVER} --preview",
        f"--match label.borrower=ACME --line margin_call=0.8 --until 2d {_LEVER} {_ALONE} {_TO_ASK}",
    ),
    "price": (
        f"BTC {_TO_ASK}",
        'BTC --believe --reason "seen at three venues"',
        'BTC --exclude kraken --until 2h --reason "the venue is down"',
        f'BTC --pin 30000 --until 2h --reason "the venue is down" --yes --preview {_ALONE}',
        'BTC --release --reason "the venue is back"',
    ),
    "proposals": ("", _TO_ASK),
    "reject": (f'P-1 --reason "not agreed" {_TO_ASK}',),
    "replay": (
        "--config config/monitor.toml --tape prices.csv.gz --book loans.jsonl",
        "--tape prices.csv.gz --book loans.jsonl --entries entries.jsonl --trust --allow-unvalued",
        "--log var/events --json",
    ),
    "report": (
        "--out day.html --url http://127.0.0.1:8080 --day 2026-11-22 --token-file secrets/desk.token",
        "--out past.html --config my.toml --tape prices.csv.gz --book loans.jsonl --trust --allow-unvalued",
    ),
    "restore": (
        "copy.db --check --config config/monitor.toml",
        "copy.db.age --identity desk.txt --key-file secrets/store.key",
    ),
    "retry": (
        "--notifier risk-desk --since 2026-01-05T10:00:00Z",
        f"--type 'loan_group.*' --until 2026-01-05T12:00:00Z --state pending {_TO_ASK}",
    ),
    "run": ("--config config/monitor.toml", "--config my.toml --log-json --log-level warning"),
    "send-test": ("risk-desk --config my.toml", "mail --to desk@example.com"),
    "silence": (
        f"--match label.borrower=ACME --until 3d --preview {_TO_ASK}",
        '--match group=G-1 --until 2h --reason "a planned migration" --up-to margin_call',
        f'--match product=vip_loan --until 2h --reason "a test" --even-worse {_ALONE}',
        "--delete sil_0f3c",
    ),
    "stress": (
        "--shock BTC=-30% --shock ETH=1500 --limit 20",
        "--scenario 2021-05-19 --csv moved.csv",
        "--x BTC=-10%,-20%,-30% --y ETH=-10%,-20%,-30%",
        f"--reverse 0.1 --of BTC {_TO_ASK}",
    ),
    "waive": (
        f"--group G-1 --until 2d {_LEVER} --preview",
        f"--match label.borrower=ACME --until 2d {_LEVER} {_ALONE} {_TO_ASK}",
    ),
    "webhook-key": ("secrets/acme.key", "secrets/acme.key --pair"),
    "what-if": (
        "G-1 --shock BTC=-20% --add ETH=10",
        f"G-1 --repay USDT=50000 --remove SOL=100 {_TO_ASK}",
    ),
}
"""By command: what may stand behind it. Together they use every option; a test walks the parser."""
_WIDE = 76
_SECTION = "Parameters\n----------\n"
_OPTION = re.compile(r"(\w+): (.*)")


def explained(commands: Commands) -> None:
    """Gives each command its texts of options, which stand in its docstring, and its examples."""
    for path, command in walked(commands):
        if command.default_command is not None:
            command.default_command.__doc__ = for_parser(command.default_command)
        lines = (_broken(f"monitor {path} {words}".rstrip()) for words in EXAMPLES.get(path, ()))
        command.help_epilogue = "Examples:\n\n" + "\n".join(f"  {line}" for line in lines)


def _broken(line: str) -> str:
    """A command in lines that fit the terminal, as a shell takes them together."""
    found, *rest = line.split(" --")
    last = len(found)
    for option in rest:
        if last + len(option) + 5 > _WIDE:
            found += " \\\n     "
            last = 5
        found += f" --{option}"
        last += len(option) + 3
    return found


def walked(commands: Commands, path: str = "") -> Iterator[tuple[str, Commands]]:
    """Every command below one, with the words that ask for it."""
    for name in commands:
        if not name.startswith("-"):
            place = f"{path} {name}".strip()
            yield place, commands[name]
            yield from walked(commands[name], place)


def for_parser(command: Callable[..., Any]) -> str:
    """The docstring of a command with the text of each option on lines of its own, as the parser of `--help` reads it."""
    about, section, options = inspect.cleandoc(command.__doc__ or "").partition(_SECTION)
    found = [_OPTION.fullmatch(line) or line for line in options.splitlines()]
    lines = (line if isinstance(line, str) else f"{line[1]}\n    {line[2]}" for line in found)
    return about + section + "\n".join(lines)
