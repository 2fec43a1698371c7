"""What a release refuses, and what it states about itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from tools import client_release, release, sbom

ROOT = Path(__file__).parents[2]
FINE = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
WEAK = {"name": "idna", "version": "3.6", "vulns": [{"id": "PYSEC-2024-60", "fix_versions": ["3.7"], "aliases": []}]}
UNKNOWN = {"name": "rich", "skip_reason": "Dependency not found"}


def test_packages_without_a_known_weakness_pass() -> None:
    assert release.judged([FINE, FINE]) == "2 packages have no known weakness"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([FINE, WEAK], "idna 3.6: PYSEC-2024-60 (fixed in 3.7)\nraise these in pyproject.toml, then run `make lock`"),
        ([FINE, UNKNOWN], "1 of 2 packages could not be audited, the first: Dependency not found; run `make release` where there is a network"),
        ([], "0 of 0 packages could not be audited; run `make release` where there is a network"),
    ],
    ids=["weak", "not looked up", "nothing"],
)  # fmt: skip
def test_what_is_weak_or_was_not_looked_up_is_said(found: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(release.NotReleased) as caught:
        release.judged(found)
    assert str(caught.value) == says


def test_an_audit_without_a_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real pip-audit, with a proxy that is not there."""
    for name in ("requirements.lock", "requirements-build.lock"):
        (tmp_path / name).write_text(f"idna==3.10 --hash=sha256:{'0' * 64}\n")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(
        release.NotLookedUp, match="cannot ask the package index; run `make release` where there is a network"
    ):
        release.audited(tmp_path)


def test_the_bill_names_all_that_runs_and_nothing_of_the_tests() -> None:
    """Each dependency of pyproject.toml, what it needs in turn, the extras, and what is in the page."""
    shipped = sbom.parts(ROOT)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {part.name for part in shipped}
    wanted = {canonicalize_name(text.split(">")[0].split("[")[0]) for text in project["dependencies"]}
    assert wanted <= names
    assert {"hiredis", "multidict", "llvmlite", "preact", "uplot"} <= names
    assert names.isdisjoint({"pytest", "hypothesis", "mypy", "pandas", "vite"})
    assert [part.name for part in shipped if part.is_optional and part.name == "apprise"] == ["apprise"]
    assert [part.name for part in shipped if part.licence == "not stated"] == []
    assert [part.name for part in shipped if not part.hashes] == []


def test_the_bill_is_what_the_standard_asks_for() -> None:
    some = {
        "aiohttp",
        "multidict",
        "rich",
        "uvloop",
        "preact",
    }  # one for each way to state a licence; the schema is slow
    shipped = [part for part in sbom.parts(ROOT) if part.name in some]
    text = sbom.bill("0.1.0", shipped)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    said = json.loads(text)
    assert len(said["components"]) == len(shipped)
    needs = {row["ref"].partition("@")[0]: row.get("dependsOn", []) for row in said["dependencies"]}
    assert any(ref.startswith("pkg:pypi/multidict@") for ref in needs["pkg:pypi/aiohttp"])
    listed = sbom.licences("0.1.0", shipped)
    assert "preact" in listed
    assert "Permission is hereby granted" in listed


