"""Who reads what comes to a contact: a link of acknowledgement goes to one person alone."""

from __future__ import annotations

import pytest

from monitor.people import FourEyesTable, Person, four_eyes_misfits, owners_of, reads_alone, without_links
from monitor.sign_in_table import GroupRole
from monitor.web_table import TokenConfig

PEOPLE = {
    "anna": {"mail": "anna@desk.example", "phone": "+46701740605", "anna-chat": "own", "room": "anna", "bot": "4711"},
    "ben": {
        "mail": "desk@desk.example",
        "room": "ben",
        "bot": "-100123",
        "topic": "own",
        "anna-mail": "x@desk.example",
    },
    "carla": {"mail-2": "desk@desk.example", "bot": "@desk_alerts", "routed": "carla"},
}
KINDS = {
    "mail": "email", "mail-2": "email", "anna-mail": "email", "phone": "sms", "bot": "telegram", "topic": "ntfy",
    "anna-chat": "slack", "room": "slack", "routed": "teams",
}  # fmt: skip
ROUTED = frozenset({"mail", "routed", "bot"})


@pytest.mark.parametrize(
    ("person", "notifier", "is_alone"),
    [
        ("anna", "mail", True),
        ("anna", "phone", True),
        ("ben", "mail", False),  # carla has the same mailbox, by another notifier
        ("carla", "mail-2", False),
        ("ben", "anna-mail", True),
        ("anna", "bot", True),
        ("ben", "bot", False),  # a group
        ("carla", "bot", False),  # a channel
        ("anna", "anna-chat", True),
        ("ben", "topic", True),
        ("anna", "room", False),  # ben is told there too
        ("carla", "routed", False),  # alerts of the desk go there
    ],
)
def test_one_person_alone_reads_what_nobody_else_states(person: str, notifier: str, is_alone: bool) -> None:
    address = PEOPLE[person][notifier]
    assert reads_alone(notifier, KINDS[notifier], address, PEOPLE, ROUTED) is is_alone


def test_contacts_without_a_link_are_named() -> None:
    assert without_links({"anna": PEOPLE["anna"], "ben": {"room": "ben"}}, KINDS, ROUTED) == [
        f"person {who!r}: several read what comes to 'room', so no link to acknowledge is sent there"
        for who in ("anna", "ben")
    ]


def test_four_eyes_need_two_people_with_tokens_of_their_own() -> None:
    tokens = [TokenConfig(name, "operator", secret=name) for name in ("anna", "anna-phone", "ben")]
    tokens.append(TokenConfig("carla", "viewer", secret="carla"))
    anna, ben = Person("anna", tokens=("anna", "anna-phone")), Person("ben", tokens=("ben",))
    on = FourEyesTable(True)
    assert on.settings([anna, ben], tokens).people == ("anna", "ben")
    assert owners_of([anna, ben]) == {"anna": "anna", "anna-phone": "anna", "ben": "ben"}
    assert list(four_eyes_misfits([anna, ben], tokens, on)) == []
    for people, place in (
        ([anna], "four_eyes.enabled"),
        ([anna, Person("carla", tokens=("carla",))], "four_eyes.enabled"),
        ([anna, ben, Person("x", tokens=("none",))], "person[2].tokens"),
        ([anna, ben, Person("x", tokens=("ben",))], "person[2].tokens"),
    ):
        assert [where for where, _ in four_eyes_misfits(people, tokens, on)] == [place]
    assert list(four_eyes_misfits([], tokens, FourEyesTable())) == []


def test_a_person_who_signs_in_without_a_token_counts_for_four_eyes_and_is_known_by_name() -> None:
    anna = Person("anna", sign_in=("anna@desk.example",))
    ben = Person("ben", sign_in=("ben@desk.example",))
    on, may = FourEyesTable(True), [GroupRole("desk", "operator")]
    assert on.settings([anna, ben], [], may).people == ("anna", "ben")
    assert on.settings([anna, ben], [], [GroupRole("readers", "viewer")]).people == ()
    assert owners_of([anna]) == {"sso:anna@desk.example": "anna"}
    assert list(four_eyes_misfits([anna, ben], [], on, may)) == []
    assert [where for where, _ in four_eyes_misfits([anna], [], FourEyesTable())] == ["person[0].sign_in"]
    twice = Person("ben", sign_in=anna.sign_in)
    assert [where for where, _ in four_eyes_misfits([anna, twice], [], FourEyesTable(), may)] == ["person[1].sign_in"]
