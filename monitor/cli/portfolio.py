"""The commands about the whole book: stress, exposure, report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from monitor import config as configuration
from monitor.cli import output, portfolio_tables, typed_figures
from monitor.cli.daemon_at import daemon_at, zone_of
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
    asset_value,
)
from monitor.client import DaemonClient
from monitor.clock import SystemClock
from monitor.core.coins import typed
from monitor.core.portfolio.exposure import ASSET, PRODUCT
from monitor.core.portfolio.snapshot import LABEL_PREFIX

COIN = "coin"
"""The word of people for an asset; a label of this name is `label.coin`."""
PATIENCE_S = 120.0
"""A large matrix over a million groups takes 20 s."""


def stress(
    *,
    shock: Sequence[str] = (),
    scenario: str | None = None,
    x: str | None = None,
    y: str | None = None,
    reverse: str | None = None,
    of: Sequence[str] = (),
    limit: int = 100,
    csv: Path | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """The whole book under a shock: who goes where, sums, shortfall; a matrix of two shocks; the fall that a loss takes.

    Parameters
    ----------
    shock: such as BTC=-20% or BTC=30000; may be given several times.
    scenario: a scenario in the daemon's folder, such as 2021-05-19: each coin falls to its lowest price there.
    x: one side of a matrix, such as BTC=-10%,-20%,-30%.
    y: the other side, such as ETH=-10%,-20%,-30%.
    reverse: a share of the debt, such as 0.1: finds the smallest common fall that brings it to the liquidation line.
    of: a coin that falls with --reverse; may be given several times. Without any: all but those near a dollar.
    limit: groups to list of each stage.
    csv: a file for every group that changes its stage.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/stress.
    """
    problems: list[str] = []
    body: dict[str, Any] = {"limit": limit} if limit != 100 else {}
    if shock:
        body["shocks"] = typed_figures.changes("--shock", shock, problems)
    if scenario is not None:
        body["scenario"] = scenario
    if x is not None or y is not None:
        body["matrix"] = {"x": _axis("--x", x, problems), "y": _axis("--y", y, problems)}
    if reverse is not None:
        body["reverse"] = {"share": _share(reverse, problems), "assets": [typed(asset) for asset in of]}
    if problems:
        output.problems(problems)
        return WRONG
    daemon = daemon_at(url, token_file, config)
    if csv is not None:
        raw = daemon.post_for_bytes("/v1/stress?format=csv", body, PATIENCE_S)
        csv.write_bytes(raw)
        groups = max(raw.count(b"\n") - 1, 0)
        output.say(f"{csv}: {groups:,} {'group changes its' if groups == 1 else 'groups change their'} stage")
        return FINE
    answer = daemon.post("/v1/stress", body, PATIENCE_S)
    output.json(answer) if as_json else portfolio_tables.stress(answer, zone_of(daemon))
    return FINE


def _axis(flag: str, text: str | None, problems: list[str]) -> dict[str, Any]:
    if text is None:
        problems.append(f"{flag}: is missing; a matrix has two sides, such as --x BTC=-10%,-20% --y ETH=-10%,-20%")
        return {}
    asset, values = asset_value(flag, text, problems)
    shocks = [
        found
        for part in values.split(",")
        for found in typed_figures.changes(flag, [f"{asset}={part}"], problems).values()
    ]
    return {"asset": asset, "shocks": shocks}


def _share(text: str, problems: list[str]) -> str:
    try:
        return typed_figures.share_of(text)
    except typed_figures.NoFigure as e:
        problems.append(f"--reverse: found {text!r}: {e}")
        return text


def exposure(
    *,
    by: str = "product",
    limit: int = 50,
    after: str | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """The exposure of the book: sums and shares by borrower, product or coin, the largest first.

    Parameters
    ----------
    by: coin (or asset), product, or a label such as borrower or label.borrower.
    limit: rows, 1 to 1000.
    after: the `next` of the page before.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of GET /v1/exposure.
    """
    key = _key(by)
    asked = {"by": key, "limit": str(limit)} | ({"after": after} if after is not None else {})
    daemon = daemon_at(url, token_file, config)
    answer = daemon.get(f"/v1/exposure?{urlencode(asked)}", PATIENCE_S)
    if key not in (by, ASSET) and all(item["key"] is None for item in answer["items"]) and not _is_label(daemon, by):
        output.problems([f"--by: found {by!r}, expected asset, product, or a label that some group has"])
        return WRONG
    output.json(answer) if as_json else portfolio_tables.exposure(answer, zone_of(daemon))
    return FINE


def _key(by: str) -> str:
    """What exposures are summed by, as the API calls it: a word that is no key of its own is a label."""
    if by == COIN:
        return ASSET
    return by if by in (ASSET, PRODUCT) or by.startswith(LABEL_PREFIX) else f"{LABEL_PREFIX}{by}"


def _is_label(daemon: DaemonClient, name: str) -> bool:
    """A group has a label of this name, or there are too many groups to tell."""
    page = daemon.get("/v1/groups?limit=1000&sort=id")
    return page["next"] is not None or any(name in row["labels"] for row in page["items"])


def report(
    *,
    out: Path,
    config: ConfigFile = CONFIG,
    tape: Path | None = None,
    book: Path | None = None,
    trust: Flag = False,
    allow_unvalued: Flag = False,
    url: str | None = None,
    day: str | None = None,
    token_file: TokenFile = None,
) -> int:
    """Writes one self-contained HTML file about a replay, or about a day of a running daemon.

    Parameters
    ----------
    out: the file, which it replaces.
    config: the configuration file (TOML), whose rules a replay uses.
    tape: past prices as CSV, plain or packed, in one of the forms of docs/replay.md.
    book: loan groups as JSON Lines.
    trust: judge staleness and jumps as live; otherwise every price of a tape is good.
    allow_unvalued: exit 0 although a group that owes was never valued.
    url: address of the running daemon, instead of a tape and a book.
    day: the UTC day of the daemon's log, such as 2026-11-22; today without it.
    token_file: file with the token, where the daemon has tokens.
    """
    from monitor.cli.replay import opened
    from monitor.daemon import wiring
    from monitor.feeds._tapes.files import UnreadableTape
    from monitor.replay.run import without_trust
    from monitor.report import gather, page

    if (url is None) == (tape is None and book is None) or (url is None and (tape is None or book is None)):
        output.problems(["report takes either --tape FILE and --book FILE, or --url URL"])
        return WRONG
    try:
        if url is not None:
            with output.working(f"asking {url}"):
                found = gather.of_daemon(url, token_file, _day(day))
        else:
            assert tape is not None
            assert book is not None
            if missing := [f"{p}: no such file" for p in (tape, book) if not p.is_file()]:
                raise ValueError("\n".join(missing))
            loaded = configuration.load(config)
            rules = loaded.rules if trust else without_trust(loaded.rules)
            file = opened(tape, rules)
            played = gather.Played(rules, tape, book, wiring.rates_of(loaded), file)
            with output.counting(f"replaying {tape.name} twice", file.survey.rows) as advance:
                found = gather.of_replay(played, advance)
            output.notes(file.uncounted(rules.trust))
        out.write_text(page.render(found), "utf-8")
    except (gather.EmptyReport, UnreadableTape, ValueError) as e:
        output.problems(str(e).splitlines())
        return WRONG
    except OSError as e:
        output.problems([f"{out}: {e.strerror}"])
        return TROUBLE
    output.say(f"{out}: {len(found.alerts):,} alerts, {out.stat().st_size:,} bytes")
    return output.unvalued(found.unvalued, are_allowed=allow_unvalued)


def _day(text: str | None) -> date:
    """Raises ValueError."""
    if text is None:
        return SystemClock().utc().date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--day: found {text!r}, expected a day such as 2026-11-22") from None
