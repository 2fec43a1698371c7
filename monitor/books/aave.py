"""Positions on Aave v3, read from a node by JSON-RPC (domain section 5): what each user holds and owes, at one block.

All calls of a reading ask about the same block, so its figures belong together; the block's number is the version of the
reading and its time the time of the book. The health factor that the Pool gives stands beside ours, which moves with prices.
Words of the chain are integers of 256 bits and are read as such; nothing here is a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from monitor.books import _lender
from monitor.books._asking import Asker, Failed, LenderAnswer, LenderConfig, decoded, judged, shown
from monitor.books._base import KeptBook, Reader
from monitor.books._lender import LenderBook, OwedCoin, Reading, exactly, millis
from monitor.books._published import PublishedLadder
from monitor.books._snapshots import BookRow
from monitor.clock import Clock
from monitor.core.money import EXACT, divide_up, plain
from monitor.core.schema import Asset, Pattern
from monitor.core.stages.stages import LIQUIDATION, NORMAL, LenderReading, Stage
from monitor.secret_files import read_secret

Address = Annotated[str, Pattern("0x[0-9a-fA-F]{40}", "an address such as 0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2")]

ACCOUNT_DATA = "bf92857c"
"""getUserAccountData(address) of the Pool."""
USER_CONFIGURATION = "4417a583"
"""getUserConfiguration(address): which reserves a user borrows (even bits) and pledges (odd bits), by their ids."""
USER_EMODE = "eddf1b79"
"""getUserEMode(address)."""
RESERVE_DATA = "35ea6a75"
"""getReserveData(address) of the Pool: the settings, the rate and the id of a reserve."""
ALL_TOKENS = "b316ff89"
"""getAllReservesTokens() of the data provider."""
USER_RESERVE = "28dd2d01"
"""getUserReserveData(address,address) of the data provider: what a user has of a reserve."""

NO_DEBT = 2**256 - 1
"""The health factor of a user without debt."""
_WAD, _RAY, _USD_PLACES = 18, 27, 8
_DAYS = Decimal(365)
_RATE_PLACES = Decimal("1e-18")
_WORD = 32
_CONFIGURATION, _RATE, _ID = 0, 4, 7
"""Words of RESERVE_DATA."""
_BALANCE, _STABLE_DEBT, _VARIABLE_DEBT = 0, 1, 2
"""Words of USER_RESERVE."""
_REMEDY = "put the key of your node's provider into key_file"
_MOST_SYMBOL_BYTES = 64


class Config(LenderConfig, frozen=True, kw_only=True):
    """[[book]] kind = "aave". `url` is a node's; `key_file` holds what follows it where its provider wants a key there."""

    pool: Address
    data_provider: Address
    users: tuple[Address, ...]
    key_file: Path | None = None
    product: str = "aave_v3"
    """The product whose rules value the groups."""
    emode: dict[str, str] = msgspec.field(default_factory=dict)
    """The product of users in an eMode category: `{ "1" = "aave-eth" }`; its thresholds are others."""
    aliases: dict[str, Asset] = msgspec.field(default_factory=dict)
    """What we call a token, by its symbol or its address: `{ WETH = "ETH" }`."""
    block: Literal["latest", "safe", "finalized"] = "latest"
    batch: Annotated[int, range(1, 1001)] = 100
    """Calls in one question; providers limit them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        known = [user.lower() for user in self.users]
        if not known:
            raise ValueError('users: is empty; add the addresses to watch, such as ["0x..."]')
        for i, user in enumerate(known):
            if user in known[:i]:
                raise ValueError(f"users[{i}]: {self.users[i]} stands twice; one group a user")
        for category in self.emode:
            if not re.fullmatch(r"[1-9][0-9]{0,2}", category, re.ASCII):
                raise ValueError(f'emode: found {category!r}, expected the number of a category such as "1"')

    @property
    def values_by(self) -> tuple[tuple[str, ...], ...]:
        """The products that the groups of this book name: of each of these one must be configured."""
        return tuple((product,) for product in self.products)

    @property
    def products(self) -> tuple[str, ...]:
        """The product of all, and those of the modes."""
        return tuple(dict.fromkeys((self.product, *self.emode.values())))


_BEHIND = {"latest": timedelta(0), "safe": timedelta(minutes=15), "finalized": timedelta(minutes=30)}
"""How old a block of that kind may be while all is well: finality takes two epochs, and may be late."""


def stale_after(config: Config) -> timedelta:
    """As of every lender, and the age that a block has anyhow."""
    return _lender.stale_after(config) + _BEHIND[config.block]


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> LenderBook:
    """The book of a list of users."""
    return LenderBook(name, config, Aave(name, config, clock, kept), reader, clock, kept)


class ContractCall(NamedTuple):
    """One eth_call: a contract and what it is asked, in hex."""

    to: str
    data: str


class Token(NamedTuple):
    """A reserve as the data provider lists it."""

    symbol: str
    address: str


class Reserve(NamedTuple):
    """What a reserve says of itself."""

    id: int
    decimals: int
    threshold: Decimal
    rate: Decimal
    """A day's share of the yearly variable rate."""


