"""The configuration: all problems at once with file, key path, found and expected; secrets never shown (docs/configuration.md)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from monitor import config, plugins
from monitor.config import BadConfig, Config
from monitor.core.rules.settings import FeedTrust, Lifecycle
from monitor.feeds import binance_futures
from monitor.web.auth import Tokens

PRODUCT = """
[[version]]
effective = 2024-04-29T00:00:00Z
thresholds = { initial = "0.72", margin_call = "0.77", liquidation = "0.91", immediate = "0.95" }
[version.ladders]
BTC = [["inf", "0.9"]]
"""
LEAST = """
[[product]]
kind = "vip_loan"
file = "products/vip.toml"
"""
SECRET = "whsec_" + "c2VjcmV0" * 4


def written(folder: Path, text: str, product: str = PRODUCT) -> Path:
    (folder / "products").mkdir(exist_ok=True)
    (folder / "products" / "vip.toml").write_text(product)
    path = folder / "monitor.toml"
    path.write_text(text)
    return path


def loaded(folder: Path, text: str) -> Config:
    return config.load(written(folder, text))


def problems(folder: Path, text: str, product: str = PRODUCT) -> list[str]:
    with pytest.raises(BadConfig) as e:
        config.load(written(folder, text, product))
    return e.value.problems


def test_the_size_of_the_event_log_is_a_text_with_a_unit(tmp_path: Path) -> None:
    assert loaded(tmp_path, LEAST).monitor.event_log_bytes == 2 << 30
    for text, size in (("500MiB", 500 << 20), ("3 GB", 3 * 10**9), ("64kB", 64_000)):
        assert loaded(tmp_path, f'{LEAST}[monitor]\nevent_log_size = "{text}"\n').monitor.event_log_bytes == size
    for text in ("2", "2Gb", "-1GiB", "0GiB", "2 giga", "kB", "9999999TiB", "2TB", "1kiB"):
        (problem,) = problems(tmp_path, f'{LEAST}[monitor]\nevent_log_size = "{text}"\n')
        assert f"event_log_size: found '{text}', expected a size such as" in problem


def test_what_is_left_out_has_its_documented_value(tmp_path: Path) -> None:
    it = loaded(tmp_path, LEAST)
    assert (it.web.host, it.web.port, it.web.tokens) == ("127.0.0.1", 8080, ())
    assert (it.store.kind, it.keep) == ("sqlite", timedelta(days=400))
    assert (it.books, it.feeds, it.notifiers, it.routes) == ((), (), (), ())
    trust, lifecycle = it.rules.trust, it.rules.lifecycle
    assert trust.enabled
    assert (trust.stale_after, trust.confirm_jump) == (timedelta(seconds=10), Decimal("0.15"))
    assert (trust.confirm_after, trust.usdt_usd, trust.min_sources) == (timedelta(seconds=3), "1", 1)
    assert (lifecycle.clear_margin, lifecycle.clear_hold) == (Decimal("0.01"), timedelta(seconds=900))
    assert lifecycle.grace_reminders == tuple(timedelta(minutes=m) for m in (720, 360, 60, 15))
    assert lifecycle.margin_call_repeat == timedelta(hours=24)
    assert lifecycle.reopen == timedelta(hours=1)
    assert Lifecycle().reopen == timedelta(0), "an older event log folds as it did"


OLD_DURATIONS = """
[prices]
stale_after_s = 20
confirm_after_s = 1.5
[lifecycle]
clear_hold_s = 0
"""


def test_an_old_duration_in_seconds_still_works_and_its_new_key_is_named(tmp_path: Path) -> None:
    it = loaded(tmp_path, LEAST + OLD_DURATIONS + '[[feed]]\nkind = "binance_futures"\nsilence_s = 90\n')
    assert (it.rules.trust.stale_after, it.rules.trust.confirm_after) == (timedelta(seconds=20), timedelta(seconds=1.5))
    assert it.rules.lifecycle.clear_hold == timedelta(0)
    assert it.feeds[0].config.silence == timedelta(seconds=90)
    until = "the old key works until the next version"
    assert it.old_keys == (
        f'prices.stale_after_s is now stale_after = "20s"; {until}',
        f'prices.confirm_after_s is now confirm_after = "1500ms"; {until}',
        f'lifecycle.clear_hold_s is now clear_hold = "0s"; {until}',
        f'feed[0].silence_s is now silence = "90s"; {until}',
    )


def test_the_new_durations_need_no_word(tmp_path: Path) -> None:
    it = loaded(tmp_path, LEAST + '[prices]\nstale_after = "20s"\n[lifecycle]\nclear_hold = "1h"\n')
    assert (it.rules.trust.stale_after, it.rules.lifecycle.clear_hold) == (timedelta(seconds=20), timedelta(hours=1))
    assert it.old_keys == ()


def test_an_old_key_of_seconds_takes_three_decimal_places(tmp_path: Path) -> None:
    it = loaded(tmp_path, LEAST + "[lifecycle]\nclear_hold_s = 0.125\n")
    assert it.rules.lifecycle.clear_hold == timedelta(milliseconds=125)
    (said,) = problems(tmp_path, LEAST + "[lifecycle]\nclear_hold_s = 0.1255\n")
    assert "lifecycle.clear_hold_s: found 0.1255, expected at most 3 places after the point" in said


def test_a_duration_under_both_keys_is_refused_with_the_remedy(tmp_path: Path) -> None:
    both = LEAST + '[prices]\nstale_after = "20s"\nstale_after_s = 20\n'
    assert problems(tmp_path, both) == [
        f"{tmp_path}/monitor.toml: prices.stale_after_s: found 20 beside stale_after = '20s'; leave stale_after_s out"
    ]


def test_only_a_duration_that_had_seconds_has_an_old_key(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, LEAST + "[lifecycle]\nmargin_call_repeat_s = 5\n")
    assert "lifecycle.margin_call_repeat_s: unknown key (value 5); did you mean 'margin_call_repeat'?" in said


def test_a_configuration_that_is_refused_still_names_the_new_keys(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as caught:
        config.load(written(tmp_path, LEAST + OLD_DURATIONS + "[web]\nport = -1\n"))
    assert [line.split()[0] for line in caught.value.old_keys] == [
        "prices.stale_after_s",
        "prices.confirm_after_s",
        "lifecycle.clear_hold_s",
    ]


def test_paths_of_products_books_and_secrets_are_relative_to_the_configuration_and_the_state_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    it = loaded(
        tmp_path,
        LEAST
        + '[monitor]\nname = "desk-1"\nstate_dir = "var"\n'
        + '[web]\ntokens = [{ name = "ops", role = "admin", secret_file = "secrets/ops" }]\n'
        + '[[book]]\nkind = "file"\npath = "books/a.jsonl"\n',
    )
    assert it.books[0].config.path == tmp_path / "books" / "a.jsonl"
    assert it.web.tokens[0].secret_file == tmp_path / "secrets" / "ops"
    assert it.state_dir == Path("var")
    assert list(it.rules.products) == ["vip_loan"]


def test_every_problem_of_every_file_is_named_at_once(tmp_path: Path) -> None:
    said = problems(
        tmp_path,
        LEAST
        + """
