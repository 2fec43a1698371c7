"""What a release is made of: a bill of materials in the form of CycloneDX, and the licences of all of it.

The packages are those that run, as `pyproject.toml` asks for them and as they are installed here from `requirements.lock`,
and those of npm that are built into the page. What only tests, checks and benchmarks need is not shipped, and is left out.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NOT_SHIPPED = {"bench", "ray"}
"""Extras whose packages nothing of the monitor imports, or that no lock names as not every machine has their wheels."""
_TERMS = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)", re.IGNORECASE)
_LOCKED = re.compile(r"^([a-z0-9.-]+)==(\S+) \\\n((?:    --hash=\S+(?: \\)?\n)+)", re.MULTILINE)


class NotAsLocked(Exception):
    """What is installed here is not what the lock names."""


class Part(NamedTuple):
    """One package that is shipped."""

    kind: str
    """`pypi` or `npm`, as in its purl."""
    name: str
    version: str
    licence: str
    is_optional: bool
    needs: tuple[str, ...]
    """Names of other parts."""
    hashes: tuple[tuple[str, str], ...]
    """Of each file in which the package is published: the algorithm and the hex digits."""
    texts: tuple[str, ...]
    """Its licence texts."""


def parts(root: Path) -> list[Part]:
    """All that is shipped, by kind and name. Raises NotAsLocked."""
    return sorted([*_python(root), *_page(root)], key=lambda part: (part.kind, part.name))


def _python(root: Path) -> Iterator[Part]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {extra: wants for extra, wants in project["optional-dependencies"].items() if extra not in NOT_SHIPPED}
    locked = {
        name: (version, tuple(re.findall(r"--hash=(\w+):(\w+)", hashes)))
        for name, version, hashes in _LOCKED.findall((root / "requirements.lock").read_text(encoding="utf-8"))
    }
    always = _closure(project["dependencies"])
    every = _closure([*project["dependencies"], *(want for wants in extras.values() for want in wants)])
    for name, found in every.items():
        version, hashes = locked.get(name, ("absent", ()))
        if found.version != version:
            raise NotAsLocked(f"{name} {found.version} is installed, the lock names {version}; run `make setup`")
        needs = tuple(sorted(canonicalize_name(want.name) for want in _wanted(found)))
        yield Part("pypi", name, version, _licence(found), name not in always, needs, hashes, tuple(_texts(found)))


def _closure(wants: list[str]) -> dict[str, Distribution]:
    """All packages that these come to on a machine like this one."""
    found: dict[str, Distribution] = {}
    asked: defaultdict[str, set[str]] = defaultdict(set)
    open_ = [want for want in map(Requirement, wants) if _applies(want)]
    while open_:
        want = open_.pop()
        name = canonicalize_name(want.name)
        if name not in found:
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                raise NotAsLocked(f"{name} is not installed; run `make setup`") from None
            open_ += _wanted(found[name])
        if new := want.extras - asked[name]:
            asked[name] |= new
            open_ += _wanted(found[name], new)
    return found


def _wanted(found: Distribution, extras: set[str] | None = None) -> list[Requirement]:
    wants = [Requirement(text) for text in found.requires or ()]
    return [want for want in wants if _applies(want, extras)]


def _applies(want: Requirement, extras: set[str] | None = None) -> bool:
    return want.marker is None or any(want.marker.evaluate({"extra": extra}) for extra in ("", *(extras or ())))


def _licence(found: Distribution) -> str:
    """As the package states it; a class of the index where it has no expression, its own words, and its text last."""
    meta = found.metadata
    if expression := meta.get("License-Expression"):
        return str(expression)
    named = [c.rpartition(" :: ")[2] for c in meta.get_all("Classifier") or () if c.startswith("License :: ")]
    return " AND ".join(named) or (meta.get("License") or _read("".join(_texts(found)))).splitlines()[0]


_KNOWN = {"The MIT License (MIT)": "MIT", "provided 'as-is', without any express or implied warranty": "Zlib"}
"""By words of its text, the licence of a package that states none otherwise."""


def _read(text: str) -> str:
    return next((name for words, name in _KNOWN.items() if words in text), "not stated")


def _texts(found: Distribution) -> Iterator[str]:
    for file in found.files or ():
        if ".dist-info" in str(file) and _TERMS.search(file.name):
            yield Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")


def _page(root: Path) -> Iterator[Part]:
    """The packages of the lock that are no tools: they are in the page's own files."""
    lock: dict[str, Any] = json.loads((root / "dashboard" / "package-lock.json").read_text(encoding="utf-8"))
    for place, package in lock["packages"].items():
        if not place or package.get("dev"):
            continue
        name = place.partition("node_modules/")[2]
        algorithm, _, digest = package["integrity"].partition("-")
        hashes = ((algorithm, base64.b64decode(digest).hex()),)
        texts = tuple(
            path.read_text(encoding="utf-8", errors="replace")
            for path in sorted((root / "dashboard" / place).glob("*"))
            if _TERMS.search(path.name)
        )
        needs = tuple(sorted(package.get("dependencies", ())))
        yield Part("npm", name, package["version"], package.get("license", "not stated"), False, needs, hashes, texts)


def bill(version: str, shipped: list[Part]) -> str:
    """The bill of materials as JSON, CycloneDX 1.6."""
    root = Component(name="loan-monitor", version=version, type=ComponentType.APPLICATION, bom_ref="loan-monitor")
    bom = Bom()
    bom.metadata.component = root
    components = {(part.kind, part.name): _component(part) for part in shipped}
    for component in components.values():
        bom.components.add(component)
    bom.register_dependency(root, components.values())
    for part in shipped:
        needs = [components[part.kind, name] for name in part.needs if (part.kind, name) in components]
        bom.register_dependency(components[part.kind, part.name], needs)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)


def _component(part: Part) -> Component:
    purl = PackageURL(part.kind, name=part.name, version=part.version)
    algorithms = {"sha256": HashAlgorithm.SHA_256, "sha512": HashAlgorithm.SHA_512}
    published = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(purl.to_string()),
        hashes=[HashType(alg=algorithms[algorithm], content=digits) for algorithm, digits in part.hashes],
    )
    return Component(
        name=part.name,
        version=part.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        scope=ComponentScope.OPTIONAL if part.is_optional else ComponentScope.REQUIRED,
        licenses=[LicenseFactory().make_from_string(part.licence)],
        external_references=[published],
    )


def licences(version: str, shipped: list[Part]) -> str:
    """A list of all licences, and then their texts."""
    width = max(len(f"{part.name} {part.version}") for part in shipped)
    head = [f"What loan-monitor {version} is made of, and under which licences.\n"]
    head += [f"{f'{part.name} {part.version}':{width}}  {part.licence}" for part in shipped]
    texts = [
        f"\n{'=' * 78}\n{part.name} {part.version} ({part.licence})\n{'=' * 78}\n\n"
        + ("\n".join(part.texts) or "The package has no licence text of its own.\n")
        for part in shipped
    ]
    return "\n".join([*head, *texts])
