"""The doctor says where TLS and a token to Ray beyond this machine are missing."""

from pathlib import Path

import pytest

from monitor.cli.doctor import examine
from monitor.cli.shard_checks import of_ray
from monitor.config import load
from monitor.tables import EngineTable
from tests.engine.spread.own_authority import tls_of_ray
from tests.faults.house import House

FAR = "ray://10.0.0.7:10001"
TLS = {"RAY_USE_TLS": "1"}
"""The files are those of the fixture `tls`."""
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "made-up"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return tls_of_ray(tmp_path_factory.mktemp("ray") / "authority", "10.0.0.7")


@pytest.mark.parametrize(
    ("ray", "environ", "said"),
    [
        ("", {}, []),
        ("ray://127.0.0.1:10001", {}, []),
        ("ray://[::1]:10001", {}, []),
        (FAR, {}, ["trouble ray wire", "trouble ray token"]),
        (FAR, TLS, ["trouble ray token"]),
        (FAR, TOKEN, ["trouble ray wire"]),
        (FAR, TLS | TOKEN, ["fine ray wire"]),
        (FAR, TLS | {"RAY_AUTH_TOKEN": "made-up"}, ["fine ray wire"]),
        (FAR, TLS | {"RAY_AUTH_MODE": "token"}, ["trouble ray token"]),
        (FAR, TLS | TOKEN | {"RAY_AUTH_MODE": "disabled"}, ["trouble ray token"]),
        (FAR, TLS | {"RAY_USE_TLS": "0"} | TOKEN, ["trouble ray wire"]),
        ("auto", {}, ["note ray wire", "note ray token"]),
        ("auto", {"RAY_ADDRESS": "127.0.0.1:6379"}, []),
        ("auto", {"RAY_ADDRESS": "10.0.0.7:6379"} | TOKEN, ["trouble ray wire"]),
    ],
)
def test_the_doctor_says_where_tls_and_a_token_to_ray_are_missing(
    tmp_path: Path, tls: dict[str, str], ray: str, environ: dict[str, str], said: list[str]
) -> None:
    found = of_ray(EngineTable(shards=1, ray=ray), tls | {"RAY_USE_TLS": "0"} | environ, tmp_path)
    assert [f"{each.status} {each.part}" for each in found] == said


@pytest.mark.parametrize("name", [".ray/auth_token", "elsewhere"])
def test_a_token_may_stand_in_a_file(tmp_path: Path, tls: dict[str, str], name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    environ = tls | ({"RAY_AUTH_TOKEN_PATH": str(path)} if name == "elsewhere" else {})
    path.write_text("\n")
    assert [each.status for each in of_ray(EngineTable(shards=1, ray=FAR), environ, tmp_path)] == ["trouble"]
    path.write_text("made-up\n")
    assert [each.status for each in of_ray(EngineTable(shards=1, ray=FAR), environ, tmp_path)] == ["fine"]


def test_the_doctor_names_a_file_of_tls_that_is_not_there(tmp_path: Path, tls: dict[str, str]) -> None:
    environ = tls | TOKEN | {"RAY_TLS_SERVER_KEY": "/nowhere/key.pem"}
    (found,) = of_ray(EngineTable(shards=1, ray="ray://127.0.0.1:10001"), environ, tmp_path)
    assert found.status == "trouble"
    assert found.text.startswith("RAY_TLS_SERVER_KEY = /nowhere/key.pem: No such file")


async def test_the_doctor_looks_at_the_way_to_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_USE_TLS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    house = House(tmp_path)
    house.write(f'[engine]\nshards = 2\nray = "{FAR}"\n')
    monkeypatch.chdir(tmp_path)
    found = {each.part: each for each in await examine(load(house.config))}
    assert found["ray wire"].status == "trouble"
    assert FAR in found["ray wire"].text
