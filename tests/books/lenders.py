"""The lenders of the contract, each as a small server on loopback that serves what its documentation shows.

`Bench` is one of them: how its book is built, what it serves, and what may be done to it. A test changes `bodies`, or tells
`venue` to fail, and looks at the events of the book.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from monitor import plugins
from monitor.books._base import KeptBook, PlainReader
from monitor.books._lender import LenderBook
from monitor.clock import Clock
from monitor.core.events.events import BookSeen, Event, Noticed
from monitor.core.rules.product import Product
from monitor.core.schema import read
from tests.books.venues.server import Answer, Venue
from tests.products.shelf import shipped

USERS = ("0x" + "a1" * 20, "0x" + "b2" * 20)
TOKENS = {"WETH": "0x" + "01" * 20, "USDC": "0x" + "02" * 20}
POOL, PROVIDER = "0x" + "11" * 20, "0x" + "22" * 20
ENTITY = "e8bbed13-fa33-41de-86d5-4335d8f08166"


class LenderVenue(Venue):
    """A venue that also keeps headers and bodies, and whose clock its answers state."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.headers: list[Mapping[str, str]] = []
        self.body = b""

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.body = await request.read()
        self.headers.append(dict(request.headers))
        response = await super()._serve(request)
        if not response.prepared:
            at = datetime.fromtimestamp(self.now_ms() / 1000, UTC)
            response.headers["Date"] = format_datetime(at, usegmt=True)
        return response


class Bench(NamedTuple):
    """One lender and its book."""

    name: str
    kind: str
    config: Callable[[str, Path], dict[str, Any]]
    """The keys of its [[book]], for the address of the server and a folder with secrets."""
    products: tuple[str, ...]
    groups: tuple[str, ...]
    """The ids of the groups that it serves."""
    bodies: Callable[[], dict[str, Any]]
    """What it serves, by path."""
    last: str
    """The path that a reading asks last, so that a fault there comes in the middle of a snapshot."""
    wrong_key: Answer
    blank: Callable[[dict[str, Any]], None]
    """Empties the figures of the first group."""
    double: Callable[[dict[str, Any]], None]
    """Repeats every row."""
    is_signed: bool = True
    is_late: Answer | None = None
    """What it answers to a question whose time is wrong; None where it needs no time."""
    late_header: str = ""
    """The header that has the time of a question."""


def secrets(folder: Path) -> dict[str, str]:
    """Files of a key that is no key of anybody."""
    for name in ("key", "secret", "passphrase"):
        (folder / name).write_text(f"{name}-of-the-test")
        (folder / name).chmod(0o600)
    return {"api_key_file": str(folder / "key"), "secret_file": str(folder / "secret")}


def _binance(url: str, folder: Path) -> dict[str, Any]:
    return {"url": url, "allow_private": True, "leverage": 3, **secrets(folder)}


def coin(asset: str, free: str, borrowed: str = "0", interest: str = "0", locked: str = "0") -> dict[str, str]:
    """A coin of a margin account."""
    return {"asset": asset, "borrowed": borrowed, "free": free, "interest": interest, "locked": locked, "netAsset": "1"}


def _binance_bodies() -> dict[str, Any]:
    pair = {
        "symbol": "BTCUSDT",
        "baseAsset": coin("BTC", "1"),
        "quoteAsset": coin("USDT", "100", "20000", "1.5"),
        "enabled": True,
        "marginLevel": "1.5",
        "marginLevelStatus": "NORMAL",
        "indexPrice": "30000",
        "liquidatePrice": "21000",
        "liquidateRate": "1.18",
    }
    empty = {**pair, "symbol": "ETHUSDT", "baseAsset": coin("ETH", "0"), "quoteAsset": coin("USDT", "0")}
    return {
        "/api/v3/time": None,
        "/sapi/v1/margin/account": {
            "accountType": "MARGIN_1",
            "marginLevel": "2.5",
            "collateralMarginLevel": "1.75",
            "TotalCollateralValueInUSDT": "35000",
            "totalOpenOrderLossInUSDT": "0",
            "userAssets": [coin("BTC", "1", locked="0.5"), coin("USDT", "0", "18000", "0.25"), coin("ETH", "0")],
        },
        "/sapi/v1/margin/tradeCoeff": {"normalBar": "1.5", "marginCallBar": "1.3", "forceLiquidationBar": "1.1"},
        "/sapi/v1/margin/isolated/account": {"assets": [pair, empty], "totalAssetOfBtc": "1"},
        "/sapi/v1/margin/isolatedMarginTier": [{"symbol": "BTCUSDT", "tier": 1, "effectiveMultiple": "3"}],
        "/sapi/v1/margin/next-hourly-interest-rate": [{"asset": "USDT", "nextHourlyInterestRate": "0.00000571"}],
    }


