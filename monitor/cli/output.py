"""What the commands show to people: tables, timelines, the first lines of the daemon."""

from __future__ import annotations

import gzip
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from rich.console import Console, ConsoleOptions
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.text import Text

from monitor.cli import figures
from monitor.cli.figures import worded
from monitor.cli.options import FINE, TROUBLE
from monitor.cli.tables import figure, table_of
from monitor.config import Config
from monitor.control_characters import visible
from monitor.core.alerts.alert_type import COLOUR
from monitor.core.rules.product import Product
from monitor.core.text import stamp
from monitor.notifiers._base import moment, value_of
from monitor.telemetry import log, without_passwords

WIDE = 160
"""Columns of a pipe, which has no width of its own: a table there must not cut a figure."""
SAY_S = 2.0
"""Progress shows after this long, and the log gets at most one line in this time."""
NAMED = 20
"""So many refusals of a replay are named."""


_BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|USD\b)")
_JOINED = "\ue000"
"""Stands for a blank at which no line ends: rich breaks lines at the blanks that Unicode has for this, too."""


class SafeConsole(Console):
    """A console that shows a control character of a text as an escape, whoever wrote it: a loan book, a venue, a person."""

    def print(self, *objects: Any, soft_wrap: bool | None = None, **how: Any) -> None:
        """On a terminal every line is broken between words, as it would break inside them; a program gets it whole."""
        super().print(*objects, soft_wrap=soft_wrap and not self.is_terminal, **how)

    def render_str(self, text: str, **how: Any) -> Text:
        """Every text on its way to the terminal; its lines are our own, and none ends between a figure and its unit."""
        return super().render_str(_BEFORE_UNIT.sub(_JOINED, visible(text, keeps_lines=True)), **how)

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The same with its lines broken: only now the blank before a unit is one."""
        for segment in super().render(renderable, options):
            yield segment._replace(text=segment.text.replace(_JOINED, " "))


def shown(text: object) -> str:
    """A text that others wrote, for a line of ours: it is no markup and no line of its own."""
    return escape(visible(str(text)))


out = SafeConsole(highlight=False, width=None if sys.stdout.isatty() else WIDE)
err = SafeConsole(stderr=True, highlight=False)


def problems(lines: Sequence[str]) -> None:
    """Each problem on its own line, on stderr."""
    for line in lines:
        err.print(f"[red]error:[/] {shown(without_passwords(line))}", soft_wrap=True)


def notes(lines: Sequence[str]) -> None:
    """What a person should know, each on its own line, on stderr."""
    for line in lines:
        err.print(f"[yellow]note:[/] {shown(line)}", soft_wrap=True)


def unvalued(lines: Sequence[str], *, are_allowed: bool) -> int:
    """Groups that owe and were never valued, on stderr; gives the exit code of a replay."""
    notes(lines) if are_allowed else problems(lines)
    return TROUBLE if lines and not are_allowed else FINE


def old_keys(path: Path, lines: Sequence[str]) -> None:
    """Keys of a configuration that go by another name now, on stderr."""
    notes([f"{path}: {line}" for line in lines])


def say(line: str) -> None:
    """A plain sentence."""
    out.print(shown(line), soft_wrap=True)


def json(value: object) -> None:
    """One line of JSON for programs."""
    text = msgspec.json.encode(value).decode()
    # Those below a blank are escapes already. The same escapes for the others say the same to every program.
    sys.stdout.write(re.sub(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]", lambda c: f"\\u{ord(c[0]):04x}", text) + "\n")


def welcome(config: Config, address: tuple[str, int]) -> None:
    """The first lines of the daemon: where its page and API are, and where what it sends can be read."""
    host, port = address
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    rows = [
        ("page", f"{base}/"),
        ("API", f"{base}/v1/groups"),
        ("inbox", f"{base}/v1/alerts   live: {base}/v1/stream   ready: {base}/readyz"),
    ]
    rows += [(part.name, f"{part.kind} {target(part.config)}".rstrip()) for part in config.notifiers]
    rows += [
        ("books", ", ".join(p.name for p in config.books) or "by API"),
        ("feeds", ", ".join(f"{p.name} ({p.kind})" for p in config.feeds) or "none"),
        ("store", str(getattr(config.store.config, "path", config.store.kind))),
    ]
    print(f"monitor {config.monitor.name} is running; stop it with Ctrl-C")
    for name, text in rows:
        print(f"  {name:<12} {visible(text)}")
    sys.stdout.flush()


def waits(config: Config) -> Callable[[tuple[str, int]], None]:
    """The first line of a daemon that waits, once it has its port."""

    def say_so(address: tuple[str, int]) -> None:
        host, port = address
        shown_host = f"[{host}]" if ":" in host else host
        with suppress(OSError):
            print(f"monitor {config.monitor.name} waits as the standby; ready: http://{shown_host}:{port}/readyz")
            sys.stdout.flush()

    return say_so


def target(config: Any) -> str:
    """Where to read a channel on this machine; of any other its host, never a secret."""
    if found := str(getattr(config, "place", "")):
        return f"-> {found.split('://', 1)[-1]}"
    place = str(getattr(config, "smtp", None) or getattr(config, "file", None) or "")
    if place.startswith("file:"):
        return f"-> {Path(place.removeprefix('file:')).absolute()}/"
    if place.startswith("smtp"):
        return f"-> {place.rpartition('@')[2]}"
    if place:
        return f"-> {Path(place).absolute()}"
    url = str(getattr(config, "url", ""))
    return f"-> {url.split('://', 1)[-1].split('/', 1)[0].rpartition('@')[2]}" if url else ""


def config_is_fine(config: Config) -> None:
    """What a configuration amounts to."""
    kinds = [
        ("products", [_agreement(p) for p in config.rules.products.values()]),
        ("rates", [p.name for p in config.rates]),
        ("books", [p.name for p in config.books]),
        ("feeds", [f"{p.name} ({p.kind})" for p in config.feeds]),
        ("notifiers", [f"{p.name} ({p.kind})" for p in config.notifiers]),
        ("routes", [" ".join(r.to) or "nowhere" for r in config.routes]),
    ]
    say(f"{config.path}: fine")
    for name, items in kinds:
        say(f"  {name:<10} {', '.join(items) or '-'}")
    for i, route in enumerate(config.routes):
        if route.quiet is not None:
            say(f"  quiet      route[{i}] to {' '.join(route.to)}: {route.quiet}")


def count_lines(path: Path) -> int | None:
    """Lines of a file, for a progress bar; None where it cannot be read."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    except OSError:
        return None


