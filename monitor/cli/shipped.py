"""What comes with the package beside its code: its version, the demonstration, and the folder config/ to begin from.

In a checkout that folder stands beside the package; a wheel has it inside, as `monitor/shipped/` (hatch_build.py).
"""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

import msgspec

from monitor import config as configuration
from monitor.cli import output
from monitor.cli.options import FINE, TROUBLE, WRONG
from monitor.config import BadConfig, Config

_PACKAGE = Path(__file__).parents[1]
FOLDER = next(
    (place for place in (_PACKAGE / "shipped", _PACKAGE.parent / "config") if place.is_dir()), _PACKAGE / "shipped"
)
DEMONSTRATION = FOLDER / "monitor.toml"
OURS_ALONE = shutil.ignore_patterns("secrets", "compose.toml")
"""Secrets of a checkout are never copied; the configuration for containers is of no use outside them."""


def version() -> str:
    """The version of the installed package."""
    try:
        return metadata.version("loan-monitor")
    except metadata.PackageNotFoundError:
        return "not installed"


def demonstration(port: int) -> Config:
    """The configuration of the demonstration on a port. Raises BadConfig."""
    loaded = configuration.load(DEMONSTRATION)
    return msgspec.structs.replace(loaded, web=msgspec.structs.replace(loaded.web, port=port))


def configuration_of(config: Path) -> Config:
    """The configuration of a file; who has none yet hears how to begin. Raises BadConfig."""
    if not config.exists():
        begin = "`monitor demo` plays the demonstration, `monitor init FOLDER` writes a folder to begin from"
        raise BadConfig([f"{config}: no such file; name yours by --config. {begin}"])
    return configuration.load(config)


def init(folder: Path) -> int:
    """Writes a folder to begin from: live.toml, a template for real use, with products, rates and the demonstration.

    Parameters
    ----------
    folder: a new folder, such as my-desk.
    """
    if folder.exists():
        output.problems([f"{folder}: is there already; name a new folder, nothing is written over"])
        return WRONG
    try:
        shutil.copytree(FOLDER, folder, ignore=OURS_ALONE)
    except OSError as e:
        output.problems([f"{folder}: cannot be written: {e}; name a folder that you may write to"])
        return TROUBLE
    output.say(
        f"{folder}: change what is marked CHANGE in live.toml, then: monitor check-config --config {folder}/live.toml"
    )
    return FINE
