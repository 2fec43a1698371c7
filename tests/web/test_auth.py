"""Tokens, scopes, and what keeps a web page elsewhere from using the loopback's rights."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.core.schema import Invalid, read
from monitor.web.auth import Caller, Tokens, is_local_host, is_same_origin
from monitor.web_table import TokenConfig, UnsafeBind, WebConfig, check_bind


def token(name: str = "ops", role: str = "viewer", **more: object) -> TokenConfig:
    return read(TokenConfig, {"name": name, "role": role, **({"secret": f"s-{name}"} | more)})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    check_bind(host, ())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "10.0.0.1", "desk.example"])
def test_anything_else_is_bound_with_tokens_only(host: str) -> None:
    with pytest.raises(UnsafeBind, match=r"add tokens"):
        check_bind(host, ())
    check_bind(host, (token(),))


def test_a_token_is_known_by_its_secret_alone() -> None:
    tokens = Tokens([token("a", "viewer"), token("b", "admin", scope={"borrower": "ACME"})])
    assert tokens.caller("Bearer s-a") == Caller("a", "viewer")
    assert tokens.caller("bearer  s-b ") == Caller("b", "admin", (("borrower", "ACME"),))
    for header in (None, "", "Bearer", "Bearer ", "Bearer s-c", "Basic s-a", "s-a", "Bearer s-a s-a", "Bearer \udcff"):
        assert tokens.caller(header) is None, header


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "ops").write_text("  top-secret\n", "utf-8")
    config = read(WebConfig, {"tokens": [{"name": "ops", "role": "operator", "secret_file": "ops"}]}, "web", tmp_path)
    assert Tokens(config.tokens).caller("Bearer top-secret") == Caller("ops", "operator")


def test_every_problem_of_the_tokens_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        Tokens(
            [
                token("a"),
                token("a", secret="other"),
                token("c", secret="s-a"),
                token("d", secret="  "),
                token("e", secret=None, secret_file=str(tmp_path / "none")),
            ]
        )
    assert [p.where for p in caught.value.problems] == [
        "web.tokens[1].name",
        "web.tokens[2]",
        "web.tokens[3]",
        "web.tokens[4].secret_file",
    ]


@pytest.mark.parametrize("more", [{"secret": None}, {"secret_file": "x"}])
def test_a_token_states_one_secret(more: dict[str, object]) -> None:
    with pytest.raises(Invalid, match=r'either "secret" or "secret_file"'):
        token(**more)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LOCALHOST.:80", "127.0.0.1:9", "127.1.2.3", "[::1]:8080", "[::1]"]
)
def test_loopback_names_are_local(host: str) -> None:
    assert is_local_host(host)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "evil@localhost",
        "localhost/evil",
        "localhost, evil.example",
        "[::1].evil.example",
        "0.0.0.0",
        "[::2]",
        "2130706433",
    ],
)
def test_rebound_names_are_not_local(host: str | None) -> None:
    assert not is_local_host(host)


@pytest.mark.parametrize(
    ("origin", "site", "host", "is_ours"),
    [
        (None, None, "127.0.0.1:8080", True),
        (None, "none", "127.0.0.1:8080", True),
        ("http://127.0.0.1:8080", "same-origin", "127.0.0.1:8080", True),
        ("http://LOCALHOST:8080", None, "localhost:8080", True),
        ("https://desk.example", None, "desk.example", True),
        ("https://desk.example", None, "desk.example:443", True),
        ("http://desk.example", None, "desk.example:443", False),
        ("http://127.0.0.1:3000", None, "127.0.0.1:8080", False),
        ("http://evil.example", None, "127.0.0.1:8080", False),
        ("http://evil.example:8080", None, "127.0.0.1:8080", False),
        ("null", None, "127.0.0.1:8080", False),
        ("", None, "127.0.0.1:8080", False),
        ("http://[::1", None, "[::1]:8080", False),
        ("http://[::1]:8080", None, "[::1]:8080", True),
        (None, "cross-site", "127.0.0.1:8080", False),
        (None, "same-site", "127.0.0.1:8080", False),
        ("http://127.0.0.1:8080", None, None, False),
    ],
)
def test_a_write_comes_from_our_own_page_or_from_none(
    origin: str | None, site: str | None, host: str | None, is_ours: bool
) -> None:
    assert is_same_origin(origin, site, host) is is_ours
