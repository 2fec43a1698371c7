"""A small desk for the reference tests: one group whose LTV is the price of the coin it owes.

The group holds 100 USDT, recognised in full, and owes 100 COIN at no interest: so a price of 0.77 is an LTV of exactly
77 %, and a scenario can be read as a table of times, LTVs and the alerts that they cause.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.reference.model import Alert, Model

START = datetime(2026, 1, 5, tzinfo=UTC)
THRESHOLDS = {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"}
WHOLE = [["inf", "1"]]


def version(effective: datetime = START, **changes: Any) -> dict[str, Any]:
    """One version of a product that recognises USDT in full, warns at 74 %, and tells nothing before a loan matures."""
    rules = {
        "effective": effective,
        "thresholds": THRESHOLDS,
        "grace": "24h",
        "late_interest_factor": "3",
        "warnings": ["0.74"],
        "ladders": {"USDT": WHOLE},
        "rates": {"USDT": "0.001503", "COIN": "0"},
        "renewal_window": "0s",
        "maturity_notice": "0s",
    }
    return rules | changes


def loan(asset: str = "COIN", principal: str = "100", matures: str | None = None, **changes: Any) -> dict[str, Any]:
    """One order at a fixed rate of nothing; `matures` is a clock time of the scenario."""
    terms = {
        "id": "L-1",
        "asset": asset,
        "principal": principal,
        "interest": "0",
        "rate": {"kind": "fixed", "daily": "0"},
        "term": "open" if matures is None else "30d",
        "matures_at": None if matures is None else clock(matures).isoformat(),
    }
    return terms | changes


def line(group: str = "G-1", **changes: Any) -> dict[str, Any]:
    """One group that holds 100 USDT and owes 100 COIN."""
    terms = {
        "id": group,
        "product": "vip_loan",
        "collateral": {f"acct-{group}": {"USDT": "100"}},
        "loans": [loan()],
        "delayed_liquidation": False,
    }
    return terms | changes


def clock(text: str) -> datetime:
    """Read "26:10" or "26:10:30" as so long after the start of the scenario."""
    hours, minutes, *seconds = map(int, text.split(":"))
    return START + timedelta(hours=hours, minutes=minutes, seconds=sum(seconds))


class Desk:
    """A model with groups put at the start, and the scenario tables that are played on it."""

    def __init__(self, *lines: dict[str, Any], product: dict[str, Any] | None = None, **lifecycle: Any) -> None:
        self.model = Model("desk-1", product or {"version": [version()]}, lifecycle)
        self.alerts = [alert for each in lines for alert in self.model.put(START, each)]

    def play(self, table: str) -> list[Alert]:
        """Play rows of `time  ltv  alerts`, by lines or semicolons; "..." lets time pass, "-" expects nothing.

        Only what is said of groups is looked at. An alert is written as its type without "loan_group.", its reason if it is a liquidation, and its time if that
        is not the row's: `liquidation.triggered(ltv)`, `margin_call.cured@00:16`.
        """
        new = []
        for row in table.replace(";", "\n").strip().splitlines():
            time, ltv, *said = row.split()
            at = clock(time)
            alerts = self.model.pass_time(at) if ltv == "..." else self.model.prices(at, {"COIN": ltv})
            alerts = [alert for alert in alerts if "group" in alert]
            assert [shorten(alert, at) for alert in alerts] == [alert for alert in said if alert != "-"], row
            new += alerts
        self.alerts += new
        return new

    def put(self, time: str, each: dict[str, Any]) -> str:
        alerts = self.model.put(clock(time), each)
        self.alerts += alerts
        return " ".join(shorten(alert, clock(time)) for alert in alerts) or "-"


def shorten(alert: Alert, at: datetime) -> str:
    text = str(alert["type"]).removeprefix("loan_group.")
    if alert["type"] == "loan_group.liquidation.triggered":
        text += f"({alert['reason']})"
    said_at = datetime.fromisoformat(alert["timestamp"])
    if said_at != at:
        hours, rest = divmod(int((said_at - START).total_seconds()), 3600)
        minutes, seconds = divmod(rest, 60)
        text += f"@{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")
    return text
