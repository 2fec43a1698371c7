"""What `--help` says beside the signature of a command: a text for each option, and lines to copy that use them all."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cyclopts import App as Commands

SHARED = (
    ("config", "--config config/monitor.toml"),
    ("url", "--url http://127.0.0.1:8080"),
    ("token_file", "--token-file secrets/desk.token"),
    ("as_json", "--json"),
)
"""Options that many commands have, by parameter: the last example of each command uses those that it has."""
_LEVER = '--reason "agreed with the borrower"'
_ALONE = '--emergency "nobody else is awake"'
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "ack": (
        'evt_0f3c --note "calling the borrower" --until 2h',
        "evt_0f3c --undo",
    ),
    "announce": ("G-1 --kind collateral --asset BTC --amount 0.5 --expected 6h --id desk-20",),
    "approve": ("P-1", "P-1 --yes"),
    "audit": (
        "--since 2d --limit 20",
        "--who desk --action '*endpoint' --subject acme --since 2026-01-05T10:00:00Z --until 1h --csv audit.csv",
    ),
    "audit new-key": ("secrets/audit.key",),
    "audit verify": (
        "--head 1042:0f3c",
        "--backup copy.db.age --identity desk.txt --store-key-file secrets/store.key --key-file secrets/audit.key",
    ),
    "backup": ("copy.db", "copy.db.age --encrypt-to desk.pub"),
    "call": ("G-1",),
    "calls": ("", "--limit 1000"),
    "channel": (
        "list",
        'disable risk-desk --reason "maintenance"',
        "enable risk-desk",
    ),
    "check-book": ("books/loans.jsonl --config my.toml",),
    "check-config": (
        "--config my.toml --ask-feeds",
        "--config my.toml --skip-books",
        "--config my.toml --against running",
    ),
    "demo": ("", "--port 0 --log-json --log-level warning"),
    "dispute": ('G-1 --amount-usd 10000 --reason "the deposit of noon is missing" --by borrower --id desk-21',),
    "doctor": ("",),
    "duty": ("",),
    "explain": ("G-1",),
    "export-tape": ("var/events --out prices.csv",),
    "exposure": (
        "--by borrower",
        "--by asset --limit 20",
        "--by label.desk --after WyJsYWJlbC5kZXNrIl0",
    ),
    "extend": (
        f"--group G-1 --until 6h {_LEVER} --preview",
        f"--match label.borrower=ACME --until 2026-01-05T10:00:00Z {_LEVER} {_ALONE}",
    ),
    "import": (
        "loans.xlsx --dry-run",
        "loans.csv --name november --map 'Ccy=loan_coin' --set product=vip_loan --decimal comma --dates dmy"
        " --encoding cp1250",
        "loans.xlsx --sheet Book --close-missing --yes",
        "--template loans.xlsx",
    ),
    "init": ("my-desk",),
    "kernels": ("",),
    "levers": ("", '--end L-3 --reason "the borrower has paid"'),
    "move": (
        f"--group G-1 --product cross_margin_pro {_LEVER} --preview",
        f"--match product=vip_loan --product vip_loan_2 {_LEVER} {_ALONE}",
    ),
    "override": (
        f"--group G-1 --line liquidation=0.93 --until 2d {_LEVER} --preview",
        f"--match label.borrower=ACME --line margin_call=0.8 --until 2d {_LEVER} {_ALONE}",
    ),
    "price": (
        "BTC",
        'BTC --believe --reason "seen at three venues"',
        'BTC --exclude kraken --until 2h --reason "the venue is down"',
        f'BTC --pin 30000 --until 2h --reason "the venue is down" --yes --preview {_ALONE}',
        'BTC --release --reason "the venue is back"',
    ),
    "proposals": ("",),
    "reload": ("--dry-run", "--confirm --config my.toml"),
    "reject": ('P-1 --reason "not agreed"',),
    "replay": (
        "--config config/monitor.toml --tape prices.csv.gz --book loans.jsonl",
        "--tape prices.csv.gz --book loans.jsonl --entries entries.jsonl --trust --allow-unvalued",
        "--log var/events",
    ),
    "report": (
        "--out day.html --url http://127.0.0.1:8080 --day 2026-11-22",
        "--out past.html --config my.toml --tape prices.csv.gz --book loans.jsonl --trust --allow-unvalued",
    ),
    "resolve": ('G-1 --reason "it was found" --by desk --id desk-22',),
    "restore": (
        "copy.db --check",
        "copy.db.age --identity desk.txt --key-file secrets/store.key",
    ),
    "retry": (
        "--notifier risk-desk --since 2026-01-05T10:00:00Z",
        "--type 'loan_group.*' --until 2026-01-05T12:00:00Z --state pending",
    ),
    "run": ("--config config/monitor.toml", "--config my.toml --log-json --log-level warning"),
    "send-test": ("risk-desk --config my.toml", "mail --to desk@example.com"),
    "shards": ("", "--json"),
    "silence": (
        "--match label.borrower=ACME --until 3d --preview",
        '--match group=G-1 --until 2h --reason "a planned migration" --up-to margin_call',
        f'--match product=vip_loan --until 2h --reason "a test" --even-worse {_ALONE}',
        "--delete sil_0f3c",
    ),
    "store copy": ("--from sqlite --to postgres --path var/monitor.db --key-file secrets/store.key",),
    "store upgrade": ("", "--finish"),
    "stress": (
        "--shock BTC=-30% --shock ETH=1500 --limit 20",
        "--scenario 2021-05-19 --csv moved.csv",
        "--x BTC=-10%,-20%,-30% --y ETH=-10%,-20%,-30%",
        "--reverse 0.1 --of BTC",
    ),
    "waive": (
        f"--group G-1 --until 2d {_LEVER} --preview",
        f"--match label.borrower=ACME --until 2d {_LEVER} {_ALONE}",
    ),
    "webhook-key": ("secrets/acme.key", "secrets/acme.key --pair"),
    "what-if": (
        "G-1 --shock BTC=-20% --add ETH=10",
        "G-1 --repay USDT=50000 --remove SOL=100",
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
        lines = (_broken(f"monitor {path} {words}".rstrip()) for words in examples_of(path, command))
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


def examples_of(path: str, command: Commands) -> tuple[str, ...]:
    """What may stand behind a command."""
    given = EXAMPLES.get(path, ())
    if not given or command.default_command is None:
        return given
    has = inspect.signature(command.default_command).parameters
    used = " ".join(given).split()
    more = [words for name, words in SHARED if name in has and words.split()[0] not in used]
    *others, last = given
    return (*others, " ".join([last, *more]).strip())


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
