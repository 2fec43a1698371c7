"""A block gives back exactly what was put into it, whatever is done to it on the way."""

import base64
import struct
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.events.entries import AttachAccount, Deposit, Enroll, Repay, Withdraw, apply
from monitor.core.groups.outcome import StoredGroup
from monitor.core.instants import micros_of
from monitor.core.loans.group import Group, Loan, Rate, parse_line
from monitor.core.money import exact
from monitor.core.rules.product import Product, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.maturity import news_of
from monitor.engine.columns import codec
from monitor.engine.columns.block import Block, Names
from monitor.engine.columns.codec import UnreadableBlock
from monitor.engine.columns.extras import GroupExtras
from monitor.engine.columns.fields import DTYPES, HAS_EXTRAS, NEVER, WIDE
from monitor.engine.columns.floats import floats
from monitor.engine.columns.names import Interned, NamesFull
from monitor.engine.columns.text_search import mark_text
from monitor.engine.index.index import Index
from monitor.engine.schedule.dates import dates_of
from tests.effort import examples, more_in_a_soak
from tests.engine.groups import PRINTABLE, RECORDS, ordinary

AT = datetime(2026, 1, 5, 10, 0, 0, 123456, tzinfo=UTC)
pytestmark = more_in_a_soak
often = settings(
    max_examples=examples(30, 80),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def all_of(block: Block, names: Names) -> list[StoredGroup]:
    return [block.record(i, names) for i in range(len(block))]


def loan(id_: str = "L1", **changes: object) -> Loan:
    plain = Loan(id_, "USDT", Decimal(100), Decimal(0), Rate("flexible"), "open", AT, None, AT.date())
    return msgspec.structs.replace(plain, **changes)


def record(*loans: Loan, id_: str = "G-1", **changes: object) -> StoredGroup:
    group = Group(id_, "vip_loan", "a1", {"a1": {"BTC": Decimal(1)}}, loans, False, {}, {}, {}, None, {})
    return StoredGroup(msgspec.structs.replace(group, **changes), "book", 1, AT)


# What goes in comes out


@often
@given(st.lists(RECORDS, max_size=6))
def test_every_group_comes_back_as_it_was_put(records: list[StoredGroup]) -> None:
    names = Names()
    block = Block.of(records, names)
    assert all_of(block, names) == records
    assert block.ids() == [block.id(i) for i in range(len(block))] == [r.group.id for r in records]


def test_mappings_keep_their_order() -> None:
    holdings = {"ETH": Decimal(2), "BTC": Decimal(1), "ADA": Decimal(3)}
    several = {"z": holdings, "a": {"ETH": Decimal(1)}}
    names = Names()
    block = Block.of([record(collateral={"z": holdings}), record(collateral=several)], names)
    assert list(block.record(0, names).group.collateral["z"]) == ["ETH", "BTC", "ADA"]
    assert list(block.record(1, names).group.collateral) == ["z", "a"]


def test_only_groups_with_extras_have_an_entry_outside_the_columns() -> None:
    names = Names()
    block = Block.of(
        [
            record(),
            record(collateral={"main": {"BTC": Decimal(1)}}, vip_level=0, labels={"desk": "EU"}),
            record(collateral={"a1": {}}),
            record(collateral={"a1": {"BTC": Decimal(0)}}),
            record(collateral={}),
            record(contacts={"email": ("a@example.com",)}),
        ],
        names,
    )
    assert sorted(block.columns.extras) == [3, 4, 5]


def test_equal_quantities_have_one_form_and_only_long_ones_are_wide() -> None:
    names = Names()
    coins = {
        "A": "1.50",
        "B": "1.5",
        "C": "1000000000000000000000000",
        "D": "9.223372036854775808",
        "E": "0.1" + "0" * 22,
    }
    block = Block.of([record(collateral={"a1": {k: Decimal(v) for k, v in coins.items()}})], names)
    c = block.columns
    assert list(zip(c.mantissa.tolist(), c.exponent.tolist(), strict=True)) == [
        (15, -1), (15, -1), (1, 24), (1, WIDE), (1, -1),
    ]  # fmt: skip
    assert c.wide == {3: Decimal("9.223372036854775808")}


def test_parsed_lines_and_what_entries_make_of_them_come_back() -> None:
    rates = {"USDT": Decimal("0.000123456789012345")}
    lines = Thresholds(*map(Decimal, ("0.72", "0.77", "0.91", "0.95")))
    product = Product("vip_loan", (Version(datetime(2020, 1, 1, tzinfo=UTC), lines, {}, rates),))
    stated = {
        "id": "G-1",
        "product": "vip_loan",
        "receiving_account": "in",
        "collateral": {"main": {"BTC": "1.50"}},
        "loans": [
            {
                "id": "L",
                "asset": "USDT",
                "principal": "1000.000000000000000000000001",
                "rate": {"kind": "flexible"},
                "term": "30d",
                "opened_at": "2026-01-01T10:00:00.5+02:00",
                "matures_at": "2026-01-31T00:00:00Z",
            }
        ],
        "thresholds": {"initial": "0.5"},
        "labels": {"desk": "EU"},
        "contacts": {"sms": ["+1"]},
        "vip_level": 3,
    }
    group = parse_line(stated, AT, {"vip_loan": product})
    assert len(group.line) == 16
    after, history = group, [group]
    for day, entry in enumerate(
        (
            Deposit("main", "ETH", Decimal("1e-24")),
            Repay("USDT", percent=Decimal(3)),
            Withdraw("main", "BTC", Decimal("1.5")),
            AttachAccount("other"),
            Repay("USDT", amount=Decimal("7.77")),
            Enroll(True),
            Repay("USDT", percent=Decimal(100)),
        )
    ):
        after = apply(after, entry, AT + timedelta(days=100 * day), product, {})
        history.append(after)
    names = Names()
    block = Block.of([StoredGroup(g, "api", k, AT) for k, g in enumerate(history)], names)
    assert [r.group for r in all_of(block, names)] == history


# A block as bytes


@often
@given(st.lists(RECORDS, max_size=5), st.lists(RECORDS, max_size=2))
def test_a_dumped_block_is_the_same_in_a_process_that_knows_other_names(
    records: list[StoredGroup], others: list[StoredGroup]
) -> None:
    names, there = Names(), Names()
    Block.of(others, there)
    raw = Block.of(records, names).dump(names)
    assert all_of(Block.load(raw, there), there) == records


def damaged(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 0x10]) + raw[place + 1 :]