def test_what_is_not_installed_as_locked_is_not_stated(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lock = (ROOT / "requirements.lock").read_text()
    version = lock.split("\naiohttp==")[1].split(" ")[0]
    (tmp_path / "requirements.lock").write_text(lock.replace(f"\naiohttp=={version}", "\naiohttp==1.0.0"))
    with pytest.raises(sbom.NotAsLocked, match=r"aiohttp \S+ is installed, the lock names 1\.0\.0; run `make setup`"):
        sbom.parts(tmp_path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As little of the project as can be built, with a page that stands for the real one."""
    root = tmp_path_factory.mktemp("small")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", ".gitignore"):
        shutil.copy(ROOT / name, root)
    for name, text in {
        "monitor/__init__.py": "",
        "monitor/web/static/index.html": "<p>the page</p>",
        "config/monitor.toml": "",
        "config/secrets/ops": "a secret of somebody",
        "config/desk.toml": "a configuration of somebody",
        "dashboard/package.json": "{}",
        "bin/npm": "#!/bin/sh\nexit 0\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "bin/npm").chmod(0o755)
    return root


def test_wheel_and_archive_have_the_page_and_the_archive_needs_no_node(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(small / "bin"), prepend=":")
    said = release.built(small, tmp_path)
    assert said == "built loan_monitor-0.1.0-py3-none-any.whl and loan_monitor-0.1.0.tar.gz, with the page"
    with tarfile.open(tmp_path / "loan_monitor-0.1.0.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "again")]
    subprocess.run(command, cwd=tmp_path / "loan_monitor-0.1.0", check=True)
    with zipfile.ZipFile(tmp_path / "again/loan_monitor-0.1.0-py3-none-any.whl") as wheel:
        assert wheel.read(release.PAGE) == b"<p>the page</p>"
        assert release.DEMONSTRATION in wheel.namelist()


def test_a_wheel_has_the_demonstration_and_nothing_that_a_desk_keeps_beside_it(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(small / "bin"), prepend=":")
    release.built(small, tmp_path)
    with zipfile.ZipFile(tmp_path / "loan_monitor-0.1.0-py3-none-any.whl") as wheel:
        assert [n for n in wheel.namelist() if "shipped" in n or "config" in n] == [release.DEMONSTRATION]


def test_a_release_without_a_demonstration_is_none(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "none"
    shutil.copytree(small, root)
    (root / "config/monitor.toml").unlink()
    monkeypatch.setenv("PATH", str(small / "bin"), prepend=":")
    with pytest.raises(release.NotReleased, match="has no demonstration; build it from a whole checkout"):
        release.built(root, tmp_path / "dist")


@pytest.fixture
def made(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose audit and clients stand still; the rest is real."""
    root = tmp_path / "checkout"
    shutil.copytree(small, root)
    (root / "CHANGELOG.md").write_text("## [0.1.0] - 2026-01-01\n")
    (root / "Dockerfile").write_text(f"FROM python@sha256:{'0' * 64}\n")
    (root / "docker-compose.yml").write_text("")
    monkeypatch.setenv("PATH", str(small / "bin"), prepend=":")
    monkeypatch.setattr(release, "audited", lambda _: "2 packages have no known weakness")
    monkeypatch.setattr(client_release, "packed", lambda *_: "packed the clients")
    parts = sbom.parts(ROOT)[:1]
    monkeypatch.setattr(sbom, "parts", lambda _: parts)
    return root


def publishable(root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the gate says; nothing where it lets go."""
    code = release.main(root, ["--publishable"])
    said = capsys.readouterr()
    assert (code == 0) == ("nothing about them is unknown" in said.out) == (not said.err)
    return said.err.removeprefix("not publishable:\n").rstrip()


def test_a_release_of_which_all_is_known_is_publishable_as_it_is(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publishable(made, capsys) == "there is no dist/SHA256SUMS; run `make release`"
    assert release.main(made) == 0
    assert publishable(made, capsys) == ""
    wheel = made / "dist/loan_monitor-0.1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes() + b" ")
    (made / "dist/other").touch()
    assert publishable(made, capsys) == (
        f"not as dist/SHA256SUMS states it: {wheel.name}, other; run `make release` again"
    )


def test_what_nobody_could_look_up_is_listed_beside_a_release_which_is_not_publishable(
    made: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "audited", lambda _: release.judged([FINE, UNKNOWN]))
    (made / "Dockerfile").write_text("FROM python:3.11-slim\n")
    assert release.main(made) == 0
    unknown = (
        "Dockerfile: python:3.11-slim has no digest; run `make images-lock REGISTRY=https://...` where there is a network\n"
        "1 of 2 packages could not be audited, the first: Dependency not found; run `make release` where there is a network"
    )
    assert capsys.readouterr().out.rstrip().endswith(f"not to be given away yet:\n{unknown}")
    assert (made / "dist/loan_monitor-0.1.0-py3-none-any.whl").is_file()
    assert publishable(made, capsys) == f"{unknown}\nthen run `make release` again"


def test_a_known_weakness_is_no_release(
    made: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "audited", lambda _: release.judged([WEAK]))
    assert release.main(made) == 1
    assert capsys.readouterr().err.startswith("no release:\nidna 3.6: PYSEC-2024-60")
    assert not (made / "dist").exists()


def test_a_version_that_the_changelog_does_not_tell_of_is_no_release(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n- something\n")
    with pytest.raises(release.NotReleased, match=f"CHANGELOG.md has no section \\[{re.escape(version)}\\]"):
        release.versioned(tmp_path)
    assert release.versioned(ROOT) == f"CHANGELOG.md says what is new in {version}"


def test_a_release_without_a_page_is_none(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "none"
    shutil.copytree(small, root)
    (root / release.PAGE).unlink()
    monkeypatch.setenv("PATH", str(small / "bin"), prepend=":")
    with pytest.raises(release.NotReleased, match="has no web page; install node and npm"):
        release.built(root, tmp_path / "dist")


def test_what_builds_the_package_is_locked_by_hash() -> None:
    """pip, uv and the builder run before anything else is looked at."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = (ROOT / "requirements-build.lock").read_text()
    pins = project["dependency-groups"]["build"]
    assert set(project["build-system"]["requires"]) <= set(pins)
    for pin in pins:
        assert f"{pin} \\\n    --hash=sha256:" in lock
    for file in ("Makefile", "Dockerfile"):
        text = (ROOT / file).read_text()
        installs = [line for line in text.splitlines() if "pip install" in line and "uv pip" not in line]
        assert installs
        assert [line for line in installs if "--require-hashes" not in line] == []
        assert "--no-build-isolation" in text or "hatchling build" in text


def test_bandit_leaves_out_only_what_ruff_judges(tmp_path: Path) -> None:
    """Two tools for one place would want two words for one reason; a place that neither judges would be open."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert "S" in project["ruff"]["lint"]["select"]
    assert [rule for rule in project["ruff"]["lint"]["ignore"] if rule.startswith("S")] == ["S101"]
    assert set(project["bandit"]["skips"]) == {"B101", "B311", "B404", "B603", "B607", "B608", "B701"}
    planted = tmp_path / "planted.py"
    planted.write_text(
        "import random, sqlite3, subprocess, jinja2\n"
        "def ask(db, name, words):\n"
        '    db.execute(f"SELECT * FROM alerts WHERE id = {name}")\n'
        "    subprocess.run(words)\n"
        '    subprocess.run(["git"])\n'
        "    jinja2.Environment(autoescape=False)\n"
        "    return random.random()\n"
    )
    config = str(ROOT / "pyproject.toml")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "S", "--output-format", "concise", str(planted)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert {rule for rule in ("S311", "S603", "S607", "S608", "S701") if rule in done.stdout} == {
        "S311", "S603", "S607", "S608", "S701",
    }, done.stdout  # fmt: skip
    planted.write_text("import hashlib, yaml\nyaml.load(open('a'))\nhashlib.md5(b'a')\n")
    words = [sys.executable, "-m", "bandit", "--quiet", "--configfile", config, str(planted)]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert {rule for rule in ("B324", "B506") if rule in found.stdout} == {"B324", "B506"}
