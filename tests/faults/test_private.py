"""What the daemon writes is its user's alone, whatever the umask was and whatever stood open before."""

from __future__ import annotations

import asyncio
import grp
import os
import stat
from pathlib import Path

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, environment, until

CHANNELS = """\
[[notifier]]
name = "mail"
kind = "email"
smtp = "file:mail"
sender = "risk@desk.example"
to = ["ops@desk.example"]

[[notifier]]
name = "texts"
kind = "sms"
file = "out/texts.log"
to = ["+4915112345678"]

[[route]]
to = ["mail", "texts"]
"""
OPEN_UMASK = ("sh", "-c", 'umask 000; exec "$@"', "sh")
WRITTEN = (
    "var/monitor.db",
    "var/monitor.db-wal",
    "var/monitor.db-shm",
    "var/monitor.db.lock",
    "var/port",
    "var/events",
)
GROUP = "daemon"


TOKEN = {"Authorization": "Bearer s-ops"}


def write(house: House, group: str = "") -> None:
    house.write(CHANNELS, web='port = 0\ntokens = [{ name = "ops", role = "admin", secret_file = "ops" }]')
    stated = f'state_dir = "var"\n{group}'
    house.config.write_text(house.config.read_text().replace('state_dir = "var"\n', stated))


def modes(folder: Path, *names: str) -> dict[str, str]:
    """The rights of all that stands in some folders, and of these, by path."""
    found = [folder / name for name in names]
    found += [path for name in names for path in (folder / name).rglob("*")]
    return {str(p.relative_to(folder)): f"{stat.S_IMODE(p.stat().st_mode):o}" for p in found if p.exists()}


async def _alerted(house: House, daemon: Daemon, id_: str) -> None:
    """A group is put that is in trouble, and its mail and its text are written."""
    assert house.venue is not None
    await house.venue.marks({"BTCUSDT": "100000"})
    before = len(list((house.folder / "mail").glob("*.eml")))
    assert (await daemon.ask("PUT", f"/v1/groups/{id_}", one_btc(id_, owed="80000"), **TOKEN))[0] == 201

    def are_written() -> bool:
        texts = house.folder / "out/texts.log"
        return len(list((house.folder / "mail").glob("*.eml"))) > before and id_ in (
            texts.read_text() if texts.exists() else ""
        )

    await until(are_written, "a mail and a text")


async def test_files_are_private_whatever_the_umask(house: House) -> None:
    """Those of before, too: the mails of an earlier version, a kept list, compiled loops."""
    write(house)
    (house.folder / "ops").write_text("s-ops")
    (house.folder / "ops").chmod(0o644)
    kernels = house.folder / "kernels"
    for made in ("mail/old.eml", "var/instruments-venue.json", "var/events/events-1.jsonl.gz", "kernels/x.nbi"):
        path = house.folder / made
        path.parent.mkdir(exist_ok=True, mode=0o755)
        path.touch()
        path.chmod(0o644)
        path.parent.chmod(0o755)
    (house.folder / "secret").write_text("s")
    (house.folder / "var/link").symlink_to("../secret")
    (house.folder / "secret").chmod(0o644)
    async with Daemon(house, prefix=OPEN_UMASK, env={"NUMBA_CACHE_DIR": str(kernels)}) as daemon:
        await _alerted(house, daemon, "G-1")
        assert (await daemon.ask("POST", "/v1/endpoints", {"url": "https://x.example/", "name": "theirs"}, **TOKEN))[
            0
        ] == 201
        process = await asyncio.create_subprocess_exec(
            *OPEN_UMASK, *Daemon(house)._command[:3], "backup", "kept/copy.db", "--config", "monitor.toml",
            cwd=house.folder, env=environment(),
        )  # fmt: skip
        assert await process.wait() == 0
        found = modes(house.folder, "var", "mail", "out", "kernels", "kept")
        found.pop("var/link")
        assert set(WRITTEN) < set(found)
        folders = {name for name in found if (house.folder / name).is_dir()}
        assert {name: mode for name, mode in found.items() if mode != ("700" if name in folders else "600")} == {}
        assert (house.folder / "secret").stat().st_mode & 0o777 == 0o644, "what a link leads to is not ours"
        assert "files were closed to other users" in daemon.said()
        warned = [line for line in daemon.said().splitlines() if "every user of this machine can read" in line]
        assert len(warned) == 1
        assert "file=ops" in warned[0]
        if os.geteuid() == 0:  # only root may give files to any group
            await _opened_to_a_group(house, daemon)


async def _opened_to_a_group(house: House, daemon: Daemon) -> None:
    """With `group` that group may read all of it but the key, and nobody else may."""
    assert (await daemon.stop())[0] == 0
    write(house, f'group = "{GROUP}"\n')
    await daemon.again()
    await _alerted(house, daemon, "G-2")
    found = modes(house.folder, "var", "mail", "out/texts.log")
    found.pop("var/link")
    assert [found.pop(f"var/{key}.key") for key in ("ack", "audit")] == ["600"] * 2, "a key is for its owner alone"
    folders = {name for name in found if (house.folder / name).is_dir()}
    assert {name: mode for name, mode in found.items() if mode != ("2750" if name in folders else "640")} == {}
    gid = grp.getgrnam(GROUP).gr_gid
    assert {name for name in found if (house.folder / name).stat().st_gid != gid} == set()
    write(house)
    await daemon.reload("monitor.group cannot change while the daemon runs")
