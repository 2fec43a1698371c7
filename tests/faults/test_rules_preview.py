"""A change of rules is previewed against the daemon that runs, and the reload then does just that."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from monitor.core.text import stamp
from monitor.daemon.app import App
from tests.book_lines import one_btc
from tests.faults.house import PRODUCT, ROOT, House
from tests.faults.inside import running, said
from tests.here import Here
from tests.here import here as here

ASK = ["check-config", "--config", "monitor.toml", "--against", "running"]
TOKENS = 'port = 0\ntokens = [{ name = "boss", role = "admin", secret = "a-long-secret-of-the-boss" }]'


async def filled(app: App) -> None:
    """Groups that owe 50 to 79 % of what they hold, at a price that somebody pinned."""
    url = "http://{}:{}".format(*app.address)
    headers = {"Authorization": "Bearer a-long-secret-of-the-boss"}
    async with aiohttp.ClientSession(base_url=url, headers=headers) as http:
        for percent in range(50, 80):
            stated = {**one_btc(f"G-{percent}", owed=str(1000 * percent)), "receiving_account": f"in-{percent}"}
            async with http.put(f"/v1/groups/G-{percent}", json=stated) as answer:
                assert answer.status == 201, await answer.text()
        pin = {
            "pin": "100000",
            "until": stamp(app.clock.utc() + timedelta(hours=2)),
            "reason": "a test",
            "confirmed": True,
        }
        async with http.post("/v1/prices/BTC/decisions", json=pin) as answer:
            assert answer.status == 201, await answer.text()


def stages_of(app: App) -> dict[str, str]:
    found = [app.monitor.sight(id_) for id_ in app.monitor.book.ids()]
    return {s.group.id: s.state.stage for s in found if s is not None}


async def test_a_reload_does_what_the_preview_said(tmp_path: Path, here: Here) -> None:
    house = House(tmp_path)
    house.write(web=TOKENS, feed=False)
    async with running(house) as app:
        await filled(app)
        before = stages_of(app)
        assert sorted(g for g, stage in before.items() if stage == "margin_call") == ["G-77", "G-78", "G-79"]
        same = await here(*ASK)
        assert (same.code, "0 of 30 groups would change stage" in same.out) == (0, True), same
        house.product(initial="0.55", margin_call="0.60")
        told = await here(*ASK)
        assert told.code == 0, told
        assert "17 of 30 groups would change stage at the prices of now" in told.out
        assert "vip_loan@2024-04-29 with other rules, 30 groups" in told.out
        found: dict[str, Any] = json.loads((await here(*ASK, "--json")).out)
        assert [(m["from"], m["to"], m["groups"]) for m in found["moves"]] == [("normal", "margin_call", 17)]
        (first, *_), by_id = found["items"], {row["id"]: row for row in found["items"]}
        assert first["id"] == "G-76", "the worst first"
        row = by_id["G-60"]
        assert (row["ltv_before"], row["ltv"], row["next_line"]["name"]) == ("0.6", "0.6", "liquidation")
        assert stages_of(app) == before, "a preview changes nothing"
        held = await here("reload", "--config", "monitor.toml")
        assert (held.code, "more than reload_max_moves = 10" in held.out) == (1, True), held
        assert stages_of(app) == before, "rules that move many groups wait"
        (waits,) = [trouble for trouble in app.monitor.troubles if trouble.kind == "rules.held"]
        assert "would move 17 groups" in waits.text
        (told,) = await said(app, "rules.held")
        assert {row["group"] for row in told.alert.facts["groups"]} == {row["id"] for row in found["items"]}
        done = await here("reload", "--confirm", "--config", "monitor.toml")
        assert done.code == 0, done
        assert stages_of(app) == before | {row["id"]: row["to"] for row in found["items"]}
        assert app.monitor.troubles == ()
        assert len(await said(app, "rules.released")) == 1


async def test_a_preview_of_what_would_be_refused_says_why(tmp_path: Path, here: Here) -> None:
    house = House(tmp_path)
    house.write(web=TOKENS, feed=False)
    async with running(house) as app:
        await filled(app)
        text = house.config.read_text()
        house.config.write_text(text.replace('kind = "vip_loan"', 'kind = "flexible_loan"'))
        (tmp_path / "vip_loan.toml").write_text(PRODUCT.format(initial="x", margin_call="0.77", grace="24h"))
        bad = await here(*ASK)
        assert bad.code == 2, "a configuration that is wrong is refused before anybody asks the daemon"
        house.config.write_text(text)
        assert "vip_loan.toml: version[0].thresholds.initial" in (await here(*ASK)).err
        house.product()
        (tmp_path / "other.toml").write_text((ROOT / "config/products/aave_v3.toml").read_text())
        house.config.write_text(
            text.replace('kind = "vip_loan"\nfile = "vip_loan.toml"', 'kind = "aave_v3"\nfile = "other.toml"')
        )
        gone = await here(*ASK)
        assert gone.code == 1, gone
        assert "vip_loan: vip_loan@2024-04-29 -> gone, 30 groups" in gone.out
        assert "has product 'vip_loan', which is not configured; add its [[product]] again" in gone.err
        assert (await here(*ASK, "--url", "http://127.0.0.1:9")).code == 1
    assert "no daemon of monitor.toml has noted its port" in (await here(*ASK)).err


async def test_rules_that_nobody_saw_are_not_confirmed(tmp_path: Path, here: Here) -> None:
    """Held rules are confirmed as they were held; a reload of a mended file takes the word back."""
    house = House(tmp_path)
    house.write(web=TOKENS, feed=False)
    async with running(house) as app:
        await filled(app)
        before = stages_of(app)
        house.product(initial="0.55", margin_call="0.60")
        assert (await app.reload()).rules == "held"
        house.product(initial="0.50", margin_call="0.52")
        assert (await app.reload(confirmed=True)).rules == "held", "the file has other rules by now"
        assert stages_of(app) == before
        house.write(web=TOKENS, feed=False, max_moves=30)
        would = await app.reload(dry=True)
        assert (would.rules, would.moved, stages_of(app) == before) == ("taken", 25, True)
        house.product()
        assert (await app.reload()).rules == "unchanged"
        assert (app.monitor.troubles, len(await said(app, "rules.released"))) == ((), 1)
