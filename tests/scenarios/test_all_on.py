"""Real weeks and made-up years with every rule of sections 9 and 10 on at once, against the reference model to the last digit.

Interest compounds and late loans pay by the hour, a quota is free, terms are of any length, coins have places of their own, a
ladder goes by amounts, and margin calls have an amount, a clock, business days and every way to end. In the second version
some of it is off, so that groups live through both.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.effort import examples
from tests.reference import books, run, tape
from tests.reference.terms import stamp
from tests.reference.years import Row, Years, text, years
from tests.scenarios.agreement import first_difference, flat
from tests.scenarios.command import replayed, write
from tests.scenarios.test_tapes import DAYS, needed
from tests.scenarios.test_years import RATES, written_rates

FIRST = """\
compounding = true
compounding_places = 12
rounding = "half_up"
late_interest = "hour"
interest_free = { USDT = "15000", USDC = "2000.5" }
terms = ["7d", "30d", "45d", "60d"]
places = { USDT = 6, BTC = 8 }
dust = "0.5"
margin_call_expiry = "20h"
minimum_transfer = "1000"
call_rounding = "1"
due_reminders = ["6h", "1h"]
on_expiry = "delayed_liquidation"
return_below = "{returns}"
holidays = { London = [2021-05-17, 2024-08-26], "New York" = [2021-05-18, 2024-11-28] }
business_days = ["London"]
"""
SECOND = """\
late_interest = "day"
interest_free = { USDT = "100" }
terms = ["30d", "60d", "14d"]
margin_call_expiry = "36h"
call_target = "0.7"
due_reminders = ["2h"]
on_expiry = "liquidation"
dispute_stops_clock = true
"""
CALLS = {
    f"loan_group.{each}"
    for each in (
        "margin_call.due",
        "margin_call.partly_met",
        "margin_call.met",
        "margin_call.withdrawn",
        "margin_call.expired",
        "margin_call.disputed",
        "collateral.returnable",
    )
}


def all_on(product: str, returns: str) -> str:
    """The file with all of it in its first version, other figures in the second, and the first again in those after it.

    `returns`: the level below which collateral may be asked back.
    """
    first, *later = re.split(r"(?=^\[\[version\]\])", product, flags=re.MULTILINE)[1:]
    on = FIRST.replace("{returns}", returns)
    made = [_with(first, on), *(_with(each, on if n else SECOND) for n, each in enumerate(later))]
    return "".join(made)


def _with(version: str, keys: str) -> str:
    """One version with these keys, in which BTC counts by the amount of coins."""
    by_amount = 'BTC = { by = "amount", tiers = [["40", "1"], ["300", "0.97"], ["inf", "0.9"]] }'
    version = re.sub(r"^BTC = \[\[.*\n", by_amount + "\n", version, count=1, flags=re.MULTILINE)
    return version.replace("[version.ladders]", keys + "[version.ladders]", 1)


def about_calls(book: list[dict[str, Any]], rows: list[Row], seed: int, number: int) -> list[dict[str, Any]]:
    """What desk and borrowers say and do while calls may be open; much of it comes while none is, and is refused."""
    rng, found = Random(f"calls-{seed}"), []
    prices = {coin: float(price) for coin, price in rows[0][1].items()} | {"USDT": 1.0}
    for n in range(number):
        line, at = rng.choice(book), rows[rng.randrange(1, len(rows) - 1)][0] + timedelta(seconds=rng.randrange(0, 240))
        owed = sum(float(loan["principal"]) * prices.get(loan["asset"], 1.0) for loan in line["loans"])
        coin, usd = rng.choice(("USDT", "ETH", "BTC")), owed * rng.choice((0.001, 0.01, 0.04, 0.12))
        amount = text(max(usd, 1.0) / prices.get(coin, 1.0))
        account = rng.choice(sorted(line["collateral"]))
        entry = rng.choice(
            (
                {
                    "type": "announce",
                    "kind": rng.choice(("collateral", "repayment")),
                    "asset": coin,
                    "amount": amount,
                    "expected": stamp(at + timedelta(hours=rng.choice((1, 8, 30)))),
                },
                {"type": "dispute", "amount_usd": text(max(usd, 1.0), 4), "reason": "price", "by": "borrower"},
                {"type": "resolve", "reason": "agreed", "by": "desk"},
                {"type": "deposit", "account": account, "asset": coin, "quantity": amount},
                {"type": "withdraw", "account": account, "asset": coin, "quantity": amount},
                {"type": "repay", "asset": rng.choice(("USDT", "BTC")), "percent": rng.choice(("1", "5", "100"))},
            )
        )
        found.append({"group": line["id"], "id": f"C-{n}", "at": stamp(at)} | entry)
    return found


def with_all(of: Years, seed: int, number: int, returns: str) -> Years:
    entries = sorted(of.entries + about_calls(of.book, of.rows, seed, number), key=lambda entry: str(entry["at"]))
    return replace(of, product=all_on(of.product, returns), entries=entries)


def played(of: Years, more: str = "") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rates.csv").write_text(written_rates(of.rates))
        write(folder, "vip_loan", of.product, of.book, of.rows, of.entries, more)
        ours, _ = replayed(folder, "--allow-unvalued")
    rates = of.rates or None
    theirs = run.expected("desk-1", of.table, {}, of.book, of.rows, entries=of.entries, rates=rates)
    return [flat(line) for line in ours], theirs


@pytest.mark.timeout(300)
def test_two_weeks_with_all_of_it_on_agree_alert_by_alert() -> None:
    """The crash of 2023-03, five minutes a row; all minutes of May 2021 in the soak."""
    day = DAYS[2]
    needed(day.path)
    rows = list(tape.rows(day.path))
    product = books.product_toml("2020-01-01T00:00:00Z", "2023-03-11T09:10:00Z")
    book = books.book(day.seed, examples(50, 200), tape.summary(rows), rows[0][0], rows[-1][0])
    ours, theirs = played(with_all(Years(product, [], book, rows, []), day.seed, 900, "0.4"))
    assert first_difference(ours, theirs) is None
    assert Counter(alert["type"] for alert in ours).keys() >= CALLS


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 5))
def test_two_years_with_all_of_it_on_agree_alert_by_alert(seed: int) -> None:
    ours, theirs = played(with_all(years(seed, groups=60), seed, 4000, "0.1"), RATES)
    assert first_difference(ours, theirs) is None
    assert Counter(alert["type"] for alert in ours).keys() >= CALLS
