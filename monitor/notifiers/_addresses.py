"""Reads mail addresses and phone numbers in the forms in which people write them down."""

from __future__ import annotations

import re
import unicodedata

import idna

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_LOCAL_LENGTH = 64
_DOMAIN_LENGTH = 253
_ADDRESS_LENGTH = 254
"""RFC 5321, 4.5.3.1; a longer one is refused by every server."""

_MAIL = "expected a mail address such as jane@acme.example"
_PHONE = "expected a phone number with its country such as +15550100"
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u00ad"
"""What a copy out of a page or an address book brings along at the ends, and nobody sees."""

_SEPARATORS = re.compile(r"[\s.()/\-\u2010-\u2015\u2212]+")
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}", re.ASCII)
"""E.164: at most fifteen digits, and no country begins with a zero."""
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")


def mail_address(text: str) -> str:
    """The address alone, its domain in the ASCII form. A name before angle brackets is dropped. Raises ValueError."""
    stated = _trimmed(text)
    if not stated:
        raise ValueError(f"which is empty; {_MAIL}")
    if any(unicodedata.category(c) == "Cc" for c in stated):
        raise ValueError(f"which holds a line break or another control character; {_MAIL}")
    if "<" in stated or ">" in stated:
        stated = _within_brackets(stated)
    if stated.lower().startswith("mailto:"):
        stated = stated[len("mailto:") :]
    if stated.count("@") > 1 and any(c in stated for c in ",; "):
        raise ValueError(f"which is more than one address; state each as a contact of its own; {_MAIL}")
    local, at, domain = stated.rpartition("@")
    if not at:
        raise ValueError(f"which has no @; {_MAIL}")
    if not local.isascii():
        raise ValueError(f"whose part before the @ is not ASCII, which many servers refuse; {_MAIL}")
    if len(local) > _LOCAL_LENGTH or not _LOCAL.fullmatch(local):
        raise ValueError(f"whose part before the @ is no mailbox; {_MAIL}")
    ascii_domain = _domain(domain)
    if len(local) + 1 + len(ascii_domain) > _ADDRESS_LENGTH:
        raise ValueError(f"which is longer than {_ADDRESS_LENGTH} characters; {_MAIL}")
    return f"{local}@{ascii_domain}"


def _within_brackets(stated: str) -> str:
    """`jane@acme.example` of `Jane Doe <jane@acme.example>`. The name must not hide a second address."""
    name, _, rest = stated.partition("<")
    address, closed, behind = rest.partition(">")
    if not closed or behind.strip() or "<" in rest or "@" in name:
        raise ValueError(f"whose angle brackets do not hold one address; {_MAIL}")
    return _trimmed(address)


def _domain(stated: str) -> str:
    """The ASCII form of a domain. Raises ValueError."""
    try:
        name = stated if stated.isascii() else idna.encode(stated, uts46=True).decode()
    except idna.IDNAError as e:
        raise ValueError(f"whose domain {stated[:60]!r} is none: {e}; {_MAIL}") from None
    name = name.lower()
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(name) > _DOMAIN_LENGTH:
        raise ValueError(f"whose domain {stated[:60]!r} is none; {_MAIL}")
    if len(labels) == 1 and name != "localhost":
        raise ValueError(f"whose domain {stated[:60]!r} has no dot; {_MAIL}")
    if labels[-1].isdigit():
        raise ValueError(f"whose domain {stated[:60]!r} is a number; {_MAIL}")
    return name


def phone_number(text: str) -> str:
    """A number in the form of E.164. Blanks, dashes, dots and brackets go; 00 stands for +. Raises ValueError."""
    stated = _trimmed(unicodedata.normalize("NFKC", text))
    if stated.lower().startswith("tel:"):
        stated = stated[len("tel:") :]
    if not stated:
        raise ValueError(f"which is empty; {_PHONE}")
    number = _SEPARATORS.sub("", _TRUNK_ZERO.sub("", stated))
    if number.startswith("00"):
        number = "+" + number[2:]
    if not number.startswith("+"):
        is_national = number.isascii() and number.isdigit()
        why = "which does not say its country" if is_national else "which is no phone number"
        raise ValueError(f"{why}; {_PHONE}")
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"which is no phone number: a plus, the country and 6 to 15 digits in all; {_PHONE}")
    return number


def _trimmed(text: str) -> str:
    """Without blanks and invisible characters at the ends."""
    return text.strip().strip(_INVISIBLE).strip().strip(_INVISIBLE)