class Account(NamedTuple):
    """What the Pool says of a user."""

    collateral: int
    debt: int
    threshold: int
    health_factor: int
    configuration: int
    emode: int

    def borrows(self, reserve: int) -> bool:
        """Something of the reserve is owed."""
        return bool(self.configuration >> (2 * reserve) & 1)

    def pledges(self, reserve: int) -> bool:
        """What is held of the reserve counts as collateral."""
        return bool(self.configuration >> (2 * reserve + 1) & 1)


class Held(NamedTuple):
    """What a user has of a reserve."""

    balance: int
    debt: int


def words(text: str, place: str, least: int) -> list[int]:
    """The 256-bit words of an answer in hex, at least so many. Raises Failed."""
    if not re.fullmatch(r"0x([0-9a-fA-F]{64})*", text, re.ASCII) or len(text) < 2 + 2 * _WORD * least:
        what = "nothing: is that the right contract?" if text == "0x" else repr(text[:40])
        raise Failed(f"{place}: found {what}, expected at least {least} words of 32 bytes")
    return [int(text[i : i + 2 * _WORD], 16) for i in range(2, len(text), 2 * _WORD)]


def tokens(text: str, place: str) -> tuple[Token, ...]:
    """An array of (string, address), as the ABI lays it out: offsets in bytes from where their part begins."""
    found = words(text if len(text) % 64 == 2 else text + "0" * (-(len(text) - 2) % 64), place, 2)
    data = b"".join(word.to_bytes(_WORD, "big") for word in found)

    def at(offset: int) -> int:
        if offset < 0 or offset + _WORD > len(data):
            raise Failed(f"{place}: the list of reserves is cut off")
        return int.from_bytes(data[offset : offset + _WORD], "big")

    begin = at(0)
    rows = []
    count = at(begin)
    if count > len(found):
        raise Failed(f"{place}: the list of reserves is cut off")
    for i in range(count):
        row = begin + _WORD + at(begin + _WORD * (i + 1))
        name = row + at(row)
        size = at(name)
        if size > _MOST_SYMBOL_BYTES or name + _WORD + size > len(data):
            raise Failed(f"{place}: the symbol of reserve {i} is cut off")
        symbol = data[name + _WORD : name + _WORD + size].decode(errors="replace").strip()
        rows.append(Token(symbol, f"0x{at(row + _WORD):040x}"))
    return tuple(rows)


@exactly
def reserve(text: str, place: str) -> Reserve:
    """The settings of a reserve: bits 16 to 31 are its liquidation threshold, bits 48 to 55 its decimals."""
    found = words(text, place, _ID + 1)
    settings = found[_CONFIGURATION]
    yearly = _scaled(found[_RATE], _RAY)
    return Reserve(
        found[_ID],
        settings >> 48 & 0xFF,
        _scaled(settings >> 16 & 0xFFFF, 4),
        divide_up(yearly, _DAYS, _RATE_PLACES),
    )


def account(answers: Sequence[str], place: str) -> Account:
    """What the Pool says of a user: the answers to ACCOUNT_DATA, USER_CONFIGURATION and USER_EMODE."""
    data, configuration, emode = answers
    collateral, debt, _, threshold, _, health_factor = words(data, place, 6)[:6]
    bits, category = words(configuration, place, 1)[0], words(emode, place, 1)[0]
    return Account(collateral, debt, threshold, health_factor, bits, category)


