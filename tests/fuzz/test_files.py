"""Files: tapes, rates, event logs, configurations, scenarios, templates. What is damaged is named, and nothing more happens."""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from monitor import config
from monitor.config import BadConfig
from monitor.core.schema import Invalid
from monitor.daemon import event_log
from monitor.daemon.event_log import Start, Torn
from monitor.feeds import scenario, tape
from monitor.feeds._tapes.files import UnreadableTape
from monitor.feeds._tapes.reader import Refusal
from monitor.notifiers._borrowers import BorrowerTexts
from monitor.rates import file as rates
from tests.fuzz.rubbish import NUMBERS, fuzz, spoilt
from tests.looks import RULES, START

ROOT = Path(__file__).parents[2]


@contextmanager
def holding(data: bytes, name: str) -> Iterator[Path]:
    """A file of that name in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        yield path


def _zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tape.csv", data)
    return packed.getvalue()


LONG_TAPE = b"at,asset,price,source\n2021-05-19T12:00:00Z,BTC,38000.10,binance\n2021-05-19T12:00:01Z,ETH,2500,\n2021-05-19T12:00:02Z,BTC,3.7e4,x\n"
WIDE_TAPE = b"timestamp,BTCUSDT,ETHUSDT\n1621425480000,38000.1,2500\n1621425540000,38001,\n1621425600000,37000,2400.5\n"
CANDLES = b"open_time,open,high,low,close,volume\n1621425480000,1,2,0.5,1.5,10\n1621425540000,1.5,2,1,1.2,11\n"
TAPES = [
    LONG_TAPE,
    WIDE_TAPE,
    CANDLES,
    gzip.compress(WIDE_TAPE),
    _zipped(LONG_TAPE),
    LONG_TAPE.decode().encode("utf-16"),
]
CELLS = st.sampled_from([each.encode() for each in NUMBERS if len(each) < 100 and each.isascii()])


@fuzz(60)
@given(spoilt(TAPES), st.sampled_from(["tape.csv", "BTCUSDT-1m-2021-05-19.csv", "tape.csv.gz", "tape.zip", "x"]))
@example(_zipped(LONG_TAPE)[:8] + _zipped(LONG_TAPE)[48:], "tape.csv")
def test_no_tape_is_more_than_refused(data: bytes, name: str) -> None:
    with holding(data, name) as path:
        refused: list[Refusal] = []
        with suppress(UnreadableTape):
            for at, quotes in tape.rows(path, refused.append):
                assert at.tzinfo is not None
                for quote in quotes:
                    assert Decimal("1e-18") <= quote.price <= Decimal("1e15")
        assert all(str(each) for each in refused)
        with suppress(Invalid):
            tape.trust(tape.Config(path))
            tape.build("tape", tape.Config(path))


RATES = b"effective,asset,rate\n2026-01-05,USDT,0.00016\n2026-01-06T10:00:00Z,BTC,0.0001\n"


@fuzz(50)
@given(spoilt([RATES, gzip.compress(RATES)]), st.sampled_from(["rates.csv", "rates.csv.gz"]))
@example(RATES + b"2026-01-07,USDT," + b"9" * 200_000, "rates.csv")
def test_no_table_of_rates_is_more_than_refused(data: bytes, name: str) -> None:
    with holding(data, name) as path, suppress(Invalid):
        for row in rates.build("rates", rates.Config("vip_loan", path)).read().rows:
            assert row.rate is None or (row.rate.is_finite() and 0 <= row.rate <= 1)


EVENTS = (
    b'{"event":"timepassed","at":"2026-01-05T10:00:00Z"}\n'
    b'{"event":"markprices","at":"2026-01-05T10:00:01Z","quotes":[{"asset":"BTC","price":"50000","quote":"USDT","source":"v","at":"2026-01-05T10:00:01Z"}]}\n'
    b'{"event":"noticed","at":"2026-01-05T10:00:02Z","kind":"monitor.clock_jump","subject":"clock","facts":{"seconds":"3600","wall":"2026-01-05T11:00:00Z"}}\n'
    b'{"event":"noticed","at":"2026-01-05T10:00:03Z","kind":"clock.still","subject":"clock","facts":{"seconds":"5"}}\n'
    b'{"event":"gap","at":"2026-01-05T10:00:04Z","until":"2026-01-05T10:00:05Z","events":3,"reason":"the disk was full"}\n'
)
LOG = event_log.encoder.encode(Start(RULES, None, START)) + b"\n" + EVENTS


@fuzz(50)
@given(spoilt([LOG, gzip.compress(LOG)]), st.sampled_from(["events-1.jsonl", "events-1.jsonl.gz"]))
@example(b'{"a":' * 3_000, "events-1.jsonl")
@example(LOG.replace(b'"seconds":"3600"', b'"second":"3600"'), "events-1.jsonl")
@example(LOG.replace(b'"seconds":"5"', b'"seconds":"five"'), "events-1.jsonl")
def test_no_event_log_is_more_than_refused(data: bytes, name: str) -> None:
    """Reading names the line; folding what could be read is core's business, which takes any event of the right form."""
    with holding(data, name) as path:
        with suppress(Torn):
            list(event_log.read(path))
        with suppress(Torn):
            event_log.start_of(path)


