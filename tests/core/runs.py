"""Random days of a desk: few groups, few coarse prices that sit on lines, times that tie. For properties of whole runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import Acknowledge, Act, MakeSilence, Unacknowledge, Unsilence
from monitor.core.events.entries import Entry
from monitor.core.events.events import (
    BookEntry,
    Event,
    GroupClosed,
    GroupPut,
    MarkPrices,
    Noticed,
    OperatorAct,
    ProductsChanged,
    RatesChanged,
    TimePassed,
)
from monitor.core.loans.group import parse_line
from monitor.core.prices.decisions import Believe, Exclude, Pin, Release
from monitor.core.rules.product import Product, RateRow
from monitor.core.rules.settings import Fund, Lifecycle, Rules, Trust
from monitor.core.schema import Invalid, read
from monitor.core.stages.stages import STAGES
from tests.coin_desk import START, line, loan, version
from tests.core.desk import product, quotes

LADDERS = {"USDT": [["60", "1"], ["inf", "0.8"]], "BTC": [["100", "1"], ["150", "0.5"]]}
RATES = {"COIN": "0.01", "USDT": "0.002", "BTC": "0"}
OTHER = {"initial": "0.65", "margin_call": "0.7", "liquidation": "0.85"}
# LTVs of a group that holds 100 USDT (92 counted) and owes 100 COIN, on the lines and beside them; the last is bankrupt.
COIN = (
    "0.45",
    "0.598",
    "0.6256",
    "0.66",
    "0.6624",
    "0.6992",
    "0.7",
    "0.7084",
    "0.71",
    "0.8372",
    "0.84",
    "0.874",
    "0.88",
    "1.3",
)
BTC = ("20", "50", "50.5", "100", "101")
PAUSES = (0, 0, 1, 5, 60, 300, 300, 600, 900, 3600, 6 * 3600, 12 * 3600, 24 * 3600)


class Step(NamedTuple):
    """What happens, and how many seconds after what came before."""

    pause_s: float
    kind: str
    what: Any = None


def versions(hours: int) -> list[dict[str, Any]]:
    """Two versions, the second in force so many hours after the start."""
    return [
        version(
            ladders=LADDERS, rates=RATES, warnings=["0.7", "0.74"], late_interest_factor="3", grace="24h",
            renewal_window="1d", maturity_notice="6h",
        ),
        version(
            START + timedelta(hours=hours), ladders=LADDERS | {"BTC": [["inf", "0.9"]]}, rates=RATES | {"COIN": "0.02"},
            warnings=["0.745"], late_interest_factor="2", grace="12h", renewal_window="2d", maturity_notice="12h",
        ),
    ]  # fmt: skip


def rules(hours: int) -> Product:
    return product(*versions(hours))


hours = st.integers(-30, 60)
lines = st.builds(
    lambda group, usdt, btc, owed, second, matures, enrolled, lines_: line(
        f"G-{group}",
        collateral={f"a{group}": {"USDT": usdt, "BTC": btc}, f"b{group}": {"USDT": "20"}},
        loans=[
            loan(principal=owed, matures=None if matures is None else f"{matures}:00"),
            *([loan("USDT", "5", id="L-2", interest="0.5")] if second else []),
        ],
        delayed_liquidation=enrolled,
        thresholds=lines_,
    ),
    st.integers(1, 3),
    st.sampled_from(("80", "80", "70")),
    st.sampled_from(("0", "0", "0", "1")),
    st.sampled_from(("100", "100", "0", "90")),
    st.booleans(),
    st.none() | hours,
    st.booleans(),
    st.sampled_from(({}, {}, OTHER)),
)
BALANCES = ({}, {"w": {"COIN": "1"}}, {"w": {"COIN": "0.5", "USDT": "0.5"}, "v": {"COIN": "1.5"}}, {"w": {"BTC": "1"}})
spot = st.tuples(lines, st.sampled_from(BALANCES)).map(lambda both: both[0] | {"balances": both[1]})
"""Groups whose Spot balances pay the interest, or do not: the reference model knows nothing of these."""
prices = st.one_of(
    st.sampled_from(COIN),
    st.sampled_from(COIN),
    st.sampled_from(BTC).map(lambda p: f"BTC={p}"),
    st.tuples(st.sampled_from(COIN), st.sampled_from(BTC)).map(lambda p: f"COIN={p[0]},BTC={p[1]}"),
)
groups = st.integers(1, 3).map(lambda n: f"G-{n}")
entries = st.tuples(
    groups,
    st.one_of(
        st.sampled_from(("5", "30")).map(lambda q: {"type": "repay", "asset": "COIN", "amount": q}),
        st.integers(1, 3).map(lambda n: {"type": "deposit", "account": f"a{n}", "asset": "USDT", "quantity": "9"}),
        st.booleans().map(lambda e: {"type": "enroll", "delayed_liquidation": e}),
        st.integers(1, 90).map(lambda h: {"type": "extend_grace", "until": in_hours(h), "reason": "x"}),
        st.integers(1, 90).map(lambda h: {"type": "waive", "until": in_hours(h), "reason": "x"}),
        st.just({"type": "liquidated"}),
        st.just({"type": "renew", "loan": "L-1", "term": "30d", "rate": {"kind": "flexible"}}),
    ),
)
settings_ = st.builds(
    lambda hold, repeat, reminders: Lifecycle(
        clear_hold=timedelta(seconds=hold),
        margin_call_repeat=timedelta(seconds=repeat),
        grace_reminders=tuple(timedelta(hours=h) for h in reminders),
    ),
    st.sampled_from((0, 300, 900)),
    st.sampled_from((0, 900, 86400)),
    st.lists(st.integers(0, 30), max_size=3),
)
given_rates = st.builds(
    lambda hours, coin, rate, is_whole: (hours, coin, rate, is_whole),
    st.integers(-2, 3).map(lambda days: 24 * days) | st.integers(-30, 30),
    st.sampled_from(("COIN", "USDT")),
    st.sampled_from(("0", "0.01", "0.03", "0.2")),
    st.booleans(),
)
"""So many hours after the midnight before."""
sourced = st.tuples(prices, st.sampled_from("ab")).map(
    lambda x: ",".join(f"{named(p)}@{x[1]}" for p in x[0].split(","))
)


def named(price: str) -> str:
    return price if "=" in price else f"COIN={price}"


def in_hours(count: int) -> str:
    return (START + timedelta(hours=count)).isoformat()


def step(kind: str, what: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.sampled_from(PAUSES), st.just(kind), what)


matches = st.sampled_from((Match(group="G-*"), Match(group="G-1"), Match(severity="warning"), Match(type="*.reminder")))
acts: st.SearchStrategy[Callable[[datetime], Act]] = st.one_of(
    st.builds(
        lambda group, episode, stage, until: (
            lambda at: Acknowledge(group, episode, stage, "evt_x", "n", later(at, until))
        ),
        groups,
        st.sampled_from((1, 1, 2)),
        st.sampled_from(STAGES[1:]),
        st.none() | st.integers(1, 40),
    ),
    groups.map(lambda group: lambda at: Unacknowledge(group, "evt_x")),
    st.builds(
        lambda id_, match, until, up_to, even: (
            lambda at: MakeSilence(f"sil-{id_}", match, at + timedelta(hours=until), "r", up_to, even)
        ),
        st.integers(1, 3),
        matches,
        st.integers(1, 40),
        st.sampled_from((None, None, "critical", "normal")),
        st.booleans(),
    ),
    st.integers(1, 3).map(lambda n: lambda at: Unsilence(f"sil-{n}")),
)


coins = st.sampled_from(("COIN", "BTC"))
decisions: st.SearchStrategy[Callable[[datetime], Act]] = st.one_of(
    st.builds(
        lambda coin, price, minutes: lambda at: Pin(coin, "r", Decimal(price), at + timedelta(minutes=minutes), True),
        coins,
        st.sampled_from(COIN),
        st.sampled_from((1, 5, 60, 1440)),
    ),
    st.builds(
        lambda coin, source, minutes: lambda at: Exclude(coin, "r", source, at + timedelta(minutes=minutes)),
        coins,
        st.sampled_from("ab"),
        st.sampled_from((1, 5, 60, 1440)),
    ),
    st.builds(lambda coin, price: lambda at: Believe(coin, "r", Decimal(price)), coins, st.sampled_from(COIN)),
    coins.map(lambda coin: lambda at: Release(coin, "r")),
)
"""What operators decide about prices; many of these are refused."""


def later(at: datetime, hours: int | None) -> datetime | None:
    return None if hours is None else at + timedelta(hours=hours)


TRADING = [step("prices", prices)] * 5 + [step("put", lines)] * 2 + [step("close", groups), step("time", st.none())]
DESK = [
    *TRADING, *[step("put", spot)] * 2, *[step("entry", entries)] * 2, step("settings", settings_),
    *[step("rates", given_rates)] * 2, step("act", acts),
]  # fmt: skip
LIVE = [*DESK, *[step("prices", sourced)] * 4, step("notice", st.sampled_from(("x", "y"))), step("act", decisions)]


def steps(kinds: Sequence[st.SearchStrategy[Step]], most: int = 40) -> st.SearchStrategy[list[Step]]:
    """A run: three groups and prices first, then anything."""
    first = st.tuples(*[lines] * 3).map(
        lambda each: [Step(0, "put", each[n] | {"id": f"G-{n + 1}"} | moved(each[n], n + 1)) for n in range(3)]
    )
    return st.builds(lambda a, b: [*a, *b], first, st.lists(st.one_of(kinds), min_size=5, max_size=most))


def moved(stated: dict[str, Any], group: int) -> dict[str, Any]:
    """The line's accounts under another group's number."""
    (first, second) = stated["collateral"].values()
    return {"receiving_account": f"in-G-{group}", "collateral": {f"a{group}": first, f"b{group}": second}}


def events(run: Sequence[Step], of: Rules) -> list[Event]:
    """The run as core is handed it."""
    return [event for _, event in stepped(run, of)]


def stepped(run: Sequence[Step], of: Rules) -> Iterator[tuple[Step, Event]]:
    """Each step with its event; a line that its product refuses is none."""
    at, now = START, of
    for each in run:
        at += timedelta(seconds=each.pause_s)
        event = _event(each, at, now)
        if isinstance(event, ProductsChanged):
            now = event.rules
        if event is not None:
            yield each, event


def _event(each: Step, at: datetime, now: Rules) -> Event | None:
    match each.kind:
        case "prices":
            return MarkPrices(at, quotes(each.what, at))
        case "put":
            try:
                return GroupPut(at, parse_line(each.what, at, now.products), "book")
            except Invalid:
                return None
        case "close":
            return GroupClosed(at, each.what, "book")
        case "entry":
            return BookEntry(at, each.what[0], "e", read(Entry, each.what[1]))
        case "act":
            return OperatorAct(at, "ops", each.what(at))
        case "rates":
            hours, coin, rate, is_whole = each.what
            effective = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=hours)
            return RatesChanged(at, "vip_loan", "file", (RateRow(effective, coin, Decimal(rate)),), is_whole)
        case "settings":
            return ProductsChanged(at, msgspec.structs.replace(now, lifecycle=each.what))
        case "notice":
            # No jump of the clock: it says that the time before it did not pass, so that none could be told to pass in it.
            return Noticed(at, "delivery.failing", each.what, {}, each.what)
        case _:
            return TimePassed(at)


FUND = Fund(Decimal(5))
TRUSTED = Trust(enabled=False)
LIVE_TRUST = Trust(
    stale_after=timedelta(seconds=300),
    confirm_after=timedelta(seconds=60),
    sources=("a", "b"),
    missing_after=timedelta(seconds=60),
)
PAIR_TRUST = Trust(stale_after=timedelta(seconds=300), min_sources=2, sources=("a", "b"))