def _blank_binance(bodies: dict[str, Any]) -> None:
    account = bodies["/sapi/v1/margin/account"]
    account["marginLevel"] = ""
    for asset in account["userAssets"]:
        asset.update(borrowed="", free="", interest="", locked="")


def _double_binance(bodies: dict[str, Any]) -> None:
    bodies["/sapi/v1/margin/account"]["userAssets"] *= 2
    bodies["/sapi/v1/margin/isolated/account"]["assets"] *= 2


def bybit_said(result: Any) -> dict[str, Any]:
    """Bybit's envelope; `time` is filled in when it is served."""
    return {"retCode": 0, "retMsg": "", "result": result, "retExtInfo": {}, "time": None}


def _crypto(url: str, folder: Path) -> dict[str, Any]:
    return {"url": url, "allow_private": True, **secrets(folder)}


def _crypto_bodies() -> dict[str, Any]:
    usdt = {
        "loanCurrency": "USDT",
        "flexibleTotalDebt": "9000.5",
        "fixedTotalDebt": "1000",
        "flexibleHourlyInterestRate": "0.0000075",
    }
    position = {
        "borrowList": [usdt, {**usdt, "loanCurrency": "BTC", "flexibleTotalDebt": "0.01", "fixedTotalDebt": "0"}],
        "collateralList": [{"currency": "BTC", "amount": "0.5"}, {"currency": "ETH", "amount": "2"}],
        "ltv": "0.56",
        "totalDebt": "10300.5",
        "totalCollateral": "18381.41",
        "colRes": "0",
    }
    return {"/v5/crypto-loan-common/position": bybit_said(position)}


def _blank_crypto(bodies: dict[str, Any]) -> None:
    position = bodies["/v5/crypto-loan-common/position"]["result"]
    position["ltv"] = ""
    position["collateralList"][0]["amount"] = ""


def _double_crypto(bodies: dict[str, Any]) -> None:
    position = bodies["/v5/crypto-loan-common/position"]["result"]
    position["borrowList"] *= 2
    position["collateralList"] *= 2


def unit(uid: str = "100331354", **more: Any) -> dict[str, Any]:
    """A risk unit."""
    return {
        "ltv": "0.6",
        "rst": "",
        "parentUid": uid,
        "subAccountUids": ["100334094"],
        "unpaidAmount": "24000",
        "unpaidInfo": [{"token": "USDT", "unpaidQty": "24000", "unpaidInterest": "0"}],
        "balance": "40000",
        "balanceInfo": [
            {"token": "BTC", "price": "30000", "qty": "1", "convertedAmount": "28500"},
            {"token": "USDT", "price": "1", "qty": "11500", "convertedAmount": "11500"},
        ],
        "liqStatus": 0,
        **more,
    }


def _institutional_bodies() -> dict[str, Any]:
    order = {"orderId": "1468005106166530304", "orderProductId": "96", "parentUid": "100331354", "loanCoin": "USDT"}
    delay = {"ltv": "0.6", "liquidationStatus": 0, "delayLiqStartTime": "0", "delayLiqRemainingSec": ""}
    lines = {"productId": "96", "liquidationLine": "0.92", "deferredLiquidationLine": "0.88"}
    return {
        "/v5/ins-loan/loan-order": bybit_said({"loanInfo": [{**order, "interestRate": "0.0002", "status": "1"}]}),
        "/v5/ins-loan/product-infos": bybit_said({"marginProductInfo": [lines, {**lines, "productId": "91"}]}),
        "/v5/ins-loan/delay-liq-status": bybit_said(delay),
        "/v5/ins-loan/ltv-convert": bybit_said({"ltvInfo": [unit()]}),
    }


def _blank_institutional(bodies: dict[str, Any]) -> None:
    blank = unit(ltv="", unpaidAmount="", unpaidInfo=[], balance="", balanceInfo=[], liqStatus=3)
    bodies["/v5/ins-loan/ltv-convert"]["result"] = {"ltvInfo": [blank], "liqStatus": 3}


def _double_institutional(bodies: dict[str, Any]) -> None:
    for path, key in (("ltv-convert", "ltvInfo"), ("product-infos", "marginProductInfo"), ("loan-order", "loanInfo")):
        bodies[f"/v5/ins-loan/{path}"]["result"][key] *= 2


