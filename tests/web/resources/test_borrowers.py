"""GET /v1/borrowers/{id}/statement: a day of all groups of a borrower, whose figures recompute."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import aiohttp
import msgspec
import pytest

from monitor.core.rules.calls import CallRules
from monitor.core.schema import read
from monitor.web.resources import borrowers
from monitor.web_table import WebConfig
from tests.book_lines import line, open_loan
from tests.looks import RULES
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask

Session = aiohttp.ClientSession
HOUR = timedelta(hours=1)
TOKENS = read(
    WebConfig,
    {
        "tokens": [
            {"name": "desk", "role": "admin", "secret": "s-desk"},
            {"name": "acme", "role": "viewer", "secret": "s-acme", "scope": {"borrower": "ACME"}},
        ]
    },
)
PARTS = ("before", "charged", "borrowed", "repaid", "written_off", "restated", "moved", "owed")
SIGNS = (1, 1, 1, -1, -1, 1, 1, -1)


@pytest.fixture
def desk() -> WebDesk:
    kind = RULES.products["vip_loan"]
    versions = tuple(msgspec.structs.replace(each, calls=CallRules(24 * HOUR)) for each in kind.versions)
    kind = msgspec.structs.replace(kind, versions=versions)
    return WebDesk(msgspec.structs.replace(RULES, products={"vip_loan": kind}))


@pytest.fixture
async def http(desk: WebDesk) -> AsyncIterator[Session]:
    """ACME has G-1 and G-2, BETA has G-3; each owes 100,000 USDT on 10 BTC since 2026-03-02 12:00."""
    async with serving(desk, TOKENS) as url, aiohttp.ClientSession(base_url=url) as session:
        session.headers["Authorization"] = "Bearer s-desk"
        for id_, who in (("G-1", "ACME"), ("G-2", "ACME"), ("G-3", "BETA")):
            await put(session, id_, labels={"borrower": who})
        yield session


async def put(http: Session, id_: str, **more: Any) -> None:
    status, _, found = await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, **more))
    assert status in (200, 201), found


async def enter(http: Session, group: str, id_: str, **entry: Any) -> None:
    status, _, found = await ask(http, "POST", f"/v1/groups/{group}/entries", {"id": id_, **entry})
    assert status == 200, found


async def statement(http: Session, day: str, who: str = "ACME") -> dict[str, Any]:
    status, _, found = await ask(http, "GET", f"/v1/borrowers/{who}/statement?day={day}")
    assert status == 200, found
    return dict(found)


def summed(rows: Iterable[Any], name: str) -> Fraction:
    return sum((Fraction(row[name]) for row in rows), Fraction(0))


def of_coin(rows: Iterable[Any], asset: str) -> list[Any]:
    return [row for row in rows if row["asset"] == asset]


async def days_of_acme(desk: WebDesk, http: Session) -> list[dict[str, Any]]:
    """On the 3rd G-1 is called, pays a part and G-2 borrows; on the 4th G-1 repays, and the lender corrects G-2's loan."""
    desk.pass_time(26 * HOUR)
    desk.prices({"BTC": "12500"})
    await enter(http, "G-1", "d-1", type="deposit", account="G-1-a", asset="BTC", quantity="0.1")
    loan = open_loan("L-2", "BTC", "0.5", "2026-03-03T15:00:00Z")
    desk.pass_time(HOUR)
    await enter(http, "G-1", "x-1", type="dispute", amount_usd="100", reason="price", by="ACME")
    desk.prices({"BTC": "40000"})
    await enter(http, "G-2", "b-1", type="borrow", loan=loan)
    desk.prices({"BTC": "12500"})
    desk.pass_time(13 * HOUR)
    desk.prices({"BTC": "12400"})
    await enter(http, "G-1", "r-1", type="repay", asset="USDT", amount="20032")
    corrected = open_loan("G-2-L1", "USDT", "90000", "2026-03-01T10:00:00Z", interest="1.5")
    await put(http, "G-2", labels={"borrower": "ACME"}, loans=[corrected, loan])
    desk.pass_time(46 * HOUR)
    return [await statement(http, f"2026-03-0{n}") for n in range(2, 7)]


