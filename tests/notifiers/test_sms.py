"""Short messages: what they say, how long they are, who gets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.alerts.catalogue import CATALOGUE
from monitor.notifiers import sms
from monitor.notifiers._base import DeliveryError, Notice, subject_of
from monitor.notifiers.sms import Config, SmsNotifier, StubGateway
from tests.fakes import START, FakeClock
from tests.notifiers.conftest import STARTED, MakeNotice

DUTY, SECOND = "+15550100", "+15550101"
AT = "2026-11-21T14:05:59.000Z"


def test_it_says_group_stage_ltv_what_to_do_by_when_and_where_to_find_it(make_notice: MakeNotice) -> None:
    assert sms.text(make_notice()) == (
        "CRITICAL G-1001 delayed liquidation. LTV 91.84%. Repay 66,396 USD or add collateral to 72% by 14:05 UTC 22 Nov."
        " Immediate above 95%. Ref evt_abcdefgh"
    )


def test_other_alerts_say_what_they_are_about(make_notice: MakeNotice, plain_notice: MakeNotice) -> None:
    assert sms.text(plain_notice()) == "WARNING BTC price stale. Ref evt_plain"
    assert sms.text(make_notice(test=True)).startswith("TEST CRITICAL G-1001 ")
    assert "Prices not current." in sms.text(make_notice(blind=True))


def test_the_address_of_the_page_follows_where_all_of_it_fits(
    make_notice: MakeNotice, plain_notice: MakeNotice
) -> None:
    page = "https://risk.desk.example/#/prices"
    assert sms.text(plain_notice(url=page)) == f"WARNING BTC price stale. Ref evt_plain {page}"
    assert sms.text(make_notice(url="https://r.example/#/group/G-1001", next_line=None, thresholds={})) == (
        "CRITICAL G-1001 delayed liquidation. LTV 91.84%. Repay 66,396 USD or add collateral by 14:05 UTC 22 Nov."
        " Ref evt_abcdefgh https://r.example/#/group/G-1001"
    )
    assert sms.text(make_notice(url=f"{page}/a-longer-one")) == sms.text(make_notice())
    assert sms.text(plain_notice(url="https://r.example/" + "x" * 110)) == sms.text(plain_notice())


@given(
    name=st.text(max_size=200),
    type_=st.sampled_from(sorted(CATALOGUE)),
    debt=st.integers(0, 10**15),
    blind=st.booleans(),
    test=st.booleans(),
)
def test_it_is_one_message_and_at_most_three_where_a_name_is_in_another_alphabet(
    name: str, type_: str, debt: int, blind: bool, test: bool
) -> None:
    data = {**STARTED, "group": {"id": name}, "cure": {"repay_usd": str(debt)}, "blind": blind, "test": test}
    notice = Notice(type_, AT, data)
    text = sms.text(notice)
    name = subject_of(notice)
    is_gsm = sms._gsm(name) == name
    assert sms.parts(text) <= (1 if is_gsm else 3)
    assert name[: 7 if is_gsm else 16] in text
    assert text.endswith(" Ref evt_abcdefgh")
    assert "LTV 91.84%" in text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "sms.log"


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def notifier(path: Path, *to: str) -> SmsNotifier:
    return SmsNotifier("phone", Config(to=to or (DUTY,)), StubGateway(path, FakeClock(START)))


async def test_the_stub_writes_what_it_would_send(path: Path, make_notice: MakeNotice) -> None:
    receipt = await notifier(path, DUTY, SECOND).send(make_notice())
    text = sms.text(make_notice())
    assert lines(path) == [
        {"time": "2021-05-19T12:58:00Z", "to": number, "text": text, "id": make_notice().id}
        for number in (DUTY, SECOND)
    ]
    assert DUTY in receipt.detail


async def test_the_borrowers_numbers_replace_the_desks(path: Path, make_notice: MakeNotice) -> None:
    await notifier(path).send(make_notice(to=(SECOND,)))
    assert [line["to"] for line in lines(path)] == [SECOND]


@pytest.mark.parametrize("number", ["15550100", "+1555x", "+1 555 0100", "+15550100\n", "", "+" + "1" * 16])
async def test_what_is_no_number_gets_nothing_and_is_named(path: Path, make_notice: MakeNotice, number: str) -> None:
    receipt = await notifier(path).send(make_notice(to=(number, DUTY)))
    assert [line["to"] for line in lines(path)] == [DUTY]
    assert "not a phone number" in receipt.detail
    with pytest.raises(DeliveryError) as failed:
        await notifier(path).send(make_notice(to=(number,)))
    assert failed.value.retry is False
    with pytest.raises(ValueError, match="expected a phone number"):
        Config(to=(number,))


async def test_a_file_that_cannot_be_written_is_retried(tmp_path: Path, make_notice: MakeNotice) -> None:
    with pytest.raises(DeliveryError, match="cannot write") as failed:
        await notifier(tmp_path).send(make_notice())
    assert failed.value.retry


class FlakyGateway:
    """Fails for the numbers it is told to."""

    def __init__(self, **fails: bool) -> None:
        self.took: list[str] = []
        self.fails: dict[str, bool] = fails

    async def deliver(self, to: str, text: str, *, id: str) -> str:
        if to in self.fails:
            raise DeliveryError("no credit", retry=self.fails[to])
        self.took.append(to)
        return "ref-1"


async def test_a_number_that_took_it_gets_it_once_though_another_one_fails(make_notice: MakeNotice) -> None:
    gateway = FlakyGateway(**{SECOND: True})
    phone = SmsNotifier("phone", Config(to=(DUTY, SECOND)), gateway)
    with pytest.raises(DeliveryError, match="no credit") as failed:
        await phone.send(make_notice())
    assert failed.value.retry
    gateway.fails.clear()
    await phone.send(make_notice())
    assert gateway.took == [DUTY, SECOND]


async def test_a_number_that_is_refused_for_good_is_reported(make_notice: MakeNotice) -> None:
    gateway = FlakyGateway(**{SECOND: False})
    receipt = await SmsNotifier("phone", Config(to=(DUTY, SECOND)), gateway).send(make_notice())
    assert f"refused {SECOND}: no credit" in receipt.detail
    gateway.fails = {DUTY: False, SECOND: False}
    with pytest.raises(DeliveryError) as failed:
        await SmsNotifier("phone", Config(to=(DUTY, SECOND)), gateway).send(make_notice())
    assert failed.value.retry is False
