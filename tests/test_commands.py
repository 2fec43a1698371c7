"""Exit codes of the commands that ask a running daemon: 0 fine, 1 found trouble, 2 wrong use (INTERFACES section 1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.house import Daemon, House, line


@pytest.mark.parametrize(
    ("command", "code", "word"),
    [
        (["explain", "G"], 0, "LTV"),
        (["explain", "nobody"], 1, "there is no group nobody"),
        (["explain", "G", "--url", "http://127.0.0.1:9"], 1, "is the daemon running there"),
        (["explain", "G", "--token-file", "absent"], 2, "absent: cannot be read"),
        (["what-if", "G", "--repay", "USDT=10"], 0, "ltv"),
        (["what-if", "G", "--shock", "BTC=-20"], 2, "expected a change such as"),
        (["what-if", "G", "--shock", "BTC"], 2, "expected ASSET=VALUE"),
        (["stress", "--shock", "BTC=30000"], 0, "expected shortfall"),
        (["stress", "--reverse", "0.5"], 0, "is not reached"),
        (["stress", "--x", "BTC=30000,20000", "--y", "ETH=2000"], 0, "ETH down, BTC across"),
        (["stress", "--x", "BTC=-10%"], 2, "a matrix has two sides"),
        (["stress", "--shock", "BTC"], 2, "expected ASSET=VALUE"),
        (["stress"], 2, "expected exactly one of"),
        (["exposure", "--by", "asset"], 0, "days to sell"),
        (["exposure", "--by", "label.borrower"], 0, "groups by label.borrower"),
        (["exposure", "--by", "coin"], 2, "expected asset, product, or a label"),
        (["what-if", "G", "--shok", "BTC=-20%"], 2, "shock"),
    ],
)
async def test_a_command_tells_wrong_use_from_trouble(tmp_path: Path, command: list[str], code: int, word: str) -> None:
    house = House(tmp_path)
    house.write(feed=False)
    async with Daemon(house) as daemon:
        await daemon.put(line("G"))
        url = [] if "--url" in command else ["--url", daemon.url]
        ended = await house.ran(*command, *url)
    assert ended.code == code, ended
    assert word in ended.out + ended.err
    assert (ended.out + ended.err).count(word) == 1 or code == 0
    assert "Traceback" not in ended.err