def _okx(url: str, folder: Path) -> dict[str, Any]:
    return {"url": url, "allow_private": True, "passphrase_file": str(folder / "passphrase"), **secrets(folder)}


def _okx_bodies() -> dict[str, Any]:
    loan = {
        "collateralData": [{"amt": "0.5", "ccy": "BTC"}, {"amt": "780", "ccy": "STX"}],
        "collateralNotionalUsd": "16000",
        "curLTV": "0.5742",
        "liqLTV": "0.8374",
        "loanData": [{"amt": "9000.86590608", "ccy": "USDC"}, {"amt": "100", "ccy": "USDT"}],
        "loanNotionalUsd": "9100",
        "marginCallLTV": "0.7374",
        "riskWarningData": {"instId": "", "liqPx": ""},
    }
    accrued = {"ccy": "USDC", "interest": "0.04", "interestRate": "0.41", "ts": "1731913200000", "refId": "1731913303"}
    return {
        "/api/v5/finance/flexible-loan/interest-accrued": {
            "code": "0",
            "data": [accrued, {**accrued, "ccy": "USDT"}],
            "msg": "",
        },
        "/api/v5/finance/flexible-loan/loan-info": {"code": "0", "data": [loan], "msg": ""},
    }


def okx_loan(bodies: dict[str, Any]) -> dict[str, Any]:
    """The loan that the server serves."""
    found: dict[str, Any] = bodies["/api/v5/finance/flexible-loan/loan-info"]["data"][0]
    return found


def _blank_okx(bodies: dict[str, Any]) -> None:
    okx_loan(bodies).update(curLTV="", marginCallLTV="", liqLTV="", loanData=[{"amt": "", "ccy": "USDC"}])


def _double_okx(bodies: dict[str, Any]) -> None:
    okx_loan(bodies)["collateralData"] *= 2
    okx_loan(bodies)["loanData"] *= 2


def _coinbase(url: str, folder: Path) -> dict[str, Any]:
    return {**_okx(url, folder), "entity": ENTITY}


def prime_summary(**more: Any) -> dict[str, Any]:
    """What an entity has: 10 BTC long, 50 ETH short, and dollars."""
    return {
        "entity_id": ENTITY,
        "margin_equity": "250000",
        "margin_requirement": "80000",
        "excess_deficit": "170000",
        "frozen": False,
        "pm_asset_info": [
            {"symbol": "BTC", "amount": "10", "price": "30000", "notional_amount": "300000"},
            {"symbol": "ETH", "amount": "-50", "price": "2000", "notional_amount": "-100000"},
        ],
        **more,
    }


def _coinbase_bodies() -> dict[str, Any]:
    before = {"conversion_datetime": "2026-01-04T12:00:00.000Z", "margin_summary": prime_summary()}
    return {
        f"/v1/entities/{ENTITY}/margin_summaries": {"margin_summaries": [before]},
        f"/v1/entities/{ENTITY}/margin": {
            "margin_information": {"margin_call_records": [], "margin_summary": prime_summary()}
        },
    }


def prime_margin(bodies: dict[str, Any]) -> dict[str, Any]:
    """The margin information that the server serves."""
    found: dict[str, Any] = bodies[f"/v1/entities/{ENTITY}/margin"]["margin_information"]
    return found


def _blank_coinbase(bodies: dict[str, Any]) -> None:
    prime_margin(bodies)["margin_summary"].update(margin_equity="", margin_requirement="", excess_deficit="")


def _double_coinbase(bodies: dict[str, Any]) -> None:
    prime_margin(bodies)["margin_summary"]["pm_asset_info"] *= 2


def _aave(url: str, folder: Path) -> dict[str, Any]:
    secrets(folder)
    return {
        "url": url,
        "allow_private": True,
        "key_file": str(folder / "key"),
        "pool": POOL,
        "data_provider": PROVIDER,
        "users": list(USERS),
        "aliases": {"WETH": "ETH"},
    }


def abi(*words: int | str) -> str:
    """Words of 32 bytes in hex; an address is text."""
    return "0x" + "".join(f"{int(w, 16) if isinstance(w, str) else w:064x}" for w in words)


