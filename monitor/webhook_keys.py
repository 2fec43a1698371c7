"""Keys of webhooks by the Standard Webhooks specification: what signs, and how a new key is made.

`whsec_` and base64 is a secret that both sides know (signature `v1`); `whsk_` is a private ed25519 key whose public part,
`whpk_`, the receiver has (signature `v1a`).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

from monitor.secret_files import BadSecret

SECRET, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
SECRET_BYTES = 32
"""The specification asks for 24 to 64."""
_SEED_BYTES = 32
_PAIR_BYTES = 64
"""The private part and the public one behind it, as other tools write it."""


class Signer(Protocol):
    """One key in force."""

    def sign(self, msg_id: str, timestamp: datetime, data: bytes) -> str:
        """One token of the header `webhook-signature`."""


class SecretSigner:
    """Signs by a secret that both sides know, as the public library does.

    That one lets go of the interpreter while it hashes a body: in a storm the thread that makes bodies takes it, and each
    post waits for it. Here a body is hashed in the time that a change of threads takes.
    """

    def __init__(self, secret: bytes) -> None:
        self._keyed = hmac.HMAC(secret, hashes.SHA256())
        beginning = datetime.fromtimestamp(0, UTC)
        assert self.sign("", beginning, b"") == Webhook(secret).sign("", beginning, ""), "not the library's signature"

    def sign(self, msg_id: str, timestamp: datetime, data: bytes) -> str:
        signing = self._keyed.copy()
        signing.update(_head(msg_id, timestamp))
        signing.update(data)
        return "v1," + base64.b64encode(signing.finalize()).decode()


class PairSigner:
    """Signs by a private ed25519 key."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        """What the receiver verifies with."""
        return PUBLIC + base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, msg_id: str, timestamp: datetime, data: bytes) -> str:
        return "v1a," + base64.b64encode(self._key.sign(_head(msg_id, timestamp) + data)).decode()


def _head(msg_id: str, timestamp: datetime) -> bytes:
    """What is signed before the body."""
    return f"{msg_id}.{int(timestamp.timestamp())}.".encode()


class NewKey(NamedTuple):
    """A key that was just made; `public` is empty where both sides know the secret."""

    secret: str
    public: str = ""


Kind = Literal["secret", "pair"]


def new_key(kind: Kind = "secret") -> NewKey:
    """A key out of the operating system's random numbers."""
    if kind == "secret":
        return NewKey(SECRET + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode())
    seed = secrets.token_bytes(_SEED_BYTES)
    public = PairSigner(seed).public_key
    pair = seed + base64.b64decode(public.removeprefix(PUBLIC))
    return NewKey(PRIVATE + base64.b64encode(pair).decode(), public)


def signers_of(keys: str) -> tuple[Signer, ...]:
    """One signer for each key of a text, by spaces or lines. Raises BadSecret.

    Those of `whsec_` keys come first, each kind in the order of the text: there are verifiers that look at no other.
    """
    return tuple(map(_signer, sorted(keys.split(), key=lambda key: key.startswith(PRIVATE))))


class KeyRing:
    """The keys of one endpoint. One that was replaced signs until its time."""

    def __init__(self, keys: str, until: Mapping[str, datetime] | None = None) -> None:
        """`until`: by key, where it has an end. Raises BadSecret."""
        ends = until or {}
        last = datetime.max.replace(tzinfo=UTC)
        ordered = sorted(keys.split(), key=lambda key: key.startswith(PRIVATE))
        self._signers = [(_signer(key), ends.get(key, last)) for key in ordered]

    def sign(self, msg_id: str, at: datetime, data: bytes) -> str:
        """The header `webhook-signature`: a token of each key in force."""
        return " ".join(signer.sign(msg_id, at, data) for signer, until in self._signers if at < until)


def _signer(key: str) -> Signer:
    return PairSigner(_seed(key)) if key.startswith(PRIVATE) else SecretSigner(_bytes(key.removeprefix(SECRET)))


def public_keys(signers: Sequence[Signer]) -> list[str]:
    """What receivers of `v1a` signatures need to know."""
    return [signer.public_key for signer in signers if isinstance(signer, PairSigner)]


def _bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw:
        raise BadSecret(
            'a webhook secret is "whsec_" and base64, or "whsk_" and base64; `monitor webhook-key` makes one'
        )
    return raw


def _seed(key: str) -> bytes:
    raw = _bytes(key.removeprefix(PRIVATE))
    if len(raw) not in (_SEED_BYTES, _PAIR_BYTES):
        raise BadSecret('a key "whsk_" holds 32 bytes in base64, or 64 with the public part behind them')
    seed, public = raw[:_SEED_BYTES], raw[_SEED_BYTES:]
    if public and PairSigner(seed).public_key != PUBLIC + base64.b64encode(public).decode():
        raise BadSecret('the two halves of a key "whsk_" do not belong together; copy the whole key again')
    return seed
