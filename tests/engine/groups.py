"""Groups of every shape that a book line or an entry can give, and columns of ordinary ones."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from monitor.core.groups.outcome import StoredGroup
from monitor.core.loans.group import Group, Loan, Rate
from monitor.core.money import EXACT

ASSETS = ("BTC", "ETH", "USDT", "A", "1000SHIB", "Z" * 32)
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
# Few draws make a group, or a property would spend its time on making them.
IDS = st.one_of(
    st.text("aAgG-1", min_size=1, max_size=5),
    st.text(PRINTABLE, min_size=1, max_size=8),
    st.sampled_from([PRINTABLE, (PRINTABLE * 2)[-128:], "!" * 33, "g" * 128]),
)
EXTREMES = ["0", "-0", "0.00", "1.50", "1E+24", "1e-24", "100000", "9223372036854775807", "9223372036854775808"]
QUANTITIES = st.one_of(
    st.integers(0, 10**12).map(lambda n: Decimal(n).scaleb(-8)),
    st.integers(0, 10**48).map(lambda n: EXACT.scaleb(Decimal(n), -24)),
    st.sampled_from(EXTREMES).map(Decimal),
)
# Interest after years of settling has far more digits than a quantity may be stated with.
INTERESTS = QUANTITIES | st.integers(0, 10**90).map(lambda n: EXACT.scaleb(Decimal(n), -72))
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, tzinfo=UTC)
INSTANTS = st.integers(0, (LAST - FIRST) // timedelta(microseconds=1)).map(
    lambda us: FIRST + timedelta(microseconds=us)
) | st.sampled_from([datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, 10, 30, tzinfo=UTC)])
DAYS = INSTANTS.map(datetime.date)
RATES = st.sampled_from(
    [Rate("flexible"), Rate("flexible", paid_in="BNB"), Rate("fixed", Decimal("0.00020"))]
) | st.integers(0, 10**18).map(lambda n: Rate("fixed", EXACT.scaleb(Decimal(n), -18)))
TEXTS = st.sampled_from(["desk", "EU", "", "é\u2028"])


@st.composite
def loans(draw: st.DrawFn, id_: str) -> Loan:
    opened_at = draw(INSTANTS)
    rate, term = draw(RATES), draw(st.sampled_from(["open", "30d", "60d"]))
    if rate.kind == "fixed" and term == "open":
        term = "30d"
    whole_days = st.integers(-3, 400).map(lambda days: opened_at + timedelta(days=days))
    return Loan(
        id_,
        draw(st.sampled_from(ASSETS)),
        draw(QUANTITIES),
        draw(INTERESTS),
        rate,
        term,
        opened_at,
        None if term == "open" else draw(whole_days | INSTANTS),
        draw(DAYS),
        draw(st.sampled_from([0, 0, 60, 1439])),
    )


@st.composite
def groups(draw: st.DrawFn) -> Group:
    receiving = draw(IDS)
    coins = st.dictionaries(st.sampled_from(ASSETS), QUANTITIES, max_size=5)
    several = st.dictionaries(IDS, coins, max_size=3)
    sole = st.tuples(st.just(receiving) | IDS, coins).map(lambda one: {one[0]: one[1]})
    return Group(
        id=draw(IDS),
        product=draw(st.sampled_from(["vip_loan", "flat_loan", "prêt"])),
        receiving_account=receiving,
        collateral=draw(sole | several),
        loans=tuple(draw(loans(id_)) for id_ in draw(st.lists(IDS, max_size=4, unique=True))),
        delayed_liquidation=draw(st.booleans()),
        thresholds=draw(st.just({}) | st.just({"initial": Decimal("0.5"), "immediate": Decimal("0.990")})),
        labels=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
        balances=draw(st.just({}) | several),
        vip_level=draw(st.none() | st.integers(0, 99)),
        contacts=draw(st.just({}) | st.fixed_dictionaries({"email": st.lists(TEXTS, max_size=2).map(tuple)})),
        line=draw(st.just("") | st.integers(1, 2**64 - 1).map("{:016x}".format)),
        leverage=draw(st.none() | st.integers(1, 125)),
    )


RECORDS = st.builds(
    StoredGroup, groups(), st.sampled_from(["file", "api", "désk"]), st.integers(0, 2**32 - 1), INSTANTS
)


def ordinary(count: int, seed: int = 1, own_maturities: bool = False) -> list[StoredGroup]:
    """Regular groups of 8 positions and 1-3 loans, ids of at most 12 bytes."""
    rng = random.Random(seed)
    assets = [f"C{k}" for k in range(600)]
    at = datetime(2026, 1, 5, 10, tzinfo=UTC)
    records = []
    for i in range(count):
        coins = {asset: EXACT.scaleb(Decimal(rng.randint(1, 10**14)), -8) for asset in rng.sample(assets, 8)}
        owed = tuple(
            _ordinary_loan(rng, f"L{i:06d}{k}", at, own_maturities) for k in range(rng.choices((1, 2, 3), (5, 4, 1))[0])
        )
        group = Group(
            f"G{i:06d}",
            "vip_loan",
            f"a{i:06d}",
            {f"a{i:06d}": coins},
            owed,
            i % 3 == 0,
            {},
            {},
            {},
            None,
            {},
            f"{rng.getrandbits(64):016x}",
        )
        records.append(StoredGroup(group, "book", 1, at))
    return records


def _ordinary_loan(rng: random.Random, id_: str, at: datetime, own_maturity: bool) -> Loan:
    opened_at = at - timedelta(seconds=rng.randint(0, 50 * 86400))
    term = rng.choice(("open", "30d", "60d"))
    runs = timedelta(days=int(term[:2])) if term != "open" else None
    if runs is not None and own_maturity:
        runs += timedelta(seconds=rng.randint(1, 86399))
    rate = Rate("flexible") if rng.random() < 0.6 or term == "open" else Rate("fixed", Decimal("0.0002"))
    principal = EXACT.scaleb(Decimal(rng.randint(1, 10**10)), -2)
    return Loan(
        id_,
        rng.choice(("USDT", "USDC", "BTC")),
        principal,
        Decimal(0),
        rate,
        term,
        opened_at,
        None if runs is None else opened_at + runs,
        at.date(),
    )
