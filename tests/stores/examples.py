"""Values that stores keep: small ones to count, and full ones whose every digit must come back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from monitor.core.alerts.alert import Alert, Debt, Figures, GroupRef, Input
from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import MakeSilence, Silence
from monitor.core.events.history import Row
from monitor.core.groups.outcome import StoredGroup
from monitor.core.groups.watcher_states import FundState, Told, WatcherStates
from monitor.core.ids import alert_id
from monitor.core.loans.group import Group, Loan, Rate
from monitor.core.prices.quote import Mark
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.stages import Ack, GroupState
from monitor.stores._base import Attempt, Change, CoreState, Target

AT = datetime(2026, 1, 5, 10, 0, 0, 123457, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
DESK, PHONE = Target("desk"), Target("phone")

OPENED = "loan_group.margin_call.opened"
REMINDER = "loan_group.margin_call.reminder"
CURED = "loan_group.margin_call.cured"
TRIGGERED = "loan_group.liquidation.triggered"
CLEARED = "loan_group.liquidation.cleared"
CLOSED = "loan_group.closed"
WARNING = "loan_group.early_warning"


def alert(type_: str = OPENED, subject: str = "G-1", sequence: int = 1, episode: int = 1, **other: Any) -> Alert:
    """An alert with its true id; one about a loan or a group names the group."""
    group = GroupRef(subject, "vip_loan", "acct-1", {"borrower": "ACME"}) if type_.startswith("loan") else None
    stated = {"at": AT, "detected_at": AT, "group": group, **other}
    id = alert_id("desk-1", subject, episode, sequence, type_)
    return Alert(type=type_, id=id, subject=subject, sequence=sequence, episode=episode, **stated)


def full_alert() -> Alert:
    """Every field is set, with decimals whose exponents and digits a careless codec loses."""
    far, tiny = Decimal("1E+3"), Decimal("0." + "0" * 40 + "12340")
    long = Decimal("123456789" * 20 + ".000100")
    thresholds = Thresholds(Decimal("0.720"), Decimal("0.77"), Decimal("0.91"), Decimal("0.95"))
    inputs = (
        Input("BTC", far, tiny, "USDT", tiny, "feed", AT, "good", long, Decimal("-0.00")),
        Input("ETH", Decimal(0), None, None, None, None, None, "missing", None, None),
    )
    debts = (Debt("L-1", "USDT", Decimal("900000.00"), Decimal("1E-18"), None, None),)
    figures = Figures(Decimal("0.77120434"), long, far, tiny, thresholds, inputs, debts, "vip_loan@2024-04-29")
    return alert(
        stage_from="normal",
        stage_to="margin_call",
        reason="ltv",
        figures=figures,
        deadline=AT + DAY,
        supersedes="evt_x",
        suppressed=("a", "b"),
        blind=True,
        facts={"n": 1, "ö": ["x", None, {"y": 1.5}]},
        contacts={"email": ("a@b", "c@d")},
        detected_at=AT + MINUTE,
    )


def stored(id: str = "G-1", version: int = 1) -> StoredGroup:
    """A group with a fixed and a flexible loan."""
    loans = (
        Loan("L-1", "USDT", Decimal("9E+5"), Decimal("0.10"), Rate("flexible"), "open", AT, None, date(2026, 1, 5)),
        Loan(
            "L-2",
            "USDC",
            Decimal(1),
            Decimal(0),
            Rate("fixed", Decimal("0.00018")),
            "30d",
            AT,
            AT + 30 * DAY,
            date(2026, 2, 28),
        ),
    )
    group = Group(
        id,
        "vip_loan",
        "acct-1",
        {"acct-1": {"BTC": Decimal("12.50")}, "acct-2": {}},
        loans,
        True,
        {"margin_call": Decimal("0.75")},
        {"borrower": "Ä"},
        {"acct-1": {"USDT": Decimal("1E+4")}},
        5,
        {"email": ("treasury@acme.example",)},
    )
    return StoredGroup(group, "file:book.jsonl", version, AT)


def told(group: str = "G-1", kind: str = "repayment", at: datetime = AT, loan: str = "L-1", **facts: Any) -> Row:
    """A row of the history that ends a stretch of its loan."""
    return Row(group, kind, at, loan, facts or {"amount": "1.50"}, "vip_loan", stored().group.loans[1], AT)


def state(group: str = "G-1", stage: str = "margin_call", episode: int = 1) -> GroupState:
    """A state with all that a restart needs."""
    return GroupState(
        group,
        stage,
        "ltv",
        episode,
        7,
        AT,
        AT + DAY,
        (Decimal("0.740"),),
        AT,
        AT + MINUTE,
        "evt_x",
        AT + DAY,
        (("L-1", AT),),
        (("L-2", AT + DAY),),
        (("L-3", AT + DAY, "loan.maturing"),),
        ("USDT",),
        Ack("ops", AT, "evt_x", "called", AT + DAY),
        (("sil_1", "normal"),),
        "sil_1",
    )


def core_state(at: datetime = AT) -> CoreState:
    """Marks, and what each watcher remembers."""
    price, jump = Decimal("38210.40"), Decimal("1E+5")
    mark = Mark("BTC", "USDT", price, "feed", AT, AT, AT, "suspect", "a jump", jump, AT, True, 2, 3)
    said = MakeSilence(
        "sil_1", Match("price.*", "warning", "vip_loan", "G-*", {"desk": "EU"}), AT + DAY, "a test", "critical", True
    )
    watchers = WatcherStates(
        noticed={"book.refused": {"x:1": Told(2, "abc")}, "price.stale": {"BTC": Told(1)}},
        prices={"ETH": Told(1, "missing")},
        fund=FundState(Told(3, "said"), AT, AT + MINUTE),
        concentration={"asset:BTC": Told(1, "above")},
        rules={"vip_loan": 2},
        silences=(Silence(said, "ops", AT),),
    )
    return CoreState(at, (mark,), watchers)


def say(*alerts: Alert, to: tuple[Target, ...] = (DESK,), at: datetime = AT) -> Change:
    """A change of nothing but alerts, each to the same targets."""
    return Change(at, alerts=tuple((a, to) for a in alerts))


def ended(delivery: str, state: Any, at: datetime = AT, detail: str = "", due: timedelta = MINUTE) -> Attempt:
    """The outcome of an attempt."""
    return Attempt(delivery, at, state, detail, at + due, 12.5)
