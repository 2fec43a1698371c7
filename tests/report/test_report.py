"""The report: self-contained, true to its alerts, safe with hostile names, and proof of what was delivered."""

from __future__ import annotations

import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor import config as configuration
from monitor.replay import run as replay
from monitor.report.gather import EmptyReport, Gathered, Played, of_replay, worst_groups
from monitor.report.page import render
from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, until
from tests.here import Here

HOSTILE = '<script>alert("x")</script>&amp;\'"'
PRICES = "at,asset,price\n" + "".join(
    f"2026-03-02T12:{minute:02}:00Z,BTC,{price}\n"
    for minute, price in enumerate((100_000, 90_000, 70_000, 64_000, 54_000, 53_000, 60_000, 90_000, 90_000))
)


class Tags(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def played(tmp_path: Path, *lines: dict[str, Any], prices: str = PRICES) -> Gathered:
    house = House(tmp_path)
    house.write(feed=False)
    (tmp_path / "tape.csv").write_text(prices)
    (tmp_path / "book.jsonl").write_bytes(b"\n".join(msgspec.json.encode(each) for each in lines))
    rules = replay.without_trust(configuration.load(house.config).rules)
    return of_replay(Played(rules, tmp_path / "tape.csv", tmp_path / "book.jsonl", ()), lambda: None)


def test_a_replay_is_told_with_its_stages_lines_and_alerts(tmp_path: Path) -> None:
    found = played(
        tmp_path,
        one_btc("calm", owed="20000"),
        one_btc("worse"),
        one_btc("worst", owed="60000", delayed_liquidation=True),
    )
    text = render(found)
    assert worst_groups(found.alerts) == ["worst", "worse"]
    tags = Tags(text)
    assert tags.open == []
    assert text.index("<strong>worst</strong>") < text.index("<strong>worse</strong>")
    assert "<strong>calm</strong>" not in text
    assert text.count("<tr>") == 1 + len(found.alerts)
    assert "LTV 111.11 %" in text or "LTV 113.2" in text
    assert "Nothing was sent: this is a replay" in text
    assert "BTC 100000 to 90000, lowest 53000 (-47 %)" in text


def test_the_stages_of_a_group_lie_end_to_end_over_the_whole_time(tmp_path: Path) -> None:
    text = render(played(tmp_path, one_btc("worse")))
    strip = text[text.index('<div class="strip">') :]
    bands = re.findall(r'<rect class="(\w+)" x="(\d+)" y="0" width="(\d+)"', strip)
    assert [stage for stage, _, _ in bands] == ["normal", "margin_call", "liquidation", "normal"]
    ends = [int(x) + int(width) for _, x, width in bands]
    assert [int(x) for _, x, _ in bands] == [0, *ends[:-1]]
    assert ends[-1] == 10_000


def test_a_report_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    text = render(played(tmp_path, one_btc("worse")))
    tags = Tags(text)
    assert tags.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(tags.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    """Ids, labels and the names of files are chosen by others."""
    hostile = one_btc(HOSTILE, labels={"borrower": HOSTILE})
    found = played(tmp_path, hostile)._replace(title=HOSTILE, source=HOSTILE)
    assert {item["data"]["group"]["id"] for item in found.alerts if "group" in item["data"]} == {HOSTILE}
    text = render(found)
    assert "script" not in Tags(text).tags
    assert "<script" not in text
    assert "&lt;script&gt;alert" in text
    sent = {
        "notifier": HOSTILE,
        "to": [HOSTILE],
        "state": HOSTILE,
        "attempts": 1,
        "record": [{"at": "2026-03-02T12:00:00.000Z", "state": HOSTILE, "detail": HOSTILE}],
    }
    text = render(found._replace(deliveries={found.alerts[0]["data"]["id"]: [sent]}))
    assert "<script" not in text
    assert 'class="<' not in text


def test_long_logs_are_cut_with_a_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.report.page.LISTED", 2)
    found = played(tmp_path, one_btc("worse"), one_btc("worst", owed="60000"))
    text = render(found)
    assert text.count("<tr>") == 3
    assert f"The first 2 of {len(found.alerts)}; {len(found.alerts) - 2} are left out." in text


def test_a_tape_without_a_row_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(EmptyReport, match="no row of the tape"):
        played(tmp_path, one_btc("G"), prices="at,asset,price\n")


def test_a_run_in_which_nothing_happens_says_so(tmp_path: Path) -> None:
    text = render(played(tmp_path, one_btc("calm", owed="10")))
    assert "No group had an alert." in text
    assert "There were none." in text
    assert Decimal(Tags(text).tags.count("tr")) == 0


async def test_a_day_of_a_daemon_has_the_proof_of_every_delivery(tmp_path: Path) -> None:
    house = House(tmp_path)
    mail = '[[notifier]]\nname = "mail"\nkind = "email"\nsmtp = "file:mail"\nsender = "m@x.example"\nto = ["a@x.example"]\n'
    route = '[[route]]\nmatch = { severity = "critical" }\nto = ["mail"]\n[[route]]\nto = []\n'
    (tmp_path / "tape.csv").write_text(PRICES)
    feed = '[[feed]]\nname = "tape"\nkind = "tape"\npath = "tape.csv"\nspeed = "600"\n'
    house.write(mail, route, feed, feed=False)
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G", owed="60000"))

        async def has_sent() -> bool:
            return bool((await daemon.get("/v1/deliveries?state=delivered"))["items"])

        await until(has_sent, "a delivery")
        ended = await house.ran("report", "--url", daemon.url, "--out", "r.html")
        assert ended.code == 0, ended
        text = (tmp_path / "r.html").read_text()
        past = await house.ran("report", "--url", daemon.url, "--day", "2020-01-01", "--out", "past.html")
        assert past.code == 0, past
    assert Tags(text).open == []
    assert re.search(r"mail: delivered, 1 attempt: \d\d:\d\d:\d\d delivered", text)
    assert "routed nowhere" in text
    assert "<strong>G</strong>" in text
    assert "There were none." in (tmp_path / "past.html").read_text()


@pytest.mark.parametrize(
    ("more", "code", "word"),
    [
        ([], 2, "report takes either"),
        (["--tape", "t.csv"], 2, "report takes either"),
        (["--tape", "t.csv", "--book", "b.jsonl"], 2, "t.csv: no such file"),
        (["--url", "http://127.0.0.1:9"], 1, "is the daemon running there"),
        (["--url", "http://127.0.0.1:9", "--day", "yesterday"], 2, "expected a day such as"),
    ],
)
async def test_wrong_use_and_trouble_are_told_apart(
    tmp_path: Path, here: Here, more: list[str], code: int, word: str
) -> None:
    house = House(tmp_path)
    house.write(feed=False)
    ended = await here("report", "--config", "monitor.toml", "--out", "r.html", *more)
    assert (ended.code, word in ended.err) == (code, True), ended
    assert not (tmp_path / "r.html").exists()
