"""Reads the configuration from TOML into frozen structs and names all its problems at once (docs/configuration.md).

Paths of products, books and secrets are relative to the configuration's folder; `state_dir`, `store.path` and `file:`
targets to the working directory.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any

import msgspec

from monitor import contacts, plugins
from monitor.audit_keys import KEY_FILE
from monitor.channel_rules import KEYS, ChannelRules, Gathering, channel_problems, gathering_problems
from monitor.channel_rules import Wait as GroupWait
from monitor.coin_aliases import Aliases
from monitor.core.alerts.alert_type import CRITICAL
from monitor.core.alerts.matching import Match
from monitor.core.events.events import API
from monitor.core.rules.duty import Duty, Escalation, Rota
from monitor.core.rules.product import Product, override_problems
from monitor.core.rules.settings import ExposureRules, FourEyes, Fund, LenderRules, Rules, Trust
from monitor.core.rules.terms import LabelTerms
from monitor.core.schema import Invalid, Name, Pattern, Problem, read
from monitor.head_table import HeadTable, head_problem
from monitor.people import (
    Contacts,
    FourEyesTable,
    HeartbeatTable,
    Person,
    SmsReplies,
    contacts_of,
    four_eyes_misfits,
    misfits,
    owners_of,
)
from monitor.price_rules import trust_of
from monitor.quiet_times import Calendar, Holidays, QuietTimes, holidays_of, no_calendar, twice
from monitor.secret_files import with_credentials
from monitor.tables import AuditTable, EndpointsTable, EngineTable, LifecycleTable, MonitorTable, PricesTable
from monitor.telemetry import without_passwords
from monitor.text_files import read_text
from monitor.web_table import TokenConfig, UnsafeBind, WebConfig, check_bind


class Part(msgspec.Struct, frozen=True):
    """A plug-in of the configuration: its kind, its name, and its own Config."""

    kind: str
    name: str
    config: Any
    rules: ChannelRules = ChannelRules()
    names: Aliases = Aliases()
    """Of a book: its names of coins, and ours."""


_SHARED: Mapping[str, tuple[str, Any, tuple[str, ...]]] = {
    "notifiers": ("rules", ChannelRules, KEYS),
    "books": ("names", Aliases, ("aliases",)),
}
"""By family: the keys of a part that are none of its plug-in's, what they make, and the field of `Part` that takes it."""


class Route(msgspec.Struct, frozen=True):
    """[[route]]: the first match decides, unless it says `continue`."""

    to: tuple[str, ...]
    match: Match = Match()
    continue_: bool = msgspec.field(default=False, name="continue")
    group_by: tuple[str, ...] | None = None
    """Gathers notices for people into digests, one for each value of these; `[]` is one for all."""
    group_wait: GroupWait = timedelta(seconds=10)
    group_interval: GroupWait = timedelta(minutes=5)
    first: Annotated[int, range(0, 1001)] = 10
    """So many critical notices leave at once in each interval, the largest debt first."""
    quiet: QuietTimes | None = None
    """When notices of info and warning wait. Critical ones never do."""

    def __post_init__(self) -> None:
        if self.quiet is not None and self.match.severity == CRITICAL:
            raise ValueError("quiet: holds nothing, as the route takes critical alerts alone; leave it out")

    @property
    def gathering(self) -> Gathering | None:
        """How the route gathers; None where every notice goes by itself."""
        by = self.group_by
        return None if by is None else Gathering(by, self.group_wait, self.group_interval, self.first)


class Named(msgspec.Struct, frozen=True):
    """What a configuration names but does not hold: secrets, scenarios, tapes, books."""

    tokens: tuple[TokenConfig, ...] = ()
    books: tuple[Part, ...] = ()
    feeds: tuple[Part, ...] = ()
    notifiers: tuple[Part, ...] = ()
    rates: tuple[Part, ...] = ()
    host: str = "127.0.0.1"
    """That the web binds."""
    secrets: tuple[tuple[str, Path], ...] = ()
    """Of the sign-in: the place in the configuration, and the file."""


