"""The order in which deliveries may go."""

import pytest

from monitor.dispatch.digests import digest
from monitor.dispatch.queue import DeliveryQueue, Waiting
from monitor.stores._base import Delivery
from tests.fakes import START


def delivery(
    cursor: int, subject: str = "G-1", severity: str = "warning", notifier: str = "mail", to: tuple[str, ...] = ()
) -> Delivery:
    return Delivery(
        f"d{cursor}{notifier}{''.join(to)}",
        cursor,
        f"evt_{cursor}",
        notifier,
        to,
        subject,
        "loan_group.x",
        severity,
        1,
        "pending",
        0,
        START,
        START,
    )


def taken(queue: DeliveryQueue, now_s: float = 0.0, notifier: str = "mail") -> list[int]:
    """Cursors of all that may go now; they stay in flight."""
    found: list[Waiting] = []
    while (waiting := queue.take(notifier, now_s)) is not None:
        found.append(waiting)
    return [w.delivery.cursor for w in found]


@pytest.fixture
def queue() -> DeliveryQueue:
    return DeliveryQueue()


def test_only_the_oldest_of_a_group_and_notifier_is_in_flight(queue: DeliveryQueue) -> None:
    for cursor in (2, 1, 3):
        queue.add(delivery(cursor), 0)
    queue.add(delivery(4, "G-2"), 0)
    queue.add(delivery(5, notifier="hook"), 0)
    assert taken(queue) == [1, 4]
    assert taken(queue, notifier="hook") == [5]


def test_the_next_goes_when_the_older_one_ended_or_was_superseded(queue: DeliveryQueue) -> None:
    for cursor in (1, 2, 3):
        queue.add(delivery(cursor), 0)
    assert taken(queue) == [1]
    queue.cancel("d2mail")
    assert taken(queue) == []
    queue.drop("d1mail")
    assert taken(queue) == [3]


def test_an_older_delivery_that_comes_late_still_goes_first(queue: DeliveryQueue) -> None:
    queue.add(delivery(7), 0)
    queue.add(delivery(3), 0)
    assert taken(queue) == [3]


def test_an_older_delivery_that_comes_late_waits_for_the_attempt_under_way(queue: DeliveryQueue) -> None:
    queue.add(delivery(7), 0)
    assert taken(queue) == [7]
    queue.add(delivery(3), 0)
    assert taken(queue) == []
    queue.drop("d7mail")
    assert taken(queue) == [3]


def test_a_failed_head_holds_back_its_lane_until_it_is_due_again(queue: DeliveryQueue) -> None:
    queue.add(delivery(1), 0)
    queue.add(delivery(2), 0)
    head = queue.take("mail", 0)
    assert head is not None
    queue.retry(head, 5.0)
    assert taken(queue, 4.9) == []
    assert queue.next_due_s("mail") == 5.0
    assert taken(queue, 5.0) == [1]


def test_of_all_that_is_due_the_most_urgent_goes_first(queue: DeliveryQueue) -> None:
    for cursor, severity in ((1, "info"), (2, "warning"), (3, "critical"), (4, "critical")):
        queue.add(delivery(cursor, f"G-{cursor}", severity), 0)
    assert taken(queue) == [3, 4, 2, 1]


def test_a_head_is_as_urgent_as_what_waits_behind_it(queue: DeliveryQueue) -> None:
    queue.add(delivery(1, "G-1", "warning"), 0)
    queue.add(delivery(2, "G-2", "info"), 0)
    queue.add(delivery(3, "G-2", "critical"), 0)
    assert taken(queue) == [2, 1]


def test_something_more_urgent_calls_a_sleeping_head_forward(queue: DeliveryQueue) -> None:
    queue.add(delivery(1, severity="info"), 0)
    head = queue.take("mail", 0)
    assert head is not None
    queue.retry(head, 1800.0)
    queue.add(delivery(2, severity="info"), 10.0)
    assert taken(queue, 10.0) == []
    queue.add(delivery(3, severity="critical"), 20.0)
    assert queue.severity(head) == "critical"
    assert taken(queue, 20.0) == [1]


