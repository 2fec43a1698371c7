"""Sends notices through Apprise, for the many services that have no file here. It is an extra: `loan-monitor[apprise]`.

Apprise opens its connections itself: neither the guard of addresses nor the limits of an answer hold for it. So it is off
until the configuration says `allow_unguarded = true`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import threading
from pathlib import Path
from typing import Any

import msgspec

from monitor.notifiers._base import DeliveryError, Notice, Receipt, headline, page_of
from monitor.notifiers._words import facts_of
from monitor.secret_files import BadSecret, read_secret

TIMEOUT_S = 30.0
"""Apprise bounds each of its requests by a few seconds; some services take several."""
MOST_THREADS = 4
"""Attempts that may hang at a time; more fail at once."""
KINDS = {"critical": "failure", "warning": "warning", "info": "info"}


FOR_PEOPLE = True
"""A route may gather its notices into digests."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """`urls_file` holds addresses of Apprise, one a line; they hold passwords and tokens."""

    urls_file: Path | None = None
    urls: tuple[str, ...] = ()
    allow_unguarded: bool = False

    def __post_init__(self) -> None:
        if not self.allow_unguarded:
            raise ValueError(
                "allow_unguarded: Apprise may connect to addresses inside, past the guard that other channels have; "
                "state allow_unguarded = true to allow that"
            )
        if bool(self.urls) == (self.urls_file is not None):
            raise ValueError('state either "urls" or "urls_file"')

    def __repr__(self) -> str:
        return "apprise.Config(***)"


def build(name: str, config: Config) -> AppriseNotifier:
    """Raises BadSecret, and ValueError where Apprise is not installed or does not know an address."""
    try:
        library = importlib.import_module("apprise")
    except ModuleNotFoundError:
        raise ValueError('Apprise is not installed; install it with: pip install "loan-monitor[apprise]"') from None
    # Its log lines hold addresses with their passwords.
    logging.getLogger("apprise").disabled = True
    stated = config.urls or tuple(read_secret(None, config.urls_file).splitlines())
    services = library.Apprise()
    for number, url in enumerate((u for u in stated if u.strip()), 1):
        if not services.add(url.strip()):
            raise BadSecret(f"address {number} is none that Apprise knows")
    return AppriseNotifier(name, services)


class AppriseNotifier:
    """All services of one configuration together: they are told, or tried again, as one."""

    def __init__(self, name: str, services: Any) -> None:
        self.name = name
        self._services = services
        self._at_work = 0
        """Threads that the library keeps busy, those of attempts that were given up included."""

    def __repr__(self) -> str:
        return f"AppriseNotifier({self.name!r})"

    async def send(self, notice: Notice) -> Receipt:
        """One attempt. Apprise says yes or no, and never why, so that every failure may pass."""
        if self._at_work >= MOST_THREADS:
            raise DeliveryError(f"{self._at_work} earlier attempts hang still")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                is_sent = await self._begin(notice)
        except TimeoutError:
            raise DeliveryError(f"no answer within {TIMEOUT_S:g} s") from None
        if not is_sent:
            raise DeliveryError("Apprise could not send it to every service")
        return Receipt(f"sent to {len(self._services)}")

    def _begin(self, notice: Notice) -> asyncio.Future[bool]:
        """Sends in a thread of its own: a service that drips keeps it for ever, and the threads of the pool are for all."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._at_work += 1

        def ended(is_sent: bool) -> None:
            self._at_work -= 1
            if not answer.done():
                answer.set_result(is_sent)

        def work() -> None:
            try:
                is_sent = self._notify(notice)
            except Exception:  # noqa: BLE001  a library of a hundred services; its errors may hold passwords
                is_sent = False
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                answer.get_loop().call_soon_threadsafe(ended, is_sent)

        threading.Thread(target=work, name=f"apprise {self.name}", daemon=True).start()
        return answer

    def _notify(self, notice: Notice) -> bool:
        return bool(
            self._services.notify(
                body=text(notice),
                title=headline(notice),
                notify_type=KINDS.get(notice.severity, "info"),
                body_format="text",
            )
        )

    async def close(self) -> None:
        """Nothing to free: Apprise keeps no connection."""


def text(notice: Notice) -> str:
    """The lines below the title, as plain text: Apprise escapes them for services that read markup."""
    link = page_of(notice)
    return "\n".join([*(f"{name}: {value}" for name, value in facts_of(notice)), *([link] if link else [])])
