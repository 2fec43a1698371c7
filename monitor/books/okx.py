"""The flexible loan of an account at OKX (domain section 5): its lines come with the position and move with its mix.

The position states no initial line, so ours lies `initial_gap` below the margin call. `loan_info` is pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec

from monitor.books import _lender
from monitor.books._asking import (
    Asker,
    CallPace,
    Failed,
    KeyRefused,
    LenderAnswer,
    LenderConfig,
    TimeRefused,
    decoded,
    judged,
    shown,
    target,
)
from monitor.books._base import KeptBook, Reader
from monitor.books._lender import LenderBook, OwedCoin, Reading, amount, exactly, once, owned
from monitor.books._snapshots import BookRow
from monitor.clock import Clock
from monitor.core.money import divide_up, plain
from monitor.core.schema import Bounds
from monitor.core.stages.stages import LIQUIDATION, MARGIN_CALL, NORMAL, LenderReading, Stage
from monitor.secret_files import read_secret

LOAN = "/api/v5/finance/flexible-loan/loan-info"
INTEREST = "/api/v5/finance/flexible-loan/interest-accrued"
CALLS, WITHIN_S = 5, 2.0
"""The documented limit of each."""
HOURS = Decimal(8760)
_PLACES = Decimal("1e-18")
_REMEDY = (
    "put a read-only key into api_key_file, secret_file and passphrase_file, and permit this machine's address at OKX"
)
_BAD_KEY = {str(code) for code in (50100, 50101, 50103, 50104, 50105, 50106, 50110, 50111, 50113, 50119, 50120)}
_BAD_TIME = {"50102", "50112"}
_BUSY = {"50011", "50061"}
_BUSY_PAUSE_S = 2.0


class Config(LenderConfig, frozen=True, kw_only=True):
    """[[book]] kind = "okx"."""

    api_key_file: Path
    secret_file: Path
    passphrase_file: Path
    url: str = "https://www.okx.com"
    product: str = "okx_loan"
    """The product whose rules value the group."""
    initial_gap: Annotated[Decimal, Bounds("0", "1", 6, above=True)] = Decimal("0.05")
    """How far below the margin call the initial line lies, to which cures lead. OKX states none."""

    @property
    def values_by(self) -> tuple[tuple[str, ...], ...]:
        """The products that the groups of this book name: of each of these one must be configured."""
        return ((self.product,),)


stale_after = _lender.stale_after


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> LenderBook:
    """The book of one key. Its secrets are read when it asks."""
    return LenderBook(name, config, OkxLoans(name, config, clock), reader, clock, kept)


class _Amount(msgspec.Struct, frozen=True, rename="camel"):
    ccy: str
    amt: str = ""


class _Loan(msgspec.Struct, frozen=True, rename="camel"):
    loan_data: tuple[_Amount, ...]
    collateral_data: tuple[_Amount, ...]
    cur_ltv: str = msgspec.field(default="", name="curLTV")
    margin_call_ltv: str = msgspec.field(default="", name="marginCallLTV")
    liq_ltv: str = msgspec.field(default="", name="liqLTV")
    loan_notional_usd: str = ""
    collateral_notional_usd: str = ""


class _Accrued(msgspec.Struct, frozen=True, rename="camel"):
    ccy: str
    interest_rate: str = ""
    ts: str = ""


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    code: str
    data: msgspec.Raw = msgspec.Raw(b"[]")
    msg: str = ""


def sign(secret: str, at: str, asked: str) -> str:
    """The signature of a question: base64 of HMAC-SHA256 over time, verb and path with query."""
    digest = hmac.new(secret.encode(), f"{at}GET{asked}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def said(answer: LenderAnswer, place: str) -> _Envelope:
    """The envelope of an answer that went well. Raises Failed. OKX explains a refusal in the body, whatever its status."""
    code, words = "", ""
    if answer.status != 200:
        try:
            refused = msgspec.json.decode(answer.body, type=_Envelope)
        except msgspec.DecodeError:
            judged(answer, place, _REMEDY)
        else:
            code, words = refused.code, f"{place}: code {refused.code}, {shown(refused.msg)}"
        if code not in _BAD_KEY | _BAD_TIME | _BUSY:
            judged(answer, place, _REMEDY)
    else:
        envelope = decoded(answer.body, _Envelope, place)
        if envelope.code == "0":
            return envelope
        code, words = envelope.code, f"{place}: code {envelope.code}, {shown(envelope.msg)}"
    if code in _BAD_KEY:
        raise KeyRefused(f"{words}; {_REMEDY}")
    if code in _BAD_TIME:
        raise TimeRefused(words)
    raise Failed(words, answer.after_s or (_BUSY_PAUSE_S if code in _BUSY else None))


@exactly
def loan_info(
    name: str, config: Config, loans: tuple[_Loan, ...], accrued: tuple[_Accrued, ...], as_of: datetime
) -> Reading:
    """The loan of an account; no account has two."""
    rates = {config.product: _rates(accrued)}
    if len(loans) > 1:
        raise Failed(f"{LOAN}: found {len(loans)} loans, expected one; which of them is yours cannot be told")
    if not loans or not (loans[0].loan_data or loans[0].collateral_data):
        return Reading(as_of, (), (), rates=rates)
    loan, id_ = loans[0], f"{name}-loan"
    borrowed = once(loan.loan_data, lambda row: row.ccy, f"{LOAN} loanData")
    pledged = once(loan.collateral_data, lambda row: row.ccy, f"{LOAN} collateralData")
    call, liquidation = amount(loan.margin_call_ltv, f"{LOAN} marginCallLTV"), amount(loan.liq_ltv, f"{LOAN} liqLTV")
    reading = _reading(id_, loan, call, liquidation, as_of)
    gaps = [row.ccy for row in (*borrowed, *pledged) if not row.amt]
    gaps += [] if call and liquidation else ["its lines"]
    if gaps:
        why = f"OKX leaves {', '.join(gaps)} empty; the group keeps the figures that it had"
        return Reading(as_of, (), (reading,), {id_: why}, rates)
    assert call is not None
    assert liquidation is not None
    debts = [OwedCoin(row.ccy, owned(row.amt, f"{LOAN} {row.ccy}")) for row in borrowed]
    holds = {row.ccy: owned(row.amt, f"{LOAN} {row.ccy}") for row in pledged}
    initial = max(call - config.initial_gap, call / 2)
    lines = {"initial": plain(initial), "margin_call": plain(call), "liquidation": plain(liquidation)}
    stated = _lender.line(id_, config.product, name, holds, debts, thresholds=lines, labels=config.labels)
    return Reading(as_of, (BookRow("flexible loan", stated),), (reading,), rates=rates)


def _reading(
    id_: str, loan: _Loan, call: Decimal | None, liquidation: Decimal | None, as_of: datetime
) -> LenderReading:
    """OKX says what its own level and lines are, which is what its stage follows from."""
    level = amount(loan.cur_ltv, f"{LOAN} curLTV")
    stage: Stage | None = None
    if level is not None and call is not None and liquidation is not None:
        stage = LIQUIDATION if level >= liquidation else MARGIN_CALL if level >= call else NORMAL
    words = f"curLTV {loan.cur_ltv or 'unknown'}, call {loan.margin_call_ltv or '?'}, liquidation {loan.liq_ltv or '?'}"
    figures = {"loan_usd": loan.loan_notional_usd, "collateral_usd": loan.collateral_notional_usd}
    return LenderReading(id_, level, stage, words, None, as_of, {k: v for k, v in figures.items() if v})


def _rates(accrued: tuple[_Accrued, ...]) -> dict[str, Decimal]:
    """The rates by which interest was charged last, an hour's share of a year."""
    newest: dict[str, _Accrued] = {}
    for row in accrued:
        if row.ccy not in newest or row.ts > newest[row.ccy].ts:
            newest[row.ccy] = row
    yearly = {coin: amount(row.interest_rate, f"{INTEREST} {coin}") for coin, row in newest.items()}
    return {coin: divide_up(rate, HOURS, _PLACES) for coin, rate in yearly.items() if rate is not None}


