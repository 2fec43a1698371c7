"""What the lender's own system says is held against ours, and the worse of the two is told (decision 80)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.core.events.events import LenderSaid, MarkPrices
from monitor.core.queries.explain import detail
from monitor.core.queries.inbox import Look
from monitor.core.rules.settings import LenderRules, Rules, Trust
from monitor.core.stages.stages import LenderReading
from monitor.core.valuation.valuation import Weight
from monitor.core.watch.risk import RiskMonitor
from monitor.core.watch.watchers.lender import level_differs
from monitor.daemon.event_log import RecordGap, Start, encoder, read
from tests.coin_desk import START, clock, line
from tests.core import desk as desks
from tests.core.desk import OFF, Desk, both_books, product, quotes

pytestmark = both_books
RULES = Rules("desk-1", {"vip_loan": product()}, trust=OFF)


def says(desk: Desk, time: str, level: str | None = None, stage: Any = None, **more: Any) -> str:
    at = clock(time)
    reading = LenderReading(
        more.get("group", "G-1"),
        None if level is None else Decimal(level),
        stage,
        more.get("words", ""),
        more.get("deadline"),
        more.get("as_of", at),
    )
    return desk.short(desk.handle(LenderSaid(at, more.get("source", "vip"), (reading,))), at)


def shown(desk: Desk, time: str) -> Any:
    look = Look(clock(time), desk.sight(), *desk.monitor.board.snapshot(), desk.monitor.rules)
    return msgspec.to_builtins(detail(look))["lender"]


def test_a_level_that_differs_is_told_once_and_its_end_when_it_has_agreed_for_a_minute() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.60")
    assert says(desk, "00:01", "0.605") == "-"
    assert says(desk, "00:02", "0.6051") == "book.drift"
    assert says(desk, "00:03", "0.61") == "-"
    assert says(desk, "00:04", "0.603") == "-"
    assert says(desk, "00:05", "0.6025") == "-"
    assert says(desk, "00:05:59", "0.6025") == "-"
    assert says(desk, "00:06", "0.6025") == "book.agreed"
    assert says(desk, "00:07", "0.6051") == "book.drift"
    first = desk.alerts[0]
    assert (first.severity, first.group is not None, first.figures is not None) == ("warning", True, True)
    assert (first.facts["causes"], first.facts["lender_level"], first.facts["our_level"]) == (
        ["level"],
        "0.6051",
        "0.6",
    )


def test_readings_that_agree_only_now_and_then_end_nothing() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.60")
    says(desk, "00:01", "0.62")
    for minute in range(2, 30, 2):
        assert says(desk, f"00:{minute:02}", "0.60") == "-"
        assert says(desk, f"00:{minute:02}:30", "0.62") == "-"


def test_a_worse_stage_of_the_lender_is_critical_and_the_text_leads_with_it() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.60")
    due = clock("20:00")
    assert says(desk, "00:01", None, "delayed_liquidation", words="delayed", deadline=due) == "book.drift"
    (alert,) = desk.alerts
    assert (alert.severity, alert.facts["causes"]) == ("critical", ["stage", "deadline"])
    deadline = due.isoformat(timespec="milliseconds")[:23] + "Z"
    assert alert.facts["says"].startswith(
        f"the lender: delayed liquidation (delayed), deadline {deadline}; here: normal"
    )
    assert desk.state().stage == "normal"
    # It grows worse: that is told again. That it grows better is not.
    assert says(desk, "00:02", None, "margin_call") == "-"


def test_a_milder_stage_of_the_lender_is_told_and_cures_nothing() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.80")
    assert says(desk, "00:01", "0.80", "normal") == "book.drift"
    assert desk.alerts[-1].severity == "warning"
    assert desk.state().stage == "margin_call"


def test_a_margin_call_that_only_waits_out_its_hold_is_no_difference() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.80")
    desk.price("00:01", "0.765")
    assert says(desk, "00:02", "0.765", "normal") == "-"


def test_a_clock_of_the_lender_that_ends_earlier_is_critical_and_one_that_is_empty_is_none() -> None:
    desk = Desk(line(delayed_liquidation=True))
    desk.price("00:00", "0.92")
    assert says(desk, "00:01", None, "delayed_liquidation") == "-"
    assert says(desk, "00:02", None, "delayed_liquidation", deadline=clock("24:00:30")) == "-"
    assert says(desk, "00:03", None, "delayed_liquidation", deadline=clock("26:00")) == "book.drift"
    assert desk.alerts[-1].severity == "warning"
    assert says(desk, "00:04", None, "delayed_liquidation", deadline=clock("22:00")) == "book.drift"
    assert desk.alerts[-1].severity == "critical"


def test_a_group_that_the_lender_liquidates_is_in_liquidation_until_it_no_longer_does() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.60")
    assert says(desk, "00:01", "0.60", "liquidation", words="Liquidating") == "liquidation.triggered(lender)"
    assert desk.alerts[-1].facts["lender"] == "liquidation (Liquidating), level 0.6"
    assert says(desk, "00:02", "0.60", "liquidation") == "-"
    assert desk.price("00:03", "0.50") == "-"
    desk.restart()
    assert desk.price("00:04", "0.40") == "-"
    assert desk.state().stage == "liquidation"
    assert says(desk, "00:05", "0.40") == "liquidation.cleared"


def test_good_news_of_the_lender_leaves_a_liquidation_that_our_level_does_not_clear() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.80")
    says(desk, "00:01", None, "liquidation")
    assert says(desk, "00:02", None, "normal") == "book.drift"
    assert desk.state().stage == "liquidation"
    assert desk.price("00:03", "0.70") == "liquidation.cleared"


@pytest.mark.parametrize("enrolled", [False, True])
def test_it_is_told_from_every_stage_and_whatever_our_prices(enrolled: bool) -> None:
    for before in ("0.60", "0.80", "0.92"):
        desk = Desk(line(delayed_liquidation=enrolled))
        desk.price("00:00", before)
        was = desk.state().stage
        expected = "-" if was == "liquidation" else "liquidation.triggered(lender)"
        assert says(desk, "00:01", None, "liquidation") == expected
    unpriced = Desk(line())
    assert says(unpriced, "00:01", None, "liquidation") == "liquidation.triggered(lender)"
    assert unpriced.state().stage == "liquidation"


def test_a_liquidated_group_is_settled_by_its_entry_and_cleared() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.80")
    says(desk, "00:01", None, "liquidation")
    assert desk.enter("00:02", {"type": "liquidated"}) == "liquidation.cleared"
    assert says(desk, "00:03", None, None, words="Liquidated") == "-"


def test_while_our_prices_are_not_trusted_only_what_is_worse_by_the_lender_is_told() -> None:
    desk = Desk(line(), trust=Trust(stale_after=timedelta(seconds=10)))
    desk.price("00:00", "0.80")
    desk.pass_time("00:00:30")
    assert desk.sight().blind
    assert says(desk, "00:01", "0.70", "normal") == "-"
    assert shown(desk, "00:01")["compared"] is False
    assert says(desk, "00:02", "0.70", "delayed_liquidation") == "book.drift"


def test_the_reading_is_shown_with_its_age_and_kept_over_a_restart() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.60")
    says(desk, "00:01", "0.70", words="Accruing_Interest")
    desk.restart()
    view = shown(desk, "00:20")
    assert (view["level"], view["words"], view["age_s"], view["old"]) == ("0.7", "Accruing_Interest", 1140.0, True)
    assert (view["differs"], view["source"]) == (["level"], "vip")
    assert says(desk, "00:21", "0.70") == "-"


def test_a_reading_is_recorded_and_folds_again(tmp_path: Path) -> None:
    """The event log keeps it: a replay gives the same alerts."""
    said = LenderSaid(clock("00:01"), "vip", (LenderReading("G-1", Decimal("0.7"), "liquidation", "x", None, START),))
    price = MarkPrices(START, quotes("0.60", START))
    memory = Desk(line()).monitor.memory
    path = tmp_path / "events-1.jsonl"
    with path.open("wb") as file:
        for record in (Start(RULES, memory, START), price, said):
            file.write(encoder.encode(record) + b"\n")
    start, *events = read(path)
    assert events == [price, said]
    assert isinstance(start, Start)
    folded = RiskMonitor(start.rules, start.memory, desks.new_book())
    alerts = [alert for event in events if not isinstance(event, RecordGap) for alert in folded.handle(event).alerts]  # type: ignore[arg-type]
    assert [alert.type for alert in alerts] == ["loan_group.liquidation.triggered", "book.drift"]


def test_a_level_without_debt_on_a_chain_is_held_though_it_has_seventy_eight_digits() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.60")
    assert says(desk, "00:01", str(2**256 - 1)) == "book.drift"
    assert shown(desk, "00:01")["level"] == "1000000000"


def test_an_older_reading_of_the_same_source_changes_nothing() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.60")
    says(desk, "00:02", "0.60")
    assert says(desk, "00:03", None, "liquidation", as_of=clock("00:01")) == "-"
    assert shown(desk, "00:03")["stage"] is None


def test_a_reading_of_a_group_that_is_not_there_is_nothing() -> None:
    desk = Desk(line())
    assert says(desk, "00:01", None, "liquidation", group="G-9") == "-"


def test_the_end_is_told_when_the_group_is_closed() -> None:
    desk = Desk(line())
    desk.price("00:00", "0.60")
    says(desk, "00:01", "0.70")
    assert desk.close("00:02") == "book.agreed"
    desk.put("00:03", line())
    assert "lender" not in msgspec.to_builtins(
        detail(Look(clock("00:03"), desk.sight(), *desk.monitor.board.snapshot(), desk.monitor.rules))
    )


def test_the_difference_is_the_desks_to_set() -> None:
    desk = Desk(line())
    desk.change("00:00", lender=LenderRules(max_difference=Decimal("0.05")))
    desk.price("00:00", "0.60")
    assert says(desk, "00:01", "0.65") == "-"
    assert says(desk, "00:02", "0.6501") == "book.drift"


# level  debt  recognised  falls  differs by more than half a point
LEVELS = [
    ("0.605", "60", "100", False, False),
    ("0.6050001", "60", "100", False, True),
    ("0.5949999", "60", "100", False, True),
    ("0", "0", "100", False, False),
    ("0.1", "0", "0", False, True),
    ("5", "60", "0", False, True),
    ("900", "1", "800", True, False),
    ("1.02", "100", "101", True, True),
    ("1.012", "100", "101", True, False),
    ("-1", "100", "-3", True, False),
    ("-1", "100", "3", True, True),
    ("2", "100", "-3", True, True),
    ("999", "0", "100", True, False),
]


@pytest.mark.parametrize(("level", "debt", "recognised", "falls", "differs"), LEVELS)
def test_levels_are_held_against_each_other_as_shares_of_what_is_recognised(
    level: str, debt: str, recognised: str, falls: bool, differs: bool
) -> None:
    weight = Weight(Decimal(debt), Decimal(recognised))
    assert level_differs(Decimal(level), weight, Decimal("0.005"), falls=falls) is differs
