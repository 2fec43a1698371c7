"""Texts that people, peers and programs write: each is read, or refused by the error that its reader names."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import example, given

from monitor import asking
from monitor.ack_links import AckLinks
from monitor.addresses import is_host, is_public, networks_of, origin_of, scrubbed, shown_url
from monitor.contacts import check_of, kinds
from monitor.core import schema
from monitor.core.events.entries import Amount, Percent
from monitor.core.money import NotANumber, number
from monitor.core.portfolio import group_list
from monitor.core.prices.quote import BadPrice, price
from monitor.core.schema import DailyRate, Invalid, Ratio, is_asset, read
from monitor.feeds._base import Unusable
from monitor.feeds._messages import time_in_any_form
from monitor.feeds._path import read_path
from monitor.feeds._tapes.symbols import symbol
from monitor.feeds._venue import instant_iso, instant_ms
from monitor.notifiers import _http
from monitor.telemetry import without_passwords
from monitor.web.auth import Tokens, is_local_host, is_same_origin
from monitor.web_table import TokenConfig
from monitor.webhook_keys import signers_of
from tests.fuzz.rubbish import fuzz, text

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
TOKENS = Tokens([TokenConfig("ops", "operator", secret="s-ops")])
LINKS = AckLinks(b"k" * 32)


def _number(found: Decimal) -> None:
    assert found.is_finite()


def _price(found: Decimal) -> None:
    assert Decimal("1e-18") <= found <= Decimal("1e15")


def _amount(found: Decimal) -> None:
    assert found.is_finite()
    assert found > 0


def _share(found: Decimal) -> None:
    assert found.is_finite()
    assert found >= 0


def _rate(found: Decimal) -> None:
    assert found.is_finite()
    assert -1 <= found <= 1


def _time(found: datetime) -> None:
    assert found.tzinfo is not None
    assert abs(found - NOW) < timedelta(days=400 * 366)
    found - timedelta(days=400), found + timedelta(days=400)


def _duration(found: timedelta) -> None:
    assert timedelta(milliseconds=10) <= found <= timedelta(days=30)


def _pause(found: float | None) -> None:
    assert found is None or found >= 0


def _address(found: str) -> None:
    """It goes into a header, a URL or a command of SMTP."""
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found


def _nothing(found: object) -> None:
    """Whatever it says is sound."""


def _stranger(found: object) -> None:
    assert found is None


def read_as(kind: Any) -> Callable[[str], Any]:
    return lambda stated: read(kind, stated)


READERS: dict[str, tuple[Callable[[str], Any], tuple[type[Exception], ...], Callable[[Any], None]]] = {
    "number": (number, (NotANumber,), _number),
    "price": (price, (BadPrice,), _price),
    "amount": (read_as(Amount), (Invalid,), _amount),
    "rate": (read_as(DailyRate), (Invalid,), _rate),
    "ratio": (read_as(Ratio), (Invalid,), _share),
    "percent": (read_as(Percent), (Invalid,), _share),
    "coin": (is_asset, (), _nothing),
    "duration": (read_as(Annotated[timedelta, schema.Span("10ms", "30d")]), (Invalid,), _duration),
    "instant": (schema.instant, (ValueError,), _time),
    "time of a venue": (instant_iso, (Unusable,), _time),
    "milliseconds of a venue": (lambda stated: instant_ms(stated, as_text=True), (Unusable,), _nothing),
    "time in any form": (time_in_any_form, (Unusable,), _time),
    "pause that a venue or an address asks for": (lambda stated: asking.retry_after_s(stated, NOW), (), _pause),
    "pause that a receiver asks for": (lambda stated: _http.retry_after_s(stated, NOW), (), _pause),
    "path of a poll": (read_path, (ValueError,), _nothing),
    "name of a market": (lambda stated: symbol(stated, is_pair=True), (), _nothing),
    "name of a coin": (lambda stated: symbol(stated, is_pair=False), (), _nothing),
    "cursor of groups": (lambda stated: group_list.decoded(stated, tuple[str, str], "x"), (group_list.BadCursor,), _nothing),
    "bearer token": (TOKENS.caller, (), _stranger),
    "bearer": (lambda stated: TOKENS.caller(f"Bearer {stated}"), (), _stranger),
    "link of a mail": (LINKS.read, (), _stranger),
    "link of a mail with dots": (lambda stated: LINKS.read(f"{stated}.{stated}.{stated}"), (), _stranger),
    "key of a webhook": (signers_of, (ValueError,), _nothing),
    "host": (is_local_host, (), _nothing),
    "name of a host": (is_host, (), _nothing),
    "origin": (lambda stated: is_same_origin(stated, None, "127.0.0.1"), (), _nothing),
    "origin of an address": (origin_of, (ValueError,), _nothing),
    "address": (is_public, (ValueError,), _nothing),
    "network": (lambda stated: networks_of([stated]), (ValueError,), _nothing),
    "address as shown": (shown_url, (), _nothing),
    "text of a log": (without_passwords, (), _nothing),
    "text as shown": (lambda stated: scrubbed(f"a {stated} b", stated), (), _nothing),
    **{f"contact by {kind}": (check_of(kind), (ValueError,), _address) for kind in kinds()},
}  # fmt: skip
"""What reads it, how it refuses, and what must hold of what it read."""


every_reader = pytest.mark.parametrize("name", sorted(READERS))
LONG = (
    "a",
    "@",
    "-",
    ".",
    "/",
    "%",
    "9",
    "a@",
    "://",
    "\n",
    " ",
    "(",
    "\u202e",
    "?",
    "?a",
    "&a=",
    ":",
    "1e",
    "[",
    "=",
    "T0",
)


@every_reader
@fuzz(25)
@given(stated=text)
@example(stated="\udcff")
def test_no_text_is_more_than_refused(name: str, stated: str) -> None:
    reads, refuses, holds = READERS[name]
    try:
        found = reads(stated)
    except refuses as e:
        assert str(e)
        return
    holds(found)


@every_reader
def test_no_long_text_takes_long(name: str) -> None:
    """A body has a million bytes, and who reads one slowly stops all others: the time grows with the length, no faster."""
    reads, refuses, _ = READERS[name]
    for piece in LONG:
        stated = f"=@{piece * (100_000 // len(piece))}"
        began_s = time.process_time()
        with suppress(*refuses):
            reads(stated)
        took_s = time.process_time() - began_s
        assert took_s < 2, f"{took_s:.1f} s for {piece!r} again and again"
