"""The public verifier of webhooks (`standardwebhooks`) at work on all that receivers of tests get."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

MOST_BYTES = 20_000
UNASKED: list[str] = []
"""What was refused and no test expected; a fixture fails the test in which something stands here."""


@pytest.fixture(autouse=True)
def every_delivery_verifies() -> Iterator[None]:
    """Fails a test whose receivers got anything that the public verifier refuses. The conftest of a folder imports it."""
    UNASKED.clear()
    yield
    assert UNASKED == [], f"the public verifier refuses what a receiver of this test got: {UNASKED[:3]}"


class Signatures:
    """Verifies deliveries. `keys` by channel; those of "" hold for a channel without keys of its own.

    `any_time`: the test sets the wall clock, so only the tolerance of five minutes is left out. `may_refuse`: the test holds
    a key that signs no longer.
    """

    def __init__(self, secret: str) -> None:
        self.keys: dict[str, list[str]] = {"": [secret]}
        self.any_time = False
        self.may_refuse = False
        self._bodies: dict[tuple[str, str, bool], bytes] = {}

    def verified(self, channel: str, headers: Mapping[str, str], raw: bytes) -> bool:
        """Whether all keys accept it, which is noted for the fixture where they do not.

        A delivery that comes again under its id must have the same bytes, but for one that was not durable the first time.
        """
        id_ = headers.get("webhook-id", "")
        problems = [refusal(key, headers, raw, self.any_time) for key in self.keys.get(channel, self.keys[""])]
        if self._bodies.setdefault((channel, id_, b'"durable":true' in raw), raw) != raw:
            problems.append("the same id with other bytes")
        if len(raw) > MOST_BYTES:
            problems.append(f"{len(raw)} bytes")
        found = [f"{channel} {id_}: {problem}" for problem in problems if problem is not None]
        UNASKED.extend(() if self.may_refuse else found)
        return not found


def refusal(key: str, headers: Mapping[str, str], raw: bytes, any_time: bool = False) -> str | None:
    """Why the public verifier refuses a delivery; None where it accepts it."""
    verifier = (_AtAnyTime if any_time else Webhook)(key)
    try:
        if verifier.verify(raw, dict(headers)) != json.loads(raw):
            return "another body came out of the verifier"
    except (WebhookVerificationError, ValueError) as e:
        return f"{type(e).__name__}: {e}"
    return None


class _AtAnyTime(Webhook):
    """The public verifier without its look at the clock."""

    def _Webhook__verify_timestamp(self, stated: str) -> datetime:  # noqa: N802  it stands in for the library's own
        return datetime.fromtimestamp(int(stated), UTC)
