"""Writes into Dockerfile and docker-compose.yml which bytes the images are: the digest that each tag has now.

    make images-lock REGISTRY=http://127.0.0.1:5000

A tag moves, a digest does not: no release with an image without one is publishable. `--registry` names the registry or mirror
that is asked. Without it only images whose names begin with a host can be looked up, at that host.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import aiohttp

ROOT = Path(__file__).parent.parent
FILES = {
    "Dockerfile": re.compile(r"^(FROM\s+(?:--platform=\S+\s+)?)(\S+)", re.MULTILINE),
    "docker-compose.yml": re.compile(r"^(\s*image:\s*[\"']?)([^\s\"'#]+)", re.MULTILINE),
}
"""Where images are named, and how."""
KINDS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1", "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1", "docker.distribution.manifest.v2",
    )
)  # fmt: skip
"""A list for all machines comes first: a digest of one machine's image would not run on another."""
TIMEOUT = aiohttp.ClientTimeout(total=30)
MANIFEST_BYTES = 4_000_000
_LOCKED = re.compile(r".+@sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class NoDigest(Exception):
    """A registry that gives none, with the reason."""


class Image(NamedTuple):
    """`python:3.11-slim` is `library/python` of the registry that has no name, with that tag."""

    registry: str
    path: str
    tag: str


def named(root: Path) -> list[tuple[str, str]]:
    """Each file and the images that it names, but for stages of the build and for nothing at all (`scratch`)."""
    found = []
    for file, pattern in FILES.items():
        text = (root / file).read_text(encoding="utf-8")
        stages = set(re.findall(r"^FROM\s.+\sAS\s+(\S+)", text, re.MULTILINE | re.IGNORECASE))
        found += [(file, image) for _, image in pattern.findall(text) if image not in stages | {"scratch"}]
    return found


def unlocked(root: Path) -> list[str]:
    """A sentence for each image whose bytes are not stated."""
    return [
        f"{file}: {image} has no digest; run `make images-lock REGISTRY=https://...` where there is a network"
        for file, image in dict.fromkeys(named(root))
        if not _LOCKED.fullmatch(image)
    ]


def parse(text: str) -> Image:
    """What an image's name means to Docker; a digest that it has already goes."""
    name = text.partition("@")[0]
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, rest) if is_host else ("", name)
    path, _, tag = path.partition(":")
    if not is_host and "/" not in path:
        path = f"library/{path}"
    return Image(registry, path, tag or "latest")


async def lock(root: Path, registry: str = "") -> list[str]:
    """Asks for every digest first, and only then writes. A line for each image. Raises NoDigest."""
    images = sorted({image for _, image in named(root)})
    async with aiohttp.ClientSession(timeout=TIMEOUT, trust_env=True) as http:
        digests = {image: await digest(http, parse(image), registry) for image in images}
    for file, pattern in FILES.items():
        path = root / file
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub(lambda m: m[1] + _with(m[2], digests), text), encoding="utf-8")
    return [_with(image, digests) for image in images]


def _with(image: str, digests: dict[str, str]) -> str:
    found = digests.get(image)
    return f"{image.partition('@')[0]}@{found}" if found else image


async def digest(http: aiohttp.ClientSession, image: Image, registry: str = "") -> str:
    """The digest of the bytes that the registry sends for a tag, worked out here. Raises NoDigest."""
    host = f"https://{image.registry}" if image.registry else ""
    if not (registry or host):
        raise NoDigest(
            f"{image.path}:{image.tag} names no host; say which registry to ask: make images-lock REGISTRY=https://..."
        )
    url = f"{registry or host}/v2/{image.path}/manifests/{image.tag}"
    try:
        status, headers, body = await _got(http, url, {})
        if status == 401:
            token = await _token(http, headers.get("WWW-Authenticate", ""))
            status, headers, body = await _got(http, url, {"Authorization": f"Bearer {token}"})
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
        raise NoDigest(f"{url} cannot be reached: {e or type(e).__name__}; run this where there is a network") from None
    if status != 200:
        raise NoDigest(f"{url} answers HTTP {status}; is the tag still there?")
    found = f"sha256:{hashlib.sha256(body).hexdigest()}"
    said = headers.get("Docker-Content-Digest", found)
    if said != found:
        raise NoDigest(f"{url} says {said}, but sends {found}: somebody between changed it")
    return found


async def _got(http: aiohttp.ClientSession, url: str, more: dict[str, str]) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body; a list of images has a few kilobytes."""
    async with http.get(url, headers={"Accept": KINDS, **more}) as answer:
        body = b""
        async for chunk in answer.content.iter_chunked(65_536):
            body += chunk
            if len(body) > MANIFEST_BYTES:
                raise NoDigest(f"{url} sends more than {MANIFEST_BYTES} bytes, which is no list of images")
        return answer.status, answer.headers, body


async def _token(http: aiohttp.ClientSession, challenge: str) -> str:
    """A registry hands everybody a token for what is public, at the address that it names."""
    facts = dict(_CHALLENGE.findall(challenge))
    if not challenge.startswith("Bearer ") or "realm" not in facts:
        raise NoDigest(f"the registry asks for a sign-in that this command has not: {challenge[:200]!r}")
    query = {name: facts[name] for name in ("service", "scope") if name in facts}
    async with http.get(facts["realm"], params=query) as answer:
        found = await answer.json(content_type=None)
    token = found.get("token") or found.get("access_token") if isinstance(found, dict) else None
    if not isinstance(token, str):
        raise NoDigest(f"{facts['realm']} gives no token")
    return token


def main(root: Path = ROOT) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Writes the digests of images.")
    parser.add_argument(
        "--registry", default="", help="the registry or the mirror that is asked, such as http://127.0.0.1:5000"
    )
    try:
        print("\n".join(asyncio.run(lock(root, parser.parse_args().registry))))
    except NoDigest as e:
        print(f"no digest was written: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
