"""Every sample of the documents is read by what reads it in earnest: TOML by the loader, JSON by its decoder, Python by running."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jsonschema import Draft202012Validator

from monitor import config as configuration
from monitor.books import http
from monitor.books._base import KeptBook, PlainReader
from monitor.clock import SystemClock
from monitor.config import BadConfig
from monitor.core.events.entries import Entry
from monitor.core.loans.group import parse_line
from monitor.core.schema import read
from monitor.daemon import wiring
from monitor.rates import file as rates
from monitor.replay.entries import read_entry
from monitor.web.contract import document, routes
from tests.docs.blocks import ALL, ROOT, Block

AT = datetime(2026, 11, 22, tzinfo=UTC)
PRODUCTS = configuration.load(ROOT / "config/monitor.toml").rules.products
LANGUAGES = {"toml", "json", "jsonl", "csv", "python", "console", "sh", "text", "ini", "nginx", "caddy", "yaml"}
FIGURES = {"docs/engine.md", "docs/lifecycle.md", "docs/scale.md", "README.md", "docs/first-hour-recording.md"}
"""Pages with pictures and letters as text, which are neither a command nor a sample."""


def of(language: str) -> list[Block]:
    return [b for b in ALL if b.language == language and b.holder() is None]


def where(block: Block) -> str:
    return block.where


def test_every_block_says_what_it_is() -> None:
    """A block without a language, or in one that nothing tries, would be a sample that nobody tries."""
    strange = [b.where for b in ALL if b.language not in LANGUAGES]
    assert strange == [], f"begin each with one of {', '.join(sorted(LANGUAGES))}"
    assert {b.file for b in of("text")} <= FIGURES
    silent = [b.where for lang in ("ini", "nginx", "caddy", "yaml") for b in of(lang) if not b.mark]
    assert silent == [], "say in a comment above each which test tries it (tests/docs/blocks.py)"
    assert len(ALL) > 60


def test_no_command_hides_in_an_indented_block() -> None:
    """It would not run here."""
    for page in {b.file for b in ALL}:
        text = re.sub(r"```.*?```", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)
        assert re.findall(r"\n\n {4}\S.*", text) == [], page


@pytest.mark.parametrize("block", [b for b in ALL if b.holder()], ids=where)
def test_what_another_test_tries_is_in_that_test(block: Block) -> None:
    holder = block.holder()
    assert holder is not None
    assert (ROOT / holder).is_file()
    assert Path(block.file).name in (ROOT / holder).read_text("utf-8"), f"{holder} does not name {block.file}"


def whole(block: Block) -> str:
    """The sample with the one that it continues."""
    if block.mark != "continues":
        return block.text
    before = [b for b in of("toml") if b.file == block.file and b.line < block.line and b.mark != "continues"][-1]
    if block.text.startswith("entries"):  # in place of the snapshot and what goes with it
        return f"{before.text.partition('snapshot')[0]}{block.text}"
    return f"{before.text}\n{block.text}"


def completed(text: str, folder: Path) -> str:
    """A configuration with the sample in it, and with what the sample takes for granted: products, channels, tokens, files."""
    stated = tomllib.loads(text)
    more = []
    if not isinstance(stated.get("product"), list):  # an override alone is a table of the product before it
        kinds = [p.stem for p in (ROOT / "config/products").glob("*.toml") if not p.stem.startswith("vip_loan")]
        kinds = ["vip_loan"] if "product" in stated else [*kinds, "vip_loan"]
        more += [f'[[product]]\nkind = "{kind}"\nfile = "products/{kind}.toml"\n' for kind in kinds]
    named = {n.get("name", n["kind"]) for n in stated.get("notifier", [])}
    wanted = {to for route in stated.get("route", []) for to in route["to"]} - {"contacts"}
    wanted |= {kind for person in stated.get("person", []) for kind in person.get("contacts", {})}
    channel = (
        '[[notifier]]\nname = "{}"\nkind = "email"\nsmtp = "file:mail"\nsender = "a@b.example"\nto = ["c@d.example"]\n'
    )
    more += [channel.format(name) for name in sorted(wanted - named)]
    tokens = sorted({token for person in stated.get("person", []) for token in person.get("tokens", [])})
    if tokens:
        rows = ", ".join(f'{{ name = "{t}", role = "operator", secret = "{t:x<40}" }}' for t in tokens)
        more.append(f"[web]\ntokens = [{rows}]\n")
    shutil.copytree(ROOT / "config", folder, dirs_exist_ok=True)
    shutil.copy(ROOT / "config/products/vip_loan.toml", folder / "vip_loan.toml")
    for name in re.findall(r'_file = "([^":]+)"', text):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(secret(name))
        file.chmod(0o600)
    return "\n".join([*more, text])


def secret(name: str) -> bytes:
    """What a file of this name may hold."""
    if name.endswith(".pem"):
        return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "custodian": b"Authorization: Bearer text-of-a-test",
        "apprise": b"json://127.0.0.1:9/",
        "telegram": b"123456:" + b"A" * 35,
    }.get(
        Path(name).name,
        b"https://chat.example/hooks/" + b"0123456789abcdef" * 2
        if "slack" in name or "teams" in name
        else b"0123456789abcdef" * 2,
    )


@pytest.mark.parametrize("block", of("toml"), ids=where)
def test_a_configuration_of_the_documents_is_taken(block: Block, tmp_path: Path) -> None:
    """With no problem, and nothing in it that a start would refuse."""
    path = tmp_path / "desk.toml"
    path.write_text(completed(whole(block), tmp_path))
    try:
        loaded = configuration.load(path)
    except BadConfig as e:
        pytest.fail("\n".join(e.problems))
    notifiers, wrong = wiring.try_notifiers(path, loaded.named.notifiers)
    assert wrong == []
    assert set(notifiers) == {part.name for part in loaded.named.notifiers}
    assert wiring.unusable(path, loaded.named) == []


def body(route: str, stated: Any) -> None:
    """What a request of this route takes."""
    method, _, path = route.partition(" ")
    (found,) = [r for r in routes() if (r.method, r.path) == (method, path)]
    read(found.body, stated)


def alert(stated: Any) -> None:
    """It is as the contract says of its type."""
    schema = document(routes()) | {"$ref": f"#/components/schemas/alert.{stated['type']}"}
    Draft202012Validator(schema).validate(stated)


def answer_of_a_book(stated: Any) -> None:
    config = read(http.Config, {"url": "https://books.example/loans"})
    book = http.build("desk", config, PlainReader(lambda: PRODUCTS), SystemClock(), KeptBook())
    assert book.parse(json.dumps(stated).encode()).version == stated["version"]


def contacts(stated: Any) -> None:
    group = {"id": "G-1", "product": "vip_loan", "receiving_account": "a", "collateral": {}, "loans": []}
    assert parse_line(group | stated, AT, PRODUCTS).contacts


READERS: dict[str, Callable[[Any], object]] = {
    "alert": alert,
    "group": lambda stated: parse_line(stated, AT, PRODUCTS),
    "PUT /v1/groups/{id}": lambda stated: parse_line({"id": "G-1"} | stated | {"product": "vip_loan"}, AT, PRODUCTS),
    "entry": lambda stated: read(Entry, {key: value for key, value in stated.items() if key not in ("id", "at")}),
    "replay entry": lambda stated: read_entry(json.dumps(stated).encode()),
    "answer of a book": answer_of_a_book,
    "contacts": contacts,
}


@pytest.mark.parametrize("block", [*of("json"), *of("jsonl")], ids=where)
def test_a_json_sample_is_read_by_what_reads_it_in_earnest(block: Block) -> None:
    texts = block.text.splitlines() if block.language == "jsonl" else [block.text]
    assert block.mark, f"{block.where}: say in a comment above it what reads it"
    reader = READERS.get(block.reader) or (lambda stated: body(block.reader, stated))
    for text in texts:
        reader(json.loads(text))


@pytest.mark.parametrize("block", of("csv"), ids=where)
def test_a_table_of_the_documents_is_read(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(block.text)
    assert len(rates.build("rates", rates.Config("vip_loan", path)).read().rows) == len(block.text.splitlines()) - 1


@pytest.mark.parametrize("block", of("python"), ids=where)
def test_a_program_of_the_documents_prints_what_it_says(block: Block) -> None:
    """Each `print(...)  # ...`: the figures of the comment are what it prints; an ellipsis ends a figure that goes on."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.text, block.where, "exec"), {})
    lines = printed.getvalue().splitlines()
    said = [part.partition("#")[2].split("\n")[0] for part in re.split(r"^print\(", block.text, flags=re.MULTILINE)[1:]]
    assert len(said) == len(lines)
    for line, comment in zip(lines, said, strict=True):
        words = [w.rstrip(":") for w in comment.split() if re.match(r"-?\d|True|False|evt_", w)]
        assert words, f"{block.where}: say what it prints: {line}"
        for word, figure in zip(words, line.split(), strict=False):
            assert figure.startswith(word.removesuffix("...")), (block.where, line, comment)
