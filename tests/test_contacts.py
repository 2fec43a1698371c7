"""The forms in which people write addresses and numbers: what is sent to, and why the rest is refused."""

from __future__ import annotations

import pytest

from monitor import contacts
from monitor.contacts import Manner
from monitor.core.loans.group import ContactTo
from monitor.notifiers import email, sms

ADDRESSES = [
    ("jane@acme.example", "jane@acme.example"),
    ("jane@acme.example ", "jane@acme.example"),
    ("\u00a0jane@acme.example\ufeff\u200b", "jane@acme.example"),
    ("Jane Doe <jane@acme.example>", "jane@acme.example"),
    ('"Doe, Jane" <jane@acme.example>', "jane@acme.example"),
    ("< jane@acme.example >", "jane@acme.example"),
    ("mailto:jane@acme.example", "jane@acme.example"),
    ("Jane.Doe+loans@ACME.example", "Jane.Doe+loans@acme.example"),
    ("jane@b\u00fccher.example", "jane@xn--bcher-kva.example"),
    ("jane@stra\u00dfe.example", "jane@xn--strae-oqa.example"),
    ("jane@\u043f\u043e\u0447\u0442\u0430.example", "jane@xn--80a1acny.example"),
    ("jane@xn--bcher-kva.example", "jane@xn--bcher-kva.example"),
]
NO_ADDRESSES = [
    ("cfo@acme,example", "domain 'acme,example' is none"),
    ("jane at acme.example", "no @"),
    ("", "is empty"),
    ("   ", "is empty"),
    ("jane@acme.example, joe@acme.example", "more than one address"),
    ("jane@acme.example; joe@acme.example", "more than one address"),
    ("joe@acme.example <jane@acme.example>", "angle brackets"),
    ("Jane <jane@acme.example", "angle brackets"),
    ("Jane <jane@acme.example> <joe@acme.example>", "angle brackets"),
    ("jane@acme.example\r\nBcc: joe@acme.example", "control character"),
    ('"jane doe"@acme.example', "no mailbox"),
    ("jane doe@acme.example", "no mailbox"),
    (".jane@acme.example", "no mailbox"),
    ("jane..doe@acme.example", "no mailbox"),
    ("j\u00e4ne@acme.example", "not ASCII"),
    ("jane@acme", "no dot"),
    ("jane@acme..example", "is none"),
    ("jane@-acme.example", "is none"),
    ("jane@acme.example.", "is none"),
    ("jane@ac me.example", "is none"),
    ("jane@[192.0.2.1]", "is none"),
    ("jane@192.0.2.1", "is a number"),
    ("x" * 65 + "@acme.example", "no mailbox"),
    ("jane@" + ".".join(["x" * 60] * 5), "is none"),
    ("+15550100", "no @"),
]
NUMBERS = [
    ("+15550100", "+15550100"),
    (" +1 555-0100 ", "+15550100"),
    ("+1 (555) 01.00", "+15550100"),
    ("0044 20 7946 0958", "+442079460958"),
    ("+44 (0)20 7946 0958", "+442079460958"),
    ("tel:+15550100", "+15550100"),
    ("\uff0b1\u20115550100", "+15550100"),
    ("+1\u00a0555\u202f0100", "+15550100"),
]
NO_NUMBERS = [
    ("5550100", "does not say its country"),
    ("020 7946 0958", "does not say its country"),
    ("", "is empty"),
    ("+0 20 7946 0958", "no phone number"),
    ("+1555", "no phone number"),
    ("+" + "1" * 16, "no phone number"),
    ("+1555010O", "no phone number"),
    ("+1 555 0100 ext. 12", "no phone number"),
    ("jane@acme.example", "no phone number"),
    ("+1 555 0100, +1 555 0101", "no phone number"),
]


@pytest.mark.parametrize(("stated", "address"), ADDRESSES)
def test_an_address_is_sent_to_as_the_server_knows_it(stated: str, address: str) -> None:
    assert email.contact(stated) == address


@pytest.mark.parametrize(("stated", "why"), NO_ADDRESSES)
def test_what_is_no_address_is_refused_with_the_reason(stated: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"expected a mail address such as jane@acme\.example") as refused:
        email.contact(stated)
    assert why in str(refused.value)


@pytest.mark.parametrize(("stated", "number"), NUMBERS)
def test_a_number_is_sent_to_in_the_form_of_e164(stated: str, number: str) -> None:
    assert sms.contact(stated) == number


@pytest.mark.parametrize(("stated", "why"), NO_NUMBERS)
def test_what_is_no_number_is_refused_with_the_reason(stated: str, why: str) -> None:
    with pytest.raises(ValueError, match="expected a phone number with its country") as refused:
        sms.contact(stated)
    assert why in str(refused.value)


def test_each_problem_names_place_value_and_remedy() -> None:
    stated = {"email": ("jane@acme.example", "cfo@acme,example"), "sms": ("5550100",), "emial": ("x@acme.example",)}
    found = [str(p) for p in contacts.problems(stated)]
    assert found[0].startswith("contacts.email[1]: found 'cfo@acme,example', whose domain")
    assert found[1].startswith("contacts.sms[0]: found '5550100', which does not say its country")
    assert found[2].startswith("contacts.emial: found 'emial', which reaches nobody; expected one of:")
    assert "did you mean 'email'?" in found[2]
    assert len(found) == 3


def test_a_borrower_has_at_most_fifty_contacts_of_a_kind() -> None:
    stated = {"email": tuple(f"n{i}@acme.example" for i in range(60))}
    (problem,) = contacts.problems(stated)
    assert problem.where == "contacts.email[50]"
    assert len(contacts.usable(stated, "email")[0]) == 50


def test_a_kind_is_one_by_declaring_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from monitor.notifiers import console

    assert "console" not in contacts.kinds()
    monkeypatch.setattr(console, "contact", str.strip, raising=False)
    contacts.check_of.cache_clear()
    try:
        assert "console" in contacts.kinds()
        assert contacts.problems({"console": ("jane",)}) == []
        assert contacts.usable({"console": (" jane",)}, "console") == ({"jane": Manner()}, [])
    finally:
        contacts.check_of.cache_clear()


def test_the_same_address_in_two_forms_is_one() -> None:
    stated = {"email": ("Jane <jane@acme.example>", "jane@acme.example ", ContactTo("joe@acme.example", "pl", "short"))}
    good, bad = contacts.usable(stated, "email")
    assert good == {"jane@acme.example": Manner(), "joe@acme.example": Manner("pl", "short")}
    assert bad == []


def test_what_the_books_of_the_desk_and_of_the_lender_differ_in_is_no_borrowers() -> None:
    assert contacts.is_for_borrowers("loan_group.liquidation.triggered")
    assert not contacts.is_for_borrowers("book.drift")
    assert not contacts.is_for_borrowers("book.agreed")