def held(text: str, place: str) -> Held:
    """What a user has of a reserve; debt at a stable rate is no more, and older markets may still have some."""
    found = words(text, place, _VARIABLE_DEBT + 1)
    return Held(found[_BALANCE], found[_STABLE_DEBT] + found[_VARIABLE_DEBT])


class ChainBlock(msgspec.Struct, frozen=True):
    """A block, as far as it is needed."""

    number: str
    timestamp: str


class Chain(NamedTuple):
    """All that a reading asks of the chain, at one block."""

    number: int
    at: datetime
    reserves: Mapping[str, tuple[Token, Reserve]]
    """By address."""
    accounts: Mapping[str, Account]
    """By user."""
    held: Mapping[tuple[str, str], Held]
    """By user and the address of the reserve, for the reserves that the user has to do with."""


@exactly
def positions(name: str, config: Config, chain: Chain) -> Reading:
    """The positions of all users at a block."""
    rows, readings = [], []
    coins = {address: _coin(token, config.aliases) for address, (token, _) in chain.reserves.items()}
    for user, seen in sorted(chain.accounts.items()):
        id_ = f"{name}-{user}"
        readings.append(_reading(id_, seen, chain.at))
        holds: list[tuple[str, Decimal]] = []
        owes: list[tuple[str, Decimal]] = []
        for address, (_, settings) in chain.reserves.items():
            has = chain.held.get((user, address))
            if has is not None:
                if seen.pledges(settings.id):
                    holds.append((coins[address], _scaled(has.balance, settings.decimals)))
                owes.append((coins[address], _scaled(has.debt, settings.decimals)))
        if not any(quantity for _, quantity in (*holds, *owes)):
            continue
        product = config.emode.get(str(seen.emode), config.product)
        labels = {**config.labels, **({"emode": str(seen.emode)} if seen.emode else {})}
        debts = [OwedCoin(coin, owed) for coin, owed in _lender.added(owes).items()]
        stated = _lender.line(id_, product, id_, _lender.added(holds), debts, labels=labels)
        rows.append(BookRow(f"user {user}", stated))
    rates = {coins[address]: settings.rate for address, (_, settings) in sorted(chain.reserves.items())}
    owed = {debt["asset"] for row in rows for debt in _loans(row.line)}
    given = {product: {coin: rates[coin] for coin in sorted(owed)} for product in config.products}
    rules = tuple(
        PublishedLadder(config.product, coins[address], ((None, settings.threshold),))
        for address, (_, settings) in sorted(chain.reserves.items())
    )
    return Reading(chain.at, tuple(rows), tuple(readings), rates=given, version=str(chain.number), rules=rules)


