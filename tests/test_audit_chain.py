"""What a chain of signed records shows: every change, removal, insertion and move, but not a tail that was cut off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.audit_chain import AuditHead, AuditLink, AuditProof, AuditTrail, head_of, look_through, marked
from monitor.audit_keys import NO_KEYS, AuditKeys, keys_of, new_key, opened_keys, read_keys
from monitor.secret_files import BadSecret
from monitor.stores._base import Audit, Change
from monitor.stores.memory import MemoryStore
from tests.stores.examples import AT, DAY, MINUTE

TEXTS = [new_key(), new_key()]
KEYS, OTHERS = keys_of(TEXTS[0]), keys_of(TEXTS[1])
Tamper = Callable[[list[AuditLink]], None]


def record(n: int) -> Audit:
    return Audit(AT + n * MINUTE, "ops", "put group", f"G-{n}", None, {"n": n})


async def store_of(count: int, keys: AuditKeys = KEYS) -> MemoryStore:
    store = MemoryStore()
    store.sign_audits(keys)
    await store.commit(Change(AT, audits=tuple(map(record, range(1, count + 1)))))
    return store


def proof_of(trail: AuditTrail, keys: AuditKeys = KEYS, head: AuditHead | None = None) -> AuditProof:
    return look_through(trail, keys, head)


def texts(proof: AuditProof, kind: str) -> str:
    return "\n".join(f.text for f in proof.findings if f.kind == kind)


async def test_what_nobody_touched_is_proven() -> None:
    store = await store_of(5)
    proof = proof_of(store.audit_trail())
    assert (proof.result, proof.records, proof.signed, proof.before_the_chain) == ("proven", 5, 5, 0)
    assert "5 records, 1 to 5, are signed, unchanged, complete and in order" in texts(proof, "proven")
    assert "were cut off" in texts(proof, "unproven")
    assert "who can read it can write records that verify" in texts(proof, "unproven")


def changed(i: int, **new: object) -> Tamper:
    def tamper(links: list[AuditLink]) -> None:
        links[i] = links[i]._replace(**new)  # type: ignore[arg-type]

    return tamper


def said(at: int, what: str) -> Tamper:
    def tamper(links: list[AuditLink]) -> None:
        links[at] = links[at]._replace(body=links[at].body.replace(b'"ops"', what.encode()))

    return tamper


def gone(at: int) -> Tamper:
    def tamper(links: list[AuditLink]) -> None:
        del links[at]

    return tamper


def swapped(links: list[AuditLink]) -> None:
    links[1], links[2] = links[2]._replace(number=2), links[1]._replace(number=3)


def inserted(links: list[AuditLink]) -> None:
    links[2:] = [links[2], *(each._replace(number=each.number + 1) for each in links[2:])]


@pytest.mark.parametrize(
    ("tamper", "word"),
    [
        (said(1, '"eve"'), "record 2 is not what was written"),
        (gone(2), "record 3 is missing"),
        (gone(0), "record 1 is missing"),
        (swapped, "record 2 is not what was written"),
        (inserted, "record 4 is not what was written"),
        (changed(3, key="", mac=b""), "record 4 is not signed"),
        (changed(3, mac=b"x" * 32), "the signature of record 4 is not that of key"),
        (changed(3, digest=b"x" * 32), "record 4 is not what was written"),
        (changed(3, subject="G-9"), "record 4 is found by another time or subject"),
        (changed(3, at=1), "record 4 is found by another time or subject"),
    ],
)
async def test_who_touches_a_record_without_the_key_is_found_out(tamper: Tamper, word: str) -> None:
    trail = (await store_of(5)).audit_trail()
    links = list(trail.links)
    tamper(links)
    proof = proof_of(trail._replace(links=links))
    assert proof.result == "broken"
    assert word in texts(proof, "broken")


async def test_who_writes_the_chain_again_with_another_key_is_found_out() -> None:
    """Everything fits together, but the key is not ours."""
    forged = (await store_of(5, OTHERS)).audit_trail()
    proof = proof_of(forged)
    assert proof.result == "broken"
    assert f"signed by key {OTHERS.ids[0]}, which is not among the keys given" in texts(proof, "broken")


async def test_who_takes_all_signatures_away_proves_nothing() -> None:
    """It looks like a record from before the chain; a head that was kept shows a change all the same."""
    store = await store_of(5)
    head = await store.audit_head()
    bare = MemoryStore()
    await bare.commit(Change(AT, audits=(*map(record, range(1, 5)), record(9))))
    proof = proof_of(bare.audit_trail())
    assert (proof.result, proof.before_the_chain) == ("unproven", 5)
    assert proof_of(bare.audit_trail(), KEYS, head).result == "broken"
    unmarked = store.audit_trail()._replace(begun=None)
    assert "the mark where signing began is gone" in texts(proof_of(unmarked), "broken")


async def test_a_tail_that_was_cut_off_shows_by_a_head_alone() -> None:
    store = await store_of(5)
    head = await store.audit_head()
    whole = store.audit_trail()
    cut = whole._replace(links=list(whole.links)[:3], highest=3)
    assert proof_of(cut).result == "proven"
    proof = proof_of(cut, KEYS, head)
    assert proof.result == "broken"
    assert "the head names record 5, but the last one here is 3: cut off" in texts(proof, "broken")
    assert proof_of(whole, KEYS, head).result == "proven"
    another = head._replace(digest=bytes(32))
    assert "record 5 is another than the head says" in texts(proof_of(whole, KEYS, another), "broken")
    # A store that counts on says so by itself.
    assert "those after 3 are gone" in texts(proof_of(cut._replace(highest=5)), "broken")


async def test_a_pruned_record_still_verifies_and_its_mark_cannot_be_moved() -> None:
    store = await store_of(6)
    early = AuditHead(2, list(store.audit_trail().links)[1].digest)
    last_pruned = AuditHead(4, list(store.audit_trail().links)[3].digest)
    assert await store.prune(AT + 5 * MINUTE) == 4
    trail = store.audit_trail()
    proof = proof_of(trail)
    assert (proof.result, proof.records) == ("proven", 2)
    assert "the monitor deleted the records up to 4" in texts(proof, "proven")
    assert "deleted as old; take a newer head" in texts(proof_of(trail, KEYS, early), "unproven")
    assert proof_of(trail, KEYS, last_pruned).result == "proven"
    assert proof_of(trail._replace(pruned=None)).result == "broken"
    links = list(trail.links)
    moved = marked("pruned", 5, AT, links[0].digest, OTHERS)
    assert proof_of(trail._replace(links=links[1:], pruned=moved)).result == "broken"
    assert trail.pruned is not None
    again = trail.pruned._replace(number=5, digest=links[0].digest)
    assert "is not what key" in texts(proof_of(trail._replace(links=links[1:], pruned=again)), "broken")
    # Everything is old: the number goes on, and so does the chain.
    assert await store.prune(AT + DAY) == 2
    await store.commit(Change(AT, audits=(record(7),)))
    assert (await store.audit_head()).number == 7
    assert proof_of(store.audit_trail()).result == "proven"


async def test_keys_are_rotated_and_an_old_one_goes_with_its_records() -> None:
    store = await store_of(3)
    both = keys_of(f"{TEXTS[1]} {TEXTS[0]}")
    store.sign_audits(both)
    await store.commit(Change(AT, audits=(record(4), record(5))))
    assert [link.key for link in store.audit_trail().links] == [KEYS.ids[0]] * 3 + [OTHERS.ids[0]] * 2
    assert proof_of(store.audit_trail(), both).result == "proven"
    assert proof_of(store.audit_trail(), OTHERS).result == "broken"
    await store.prune(AT + 4 * MINUTE)
    assert proof_of(store.audit_trail(), OTHERS).result == "proven"


async def test_without_a_key_the_look_says_what_it_cannot_say() -> None:
    store = await store_of(3)
    proof = proof_of(store.audit_trail(), NO_KEYS, await store.audit_head())
    assert proof.result == "unproven"
    assert "without a key nobody can say who wrote these records" in texts(proof, "unproven")
    assert "all records up to 3 are those that stood there" in texts(proof, "proven")


async def test_records_from_before_the_chain_are_named() -> None:
    store = await store_of(3, NO_KEYS)
    store.sign_audits(KEYS)
    await store.commit(Change(AT, audits=(record(4),)))
    proof = proof_of(store.audit_trail())
    assert (proof.result, proof.before_the_chain, proof.signed) == ("proven", 3, 1)
    assert "3 records are from before the chain" in texts(proof, "unproven")
    links = list(store.audit_trail().links)
    said(1, '"eve"')(links)
    assert proof_of(store.audit_trail()._replace(links=links)).result == "broken", "the chain covers them from then on"


@given(st.data())
def test_no_other_record_fits(data: st.DataObject) -> None:
    """Whatever a record says in place of what was written, and wherever records go, the look finds it."""
    links = LINKS.copy()
    what = data.draw(st.sampled_from(["say", "drop", "order"]))
    if what == "say":
        i = data.draw(st.integers(0, len(links) - 1))
        body = data.draw(st.binary(max_size=60).filter(lambda b: b != links[i].body))
        links[i] = links[i]._replace(body=body)
    elif what == "drop":
        some = data.draw(st.sets(st.integers(0, len(links) - 1), min_size=1))
        links = [each for i, each in enumerate(links) if i not in some]
    else:
        order = data.draw(st.permutations(range(len(links))).filter(lambda p: p != sorted(p)))
        links = [links[i]._replace(number=n) for n, i in enumerate(order, 1)]
    assert look_through(TRAIL._replace(links=links), KEYS, HEAD).result == "broken"


def _made() -> tuple[AuditTrail, AuditHead]:
    import asyncio

    async def make() -> tuple[AuditTrail, AuditHead]:
        store = await store_of(6)
        return store.audit_trail(), await store.audit_head()

    return asyncio.run(make())


TRAIL, HEAD = _made()
LINKS: list[AuditLink] = list(TRAIL.links)


def test_many_breaks_are_counted() -> None:
    links: Sequence[AuditLink] = [LINKS[0]._replace(number=n) for n in range(1, 40)]
    proof = look_through(TRAIL._replace(links=links, highest=39), KEYS)
    assert len(proof.findings) < 30
    assert "more like these" in texts(proof, "broken")
    assert msgspec.json.encode(proof)


@pytest.mark.parametrize("text", ["", "5", "5:xyz", "5:" + "0" * 63, f"-1:{'0' * 64}", f"5:{'0' * 64} 6"])
def test_a_head_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected N:DIGEST"):
        head_of(text)
    assert head_of(str(HEAD)) == HEAD


def test_the_monitor_s_own_key_is_made_once_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "audit.key"
    made = opened_keys(path)
    assert opened_keys(path).ids == made.ids
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() not in repr(made)
    assert "secret" not in repr(made._first)


@pytest.mark.parametrize(
    "text",
    ["auk_", "auk_AAAA", "whsec_" + "A" * 44, f"{TEXTS[0]} x"],
    ids=["bare", "short", "another kind", "two words"],
)
def test_what_is_no_key_is_refused_with_a_remedy(text: str, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(BadSecret, match=r"keys: an audit key is .* `monitor audit new-key FILE` makes one"):
        read_keys(tmp_path / "keys")