class Config(msgspec.Struct, frozen=True):
    """Everything that a configuration states."""

    path: Path
    monitor: MonitorTable
    store: Part
    keep: timedelta
    web: WebConfig
    rules: Rules
    books: tuple[Part, ...]
    feeds: tuple[Part, ...]
    notifiers: tuple[Part, ...]
    routes: tuple[Route, ...]
    rates: tuple[Part, ...] = ()
    old_keys: tuple[str, ...] = ()
    """A sentence about each key of the file that goes by another name now."""
    endpoints: EndpointsTable = EndpointsTable()
    contacts: Contacts = {}
    """How the people of the desk are reached."""
    heartbeat: HeartbeatTable | None = None
    sms_replies: SmsReplies | None = None
    holidays: Holidays = {}
    audit: AuditTable = AuditTable()
    engine: EngineTable = EngineTable()
    owners: Mapping[str, str] = {}
    """Whose a token is: the name of the person by that of the token."""
    head: HeadTable | None = None
    """Where two daemons take turns."""

    @property
    def instance(self) -> str:
        """Tells its daemon from every other: a digest of the machine and of where the file is."""
        return sha256(f"{gethostname()}|{os.path.abspath(self.path)}".encode()).hexdigest()[:16]

    @property
    def audit_key_file(self) -> Path:
        """Where the keys of the audit record are."""
        return self.audit.key_file or self.state_dir / KEY_FILE

    @property
    def routed(self) -> frozenset[str]:
        """The notifiers to which the desk's alerts go; without routes all of them."""
        names = {name for route in self.routes for name in route.to}
        return frozenset(names if self.routes else (part.name for part in self.notifiers))

    @property
    def named(self) -> Named:
        """What the daemon needs to start with this configuration."""
        return Named(
            self.web.tokens, self.books, self.feeds, self.notifiers, self.rates, self.web.host, self.web.secrets
        )

    @property
    def state_dir(self) -> Path:
        """The daemon's own folder, relative to the working directory."""
        return Path(self.monitor.state_dir)


class BadConfig(Exception):
    """The configuration cannot be used. `problems` are whole sentences with file, key path, found and expected.

    `named` is what could be read all the same, so that `check-config` can look for more problems; `old_keys` as in Config.
    """

    def __init__(self, problems: list[str], named: Named | None = None, old_keys: tuple[str, ...] = ()) -> None:
        self.problems = [without_passwords(problem) for problem in problems]
        super().__init__("\n".join(self.problems))
        self.named = named or Named()
        self.old_keys = old_keys


def _hushed(problems: Iterable[str], table: object) -> list[str]:
    """Problems without the passwords of the file's addresses: the text of a library may name a piece of one alone."""
    pieces = sorted(set(_pieces(table)), key=len, reverse=True)
    found = []
    for problem in problems:
        for piece in pieces:
            problem = problem.replace(piece, "***")
        found.append(problem)
    return found


