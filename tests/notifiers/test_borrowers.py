"""What a borrower is told: theirs alone, in the language and by the template of the contact."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from monitor.contacts import Manner
from monitor.core.loans.group import ContactTo
from monitor.notifiers import _base as base
from monitor.notifiers import email, sms
from monitor.notifiers._base import Notice
from monitor.notifiers._borrowers import BorrowerTexts, examples, for_borrower
from tests.fakes import START, FakeClock
from tests.notifiers.conftest import MakeNotice

LANGUAGES = ("pl", "pt", "ru", "sv")
DESK_ONLY = {
    "url": "https://risk.desk.example/#/groups/G-1001",
    "acknowledged": {"by": "officer-anna", "note": "client is slow"},
    "silenced_by": "sil_1",
    "cause": "rules",
    "facts": {
        "silence": "sil_1",
        "hidden": "evt_x",
        "refusals": [{"text": "over the limit of the lender"}],
        "loan": "L-1",
    },
}
JANE = {"email": (ContactTo("Jane <jane@acme.example>", "pl", "short"),)}


def told(notice: Notice, language: str = "", template: str = "") -> Notice:
    found = for_borrower(notice, {}, ("jane@acme.example",))
    return msgspec.structs.replace(found, manner=Manner(language, template))


def test_a_borrower_gets_what_is_theirs_and_nothing_of_the_desk(make_notice: MakeNotice) -> None:
    pinned = {"by": "officer-anna", "until": "2026-11-22T00:00:00.000Z", "reason": "venue is wrong"}
    notice = make_notice(**DESK_ONLY)
    notice.data["inputs"][0]["pinned"] = pinned
    found = for_borrower(notice, JANE, ("jane@acme.example",))
    body = found.body().decode()
    for word in (
        "ACME",
        "acct-1",
        "officer-anna",
        "slow",
        "desk.example/#",
        "sil_1",
        "over the limit",
        "venue",
        "binance",
    ):
        assert word not in body, word
    assert found.data["facts"] == {"loan": "L-1"}
    assert found.data["ltv"] == notice.data["ltv"]
    assert found.data["cure"] == notice.data["cure"]
    assert found.id == notice.id
    assert found.manner == Manner("pl", "short")
    assert notice.data["group"]["labels"] == {"borrower": "ACME"}, "the desk's own notice stays as it is"


def test_a_key_that_is_new_stays_with_the_desk(make_notice: MakeNotice) -> None:
    assert "opinion" not in for_borrower(make_notice(opinion="sell"), {}, ("a@b.example",)).data


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
@pytest.mark.parametrize("template", ["full", "short"])
def test_every_alert_for_borrowers_has_its_words_in_every_language(language: str, template: str) -> None:
    texts = BorrowerTexts(LANGUAGES)
    english = BorrowerTexts()
    for notice in examples():
        mine = msgspec.structs.replace(notice, manner=Manner(language, template))
        letter = texts.mail(mine)
        assert "G-1" in letter.subject
        assert notice.id in letter.body
        assert notice.id in texts.short(mine)
        if language != "en":
            assert letter.subject != english.mail(mine).subject
            assert base.title(notice).lower() not in letter.subject.lower()


def test_a_language_that_is_off_is_english(make_notice: MakeNotice) -> None:
    assert BorrowerTexts().mail(told(make_notice(), "pl")).subject.startswith("Delayed liquidation: loan group G-1001")
    polish = BorrowerTexts(("pl",)).mail(told(make_notice(), "pl"))
    assert polish.subject.startswith("Odroczona likwidacja: grupa pożyczek G-1001")


def test_a_template_that_is_not_there_is_the_usual_one(make_notice: MakeNotice) -> None:
    texts = BorrowerTexts()
    assert texts.mail(told(make_notice(), "", "poem")) == texts.mail(told(make_notice()))


def test_figures_are_written_as_people_read_them_there(make_notice: MakeNotice) -> None:
    """66,396 USD is read as sixty-six in Poland."""
    texts = BorrowerTexts(LANGUAGES)
    for language, amount in (("en", "66,396 USD"), ("pl", "66 396 USD"), ("pt", "66.396 USD"), ("sv", "66 396 USD")):
        assert amount in texts.short(told(make_notice(), language))


def test_the_drafts_say_that_they_are_drafts() -> None:
    folder = Path(base.__file__).parent / "templates" / "borrower"
    for language in LANGUAGES:
        assert (folder / f"{language}.words.txt").read_text("utf-8").startswith("{# DRAFT")


def test_a_mail_to_a_borrower_is_written_in_the_language_of_the_contact(make_notice: MakeNotice) -> None:
    config = email.Config("smtp://127.0.0.1:25", "risk@desk.example", languages=("ru",))
    notifier = email.EmailNotifier("mail", config, FakeClock(START))
    writing = email.Writing(notifier._texts, notifier._templates)
    mail = email.compose(told(make_notice(), "ru"), config.sender, ["jane@acme.example"], FakeClock(START), writing)
    assert str(mail["Subject"]).startswith("Отложенная ликвидация")
    assert "Группа займов: G-1001" in mail.get_content()
    assert "ACME" not in mail.as_string()


async def test_an_sms_in_another_alphabet_stays_whole(tmp_path: Path, make_notice: MakeNotice) -> None:
    log = tmp_path / "sms.log"
    phone = sms.build("phone", sms.Config(file=str(log), languages=("ru",)))
    await phone.send(msgspec.structs.replace(told(make_notice(), "ru"), to=("+15550100",)))
    (line,) = log.read_text("utf-8").splitlines()
    text = msgspec.json.decode(line)["text"]
    assert text.startswith("Отложенная ликвидация, группа займов G-1001. LTV 91,84 %.")
    assert text.endswith(f"Ref {make_notice().id}")
    assert "?" not in text
    assert sms.parts(text) > 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [("x" * 160, 1), ("x" * 161, 2), ("x" * 306, 2), ("x" * 307, 3), ("[" * 80, 1), ("[" * 81, 2),
     ("ж" * 70, 1), ("ж" * 71, 2), ("ж" * 134, 2), ("ж" * 135, 3), ("\U0001f600" * 35, 1), ("\U0001f600" * 36, 2)],
)  # fmt: skip
def test_a_gateway_sends_so_many_parts(text: str, parts: int) -> None:
    assert sms.parts(text) == parts


def test_an_id_with_brackets_is_whole_in_an_sms(make_notice: MakeNotice) -> None:
    group = {"id": "G-[1]", "product": "vip_loan", "receiving_account": "a", "labels": {}}
    assert "G-[1]" in sms.text(make_notice(group=group))


# Templates of the desk's own


def test_a_folder_replaces_words_and_adds_templates_and_languages(tmp_path: Path, make_notice: MakeNotice) -> None:
    ours = Path(base.__file__).parent / "templates" / "borrower" / "en.words.txt"
    (tmp_path / "de.words.txt").write_text(ours.read_text("utf-8").replace("loan group", "Kreditgruppe"), "utf-8")
    (tmp_path / "terse.mail.txt").write_text("{{ group }}!\n\n{{ title }}\n", "utf-8")
    texts = BorrowerTexts(("de",), tmp_path)
    assert "Kreditgruppe G-1001" in texts.mail(told(make_notice(), "de")).subject
    assert texts.mail(told(make_notice(), "", "terse")) == ("G-1001!", "delayed liquidation")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("full.mail.txt", "{{ debtor }}", "full.mail.txt: 'debtor' is undefined"),
        ("full.mail.txt", "{% if ltv %}", "full.mail.txt, line 1: "),
        ("full.sms.txt", "{{ facts[0][1] }}", "full.sms.txt: "),
        ("pl.words.txt", "{# nothing #}", "pl.words.txt sets no 'titles'"),
    ],
)
def test_a_text_that_cannot_be_rendered_for_every_alert_is_refused(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"^templates: ") as refused:
        BorrowerTexts(("pl",), tmp_path)
    assert why in str(refused.value)


def test_the_desks_mail_can_be_replaced_and_is_checked(tmp_path: Path, make_notice: MakeNotice) -> None:
    config = email.Config("smtp://127.0.0.1:25", "risk@desk.example", templates=tmp_path)
    (tmp_path / "mail.txt").write_text("Our own: {{ headline }}\n", "utf-8")
    notifier = email.EmailNotifier("mail", config, FakeClock(START))
    writing = email.Writing(notifier._texts, notifier._templates)
    mail = email.compose(make_notice(), config.sender, ["o@desk.example"], FakeClock(START), writing)
    assert "Our own: [CRITICAL] G-1001" in mail.as_string()
    (tmp_path / "mail.html").write_text("{{ nobody }}", "utf-8")
    with pytest.raises(ValueError, match=r"templates: mail\.html: 'nobody' is undefined"):
        email.build("mail", config)


def test_a_language_without_words_and_a_folder_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="languages: found 'xx', expected one of: en, pl, pt, ru, sv"):
        email.build("mail", email.Config("smtp://127.0.0.1:25", "risk@desk.example", languages=("xx",)))
    with pytest.raises(ValueError, match="no such folder"):
        sms.build("phone", sms.Config(templates=tmp_path / "none"))


# Names


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ACME", "ACME"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u2068\u05e9\u05dc\u05d5\u05dd\u2069"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u2068\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\u2069",
        ),
        ("क्\u200dष", "क्\u200dष"),
        ("A\u202eB", r"A\u202eB"),
        ("\u05e9\u05dc\u05d5\u05dd\u202e\u2066x", "\u2068\u05e9\u05dc\u05d5\u05dd\\u202e\\u2066x\u2069"),
        ("ACME\u200f", "\u2068ACME\u200f\u2069"),
    ],
)
def test_a_name_from_right_to_left_stays_itself_and_turns_nothing_else(name: str, shown: str) -> None:
    assert base.isolated(name) == shown


def test_labels_in_right_to_left_names_reach_the_mail_whole(make_notice: MakeNotice) -> None:
    group = {
        "id": "G-1",
        "product": "vip_loan",
        "receiving_account": "a",
        "labels": {"borrower": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"},
    }
    mail = email.compose(make_notice(group=group), "risk@desk.example", ["o@desk.example"], FakeClock(START))
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert "borrower: \u2068\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\u2069" in plain
    assert "\u2068\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\u2069" in html


def test_public_labels_stand_in_a_borrowers_mail(make_notice: MakeNotice) -> None:
    group = {"id": "G-1", "product": "vip_loan", "labels": {"contract": "C-7", "desk": "SECRETDESK"}}
    told = for_borrower(make_notice(group=group), {}, ("a@b.example",), ("contract", "region"))
    assert told.data["group"]["labels"] == {"contract": "C-7"}
    letter = BorrowerTexts().mail(told)
    assert "Contract: C-7" in letter.body
    assert "SECRETDESK" not in letter.body
