"""What all tests share."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import structlog

hypothesis.settings.register_profile("untimed", deadline=None)  # figures of time belong in bench/
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _logs_as_nobody_configured_them(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that runs in this process configures the log for good; the next test reads it as it was."""
    configure = structlog.configure

    def for_a_while(**settings: Any) -> None:
        configure(**settings | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", for_a_while)
    yield
    structlog.reset_defaults()
