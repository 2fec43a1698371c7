"""What checks the deliveries of all other tests notices what it must."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from monitor.clock import SystemClock
from tests.signatures import UNASKED, Signatures

KEY, OTHER = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM=", "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3Q="  # made up
BODY = b'{"type": "price.stale"}'


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What is refused here on purpose fails no other test."""
    yield
    UNASKED.clear()


def signed(key: str = KEY, at: datetime | None = None, body: bytes = BODY) -> dict[str, str]:
    at = at or SystemClock().utc()
    token = Webhook(key).sign("evt_1", at, body.decode())
    return {"webhook-id": "evt_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": token}


def test_what_the_public_verifier_accepts_is_not_noted() -> None:
    assert Signatures(KEY).verified("hook", signed(), BODY)
    assert UNASKED == []


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(OTHER), BODY),
        (signed(), BODY.replace(b"stale", b"Stale")),
        (signed(at=datetime(2026, 1, 1, tzinfo=UTC)), BODY),
        ({}, BODY),
    ],
)
def test_what_the_public_verifier_refuses_is_noted(headers: dict[str, str], body: bytes) -> None:
    assert not Signatures(KEY).verified("hook", headers, body)
    assert len(UNASKED) == 1


def test_the_same_id_must_bring_the_same_bytes_and_every_key_must_verify() -> None:
    signatures = Signatures(KEY)
    assert signatures.verified("hook", signed(), BODY)
    assert not signatures.verified("hook", signed(body=b"{}"), b"{}")
    signatures.keys["hook"] = [KEY, OTHER]
    assert not signatures.verified("hook", signed(), BODY)


def test_at_any_time_only_the_clock_is_left_out() -> None:
    signatures = Signatures(KEY)
    signatures.any_time = True
    long_ago = SystemClock().utc() - timedelta(days=365)
    assert signatures.verified("hook", signed(at=long_ago), BODY)
    assert not signatures.verified("hook", signed(OTHER, at=long_ago), BODY)
