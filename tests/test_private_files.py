"""Which files are closed to others, and which stay as they are."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import private_files
from monitor.private_files import Places


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_files_are_private_or_for_a_group(tmp_path: Path) -> None:
    private_files.use(None)
    (tmp_path / "a").touch()
    (tmp_path / "b").mkdir()
    assert (mode(tmp_path / "a"), mode(tmp_path / "b")) == (0o600, 0o700)
    private_files.use("daemon")
    (tmp_path / "c").touch()
    (tmp_path / "d").mkdir()
    assert (mode(tmp_path / "c"), mode(tmp_path / "d")) == (0o640, 0o750)


@pytest.mark.parametrize("shared", ["the working directory", "above it", "the configuration's", "of all users"])
def test_a_folder_that_holds_other_things_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A `state_dir` of "." must not lock the desk out of its own folder."""
    folder = tmp_path / "desk"
    (folder / "sub").mkdir(parents=True)
    (folder / "theirs").touch()
    (folder / "ours").touch()
    keep_open = []
    if shared == "of all users":
        folder.chmod(0o1777)
    elif shared == "the configuration's":
        keep_open = [folder / "sub"]
    else:
        monkeypatch.chdir(folder if shared == "the working directory" else folder / "sub")
    was = mode(folder)
    private_files.narrow(None, Places([folder], [folder / "ours"]), keep_open)
    assert (mode(folder), mode(folder / "theirs"), mode(folder / "ours")) == (was, 0o666, 0o600)
    assert "stays open" in "".join(capsys.readouterr())


def test_a_user_without_a_home_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a number that no list of users has."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    (tmp_path / "d").mkdir()
    private_files.narrow(None, Places([tmp_path / "d"]))
    assert mode(tmp_path / "d") == 0o700


def test_rights_of_the_owner_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name, before in (("read-only", 0o444), ("program", 0o755)):
        (tmp_path / "d" / name).touch()
        (tmp_path / "d" / name).chmod(before)
    private_files.narrow(None, Places([tmp_path / "d"], [tmp_path / "absent"]))
    assert (mode(tmp_path / "d/read-only"), mode(tmp_path / "d/program")) == (0o400, 0o700)


def test_what_cannot_be_given_to_the_group_stays_the_owners_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: str, uid: int, gid: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", path)

    for n in range(50):
        (tmp_path / f"{n}").touch()
    monkeypatch.setattr(os, "chown", refuse)
    private_files.narrow("daemon", Places(files=[tmp_path / f"{n}" for n in range(50)]))
    assert {mode(tmp_path / f"{n}") for n in range(50)} == {0o600}
    said = "".join(capsys.readouterr())
    assert said.count("files cannot be kept private") == 1
    assert "files=50" in said


def test_an_unknown_group_is_said() -> None:
    with pytest.raises(ValueError, match="'no-such-group', which is no group of this machine"):
        private_files.group_id("no-such-group")
