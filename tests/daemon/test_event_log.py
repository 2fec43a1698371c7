"""The record of what core was handed: written beside the decision, folded to the same alerts (decision 18)."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from monitor.core.alerts.alert import Alert
from monitor.core.events.entries import (
    Announce,
    Borrow,
    Deposit,
    DisputeCall,
    Entry,
    ExtendGrace,
    MoveProduct,
    OverrideLines,
    Repay,
    ResolveDispute,
    Transfer,
    Withdraw,
)
from monitor.core.events.events import (
    BookEntry,
    ClockJumped,
    ClockSettled,
    ClockStood,
    Event,
    GroupClosed,
    GroupPut,
    GroupsPut,
    MarkPrices,
    Noticed,
    OperatorAct,
    PriceSilent,
    ProductsChanged,
    TimePassed,
)
from monitor.core.events.levers import Approve, PullLever
from monitor.core.groups.outcome import StoredBlock
from monitor.core.loans.group import RecordedLines
from monitor.core.prices.quote import Frame
from monitor.core.rules.settings import FourEyes, Rules, Trust
from monitor.core.rules.terms import LabelTerms
from monitor.core.schema import read
from monitor.daemon import event_log, recorder
from monitor.daemon.event_log import Start, Torn
from monitor.daemon.recorder import PAUSE_S, Recorder
from monitor.replay import run as replay
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, group, plainly, product, quotes

KEEP = timedelta(days=7)
MOST = 1 << 31


def log_of(folder: Path, desk: Desk, start: str = "00:00", awakened: bool = False) -> Recorder:
    log = Recorder(folder, KEEP, MOST)
    log.start(Start(desk.monitor.rules, desk.monitor.memory, clock(start), awakened), 0)
    return log


def record(log: Recorder, desk: Desk, *events: Event) -> None:
    for each in events:
        log.append(each)
        desk.handle(each)
    log.flush()


def folded(folder: Path) -> list[object]:
    heard: list[Rules] = []
    return list(plainly(x.alert for _, some in replay.recorded(folder, heard.append, missed) for x in some))


def missed(what: str) -> None:
    raise AssertionError(f"nothing is missing from this record: {what}")


def prices(time: str, what: str) -> MarkPrices:
    return MarkPrices(clock(time), quotes(what, clock(time)))


def frames(time: str, *texts: str, source: str = "feed", later_ms: tuple[int, ...] = ()) -> MarkPrices:
    """One frame of COIN and ETH, which arrives at the exchange's own time."""
    at_ms = int(clock(time).timestamp() * 1000)
    return MarkPrices(clock(time), (), (Frame(source, "USD", ("COIN", "ETH"), texts, at_ms, later_ms, beside=texts),))


ENTRIES = [
    read(Deposit, {"account": "acct-G-1", "asset": "USDT", "quantity": "0.000000000000000000000001"}),
    read(Transfer, {"from": "a", "to": "b", "asset": "USDT", "quantity": "1E+3"}),
    read(Borrow, {"loan": loan(id="L-9", matures="90:00")}),
    read(ExtendGrace, {"until": "2026-01-06T00:00:00.000001Z", "reason": '\u00e9 " \\ \n'}),
]


OVERRIDE = read(OverrideLines, {"thresholds": {"margin_call": "0.850"}, "until": "2026-01-06T00:00:00Z", "reason": "x"})
EYES = FourEyes(True, timedelta(hours=4), ("anna", "bo"))


