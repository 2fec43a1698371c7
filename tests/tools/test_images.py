"""Digests of images come from the registry's own bytes, and a release refuses an image without one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tools import images, release

DOCKERFILE = """\
FROM node:20-slim AS page
RUN true
FROM python:3.11-slim AS build
FROM --platform=linux/amd64 quay.example/desk/base:1@sha256:{old}
COPY --from=page /a /b
FROM build
""".format(old="0" * 64)
COMPOSE = """\
services:
  monitor:
    build: .
  redis:
    image: redis:8-alpine
  mail:
    image: "axllent/mailpit:v1.29"  # the catcher
"""
INDEX = b'{"schemaVersion": 2, "manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(INDEX).hexdigest()}"


class Registry:
    """Speaks what `docker pull` speaks: a challenge, a token for it, and then the manifest."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.said: str | None = DIGEST
        self.status = 200
        self.base = ""

    async def manifest(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer for-everybody":
            realm = (
                f'Bearer realm="{self.base}/token",service="here",scope="repository:{request.match_info["path"]}:pull"'
            )
            return web.Response(status=401, headers={"WWW-Authenticate": realm})
        self.asked.append(f"{request.match_info['path']}:{request.match_info['tag']}")
        assert "oci.image.index" in request.headers["Accept"]
        headers = {} if self.said is None else {"docker-content-digest": self.said}
        return web.Response(status=self.status, body=INDEX, headers=headers)

    async def token(self, request: web.Request) -> web.Response:
        assert request.query["scope"].startswith("repository:")
        return web.json_response({"token": "for-everybody"})


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    found = Registry()
    app = web.Application()
    app.router.add_get("/v2/{path:.+}/manifests/{tag}", found.manifest)
    app.router.add_get("/token", found.token)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    return tmp_path


async def test_every_image_gets_the_digest_of_its_tag_and_nothing_else_changes(root: Path, registry: Registry) -> None:
    await images.lock(root, registry.base)
    assert registry.asked == [
        "axllent/mailpit:v1.29", "library/node:20-slim", "library/python:3.11-slim", "desk/base:1", "library/redis:8-alpine",
    ]  # fmt: skip
    text = (root / "Dockerfile").read_text()
    assert text == (
        DOCKERFILE.replace("0" * 64, DIGEST.removeprefix("sha256:"))
        .replace("node:20-slim", f"node:20-slim@{DIGEST}")
        .replace("python:3.11-slim", f"python:3.11-slim@{DIGEST}")
    )
    compose = (root / "docker-compose.yml").read_text()
    assert compose == COMPOSE.replace("8-alpine", f"8-alpine@{DIGEST}").replace("v1.29", f"v1.29@{DIGEST}")
    assert images.unlocked(root) == []
    assert release.pinned(root) == "every image has its digest"


async def test_a_second_time_asks_for_the_tags_again(root: Path, registry: Registry) -> None:
    await images.lock(root, registry.base)
    once = (root / "Dockerfile").read_text()
    registry.said = None
    await images.lock(root, registry.base)
    assert (root / "Dockerfile").read_text() == once
    assert len(registry.asked) == 10


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"said": f"sha256:{'1' * 64}"}, "somebody between changed it"),
        ({"status": 404}, "answers HTTP 404; is the tag still there"),
    ],
)
async def test_where_the_registry_gives_no_digest_nothing_is_written(
    root: Path, registry: Registry, change: dict[str, object], says: str
) -> None:
    for name, value in change.items():
        setattr(registry, name, value)
    with pytest.raises(images.NoDigest, match=says):
        await images.lock(root, registry.base)
    assert (root / "Dockerfile").read_text() == DOCKERFILE
    assert (root / "docker-compose.yml").read_text() == COMPOSE


async def test_without_a_network_it_says_so(root: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    with pytest.raises(images.NoDigest, match=r"cannot be reached: .*; run this where there is a network"):
        await images.lock(root, f"http://127.0.0.1:{port}")


def test_images_without_digests_are_named_each(root: Path) -> None:
    (root / "docker-compose.yml").write_text(COMPOSE.replace("8-alpine", f"8-alpine@{DIGEST}0"))
    with pytest.raises(release.NotLookedUp) as caught:
        release.pinned(root)
    assert str(caught.value).splitlines() == [
        f"{place} has no digest; run `make images-lock REGISTRY=https://...` where there is a network"
        for place in (
            "Dockerfile: node:20-slim", "Dockerfile: python:3.11-slim",
            f"docker-compose.yml: redis:8-alpine@{DIGEST}0", "docker-compose.yml: axllent/mailpit:v1.29",
        )
    ]  # fmt: skip


def test_our_own_images_are_found() -> None:
    """Whatever the form of the two files, none of their images is overlooked."""
    found = [image.partition("@")[0] for _, image in images.named(images.ROOT)]
    assert found == ["node:20-slim", "python:3.11-slim", "python:3.11-slim", "redis:8-alpine", "axllent/mailpit:v1.29"]


async def test_an_image_without_a_host_is_looked_up_only_where_somebody_says(root: Path) -> None:
    with pytest.raises(images.NoDigest, match=r"names no host; say which registry to ask"):
        await images.lock(root)