[monitr]
[monitor]
name = "Desk 1"
[web]
prot = 80
port = 99999
[prices]
stale_after = "0s"
confirm_jump = 0.15
[lifecycle]
clear_margin = "2"
grace_reminders = ["12 h"]
[[book]]
kind = "fiel"
path = "x"
[[notifier]]
kind = "webhook"
name = "a"
[[route]]
to = ["b"]
match = { severty = "critical" }
""",
        PRODUCT.replace('"0.77"', '"0.95"').replace('"0.9"]', '"1.9"]'),
    )
    toml, product = f"{tmp_path}/monitor.toml", f"{tmp_path}/products/vip.toml"
    for part in (
        f"{toml}: monitr: unknown table",
        f"{toml}: monitor.name: found 'Desk 1', expected lower-case letters, digits and hyphens",
        f"{toml}: web.prot: unknown key (value 80); did you mean 'port'?",
        f"{toml}: web.port: found 99999, expected a whole number from 0 to 65535",
        f"{toml}: prices.stale_after: found '0s', expected a duration above \"0s\"",
        f"{toml}: prices.confirm_jump: found 0.15, expected a decimal number in quotes",
        f"{toml}: lifecycle.clear_margin: found '2', expected a number from 0 up to 1",
        f"{toml}: lifecycle.grace_reminders[0]: found '12 h', expected a duration",
        f"{toml}: book[0].kind: no such kind 'fiel' among the books; did you mean 'file'?",
        f"{toml}: notifier[0]",
        f"{toml}: route[0].match.severty: unknown key (value 'critical'); did you mean 'severity'?",
        f"{product}: version[0].ladders.BTC[0][1]: found '1.9'",
    ):
        assert any(problem.startswith(part) for problem in said), part


CONSOLE = '[[notifier]]\nkind = "console"\n[[route]]\nto = ["console"]\n'
LONDON = '[[calendar]]\nname = "london"\ndays = [2026-12-25]\n'
WRONG = [
    # text                                                                          said
    ("", "product: is missing"),
    ("store = 'sqlite'\n" + LEAST, "store: found 'sqlite', expected"),
    ("store = 5\n" + LEAST, "store: found 5, expected"),
    ("monitor = 'desk-1'\n" + LEAST, "monitor: found 'desk-1', expected an object"),
    ("product = 5\n", "product: expected tables written as [[product]]"),
    ("book = 5\n" + LEAST, "book: expected tables written as [[book]]"),
    (LEAST + "[monitor]\ngroup = 'no-such-group'\n", "monitor.group: found 'no-such-group', which is no group of this machine"),
    (LEAST + "[store]\nkind = 5\n", "store.kind"),
    (LEAST + "[store]\nkind = 'sqlight'\n", "did you mean 'sqlite'?"),
    (LEAST + "[store]\nkind = 'memory'\nkeep = 400\n", "store.keep: found 400, expected a duration"),
    (LEAST.replace("vip_loan", "vip_laon"), "product[0].kind: no such kind 'vip_laon' among the products; did you mean 'vip_loan'?"),
    (LEAST.replace("vip.toml", "nothing.toml"), "nothing.toml: cannot be read: No such file or directory"),
    (LEAST + LEAST, "product[1].kind: 'vip_loan' stands twice; give each agreement a `name` of its own"),
    (LEAST + LEAST.replace("kind", 'name = "vip_loan"\nkind'), "product[1].name: 'vip_loan' stands twice"),
    (LEAST.replace("kind", 'name = "Acme 2026"\nkind'), "product[0].name: found 'Acme 2026', expected at most 64 lower-case letters"),
    (
        LEAST + '[[product.override]]\nlabels = { borrower = "a" }\nthresholds = { liquidation = "0.7" }\n',
        "product[0].override[0].thresholds: lines out of order",
    ),
    (
        LEAST + '[[product.override]]\nlabels = { borrower = "a" }\nscale = "1.5"\n',
        "product[0].override[0].scale: found 1.5: the share 0.9 of BTC becomes 1.35; no coin counts more than 1, state less",
    ),
    (LEAST + "[[product.override]]\nlabels = {}\n", "product[0].override[0].labels: is empty; name the groups"),
    (
        LEAST.replace("kind", 'name = "acme"\nkind') + '[[rates]]\nkind = "file"\npath = "r.csv"\nproduct = "vip_loan"\n',
        "rates[0].product: found 'vip_loan', expected one of: acme",
    ),
    (LEAST + '[prices]\nusdt_usd = "0"\n', "usdt_usd: found '0', expected a rate"),
    (LEAST + '[prices]\nusdt_usd = "usdt"\n', "prices.usdt_usd: found 'usdt', expected a rate"),
    (LEAST + '[prices]\nusdt_usd = "nan"\n', "usdt_usd: found 'nan', expected"),
    (LEAST + "[prices]\nstale_after_s = nan\n", "prices.stale_after_s: found nan, expected a number"),
    (LEAST + "[prices]\nstale_after_s = 0\n", 'prices.stale_after_s: found 0, expected a duration above "0s" up to "365d"'),
    (LEAST + "[prices]\nstale_after_s = true\n", "prices.stale_after_s: found True, expected a number"),
    (LEAST + "[prices]\nstale_after = 10\n", "prices.stale_after: found 10, expected a duration such as"),
    (LEAST + '[lifecycle]\nclear_hold = "366d"\n', "lifecycle.clear_hold: found '366d', expected a duration from"),
    (LEAST + "[prices]\nmin_sources = 0\n", "prices.min_sources: found 0, expected a whole number from 1 to 16"),
    (LEAST + '[prices]\nmode = "mean"\n', "prices.mode: found 'mean', expected one of 'primary', 'median'"),
    (LEAST + '[prices]\nmax_spread = "0"\n', "prices.max_spread: found '0', expected"),
    (LEAST + '[prices]\nquiet_after = "0s"\n', 'prices.quiet_after: found \'0s\', expected a duration above "0s"'),
    (LEAST + '[prices]\nmax_ahead_s = 5\n', "prices.max_ahead_s: unknown key (value 5); did you mean 'max_ahead'?"),
    (LEAST + '[[route]]\nto = ["nobody"]\n', "route[0].to: no notifier 'nobody'; there are: none"),
    (LEAST + CONSOLE + 'quiet = { hours = ["22:00-7:00"] }\n', "route[0].quiet.hours[0]: found '22:00-7:00', expected hours such as"),
    (LEAST + CONSOLE + 'quiet = { days = ["sat"], calendar = "londn" }\n' + LONDON, "route[0].quiet.calendar: no calendar 'londn'; did you mean 'london'?"),
    (LEAST + CONSOLE + 'quiet = { days = ["sat"], time_zone = "Europe/Lodnon" }\n', "route[0].quiet.time_zone: found 'Europe/Lodnon', expected a name such as"),
    (LEAST + CONSOLE + 'match = { severity = "critical" }\nquiet = { days = ["sat"] }\n', "route[0].quiet: holds nothing, as the route takes critical alerts alone; leave it out"),
    (LEAST + LONDON + LONDON, "calendar[1].name: 'london' stands twice; give each its own name"),
    (LEAST + '[[calendar]]\nname = "x"\ndays = []\n', "calendar[0].days: is empty, expected dates such as 2026-12-25"),
    (LEAST + '[[calendar]]\nname = "x"\ndays = ["25.12."]\n', "calendar[0].days[0]: found '25.12.', expected a day such as 2026-01-05"),
    (LEAST + '[[route]]\nto = ["contacts"]\n', 'route[0].to: "contacts" needs a notifier of kind email or sms'),
    (LEAST + '[[notifier]]\nname = "mail"\nkind = "email"\nsmtp = "file:m"\nsender = "a@b.c"\n[[route]]\nto = ["contacts", "mail"]\n', "route[0].to: 'mail' has nobody to send to; state its `to`, or route to"),
    (LEAST + '[[notifier]]\nname = "mail"\nkind = "email"\nsmtp = "file:"\nsender = "a@b.c"\n', "smtp: found 'file:', expected file: and a folder"),
    (LEAST + '[[notifier]]\nkind = "sms"\nfile = ""\n', "file: found '', expected the path of a file"),
    (LEAST + '[[notifier]]\nkind = "redis_stream"\nurl = "redis://h"\nstream = " "\n', "stream: found ' ', expected the name of a stream"),
    *((LEAST + f'[[notifier]]\nkind = "redis_stream"\nurl = "{url}"\n', "notifier[0].url: found ") for url in ("redis://", "redis:///0", "redis://:6379", "rediss://a b:6379", "redis://-h", "redis://h:0", "unix://")),
    (LEAST + '[[notifier]]\nkind = "console"\n[[notifier]]\nkind = "console"\n', "stands twice; give each its own name"),
    (LEAST + '[web]\nhost = "0.0.0.0"\n', "web.host: found '0.0.0.0' and no tokens, expected loopback"),
    (LEAST + '[web]\nhost = "192.0.2.7"\n', "web.host: found '192.0.2.7' and no tokens"),
    (LEAST + '[web]\nhost = "localhost.evil.example"\n', "and no tokens"),
    (LEAST + '[web]\nhost = "::"\n', "and no tokens"),
    (LEAST + '[web]\ntokens = [{ name = "a", role = "admin" }]\n', 'states either "secret" or "secret_file"'),
    (LEAST + '[web]\ntokens = [{ name = "a", role = "root", secret = "x" }]\n', "web.tokens[0].role: found a value that is not shown, expected one of 'borrower'"),
    (LEAST + '[web]\ntokens = [{ name = "a", role = "feeder", secret = "x", prefix = "a-" }]\n', '"prefix" is of a scope'),
    ("= 1", "is not TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in problem for problem in problems(tmp_path, text))


def test_a_secret_may_be_a_credential_of_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key that takes a file takes a credential; what is no file stays as it is."""
    text = LEAST + (
        "[web]\ntokens = [{ name = 'ops', role = 'admin', secret_file = 'credential:ops' }]\n"
        "[[notifier]]\nkind = 'pagerduty'\nrouting_key_file = 'credential:pager'\n"
        "[[notifier]]\nkind = 'email'\nsmtp = 'smtps://mail.example'\nsender = 'a@b.example'\nto = ['c@b.example']\n"
        "username = 'credential:x'\npassword_file = 'credential:mail.pass'\n"
    )
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    said = problems(tmp_path, text)
    assert len(said) == 3
    assert "web.tokens[0].secret_file: found 'credential:ops', but systemd hands no credentials over" in said[0]
    assert "LoadCredential=ops:" in said[0]
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    for name in ("ops", "pager", "mail.pass"):
        (folder / name).write_text(f"secret-{name}\n")
    it = loaded(tmp_path, text)
    assert it.web.tokens[0].secret_file == folder / "ops"
    assert [p.config.routing_key_file for p in it.notifiers if p.kind == "pagerduty"] == [folder / "pager"]
    (mail,) = (p.config for p in it.notifiers if p.kind == "email")
    assert (mail.username, mail.password_file) == ("credential:x", folder / "mail.pass")
    assert Tokens(it.web.tokens).caller("Bearer secret-ops") is not None
    (folder / "ops").unlink()
    assert any("the unit has no such credential" in problem for problem in problems(tmp_path, text))
    assert any("expected credential: and a name" in p for p in problems(tmp_path, text.replace(":ops'", ":../ops'")))


