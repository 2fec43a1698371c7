"""A configuration that is wrong is refused by name, all of it at once, and never half used (docs/configuration.md)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from monitor.cli.main import WRONG, check_config
from monitor.clock import SystemClock
from monitor.config import BadConfig, load
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import wiring
from monitor.daemon.journal import Journal
from monitor.daemon.sequencer import Sequencer
from monitor.running import Running, Tasks
from monitor.stores.memory import MemoryStore
from monitor.telemetry import Health, Metrics
from tests.fakes import FakeOutlet
from tests.faults.house import SECRET, Daemon, House, until, webhook

PRODUCT = '[[product]]\nkind = "vip_loan"\nfile = "vip_loan.toml"\n'
HOOK = f'[[notifier]]\nname = "hook"\nkind = "webhook"\nsecret = "{SECRET}"\n'


def problems_of(folder: Path, text: str) -> list[str]:
    house = House(folder)
    house.config.write_text(text)
    with pytest.raises(BadConfig) as caught:
        load(house.config)
    return [p.removeprefix(f"{house.config}: ") for p in caught.value.problems]


def test_check_config_goes_on_behind_the_first_problem(tmp_path: Path) -> None:
    """Rules, secrets, prices and books are looked at although each of them has a problem."""
    house = House(tmp_path)
    house.config.write_text(
        '[[product]]\nkind = "vip_loan"\nfile = "absent.toml"\n'
        '[[notifier]]\nname = "hook"\nkind = "webhook"\nurl = "https://desk.example/"\nsecret_file = "no-secret"\n'
        '[[feed]]\nkind = "scenario"\nfile = "no-scenario.toml"\n'
        '[[book]]\nkind = "file"\npath = "no-book.jsonl"\n'
        '[web]\ntokens = [{ name = "ops", role = "admin", secret_file = "no-token" }]\n'
    )
    ended = house.command("check-config", "--config", "monitor.toml")
    assert ended.code == WRONG
    for name in ("absent.toml", "no-secret", "no-scenario.toml", "no-book.jsonl", "no-token"):
        assert name in ended.err, (name, ended)
    assert "Traceback" not in ended.err


def test_check_config_names_the_new_key_of_an_old_one(tmp_path: Path) -> None:
    house = House(tmp_path)
    said = 'prices.stale_after_s is now stale_after = "1h"'
    house.config.write_text("[web]\nport = 99999\n[prices]\nstale_after_s = 3600\n" + PRODUCT)
    assert said in house.command("check-config", "--config", "monitor.toml").err
    house.config.write_text("[prices]\nstale_after_s = 3600\n" + PRODUCT)
    ended = house.command("check-config", "--config", "monitor.toml")
    assert (ended.code, said in ended.err) == (0, True)


@pytest.mark.parametrize(("length", "is_short"), [(23, True), (24, False)])
def test_a_token_that_can_be_guessed_is_a_note_here_and_refused_beyond_loopback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], length: int, is_short: bool
) -> None:
    """Nobody is locked out for guessing, so the length of a token is what protects it."""
    config = House(tmp_path).config
    token = f'tokens = [{{ name = "ops", role = "admin", secret = "{"x" * length}" }}]\n'
    config.write_text(f"[web]\n{token}" + PRODUCT)
    assert check_config(config=config) == 0
    assert ("the secret of 'ops' has fewer than 24 characters" in capsys.readouterr().err) is is_short
    config.write_text(f'[web]\nhost = "0.0.0.0"\n{token}' + PRODUCT)
    for check in (lambda: check_config(config=config), lambda: wiring.check(load(config))):
        if not is_short:
            check()
            continue
        with pytest.raises(BadConfig) as caught:
            check()
        (problem,) = caught.value.problems
        assert "'ops' has fewer than 24 characters" in problem
        assert "secrets.token_urlsafe(32)" in problem


def test_check_config_says_what_puts_of_a_scope_tell(tmp_path: Path) -> None:
    """One who may not put, or whose names begin otherwise than those of others, learns nothing."""
    house = House(tmp_path)
    scope = 'scope = { borrower = "ACME" }'
    tokens = (
        f'{{ name = "acme", role = "feeder", secret = "a", {scope} }}',
        f'{{ name = "looks", role = "viewer", secret = "b", {scope} }}',
        f'{{ name = "apart", role = "feeder", secret = "c", {scope}, prefix = "apart-" }}',
        '{ name = "desk", role = "feeder", secret = "d" }',
    )
    house.config.write_text(f"{PRODUCT}[web]\ntokens = [{', '.join(tokens)}]\n")
    ended = house.command("check-config", "--config", "monitor.toml")
    notes = [line for line in ended.err.splitlines() if line.startswith("note: token")]
    assert ended.code == 0
    assert [note.split("'")[1] for note in notes] == ["acme"]
    assert "403" in notes[0]
    assert "409" in notes[0]
    assert 'prefix = "acme-"' in notes[0]


async def test_a_daemon_logs_the_new_key_of_an_old_one(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write(more="[lifecycle]\nclear_hold_s = 60\n", feed=False)
    async with Daemon(house) as daemon:
        assert 'lifecycle.clear_hold_s is now clear_hold = "1m"' in daemon.said()


def test_a_table_that_is_none_is_named(tmp_path: Path) -> None:
    found = problems_of(tmp_path, 'store = 5\nbook = "x"\n' + PRODUCT)
    assert found == ["store: found 5, expected a table such as [store]", "book: expected tables written as [[book]]"]


def test_a_store_without_a_kind_is_sqlite(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.config.write_text('[store]\nkeep = "30d"\n' + PRODUCT)
    assert load(house.config).store.kind == "sqlite"


def test_a_value_that_a_part_itself_refuses_is_under_its_key(tmp_path: Path) -> None:
    found = problems_of(tmp_path, PRODUCT + HOOK + 'url = "ftp://desk.example/x"\n[prices]\nusdt_usd = "0"\n')
    assert [p.partition(":")[0] for p in found] == ["prices.usdt_usd", "notifier[0].url"]
    assert all("found" in p and "expected" in p for p in found)


def test_a_notifier_that_is_wrong_is_no_second_problem_of_its_routes(tmp_path: Path) -> None:
    found = problems_of(tmp_path, PRODUCT + HOOK + 'url = "ftp://x/"\n[[route]]\nto = ["hook", "hok"]\n')
    assert [p.partition(":")[0] for p in found] == ["notifier[0].url", "route[0].to"]
    assert "'hok'" in found[1]


def test_an_open_address_is_named_beside_other_problems_of_the_web(tmp_path: Path) -> None:
    found = problems_of(tmp_path, PRODUCT + '[web]\nhost = "0.0.0.0"\nport = 99999\n')
    assert [p.partition(":")[0] for p in found] == ["web.port", "web.host"]


def test_a_daemon_does_not_start_with_a_scenario_that_is_not_there(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write(more='[[feed]]\nkind = "scenario"\nfile = "no-scenario.toml"\n', feed=False)
    ended = house.command("run", "--config", "monitor.toml", timeout_s=20)
    assert ended.code == WRONG
    assert "no-scenario.toml" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("more", "web"),
    [
        ('[[feed]]\nkind = "scenario"\nfile = "no-scenario.toml"\n', "port = 0"),
        ("", 'port = 0\ntokens = [{ name = "ops", role = "admin", secret_file = "no-token" }]'),
    ],
)
async def test_a_reload_that_names_what_is_not_there_changes_nothing(tmp_path: Path, more: str, web: str) -> None:
    """All or nothing: also the margin-call line, which the same reload would move, stays where it was."""
    house = House(tmp_path)
    house.write(feed=False)
    async with Daemon(house) as daemon:
        house.product(margin_call="0.75")
        house.write(more=more, web=web, feed=False)
        await daemon.reload("the old one stays in force")
        assert (await daemon.get("/v1/audit"))["items"] == []
        house.write(webhook("hook", "http://127.0.0.1:9/"), feed=False)
        await daemon.reload()


async def test_the_sequencer_ends_when_it_is_cancelled_while_it_wakes() -> None:
    """A part breaks while a book is read: the daemon cancels all others, and must not go on for ever."""
    store = MemoryStore()
    await store.open()
    parts = Running(store, SystemClock(), Metrics(), Health(), Tasks())
    journal = Journal(parts, FakeOutlet())
    sequencer = Sequencer(parts, RiskMonitor(Rules("desk-1", {})), journal, lambda _: None, None)
    running = asyncio.create_task(sequencer.run())
    await asyncio.sleep(0.05)
    sequencer.quotes([])
    await asyncio.sleep(0)
    running.cancel()
    await until(running.done, "the sequencer has ended", within_s=3.0)
    assert running.cancelled()


def test_a_secret_of_a_book_that_is_not_there_is_named(tmp_path: Path) -> None:
    house = House(tmp_path)
    book = (
        '[[book]]\nkind = "sql"\nurl = "postgresql://desk@127.0.0.1/d"\nsnapshot = "SELECT 1"\npassword_file = "gone"\n'
    )
    house.config.write_text(PRODUCT + book)
    problems = wiring.unusable(house.config, load(house.config).named)
    assert [p for p in problems if "book 'sql': password_file: cannot read" in p]
