"""Makes a release in `dist/`: wheel and source archive with the page, the bill of materials, the licences, the digests.

    make release      # all of it
    make publishable  # may it be given away?
    make wheel        # wheel and source archive alone, to try them: nothing is looked up

A package with a known weakness is no release. What could not be looked up where the release is made (the bytes of the images,
the index of weaknesses) is listed in `dist/NOT-LOOKED-UP.txt`, and nothing is publishable as long as that is there. Each
refusal names what to do.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tools import client_release, images, sbom

ROOT = Path(__file__).parent.parent
PAGE = "monitor/web/static/index.html"
DEMONSTRATION = "monitor/shipped/monitor.toml"
AUDIT_S = 300
"""A question for each package, and the index answers within a second as a rule."""


OPEN = "NOT-LOOKED-UP.txt"
"""What nobody could say yet, one sentence a line; not there when all is known."""
SUMS = "SHA256SUMS"


class NotReleased(Exception):
    """Why there is no release, one sentence a line."""


class NotLookedUp(NotReleased):
    """What cannot be known here, one sentence a line: there is a release, and it is not publishable."""


def audited(root: Path) -> str:
    """Asks the package index for known weaknesses of all that the locks name. Raises NotReleased, NotLookedUp."""
    locks = [word for name in ("requirements.lock", "requirements-build.lock") for word in ("--requirement", name)]
    command = [sys.executable, "-m", "pip_audit", *locks, "--disable-pip", "--require-hashes"]
    command += ["--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=root, capture_output=True, text=True, check=False, timeout=AUDIT_S
        )
        found = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        raise NotLookedUp(f"pip-audit had no answer within {AUDIT_S} s; {NETWORK}") from None
    except ValueError:
        last = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise NotLookedUp(f"pip-audit cannot ask the package index; {NETWORK}. It said: {last[:300]}") from None
    return judged(found)


NETWORK = "run `make release` where there is a network"


def judged(found: list[dict[str, Any]]) -> str:
    """What the answers mean. A package that nobody looked up may have a weakness. Raises NotReleased, NotLookedUp."""
    weak = [f"{one['name']} {one['version']}: {_weaknesses(one)}" for one in found if one.get("vulns")]
    if weak:
        raise NotReleased("\n".join([*weak, "raise these in pyproject.toml, then run `make lock`"]))
    skipped = [one["skip_reason"] for one in found if "skip_reason" in one]
    if skipped or not found:
        why = f", the first: {skipped[0]}" if skipped else ""
        raise NotLookedUp(f"{len(skipped)} of {len(found)} packages could not be audited{why}; {NETWORK}")
    return f"{len(found)} packages have no known weakness"


def _weaknesses(one: dict[str, Any]) -> str:
    return ", ".join(
        f"{each['id']} (fixed in {', '.join(each['fix_versions']) or 'no version'})" for each in one["vulns"]
    )


def pinned(root: Path) -> str:
    """Every image is stated by its bytes. Raises NotLookedUp."""
    if found := images.unlocked(root):
        raise NotLookedUp("\n".join(found))
    return "every image has its digest"


def built(root: Path, dist: Path) -> str:
    """Wheel and source archive, with the tools of requirements-build.lock alone. Raises NotReleased."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(dist)]
    if subprocess.run(command, cwd=root, check=False).returncode:  # noqa: S603 - our own words
        raise NotReleased("the build failed, as it says above")
    names = []
    for archive in sorted(dist.iterdir()):
        if not any(name.endswith(PAGE) for name in _names(archive)):
            raise NotReleased(f"{archive.name} has no web page; install node and npm, then run it again")
        if archive.suffix == ".whl" and DEMONSTRATION not in _names(archive):
            raise NotReleased(f"{archive.name} has no demonstration; build it from a whole checkout, with config/")
        names.append(archive.name)
    return f"built {' and '.join(names)}, with the page"


def _names(archive: Path) -> list[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.namelist()
    with tarfile.open(archive) as source:
        return source.getnames()


def stated(root: Path, dist: Path) -> str:
    """Bill of materials, licences, and the digest of each file. Raises NotReleased."""
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    try:
        shipped = sbom.parts(root)
    except sbom.NotAsLocked as e:
        raise NotReleased(str(e)) from None
    (dist / "sbom.cdx.json").write_text(sbom.bill(version, shipped), encoding="utf-8")
    (dist / "LICENCES.txt").write_text(sbom.licences(version, shipped), encoding="utf-8")
    sums = [f"{_digest(path)}  {path.name}\n" for path in sorted(dist.iterdir())]
    (dist / SUMS).write_text("".join(sums), encoding="utf-8")
    return f"{len(shipped)} packages are stated in sbom.cdx.json and LICENCES.txt"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def release(root: Path, say: Callable[[str], None]) -> None:
    """All of it, in order; says what could not be looked up. Raises NotReleased."""
    say(versioned(root))
    unknown = []
    for look in (pinned, audited):
        try:
            say(look(root))
        except NotLookedUp as e:
            unknown += str(e).splitlines()
    dist = _empty(root)
    say(built(root, dist))
    try:
        say(client_release.packed(root, dist))
    except client_release.ClientsNotBuilt as e:
        raise NotReleased(str(e)) from None
    say(stated(root, dist))
    if unknown:
        (dist / OPEN).write_text("".join(f"{line}\n" for line in unknown), encoding="utf-8")
        say("\n".join(["the release is made, and not to be given away yet:", *unknown]))


def publishable(root: Path) -> str:
    """What is in `dist/` may be given away: it is whole, and nothing about it is unknown. Raises NotReleased."""
    dist = root / "dist"
    if not (dist / SUMS).is_file():
        raise NotReleased(f"there is no dist/{SUMS}; run `make release`")
    if (dist / OPEN).exists():
        raise NotReleased((dist / OPEN).read_text(encoding="utf-8").rstrip() + "\nthen run `make release` again")
    sums = (line.split("  ", 1) for line in (dist / SUMS).read_text(encoding="utf-8").splitlines())
    stated = {name: digest for digest, name in sums}
    found = {path.name: _digest(path) for path in dist.iterdir() if path.name != SUMS}
    if other := sorted({name for name, _ in stated.items() ^ found.items()}):
        raise NotReleased(f"not as dist/{SUMS} states it: {', '.join(other)}; run `make release` again")
    return f"{len(found)} files in dist/ are as stated, and nothing about them is unknown"


def _empty(root: Path) -> Path:
    dist = root / "dist"
    if dist.exists():
        shutil.rmtree(dist)
    dist.mkdir()
    return dist


def versioned(root: Path) -> str:
    """Says what is in this version: the changelog has a section of it. Raises NotReleased."""
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    headings = re.findall(r"^## \[(.+?)\]", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if version not in headings:
        raise NotReleased(
            f"CHANGELOG.md has no section [{version}]; name what is unreleased so, with its date, or raise the version"
        )
    return f"CHANGELOG.md says what is new in {version}"


def main(root: Path = ROOT, words: Sequence[str] = ()) -> int:
    """The command."""
    try:
        if "--publishable" in words:
            print(publishable(root))
        elif "--unaudited" in words:
            print(f"{built(root, _empty(root))}; nothing was looked up: `make release` makes what goes out")
        else:
            release(root, lambda line: print(line, flush=True))
    except NotReleased as e:
        refused = "not publishable" if "--publishable" in words else "no release"
        print(f"{refused}:\n{e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(words=sys.argv[1:]))