def test_nothing_else_may_be_the_stores_file(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "link").symlink_to("var")
    store = f'[store]\npath = "{tmp_path}/var/monitor.db"\n'
    others = (
        "[[book]]\nkind = 'file'\npath = 'link/../var/monitor.db'\n",
        f"[[notifier]]\nkind = 'sms'\nfile = '{tmp_path}/link/monitor.db'\n",
        "[web]\ntokens = [{ name = 'a', role = 'admin', secret_file = 'link/monitor.db' }]\n",
    )
    for other in others:
        assert any("which is the store; name another file" in p for p in problems(tmp_path, LEAST + store + other)), (
            other
        )
    loaded(tmp_path, LEAST + store + others[0].replace(".db", ".jsonl"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_loopback_needs_no_tokens(tmp_path: Path, host: str) -> None:
    assert loaded(tmp_path, LEAST + f'[web]\nhost = "{host}"\n').web.host == host


def test_a_public_address_with_tokens_is_fine(tmp_path: Path) -> None:
    text = LEAST + '[web]\nhost = "0.0.0.0"\ntokens = [{ name = "ops", role = "admin", secret = "tok_1" }]\n'
    assert loaded(tmp_path, text).web.tokens[0].name == "ops"


@pytest.mark.parametrize("kind", sorted({*plugins.kinds("feeds")} - {"scenario", "tape"}))
def test_no_password_of_a_feed_is_shown_by_repr(tmp_path: Path, kind: str) -> None:
    """Those without an address have none."""
    scheme = {"http_poll": "https", "redis_stream": "redis"}.get(kind, "wss")
    more = 'prices = [{ asset = "BTC", path = "/p" }]\n' if kind == "http_poll" else ""
    address = f"{scheme}://desk:geheim-7Qx@venue.example/x?token=geheim-7Qx"
    feed = f'[[feed]]\nname = "x"\nkind = "{kind}"\nurl = "{address}"\n{more}'
    assert "geheim" not in repr(loaded(tmp_path, LEAST + feed))


def test_no_secret_is_shown_by_repr(tmp_path: Path) -> None:
    """Configurations end up in logs and tracebacks."""
    it = loaded(
        tmp_path,
        LEAST
        + '[web]\ntokens = [{ name = "ops", role = "admin", secret = "tok_hidden" }]\n'
        + f'[[notifier]]\nname = "hook"\nkind = "webhook"\nurl = "https://risk.example/hooks"\nsecret = "{SECRET}"\n',
    )
    assert "ops" in repr(it)
    assert "hook" in repr(it)
    assert "tok_hidden" not in repr(it)
    assert SECRET not in repr(it)


def test_feeds_are_preferred_in_the_order_in_which_they_stand(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("at,asset,price\n")
    feeds = "".join(f'[[feed]]\nname = "{n}"\nkind = "tape"\npath = "t.csv"\n' for n in ("second", "first"))
    assert loaded(tmp_path, LEAST + feeds).rules.trust.sources == ("second", "first")


def test_the_keys_of_trust_are_read(tmp_path: Path) -> None:
    text = """
    [prices]
    mode = "median"
    max_spread = "0.03"
    contradiction_after = "30s"
    max_ahead = "2s"
    quiet_after = "10m"
    frozen_after = "2h"
    power_wait = "5m"
    """
    trust = loaded(tmp_path, LEAST + text).rules.trust
    assert (trust.mode, trust.max_spread) == ("median", Decimal("0.03"))
    assert (trust.contradiction_after, trust.max_ahead) == (timedelta(seconds=30), timedelta(seconds=2))
    assert (trust.quiet_after, trust.frozen_after, trust.power_wait) == (
        timedelta(minutes=10),
        timedelta(hours=2),
        timedelta(minutes=5),
    )


FUTURES = '[[feed]]\nname = "{0}"\nkind = "binance_futures"\n'


def test_more_sources_than_there_are_feeds_can_never_agree(tmp_path: Path) -> None:
    text = LEAST + "[prices]\nmin_sources = 2\n" + FUTURES.format("one")
    assert problems(tmp_path, text) == [
        f"{tmp_path}/monitor.toml: prices.min_sources: found 2, but there is 1 feed: no price could ever be good; "
        "add a [[feed]], or state 1"
    ]
    assert loaded(tmp_path, text + FUTURES.format("two")).rules.trust.min_sources == 2


def test_sources_that_agree_on_a_jump_are_refused(tmp_path: Path) -> None:
    """Only where it is stated, and where there are two: the default must not spoil a file of one feed."""
    both = FUTURES.format("one") + FUTURES.format("two")
    tight = LEAST + '[prices]\nconfirm_jump = "0.01"\n'
    (said,) = problems(tmp_path, tight + 'max_spread = "0.02"\n' + both)
    assert "prices.max_spread: found 0.02, above confirm_jump, 0.01" in said
    assert said.endswith("state at most 0.01")
    loaded(tmp_path, tight + both)
    loaded(tmp_path, tight + 'max_spread = "0.02"\n' + FUTURES.format("one"))


@pytest.mark.parametrize("coin", ["USDC", "USDT", "BTC"])
def test_a_rate_that_no_feed_can_price_in_usd_is_refused(tmp_path: Path, coin: str) -> None:
    (said,) = problems(tmp_path, LEAST + f'[prices]\nusdt_usd = "{coin}"\n' + FUTURES.format("venue"))
    assert f"prices.usdt_usd: found '{coin}', but no feed can price it in USD (venue: " in said
    assert "quoted in USDT there" in said
    assert said.endswith('state a rate such as "1", or add a [[feed]] that quotes it in USD')


def test_a_rate_that_a_poll_does_not_ask_for_is_refused(tmp_path: Path) -> None:
    poll = '[[feed]]\nname = "desk"\nkind = "http_poll"\nurl = "https://prices.example/"\n'
    rows = 'prices = [{ asset = "FUND", path = "nav" }, { asset = "USDT", path = "usdt" }]\n'
    text = LEAST + '[prices]\nusdt_usd = "USDC"\n' + poll + rows
    (said,) = problems(tmp_path, text)
    assert "no feed can price it in USD (desk: in USD they price FUND, USDT)" in said
    assert loaded(tmp_path, text.replace("USDC", "USDT")).rules.trust.usdt_usd == "USDT"


def test_a_poll_that_is_slower_than_its_own_limit_is_refused(tmp_path: Path) -> None:
    poll = '[[feed]]\nname = "nav"\nkind = "http_poll"\nurl = "https://prices.example/"\nevery = "1m"\nstale_after = "30s"\n'
    (said,) = problems(tmp_path, LEAST + poll + 'prices = [{ asset = "FUND", path = "nav" }]\n')
    assert "feed[0]: 'nav' gives prices every 1m, but stale_after is 30s" in said
    assert 'state stale_after = "2m" or more' in said


@pytest.mark.parametrize("kind", ["binance_spot", "bybit", "hyperliquid"])
def test_feeds_that_quote_in_usdt_alone_can_not_convert_it(tmp_path: Path, kind: str) -> None:
    (said,) = problems(tmp_path, LEAST + f'[prices]\nusdt_usd = "USDC"\n[[feed]]\nname = "venue"\nkind = "{kind}"\n')
    assert "prices.usdt_usd: found 'USDC', but no feed can price it in USD" in said


def test_a_rate_that_some_feed_may_price_in_usd_is_fine(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("at,asset,price\n")
    tape = '[[feed]]\nname = "day"\nkind = "tape"\npath = "t.csv"\n'
    text = LEAST + '[prices]\nusdt_usd = "USDT"\n'
    assert loaded(tmp_path, text + FUTURES.format("venue") + tape).rules.trust.usdt_usd == "USDT"
    assert loaded(tmp_path, text).rules.trust.usdt_usd == "USDT"  # no feed: a replay, whose tape is not known here


def test_a_feed_that_is_slower_than_its_own_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = FeedTrust(cadence=timedelta(minutes=1))
    monkeypatch.setattr(binance_futures, "trust", lambda config: slow, raising=False)
    assert problems(tmp_path, LEAST + FUTURES.format("venue")) == [
        f"{tmp_path}/monitor.toml: feed[0]: 'venue' gives prices every 1m, but stale_after is 10s: each price would be "
        'stale before the next one comes; state stale_after = "2m" or more'
    ]
    kept = loaded(tmp_path, LEAST + '[prices]\nstale_after = "60s"\n' + FUTURES.format("venue"))
    assert kept.rules.trust.of("venue") == slow


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"monitor.toml: cannot be read: No such file or directory; check the path"):
        config.load(tmp_path / "monitor.toml")


def test_the_configurations_that_ship_name_only_what_a_person_must_fill_in() -> None:
    root = Path(__file__).parents[1] / "config"
    assert config.load(root / "monitor.toml").rules.products


def test_a_fund_is_configured_or_absent_and_its_balance_is_exact(tmp_path: Path) -> None:
    assert loaded(tmp_path, LEAST).rules.fund is None
    fund = loaded(tmp_path, LEAST + '[fund]\nbalance_usd = "1000000.000000000000000001"\n').rules.fund
    assert fund is not None
    assert fund.balance_usd == Decimal("1000000.000000000000000001")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[fund]", "fund.balance_usd"),
        ('[fund]\nbalance_usd = "-1"', "fund.balance_usd"),
        ('[fund]\nbalnce_usd = "1"', "balnce_usd"),
    ],
)
def test_a_fund_that_cannot_be_used_is_named(tmp_path: Path, table: str, said: str) -> None:
    assert any(said in p for p in problems(tmp_path, LEAST + table))
