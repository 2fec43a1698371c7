"""A dead channel is asked by one probe at a time."""

from monitor.dispatch.breaker import LONGEST_PAUSE_S, OPENS_AFTER, Breaker


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(OPENS_AFTER):
        breaker.failed(now_s, breaker.started())
    return breaker


def test_it_stays_closed_while_failures_are_few_and_a_success_forgets_them() -> None:
    breaker = Breaker()
    for _ in range(OPENS_AFTER - 1):
        breaker.failed(0, breaker.started())
    assert breaker.room(0, 8) == 8
    assert breaker.answered() is False
    breaker.failed(0, breaker.started())
    assert breaker.room(0, 8) == 8


def test_open_it_lets_nothing_out_until_the_pause_is_over_and_then_one_probe() -> None:
    breaker = opened()
    assert (breaker.room(0.9, 8), breaker.room(1.0, 8)) == (0, 1)
    assert breaker.started() is True
    assert breaker.room(100, 8) == 0
    assert breaker.next_probe_s is None


def test_a_failed_probe_doubles_the_pause_up_to_the_limit() -> None:
    breaker, now_s, pauses = opened(), 0.0, []
    for _ in range(8):
        probe_s = breaker.next_probe_s
        assert probe_s is not None
        pauses.append(probe_s - now_s)
        now_s = probe_s
        breaker.failed(now_s, breaker.started())
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_attempts_that_began_before_it_opened_neither_lengthen_the_pause_nor_end_the_probe() -> None:
    breaker = opened()
    breaker.failed(0.5, False)
    assert breaker.next_probe_s == 1.0
    assert breaker.started() is True
    breaker.failed(1.5, False)
    assert breaker.room(100, 8) == 0


def test_an_answer_closes_it() -> None:
    breaker = opened()
    breaker.started()
    assert breaker.answered() is True
    assert breaker.room(0, 8) == 8


def test_a_probe_that_was_not_made_makes_room_for_another() -> None:
    breaker = opened()
    breaker.abandoned(breaker.started())
    assert breaker.room(1.0, 8) == 1


def test_a_refusal_of_the_channel_opens_it_at_once_for_a_minute() -> None:
    breaker = Breaker()
    breaker.started()
    breaker.refused(5.0)
    assert (breaker.room(64.9, 8), breaker.room(65.0, 8)) == (0, 1)
    breaker.started()
    breaker.refused(65.0)
    assert breaker.next_probe_s == 125.0


def test_an_answer_in_doubt_neither_opens_nor_closes_it() -> None:
    breaker = Breaker()
    for _ in range(2 * OPENS_AFTER):
        breaker.doubted(0, breaker.started())
    assert breaker.room(0, 8) == 8
    breaker = opened()
    breaker.doubted(1.0, breaker.started())
    assert breaker.next_probe_s == 2.0
