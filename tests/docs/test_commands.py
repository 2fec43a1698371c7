"""Every command of the documents runs, ends as it should, and prints what the document shows."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from monitor.cli.main import commands
from monitor.clock import SystemClock
from monitor.config import load
from monitor.core.events.entries import Entry
from monitor.core.text import stamp
from monitor.feeds import scenario
from tests.docs.blocks import ALL, PAGES, ROOT, Block
from tests.docs.terminal import OURS, Terminal, missing, steps, unseen
from tests.faults.house import Daemon, House, free_port, until
from tests.here import Here

UNTRIED = {
    "docs/operations.md": "systemd-creds",
    "docs/proxy.md": "entryPoints",
    "docs/upgrade.md": "pip install",
    "docs/deployment.md": "pip install",
}
"""What nothing can try here: no systemd keeps credentials, there is no Traefik, no next version, and no test writes into
folders of the system. The page says so."""
RUN = [b for b in ALL if b.language in ("sh", "console") and not b.holder() and not b.mark.startswith("untried")]


def test_what_is_not_tried_is_known() -> None:
    untried = [b for b in ALL if b.mark.startswith("untried")]
    assert {b.file for b in untried} <= set(UNTRIED)
    for block in untried:
        assert UNTRIED[block.file] in block.text
        assert re.search("is untried|are untried|not tried", (ROOT / block.file).read_text("utf-8")), block.where


@pytest.mark.timeout(180)
async def test_the_commands_of_the_documents_do_what_they_say(tmp_path: Path, here: Here) -> None:
    """Page by page beside one daemon, which plays the demonstration's morning; what needs it stopped comes last."""
    terminal = Terminal(tmp_path, here)
    house = desk(tmp_path, await free_port())
    failed: list[str] = []
    running = Daemon(house)
    running._command[-1] = "config/monitor.toml"
    async with running as daemon:
        terminal.url = daemon.url
        await until(lambda: opened(daemon), "the first margin call of the demonstration")
        for block in ALL:
            if block.written_to is not None:
                terminal.write(block.written_to, block.text)
            elif block.file == "docs/entries.md":
                failed += await sent(daemon, block)
            elif block in RUN and block.mark != "stopped":
                failed += await tried(terminal, block)
        daemon.signal()
        await daemon.ended()
    terminal.url = ""
    for block in RUN:
        if block.mark == "stopped":
            failed += await tried(terminal, block)
            for moved in (tmp_path / "var").glob("*.before-*"):  # named by the second, which both of them share
                moved.unlink()
    assert not failed, "\n\n".join(failed)


