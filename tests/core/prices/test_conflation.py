"""What waits for core: of each asset and source the newest price, whether it came in a frame or as a quote."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.instants import time_at_ms
from monitor.core.prices.conflation import LatestPrices
from monitor.core.prices.quote import Batch, Frame, Quote

ASSETS = ("BTC", "ETH", "SOL")


def frame(number: int, source: str = "a", assets: tuple[str, ...] = ASSETS) -> Frame:
    """Its price is the number, and so is its time in milliseconds."""
    return Frame(source, "USDT", assets, (str(number),) * len(assets), number)


def quote(number: int, asset: str = "BTC", source: str = "a") -> Quote:
    return Quote(asset, Decimal(number), "USDT", source, time_at_ms(number))


def put(*batches: Batch) -> tuple[LatestPrices, int]:
    latest = LatestPrices()
    return latest, sum(latest.put(batch) for batch in batches)


def test_a_frame_replaces_the_one_before_it_as_a_whole() -> None:
    latest, replaced = put(frame(1), frame(2))
    assert (latest.take(), replaced) == (((), (frame(2),)), 3)


def test_a_frame_of_another_feed_or_of_other_assets_replaces_nothing() -> None:
    given = [frame(1), frame(2, "b"), frame(3, assets=("XRP", "ADA"))]
    latest, replaced = put(*given)
    assert (latest.take(), replaced) == (((), tuple(given)), 0)


def test_a_quote_waits_behind_an_older_frame_and_is_replaced_by_a_newer_one() -> None:
    latest, replaced = put(frame(1), [quote(2), quote(2, "XRP"), quote(2, source="b")])
    assert replaced == 0
    assert latest.put(frame(3)) == 3 + 1
    assert latest.take() == ((quote(2, "XRP"), quote(2, source="b")), (frame(3),))


def test_what_was_taken_waits_no_more() -> None:
    latest, _ = put(frame(1), [quote(2)])
    assert latest
    latest.take()
    assert not latest
    assert latest.take() == ((), ())


def test_a_feed_with_another_order_in_every_message_does_not_fill_the_memory() -> None:
    latest, _ = put(*(frame(n, assets=("BTC", f"C{n}")) for n in range(100)))
    quotes, frames = latest.take()
    assert len(frames) <= 16
    assert len(quotes) + sum(map(len, frames)) <= 101 + 16
    assert frames[-1].at_ms == 99


BATCHES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.lists(st.sampled_from(ASSETS), min_size=1, unique=True), st.booleans()),
    max_size=40,
)


@given(BATCHES)
def test_handled_in_its_order_the_last_price_of_each_asset_and_source_is_the_newest(
    sent: list[tuple[str, list[str], bool]],
) -> None:
    latest, newest = LatestPrices(), {}
    for number, (source, assets, is_frame) in enumerate(sent, 1):
        made = frame(number, source, tuple(assets))
        newest |= {(asset, source): number for asset in assets}
        latest.put(made if is_frame else list(made))
    quotes, frames = latest.take()
    handled = [*(q for f in frames for q in f), *quotes]
    assert {(q.asset, q.source): int(q.price) for q in handled} == newest
