"""The handed tapes: each play gives the alert that was worked out apart from the product, or says why it cannot."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.main import main

TAPES = Path(__file__).parent / "prices" / "tapes"


def ran(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, *args: str
) -> tuple[int, str, str]:
    """A command in this process, its files named from the folder of the cases: exit code, stdout, stderr."""
    monkeypatch.chdir(folder)
    command, *options = args
    paths = [str(TAPES / each) if (TAPES / each).is_file() else each for each in options]
    monkeypatch.setattr(sys, "argv", ["monitor", command, *paths])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of a command line that is not a test's own
        with pytest.raises(SystemExit) as ended:
            main()
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


@pytest.mark.parametrize(
    ("tape", "book", "at", "ltv"),
    [
        ("BTCUSDT-1m-2021-05-19.csv", "book-btc.jsonl", "2021-05-19T12:00:00.000Z", "0.90322581"),
        ("BTCUSDT-1m-2025-05-19.csv", "book-btc.jsonl", "2025-05-19T12:00:00.000Z", "0.90322581"),
        ("derivative_ticker.csv", "book-btc.jsonl", "2021-05-19T11:59:00.000Z", "0.90322581"),
        ("semicolon.csv", "book-btc.jsonl", "2021-05-19T11:59:00.000Z", "0.90322581"),
        ("utf16.csv", "book-btc.jsonl", "2021-05-19T11:59:00.000Z", "0.90322581"),
        ("TAPE.CSV.GZ", "book-btc.jsonl", "2021-05-19T11:59:00.000Z", "0.90322581"),
        ("newest.csv", "book-btc.jsonl", "2021-05-19T15:05:00.000Z", "0.77054323"),
        ("wide_us.csv", "book-btc.jsonl", "2021-05-19T11:59:00.000Z", "0.90322581"),
        ("pairs.csv", "book-btc.jsonl", "2021-05-19T11:59:00.000Z", "0.90322581"),
        ("wide.csv", "book-shib.jsonl", "2021-05-19T11:59:00.000Z", "0.81967213"),
    ],
)
def test_a_handed_tape_gives_its_margin_call_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tape: str,
    book: str,
    at: str,
    ltv: str,
) -> None:
    options = ("--config", "monitor.toml", "--tape", tape, "--book", book, "--json")
    code, out, err = ran(monkeypatch, capsys, tmp_path, "replay", *options)
    assert code == 0, err
    alerts: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert [(a["type"], a["timestamp"], a["data"]["ltv"]) for a in alerts] == [
        ("loan_group.margin_call.opened", at, ltv)
    ]
    assert err.count("newest first") == (tape == "newest.csv")


@pytest.mark.parametrize("command", [("replay", "--json"), ("report", "--out", "report.html")])
def test_the_cut_tape_is_one_sentence_with_the_count_of_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    options = ("--config", "monitor.toml", "--tape", "cut.csv.gz", "--book", "book-btc.jsonl")
    code, out, err = ran(monkeypatch, capsys, tmp_path, command[0], *options, *command[1:])
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert "cut.csv.gz: is not gzip or zip to its end: it is cut or damaged after 2,401 rows" in line
    assert not (tmp_path / "report.html").exists()


def test_minutes_under_trust_name_the_limit_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--config", "monitor.toml", "--tape", "minutes.csv", "--book", "book-btc.jsonl", "--trust", "--json")
    code, out, err = ran(monkeypatch, capsys, tmp_path, "replay", *options)
    assert (code, out) == (2, "")
    assert "gives prices every 1m, but stale_after is 10s" in err
    assert 'state stale_after = "2m" or more, or leave out --trust' in err


def test_a_feed_of_minutes_is_refused_by_check_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = ran(monkeypatch, capsys, tmp_path, "check-config", "--config", "monitor-tape-feed.toml")
    assert (code, out) == (2, "")
    assert "'day' gives prices every 1m, but stale_after is 10s" in err