async def test_every_figure_of_a_borrowers_day_recomputes(desk: WebDesk, http: Session) -> None:
    """By plain fractions from the statement alone: interest, balances, sums, and the figures of each alert."""
    days = await days_of_acme(desk, http)
    assert [sorted(x["group"] for x in day["groups"]) for day in days] == [["G-1", "G-2"]] * 5
    for day in days:
        for group in day["groups"]:
            _check_group(group)
        for coin in day["balance"]:
            theirs = of_coin((x for group in day["groups"] for x in group["balance"]), coin["asset"])
            assert all(Fraction(coin[part]) == summed(theirs, part) for part in PARTS), (
                "a total is the sum of the groups"
            )
            assert coin["moved"] == "0", "every change has its row"
        sums = [group["call_sums"] for group in day["groups"]]
        assert all(Fraction(value) == summed(sums, name) for name, value in day["call_sums"].items())
    for before, after in pairwise(days):
        ends = {x["group"]: x["owed"] for x in before["groups"]}
        assert {x["group"]: x["before"] for x in after["groups"]} == ends, "a day begins as the one before it ended"
    usdt = [of_coin(day["balance"], "USDT")[0] for day in days]
    assert [[x[part] for part in PARTS] for x in usdt[1:3]] == [
        ["200032", "32", "0", "0", "0", "0", "0", "200064"],
        ["200064", "27.2", "0", "20032", "0", "-10030.5", "0", "170028.7"],
    ]
    assert [of_coin(day["balance"], "BTC")[0]["borrowed"] for day in days[1:3]] == ["0.5", "0"]
    assert [day["final"] for day in days] == [True, True, True, True, False]


def _check_group(group: dict[str, Any]) -> None:
    for each in group["interest"]:
        assert Fraction(each["principal"]) * Fraction(each["rate"]) * Fraction(each["late_factor"]) * each[
            "periods"
        ] == Fraction(each["amount"])
    for each in (*group["before"], *group["owed"]):
        assert Fraction(each["principal"]) + Fraction(each["interest"]) == Fraction(each["owed"])
    for coin in group["balance"]:
        assert sum(sign * Fraction(coin[part]) for sign, part in zip(SIGNS, PARTS, strict=True)) == 0
        rows = {"before": "owed", "owed": "owed", "interest": "amount", "repayments": "amount"}
        found = {key: summed(of_coin(group[key], coin["asset"]), name) for key, name in rows.items()}
        assert list(found.values()) == [Fraction(coin[x]) for x in ("before", "owed", "charged", "repaid")]
    for alert in (x["data"] for x in group["alerts"]):
        assert Fraction(alert["debt_usd"]) == summed(alert["debts"], "value_usd")
        for x in alert["debts"]:
            assert Fraction(x["value_usd"]) == (Fraction(x["principal"]) + Fraction(x["interest"])) * Fraction(
                x["price"]
            )
        assert Fraction(alert["market_usd"]) == sum(
            Fraction(x["quantity"]) * Fraction(x["price"]) for x in alert["inputs"]
        )
        assert Fraction(alert["recognised_usd"]) == summed(alert["inputs"], "recognised_usd")


async def test_a_margin_call_stands_in_every_day_until_it_ends(desk: WebDesk, http: Session) -> None:
    """Its amount is that of its opening alert. On a day on which nothing came of it, it stands there all the same."""
    desk.pass_time(26 * HOUR)
    desk.prices({"BTC": "12500"})
    await enter(http, "G-1", "d-1", type="deposit", account="G-1-a", asset="BTC", quantity="0.1")
    desk.pass_time(46 * HOUR)
    status, _, _ = await ask(http, "DELETE", "/v1/groups/G-1")
    assert status == 204
    desk.pass_time(24 * HOUR)
    days = [await statement(http, f"2026-03-0{n}") for n in range(2, 7)]
    called = [next(x for x in day["groups"] if x["group"] == "G-1") for day in days[:4]]
    opened = next(x for x in called[1]["calls"] if x["what"] == "opened")
    alert = next(x["data"] for x in called[1]["alerts"] if x["data"]["id"] == opened["call_alert"])
    exact = Fraction(alert["debt_usd"]) / Fraction(opened["target"]) - Fraction(alert["recognised_usd"])
    assert 0 <= Fraction(opened["called_usd"]) - exact < Fraction("0.01")
    assert [x["paid_usd"] for x in called[1]["calls"]] == [None, "1250"]
    assert Fraction(called[1]["call"]["outstanding_usd"]) == Fraction(opened["called_usd"]) - 1250
    assert [x["call"] and x["call"]["what"] for x in called] == [None, "payment", "expired", None]
    assert [x["call_sums"]["outstanding_usd"] for x in called] == [
        "0",
        *[called[1]["call"]["outstanding_usd"]] * 2,
        "0",
    ]
    assert [[x["what"] for x in each["calls"]] for each in called[2:]] == [["expired"], ["ended"]]


