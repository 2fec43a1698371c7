"""The daemon with its store in PostgreSQL, killed at named places: it goes on as with a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

from monitor.stores import postgres
from tests.crash.autopsy import Findings, examine
from tests.crash.harness import Trial
from tests.effort import examples, more_in_a_soak
from tests.postgres_server import shared_server

STEPS_A_TURN = 12
PLAN = ["before commit:12", "after commit:9", "after send:4", "before commit:2", "after mark:3"]
MOST_STEPS = 20 * STEPS_A_TURN


class PostgresTrial(Trial):
    """A trial whose store is a schema of its own. What a dead daemon left is looked at in a backup."""

    schema = ""

    def write_config(self, secrets: str = "") -> None:
        """The configuration of a trial, with another store."""
        super().write_config(*([secrets] if secrets else []))
        self.schema = self.schema or f"s{uuid4().hex[:20]}"
        table = f'kind = "postgres"\nurl = "{shared_server().url}"\ntls = "off"\nschema = "{self.schema}"'
        text = self.config.read_text()
        self.config.write_text(text.replace('kind = "sqlite"\npath = "var/monitor.db"', table))

    async def examined(self, copy: Path) -> Findings:
        """What a dead daemon left."""
        made = copy.with_suffix(".backup")
        config = postgres.Config(url=shared_server().url, tls="off", schema=self.schema)
        await asyncio.to_thread(postgres.copy, config, made)
        return examine(made, copy)


@more_in_a_soak
async def test_a_kill_loses_and_repeats_nothing_in_postgresql(tmp_path: Path) -> None:
    plan = PLAN[: examples(2, len(PLAN))]
    async with PostgresTrial(tmp_path, seed=5, groups=12, plan=list(plan)) as trial:
        await trial.start()
        await trial.put_book()
        for number in range(MOST_STEPS):
            await trial.step(trial.market.swing(number / STEPS_A_TURN))
            await trial.quiet()
            if trial.kills == len(plan) and number >= STEPS_A_TURN:
                break
        await trial.finish()
        assert [life.crash_at for life in trial.lives if life.code] == plan