@pytest.mark.parametrize(
    "each",
    [
        prices("00:00:00.000001", "BTC=1E-18/USDT@a,ETH=123456789012345.1234567890123456789012345"),
        frames("00:00:00.001", "0.10", "123456789012345.1234567890123456789012345"),
        frames("00:00:01", "8.567e-3", "1", later_ms=(0, -250)),
        GroupPut(START, group(line(loans=[loan(matures="9:00", interest="0.10")], thresholds={"initial": "0.7"})), "b"),
        *[BookEntry(START, "G-1", "e-1", entry) for entry in ENTRIES],
        OperatorAct(START, "anna-desk", PullLever(OVERRIDE, ("G-1", "G-2")), "anna", "nobody answers"),
        OperatorAct(START, "anna-desk", PullLever(MoveProduct("soft", "x"), ("G-1",))),
        OperatorAct(START, "bo-desk", Approve("P-1", "00ff"), "bo"),
        BookEntry(START, "G-1", "e-1", OVERRIDE, may_shorten=False),
        ProductsChanged(START, msgspec.structs.replace(Desk().rules, four_eyes=EYES)),
        Noticed(START, "book.refused", "x:1", {"problem": "p", "n": [1, None, {"a": "b"}]}, "print", clears=True),
        ClockJumped(START, Decimal("-12.500"), START),
        ClockSettled(START),
        ClockStood(START, Decimal("0.000001")),
        PriceSilent(START, "BTC"),
        TimePassed(clock("9999:00")),
    ],
    ids=lambda e: type(e).__name__,
)
def test_every_event_comes_back_as_it_was(tmp_path: Path, each: Event) -> None:
    log = log_of(tmp_path, Desk())
    log.append(each)
    log.close()
    start, again = event_log.read(next(tmp_path.iterdir()))
    assert isinstance(start, Start)
    assert msgspec.json.encode(again) == msgspec.json.encode(each)
    assert again == each


def test_levers_and_proposals_of_a_log_fold_to_the_same_bytes(tmp_path: Path) -> None:
    desk = Desk()
    log = log_of(tmp_path, desk)
    acts = [
        ProductsChanged(clock("00:00"), msgspec.structs.replace(desk.rules, four_eyes=EYES)),
        GroupPut(clock("00:00"), group(line()), "book"),
        prices("00:01", "COIN=0.78"),
        OperatorAct(clock("01:00"), "anna-desk", PullLever(OVERRIDE, ("G-1",)), "anna"),
        OperatorAct(clock("01:30"), "bo-desk", Approve("P-1"), "bo"),
        OperatorAct(clock("02:00"), "bo-desk", PullLever(OVERRIDE, ("G-1",)), "bo", "nobody answers"),
        OperatorAct(clock("03:00"), "anna-desk", PullLever(OVERRIDE, ("G-1",)), "anna"),
        TimePassed(clock("05:00")),
    ]
    for each in acts:
        log.append(each)
        desk.handle(each)
    log.close()
    again = Desk()
    for each in list(event_log.read(next(tmp_path.iterdir())))[1:]:
        assert not isinstance(each, Start | event_log.RecordGap)
        again.handle(each)
    assert [alert.type for alert in desk.alerts if alert.type.startswith("lever.")] == [
        "lever.proposed", "lever.pulled", "lever.settled", "lever.pulled", "lever.emergency", "lever.proposed",
        "lever.settled", "lever.ended",
    ]  # fmt: skip
    assert msgspec.json.encode(again.alerts) == msgspec.json.encode(desk.alerts)
    assert msgspec.json.encode(again.monitor.memory) == msgspec.json.encode(desk.monitor.memory)


def test_a_log_from_before_the_clock_had_events_of_its_own_folds_to_the_same_alerts() -> None:
    """Its first file begins with nothing, its second with what core knew: also what was noticed, by `kind|subject`.

    Prices are judged by the rules of now (decisions 41 to 43), so alerts about them, and about shares of the book while a first
    price is awaited, may come at other times than on that day. That a channel works again was not told then.
    """
    old = Path(__file__).parent / "old_log"
    lines = (old / "alerts.jsonl").read_bytes().splitlines()
    expected = [msgspec.json.decode(each, type=Alert) for each in lines]
    again = [
        logged.alert
        for name in ("first.jsonl", "second.jsonl")
        for _, some in replay.recorded(old / name, lambda _: None, missed)
        for logged in some
    ]
    assert _not_of_prices(again) == _not_of_prices(expected)


def _not_of_prices(alerts: list[Alert]) -> list[tuple[str, str, datetime]]:
    of_prices = ("price.", "exposure.", "monitor.clock_off", "monitor.clock_restored", "delivery.restored")
    return [(a.type, a.subject, a.at) for a in alerts if not a.type.startswith(of_prices)]


