"""The contract is as strict as the server: `schemathesis` asks all that it allows, and much that it does not, and finds nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest

from tests.book_lines import line, one_btc
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask

pytestmark = pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed")
CHECKS = "tests.web.fuzzing"
EXCLUDED = "positive_data_acceptance"
"""In its place stands the check of `fuzzing`, which reads why a valid request was refused."""
SETTINGS = """\
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "415", "422", "428", "429", "5xx"]
"""
"""A request that is wrong in two ways is refused for one: an `If-Match` of before comes before what the body says."""
SEED = "1507"


async def seeded(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    """A desk in which something has happened, with ids that the examples of the contract name."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    await ask(http, "PUT", "/v1/groups/G-2", one_btc("G-2"))
    desk.prices({"BTC": "10000", "SOL": "20"})
    desk.notice()
    await ask(http, "POST", "/v1/endpoints", {"url": "http://127.0.0.1:1/hook", "name": "acme"})


async def findings(folder: Path, *options: str) -> str | None:
    """What schemathesis says of a desk of its own; None where it finds nothing."""
    desk = WebDesk()
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        await seeded(desk, http)
        asked = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--no-color", "--seed", SEED]
        fixed = ["--exclude-checks", EXCLUDED, "--exclude-path", "/v1/stream", "--generation-database", "none"]
        # A busy machine makes neither data slower to find nor answers wrong.
        fixed += ["--suppress-health-check", "all", "--request-timeout", "60"]
        (folder / "schemathesis.toml").write_text(SETTINGS)
        process = await asyncio.create_subprocess_exec(
            *asked,
            *fixed,
            *options,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "SCHEMATHESIS_HOOKS": CHECKS, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        said, _ = await process.communicate()
        return said.decode() if process.returncode else None


async def test_a_minute_of_generated_requests_finds_no_hole_of_the_contract(tmp_path: Path) -> None:
    found = await findings(tmp_path, "--max-time", "60", "--max-examples", "100", "--warnings", "off")
    assert found is None, found


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_five_minutes_of_generated_requests_find_no_hole_of_the_contract(tmp_path: Path) -> None:
    found = await findings(tmp_path, "--max-time", "300", "--max-examples", "1000", "--warnings", "off")
    assert found is None, found
