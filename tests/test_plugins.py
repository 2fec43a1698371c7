"""A file in the folder of a family is a kind, and nothing else is: there is no registry that could say otherwise."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import msgspec
import pytest

from monitor import plugins

FAMILIES = ("products", "feeds", "books", "rates", "notifiers", "stores")


def modules(family: str) -> dict[str, Path]:
    """The source of every module of a family, by name."""
    folder = Path(importlib.import_module(f"monitor.{family}").__path__[0])
    files = {path.stem: path for path in folder.glob("*.py") if path.stem != "__init__"}
    return files | {path.parent.name: path for path in folder.glob("*/__init__.py")}


def defined(path: Path) -> set[str]:
    """Names of the classes and functions that a module defines at its top."""
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kinds_of_a_family_are_the_modules_that_have_what_a_kind_needs(family: str) -> None:
    needed = {"load"} if family == "products" else {"Config", "build"}
    found = modules(family)
    kinds = plugins.kinds(family)
    assert kinds
    assert kinds == sorted(name for name, path in found.items() if needed <= defined(path) and not name.startswith("_"))
    assert {name for name in found if name not in kinds} == {name for name in found if name.startswith("_")}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_can_be_imported(family: str) -> None:
    for kind in plugins.kinds(family):
        module = plugins.module(family, kind)
        if family == "products":
            assert kind == module.KIND
        else:
            assert issubclass(module.Config, msgspec.Struct)


def test_a_kind_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(plugins.UnknownKind, match="did you mean 'file'"):
        plugins.module("books", "fiel")


@pytest.mark.parametrize("name", ["_base", "_lines", "_seen"])
def test_what_a_family_shares_is_no_kind(name: str) -> None:
    with pytest.raises(plugins.UnknownKind):
        plugins.module("books", name)