def abi_tokens(tokens: Mapping[str, str]) -> str:
    """An array of (string, address) as the ABI lays it out."""
    heads, tails, offset = "", "", 32 * len(tokens)
    for symbol, address in tokens.items():
        raw = symbol.encode()
        text = raw.hex().ljust(-(-len(raw) // 32) * 64, "0")
        row = f"{64:064x}{int(address, 16):064x}{len(raw):064x}{text}"
        heads += f"{offset:064x}"
        tails += row
        offset += len(row) // 2
    return f"0x{32:064x}{len(tokens):064x}{heads}{tails}"


RAY = 10**27


def reserve_words(id_: int, threshold: int, decimals: int, yearly: int = 5 * RAY // 100) -> str:
    """A reserve: its settings, its yearly rate and its id."""
    settings = 7500 | threshold << 16 | 10500 << 32 | decimals << 48
    return abi(settings, 1, 2, 3, yearly, 0, 0, id_, "0x1", "0x2", "0x3")


class Node:
    """What an Aave market says: by selector and arguments. A test changes it."""

    def __init__(self) -> None:
        self.block, self.time_s = 21_000_000, 0
        self.is_doubled, self.is_reversed = False, False
        self.calls: dict[str, str] = {"b316ff89": abi_tokens(TOKENS)}
        for i, (symbol, address) in enumerate(TOKENS.items()):
            words = reserve_words(i, 8300 if symbol == "WETH" else 7800, 18 if symbol == "WETH" else 6)
            self.calls["35ea6a75" + arg(address)] = words
        self.user(USERS[0], weth=10 * 10**18, usdc_owed=12_000 * 10**6, health=1_383_333_333_333_333_333)
        self.user(USERS[1], weth=5 * 10**17, usdc_owed=0, health=2**256 - 1)

    def user(self, user: str, *, weth: int, usdc_owed: int, health: int, emode: int = 0) -> None:
        """A user with WETH as collateral who may owe USDC."""
        self.calls["bf92857c" + arg(user)] = abi(20_000 * 10**8, 12_000 * 10**8, 1, 8300, 8000, health)
        self.calls["4417a583" + arg(user)] = abi(0b10 | (0b0100 if usdc_owed else 0))
        self.calls["eddf1b79" + arg(user)] = abi(emode)
        self.calls["28dd2d01" + arg(TOKENS["WETH"]) + arg(user)] = abi(weth, 0, 0, 0, 0, 0, 0, 0, 1)
        self.calls["28dd2d01" + arg(TOKENS["USDC"]) + arg(user)] = abi(0, 0, usdc_owed, 0, 0, 0, 0, 0, 0)

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One answer of a batch."""
        if request["method"] == "eth_getBlockByNumber":
            result: Any = {"number": hex(self.block), "timestamp": hex(self.time_s), "hash": "0x1"}
        else:
            call, block = request["params"]
            assert block == hex(self.block), "a reading is of one block"
            result = self.calls.get(call["data"].removeprefix("0x"))
        if result is None:
            return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": "execution reverted"}}
        return {"jsonrpc": "2.0", "id": request["id"], "result": result}


def arg(address: str) -> str:
    """An address as an argument."""
    return address.removeprefix("0x").lower().rjust(64, "0")


def _double_aave(bodies: dict[str, Any]) -> None:
    bodies["node"].is_doubled = True


def _blank_aave(bodies: dict[str, Any]) -> None:
    bodies["node"].calls["bf92857c" + arg(USERS[0])] = "0x"


BINANCE = Bench(
    "margin", "binance_margin", _binance, ("cross_margin_classic", "isolated_margin"),
    ("margin-cross", "margin-BTCUSDT"), _binance_bodies, "/sapi/v1/margin/isolated/account",
    Answer(401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}),
    _blank_binance, _double_binance,
    is_late=Answer(400, {"code": -1021, "msg": "Timestamp for this request was 1000ms ahead"}),
)  # fmt: skip
CRYPTO = Bench(
    "bybit", "bybit", _crypto, ("bybit_loan",), ("bybit-loan",), _crypto_bodies, "/v5/crypto-loan-common/position",
    Answer(200, {"retCode": 10003, "retMsg": "API key is invalid.", "result": {}, "time": 1}),
    _blank_crypto, _double_crypto,
    is_late=Answer(200, {"retCode": 10002, "retMsg": "invalid request", "result": {}, "time": 1}),
    late_header="X-BAPI-TIMESTAMP",
)  # fmt: skip
INSTITUTIONAL = CRYPTO._replace(
    name="ins",
    config=lambda url, folder: {**_crypto(url, folder), "loan": "institutional"},
    products=("institutional_loan",),
    groups=("ins-100331354",),
    bodies=_institutional_bodies,
    last="/v5/ins-loan/ltv-convert",
    blank=_blank_institutional,
    double=_double_institutional,
)
OKX = Bench(
    "okx", "okx", _okx, ("okx_loan",), ("okx-loan",), _okx_bodies, "/api/v5/finance/flexible-loan/loan-info",
    Answer(401, {"code": "50111", "msg": "Invalid OK-ACCESS-KEY", "data": []}), _blank_okx, _double_okx,
    is_late=Answer(401, {"code": "50102", "msg": "Timestamp request expired", "data": []}),
    late_header="OK-ACCESS-TIMESTAMP",
)  # fmt: skip
COINBASE = Bench(
    "prime", "coinbase_prime", _coinbase, ("prime_margin",), (f"prime-{ENTITY}",), _coinbase_bodies,
    f"/v1/entities/{ENTITY}/margin", Answer(401, {"message": "invalid api key"}), _blank_coinbase, _double_coinbase,
    is_late=Answer(401, {"message": "request timestamp expired"}), late_header="X-CB-ACCESS-TIMESTAMP",
)  # fmt: skip
AAVE = Bench(
    "aave", "aave", _aave, ("aave_v3",), tuple(f"aave-{user}" for user in USERS), lambda: {"node": Node()}, "/key-of-the-test",
    Answer(403, {"error": "project id is not allowed"}), _blank_aave, _double_aave, is_signed=False,
)  # fmt: skip
BENCHES = (BINANCE, CRYPTO, INSTITUTIONAL, OKX, COINBASE, AAVE)


class Set(NamedTuple):
    """A bench at work."""

    bench: Bench
    venue: LenderVenue
    bodies: dict[str, Any]
    clock: Clock
    folder: Path

    def reorder(self) -> None:
        """Turns every list and every object of what is served around."""
        for path, body in self.bodies.items():
            if isinstance(body, Node):
                body.is_reversed = True
            else:
                self.bodies[path] = _reversed(body)

    def fail_late(self, answer: Answer) -> None:
        """The next reading begins well, and then this comes, once."""
        if "node" not in self.bodies:
            self.venue.fail(self.bench.last, answer)
            return
        asked = 0

        def third(query: dict[str, str]) -> Any:
            nonlocal asked
            asked += 1
            return answer if asked == 3 else _batch(self.bodies["node"], self.venue)

        self.venue.on(self.bench.last, third)

    def book(self, kept: KeptBook | None = None, **more: Any) -> LenderBook:
        """Its book."""
        module = plugins.module("books", self.bench.kind)
        config = read(module.Config, {**self.bench.config(self.venue.url, self.folder), **more})
        reader = PlainReader(lambda: products(self.bench))
        book: LenderBook = module.build(self.bench.name, config, reader, self.clock, kept or KeptBook())
        return book


def products(bench: Bench) -> dict[str, Product]:
    """The products that ship for the groups of a bench."""
    return {kind: shipped(kind) for kind in bench.products}


@asynccontextmanager
async def served(bench: Bench, clock: Clock, folder: Path) -> AsyncIterator[Set]:
    """The server of a bench."""
    venue, bodies = LenderVenue(clock), bench.bodies()

    def serve(path: str) -> Callable[[dict[str, str]], Any]:
        return lambda query: _filled(bodies[path], venue)

    for path in bodies:
        if path == "node":
            venue.on(bench.last, lambda query: _batch(bodies["node"], venue))
        else:
            venue.on(path, serve(path))
    async with venue.serving():
        yield Set(bench, venue, bodies, clock, folder)


def _reversed(body: Any) -> Any:
    if isinstance(body, dict):
        return {key: _reversed(value) for key, value in reversed(body.items())}
    return [_reversed(value) for value in reversed(body)] if isinstance(body, list) else body


def _filled(body: Any, venue: LenderVenue) -> Any:
    if body is None:
        return {"serverTime": venue.now_ms()}
    return {**body, "time": venue.now_ms()} if isinstance(body, dict) and "retCode" in body else body


def _batch(node: Node, venue: LenderVenue) -> Any:
    node.time_s = venue.now_ms() // 1000
    answers = [node.answer(request) for request in json.loads(venue.body)] * (2 if node.is_doubled else 1)
    return answers[::-1] if node.is_reversed else answers


async def some(book: LenderBook, count: int = 1) -> list[list[Event]]:
    """The next batches of a book that end with a BookSeen, each with what came before it since the last."""
    found: list[list[Event]] = []
    batch: list[Event] = []
    batches = book.batches()
    try:
        async for events in batches:
            batch += events
            if isinstance(batch[-1], BookSeen | Noticed):
                found.append(batch)
                batch = []
            if len(found) == count:
                break
    finally:
        await batches.aclose()  # type: ignore[attr-defined]
    return found


def of(kind: type, batches: Iterable[Iterable[Event]]) -> list[Any]:
    """The events of a kind."""
    return [event for batch in batches for event in batch if isinstance(event, kind)]
