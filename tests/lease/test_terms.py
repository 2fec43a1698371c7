"""The arithmetic of a lease: when a head may send, when it falls silent, when another may take over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.lease.terms import GUARD, Beat, Tenure, Watch

TTL_S = 2.0
LENGTH_S = TTL_S * (1 - GUARD)
AT = datetime(2026, 1, 5, tzinfo=UTC)
HELD = Beat(7, AT, ttl_s=TTL_S)


def test_a_lease_counts_from_when_its_beat_was_sent_and_ends_before_its_length():
    tenure = Tenure(TTL_S, 10.0)
    assert tenure.may_send(10.0 + LENGTH_S - 0.001)
    assert not tenure.may_send(10.0 + LENGTH_S)


def test_a_beat_that_was_answered_late_gives_no_more_than_from_its_sending():
    tenure = Tenure(TTL_S, 10.0)
    tenure.beaten(11.0)
    tenure.beaten(10.5)  # its answer was overtaken
    assert tenure.left_s(12.0) == pytest.approx(11.0 + LENGTH_S - 12.0)


def test_the_word_of_the_peer_counts_from_the_question_and_ends_too():
    tenure = Tenure(TTL_S, 10.0)
    tenure.excused(11.0)
    assert tenure.basis(10.0 + LENGTH_S - 0.001) == "lease"
    assert tenure.basis(10.0 + LENGTH_S) == "peer"
    assert tenure.basis(11.0 + LENGTH_S) == "none"
    tenure.beaten(14.0)
    assert tenure.basis(14.0) == "lease", "a head that nobody replaced goes on when the database is back"


def test_who_was_replaced_never_sends_again():
    tenure = Tenure(TTL_S, 10.0)
    tenure.over()
    tenure.beaten(10.1)
    tenure.excused(10.1)
    assert tenure.basis(10.2) == "over"
    assert not tenure.may_send(10.2)


def test_a_standby_counts_from_when_it_first_saw_the_newest_beat():
    watch = Watch(TTL_S)
    for sent_s in (0.0, 0.4, 0.8, 1.2, 1.6):
        watch.seen(HELD, sent_s, sent_s + 0.1)
    assert not watch.may_take(0.1 + TTL_S - 0.001)
    assert watch.may_take(0.1 + TTL_S)
    watch.seen(Beat(7, AT + timedelta(seconds=2), ttl_s=TTL_S), 2.0, 2.1)
    assert not watch.may_take(2.2)


def test_a_standby_that_was_cut_off_gives_the_holder_its_time_anew():
    watch = Watch(TTL_S)
    watch.seen(HELD, 0.0, 0.1)
    watch.seen(HELD, 9.0, 9.1)
    assert not watch.may_take(9.2)


def test_a_lease_that_was_given_back_is_taken_at_once():
    watch = Watch(TTL_S)
    watch.seen(Beat(7, AT, is_free=True, ttl_s=TTL_S), 0.0, 0.1)
    assert watch.may_take(0.1)


def test_a_standby_keeps_its_word():
    watch = Watch(TTL_S)
    watch.seen(Beat(7, AT, is_free=True, ttl_s=TTL_S), 0.0, 0.1)
    assert watch.asked(0.5), "it reaches the database, and promises nothing"
    assert watch.may_take(0.5)
    assert not watch.asked(1.5)
    assert not watch.may_take(1.5 + TTL_S - 0.001)
    assert watch.may_take(1.5 + TTL_S)


def test_a_standby_promises_nothing_while_it_takes_the_lease():
    watch = Watch(TTL_S)
    watch.is_taking = True
    assert watch.asked(5.0)


def test_the_longer_lease_counts_where_two_heads_are_configured_otherwise():
    watch = Watch(0.5)
    watch.seen(HELD, 0.0, 0.1)
    watch.seen(HELD, 0.5, 0.6)
    assert not watch.may_take(0.1 + TTL_S - 0.001)
    assert not watch.asked(3.0)
    assert not watch.may_take(3.0 + TTL_S - 0.001)