def desk(folder: Path, port: int) -> House:
    """The demonstration on a free port, under the name of a desk's own configuration too; its market stops at ten past two."""
    house = House(folder)
    house.config = folder / "config/monitor.toml"
    (limits,) = [block.text for block in ALL if block.written_to == "exposure.toml"]
    text = house.config.read_text().replace("port = 8080", f"port = {port}") + limits
    text = text.replace(
        'margin_call_repeat = "45s"', 'margin_call_repeat = "12h"'
    )  # else a day of a tape has 7,000 of them
    rules = (folder / "config/products/vip_loan.toml").read_text()
    called = re.sub(r"^effective = .*$", r'\g<0>\nmargin_call_expiry = "24h"', rules, flags=re.MULTILINE)
    (folder / "config/products/vip_calls.toml").write_text(called)
    for name, rule_file in (("vip_loan_2", "vip_loan"), ("vip_calls", "vip_calls")):
        text += f'[[product]]\nname = "{name}"\nkind = "vip_loan"\nfile = "products/{rule_file}.toml"\n'
    house.config.write_text(text)
    (folder / "config/live.toml").write_text(text)
    (folder / "book.jsonl").write_bytes((ROOT / "config/books/demo.jsonl").read_bytes())
    (folder / "entries.jsonl").write_text(ENTRY)
    played = scenario.load(load(ROOT / "config/monitor.toml").feeds[0].config.file)
    (folder / "prices.csv.gz").write_text(tape(played, timedelta(minutes=15)))
    (folder / "config/scenarios/2021-05-19.toml").write_text(morning(played))
    return house


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""The now of docs/entries.md."""


async def sent(daemon: Daemon, block: Block) -> list[str]:
    """Puts the group of a block, or sends its entry to the group before it, with the times as far away as they are there."""
    later = SystemClock().utc().replace(microsecond=0) - NOON
    text = re.sub(r"20\d\d-[\d-]+T[\d:]+Z", lambda at: stamp(datetime.fromisoformat(at[0]) + later), block.text)
    groups = [b for b in ALL if b.file == block.file and b.reader.startswith("PUT") and b.line <= block.line]
    method, path = ("PUT", "") if block in groups else ("POST", "/entries")
    url = f"{daemon.url}/v1/groups/entries-{len(groups)}{path}"
    async with daemon.http.request(method, url, data=text, headers={"Content-Type": "application/json"}) as answer:
        said = await answer.text()
    return [] if answer.status < 300 else [f"{block.where}: {method} {url}\n{text}{answer.status}: {said}"]


def test_there_is_an_example_of_every_kind_of_entry() -> None:
    shown = {
        json.loads(block.text)["type"] for block in ALL if block.file == "docs/entries.md" and block.mark == "entry"
    }
    assert shown == {kind.__struct_config__.tag for kind in get_args(Entry)}


ENTRY = """\
{"group":"zebra-finch","id":"E-1","at":"2021-05-19T10:00:00Z","type":"deposit","account":"zebra-finch-main","asset":"ADA","quantity":"1000"}
"""


def prices_at(played: scenario.Scenario, at: datetime) -> dict[str, Decimal]:
    """What every coin costs then."""
    return {asset: scenario.price_at(played, asset, at) for asset in played.anchors} | dict(played.constant)


def tape(played: scenario.Scenario, every: timedelta) -> str:
    """The day as a tape."""
    assert played.begin is not None
    assert played.end is not None
    rows, at = ["at,asset,price"], played.begin
    while at <= played.end:
        rows += [f"{at:%Y-%m-%dT%H:%M:%SZ},{asset}USDT,{price}" for asset, price in prices_at(played, at).items()]
        at += every
    return "\n".join(rows) + "\n"


def morning(played: scenario.Scenario) -> str:
    """The day until the first margin call, in three seconds; then the market stands still, so that every figure does."""
    head = (ROOT / "config/scenarios/2021-05-19.toml").read_text().partition("title =")[2].partition("[[gap]]")[0]
    head = head.replace('"110s"', '"3s"').replace("loop = true", "loop = false")
    head = "".join(line for line in head.splitlines(keepends=True) if not line.startswith(("pause", "return")))
    rows = [
        f"{asset} = ["
        + ", ".join(f'[{at:%Y-%m-%dT%H:%M:%SZ}, "{scenario.price_at(played, asset, at)}"]' for at in TIMES)
        + "]"
        for asset in played.anchors
    ]
    return f"title ={head}[anchors]\n" + "\n".join(rows) + "\n"


TIMES = [datetime(2021, 5, 19, hour, minute, tzinfo=UTC) for hour, minute in ((0, 0), (0, 13), (1, 10), (2, 10))]


async def opened(daemon: Daemon) -> bool:
    return any(a["type"] == "loan_group.margin_call.opened" for a in await daemon.alerts())


async def tried(terminal: Terminal, block: Block) -> list[str]:
    """What is wrong with a block: an end that the document does not say, or a line that was not printed."""
    failed, all_steps = [], list(steps(block))
    for number, (command, shown) in enumerate(all_steps, 1):
        wanted = re.fullmatch(r"exit (\d)", block.mark)
        code = int(wanted[1]) if wanted and number == len(all_steps) else 0
        ended = await terminal.run(command)
        if ended.code != code:
            failed.append(f"{block.where}: $ {command}\nexpected to end with {code}\n{ended}")
        elif absent := unseen(shown, ended):
            lines = "\n".join(absent)
            failed.append(f"{block.where}: $ {command}\nnot printed:\n{lines}\n--- but\n{ended.out}{ended.err}")
    return failed


@pytest.mark.parametrize("block", [b for b in ALL if "[Service]" in b.text], ids=lambda block: block.where)
def test_a_unit_of_the_documents_names_commands_that_there_are(block: Block) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(block.text)
    for key in ("ExecStartPre", "ExecStart"):
        words = shlex.split(parser["Service"].get(key, "/bin/monitor run"))  # what is put beside a unit states neither
        assert words[0].endswith("/bin/monitor")
        assert unknown(words[1:]) == []


def test_every_command_in_a_sentence_is_one_with_these_options() -> None:
    """`monitor price ASSET --exclude` in a sentence need not be whole, but has to exist."""
    wrong = []
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]:
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for found in re.findall(r"`((?:\.venv/bin/)?monitor [a-z][^`]*)`", text):
            words = found.split()
            if words[0] in OURS and (problems := unknown(words[1:])):
                wrong.append(f"{page.relative_to(ROOT)}: `{found}`: {problems}")
    assert not wrong, "\n".join(wrong)


def unknown(words: list[str]) -> list[str]:
    """The commands and options among the words that there are not."""
    app, options = commands, [w.partition("=")[0].rstrip(".,;:") for w in words if w.startswith("--")]
    for word in words:
        names = set(app)
        if word in names:
            app = app[word]
        elif app is commands:
            return [word]
        else:
            break
    known = {name for argument in app.assemble_argument_collection() for name in argument.names}
    return [option for option in options if option not in known | {"--help", "--version"}]


def test_the_recording_plays_the_first_hour() -> None:
    """A page that is changed wants a new recording: `python -m tests.docs.record_first_hour`."""
    commands_of = [step.command for b in ALL if b.file == "docs/first-hour.md" for step in steps(b)]
    (recording,) = [b for b in ALL if b.file == "docs/first-hour-recording.md"]
    played = re.findall(r"^\d\d:\d\d \$ (.+)$", recording.text, re.MULTILINE)
    assert played == [command for command in commands_of if command != "monitor demo"]
    assert re.findall(r"command not found|No such file|Traceback", recording.text) == []


def test_a_line_that_is_not_printed_is_noticed() -> None:
    printed = "G-1  margin call: LTV 77.12 %\n  next line\nend\n"
    assert missing(["G-1 margin call: LTV 80 %", "...", "end"], printed) == []
    assert missing(["end", "next line"], printed) == ["next line"]
    assert missing(["G-2 margin call: LTV 80 %"], printed) == ["G-2 margin call: LTV 80 %"]
    assert unknown(["price", "ASSET", "--exclud"]) == ["--exclud"]
    assert unknown(["prise", "ASSET"]) == ["prise"]
    assert unknown(["audit", "verify", "--head"]) == []
