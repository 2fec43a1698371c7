"""Products through the daemon itself: the page's example over HTTP, and files that are wrong while it runs."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, until

REFUSED = "the configuration was not reloaded"
PRO = """\
[[version]]
effective = 2023-05-01T00:00:00Z
thresholds = {{ initial = "1.5", margin_call = "1.2", liquidation = "1" }}
net_equity = "{net_equity}"
[version.liability_tiers]
BTC = [["50000", 10, "0.1112", "0.05"], ["100000", 8, "0.1429", "0.07"], ["inf", 6, "0.2", "0.08"]]
ETH = [["30000", 10, "0.1112", "0.05"], ["inf", 8, "0.1429", "0.07"]]
[version.ladders]
USDT = [["inf", "1"]]
[version.rates]
BTC = "0"
ETH = "0"
"""


def pro(house: House, net_equity: str = "plain") -> None:
    (house.folder / "pro.toml").write_text(PRO.format(net_equity=net_equity))


def account(assets: dict[str, str]) -> dict[str, Any]:
    """13 BTC and 13 ETH owed, the example of rule 40."""
    stated = one_btc("P-1")
    (loan,) = stated["loans"]
    loans = [loan | {"id": f"P-1-{coin}", "asset": coin, "principal": "13"} for coin in ("BTC", "ETH")]
    return stated | {"product": "cross_margin_pro", "collateral": {"P-1-a": assets}, "loans": loans}


async def test_rule_40_the_example_of_the_page_over_http(house: House) -> None:
    pro(house)
    house.write('[[product]]\nkind = "cross_margin_pro"\nfile = "pro.toml"\n')
    async with Daemon(house) as daemon:
        assert house.venue is not None
        await house.venue.marks({"BTCUSDT": "30000", "ETHUSDT": "3000"})
        await daemon.put(account({"USDT": "400000", "COIN": "1"}))
        await house.venue.marks({"COINUSDT": "100000"})

        async def is_known() -> bool:
            return not (await daemon.get("/v1/groups/P-1"))["unknown"]

        await until(is_known, "all three prices")
        shown = await daemon.get("/v1/groups/P-1")
        assert shown["initial_margin_usd"] == "75327.1"
        assert shown["maintenance_margin_usd"] == "31330"
        assert (shown["net_equity_usd"], shown["liabilities_usd"]) == ("71000", "429000")
        assert shown["margin_level"] == "2.26619853"
        # By the other formula of net equity (reading A18) the coin, which has no ratio, counts nothing.
        pro(house, "haircut")
        await daemon.reload()
        shown = await daemon.get("/v1/groups/P-1")
        assert (shown["net_equity_usd"], shown["stage"]) == ("-29000", "liquidation")
        assert shown["maintenance_margin_usd"] == "31330"


WRONG = [
    # what is written into the file of the VIP loan                           what is said of it, and where
    ("BTC = [[\"100000000\", \"1\"], [\"100000000\", \"0.9\"]]",              "version[0].ladders.BTC[1]: bound 100000000 is not above 100000000"),
    ("BTC = [[\"100000000\", \"1\"], [\"50\", \"0.9\"], [\"inf\", \"0.8\"]]", "version[0].ladders.BTC[1]: bound 50 is not above 100000000"),
    ("BTC = [[\"inf\", \"1\"], [\"50\", \"0.9\"]]",                           "version[0].ladders.BTC[0]: \"inf\" ends a ladder"),
    ("BTC = [[\"1000\", \"1.1\"], [\"inf\", \"0.9\"]]",                       "version[0].ladders.BTC[0][1]: found '1.1', expected a number from 0 up to 1"),
    ("BTC = [[\"1000\", \"0.8\"], [\"inf\", \"0.9\"]]",                       "version[0].ladders.BTC[1]: share 0.9 rises above 0.8"),
    ("BTC = []",                                                              "version[0].ladders.BTC: is empty"),
]  # fmt: skip


async def test_a_product_file_that_is_wrong_is_refused_by_a_reload_and_the_version_in_force_stays(house: House) -> None:
    """Ladders that overlap or leave a gap, shares above 1 or rising, lines out of order, a date twice: each with its place."""
    house.write()
    file = house.folder / "vip_loan.toml"
    good = file.read_text()
    ladder = next(row for row in good.splitlines() if row.startswith("BTC"))
    wrong = [(good.replace(ladder, text), said) for text, said in WRONG]
    wrong += [
        (good.replace('"0.91"', '"0.7"'), "version[0].thresholds: lines out of order: initial 0.72"),
        (good + good, "version[1].effective: 2024-04-29T00:00:00+00:00 stands twice"),
    ]
    async with Daemon(house) as daemon:
        assert house.venue is not None
        await house.venue.marks({"BTCUSDT": "100000"})
        await daemon.put(one_btc("G-1", owed="75000"))
        before = await daemon.get("/v1/groups/G-1")
        for text, said in wrong:
            file.write_text(text)
            await daemon.reload(REFUSED)
            await until(lambda said=said: said in daemon.said(), f"{said!r} in {daemon.said()[-1500:]}")
        after = await daemon.get("/v1/groups/G-1")
        assert {k: after[k] for k in ("thresholds", "rules", "stage")} == {
            k: before[k] for k in ("thresholds", "rules", "stage")
        }
        # The old rules still decide, and a file that is right again is taken.
        house.product(margin_call="0.74")
        await daemon.reload()
        assert (await daemon.get("/v1/groups/G-1"))["stage"] == "margin_call"
        daemon.signal(signal.SIGTERM)
        assert (await daemon.ended())[0] == 0


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said for _, said in WRONG])
async def test_check_config_names_what_is_wrong_with_a_product_file(house: House, text: str, said: str) -> None:
    house.write(feed=False)
    file = house.folder / "vip_loan.toml"
    good = file.read_text()
    file.write_text(good.replace(next(row for row in good.splitlines() if row.startswith("BTC")), text))
    done = await house.ran("check-config", "--config", "monitor.toml")
    assert done.code == 2
    assert said in " ".join((done.out + done.err).split())