def _loans(line: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = line["loans"]
    return found


def _reading(id_: str, seen: Account, at: datetime) -> LenderReading:
    is_owing = seen.health_factor != NO_DEBT
    level = _scaled(seen.health_factor, _WAD) if is_owing else None
    stage: Stage = LIQUIDATION if level is not None and level < 1 else NORMAL
    figures = {
        "total_collateral_base": plain(_scaled(seen.collateral, _USD_PLACES)),
        "total_debt_base": plain(_scaled(seen.debt, _USD_PLACES)),
        "liquidation_threshold": plain(_scaled(seen.threshold, 4)),
    }
    said = f"health factor {plain(level)}" if level is not None else "no debt"
    return LenderReading(id_, level, stage, said, None, at, figures)


def _coin(token: Token, aliases: Mapping[str, str]) -> str:
    by_address = {key.lower(): coin for key, coin in aliases.items()}
    return aliases.get(token.symbol) or by_address.get(token.address) or token.symbol


def _scaled(value: int, places: int) -> Decimal:
    return EXACT.scaleb(Decimal(value), -places)


class _Replied(msgspec.Struct, frozen=True):
    """One answer of a batch; of `error` and `result` it has one."""

    id: int | None = None
    result: Any = None
    error: Any = None


def replies(answer: LenderAnswer, count: int, place: str) -> list[Any]:
    """The results of a batch in the order of its calls, in whatever order they came. Raises Failed unless all are there."""
    body = judged(answer, place, _REMEDY)
    if body.lstrip()[:1] == b"{":  # a node refuses a whole batch with one object
        alone = decoded(body, _Replied, place)
        raise Failed(f"{place}: {_error(alone.error)}")
    found: dict[int, Any] = {}
    for reply in decoded(body, tuple[_Replied, ...], place):
        if reply.error is not None:
            raise Failed(f"{place}: {_error(reply.error)}")
        if reply.id is None or not 0 <= reply.id < count:
            raise Failed(f"{place}: an answer has the id {reply.id}, which was not asked")
        if found.setdefault(reply.id, reply.result) != reply.result:
            raise Failed(f"{place}: call {reply.id} has two different answers")
    if len(found) < count:
        raise Failed(f"{place}: {count - len(found)} of {count} answers are missing")
    return [found[i] for i in range(count)]


def _error(error: Any) -> str:
    if isinstance(error, dict):
        return f"the node says: {shown(str(error.get('message', error.get('code', error))))}"
    return f"the node says: {shown(str(error))}"


def _argument(address: str) -> str:
    return address.lower().removeprefix("0x").rjust(64, "0")


class Aave:
    """Asks a node, first which block there is, and then all else at that block."""

    def __init__(self, name: str, config: Config, clock: Clock, kept: KeptBook) -> None:
        self._name = name
        self._config = config
        self._asker = Asker(config, clock)
        self._last = int(_lender.kept_version(kept.position) or 0)
        """The newest block that was read."""

    async def close(self) -> None:
        """See Lender."""
        await self._asker.close()

    async def read(self) -> Reading:
        """See Lender."""
        head = (await self._ask([("eth_getBlockByNumber", [self._config.block, False])]))[0]
        block = msgspec.convert(head, ChainBlock) if isinstance(head, dict) else None
        if block is None:
            raise Failed(f"the node knows no {self._config.block} block")
        number, at = int(block.number, 16), millis(int(block.timestamp, 16) * 1000, "block")
        if number < self._last:
            raise Failed(
                f"the node is at block {number}, and block {self._last} was read already; is it the right chain?"
            )
        assert at is not None
        reading = positions(self._name, self._config, await self._chain(number, at))
        self._last = number
        return reading

    async def _chain(self, number: int, at: datetime) -> Chain:
        config, pool = self._config, self._config.pool
        users = [user.lower() for user in config.users]
        (listed,) = await self._calls(number, [ContractCall(config.data_provider, ALL_TOKENS)])
        known = tokens(listed, "getAllReservesTokens")
        settings = await self._calls(number, [ContractCall(pool, RESERVE_DATA + _argument(t.address)) for t in known])
        reserves = {
            token.address: (token, reserve(text, f"getReserveData {token.symbol}"))
            for token, text in zip(known, settings, strict=True)
        }
        kinds = (ACCOUNT_DATA, USER_CONFIGURATION, USER_EMODE)
        seen = await self._calls(number, [ContractCall(pool, kind + _argument(u)) for u in users for kind in kinds])
        accounts = {user: account(seen[3 * i : 3 * i + 3], user) for i, user in enumerate(users)}
        pairs = [
            (user, address)
            for user, its in accounts.items()
            for address, (_, r) in reserves.items()
            if its.borrows(r.id) or its.pledges(r.id)
        ]
        asked = [ContractCall(config.data_provider, USER_RESERVE + _argument(a) + _argument(u)) for u, a in pairs]
        have = await self._calls(number, asked)
        return Chain(number, at, reserves, accounts, dict(zip(pairs, map(held, have, map(str, pairs)), strict=True)))

    async def _calls(self, number: int, calls: Sequence[ContractCall]) -> list[str]:
        """The answers to contract calls at a block, batch after batch."""
        found: list[str] = []
        for start in range(0, len(calls), self._config.batch):
            some = calls[start : start + self._config.batch]
            asked = [("eth_call", [{"to": c.to, "data": f"0x{c.data}"}, hex(number)]) for c in some]
            found += map(str, await self._ask(asked))
        return found

    async def _ask(self, calls: Iterable[tuple[str, list[Any]]]) -> list[Any]:
        batch = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)]
        key = "" if self._config.key_file is None else f"/{read_secret(None, self._config.key_file)}"
        answer = await self._asker.post(key, {"content-type": "application/json"}, msgspec.json.encode(batch))
        return replies(answer, len(batch), str(batch[0]["method"]))
