"""The clients of a release: a wheel for Python and an npm archive for TypeScript, of the monitor's own version."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path


class ClientsNotBuilt(Exception):
    """Why there are no clients, in one sentence."""


def packed(root: Path, dist: Path) -> str:
    """Builds both into `dist`. Raises ClientsNotBuilt."""
    version = _version(root / "pyproject.toml")
    found = {"clients/python": _version(root / "clients/python/pyproject.toml")}
    package = json.loads((root / "clients/typescript/package.json").read_text(encoding="utf-8"))
    found["clients/typescript"] = package["version"]
    if other := [f"{place} is {each}" for place, each in found.items() if each != version]:
        raise ClientsNotBuilt(f"the monitor is {version}, but {' and '.join(other)}; state the same version")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(dist)]
    if subprocess.run(command, cwd=root / "clients/python", check=False).returncode:  # noqa: S603 - our own words
        raise ClientsNotBuilt("the client for Python was not built, as it says above")
    archive = dist / f"{package['name']}-{version}.tgz"
    archive.write_bytes(npm_archive(root / "clients/typescript"))
    return f"built the clients: {package['name'].replace('-', '_')}-{version}-py3-none-any.whl and {archive.name}"


def npm_archive(folder: Path) -> bytes:
    """What `npm install` takes as a file: the files of a package below `package/`, the same bytes each time."""
    files = ["package.json", "README.md", *sorted(str(f.relative_to(folder)) for f in (folder / "src").glob("*.ts"))]
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name in files:
            text = (folder / name).read_bytes()
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return gzip.compress(raw.getvalue(), mtime=0)


def _version(file: Path) -> str:
    return str(tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"])
