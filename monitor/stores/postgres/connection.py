"""A connection to PostgreSQL on a thread and a loop of its own, and its errors in the store's words.

Encoding ten thousand alerts must not hold up the daemon's loop, and no cancellation there may cut a COMMIT.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from monitor.secret_files import BadSecret, read_secret
from monitor.stores._base import StoreRefused, StoreUnavailable

T = TypeVar("T")
CONNECT_S = 2.0
"""A database that is there answers within milliseconds; a commit waits no longer for one that is not."""
IDLE_MS = 10_000
"""A head that stands still inside a transaction loses it, so that another can write."""
LOCK_MS = 2_000
TCP_USER_MS = 4_000
"""What is sent and not acknowledged for so long ends the connection."""
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # The library does not know what its connection is at: an answer came too late on a busy machine.
    asyncpg.InternalClientError,
    OSError,
    asyncio.TimeoutError,
)
_NOT_NOW = (
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.PostgresSystemError,
)


async def connect(config: Any, settings: Mapping[str, str] | None = None) -> Any:
    """One connection with the limits of the store, whose tables it sees. Raises StoreUnavailable, StoreRefused.

    `settings`: of the server, where they are to be others.
    """
    try:
        password = None if config.password_file is None else read_secret(None, config.password_file)
    except BadSecret as e:
        raise StoreRefused(f"store {config.place}: password_file: {e}") from None
    timeout_ms = int(config.timeout.total_seconds() * 1000)
    try:
        db = await asyncpg.connect(
            config.url,
            password=password,
            ssl=_tls(config),
            timeout=CONNECT_S,
            command_timeout=config.timeout.total_seconds() + 1,
            server_settings={
                "application_name": "loan-monitor",
                "search_path": f'"{config.schema}"',
                "idle_in_transaction_session_timeout": str(IDLE_MS),
                "statement_timeout": str(timeout_ms),
                "lock_timeout": str(LOCK_MS),
                "synchronous_commit": "on",
                **(settings or {}),
            },
        )
    except Exception as e:  # noqa: BLE001 - what it is about is raised again
        raise explained(config.place, e) from None
    _limit_silence(db)
    return db


class Lost(StoreUnavailable):
    """The answer to a COMMIT did not come: what it was for may be in or not."""


async def end(db: Any, config: Any) -> None:
    """COMMIT. Raises Lost where its answer does not come, StoreUnavailable where it says that nothing was changed.

    No request to cancel may end it: PostgreSQL would give up the wait for a synchronous standby, and call that a success.
    So the connection is cut without a word. The limit of a statement does not count for a COMMIT.
    """
    place, limit_s = config.place, config.timeout.total_seconds()
    cutting = asyncio.get_running_loop().call_later(limit_s, db.terminate)
    try:
        answer = await db.execute("COMMIT", timeout=limit_s * 2)
    except Exception as e:  # noqa: BLE001 - whatever cut the answer off
        db.terminate()
        raise Lost(f"store {place}: the answer to COMMIT did not come: {type(e).__name__}: {str(e)[:200]}") from None
    finally:
        cutting.cancel()
    if answer != "COMMIT":
        raise StoreUnavailable(f"store {place}: the database answered {answer} to COMMIT")


def _limit_silence(db: Any) -> None:
    peer = db._transport.get_extra_info("socket")
    if peer is not None and peer.family != socket.AF_UNIX:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_MS)


def _tls(config: Any) -> ssl.SSLContext | bool:
    if config.tls == "off":
        return False
    context = ssl.create_default_context(cafile=None if config.certificates is None else str(config.certificates))
    context.check_hostname = config.tls == "verify-full"
    return context


def explained(place: str, e: Exception) -> Exception:
    """The error in the store's words; a mistake in our own SQL stays as it is. PostgreSQL's words hold no secret."""
    if isinstance(e, _REFUSED):
        return StoreRefused(f"store {place}: {e}; check url, password and rights")
    if isinstance(e, (*_LOST, *_NOT_NOW)):
        return StoreUnavailable(f"store {place}: {type(e).__name__}: {str(e)[:200]}")
    return e


class Thread:
    """A loop on a thread. What was begun there runs to its end, even when the caller is cancelled."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = asyncio.Lock()
        # An error that ends the daemon must end the process, even if nothing has closed the store.
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `work` returns or raises, one at a time and in order."""
        future = asyncio.run_coroutine_threadsafe(self._in_turn(work), self._loop)
        return await asyncio.shield(asyncio.wrap_future(future))

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The same, for callers that are on no loop."""
        return asyncio.run_coroutine_threadsafe(self._in_turn(work), self._loop).result()

    async def _in_turn(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._lock:
            return await work()

    def soon(self, work: Callable[[], object]) -> None:
        """Calls `work` there, beside what is under way."""
        self._loop.call_soon_threadsafe(work)

    def stop(self) -> None:
        """Ends the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        with suppress(RuntimeError):
            self._loop.close()
