"""`check-config` and `check-book`: what a start would find in the books, shown to people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from decimal import Decimal
from pathlib import Path

import aiohttp
import msgspec

from monitor import plugins
from monitor.cli import output
from monitor.cli.daemon_at import address_of
from monitor.cli.feed_checks import ask_daemon, is_another
from monitor.cli.options import FINE, TROUBLE
from monitor.cli.tables import table_of
from monitor.client import NoAnswer
from monitor.clock import SystemClock
from monitor.config import Config, Part
from monitor.core.alerts.trouble import Trouble
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.conflation import LatestPrices
from monitor.daemon.first_look import BookFound, FirstLook, first_look
from monitor.feeds._base import Desk

FEED_S = 5.0
"""A feed that is asked gives its first prices within a second or two."""
SHOWN = 20
"""Lines of a book that are shown; --json has more."""


def of_config(config: Config, *, ask_feeds: bool, problems: Sequence[str] = ()) -> FirstLook:
    """What a start with a configuration would find, at the prices of its running daemon, else of its feeds if asked.

    `problems` are those of the files that it names: they stand beside what can be read.
    """
    look = asyncio.run(_of_config(config, ask_feeds=ask_feeds))
    return msgspec.structs.replace(look, problems=list(problems))


async def _of_config(config: Config, *, ask_feeds: bool) -> FirstLook:
    prices = await _daemons_prices(config)
    if not prices and ask_feeds:
        prices = await _feeds_prices(config, await first_look(config, config.books, {}))
    return await first_look(config, config.books, prices)


def of_file(config: Config, file: Path) -> FirstLook:
    """The same of one file, as if it were the only book of a configuration."""
    module = plugins.module("books", "file")
    return asyncio.run(first_look(config, [Part("file", file.name, module.Config(file))], {}))


def show_book(look: FirstLook) -> int:
    """What is wrong with a book. Gives the exit code: 1 where a line is refused, or the book cannot be read."""
    for book in look.books:
        _show_book(book)
    if look.without_ladder:
        named = ", ".join(f"{coin} ({groups})" for coin, groups in look.without_ladder.items())
        output.notes(
            [f"coins without a ladder in the product of their groups count nothing; groups that hold each: {named}"]
        )
    return code_of(look)


def show(look: FirstLook) -> None:
    """The same, and what a start would find at the prices of now."""
    show_book(look)
    if not look.prices:
        if look.groups:
            output.notes(
                ["no prices: the stages of groups are not known; start the daemon, or ask its feeds by --ask-feeds"]
            )
        return
    _show_stages(look)
    if look.without_price:
        output.notes([f"coins without a price: {', '.join(look.without_price)}; look at their feeds, or pin one"])


def code_of(look: FirstLook) -> int:
    """The exit code of what was found."""
    return TROUBLE if any(book.refused for book in look.books) else FINE


def _show_book(book: BookFound) -> None:
    if not book.is_read:
        output.say(f"book {book.name}: not read here, as it is no file; the daemon asks it")
        return
    if (unreadable := next((each for each in book.refused if each.is_of_a_file), None)) is not None:
        output.say(f"book {book.name} ({book.path}): {unreadable.text}")
        return
    parts = [_counted(book.groups, "group")]
    parts += [f"{_counted(len(book.refused), 'line')} refused"] if book.refused else []
    parts += [f"{_counted(len(book.left_out), 'line')} taken in part"] if book.left_out else []
    output.say(f"book {book.name} ({book.path}): {', '.join(parts)}")
    if not book.refused + book.left_out:
        return
    table = table_of("where", "cell", "value", "what mends it")
    for trouble in (book.refused + book.left_out)[:SHOWN]:
        for row in _rows(trouble):
            table.add_row(*row)
    output.out.print(table)
    if (more := len(book.refused + book.left_out) - SHOWN) > 0:
        output.say(f"and {_counted(more, 'more line')}; --json lists them")


def _rows(trouble: Trouble) -> list[tuple[str, ...]]:
    """A row for each bad cell; what is wrong with the line as a whole is one."""
    where = trouble.place or trouble.group or trouble.subject
    if not trouble.cells:
        return [(where, "", "", trouble.text)]
    return [(where, cell.cell, cell.value or "", cell.remedy) for cell in trouble.cells]


def _show_stages(look: FirstLook) -> None:
    stages = ", ".join(f"{number:,} {stage.replace('_', ' ')}" for stage, number in look.stages.items())
    output.say(f"a first start at the prices of now: {stages or 'no group has a stage'}")
    if look.unknown:
        output.say(f"{_counted(look.unknown, 'group')} without a price of some coin")
    alerts = ", ".join(f"{number:,} {type_}" for type_, number in look.alerts.items())
    output.say(f"alerts that it would raise: {alerts or 'none'}")


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


async def _daemons_prices(config: Config) -> dict[str, Decimal]:
    """Those in force of the daemon of this very configuration; none where it does not run."""
    with suppress(NoAnswer, OSError, aiohttp.ClientError, TimeoutError, msgspec.MsgspecError):
        base = address_of(config)
        if await is_another(config, base):
            return {}
        seen = await ask_daemon(config, base)
        if not isinstance(seen, str):
            return {str(each["asset"]): Decimal(each["price"]) for each in seen.prices if each.get("price") is not None}
    return {}


async def _feeds_prices(config: Config, look: FirstLook) -> dict[str, Decimal]:
    """The first prices of the feeds, each in USD by the rules of the configuration."""
    latest = LatestPrices()
    desk = Desk(lambda: frozenset(look.needed))
    await asyncio.gather(*(_first_prices(part, desk, latest) for part in config.feeds))
    board = PriceBoard(msgspec.structs.replace(config.rules.trust, enabled=False))
    quotes, frames = latest.take()
    board.apply(quotes, SystemClock().utc(), frames)
    return dict(board.usd)


async def _first_prices(part: Part, desk: Desk, latest: LatestPrices) -> None:
    """What a feed gives within FEED_S. One that gives nothing is the doctor's matter."""
    feed = plugins.module("feeds", part.kind).build(part.name, part.config, SystemClock())
    if (attach := getattr(feed, "attach", None)) is not None:
        attach(desk)
    with suppress(TimeoutError):
        async with asyncio.timeout(FEED_S), aclosing(feed.quotes()) as quotes:
            async for batch in quotes:
                latest.put(batch)
