"""Builds the web page into a wheel and a source archive, and into a wheel the configurations that are shipped.

`make setup` builds it for a checkout, so an editable install leaves it alone.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ABSENT = "node and npm are not installed: what is built has no web page"
SHIPPED = ("monitor.toml", "live.toml", "books/demo.jsonl", "products/*.toml", "rates/*.csv", "scenarios/*.toml")
"""Of config/, by name: a folder as a whole would take the secrets and books along that a desk keeps in its checkout."""


class Page(BuildHookInterface):
    """A page that is there already, as in an image of which another stage built it, is taken as it is."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        source = root / "dashboard"
        if version == "editable":
            return
        if self.target_name == "wheel":
            for path in sorted(path for name in SHIPPED for path in (root / "config").glob(name)):
                build_data["force_include"][str(path)] = f"monitor/shipped/{path.relative_to(root / 'config')}"
        if not source.is_dir() or self._is_archive(root):
            return
        npm = shutil.which("npm")
        if npm is None:
            self.app.display_warning(ABSENT)
            return
        for command in (["ci"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=source, check=True)  # noqa: S603 - the machine's npm, our own words

    def _is_archive(self, root: Path) -> bool:
        """A source archive brings the page that it was built with, so that who builds from it needs no node."""
        return (root / "PKG-INFO").is_file() and (root / "monitor/web/static/index.html").is_file()
