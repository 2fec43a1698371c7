"""What all channels share: secrets, and words and figures for people."""

from pathlib import Path

import msgspec
import pytest

from monitor.addresses import shown_url
from monitor.notifiers import _base as base
from monitor.notifiers import _stage_words as stage_words
from monitor.notifiers._base import Accepted
from monitor.notifiers._words import facts_of
from monitor.secret_files import BadSecret, read_secret
from tests.notifiers.conftest import MakeNotice


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    return path


def test_a_secret_comes_from_the_text_or_from_the_file(secret_file: Path) -> None:
    assert read_secret(" hunter2 ", None) == "hunter2"
    assert read_secret(None, secret_file) == "hunter2"


def test_a_missing_secret_is_said(tmp_path: Path) -> None:
    for text in (None, "", "  "):
        with pytest.raises(BadSecret, match="a secret is needed"):
            read_secret(text, None)
    with pytest.raises(BadSecret, match="No such file"):
        read_secret(None, tmp_path / "nowhere")
    with pytest.raises(BadSecret, match="Is a directory"):
        read_secret(None, tmp_path)


def test_an_empty_or_binary_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(" \n")
    with pytest.raises(BadSecret, match="is empty"):
        read_secret(None, path)
    path.write_bytes(b"\x80\xfe")
    with pytest.raises(BadSecret, match="not a text file"):
        read_secret(None, path)


def test_two_places_for_one_secret_are_refused(secret_file: Path) -> None:
    with pytest.raises(BadSecret, match="one of the two") as refused:
        read_secret("hunter2", secret_file)
    assert "hunter2" not in str(refused.value)


def test_a_file_that_everybody_can_read_is_warned_of_and_used(
    secret_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read_secret(None, secret_file)
    assert "read a secret file" not in "".join(capsys.readouterr())
    secret_file.chmod(0o644)
    assert read_secret(None, secret_file) == "hunter2"
    shown = "".join(capsys.readouterr())
    assert "every user of this machine can read a secret file" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:hunter2@risk.example:8443/T0/B0/hunter2?key=hunter2#hunter2", "https://risk.example:8443"),
        ("redis://:hunter2@127.0.0.1:6379/0", "redis://127.0.0.1:6379"),
        ("https://u:p@ss@x.example/", "https://x.example"),
    ],
)
def test_of_a_url_only_its_host_is_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("a\r\nBcc: x@y.example", "a Bcc: x@y.example"),
        ("a\x1b[31mred\x00", r"a\x1b[31mred\x00"),
        ("left\u202eright\u2028next", r"left\u202eright next"),
        ("soft\u00adhyphen\ue000", "soft hyphen"),
        ("x" * 300, "x" * 197 + "..."),
        (7, "7"),
    ],
)
def test_one_line_is_one_printable_line(raw: object, line: str) -> None:
    assert base.one_line(raw) == line


def test_figures_never_show_a_line_as_crossed_nor_ask_for_too_little() -> None:
    assert base.percent("0.91994", {"liquidation": "0.92"}) == "91.99 %"
    assert base.percent("0.91999", {"liquidation": "0.92"}) == "91.999 %"
    assert base.percent("0.91999999") == "91.999999 %"
    assert base.percent("1.2") == "120.00 %"
    assert stage_words.line_percent("0.77") == "77 %"
    assert stage_words.line_percent("0.775") == "77.5 %"
    assert base.usd("1234567.996") == "1,234,568.00"
    assert base.usd_up("1234567.001") == "1,234,567.01"
    assert base.whole_usd_up("66395.3") == "66,396"
    assert base.number("81250000000.00000001") == "81,250,000,000.00000001"
    assert base.moment("2026-11-22T14:05:59.999Z") == "2026-11-22 14:05 UTC"


def test_the_headline_says_who_what_how_far_and_until_when(make_notice: MakeNotice, plain_notice: MakeNotice) -> None:
    line = "[CRITICAL] G-1001 delayed liquidation: LTV 91.84 %, cure to 72 % by 2026-11-22 14:05 UTC, immediate liquidation above 95 %"
    assert base.headline(make_notice()) == line
    assert base.headline(make_notice(test=True)) == f"TEST {line}"
    assert base.headline(make_notice(blind=True)) == f"{line}, prices not current"
    assert base.headline(plain_notice()) == "[WARNING] BTC price stale"
    assert base.headline(plain_notice("some.new_type", "")) == "[WARNING] some new type"


def test_the_headline_leads_with_what_the_lender_says(make_notice: MakeNotice) -> None:
    notice = make_notice()
    raw = "the lender: delayed liquidation (delayed), deadline 2026-11-22T12:00:00.000Z; here: margin call at LTV 0.8"
    says = raw.replace("T12:00:00.000Z", " 12:00 UTC")
    data = {**notice.data, "facts": {"says": raw, "causes": ["stage"]}, "reason": "lender", "deadline": None}
    drift = msgspec.structs.replace(notice, type="book.drift", data=data)
    assert (
        base.headline(drift)
        == f"[CRITICAL] G-1001 the lender says otherwise: {says}, LTV 91.84 %, immediate liquidation above 95 %, cured at 72 %"
    )
    assert facts_of(drift)[1] == ("the lender", says.removeprefix("the lender: "))
    data = {**notice.data, "facts": {"lender": "liquidation (Liquidating)"}, "reason": "lender"}
    triggered = msgspec.structs.replace(notice, type="loan_group.liquidation.triggered", data=data)
    assert base.headline(triggered).startswith(
        "[CRITICAL] G-1001 liquidation: the lender: liquidation (Liquidating), LTV"
    )


def test_those_who_took_a_notice_are_remembered_until_it_is_through(make_notice: MakeNotice) -> None:
    accepted = Accepted()
    accepted.note(make_notice(), ["a"])
    assert accepted.left(make_notice(), ["a", "b"]) == ["b"]
    assert accepted.left(make_notice(to=("a", "b")), ["a", "b"]) == ["a", "b"], "other recipients, another mail"
    accepted.forget(make_notice())
    assert accepted.left(make_notice(), ["a", "b"]) == ["a", "b"]


def test_that_memory_is_bounded(make_notice: MakeNotice) -> None:
    accepted = Accepted()
    for n in range(1500):
        accepted.note(make_notice(id=f"evt_{n}"), ["a"])
    assert accepted.left(make_notice(id="evt_0"), ["a"]) == ["a"]
    assert accepted.left(make_notice(id="evt_1499"), ["a"]) == []