def test_a_batch_of_groups_comes_back_as_the_same_groups(tmp_path: Path) -> None:
    """It is read with what core itself has: the lines as they were written, in one record."""
    stated = [line("G-2", loans=[loan(interest="0.10")]), line("G-1", labels={"desk": '\u00e9 " \\ \n'})]
    each = GroupsPut(START, "book", RecordedLines(stated, START))
    log = log_of(tmp_path, Desk())
    log.append(each)
    log.append(msgspec.structs.replace(each, at=clock("30:00")))
    log.close()
    _, again, later = event_log.read(next(tmp_path.iterdir()))
    assert isinstance(again, GroupsPut)
    assert isinstance(later, GroupsPut)
    assert (again.at, again.source, list(again.batch.ids())) == (START, "book", ["G-2", "G-1"])
    assert [again.batch.group(i) for i in range(len(again.batch))] == [group(s) for s in stated]
    assert later.batch.group(0).loans[0].since == clock("30:00").date()


def test_a_batch_that_is_no_list_of_lines_is_named(tmp_path: Path) -> None:
    log = log_of(tmp_path, Desk())
    log.append(GroupsPut(START, "book", RecordedLines([line()], START)))
    log.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b'"batch":[{', b'"batch":{"a":[{').replace(b"}]}\n", b"}]}}\n"))
    with pytest.raises(Torn, match="the list of their lines"):
        list(event_log.read(path))


def test_a_recorded_day_folds_to_the_same_alerts_with_the_same_ids(tmp_path: Path) -> None:
    desk = Desk()
    log = log_of(tmp_path, desk)
    record(
        log,
        desk,
        GroupPut(START, group(line(delayed_liquidation=True)), "book"),
        prices("00:01", "0.92"),
        prices("00:02", "0.8"),
        TimePassed(clock("30:00")),
        prices("30:01", "0.7"),
    )
    log.close()
    assert len(desk.alerts) == 7
    assert folded(tmp_path) == list(plainly(desk.alerts))


def test_a_day_under_terms_of_labels_and_lines_folds_to_the_same_alerts(tmp_path: Path) -> None:
    harder = read(LabelTerms, {"labels": {"borrower": "acme"}, "scale": "0.9", "grace": "90m"})
    under = msgspec.structs.replace(product(), overrides=(harder,))
    own = {"ladders": {"USDT": [["10", "1"], ["inf", "0.8"]]}, "rate_spread": "-0.0001"}
    desk = Desk(of=under)
    log = log_of(tmp_path, desk)
    record(
        log,
        desk,
        GroupPut(START, group(line(labels={"borrower": "acme"}), of=under), "book"),
        GroupPut(START, group(line("G-2", terms=own), of=under), "book"),
        prices("00:01", "0.68"),
        ProductsChanged(clock("00:02"), msgspec.structs.replace(desk.monitor.rules, products={"vip_loan": product()})),
        prices("00:03", "0.78"),
    )
    log.close()
    said = [(alert.type.partition(".")[2], alert.subject) for alert in desk.alerts]
    assert said == [
        ("early_warning", "G-1"),
        ("margin_call.opened", "G-2"),
        ("margin_call.opened", "G-1"),
        ("liquidation.triggered", "G-2"),
    ]
    assert folded(tmp_path) == list(plainly(desk.alerts))


def test_a_day_of_a_margin_call_with_a_clock_folds_to_the_same_alerts(tmp_path: Path) -> None:
    terms = {"margin_call_expiry": "2h", "due_reminders": ["1h"], "on_expiry": "liquidation", "minimum_transfer": "1"}
    of = product(version(**terms))
    desk = Desk(of=of)
    log = log_of(tmp_path, desk)
    entries: list[tuple[str, Entry]] = [
        ("00:10", Announce("repayment", "COIN", Decimal(5), clock("04:00"))),
        ("00:20", DisputeCall(Decimal(2), "price", "borrower")),
        ("00:30", ResolveDispute("agreed", "desk")),
        ("00:40", Deposit("acct-G-1", "USDT", Decimal(1), "s-1")),
        ("00:41", Withdraw("acct-G-1", "USDT", Decimal("0.5"), "s-1")),
        ("00:50", Repay("COIN", Decimal(5))),
    ]
    record(
        log,
        desk,
        GroupPut(START, group(line(), of=of), "book"),
        prices("00:01", "0.85"),
        *(BookEntry(clock(at), "G-1", f"e-{at}", entry) for at, entry in entries),
        TimePassed(clock("03:00")),
    )
    log.close()
    said = [alert.type.partition(".")[2] for alert in desk.alerts]
    assert said == [
        "margin_call.opened",
        "margin_call.disputed",
        "margin_call.disputed",
        "margin_call.partly_met",
        "margin_call.partly_met",
        "margin_call.due",
        "margin_call.expired",
        "liquidation.triggered",
    ]
    assert folded(tmp_path) == list(plainly(desk.alerts))