class OkxLoans:
    """Asks with a key; the secrets are read at each question, as somebody may have mended them."""

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        self._name = name
        self._config = config
        self._asker = Asker(config, clock)
        self._paces = {path: CallPace(clock, CALLS, WITHIN_S) for path in (LOAN, INTEREST)}

    async def close(self) -> None:
        """See Lender."""
        await self._asker.close()

    async def read(self) -> Reading:
        """See Lender."""
        as_of = self._asker.ours()
        accrued = decoded(await self._ask(INTEREST), tuple[_Accrued, ...], INTEREST)
        loans = decoded(await self._ask(LOAN), tuple[_Loan, ...], LOAN)
        return loan_info(self._name, self._config, loans, accrued, as_of)

    async def _ask(self, path: str, query: Mapping[str, str] | None = None) -> msgspec.Raw:
        await self._paces[path].turn()
        at = self._asker.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        asked = target(path, query or {})
        headers = {
            "OK-ACCESS-KEY": read_secret(None, self._config.api_key_file),
            "OK-ACCESS-SIGN": sign(read_secret(None, self._config.secret_file), at, asked),
            "OK-ACCESS-TIMESTAMP": at,
            "OK-ACCESS-PASSPHRASE": read_secret(None, self._config.passphrase_file),
        }
        answer = await self._asker.get(asked, headers)
        try:
            return said(answer, path).data
        except TimeRefused:
            self._asker.set_clock(answer.at)
            raise
