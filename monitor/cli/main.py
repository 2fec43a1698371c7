"""The commands. Tables for people, --json for programs; exit code 0 fine, 1 found trouble, 2 wrong use or configuration."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import quote

import msgspec
from cyclopts import App as Commands
from cyclopts import CycloptsError, Parameter

from monitor import config as configuration
from monitor import plugins, private_files, service_manager, telemetry, terminal
from monitor.cli import (
    audit,
    call_entries,
    calls,
    copies,
    delivery,
    explanation,
    importing,
    keys,
    levers,
    operator,
    output,
    portfolio,
    reloading,
    shards,
    stores,
    typed_figures,
)
from monitor.cli.daemon_at import daemon_at, zone_of
from monitor.cli.help_texts import explained
from monitor.cli.options import (
    CONFIG,
    FINE,
    TROUBLE,
    URL,
    WRONG,
    AsJson,
    ClientConfig,
    ConfigFile,
    Flag,
    TokenFile,
)
from monitor.cli.shipped import DEMONSTRATION, configuration_of, demonstration, init, version
from monitor.cli.wrong_use import wrong_use
from monitor.client import NoAnswer
from monitor.clock import SystemClock
from monitor.config import BadConfig, Config
from monitor.control_characters import visible
from monitor.core.rules.open_ladders import ended
from monitor.lease.fenced import fenced_by
from monitor.notifiers._base import DeliveryError, Notice, Notifier
from monitor.people import without_links
from monitor.quiet_times import run_out
from monitor.stores._base import StoreUnavailable
from monitor.web_table import told_by_puts

STOP_S = 9.0
"""A stop takes at most ten seconds, whatever hangs."""

commands = Commands(
    name="monitor",
    help="Real-time risk monitor for crypto-backed loans.",
    version=version,
    version_flags=["--version"],
    result_action="return_value",
    error_formatter=wrong_use,
    help_format="plaintext",
    default_parameter=Parameter(negative_iterable=(), show_default=lambda value: None if value in ((), "") else value),
)

for _command in (
    portfolio.stress,
    portfolio.exposure,
    calls.calls,
    calls.call,
    call_entries.announce,
    call_entries.dispute,
    call_entries.resolve,
    portfolio.report,
    operator.ack,
    operator.duty,
    operator.silence,
    operator.price,
    levers.extend,
    levers.waive,
    levers.override,
    levers.move,
    levers.levers,
    levers.proposals,
    levers.approve,
    levers.reject,
    delivery.channel,
    delivery.retry,
    keys.webhook_key,
    copies.backup,
    copies.restore,
    reloading.reload,
    shards.shards,
    init,
):
    commands.command(_command)
commands.command(audit.commands)
commands.command(stores.commands)
commands.command(importing.import_, name="import")


def main() -> NoReturn:
    """The entry point of the command `monitor`."""
    telemetry.configure("warning")  # to stderr: what a command prints is for programs too
    try:
        code = commands(sys.argv[1:], exit_on_error=False, print_error=True)
    except CycloptsError:
        code = WRONG
    except BadConfig as e:
        output.problems(e.problems)
        code = WRONG
    except NoAnswer as e:
        output.problems([str(e)])
        code = WRONG if e.is_wrong_use else TROUBLE
    except BrokenPipeError:
        code = FINE
    sys.exit(code if isinstance(code, int) else FINE)


@commands.command
def run(*, config: ConfigFile = CONFIG, log_json: bool = False, log_level: str = "info") -> NoReturn:
    """The daemon. SIGTERM stops it cleanly, SIGHUP reloads its configuration.

    Parameters
    ----------
    config: the configuration file (TOML).
    log_json: write logs as JSON lines.
    log_level: debug, info, warning or error.
    """
    _daemon(config, lambda: configuration_of(config), log_level, as_json=log_json)


@commands.command
def demo(*, port: int = 8080, log_json: bool = False, log_level: str = "info") -> NoReturn:
    """The demonstration: a real crash in two minutes, on a made-up book. It writes into ./var, and sends nothing away.

    Parameters
    ----------
    port: of the page and the API on this machine; 0 picks a free one.
    log_json: write logs as JSON lines.
    log_level: debug, info, warning or error.
    """
    _daemon(DEMONSTRATION, lambda: demonstration(port), log_level, as_json=log_json)


def _daemon(config: Path, load: Callable[[], Config], log_level: str, *, as_json: bool) -> NoReturn:
    terminal.never_block(telemetry.log_stood_still)
    telemetry.configure(log_level, as_json=as_json)
    code = TROUBLE
    try:
        code = _run_to_the_end(load())
    except BadConfig as e:
        output.problems(e.problems)
        code = WRONG
    except (StoreUnavailable, OSError) as e:
        is_taken = isinstance(e, OSError) and e.errno == errno.EADDRINUSE
        hint = "; stop what runs there, or choose another web.port (0 picks a free one)" if is_taken else ""
        output.problems([f"{config}: {e}{hint}"])
    except Exception as e:  # noqa: BLE001  whatever it is, the process must end with a traceback, and not wait for its threads
        if (fenced := fenced_by(e)) is not None:
            output.problems(
                [f"{config}: {fenced}; this daemon ends, and waits as the standby when it is started again"]
            )
        else:
            sys.stderr.write(visible(traceback.format_exc(), keeps_lines=True))
    terminal.leave(code)


def _run_to_the_end(config: Config) -> int:
    """Runs the daemon on a loop that is not closed: closing waits for threads, and one of them may hang for ever."""
    from monitor.names import Loop  # only the daemon needs uvloop, and it is not there on every system

    loop = Loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(_serve(config))


async def _serve(config: Config) -> int:
    from monitor.daemon.app import App  # imported late: `monitor --help` need not load the web and the stores

    clock = SystemClock()
    manager = service_manager.of_environment(clock)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    hangup = asyncio.Event()

    def stop() -> None:
        """What hangs at the stop is cut off: the store has all that was committed, as after a kill."""
        stopping.set()
        ending = threading.Timer(STOP_S, terminal.leave, [TROUBLE])
        ending.daemon = True
        ending.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    lead = None
    if config.head is not None:
        from monitor.daemon.heads import Lead

        lead = Lead(config, clock, manager)
        if not await lead.taken(stopping, output.waits(config)):
            return FINE
    app = App(config, clock, output.BookBars(clock.monotonic_s), manager, lead)
    await app.start()
    with contextlib.suppress(OSError):
        output.welcome(config, app.address)
    app.reload_when(hangup)
    running = asyncio.create_task(app.run())
    asked = asyncio.create_task(stopping.wait())
    parts = {running} if lead is None or lead.holding is None else {running, lead.holding}
    await asyncio.wait({*parts, asked}, return_when=asyncio.FIRST_COMPLETED)
    for part in parts:
        if part.done():
            part.result()  # Raises what broke: a process that goes on half alive would be silent.
    running.cancel()
    is_saved = await app.stop()
    if lead is not None:
        await lead.end()
    return FINE if is_saved else TROUBLE


@commands.command
def check_config(
    *,
    config: ConfigFile = CONFIG,
    against: Literal["running"] | None = None,
    skip_books: Flag = False,
    ask_feeds: Flag = False,
    url: str | None = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> int:
    """Checks a configuration and all that it names; names every problem, and says what a start would find in the books.

    Exit code 2 where there is a problem; the books that can be read are looked at all the same. Refused lines do not keep
    the daemon from starting: they leave the exit code at 0.

    Parameters
    ----------
    config: the configuration file (TOML).
    against: `running`: which groups its rules would move to another stage if the running daemon reloaded it now.
    skip_books: do not read the books: a large one takes as long as at a start.
    ask_feeds: connect to the feeds for the prices of now, where the daemon does not run.
    url: address of the running daemon; else that of the configuration.
    token_file: file with the token of an admin; else one of the configuration.
    as_json: what would change, or what a start would find, as JSON.
    """
    loaded, problems = _checked(config)
    if problems and (skip_books or against is not None):
        raise BadConfig(problems)
    output.problems(problems)
    if not (as_json or problems):
        output.config_is_fine(loaded)
    if against is None and skip_books:
        return FINE
    if against is None:
        from monitor.cli import first_look  # imported late: `monitor --help` need not load core

        look = first_look.of_config(loaded, ask_feeds=ask_feeds, problems=problems)
        output.json(look) if as_json else first_look.show(look)
        return WRONG if problems else FINE
    from monitor.cli.rules_preview import against_running  # imported late: `monitor --help` need not load the web

    return against_running(loaded, url, token_file, as_json=as_json)


@commands.command
def check_book(file: Path, *, config: ConfigFile = CONFIG, as_json: AsJson = False) -> int:
    """Reads a loan book as the daemon would, and says what is wrong with it: line, cell, value, and what mends it.

    Parameters
    ----------
    file: the book, JSON Lines: `monitor check-book config/book.jsonl`.
    config: the configuration file (TOML), by whose products the book is read.
    as_json: what was found as JSON.
    """
    from monitor.cli import first_look  # imported late: `monitor --help` need not load core

    look = first_look.of_file(configuration.load(config), file)
    if not as_json:
        return first_look.show_book(look)
    output.json(look)
    return first_look.code_of(look)


def _checked(config: Path) -> tuple[Config, list[str]]:
    """The configuration, with notes about it, and what is wrong with the files that it names. Raises BadConfig where there
    would be no start."""
    from monitor.daemon import wiring

    loaded, problems = None, []
    try:
        loaded = configuration.load(config)
        named, old_keys = loaded.named, loaded.old_keys
    except BadConfig as e:
        problems, named, old_keys = e.problems, e.named, e.old_keys
    output.old_keys(config, old_keys)
    notifiers, wrong = wiring.try_notifiers(config, named.notifiers)
    asyncio.run(_close(notifiers.values()))
    problems += wrong + wiring.unusable(config, named)
    problems += wiring.stated_audit_keys(loaded) if loaded is not None else []
    of_sources = wiring.absent_books(config, named) + wiring.stated_rates(named.rates)[1]
    if loaded is None:
        raise BadConfig(problems + of_sources)
    is_no_start = bool(problems)
    if of_sources and not is_no_start:
        output.notes(
            ["a start goes on without the files below, and says so: what they state is not watched until then"]
        )
    problems = BadConfig(problems + of_sources).problems  # without the passwords of addresses
    output.notes(list(ended(loaded.rules.products)))
    output.notes(
        wiring.weak(named) + wiring.incomplete_lines(named) + run_out(loaded.holidays, SystemClock().utc().date())
    )
    if loaded.web.public_url is not None and loaded.rules.duty.escalations:
        output.notes(without_links(loaded.contacts, {n.name: n.kind for n in named.notifiers}, loaded.routed))
    output.notes(told_by_puts(loaded.web.tokens))
    if is_no_start:
        raise BadConfig(problems)
    return loaded, problems


async def _close(notifiers: Iterable[Notifier]) -> None:
    for notifier in notifiers:
        await notifier.close()


@commands.command(name="replay")
def replay_(
    *,
    config: ConfigFile = CONFIG,
    tape: Path | None = None,
    book: Path | None = None,
    entries: Path | None = None,
    log: Path | None = None,
    trust: Flag = False,
    allow_unvalued: Flag = False,
    as_json: AsJson = False,
) -> int:
    """Runs a tape or a recorded event log through the same core in virtual time; sends nothing.

    Parameters
    ----------
    config: the configuration file (TOML), whose rules it uses.
    tape: past prices as CSV, plain or packed, in one of the forms of docs/replay.md.
    book: loan groups as JSON Lines.
    entries: book entries as JSON Lines, which apply at their times among the rows of the tape.
    log: a file of the recorded event log or the folder of them, instead of a tape and a book.
    trust: judge staleness and jumps as live; otherwise every price of a tape is good.
    allow_unvalued: exit 0 although a group that owes was never valued.
    as_json: one alert per line on stdout and nothing else.
    """
    loaded = configuration.load(config)
    of_tape = (tape, book, entries)
    if (tape is None or book is None) if log is None else any(p is not None for p in of_tape):
        output.problems(
            ["replay takes either --tape FILE and --book FILE, and --entries FILE if wanted, or --log FILE"]
        )
        return WRONG
    missing = [f"{p}: no such file" for p in of_tape if p is not None and not p.is_file()]
    missing += [f"{log}: no such file or folder"] if log is not None and not log.exists() else []
    if missing:
        output.problems(missing)
        return WRONG
    from monitor.cli import replay  # imported late: `monitor --help` need not load core

    if log is not None:
        return replay.of_log(log, as_json=as_json)
    assert tape is not None
    assert book is not None
    return replay.of_tape(loaded, tape, book, entries, trust=trust, as_json=as_json, allow_unvalued=allow_unvalued)


@commands.command
def export_tape(log: Path, *, out: Path) -> int:
    """Writes the prices of a recorded event log as a tape: the long CSV that `monitor replay --tape` reads.

    Parameters
    ----------
    log: a file of the recorded event log, or the folder of them.
    out: the tape, which it replaces.
    """
    if not log.exists():
        output.problems([f"{log}: no such file or folder"])
        return WRONG
    from monitor.cli import replay  # imported late: `monitor --help` need not load core

    return replay.export(log, out)


@commands.command
def explain(
    group: str, *, url: str = URL, token_file: TokenFile = None, config: ClientConfig = None, as_json: AsJson = False
) -> int:
    """Why a group's figure and stage are what they are, and what counts next: each asset, price, source, age, tier.

    Parameters
    ----------
    group: the group's id.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of GET /v1/groups/{id}.
    """
    daemon = daemon_at(url, token_file, config)
    answer = daemon.get(f"/v1/groups/{quote(group, safe='')}")
    output.json(answer) if as_json else explanation.explain(answer, zone_of(daemon))
    return FINE


@commands.command
def what_if(
    group: str,
    *,
    shock: Sequence[str] = (),
    repay: Sequence[str] = (),
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """LTV, stage and allowed actions after shocks, repayments, additions and withdrawals; changes nothing.

    Parameters
    ----------
    group: the group's id.
    shock: such as BTC=-20% or BTC=30000; may be given several times.
    repay: such as USDT=50000.
    add: such as ETH=10.
    remove: such as SOL=100.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/groups/{id}/what-if.
    """
    problems: list[str] = []
    stated = {"shock": shock, "repay": repay, "add": add, "remove": remove}
    body = {name: typed_figures.changes(f"--{name}", texts, problems) for name, texts in stated.items() if texts}
    if problems:
        output.problems(problems)
        return WRONG
    answer = daemon_at(url, token_file, config).post(f"/v1/groups/{quote(group, safe='')}/what-if", body)
    output.json(answer) if as_json else explanation.what_if(group, answer)
    return FINE


@commands.command
def send_test(notifier: str, *, config: ConfigFile = CONFIG, to: Sequence[str] = ()) -> int:
    """Sends a test notice through a channel, on the way that an alert takes.

    Parameters
    ----------
    notifier: name of a [[notifier]].
    config: the configuration file (TOML).
    to: addresses instead of the configured ones (e-mail, SMS).
    """
    from monitor.notifiers._sample import sample  # imported late: `monitor --help` need not load core
    from monitor.web.proxy import link_of

    telemetry.configure("warning")
    loaded = configuration.load(config)
    private_files.use(loaded.monitor.group)
    part = next((p for p in loaded.notifiers if p.name == notifier), None)
    if part is None:
        names = ", ".join(p.name for p in loaded.notifiers) or "none"
        output.problems([f"{config}: no notifier {notifier!r}; there are: {names}"])
        return WRONG
    try:
        channel = plugins.module("notifiers", part.kind).build(part.name, part.config)
        link = partial(link_of, loaded.web.public_url) if loaded.web.public_url else None
        notice = sample(loaded.monitor.name, loaded.rules.products, SystemClock().utc(), tuple(to), link)
        receipt = asyncio.run(_send_once(channel, notice))
    except (DeliveryError, ValueError) as e:
        output.problems([f"{notifier}: not delivered: {e}"])
        return TROUBLE
    output.say(f"{notifier} ({part.kind}): delivered. {receipt.detail}".rstrip())
    return FINE


async def _send_once(channel: Any, notice: Notice) -> Any:
    try:
        return await channel.send(notice)
    finally:
        await channel.close()


@commands.command
def kernels() -> int:
    """Compiles the engine's loops now, into $NUMBA_CACHE_DIR or beside the package; for an image, or after an install."""
    from monitor.cli.kernels import compile_all  # imported late: `monitor --help` need not load the engine

    return compile_all()


@commands.command
def doctor(*, config: ConfigFile = CONFIG, as_json: AsJson = False) -> int:
    """Checks store, disk, clock, feeds, channels and Redis settings; says what to mend.

    Parameters
    ----------
    config: the configuration file (TOML).
    as_json: the findings as JSON.
    """
    from monitor.cli.doctor import examine

    telemetry.configure("error")
    loaded = configuration.load(config)
    findings = asyncio.run(examine(loaded))
    if as_json:
        output.json([msgspec.to_builtins(f) for f in findings])
    else:
        output.findings(findings)
    return TROUBLE if any(f.status == "trouble" for f in findings) else FINE


explained(commands)