def _pieces(value: object) -> Iterator[str]:
    """The passwords of all addresses in a table, whole and in pieces; the name of a user alone is no secret."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _pieces(each)
    elif isinstance(value, str) and "@" in value:
        _, is_address, rest = value.partition("://")
        _, _, password = rest.rpartition("@")[0].partition(":")
        if is_address and len(password) >= _SHORTEST_PIECE:
            yield from (piece for piece in (password, *re.split("[:/@]", password)) if len(piece) >= _SHORTEST_PIECE)


_SHORTEST_PIECE = 4
"""A shorter one would take away letters of other words."""
_TABLES = {"monitor", "store", "audit", "web", "prices", "lifecycle", "fund", "exposure", "endpoints", "lender"}
_TABLES |= {"engine", "person", "four_eyes", "rota", "escalation", "heartbeat", "sms_replies"}
_TABLES |= {"head", "product", "rates", "book", "feed", "notifier", "route", "calendar"}

_DEFAULTED: tuple[tuple[str, Any], ...] = (
    ("exposure", ExposureRules),
    ("lender", LenderRules),
    ("endpoints", EndpointsTable),
    ("audit", AuditTable),
    ("engine", EngineTable),
)
"""Tables that have a default for every key."""


def _defaulted(loader: _Loader, table: dict[str, Any]) -> list[Any]:
    return [loader.table(kind, table, name) or kind() for name, kind in _DEFAULTED]


def load(path: Path) -> Config:
    """Reads and checks a configuration and all that it names. Raises BadConfig with every problem that it can find."""
    return _Loader(path).load()


class _Loader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.parent
        self.problems: list[str] = []
        self.old_keys: list[str] = []

    def load(self) -> Config:
        table = self.toml(self.path)
        if table is None:
            raise BadConfig(self.problems)
        missing: list[tuple[str, str]] = []
        table = with_credentials(table, "", missing)
        self.note_all(missing)
        for key in table.keys() - _TABLES:
            self.note(key, "unknown table; known: " + ", ".join(sorted(_TABLES)))
        monitor = self.table(MonitorTable, table, "monitor")
        web = self.web(table)
        prices = self.table(PricesTable, table, "prices")
        lifecycle = self.table(LifecycleTable, table, "lifecycle")
        fund = self.table(Fund, table, "fund") if "fund" in table else None
        exposure, lender, endpoints, audit, engine = _defaulted(self, table)
        keep, store = self.store(table.get("store", {}))
        products = self.products(self.rows(table, "product"))
        rates = self.rates(self.rows(table, "rates"), self.rows(table, "product"))
        books = self.parts("books", self.rows(table, "book"), "book")
        feeds = self.parts("feeds", self.rows(table, "feed"), "feed")
        notifiers = self.notifiers(self.rows(table, "notifier"))
        calendars = self.calendars(table)
        routes = self.routes(self.rows(table, "route"), self.rows(table, "notifier"), calendars)
        tokens = web.tokens if web is not None else ()
        people, duty, four_eyes = self.duty(table, web)
        heartbeat = self.table(HeartbeatTable, table, "heartbeat") if "heartbeat" in table else None
        head = _head(self, table, store)
        replies = self.table(SmsReplies, table, "sms_replies") if "sms_replies" in table else None
        if replies is not None and web is not None and web.public_url is None:
            self.note("sms_replies", "needs web.public_url: the gateway signs the address that it asks")
        trust, unfit = (Trust(), []) if prices is None else trust_of(prices, feeds, table.get("prices", {}))
        self.note_all(unfit)
        files = {"book": books, "feed": feeds, "notifier": notifiers, "rates": rates, "token": tokens}
        self.note_all((*_names_the_store(store, files), *_unvalued(books, self.rows(table, "product"))))
        if self.problems or monitor is None or web is None or prices is None or lifecycle is None or store is None:
            named = Named(tokens, books, feeds, notifiers, rates, web.host if web else "127.0.0.1")
            raise BadConfig(_hushed(self.problems, table), named, tuple(self.old_keys))
        rules = Rules(
            monitor.name,
            products,
            lifecycle.settings,
            trust,
            fund,
            exposure,
            duty,
            lender=lender,
            books=_book_limits(books),
            four_eyes=four_eyes,
        )
        config = Config(self.path, monitor, store, keep, web, rules, books, feeds, notifiers, routes, rates)
        more = {
            "heartbeat": heartbeat,
            "sms_replies": replies,
            "holidays": holidays_of(calendars),
            "audit": audit,
            "engine": engine,
            "head": head,
        }
        more |= {"old_keys": tuple(self.old_keys), "endpoints": endpoints}
        return msgspec.structs.replace(config, contacts=contacts_of(people), owners=owners_of(people), **more)

    def duty(self, table: dict[str, Any], web: WebConfig | None) -> tuple[tuple[Person, ...], Duty, FourEyes]:
        """The people of the desk, who is on duty, who is asked, and what needs two of them."""
        people = tuple(self.each(Person, table, "person"))
        duty = Duty(tuple(self.each(Rota, table, "rota")), tuple(self.each(Escalation, table, "escalation")))
        notifiers = [str(row.get("name", _unnamed(str(row.get("kind")), row))) for row in self.rows(table, "notifier")]
        eyes = self.table(FourEyesTable, table, "four_eyes") or FourEyesTable()
        tokens, groups = (web.tokens, web.sign_in_groups) if web is not None else ((), ())
        unfit = misfits(people, duty.rotas, duty.escalations, notifiers)
        self.note_all((*unfit, *four_eyes_misfits(people, tokens, eyes, groups)))
        return people, duty, eyes.settings(people, tokens, groups)

    def each(self, cls: Any, table: dict[str, Any], name: str) -> list[Any]:
        """The rows of a table that can be read."""
        rows = enumerate(self.rows(table, name))
        return [found for i, row in rows if (found := self.read(cls, row, f"{name}[{i}]")) is not None]

    def note_all(self, problems: Iterable[tuple[str, str]]) -> None:
        self.wrong(self.path, [Problem(*problem) for problem in problems])

    def note(self, where: str, what: str) -> None:
        self.note_all([(where, what)])

    def wrong(self, file: Path, problems: list[Problem]) -> None:
        self.problems += [f"{file}: {p}" for p in problems]

    def toml(self, path: Path) -> dict[str, Any] | None:
        try:
            return tomllib.loads(read_text(path))
        except OSError as e:
            self.problems.append(f"{path}: cannot be read: {e.strerror}; check the path")
        except (
            ValueError,
            RecursionError,
        ) as e:  # no TOML, no UTF-8, a number of thousands of digits, or nested too deeply
            self.problems.append(f"{path}: is not TOML: {e}")
        return None

    def read(self, cls: Any, value: object, where: str) -> Any:
        try:
            return read(cls, value, where, self.folder, self.old_keys)
        except Invalid as e:
            self.wrong(self.path, e.problems)
            return None

    def table(self, cls: Any, table: dict[str, Any], name: str) -> Any:
        return self.read(cls, table.get(name, {}), name)

    def web(self, table: dict[str, Any]) -> Any:
        """An open address is a problem beside those of the table itself, so it is looked for in what the file states."""
        web = self.table(WebConfig, table, "web")
        stated = table.get("web")
        stated = stated if isinstance(stated, dict) else {}
        host, tokens = stated.get("host"), stated.get("tokens")
        try:
            check_bind(host if isinstance(host, str) else "localhost", tokens if isinstance(tokens, list) else ())
        except UnsafeBind as e:
            self.note("web.host", str(e))
        return web

    def rows(self, table: dict[str, Any], name: str) -> list[dict[str, Any]]:
        rows = table.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
            self.note(name, f"expected tables written as [[{name}]]")
            table[name] = []  # so that the next reader of it names no second problem
            return []
        return rows

    def store(self, stated: object) -> tuple[timedelta, Part | None]:
        if not isinstance(stated, dict):
            self.note("store", f"found {stated!r}, expected a table such as [store]")
            return timedelta(days=400), None
        table = {"kind": "sqlite", **stated}
        keep = self.read(timedelta, table.pop("keep", "400d"), "store.keep") or timedelta(days=400)
        return keep, self.part("stores", {"name": "store", **table}, "store")

    def part(self, family: str, table: dict[str, Any], where: str) -> Part | None:
        kind = table.get("kind")
        name = self.read(Name, table["name"], f"{where}.name") if "name" in table else _unnamed(str(kind), table)
        if not isinstance(kind, str):
            self.note(f"{where}.kind", "is missing; known: " + ", ".join(plugins.kinds(family)))
            return None
        try:
            module = plugins.module(family, kind)
        except plugins.UnknownKind as e:
            self.note(f"{where}.kind", str(e))
            return None
        field, of, own = _SHARED.get(family, ("rules", ChannelRules, ()))
        rest = {k: v for k, v in table.items() if k not in ("kind", "name", *own)}
        config = self.read(module.Config, rest, where)
        shared = self.read(of, {k: v for k, v in table.items() if k in own}, where)
        return None if name is None or config is None or shared is None else Part(kind, name, config, **{field: shared})

    def parts(self, family: str, rows: list[dict[str, Any]], table: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        for i, row in enumerate(rows):
            part = self.part(family, row, f"{table}[{i}]")
            if part is None:
                continue
            if any(part.name == other.name for other in parts):
                what = f"{part.name!r} stands twice; give each its own name"
                self.note(f"{table}[{i}].name", what)
            parts.append(part)
        return tuple(parts)

    def notifiers(self, rows: list[dict[str, Any]]) -> tuple[Part, ...]:
        """The channels. Each fallback names a notifier of the file."""
        parts = self.parts("notifiers", rows, "notifier")
        names = [str(row.get("name", _unnamed(str(row.get("kind")), row))) for row in rows]
        for part in parts:
            place = f"notifier[{names.index(part.name)}]" if part.name in names else f"notifier {part.name!r}"
            for key, what in channel_problems(part.name, part.rules, is_for_people(part.kind), names):
                self.note(f"{place}.{key}", what)
        return parts

    def rates(self, rows: list[dict[str, Any]], products: list[dict[str, Any]]) -> tuple[Part, ...]:
        """The sources of rates. Each names a product of the file, even one that has problems of its own."""
        names = [str(row.get("name", row.get("kind"))) for row in products]
        for i, row in enumerate(rows):
            product = row.get("product")
            if isinstance(product, str) and product not in names:
                what = f"found {product!r}, expected one of: {', '.join(names)}"
                self.note(f"rates[{i}].product", what)
            if row.get("name") == API:
                self.note(f"rates[{i}].name", f"{API!r} names the rates that come by API; choose another name")
        return self.parts("rates", rows, "rates")

    def products(self, rows: list[dict[str, Any]]) -> Mapping[str, Product]:
        products: dict[str, Product] = {}
        if not rows:
            self.note("product", 'is missing; add [[product]] with kind = "vip_loan" and its file')
        for i, row in enumerate(rows):
            entry = self.read(ProductTable, row, f"product[{i}]")
            if entry is None:
                continue
            try:
                module = plugins.module("products", entry.kind)
            except plugins.UnknownKind as e:
                self.note(f"product[{i}].kind", str(e))
                continue
            name = entry.name or entry.kind
            if name in products:
                key = "kind" if entry.name is None else "name"
                self.note(f"product[{i}].{key}", f"{name!r} stands twice; give each agreement a `name` of its own")
            product = _agreement(self, module, entry, name, f"product[{i}].override")
            if product is not None:
                products[name] = product
        return products

    def calendars(self, table: dict[str, Any]) -> list[Calendar]:
        """The calendars that quiet times may name."""
        calendars: list[Calendar] = self.each(Calendar, table, "calendar")
        for i, what in twice(calendars):
            self.note(f"calendar[{i}].name", what)
        return calendars

    def routes(
        self, rows: list[dict[str, Any]], notifiers: list[dict[str, Any]], calendars: Sequence[Calendar]
    ) -> tuple[Route, ...]:
        """The routes. Each names notifiers of the file, even ones that have problems of their own."""
        kinds = [(n.get("name", _unnamed(str(n.get("kind")), n)), n.get("kind")) for n in notifiers]
        routes = []
        for i, row in enumerate(rows):
            route = self.read(Route, row, f"route[{i}]")
            if route is not None:
                for what in (*_unknown(route, kinds), *contacts.without_receivers(route.to, kinds, notifiers)):
                    self.note(f"route[{i}].to", what)
                if route.gathering is not None:
                    for key, what in gathering_problems(route.gathering, _readers(route, kinds)):
                        self.note(f"route[{i}].{key}", what)
                if route.quiet is not None and (problem := no_calendar(route.quiet.calendar, calendars)):
                    self.note(f"route[{i}].quiet.calendar", problem)
                routes.append(route)
        return tuple(routes)


def _head(loader: _Loader, table: dict[str, Any], store: Part | None) -> HeadTable | None:
    """Of a daemon that is one of two, which must share a store."""
    head: HeadTable | None = loader.table(HeadTable, table, "head") if "head" in table else None
    if store is not None and (problem := head_problem(head, store.kind)):
        loader.note("head", problem)
    return head


def _agreement(loader: _Loader, module: Any, entry: ProductTable, name: str, where: str) -> Product | None:
    """An agreement of the file; None, and its problems noted, where its rules cannot be read."""
    table = loader.toml(entry.file)
    if table is None:
        return None
    try:
        product: Product = msgspec.structs.replace(module.load(table), name=name, overrides=entry.override)
    except Invalid as e:
        loader.wrong(entry.file, e.problems)
        return None
    loader.wrong(loader.path, list(override_problems(product, where)))
    return product


def _names_the_store(store: Part | None, families: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, str]]:
    """What names the store's file: when the daemon closes it there, SQLite's locks on it are gone."""
    own = getattr(store.config, "path", None) if store is not None else None
    for table, parts in families.items():
        for part in parts:
            config = getattr(part, "config", part)
            for key in config.__struct_fields__:
                value = getattr(config, key)
                if own is not None and isinstance(value, str | Path) and _is_file(value, own):
                    what = f"{key}: found {str(value)!r}, which is the store; name another file"
                    yield f"{table} {part.name!r}", what


def _unvalued(books: Sequence[Part], products: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Books whose groups no product of the file values, even one that has problems of its own."""
    names = [str(row.get("name", row.get("kind"))) for row in products]
    for book in books:
        for some in getattr(book.config, "values_by", ()):
            if not any(name in names for name in some):
                needed = " or ".join(map(repr, some))
                what = f"its groups are valued by product {needed}, which is not configured; add a [[product]] for it"
                yield f"book {book.name!r}", what