def test_what_a_peer_asked_to_hold_back_waits_for_more_urgent_news_too(queue: DeliveryQueue) -> None:
    queue.add(delivery(1, severity="info"), 0)
    head = queue.take("mail", 0)
    assert head is not None
    queue.retry(head, 30.0, not_before_s=60.0)
    queue.add(delivery(2, severity="critical"), 1.0)
    assert taken(queue, 59.9) == []
    assert taken(queue, 60.0) == [1]


def test_a_success_on_the_channel_ends_the_pause_that_the_peer_asked_for(queue: DeliveryQueue) -> None:
    queue.add(delivery(1), 0)
    head = queue.take("mail", 0)
    assert head is not None
    queue.retry(head, 30.0, not_before_s=60.0)
    queue.call_forward("mail", 2.0)
    assert taken(queue, 2.0) == [1]


def test_what_is_set_aside_holds_up_nothing(queue: DeliveryQueue) -> None:
    queue.add(delivery(1), 0)
    queue.add(delivery(2), 0)
    head = queue.take("mail", 0)
    assert head is not None
    assert taken(queue, 0) == []
    queue.set_aside(head, 5.0)
    assert taken(queue, 0) == [2]
    assert taken(queue, 5.0) == [1]


def test_a_channel_that_answers_again_gets_all_that_waited(queue: DeliveryQueue) -> None:
    for cursor in (1, 2, 3):
        queue.add(delivery(cursor, f"G-{cursor}"), 1000.0)
    queue.call_forward("mail", 7.0)
    assert sorted(taken(queue, 7.0)) == [1, 2, 3]


def test_a_superseded_delivery_in_flight_is_marked_and_still_holds_its_lane(queue: DeliveryQueue) -> None:
    queue.add(delivery(1), 0)
    queue.add(delivery(2), 0)
    head = queue.take("mail", 0)
    assert head is not None
    assert queue.cancel("d1mail") is True
    assert head.is_cancelled
    assert taken(queue) == []


def test_the_same_delivery_is_not_taken_in_twice_but_may_become_due_sooner(queue: DeliveryQueue) -> None:
    queue.add(delivery(1), 100.0)
    queue.add(delivery(1), 3.0)
    assert (len(queue), queue.depth("mail")) == (1, 1)
    assert taken(queue, 3.0) == [1]


def test_what_is_asked_for_again_during_its_attempt_is_not_superseded_any_more(queue: DeliveryQueue) -> None:
    queue.add(delivery(1), 0)
    head = queue.take("mail", 0)
    assert head is not None
    queue.cancel("d1mail")
    queue.add(delivery(1), 0)
    assert (head.is_asked_again, head.is_cancelled) == (True, False)


def test_a_borrower_and_the_desk_do_not_wait_for_each_other(queue: DeliveryQueue) -> None:
    queue.add(delivery(1), 0)
    queue.add(delivery(1, to=("treasury@acme.example",)), 0)
    assert taken(queue) == [1, 1]


def test_nothing_is_left_behind_when_all_has_ended(queue: DeliveryQueue) -> None:
    for cursor in range(100):
        queue.add(delivery(cursor, f"G-{cursor % 7}"), 0)
    done = 0
    while (waiting := queue.take("mail", 0)) is not None:
        queue.drop(waiting.delivery.id)
        done += 1
    assert (done, len(queue), queue.depth("mail"), queue.next_due_s("mail"), queue.oldest("mail")) == (
        100,
        0,
        0,
        None,
        None,
    )


def test_a_digest_leads_to_the_log_below_the_same_address() -> None:
    two = [delivery(1), delivery(2)]
    told = digest(two, "https://desk.example/monitor/#/group/G-1")
    assert told.data["url"] == "https://desk.example/monitor/#/alerts"
    assert "url" not in digest(two).data