PRODUCT = (ROOT / "config/products/vip_loan.toml").read_bytes()
CONFIG = b"""\
[monitor]
name = "desk-1"
state_dir = "var"
[store]
kind = "sqlite"
path = "var/monitor.db"
[web]
port = 8080
public_url = "https://risk.example"
tokens = [{ name = "ops", role = "operator", secret = "0123456789abcdef01234567", scope = { borrower = "ACME" } }]
[prices]
stale_after = "10s"
confirm_jump = "0.15"
mode = "median"
[lifecycle]
grace_reminders = ["12h", "1h"]
[[product]]
kind = "vip_loan"
file = "product.toml"
[[feed]]
name = "venue"
kind = "binance_futures"
symbols = { GLM = "GLM2USDT" }
silence = "15s"
[[feed]]
name = "nav"
kind = "http_poll"
url = "https://nav.example/x"
prices = [{ asset = "FUND", path = "data.nav" }]
[[notifier]]
name = "desk"
kind = "webhook"
url = "https://hooks.example/x"
secret = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM="
rate = "10/1m"
[[notifier]]
name = "mail"
kind = "email"
smtp = "smtp://mail.example:587"
sender = "Desk <risk@desk.example>"
to = ["officer@desk.example"]
[[route]]
match = { severity = "critical" }
to = ["desk", "mail"]
[[person]]
name = "ann"
contacts = { mail = "ann@desk.example" }
"""
WORDS = st.sampled_from(
    [b'"', b"[", b"]", b"= 5", b"= []", b"= {}", b'= "x"', b"= -1", b"= nan", b"= inf", b'= ""', b"= true", b"[[feed]]\n", b"\x00",
     b"= 2026-01-05", b'= "1e400"', b'= "9999999d"', b"[web]\n", b"= [[]]", b'= "https://user:pass@h/"', b"9" * 5000]
)  # fmt: skip


@st.composite
def _lines_changed(draw: st.DrawFn, good: bytes) -> bytes:
    """Lines that are left out, doubled, or whose value is another."""
    lines = good.splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        key, is_key, _ = lines[place].partition(b" = ")
        word = draw(WORDS)
        lines[place] = key + b" " + word + b"\n" if is_key else word + b"\n"
    return b"".join(lines)


@fuzz(20)
@given(
    st.tuples(_lines_changed(CONFIG) | spoilt([CONFIG]), st.just(PRODUCT))
    | st.tuples(st.just(CONFIG), _lines_changed(PRODUCT) | spoilt([PRODUCT]))
)
@example((CONFIG.replace(b"port = 8080", b"port = " + b"9" * 5_000), PRODUCT))
@example((CONFIG + b"x = " + b"[" * 3_000, PRODUCT))
def test_no_configuration_is_more_than_refused(files: tuple[bytes, bytes]) -> None:
    """And no problem shows a password."""
    with holding(files[0], "monitor.toml") as path:
        (path.parent / "product.toml").write_bytes(files[1])
        try:
            config.load(path)
        except BadConfig as e:
            assert e.problems
            assert "pass@" not in str(e)


def test_the_configuration_is_sound_as_it_stands() -> None:
    """Otherwise all others would be refused for the same reason."""
    with holding(CONFIG, "monitor.toml") as path:
        (path.parent / "product.toml").write_bytes(PRODUCT)
        config.load(path)


SCENARIOS = [
    path.read_bytes() for path in sorted((ROOT / "config").rglob("*.toml")) if b"anchors" in path.read_bytes()
][:1]


@fuzz(25)
@given(_lines_changed(SCENARIOS[0]) | spoilt(SCENARIOS))
@example(SCENARIOS[0] + b"x = " + b"9" * 5_000)
def test_no_scenario_is_more_than_refused(data: bytes) -> None:
    with holding(data, "scenario.toml") as path, suppress(Invalid):
        found = scenario.load(path)
        for _, step in zip(range(50), scenario.path(found), strict=False):
            assert all(price.is_finite() and price > 0 for price in step.prices.values())


TEMPLATES = [
    b"{{ w.subject }}\n{{ group }} owes {{ debt }}\n{% for row in inputs %}{{ row.asset }}{% endfor %}\n",
    b"Subject\n{% if deadline %}{{ deadline }}{% endif %}\n",
]
JINJA = st.sampled_from(
    [b"{{", b"}}", b"{%", b"%}", b"{{ 1/0 }}", b"{{ x }}", b"{% include 'x' %}", b"{% for a in b %}", b"{{ group.x.y }}", b"{{ [][1] }}",
     b"{{ 'a' + 1 }}", b"{% import 'pl.words.txt' as w %}", b"{{ w.none }}", b"{{ group() }}", b"{# ", b"{{ ''|nofilter }}", b"\xff",
     b"{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", b"{% extends 'full.mail.txt' %}", b"{% include 'full.mail.txt' %}"]
)  # fmt: skip


@fuzz(5)
@given(
    st.lists(JINJA | st.sampled_from(TEMPLATES), min_size=1, max_size=3),
    st.sampled_from(["full.mail.txt", "short.sms.txt", "en.words.txt", "pl.words.txt"]),
)
@example([b"\xff"], "full.mail.txt")
@example([b"{% include 'full.mail.txt' %}"], "full.mail.txt")
@example([b"{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}"], "full.mail.txt")
def test_no_template_is_more_than_refused(parts: list[bytes], name: str) -> None:
    """A text that cannot be rendered for every alert is refused when it is read, not when a borrower should be told."""
    with holding(b"".join(parts), name) as path, suppress(ValueError):
        BorrowerTexts(["pl"], path.parent)