def test_a_damaged_block_is_refused_wherever_the_damage_is() -> None:
    names = Names()
    raw = Block.of(ordinary(3), names).dump(names)
    assert len(Block.load(raw, names)) == 3
    for place in (0, 13, 17, 60, len(raw) // 2, len(raw) - 1):
        with pytest.raises(UnreadableBlock) as caught:
            Block.load(damaged(raw, place), names)
        assert caught.value.reason == "damaged"
    for length in (0, 3, 15, 100, len(raw) - 1):
        with pytest.raises(UnreadableBlock, match="stored block of groups"):
            Block.load(raw[:length], names)


def test_a_block_of_format_2_has_the_lines_of_its_groups_in_the_extras_and_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a monitor wrote it before lines became a column: with the contacts of a group, and alone."""
    names = Names()
    groups = [r.group for r in ordinary(3)]
    lines = {"initial": Decimal("0.5"), "liquidation": Decimal("0.88")}
    groups[1] = msgspec.structs.replace(groups[1], thresholds=lines)
    groups[2] = msgspec.structs.replace(groups[2], thresholds=lines, contacts={"sms": ("+1",)})
    bare = [msgspec.structs.replace(g, thresholds={}) for g in groups]
    c = Block.of([StoredGroup(g, "book", 1, AT) for g in bare], names).columns
    extras = {1: GroupExtras(thresholds=lines), 2: GroupExtras(thresholds=lines, contacts={"sms": ("+1",)})}
    flags = c.flags.copy()
    flags[[1, 2]] |= HAS_EXTRAS
    old = c._replace(flags=flags, extras={row: msgspec.msgpack.encode(each) for row, each in extras.items()})
    monkeypatch.setattr(codec, "FORMAT", 2)
    monkeypatch.setattr(codec, "DTYPES", {k: v for k, v in DTYPES.items() if not k.startswith("own_")})
    raw = codec.dump(old, names)
    monkeypatch.undo()
    there = Names()
    block = Block.load(raw, there)
    assert [r.group for r in all_of(block, there)] == groups
    assert list(block.columns.extras) == [2]


def test_a_block_of_a_newer_monitor_is_refused_with_what_to_do() -> None:
    names = Names()
    raw = Block.of(ordinary(1), names).dump(names)
    newer = raw[:4] + struct.pack("<H", 4) + raw[6:]
    with pytest.raises(
        UnreadableBlock, match="has format 4, this monitor reads up to 3; start the newer monitor"
    ) as caught:
        Block.load(newer, names)
    assert caught.value.reason == "newer"


FIRST_FORMAT = (
    r"c-noDy>HV%7{*^;+!R&(0dy!;H>T?1CT#|UP)$`Kf*62-DO}@gIK??zelI26(t;2mF%^l01;rnM0SW$wE=-j`hyhW7#DvrZF|d$wb{xu3c%{c@"
    r"|DNYQ{9f(y@+AWRUg}3}_shfkiOXeE-NJpCj#$7Yvm#V1P=&+~Jg3u8Bu1|jG&qS}w#Ho~eZQkfvcUrso+P0wBq#k1;ge|HWlbc{eGi4w9u^{o"
    r"$dx&0GpPh3GY7oudy-3KMy|(n;zc^tvlw~p2SPT4&)oWW!ryE>mAn#C@qnW`iXEXpsYru1lGyXP<PM2YufsJJZH`9LW~!s}5NBKCJqT^9ykLZO"
    r"rLsiA>sK#aD`>J*F+;mtEl;Gx9^@UtEg0zkt*1v%M$OSET=TqE-lHw(jke#0o$atCq!X=+E_Wh_33oH5^ORDnzet_4#((?;>YR>wR|O1v;cemY"
    r"-sCFHYLbn{6E&KHkx|NxQf`!}zG|4(vf%hKa@lv^zr9)7`SjuOUb1=d<l^C>k@-Z+%##KEcH`-6*O~)3sKTS+48VT#*XK9$05iMaPd(AWpSs5D"
    r"l1vluuKHst{hnfb2dOt4{`)M@`ugC`Y7x$x#d9B5itz0UWP&rxv(GgD4Ie7t&;"
)
"""Two groups as the first format wrote them: `ordinary(2, seed=3)` with two coins and one loan each."""


def test_a_block_of_the_first_format_is_read_as_it_was() -> None:
    """It told since when interest accrues in days, and knew no leverage."""
    found = all_of(Block.load(zlib.decompress(base64.b85decode(FIRST_FORMAT)), names := Names()), names)
    groups = [r.group for r in ordinary(2, seed=3)]
    cut = [
        msgspec.structs.replace(
            g, collateral={a: dict(list(held.items())[:2]) for a, held in g.collateral.items()}, loans=g.loans[:1]
        )
        for g in groups
    ]
    assert [r.group for r in found] == cut


# Cut and joined


@often
@given(st.lists(st.lists(RECORDS, max_size=3), min_size=1, max_size=4), st.data())
def test_blocks_joined_and_rows_left_out_keep_every_other_group(
    parts: list[list[StoredGroup]], data: st.DataObject
) -> None:
    names = Names()
    joined = Block.join([Block.of(part, names) for part in parts])
    records = [r for part in parts for r in part]
    assert all_of(joined, names) == records
    dead = data.draw(st.lists(st.booleans(), min_size=len(records), max_size=len(records)))
    left = joined.without(np.array(dead, np.bool_))
    kept = [r for r, is_dead in zip(records, dead, strict=True) if not is_dead]
    assert all_of(left, names) == kept
    assert equal(left, Block.of(kept, names))


def equal(a: Block, b: Block) -> bool:
    """The same columns, except the order of put times and unread maturities."""
    names = [n for n in DTYPES if n not in ("times", "put", "matures")]
    return (
        all(np.array_equal(getattr(a.columns, n), getattr(b.columns, n)) for n in names)
        and (a.columns.extras, a.columns.wide) == (b.columns.extras, b.columns.wide)
        and set(a.columns.times.tolist()) == set(b.columns.times.tolist())
    )


def test_a_block_cannot_be_written_to_and_keeps_no_larger_array_alive() -> None:
    names = Names()
    block = Block.of(ordinary(4), names)
    cut = Block(block.columns._replace(opened=np.concatenate([block.columns.opened, [0]])[:-1]))
    for name in DTYPES:
        column = getattr(cut.columns, name)
        assert column.base is None or column.base.nbytes == column.itemsize
        with pytest.raises(ValueError, match="read-only"):
            column[:1] = 0


# Figures


def exact_float_distance(found: float, exactly: Decimal) -> int:
    """How many floats lie between one and the float nearest to an exact value."""
    a, b = (struct.unpack("<q", struct.pack("<d", x))[0] for x in (found, float(abs(exactly))))
    return abs(a - b)


@often
@given(
    st.lists(
        st.tuples(st.integers(0, 2**63 - 1) | st.integers(2**53, 2**56), st.integers(-128, 126) | st.integers(-24, 24)),
        min_size=1,
        max_size=30,
    )
)
def test_a_float_is_the_nearest_or_one_beside_it(parts: list[tuple[int, int]]) -> None:
    mantissa, exponent = np.array([m for m, _ in parts], np.int64), np.array([e for _, e in parts], np.int8)
    for found, (m, e) in zip(floats(mantissa, exponent, {}, 0).tolist(), parts, strict=True):
        assert exact_float_distance(found, Decimal(m).scaleb(e)) <= 1


@often
@given(st.lists(RECORDS, max_size=5))
def test_the_floats_of_a_block_are_those_of_its_groups_in_order(records: list[StoredGroup]) -> None:
    block = Block.of(records, Names())
    with exact():
        held = [q for r in records for q in r.group.quantities().values()]
    loans = [x for r in records for x in r.group.loans]
    for found, exactly in (
        (block.quantities(), held),
        (block.principals(), [x.principal for x in loans]),
        (block.interests(), [x.interest for x in loans]),
    ):
        assert len(found) == len(exactly)
        assert all(exact_float_distance(*pair) <= 1 for pair in zip(found.tolist(), exactly, strict=True))


@often
@given(st.lists(RECORDS, max_size=4), st.integers(-(10**15), 10**16))
def test_loans_maturities_and_rows_are_those_of_the_groups(records: list[StoredGroup], after: int) -> None:
    names = Names()
    block = Block.of(records, names)
    loans = [(row, x) for row, r in enumerate(records) for x in r.group.loans]
    assert block.loan_rows().tolist() == [row for row, _ in loans]
    assert block.matures(names).tolist() == [micros_or_none(x) for _, x in loans]
    with exact():
        assert block.position_rows().tolist() == [i for i, r in enumerate(records) for _ in r.group.quantities()]
    assert block.is_owed().tolist() == [x.is_owed for _, x in loans]
    known = dates_of(block, names, dict.fromkeys(range(len(names.products)), VERSION))
    exactly = [{micros_of(at) for at in dates_told(x)} for _, x in loans]
    found = zip(known.opens.tolist(), known.nears.tolist(), known.matures.tolist(), strict=True)
    # Of two dates at one time core tells the later alone; by column there are both.
    assert [set(each) - {NEVER} for each in found] == exactly
    firsts = [
        min((t for (row, _), ts in zip(loans, exactly, strict=True) if row == i for t in ts), default=NEVER)
        for i in range(len(records))
    ]
    assert known.first(len(block)).tolist() == firsts
    expected = {
        row for (row, _), ts in zip(loans, exactly, strict=True) if any(after < t <= after + 10**12 for t in ts)
    }
    assert known.within(after, after + 10**12) == sorted(expected)


def micros_or_none(x: Loan) -> int:
    return -1 if x.matures_at is None else micros_of(x.matures_at)


VERSION = Version(
    AT,
    Thresholds(Decimal("0.72"), Decimal("0.77"), Decimal("0.91"), Decimal("0.95")),
    {},
    renewal_window=timedelta(days=7),
    maturity_notice=timedelta(hours=24),
)


def dates_told(x: Loan) -> list[datetime]:
    """When core tells of a loan before and at its maturity; nothing of one that is repaid."""
    return [at for at, _ in news_of(x.matures_at, VERSION)] if x.matures_at is not None and x.is_owed else []


@pytest.mark.parametrize(
    ("left", "due"),
    [
        ({}, True),
        ({"principal": Decimal(0)}, False),
        ({"principal": Decimal(0), "interest": Decimal("1e-70")}, True),
        ({"principal": Decimal("1.000000000000000000000001")}, True),
    ],
    ids=["principal", "nothing", "only wide interest", "wide principal"],
)
def test_only_what_is_owed_is_due(left: dict[str, Decimal], due: bool) -> None:
    names, matures_at = Names(), AT + timedelta(days=30)
    block = Block.of([record(), record(loan(term="30d", matures_at=matures_at, **left))], names)
    known = dates_of(block, names, dict.fromkeys(range(len(names.products)), VERSION))
    assert (known.first(len(block)) < NEVER).tolist() == [False, due]


# Looking for texts and keys


def mentioning(block: Block, text: str) -> list[int]:
    """Rows that mention a text, in any case."""
    found = np.zeros(len(block), np.bool_)
    mark_text(block.columns, text.lower(), found)
    return np.flatnonzero(found).tolist()


@often
@given(
    st.lists(RECORDS, max_size=5),
    st.text("aAgG-1", min_size=1, max_size=3) | st.text(PRINTABLE, min_size=1, max_size=2),
)
def test_a_text_is_found_in_ids_and_accounts_and_nowhere_else(records: list[StoredGroup], text: str) -> None:
    wanted = text.lower()
    held = [
        i for i, r in enumerate(records) if wanted in r.group.id.lower() or wanted in r.group.receiving_account.lower()
    ]
    assert mentioning(Block.of(records, Names()), text) == held


def test_a_text_does_not_span_two_texts_nor_a_length() -> None:
    # The lengths of these texts are 33 and 34, which are ! and " in ASCII.
    block = Block.of([record(id_="x" * 33, receiving_account="y" * 34, collateral={"z" * 35: {}})], Names())
    assert [mentioning(block, text) for text in ("!", '"', "xy", 'x"y', "z", "y" * 35)] == [[]] * 6
    assert [mentioning(block, text) for text in ("x" * 33, "Y" * 34)] == [[0]] * 2


@often
@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_the_keys_of_a_block_are_its_ids_and_all_accounts(records: list[StoredGroup]) -> None:
    block = Block.of(records, Names())
    arena = block.columns.arena.tobytes()

    def keys(at: np.ndarray, rows: np.ndarray) -> list[tuple[int, str]]:
        texts = [arena[a + 1 : a + 1 + arena[a]].decode() for a in at.tolist()]
        return list(zip(rows.tolist(), texts, strict=True))

    assert keys(*block.id_keys()) == [(i, r.group.id) for i, r in enumerate(records)]
    accounts = [*keys(*block.account_keys()), *block.far_accounts()]
    assert sorted(accounts) == sorted((i, a) for i, r in enumerate(records) for a in r.group.accounts())


def test_a_block_is_indexed_in_one_call() -> None:
    block, index = Block.of(ordinary(100), Names()), Index()
    at, rows = block.id_keys()
    index.add_block(block.columns.arena, at, rows + 8192)
    assert index.find(b"G000042", lambda row: block.id(row - 8192) == "G000042") == 8234


# Size


def test_a_group_without_extras_with_ids_of_seven_bytes_takes_at_most_215_bytes() -> None:
    sizes = Block.of(ordinary(2000), Names()).nbytes()
    assert set(sizes) == {"texts", "positions", "loans", "groups", "extras", "wide"}
    assert sum(sizes.values()) <= 215 * 2000


def test_names_that_do_not_fit_their_column_are_refused_and_known_ones_are_not() -> None:
    names = Interned[str]("coins", 2)
    assert [names.place("BTC"), names.place("ETH"), names.place("BTC")] == [0, 1, 0]
    with pytest.raises(NamesFull, match="this process has met 2 distinct coins"):
        names.place("ADA")
    assert names.place("ETH") == 1
