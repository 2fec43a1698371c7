"""The rules and the boards, on a real Prometheus that scrapes the demonstration."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.deploy.programs import DEPLOY, program, ran
from tests.faults.house import ROOT, Daemon, House, free_port, until

RULES = DEPLOY / "prometheus" / "loan-monitor.rules.yml"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((DEPLOY / "grafana").glob("*.json"))}
TOKEN = "the-secret-of-prometheus-in-the-tests"
VARIABLES = {"$job": ".*", "$instance": ".*", "$__rate_interval": "10s"}


def queries() -> dict[str, list[str]]:
    """By panel: what the boards ask, as Grafana would for all jobs and instances."""
    found = {}
    for board in BOARDS.values():
        for panel in board["panels"]:
            if panel["type"] != "row":
                asked = [target["expr"] for target in panel["targets"]]
                for name, value in VARIABLES.items():
                    asked = [each.replace(name, value) for each in asked]
                found[f"{board['title']} / {panel['title']}"] = asked
    return found


def test_each_rule_fires_when_it_should_and_only_then() -> None:
    promtool, folder = program("promtool"), DEPLOY / "prometheus"
    checked = ran(promtool, "check", "rules", RULES)
    assert checked.returncode == 0, checked.stderr
    tested = ran(promtool, "test", "rules", folder / "loan-monitor.tests.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    config = ran(promtool, "check", "config", "--syntax-only", folder / "prometheus.yml")
    assert config.returncode == 0, config.stderr


def test_each_rule_is_tested_when_it_fires_and_when_not() -> None:
    names = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    tests = yaml.safe_load((DEPLOY / "prometheus" / "loan-monitor.tests.yml").read_text())["tests"]
    tried = [case for test in tests for case in test.get("alert_rule_test", ())]
    assert {case["alertname"] for case in tried if case["exp_alerts"]} == names
    assert {case["alertname"] for case in tried if not case["exp_alerts"]} == names


def test_the_page_of_operations_names_the_rules() -> None:
    names = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    told = set(re.findall(r"`(LoanMonitor\w+)`", (ROOT / "docs" / "operations.md").read_text()))
    assert told == names


def test_boards_can_be_opened_and_no_panel_hides_another() -> None:
    for board in BOARDS.values():
        panels = board["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        cells = [
            (x, y)
            for at in (panel["gridPos"] for panel in panels)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24
        assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels if panel["type"] != "row")
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == 2


class Prometheus:
    """A Prometheus that runs."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url, self._http = url, http

    async def get(self, path: str, **params: str) -> Any:
        async with self._http.get(f"{self.url}/api/v1/{path}", params=params) as answer:
            found = await answer.json()
        assert found["status"] == "success", found
        return found["data"]

    async def values(self, expression: str) -> list[float]:
        """The samples of a query now; none where it has no data."""
        found = (await self.get("query", query=expression))["result"]
        return [value for sample in found if not math.isnan(value := float(sample["value"][1]))]

    async def is_up(self) -> bool:
        try:
            async with self._http.get(self.url + "/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def scraping(folder: Path, port: int) -> AsyncIterator[Prometheus]:
    """A Prometheus by the configuration of `deploy/`, which scrapes this port each second."""
    (folder / "token").write_text(TOKEN)
    shutil.copy(RULES, folder)
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    for ours, tests in (
        ("/etc/prometheus/loan-monitor.token", str(folder / "token")),
        ("127.0.0.1:8081", f"127.0.0.1:{port}"),
        ("_interval: 15s", "_interval: 1s"),
        ('["127.0.0.1:9093"]', "[]"),
    ):
        assert ours in config
        config = config.replace(ours, tests)
    (folder / "prometheus.yml").write_text(config)
    mine = await free_port()
    command = [program("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{mine}", "--log.level=warn"]
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, cwd=folder)
    try:
        async with aiohttp.ClientSession() as http:
            there = Prometheus(f"http://127.0.0.1:{mine}", http)
            await until(there.is_up, f"Prometheus is ready:\n{(folder / 'prometheus.log').read_text()}")
            yield there
    finally:
        process.terminate()
        await process.wait()


def demonstration(folder: Path, health_port: int) -> House:
    """The demonstration five times as fast, with a port for health and a token for Prometheus."""
    house = House(folder)
    shutil.copytree(ROOT / "config", folder, dirs_exist_ok=True)
    web = f'port = 0\nhealth_port = {health_port}\ntokens = [{{ name = "prometheus", role = "viewer", secret = "{TOKEN}" }}]'
    config = house.config.read_text()
    assert "port = 8080" in config
    house.config.write_text(config.replace("port = 8080", web))
    scenario = folder / "scenarios" / "2021-05-19.toml"
    assert 'duration = "110s"' in scenario.read_text()
    scenario.write_text(scenario.read_text().replace('duration = "110s"', 'duration = "22s"'))
    return house


async def test_each_query_of_the_boards_has_data_and_each_rule_can_be_evaluated(tmp_path: Path) -> None:
    program("prometheus")
    port = await free_port()
    # Prometheus looks for its targets five seconds after its start: meanwhile the daemon starts.
    async with scraping(tmp_path, port) as prometheus, Daemon(demonstration(tmp_path / "demo", port)):
        left = {expression: panel for panel, asked in queries().items() for expression in asked}
        assert len(left) > 30

        async def have_data() -> bool:
            for expression in [*left]:
                if await prometheus.values(expression):
                    del left[expression]
            return not left

        try:
            await until(have_data, "each query has data", step_s=0.5)
        except AssertionError:
            raise AssertionError(f"no data:\n{json.dumps(left, indent=1)}") from None
        for variable in ("label_values(monitor_build_info, job)", "label_values(monitor_build_info, instance)"):
            metric, label = re.findall(r"\w+", variable)[1:]
            assert await prometheus.get(f"label/{label}/values", **{"match[]": metric})
        (group,) = (await prometheus.get("rules"))["groups"]
        assert {(rule["health"], rule.get("lastError", "")) for rule in group["rules"]} <= {("ok", ""), ("unknown", "")}
        assert any(rule["health"] == "ok" for rule in group["rules"])
        firing = {
            a["labels"]["alertname"] for a in (await prometheus.get("alerts"))["alerts"] if a["state"] == "firing"
        }
        assert firing == set(), "the demonstration is well"