class Refusals:
    """What a replay refused: the first ones, and how many there were. A tape may have millions."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.count = 0

    def take(self, refusal: object) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append(str(refusal))


class ReplayProgress:
    """Alerts of a replay as they come on stdout, and a progress bar on stderr."""

    def __init__(self, title: str, total: int | None, *, as_json: bool) -> None:
        self.as_json = as_json
        self.counts: Counter[str] = Counter()
        self.events = 0
        self.last: datetime | None = None
        self._progress = _rounds_bar(title)
        self._task = self._progress.add_task("replay", total=total)

    def __enter__(self) -> ReplayProgress:
        if err.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        if err.is_terminal:
            self._progress.stop()

    def step(self, at: datetime) -> None:
        """One event was handled."""
        self.events += 1
        self.last = at
        if self.events % 200 == 0:
            self._progress.update(self._task, completed=self.events)

    def alert(self, item: dict[str, Any]) -> None:
        """One alert, as the object of docs/alerts.md."""
        self.counts[item["type"]] += 1
        if self.as_json:
            json(item)
            return
        body = item["data"]
        subject = body["group"]["id"] if "group" in body else body["subject"]
        figure = value_of(body) or ""
        more = [worded(body["reason"])] if item["type"].endswith("triggered") else []
        more += [f"until {moment(body['deadline'])}"] if body.get("deadline") else []
        more += ["blind"] if body["blind"] else []
        colour = COLOUR[body["severity"]]
        kind = item["type"].removeprefix("loan_group.")
        out.print(
            f"{item['timestamp'][:19]}Z  [{colour}]{kind:<28}[/] {shown(subject):<20} {figure:<11} {shown(', '.join(more))}",
            soft_wrap=True,
        )

    def summary(self, refused: Refusals) -> None:
        """Counts by type on stdout, refused prices on stderr; with --json only the latter."""
        for line in refused.first:
            err.print(f"[yellow]refused:[/] {shown(line)}", soft_wrap=True)
        if refused.count > len(refused.first):
            err.print(f"[yellow]refused:[/] {refused.count - len(refused.first)} more")
        if self.as_json:
            return
        until = stamp(self.last) if self.last else "-"
        out.print(f"\n{self.events:,} events until {until}, {self.counts.total():,} alerts")
        for kind, count in sorted(self.counts.items()):
            out.print(f"  {count:>7,}  {kind}")


def _rounds_bar(title: str) -> Progress:
    columns = (TextColumn(shown(title)), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True)


class BookBars:
    """How far a long reading of a book is: a bar on a terminal, elsewhere a line of the log every two seconds."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._said_s: dict[str, float] = {}
        self._bars: dict[str, TaskID] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=err, transient=True)

    def step(self, book: str, done_bytes: int, total_bytes: int) -> None:
        """The daemon has read `done_bytes` of a book."""
        now_s = self._now_s()
        if done_bytes >= total_bytes:
            self.end(book)
        elif now_s - self._said_s.setdefault(book, now_s) >= SAY_S:
            if err.is_terminal:
                self._draw(book, done_bytes, total_bytes)
            else:
                self._said_s[book] = now_s
                share = f"{100 * done_bytes // total_bytes} %"
                log.info("reading a book", book=book, read=share, of_mb=total_bytes >> 20)

    def end(self, book: str) -> None:
        """The book is read, or its reading was given up."""
        self._said_s.pop(book, None)
        if (bar := self._bars.pop(book, None)) is not None:
            self._progress.remove_task(bar)
            if not self._bars:
                self._progress.stop()

    def _draw(self, book: str, done_bytes: int, total_bytes: int) -> None:
        if book not in self._bars:
            self._bars[book] = self._progress.add_task(shown(book))
            self._progress.start()
        self._progress.update(self._bars[book], completed=done_bytes, total=total_bytes)


