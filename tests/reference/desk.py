"""A small desk for the reference tests: one group whose LTV is the price of the coin it owes.

The group holds 100 USDT, recognised in full, and owes 100 COIN at no interest: so a price of 0.77 is an LTV of exactly
77 %, and a scenario can be read as a table of times, LTVs and the alerts that they cause.
"""

from datetime import datetime
from typing import Any

from tests import coin_desk
from tests.coin_desk import START, clock
from tests.reference.model import Alert, Model

NOTHING = {"kind": "fixed", "daily": "0"}
"""The rate of a loan in a coin that no version lists."""


def version(effective: datetime = START, **changes: Any) -> dict[str, Any]:
    """One version of the product, from the start of the scenario on."""
    return coin_desk.version(effective, **changes)


class ReferenceDesk:
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