async def test_a_payment_stands_before_what_it_met_and_no_call_stands_after_it(desk: WebDesk, http: Session) -> None:
    desk.prices({"BTC": "12500"})
    await enter(http, "G-1", "r-1", type="repay", asset="USDT", amount="12000")
    (group, _) = (await statement(http, "2026-03-02"))["groups"]
    assert [x["what"] for x in group["calls"]] == ["opened", "payment", "met"]
    assert (group["call"], group["call_sums"]["received_usd"]) == (None, "12000")


async def test_the_desk_reads_what_the_borrower_reads_and_others_read_nothing(desk: WebDesk, http: Session) -> None:
    await days_of_acme(desk, http)
    path = "/v1/borrowers/{}/statement?day=2026-03-03{}"

    async def asked(who: str, token: str, more: str = "") -> tuple[int, bytes]:
        async with http.get(path.format(who, more), headers={"Authorization": f"Bearer s-{token}"}) as r:
            return r.status, await r.read()

    theirs = await asked("ACME", "acme")
    assert theirs[0] == 200
    assert theirs == await asked("ACME", "desk")
    assert b"G-3" not in theirs[1]
    status, another = await asked("BETA", "acme")
    assert status == 404
    assert another.replace(b"BETA", b"NONE") == (await asked("NONE", "acme"))[1]
    assert (await asked("BETA", "desk"))[0] == 200
    assert (await asked("ACME", "desk", "&by=label.desk"))[0] == 404


async def test_a_group_that_was_closed_or_went_to_another_is_in_the_days_that_it_was_the_borrowers(
    desk: WebDesk, http: Session
) -> None:
    desk.pass_time(26 * HOUR)
    status, _, _ = await ask(http, "DELETE", "/v1/groups/G-1")
    assert status == 204
    await put(http, "G-2", labels={"borrower": "BETA"})
    desk.pass_time(24 * HOUR)
    first, second = [await statement(http, f"2026-03-0{n}") for n in (2, 3)]
    assert [[x["group"] for x in day["groups"]] for day in (first, second)] == [["G-1", "G-2"]] * 2
    (usdt,) = second["balance"]
    assert [usdt[part] for part in PARTS] == ["200032", "0", "0", "0", "0", "-100016", "-100016", "0"]
    status, _, _ = await ask(http, "GET", "/v1/borrowers/ACME/statement?day=2026-03-04")
    assert status == 404, "nothing of ACME is left"
    beta = await statement(http, "2026-03-03", "BETA")
    assert {x["group"]: [y["owed"] for y in x["owed"]] for x in beta["groups"]} == {
        "G-2": ["100016"],  # its put states no interest until then
        "G-3": ["100032"],
    }


async def test_what_cannot_be_asked_is_refused_with_what_can(
    desk: WebDesk, http: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borrowers, "MOST_GROUPS", 1)
    for query, what in (
        ("day=2026-03-02", "more than 1 groups; ask for the statement of each"),
        ("day=2026-03-03", "a day that has begun"),
        ("", "a day such as"),
        ("day=2026-03-02&by=product", "a label such as label.borrower"),
        ("day=2026-03-02&by=", "a label such as label.borrower"),
        ("day=2026-03-02&label=x", "unknown query key"),
    ):
        status, _, found = await ask(http, "GET", f"/v1/borrowers/ACME/statement?{query}")
        assert (status, what in str(found)) == (400, True), found
