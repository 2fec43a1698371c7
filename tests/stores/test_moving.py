"""A desk moves from a file to PostgreSQL with every row, and two neighbouring versions share a database while they change."""

from __future__ import annotations

import asyncio
import json
import shlex
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from monitor.cli import stores
from monitor.cli.main import commands
from monitor.core.groups.outcome import StoredBlock
from monitor.core.rules.product import CoinRates, DatedRate
from monitor.stores import postgres, sqlite
from monitor.stores._base import (
    AlertFilter,
    Applied,
    Audit,
    Change,
    DeliveryFilter,
    HistoryFilter,
    LtvPoint,
    Store,
    StoreRefused,
    Subscription,
    Switched,
)
from monitor.stores.postgres import PostgresStore, schema
from monitor.stores.postgres.arrivals import TABLES
from tests.docs.blocks import ROOT, blocks_of
from tests.faults.house import House
from tests.postgres_server import shared_server
from tests.stores.examples import (
    AT,
    DAY,
    DESK,
    PHONE,
    TRIGGERED,
    alert,
    core_state,
    ended,
    full_alert,
    state,
    stored,
    told,
)

POINT = LtvPoint("G-1", 60, AT.replace(microsecond=0), *(Decimal("0.5"),) * 3, 0, {"desk": "east"})


def entered(number: int) -> Change:
    """Something of everything that a commit may bring."""
    at = AT + number * DAY
    one = full_alert() if number == 1 else alert(TRIGGERED, f"G-{number}", at=at)
    return Change(
        at,
        groups=(stored(f"G-{number}"),),
        closed=(f"G-{number + 20}",),
        states=(state(f"G-{number}"),),
        alerts=((one, (DESK, PHONE)),),
        entries=(Applied(f"G-{number}", f"e-{number}", "d", 2, at, 1, {"desk": "east"}),),
        audits=(Audit(at, "ops", "put group", f"G-{number}", None, {"n": number}),),
        desk=core_state(at),
        blocks=(StoredBlock(number, bytes([number, 0, 255])),),
        history=(msgspec.structs.replace(told(f"G-{number}", at=at), labels={"desk": "east"}),),
        rates=(CoinRates("vip_loan", f"C{number}", (DatedRate(AT, Decimal("0.1"), "x"),)),),
    )


async def fill(store: Store) -> None:
    await store.open()
    for number in range(3):
        await store.commit(entered(number))
    (first, second, *_) = await store.open_deliveries()
    await store.start_attempts([first.id, second.id], AT)
    await store.end_attempts([ended(first.id, "delivered", detail="HTTP 200"), ended(second.id, "pending")])
    await store.keep_points([POINT, msgspec.structs.replace(POINT, at=POINT.at + timedelta(minutes=1), labels=None)])
    await store.switch_off(Switched("phone", AT, "a test", "d"))
    await store.keep_subscription(Subscription("acme", "https://acme.example/in", (), AT))
    await store.key("seal")
    await store.prune(AT + DAY / 2)
    await store.close()


async def said(store: Store) -> dict[str, Any]:
    """What a store answers about all that it has."""
    return {
        "state": await store.open(),
        "alerts": await store.alerts(AlertFilter()),
        "deliveries": await store.deliveries(DeliveryFilter()),
        "attempts": [await store.attempts(each.id) for each in await store.deliveries(DeliveryFilter())],
        "entries": [await store.entry(f"G-{n}", f"e-{n}") for n in range(3)],
        "audits": (await store.audits(0, 100), await store.audit_head()),
        "history": [await store.history(HistoryFilter(f"G-{n}")) for n in range(3)],
        "points": await store.points("G-1", 60, AT - DAY, AT + DAY),
        "switched": await store.switched_off(),
        "subscriptions": await store.subscriptions(),
        "key": await store.key("seal"),
    }


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A configuration whose store is a schema of its own."""
    made = House(tmp_path)
    made.config = tmp_path / "config" / "live.toml"
    made.config.parent.mkdir()
    url = shared_server().url
    made.write(store=f'kind = "postgres"\nurl = "{url}"\ntls = "off"\nschema = "s{uuid4().hex[:20]}"')
    (made.config.parent / "vip_loan.toml").write_text((tmp_path / "vip_loan.toml").read_text())
    return made


def config_of(house: House) -> postgres.Config:
    text = house.config.read_text()
    return postgres.Config(shared_server().url, schema=text.partition('schema = "')[2].partition('"')[0], tls="off")


def documented(page: str) -> list[list[str]]:
    """The words of each command of `monitor store` on a page."""
    blocks = [block for block in blocks_of(ROOT / "docs" / page) if "monitor store" in block.text]
    return [shlex.split(line)[1:] for block in blocks for line in block.text.splitlines()]


def moved(house: House, file: Path, **more: Any) -> int:
    return stores.copy(from_="sqlite", to="postgres", path=file, config=house.config, **more)


async def test_a_desk_moves_with_every_row_and_goes_on_counting(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command of operations.md."""
    monkeypatch.chdir(house.folder)
    file = Path("var/monitor.db")
    old, new = sqlite.build(sqlite.Config(str(file))), PostgresStore(config_of(house))
    await fill(old)
    (words,) = documented("operations.md")
    assert await asyncio.to_thread(commands, [*words, "--json"], exit_on_error=False) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {table.name for table in TABLES} == answer["tables"].keys()
    assert [name for name, rows in answer["tables"].items() if not rows] == []
    assert answer["rows"] == sum(answer["tables"].values()) > 30
    was = await said(old)
    assert await said(new) == was
    for each in (old, new):
        await each.commit(entered(3))
    after = await said(old)
    assert await said(new) == after
    await old.close()
    await new.close()
    assert await asyncio.to_thread(moved, house, file) == 1
    assert "is not empty" in capsys.readouterr().err


