"""A folder with a configuration, a book and tapes, and the commands that replay them, in this process."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from monitor.cli.main import main

CONFIG = """\
[monitor]
name = "desk"
[store]
kind = "memory"
[prices]
stale_after = "10s"
[[product]]
kind = "vip_loan"
file = "vip.toml"
"""
PRODUCT = """\
[[version]]
effective = 2020-01-01T00:00:00Z
thresholds = { initial = "0.72", margin_call = "0.77", liquidation = "0.91", immediate = "0.95" }
[version.ladders]
BTC = [["inf", "1"]]
ETH = [["inf", "1"]]
SHIB = [["inf", "1"]]
[version.rates]
USDT = "0.0001"
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class TapeDesk:
    """A folder with a configuration and a book of one group, and its commands."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)
        (folder / "monitor.toml").write_text(CONFIG)
        (folder / "vip.toml").write_text(PRODUCT)
        self.book()

    def book(self, coin: str = "BTC", quantity: str = "1", owed: str = "28000", id_: str = "G-1") -> str:
        loan = {
            "id": "L",
            "asset": "USDT",
            "principal": owed,
            "interest": "0",
            "rate": {"kind": "flexible"},
            "term": "open",
        }
        loan |= {"opened_at": "2020-01-05T10:00:00Z", "matures_at": None}
        line = {
            "id": id_,
            "product": "vip_loan",
            "receiving_account": f"in-{id_}",
            "collateral": {f"m-{id_}": {coin: quantity}},
        }
        text = json.dumps(line | {"loans": [loan] if owed != "0" else []}) + "\n"
        (self.folder / "book.jsonl").write_text(text)
        return text

    def put(self, text: str | bytes, name: str = "tape.csv") -> str:
        (self.folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return name

    def command(self, *args: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["monitor", *args])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns of a command line that is not a test's own
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)

    def replay(self, tape: str, *more: str) -> Ended:
        return self.command(
            "replay", "--config", "monitor.toml", "--tape", tape, "--book", "book.jsonl", "--json", *more
        )