def _is_file(value: str | Path, path: str) -> bool:
    """A value of the configuration names this file, by whatever symbolic links."""
    name = str(value).removeprefix("file:")
    return "\0" not in name and os.path.realpath(name) == os.path.realpath(path)


def _book_limits(books: Sequence[Part]) -> dict[str, timedelta]:
    """How old each book may be: as the configuration states it, else as its kind reads it. Others may be of any age."""
    limits = {}
    for book in books:
        usual = getattr(plugins.module("books", book.kind), "stale_after", None)
        limit = getattr(book.config, "stale_after", None) or (usual(book.config) if usual is not None else None)
        if limit is not None:
            limits[book.name] = limit
    return limits


def _unknown(route: Route, notifiers: Sequence[tuple[object, object]]) -> list[str]:
    """The targets of a route that are no notifiers; `notifiers` are pairs of name and kind."""
    found = []
    names = [str(name) for name, _ in notifiers]
    for name in route.to:
        if name == "contacts" and not any(contacts.check_of(str(kind)) for _, kind in notifiers):
            known = " or ".join(contacts.kinds())
            found.append(f'"contacts" needs a notifier of kind {known} to reach the borrower through')
        elif name != "contacts" and name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
            found.append(f"no notifier {name!r}; {hint}")
    return found