async def test_a_row_that_comes_out_otherwise_undoes_all_of_it(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    file = house.folder / "monitor.db"
    await fill(sqlite.build(sqlite.Config(str(file))))
    db = await postgres.connect(config_of(house))
    await schema.prepare(db, config_of(house).schema)
    await db.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.number = 2 THEN NEW.kind := 'x'; END IF; RETURN NEW; END $$"
    )
    await db.execute("CREATE TRIGGER spoil BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION spoil()")
    assert await asyncio.to_thread(moved, house, file) == 1
    assert "table history, row 2: kind came out otherwise; nothing was copied" in capsys.readouterr().err
    assert await db.fetchval("SELECT count(*) FROM groups") == 0
    await db.execute("DROP TRIGGER spoil ON history")
    await db.close()
    assert await asyncio.to_thread(moved, house, file) == 0


async def test_neither_side_is_copied_while_a_daemon_has_it(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    file = house.folder / "monitor.db"
    old, new = sqlite.build(sqlite.Config(str(file))), PostgresStore(config_of(house))
    await old.open()
    assert await asyncio.to_thread(moved, house, file) == 1
    assert "is in use by another monitor" in capsys.readouterr().err
    await old.close()
    await new.open()
    assert await asyncio.to_thread(moved, house, file) == 1
    assert "is in use by another monitor" in capsys.readouterr().err
    await new.close()


NEXT = schema.SchemaStep("CREATE TABLE more (one int); ALTER TABLE keys ADD COLUMN more int", "DROP TABLE more")


def upgraded(capsys: pytest.CaptureFixture[str], finish: bool) -> tuple[int, dict[str, Any] | str]:
    """By the commands of upgrade.md."""
    asks, finishes = documented("upgrade.md")
    code = commands([*(finishes if finish else asks), "--json"], exit_on_error=False)
    found = capsys.readouterr()
    return code, json.loads(found.out.splitlines()[-1]) if found.out else found.err


async def test_two_neighbouring_versions_share_a_store_until_the_upgrade_is_finished(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house.folder)
    store = PostgresStore(config_of(house))
    await store.open()
    key = await store.key("seal")
    await store.close()
    old = schema.STEPS
    new = (*old, NEXT)
    grown = schema.known() + 1

    async def opened(steps: tuple[schema.SchemaStep, ...]) -> None:
        monkeypatch.setattr(schema, "STEPS", steps)
        await store.open()
        assert await store.key("seal") == key
        await store.commit(entered(0))
        await store.close()

    async def asked(*, finish: bool = False) -> tuple[int, dict[str, Any] | str]:
        return await asyncio.to_thread(upgraded, capsys, finish)

    await opened(new)
    await opened(old)
    assert (await asked(finish=True))[0] == 1, "the older one cannot finish it"
    await opened(new)
    code, found = await asked()
    assert isinstance(found, dict)
    assert (code, found["grown"], found["finished"]) == (0, grown, grown - 1)
    code, found = await asked(finish=True)
    assert isinstance(found, dict)
    assert (code, found["grown"], found["finished"]) == (0, grown, grown)
    db = await postgres.connect(config_of(house))
    assert await db.fetchval("SELECT to_regclass('more')") is None
    await db.close()
    await opened(new)
    with pytest.raises(StoreRefused, match=f"to schema {grown} is finished"):
        await opened(old)
    await opened((*new, schema.SchemaStep("SELECT 1")))
    with pytest.raises(StoreRefused, match="run the newer monitor"):
        await opened(old)
