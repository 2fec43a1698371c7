"""What is shipped beside the code can be used as it is."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor import config as configuration
from monitor.core.loans.group import parse_line
from monitor.rates import file
from monitor.web_table import is_loopback

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "config").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_every_shipped_configuration_loads(path: Path) -> None:
    """Each file in config/ is read without a problem; secrets are only read when the daemon starts."""
    loaded = configuration.load(path)
    assert loaded.feeds
    assert loaded.notifiers


def test_the_shipped_configurations_are_the_documented_ones() -> None:
    """The demonstration, its form in containers, and the template for real use."""
    assert [p.name for p in CONFIGS] == ["compose.toml", "live.toml", "monitor.toml"]


def test_the_demonstration_stays_on_this_machine() -> None:
    """Every channel of config/monitor.toml is local, and its server binds loopback."""
    loaded = configuration.load(ROOT / "config/monitor.toml")
    assert {p.kind for p in loaded.notifiers} == {"email", "sms", "console"}
    mail = next(p.config for p in loaded.notifiers if p.kind == "email")
    assert mail.smtp.startswith("file:")
    assert is_loopback(loaded.web.host)
    assert {p.kind for p in loaded.feeds} == {"scenario"}


def test_every_line_of_the_demonstration_book_is_accepted() -> None:
    """No line is refused, and no account stands in two groups."""
    products = configuration.load(ROOT / "config/monitor.toml").rules.products
    at = datetime(2026, 1, 1, tzinfo=UTC)
    lines = (ROOT / "config/books/demo.jsonl").read_text("utf-8").splitlines()
    groups = [parse_line(json.loads(line), at, products) for line in lines]
    uses = Counter(account for group in groups for account in group.accounts())
    assert {account: n for account, n in uses.items() if n > 1} == {}
    assert set(Counter(g.id for g in groups).values()) == {1}


def test_the_example_of_rates_is_read_and_fits_the_template() -> None:
    """config/live.toml names it in a comment."""
    path = ROOT / "config/rates/vip_loan.csv"
    assert len(file.build("rates", file.Config("vip_loan", path)).read().rows) == 7
    assert '# path = "rates/vip_loan.csv"' in (ROOT / "config/live.toml").read_text("utf-8")


def test_the_demonstration_addresses_nobody_real() -> None:
    """Mail goes to the reserved .example, texts to the numbers kept for fiction."""
    lines = [json.loads(x) for x in (ROOT / "config/books/demo.jsonl").read_text("utf-8").splitlines()]
    contacts = [line["contacts"] for line in lines if "contacts" in line]
    assert contacts
    assert all(address.endswith(".example") for c in contacts for address in c["email"])
    assert all(number.startswith("+155501") for c in contacts for number in c.get("sms", ()))


def test_the_page_is_built_of_locked_packages_that_name_no_registry() -> None:
    """Every package has its digest, and comes from whatever registry the machine uses."""
    lock = json.loads((ROOT / "dashboard/package-lock.json").read_text("utf-8"))
    packages = {name: p for name, p in lock["packages"].items() if name}
    assert packages
    assert [name for name, p in packages.items() if "resolved" in p or "integrity" not in p] == []