def _readers(route: Route, notifiers: Sequence[tuple[object, object]]) -> dict[str, bool]:
    """The targets of a route: whether people read what comes there. Contacts are people."""
    kinds = {str(name): str(kind) for name, kind in notifiers}
    return {name: name == "contacts" or is_for_people(kinds.get(name, "")) for name in route.to}


def is_for_people(kind: str) -> bool:
    """Whether people read what a kind of notifier sends, so that a digest helps; programs want each notice by itself."""
    return _says(kind, "FOR_PEOPLE")


def keeps_open(kind: str) -> bool:
    """Whether the other side of a kind of notifier keeps something open until it hears of the end, which wakes nobody."""
    return _says(kind, "KEEPS_OPEN")


@cache
def _says(kind: str, what: str) -> bool:
    try:
        return bool(getattr(plugins.module("notifiers", kind), what, False))
    except (plugins.UnknownKind, ImportError):  # the libraries of an optional kind may be absent
        return False


def _unnamed(kind: str, table: Mapping[str, Any]) -> str:
    """The name of a part that states none. A book keeps its groups for good, so its place in the list must not count."""
    path = table.get("path")
    return f"{kind}:{path}" if isinstance(path, str) else kind.replace("_", "-")


class ProductTable(msgspec.Struct, frozen=True):
    """[[product]]"""

    kind: str
    file: Path
    name: (
        Annotated[str, Pattern(r"[a-z0-9][a-z0-9_-]{0,63}", "at most 64 lower-case letters, digits, _ and -")] | None
    ) = None
    """What groups call the agreement; its kind where it has no name."""
    override: tuple[LabelTerms, ...] = ()