def test_frames_of_a_day_fold_to_the_same_alerts(tmp_path: Path) -> None:
    """Both by column and, where a price jumps or falls silent, by quote."""
    desk = Desk(trust=Trust())
    log = log_of(tmp_path, desk)
    record(
        log,
        desk,
        frames("00:00:01", "1", "10"),
        GroupPut(clock("00:00:02"), group(line()), "book"),
        frames("00:00:03", "0.9", "10"),
        frames("00:00:04", "0.8", "11"),
        frames("00:00:05", "0.1", "11"),
        TimePassed(clock("00:00:30")),
        frames("00:00:31", "0.79", "11.0"),
        MarkPrices(clock("00:00:32"), quotes("COIN=0.7", clock("00:00:32"))),
    )
    log.close()
    said = [a.type.rpartition("loan_group.")[2] for a in desk.alerts]
    assert said == ["liquidation.triggered", "price.suspect", "price.restored", "liquidation.cleared"]
    assert folded(tmp_path) == list(plainly(desk.alerts))


def test_a_recorded_second_of_a_whole_market_is_its_names_and_its_digits(tmp_path: Path) -> None:
    """A day of them has to fit the folder: at most 28 bytes a price, where quotes take a hundred."""
    assets = tuple(f"COIN{n}" for n in range(600))
    frame = Frame("binance", "USDT", assets, ("12345.12345678",) * 600, 1_767_607_200_000)
    log = log_of(tmp_path, Desk())
    log.append(MarkPrices(START, (), (frame,)))
    log.close()
    (path,) = tmp_path.iterdir()
    assert len(path.read_bytes().splitlines()[1]) < 600 * 28


def test_a_closing_of_an_older_log_says_nothing_and_takes_no_number(tmp_path: Path) -> None:
    """Closing was silent then: the alerts after it have the ids that they had on that day."""
    desk = Desk()
    log = log_of(tmp_path, desk)
    day: tuple[Event, ...] = (
        GroupPut(START, group(line()), "book"),
        prices("00:01", "0.8"),
        GroupClosed(clock("00:02"), "G-1", "book", is_told=False),
        GroupPut(clock("00:03"), group(line()), "book"),
    )
    record(log, desk, *day)
    log.close()
    assert [(a.type, a.sequence) for a in desk.alerts] == [("loan_group.margin_call.opened", n) for n in (1, 2)]
    (path,) = tmp_path.iterdir()
    lines = path.read_text().splitlines()
    lines[3] = '{"event":"groupclosed","at":"2026-01-05T00:02:00Z","group_id":"G-1","source":"book"}'
    path.write_text("\n".join(lines) + "\n")
    assert folded(tmp_path) == list(plainly(desk.alerts))


def test_each_file_folds_by_itself(tmp_path: Path) -> None:
    desk = Desk()
    log = log_of(tmp_path, desk)
    record(log, desk, GroupPut(START, group(line()), "book"), prices("00:01", "0.8"))
    log.start(Start(desk.monitor.rules, desk.monitor.memory, clock("01:00")), 0)
    record(log, desk, prices("01:00", "0.92"))
    log.close()
    (_, second) = event_log.files(tmp_path)
    alerts = [x.alert for _, some in replay.recorded(second, lambda _: None, missed) for x in some]
    assert plainly(alerts) == plainly(desk.alerts[1:])
    assert alerts[0].supersedes == desk.alerts[0].id


