"""A limit that a feed cannot keep makes every price stale between two messages."""

from datetime import timedelta

import msgspec

from monitor.core.rules.cadence import too_slow
from monitor.core.rules.settings import FeedTrust, Trust

MINUTE = timedelta(minutes=1)


def said(feed: FeedTrust, **more: object) -> list[str]:
    return too_slow(msgspec.structs.replace(Trust(feeds={"nav": feed}), **more), "nav")


def test_a_feed_that_states_no_cadence_is_not_judged() -> None:
    assert said(FeedTrust()) == []


def test_the_limit_of_the_feed_comes_before_the_common_one() -> None:
    assert said(FeedTrust(cadence=MINUTE, stale_after=2 * MINUTE)) == []
    (sentence,) = said(FeedTrust(cadence=MINUTE, stale_after=MINUTE / 2), stale_after=5 * MINUTE)
    assert sentence.startswith("'nav' gives prices every 1m, but stale_after is 30s:")
    assert sentence.endswith('state stale_after = "2m" or more')


def test_a_limit_of_one_coin_is_judged_by_itself() -> None:
    (sentence,) = said(FeedTrust(cadence=MINUTE, stale_after=2 * MINUTE, stale_after_of={"NAV": MINUTE / 4}))
    assert "stale_after of NAV is 15s" in sentence


def test_a_stream_of_changes_has_no_cadence_to_keep() -> None:
    assert said(FeedTrust(cadence=MINUTE, sends_changes_only=True)) == []


def test_a_replay_without_trust_has_no_limit() -> None:
    assert said(FeedTrust(cadence=MINUTE), enabled=False) == []
