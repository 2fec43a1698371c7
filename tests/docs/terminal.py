"""Runs the commands of a document in a folder that looks like a checkout, beside a daemon that is there already.

Commands of the monitor run in this process, as their start is most of their work; all others run by a shell, which finds
`monitor` on its path too.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.docs.blocks import ROOT, Block
from tests.faults.house import environment
from tests.forks import Ended
from tests.here import Here

OURS = ("monitor", ".venv/bin/monitor")
STARTS = ("run", "demo")
"""What would not end by itself: the daemon of the test stands for it."""
SHELL = re.compile(r"[|&;<>$`*]")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


class Step(NamedTuple):
    """A command, and the lines that the document shows under it."""

    command: str
    shown: list[str]


def steps(block: Block) -> Iterator[Step]:
    """The commands of a block: each line of `sh`, each line after a `$` of `console`."""
    text = block.text.replace("\\\n", " ")
    if block.language == "sh":
        yield from (Step(line, []) for line in text.splitlines() if line.strip() and not line.startswith("#"))
        return
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Step(command, output.splitlines())


def shape(line: str) -> str:
    """A line without what differs from run to run: numbers, times, ids, places, and the widths of columns."""
    line = re.sub(r"\b(evt|dlv)_\w+", "ID", line)
    line = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z?", "TIME", line)
    line = re.sub(r"(/[\w.-]+)+/(?=var/)", "/", line)
    line = re.sub(r"(?<!\w)(?<!\w-)\d[\d,]*(\.\d+)?", "0", line)
    return " ".join(re.sub(r"[─ ]+", " ", line).split())


def missing(shown: list[str], printed: str) -> list[str]:
    """The lines of a transcript that were not printed in this order; `...` stands for any number of lines."""
    lines = [shape(line) for line in printed.splitlines()]
    absent, at = [], 0
    for line in shown:
        wanted = shape(line)
        if not wanted or wanted == "...":
            continue
        cut = wanted.removesuffix("...").rstrip() if wanted.endswith("...") else None
        found = [i for i, x in enumerate(lines[at:], at) if x == wanted or (cut and x.startswith(cut))]
        if found:
            at = found[0] + 1
        else:
            absent.append(line)
    return absent


def unseen(shown: list[str], ended: Ended) -> list[str]:
    """The lines of a transcript that a command wrote neither to its output nor to its errors, which a terminal shows together."""
    return missing(missing(shown, ended.out), ended.err)


class Terminal:
    """A folder with the files of a checkout that commands name, and how to run them there."""

    def __init__(self, folder: Path, here: Here) -> None:
        self.folder, self._here, self.url = folder, here, ""
        shutil.copytree(ROOT / "config", folder / "config", dirs_exist_ok=True)
        (folder / "backup").mkdir()
        self.bin = folder / ".venv/bin"
        self.bin.mkdir(parents=True)
        (self.bin / "monitor").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m monitor "$@"\n')
        (self.bin / "monitor").chmod(0o755)

    def write(self, name: str, text: str) -> None:
        """A file that a document shows before its commands."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def run(self, command: str) -> Ended:
        """One command to its end."""
        command = command.replace("/backup/", f"{self.folder}/backup/")
        if self.url:
            command = command.replace("http://127.0.0.1:8080", self.url)
        words = shlex.split(command, comments=True)
        if words[0] == "make":
            return Ended(0, "", "") if words[1] in TARGETS else Ended(2, "", f"no rule to make {words[1]}")
        if words[0] in OURS and words[1] in STARTS:
            return await self._here(
                "check-config", *(words[2:4] if "--config" in words else ("--config", "config/monitor.toml"))
            )
        if words[0] in OURS and not SHELL.search(re.sub(r"'[^']*'|#.*", "", command)):
            url = ("--url", self.url) if self.url and asks(words[1]) and not {"--url", "--tape"} & set(words) else ()
            return await self._here(*words[1:], *url)
        if words[:2] == ["curl", "-N"]:
            command = command.replace("curl -N", "curl -N --max-time 1", 1) + " || test $? -eq 28"
        if words[0] in OURS and self.url and asks(words[1]):
            command = command.replace(words[1], f"{words[1]} --url {self.url}", 1)
        return await self._shell(command)

    async def _shell(self, command: str) -> Ended:
        env = environment({"PATH": f"{self.bin}:{os.environ['PATH']}"})
        process = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", command, cwd=self.folder, env=env,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())


def asks(command: str) -> bool:
    """The command asks a running daemon, whose address it takes."""
    from monitor.cli.main import commands

    found = commands[command].default_command
    return found is not None and "url" in found.__annotations__
