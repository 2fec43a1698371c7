"""The clients in `clients/`: they are made from the contract of now, and do what a program asks of a running monitor."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.core.schema import read
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tools import clients

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "clients/python"
TYPESCRIPT = ROOT / "clients/typescript"
TSC = ROOT / "dashboard/node_modules/.bin/tsc"
HAS_NODE = shutil.which("node") is not None and TSC.exists()
TOKENS = read(WebConfig, {"tokens": [{"name": "desk", "role": "admin", "secret": "s-desk"}]})
GROUP = line("G/1", labels={"borrower": "ACME", "city": "São Paulo"})

IN_PYTHON = """
import json, sys
from loan_monitor_client import ApiProblem, MonitorClient, NoAnswer
from loan_monitor_client.models import GroupLine

url, group = sys.argv[1], json.loads(sys.argv[2])
monitor = MonitorClient(url, token="s-desk")
line: GroupLine = group
row = monitor.put_group(group["id"], line, if_none_match="*")
entry = monitor.apply_entry(
    group["id"],
    {"type": "deposit", "id": "d-1", "account": next(iter(group["collateral"])), "asset": "BTC", "quantity": "0.5"},
)
listed = monitor.list_groups(labels={"city": "São Paulo"}, stage=["normal", "margin_call"], limit=5)
table = monitor.stress_book({"shocks": {"BTC": "-90%"}}, format_="csv")
found = [row["version"], entry["duplicate"], [g["id"] for g in listed["items"]], str(table)[:10], monitor.get_healthz()["alive"]]
found.append(monitor.close_group(group["id"]))
try:
    monitor.get_group(group["id"])
except ApiProblem as e:
    found += [e.status, e.problem["type"]]
try:
    MonitorClient(url, token="wrong").get_status()
except ApiProblem as e:
    found.append(e.status)
try:
    MonitorClient("http://127.0.0.1:1").get_status()
except NoAnswer as e:
    found.append("is the monitor running there" in str(e))
print(json.dumps(found))
"""
IN_TYPESCRIPT = """
import { ApiProblem, type GroupLine, MonitorClient } from "./index.js";

declare const process: { argv: string[] };
const [url, text] = process.argv.slice(2) as [string, string];
const group = JSON.parse(text) as GroupLine & { id: string };
const monitor = new MonitorClient(url, { token: "s-desk" });
const row = await monitor.putGroup(group.id, group, { ifNoneMatch: "*" });
const account = Object.keys(group.collateral)[0] ?? "";
const deposit = { type: "deposit", id: "d-1", account, asset: "BTC", quantity: "0.5" } as const;
const entry = await monitor.applyEntry(group.id, deposit);
const listed = await monitor.listGroups({ labels: { city: "São Paulo" }, stage: ["normal", "margin_call"], limit: 5 });
const table = await monitor.stressBook({ shocks: { BTC: "-90%" } }, { format: "csv" });
const alive = (await monitor.getHealthz()).alive;
const found: unknown[] = [row.version, entry.duplicate, listed.items.map((g) => g.id), String(table).slice(0, 10), alive];
found.push((await monitor.closeGroup(group.id)) ?? null);
async function refused(work: Promise<unknown>): Promise<ApiProblem> {
  const problem = await work.catch((e: unknown) => e);
  if (problem instanceof ApiProblem) return problem;
  throw problem;
}
const gone = await refused(monitor.getGroup(group.id));
found.push(gone.status, gone.problem.type, (await refused(new MonitorClient(url, { token: "wrong" }).getStatus())).status);
const nowhere = await new MonitorClient("http://127.0.0.1:1").getStatus().catch(() => "nobody");
found.push(nowhere === "nobody");
console.log(JSON.stringify(found));
"""
EXPECTED = [1, False, [GROUP["id"]], "id,product", True, None, 404, "urn:loan-monitor:not-found", 401, True]


def test_the_clients_are_made_from_the_contract_of_now() -> None:
    for file, text in clients.made().items():
        assert file.read_text(encoding="utf-8") == text, f"{file}: run python -m tools.clients"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving(WebDesk(), TOKENS) as base:
        yield base


async def said(*command: str, cwd: Path) -> object:
    """What a program prints, while the monitor answers it."""
    process = await asyncio.create_subprocess_exec(
        *command, json.dumps(GROUP), cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


async def test_a_program_in_python_asks_and_hears_refusals(url: str, tmp_path: Path) -> None:
    """With nothing but the client on its path."""
    (tmp_path / "ask.py").write_text(f"import sys\nsys.path.insert(0, {str(PYTHON)!r})\n{IN_PYTHON}")
    assert await said(sys.executable, "-I", "-S", "ask.py", url, cwd=tmp_path) == EXPECTED


@pytest.mark.skipif(not HAS_NODE, reason="needs node, and the compiler of dashboard/")
async def test_a_program_in_typescript_asks_and_hears_refusals(url: str, tmp_path: Path) -> None:
    shutil.copytree(TYPESCRIPT / "src", tmp_path / "src")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "src/ask.ts").write_text(IN_TYPESCRIPT)
    options = json.loads((TYPESCRIPT / "tsconfig.json").read_text())
    options["compilerOptions"] |= {"noEmit": False, "outDir": "out", "rootDir": "src"}
    (tmp_path / "tsconfig.json").write_text(json.dumps(options))
    done = await asyncio.to_thread(
        subprocess.run, [str(TSC), "-p", "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert await said("node", "out/ask.js", url, cwd=tmp_path) == EXPECTED