def price(answer: dict[str, Any], zone: str | None = None) -> None:
    """One price: what is in force, why, what each source says, and what operators have decided. `zone` is the desk's."""
    trust = f"[{'green' if answer['trust'] == 'good' else 'bold yellow'}]{answer['trust']}[/]"
    out.print(f"[bold]{shown(answer['asset'])}[/] {figure(answer['price'], 'no price')} USD  {trust}", soft_wrap=True)
    if answer.get("reason"):
        say(answer["reason"])
    if answer.get("candidate") is not None:
        since = figures.until(answer["candidate_since"], zone)
        say(f"{figure(answer['candidate'])} waits to be confirmed since {since}; --believe puts it in force")
    exchange, receipt, change = (figures.seconds(answer[f"{name}_age_s"]) for name in ("exchange", "receipt", "change"))
    say(f"exchange's age {exchange}, received {receipt} ago, changed {change} ago")
    table = table_of("source", "price", "quote", "state", "exchange's age", "received", "changed", "why")
    for s in answer.get("sources") or []:
        ages = (figures.seconds(s[f"{of}_age_s"]) for of in ("exchange", "receipt", "change"))
        table.add_row(s["source"], figure(s["price"]), s["quote"], s["state"], *ages, s["reason"] or "")
    if table.rows:
        out.print(table)
    for d in answer.get("decisions") or []:
        what = f"pinned at {figure(d['price'])} USD" if d["act"] == "pin" else f"{d['source']} is left out"
        say(f"{what} until {figures.until(d['until'], zone)} by {d['by']}: {d['reason']}")


def acknowledged(answer: dict[str, Any], zone: str | None = None) -> None:
    """Whose hands a group is in, and until when. `zone` is the desk's."""
    ack = answer["acknowledged"]
    until = f"until {figures.until(ack['until'], zone)}" if ack["until"] else "as long as its stage lasts"
    note = f": {ack['note']}" if ack["note"] else ""
    out.print(
        f"[bold]{shown(answer['group'])}[/] is in hand of {shown(ack['by'])} {until}{shown(note)}", soft_wrap=True
    )


