"""What comes with the package: its version, the folder to begin from, and the demonstration inside a wheel."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from monitor.cli import shipped
from monitor.config import BadConfig, load
from tests.faults.house import ROOT
from tests.here import Here
from tools import release

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


async def test_the_version_is_the_version(here: Here) -> None:
    """Not that of some other package, and not 0.0.0."""
    assert (await here("--version")).out.strip() == metadata.version("loan-monitor") == VERSION


async def test_a_folder_to_begin_from_is_whole_and_nothing_is_written_over(tmp_path: Path, here: Here) -> None:
    """The step of the README: copy the folder, and `check-config` names what is not there yet: the book and the secrets."""
    made = await here("init", "my-desk")
    assert (made.code, "monitor check-config --config my-desk/live.toml" in made.out) == (0, True)
    shutil.copytree(ROOT / "config", tmp_path / "copied")
    for folder in ("my-desk", "copied"):
        checked = await here("check-config", "--config", f"{folder}/live.toml")
        problems = [line for line in checked.err.splitlines() if line.startswith("error: ")]
        assert checked.code == 2
        assert [
            word for word in ("books/desk.jsonl", "secrets/risk-desk", "secrets/mail") if word not in checked.err
        ] == []
        assert len(problems) == 3, problems
    assert load(tmp_path / "my-desk/monitor.toml").monitor.name == "demo"
    again = await here("init", "my-desk")
    assert (again.code, "my-desk: is there already; name a new folder" in again.err) == (2, True)


def test_who_has_no_configuration_hears_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as caught:
        shipped.configuration_of(tmp_path / "config/monitor.toml")
    (problem,) = caught.value.problems
    assert "no such file; name yours by --config. `monitor demo` plays" in problem
    assert "`monitor init FOLDER`" in problem


async def test_what_is_ours_alone_is_not_copied(tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout keeps secrets under config/."""
    folder = tmp_path / "config"
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets/ops").write_text("a secret")
    (folder / "live.toml").write_text("")
    monkeypatch.setattr(shipped, "FOLDER", folder)
    assert (await here("init", "other")).code == 0
    assert [path.name for path in (tmp_path / "other").rglob("*")] == ["live.toml"]


def test_the_documents_name_the_wheel_of_this_version() -> None:
    """A reader types the name of the file as it stands there; the page about upgrades names the next one."""
    for page in ("first-hour", "deployment"):
        text = (ROOT / f"docs/{page}.md").read_text()
        assert set(re.findall(r"loan_monitor-([\d.]+)-py3", text)) == {VERSION}, page


def test_make_says_what_it_sets_up() -> None:
    """Each step that takes long has its line before it; the others are over at once."""
    recipe = [line.strip() for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\t")]
    for slow in (
        "-m venv .venv ",
        "--requirement requirements.lock",
        "-m monitor.engine.warm",
        "npm ci",
        "npm run --silent build",
    ):
        place = next(i for i, line in enumerate(recipe) if slow in line or (slow.strip() in line and "||" in line))
        assert any("setting up" in line for line in recipe[place - 1 : place + 1]), slow
    assert 'echo "starting: monitor run --config $(CONFIG)"' in " ".join(recipe)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a release builds it, of this checkout and with the page that is built already."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("monitor", "config"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "secrets"))
    for name in ("pyproject.toml", "hatch_build.py", "README.md", ".gitignore"):
        shutil.copy(ROOT / name, root)
    page = root / release.PAGE
    if not page.is_file():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<title>the page is not built here</title>")
    release.built(root, root / "dist")
    (built,) = (root / "dist").glob("*.whl")
    assert built.name == f"loan_monitor-{VERSION}-py3-none-any.whl"
    return built


async def test_the_demonstration_plays_from_inside_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """Nothing of the checkout is there: the package is what the wheel holds, and the folder is empty."""
    inside = tmp_path / "inside"
    zipfile.ZipFile(wheel).extractall(inside)
    folder = tmp_path / "anywhere"
    folder.mkdir()
    await plays(folder, [sys.executable, "-P", "-m", "monitor"], {"PYTHONPATH": str(inside)})


@pytest.mark.soak
async def test_the_wheel_is_installed_into_an_empty_environment_and_plays(wheel: Path, tmp_path: Path) -> None:
    """`pip install` of the file alone; what it needs comes from the package index. `monitor` is the command that pip makes."""
    monitor = installed(wheel, tmp_path / "env")
    folder = tmp_path / "anywhere"
    folder.mkdir()
    await plays(folder, [monitor], {})


def installed(wheel: Path, env: Path) -> str:
    """The command of a package in an environment of its own, which says its version."""
    subprocess.run([sys.executable, "-m", "venv", env], check=True)
    done = subprocess.run([env / "bin/pip", "install", "--quiet", wheel], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    monitor = str(env / "bin/monitor")
    version = subprocess.run([monitor, "--version"], check=True, capture_output=True, text=True, env=bare())
    assert version.stdout.strip() == VERSION
    return monitor


def bare() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


async def plays(folder: Path, command: list[str], env: dict[str, str]) -> None:
    """`monitor demo` starts, serves the page and its API, and raises the first alert of the crash."""
    process = await asyncio.create_subprocess_exec(
        *command, "demo", "--port", "0", cwd=folder, env=bare() | {"NO_COLOR": "1"} | env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = b""
        async with asyncio.timeout(60):
            while b"zebra-finch early warning" not in said:
                line = await process.stdout.readline()
                assert line, said.decode()
                said += line
        served = re.search(rb"page +http://127\.0\.0\.1:(\d+)/", said)
        assert served is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served[1]))
        writer.write(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"<title>" in await reader.read()
        writer.close()
    finally:
        process.terminate()
        assert await process.wait() == 0
    assert list((folder / "var/mail").rglob("*.eml"))
