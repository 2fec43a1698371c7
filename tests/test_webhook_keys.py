"""Keys of webhooks: what they sign, how several stand side by side, and how a new one is made."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from monitor.cli.keys import webhook_key
from monitor.clock import SystemClock
from monitor.secret_files import BadSecret
from monitor.webhook_keys import new_key, public_keys, signers_of

AT = datetime.fromtimestamp(1614265330, UTC)
BODY = '{"test": 2432232314}'


def verified(public: str, token: str, signed: bytes) -> bool:
    """As a receiver does it, with another library's eyes."""
    version, _, signature = token.partition(",")
    assert version == "v1a"
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    try:
        key.verify(base64.b64decode(signature), signed)
    except InvalidSignature:
        return False
    return True


def test_a_pair_signs_so_that_its_public_part_verifies_and_no_changed_bit_does() -> None:
    made = new_key("pair")
    (signer,) = signers_of(made.secret)
    token = signer.sign("msg_1", AT, BODY.encode())
    assert verified(made.public, token, f"msg_1.1614265330.{BODY}".encode())
    assert not verified(made.public, token, f"msg_1.1614265331.{BODY}".encode())
    assert not verified(made.public, token, f"msg_1.1614265330.{BODY} ".encode())
    assert public_keys([signer]) == [made.public]


def test_the_seed_alone_is_the_same_key() -> None:
    """RFC 8032, test 1: the secret key and the public one that belongs to it."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    for raw in (seed, seed + public):
        signers = signers_of("whsk_" + base64.b64encode(raw).decode())
        assert public_keys(signers) == ["whpk_" + base64.b64encode(public).decode()]


def test_secrets_come_before_pairs_and_each_kind_keeps_its_order() -> None:
    """The public verifier stops at a token that it cannot read, so that what it knows comes first."""
    keys = [new_key("pair").secret, new_key().secret, new_key("pair").secret, new_key().secret]
    tokens = [s.sign("m", AT, BODY.encode()) for s in signers_of("\n".join(keys))]
    assert [t.partition(",")[0] for t in tokens] == ["v1", "v1", "v1a", "v1a"]
    assert tokens[0] == Webhook(keys[1]).sign("m", AT, BODY)


@pytest.mark.parametrize("body", ["", "{}", '{"name":"Zoë — ₿"}' * 1000])
def test_a_secret_signs_as_the_public_library_does(body: str) -> None:
    key = new_key().secret
    (signer,) = signers_of(key)
    for _ in range(2):  # what was signed before leaves nothing behind
        assert signer.sign("msg_1", AT, body.encode()) == Webhook(key).sign("msg_1", AT, body)


def test_the_public_verifier_accepts_what_any_secret_of_an_overlap_signed() -> None:
    old, new, gone = (new_key().secret for _ in range(3))
    now = SystemClock().utc()
    tokens = " ".join(s.sign("m", now, BODY.encode()) for s in signers_of(f"{new}\n{old}\n{new_key('pair').secret}\n"))
    headers = {"webhook-id": "m", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": tokens}
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers) == {"test": 2432232314}
    with pytest.raises(WebhookVerificationError):
        Webhook(gone).verify(BODY, headers)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("whsk_AAAA", "32 bytes"),
        ("whsk_" + base64.b64encode(bytes(64)).decode(), "halves"),
        ("whpk_" + base64.b64encode(bytes(32)).decode(), "whsec_"),
        ("whsec_!!", "whsec_"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_without_being_shown(key: str, says: str) -> None:
    with pytest.raises(BadSecret, match=says) as refused:
        signers_of(key)
    assert key not in str(refused.value)


def test_two_keys_are_never_alike_and_have_the_length_that_is_asked_for() -> None:
    made = {new_key().secret for _ in range(20)}
    assert len(made) == 20
    assert all(24 <= len(base64.b64decode(key.removeprefix("whsec_"))) <= 64 for key in made)


def test_the_command_puts_a_new_key_before_the_old_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That is a rotation: both sign until the old line is deleted. What the terminal shows is no secret."""
    file = tmp_path / "hook.key"
    assert webhook_key(file) == 0
    assert webhook_key(file, pair=True) == 0
    lines = file.read_text().split()
    assert [line[:5] for line in lines] == ["whsk_", "whsec"]
    assert file.stat().st_mode & 0o077 == 0
    said = capsys.readouterr().out
    assert not any(line in said for line in lines)
    assert public_keys(signers_of(lines[0]))[0] in said


def test_the_command_leaves_a_file_alone_that_holds_something_else(tmp_path: Path) -> None:
    file = tmp_path / "monitor.toml"
    file.write_text("[web]\nport = 8080\n")
    assert webhook_key(file) == 2
    assert file.read_text() == "[web]\nport = 8080\n"
