"""The table [head], and what people read of a head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.cli import head_checks
from monitor.cli.head_checks import own
from monitor.config import BadConfig, load
from monitor.lease.database import DatabaseState
from monitor.lease.fenced import Fenced, fenced_by
from monitor.lease.state import HeadState
from monitor.stores import postgres
from tests.faults.house import House
from tests.postgres_server import shared_server

ACTIVE = HeadState("active", 3, "risk-a", "1.0", 0.4, "lease", 0.0, "https://risk-b:8080", "not asked", "")


def problems_of(folder: Path, head: str, store: str = 'kind = "memory"') -> str:
    house = House(folder)
    house.write(f"[head]\n{head}", store=store)
    with pytest.raises(BadConfig) as caught:
        load(house.config)
    return "\n".join(caught.value.problems)


def test_two_daemons_need_a_store_that_they_can_share(tmp_path: Path) -> None:
    said = problems_of(tmp_path, 'peer = "https://risk-b:8080"')
    assert "head: needs [store] kind = \"postgres\", which two daemons can share; found 'memory'" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('peer = "risk-b:8080"', "expected the other daemon's address"),
        ('peer = "https://me:word@risk-b:8080"', "found 'https://risk-b:8080'"),
        ('peer = "https://risk-b:8080/below"', "expected the other daemon's address"),
        ('ttl = "200ms"', "1s"),
        ('name = "risk b"', "letters, digits"),
    ],
)
def test_a_head_that_cannot_be_is_refused_by_name(tmp_path: Path, line: str, said: str) -> None:
    found = problems_of(tmp_path, line)
    assert "head." in found or "head:" in found
    assert said in found
    assert "word@" not in found


def test_a_head_says_why_it_is_silent() -> None:
    assert ACTIVE.silence is None
    cut_off = msgspec.structs.replace(ACTIVE, basis="none", trouble="no route to db.desk.example")
    assert "another head may be sending" in str(cut_off.silence)
    assert msgspec.structs.replace(cut_off, peer="").silence is None, "no standby is known: it goes on"
    assert msgspec.structs.replace(ACTIVE, basis="peer").silence is None
    waits = msgspec.structs.replace(ACTIVE, role="standby", basis=None)
    assert waits.silence == "standby: the head risk-a has the lease"
    assert "db.desk.example" not in str(cut_off.open)


def test_a_head_says_what_would_keep_another_from_taking_over() -> None:
    database = DatabaseState("15.4", "", "on", "on", False)
    assert msgspec.structs.replace(ACTIVE, database=database).worries == []
    unsafe = msgspec.structs.replace(database, fsync="off", is_standby=True)
    (fsync, standby) = msgspec.structs.replace(ACTIVE, database=unsafe).worries
    assert "fsync is off" in fsync
    assert "takes no commits" in standby
    (clock,) = msgspec.structs.replace(ACTIVE, clock_offset_s=-0.3).worries
    assert "-0.300 s off that of the database, at most 250 ms" in clock
    (peer,) = msgspec.structs.replace(ACTIVE, peer_says="does not answer").worries
    assert "https://risk-b:8080 does not answer: nobody would take over" in peer
    assert msgspec.structs.replace(ACTIVE, database=unsafe).open.worries == [], "a probe reads nothing of the database"


@pytest.mark.parametrize(
    ("url", "tls", "password", "parts"),
    [
        ("postgresql://desk@db.example/risk", "off", False, ["store wire", "store password"]),
        ("postgresql://desk@db.example/risk", "verify-ca", True, ["store wire"]),
        ("postgresql://desk@db.example/risk", "verify-full", True, []),
        ("postgresql://desk@127.0.0.1/risk", "off", False, []),
        ("postgresql://desk@/risk?host=/run/postgresql", "off", False, []),
    ],
)
def test_the_doctor_says_where_tls_and_a_password_are_missing(
    tmp_path: Path, url: str, tls: Any, password: bool, parts: list[str]
) -> None:
    file = tmp_path / "password"
    config = postgres.Config(url, tls=tls, password_file=file if password else None)
    assert [found.part for found in head_checks.open_wire(config)] == parts


async def test_the_doctor_looks_at_clock_and_standby_of_the_database(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write("[head]", store=f'kind = "postgres"\nurl = "{shared_server().url}"\ntls = "off"')
    standby, clock = await head_checks.of_database(load(house.config))
    assert (standby.status, standby.part) == ("note", "store standby")
    assert "synchronous_standby_names is empty" in standby.text
    assert (clock.status, clock.part) == ("fine", "store clock")
    off = head_checks.offset(0.4, is_head=True)
    assert off.status == "trouble"
    assert "takes no lease" in off.text


def test_the_doctor_says_role_holder_epoch_age_and_peer() -> None:
    found = own(ACTIVE)
    text = "active; holder risk-a, epoch 3, lease 0.4 s old; peer https://risk-b:8080: not asked"
    assert (found.status, found.text) == ("fine", text)
    assert own(msgspec.structs.replace(ACTIVE, trouble="refused")).status == "trouble"


def test_what_ended_a_head_is_found_in_a_group_of_errors() -> None:
    word = Fenced("another head has the lease: epoch 1 is over")
    group = BaseExceptionGroup("tasks", [ValueError("other"), BaseExceptionGroup("beats", [word])])
    assert fenced_by(group) is word
    assert fenced_by(ValueError("other")) is None