def silences(items: Sequence[dict[str, Any]], zone: str | None = None) -> None:
    """Silences in force. `zone` is the desk's."""
    if not items:
        out.print("nothing is silenced")
        return
    table = table_of("silence", "match", "until", "hides at worst", "by", "reason")
    for item in items:
        worst = "everything" if item["even_worse"] else worded(item["up_to"] or "the stage of each group then")
        row = (
            item["id"],
            _matched(item["match"]),
            figures.until(item["until"], zone),
            worst,
            item["by"],
            item["reason"],
        )
        table.add_row(*(shown(str(cell)) for cell in row))
    out.print(table)


def channels(items: Sequence[dict[str, Any]], zone: str | None = None) -> None:
    """How each channel does. `zone` is the desk's."""
    table = table_of("channel", "kind", "state", "waiting", "held", "fallback", "last failure")
    for item in items:
        off = f"off since {figures.until(item['off_at'], zone)}: {item['off_reason']}" if item["off_at"] else ""
        state = off or ("fails, probed" if item["breaker"] == "open" else "on")
        held = item["held"] or ""
        row = (
            item["name"],
            item["kind"],
            state,
            item["queued"],
            held,
            item["fallback"] or "",
            item["last_failure"] or "",
        )
        table.add_row(*(shown(str(cell)) for cell in row))
    out.print(table)


def hidden(answer: dict[str, Any]) -> None:
    """What a silence would hide."""
    groups, alerts = answer["groups"], answer["alerts"]
    at_least = "" if groups["whole"] else "at least "
    out.print(f"groups in a bad stage that match: {at_least}[bold]{groups['count']}[/]")
    if groups["items"]:
        table = table_of("group", "product", "stage", "hidden up to")
        for item in groups["items"]:
            table.add_row(shown(item["id"]), item["product"], worded(item["stage"]), worded(item["up_to"]))
        out.print(table)
    at_least = "" if alerts["whole"] else "at least "
    out.print(
        f"alerts of the last 24 hours: {at_least}[bold]{alerts['hidden']}[/] would have been hidden, "
        f"{alerts['told']} that match would have been told all the same"
    )
    for kind, count in sorted(alerts["types"].items()):
        out.print(f"  {count:>7,}  {kind}")


def _matched(match: dict[str, Any]) -> str:
    stated = {key: value for key, value in match.items() if key != "labels"}
    stated |= {f"label.{key}": value for key, value in match.get("labels", {}).items()}
    return " ".join(f"{key}={value}" for key, value in stated.items())


def findings(rows: Sequence[Any]) -> None:
    """What doctor found: each part, how it is, and what to mend."""
    colours = {"fine": "green", "trouble": "bold red", "note": "yellow"}
    for row in rows:
        out.print(f"[{colours[row.status]}]{row.status:<8}[/] {shown(row.part):<24} {shown(row.text)}", soft_wrap=True)


def working(title: str) -> AbstractContextManager[object]:
    """A moving sign on stderr beside long work whose end is not known."""
    return err.status(shown(title))


@contextmanager
def counting(title: str, rounds: int | None) -> Iterator[Callable[[], None]]:
    """A bar on stderr for work of two passes, each of `rounds` rounds; gives the function to call after each round."""
    bar = _rounds_bar(title)
    task = bar.add_task("rounds", total=None if rounds is None else 2 * rounds)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done % 200 == 0:
            bar.update(task, completed=done)

    if err.is_terminal:
        bar.start()
    try:
        yield advance
    finally:
        bar.stop()


def _agreement(product: Product) -> str:
    """An agreement as `check-config` names it."""
    kind = "" if product.name == product.kind else f"{product.kind}, "
    overrides = f", {len(product.overrides)} overrides" if product.overrides else ""
    return f"{product.name} ({kind}{len(product.versions)} versions{overrides})"


@contextmanager
def sending(title: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while a file is sent, which moves on while the daemon reads it; gives the function to call with the
    bytes that were sent."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[of]}"), TimeElapsedColumn())
    bar = Progress(*columns, console=err, transient=True)
    task = bar.add_task(f"sending {shown(title)}", total=total_bytes, of=f"{total_bytes / 1e6:.1f} MB")

    def advance(done_bytes: int) -> None:
        if done_bytes < total_bytes:
            bar.update(task, completed=done_bytes)
        else:
            bar.update(task, total=None, description=f"the monitor reads {shown(title)}", of="")

    if err.is_terminal:
        bar.start()
    try:
        yield advance
    finally:
        bar.stop()
