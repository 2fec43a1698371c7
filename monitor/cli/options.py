"""What the commands share: exit codes, and the flags that several of them take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

FINE, TROUBLE, WRONG = 0, 1, 2
URL = "http://127.0.0.1:8080"

ConfigFile = Annotated[Path, Parameter(name="--config")]
AsJson = Annotated[bool, Parameter(name="--json", negative="")]
TokenFile = Annotated[Path | None, Parameter(name="--token-file")]