def test_a_new_file_is_wanted_at_first_and_when_one_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Recorder(tmp_path, KEEP, MOST).wants_start(0)
    log = log_of(tmp_path, Desk())
    assert not log.wants_start(1)
    monkeypatch.setattr(recorder, "FILE_BYTES", 10)
    log.flush()
    assert not log.wants_start(1), "what core knew is no reason to write it again"
    (path,) = tmp_path.iterdir()
    start = len(path.read_bytes())
    for minute in range(60):
        log.append(prices(f"00:{minute:02}", "0.5"))
        log.flush()
        assert log.wants_start(1) == (path.stat().st_size > 4 * start)
    assert log.wants_start(1)


def test_a_last_line_that_a_kill_tore_ends_the_record_and_any_other_is_named(tmp_path: Path) -> None:
    log = log_of(tmp_path, Desk())
    for minute in range(3):
        log.append(prices(f"00:0{minute}", "0.5"))
    log.close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert len(list(event_log.read(path))) == 3
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1][:-9] + b"\n", lines[2]]))
    with pytest.raises(Torn, match=r"jsonl:2: is not a record of the event log"):
        list(event_log.read(path))
    path.write_bytes(lines[0][:-9])
    with pytest.raises(Torn, match=r"jsonl:1: "):
        list(event_log.read(path))


def test_an_empty_file_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "events-1.jsonl"
    path.write_bytes(b"")
    with pytest.raises(Torn, match="is empty"):
        list(replay.recorded(path, lambda _: None, missed))


def test_a_record_that_cannot_be_written_is_counted_and_tried_again_later(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file where the folder should be")
    log = Recorder(tmp_path / "events", KEEP, MOST)
    log.start(Start(Desk().rules, None, START), 100)
    log.flush()
    assert (log.failures, log.reason) == (1, "event log: File exists")
    log.append(TimePassed(START))  # nothing is raised: no alert waits for the record
    log.flush()
    assert not log.wants_start(100 + PAUSE_S - 1)
    assert log.wants_start(100 + PAUSE_S)


def test_after_a_restart_the_record_says_when_prices_had_their_time_anew(tmp_path: Path) -> None:
    from monitor.core.prices.quote import unconfirmed
    from monitor.core.watch.risk import RiskMonitor

    trust = Trust(stale_after=timedelta(seconds=10))
    desk = Desk(line(), trust=trust)
    desk.play("00:00 0.5 -")
    memory = desk.monitor.memory
    assert memory is not None
    desk.monitor = RiskMonitor(
        desk.rules, memory=msgspec.structs.replace(memory, marks=tuple(map(unconfirmed, memory.marks)))
    )
    desk.monitor.awaken(clock("01:00"))
    log = log_of(tmp_path, desk, "01:00", awakened=True)
    record(log, desk, TimePassed(clock("01:01")))
    log.close()
    assert [a.type for a in desk.alerts] == ["price.stale"]
    assert folded(tmp_path) == list(plainly(desk.alerts))


def test_a_record_keeps_groups_and_blocks_as_arrays_as_it_always_did(tmp_path: Path) -> None:
    """The line is what the first monitors wrote: a change of these types that fails here loses old days."""
    at = clock("00:00").isoformat().replace("+00:00", "Z")
    put = msgspec.json.encode(group(line("G"))).decode()
    rules = msgspec.json.encode(Desk().rules).decode()
    memory = f'["{at}",[],{{}},[[{put},"file:book.jsonl",3,"{at}"]],[],[],[],[[7,"Ym9keQ==",["X"]]]]'
    path = tmp_path / "events-1.jsonl"
    path.write_text(f'{{"rules":{rules},"memory":{memory},"at":"{at}"}}\n')
    (start,) = event_log.read(path)
    assert isinstance(start, Start)
    assert start.memory is not None
    (kept,) = start.memory.groups
    assert (kept.group.id, kept.source, kept.version, kept.put_at) == ("G", "file:book.jsonl", 3, clock("00:00"))
    assert start.memory.blocks == (StoredBlock(7, b"body", ("X",)),)
    written = msgspec.json.decode(msgspec.json.encode(start))["memory"]
    assert written["groups"][0][1:] == ["file:book.jsonl", 3, at]
    assert written["blocks"] == [[7, "Ym9keQ==", ["X"]]]
