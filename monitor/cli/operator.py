"""The commands `ack`, `silence` and `price`: what an operator does at a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from monitor.cli import figures, lever_tables, output
from monitor.cli.daemon_at import daemon_at, zone_of
from monitor.cli.options import FINE, URL, WRONG, AsJson, ClientConfig, Flag, TokenFile
from monitor.cli.typed_figures import quantity
from monitor.client import DaemonClient, NoAnswer
from monitor.clock import SystemClock
from monitor.core.coins import typed
from monitor.core.portfolio.snapshot import LABEL_PREFIX
from monitor.core.schema import Invalid, instant, read
from monitor.core.text import stamp

_KEYS = ("type", "severity", "product", "group", "group_id")


def ack(
    alert: str,
    *,
    note: str | None = None,
    until: str | None = None,
    undo: Flag = False,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Acknowledges the stage that an alert told of: its reminders rest, until a time or for as long as the stage lasts.

    Parameters
    ----------
    alert: the alert's id (evt_...).
    note: for the colleagues.
    until: how long (2h, 30m) or until when (2026-01-05T10:00:00Z) reminders rest.
    undo: take an acknowledgement back.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/alerts/{id}/ack.
    """
    daemon = daemon_at(url, token_file, config)
    path = f"/v1/alerts/{quote(alert, safe='')}/ack"
    if undo:
        daemon.delete(path)
        output.say(f"{alert}: not acknowledged any more")
        return FINE
    body = {"note": note, "until": time_from_now(until)}
    answer = daemon.post(path, _stated(body))
    output.json(answer) if as_json else output.acknowledged(answer, zone_of(daemon))
    return FINE


def duty(*, url: str = URL, token_file: TokenFile = None, config: ClientConfig = None, as_json: AsJson = False) -> int:
    """Who is on duty now and next, and which critical alerts people are asked about.

    Parameters
    ----------
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answers of GET /v1/rota and /v1/escalations.
    """
    daemon = daemon_at(url, token_file, config)
    rotas, open_ones = daemon.get("/v1/rota")["items"], daemon.get("/v1/escalations")["items"]
    if as_json:
        output.json({"rota": rotas, "escalations": open_ones})
        return FINE
    zone = zone_of(daemon)
    for rota in rotas:
        now, following = rota["now"], rota["next"]
        ends = figures.until(now["until"], zone, "further notice")
        output.say(f"{rota['name']}: {now['person']} until {ends}")
        if following is not None:
            ends = figures.until(following["until"], zone, "further notice")
            output.say(f"  then {following['person']} until {ends}")
    if not rotas:
        output.say("no [[rota]] is configured")
    for one in open_ones:
        answered, asked = ", ".join(a["by"] for a in one["answers"]), ", ".join(one["asked"]) or "nobody yet"
        what = f"acknowledged by {answered}" if answered else f"step {one['step']}, asked: {asked}"
        output.say(f"{one['alert_type']} {one['subject']} ({one['alert']}): {what}")
    return FINE


def silence(
    *,
    match: Sequence[str] = (),
    until: str | None = None,
    reason: str | None = None,
    up_to: str | None = None,
    even_worse: Flag = False,
    preview: Flag = False,
    delete: str | None = None,
    emergency: str | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Hides alerts from the channels for a time, but nothing that gets worse than it is now. Alone it lists silences.

    Parameters
    ----------
    match: type=GLOB, severity=critical, product=vip_loan, group=GLOB, group_id=ID or label.NAME=GLOB; an
        alert must match them all. group= with the id of a group means that group alone, whatever signs the id has.
    until: how long (2h, 3d) or until when (2026-01-05T10:00:00Z); at most 30 days.
    reason: why, for the colleagues.
    up_to: the worst stage or severity that may be hidden, instead of what each group is in now.
    even_worse: hide everything that matches, however bad it gets.
    preview: say what it would hide, and make no silence.
    delete: end the silence of this id.
    emergency: why nobody else can be asked first, where another person must approve; it then ends after two hours.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of /v1/silences.
    """
    daemon = daemon_at(url, token_file, config)
    if delete is not None:
        daemon.delete(f"/v1/silences/{quote(delete, safe='')}")
        output.say(f"{delete}: ended; what it hid and is still bad is told now")
        return FINE
    if not match:
        items = _all(daemon)
        output.json(items) if as_json else output.silences(items, zone_of(daemon))
        return FINE
    if until is None or (reason is None and not preview):
        output.problems(["a silence states --until and --reason; a preview needs --until alone"])
        return WRONG
    body = {
        "match": _match(match),
        "until": time_from_now(until),
        "reason": reason or "a preview",
        "even_worse": even_worse,
    }
    body |= {"up_to": up_to} if up_to is not None else {}
    body |= {"emergency": emergency} if emergency is not None else {}
    answer = daemon.post("/v1/silences" + ("?preview=true" if preview else ""), body)
    if as_json:
        output.json(answer)
    else:
        _say_silence(answer, preview, zone_of(daemon))
    return FINE


def _say_silence(answer: dict[str, Any], is_preview: bool, zone: str | None) -> None:
    if is_preview:
        output.hidden(answer)
    elif "expires" in answer:
        lever_tables.pulled(answer, zone)
    else:
        output.silences([answer], zone)


def price(
    asset: str,
    *,
    believe: Flag = False,
    exclude: str | None = None,
    pin: str | None = None,
    release: Flag = False,
    until: str | None = None,
    reason: str | None = None,
    yes: Flag = False,
    preview: Flag = False,
    emergency: str | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Shows a price with all its sources; or decides about it, which everybody is told.

    Parameters
    ----------
    asset: the coin, such as BTC.
    believe: the price that waits to be confirmed is right; it is in force at once.
    exclude: a source that does not count for this coin until a time (a day if none is stated).
    pin: the price in USD until a time, whatever the sources say.
    release: end the pin and the exclusions of this coin; with --exclude only that exclusion.
    until: how long (2h, 3d) or until when (2026-01-05T10:00:00Z); at most 7 days.
    reason: why, for the colleagues.
    yes: the pin is meant, though it is ten times away from the last price or more.
    preview: say which groups a pin would move, and pin nothing.
    emergency: why nobody else can be asked first, where another person must approve a pin; it then ends after two hours.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of /v1/prices/{id}.
    """
    daemon, path = daemon_at(url, token_file, config), f"/v1/prices/{quote(typed(asset), safe='')}"
    if not (believe or release or exclude is not None or pin is not None):
        return _show_price(daemon, daemon.get(path), as_json)
    asked = [flag for flag, is_set in (("--believe", believe), ("--pin", pin is not None)) if is_set]
    asked += ["--release"] if release else ["--exclude"] if exclude is not None else []
    if len(asked) > 1:
        output.problems([f"found {' and '.join(asked)}; decide one thing at a time"])
        return WRONG
    if reason is None:
        output.problems(["a decision states --reason: everybody reads it beside the price"])
        return WRONG
    if release:
        source = "" if exclude is None else f"&source={quote(exclude, safe='')}"
        daemon.delete(f"{path}/decisions?reason={quote(reason, safe='')}{source}")
        return _show_price(daemon, daemon.get(path), as_json)
    if pin is not None and until is None:
        output.problems(["a pin states --until: how long (2h) or until when"])
        return WRONG
    body: dict[str, Any] = {"reason": reason, "exclude": exclude, "pin": _price(pin), "until": time_from_now(until)}
    body |= {"believe": _candidate(daemon.get(path))} if believe else {}
    body |= {"confirmed": True} if yes else {}
    body |= {"emergency": emergency} if emergency is not None and not preview else {}
    path += "/decisions" + ("?dry_run=true" if preview else "")
    return _show_price(daemon, daemon.post(path, _stated(body)), as_json)


def _price(pin: str | None) -> str | None:
    return None if pin is None else quantity("--pin", pin, "USD")


def _stated(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


def _show_price(daemon: DaemonClient, answer: dict[str, Any], as_json: bool) -> int:
    if as_json:
        output.json(answer)
        return FINE
    zone = zone_of(daemon)
    if "expires" in answer:
        lever_tables.pulled(answer, zone)
    else:
        lever_tables.preview(answer, zone) if "effects" in answer else output.price(answer, zone)
    return FINE


def _candidate(answer: dict[str, Any]) -> str:
    """The price that waits. Raises NoAnswer where none does."""
    if answer.get("candidate") is None:
        text = (
            f"no price of {answer['asset']} waits to be confirmed: it is {answer['trust']}; --pin or --exclude instead"
        )
        raise NoAnswer(text)
    return str(answer["candidate"])


def _all(daemon: DaemonClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after = ""
    while True:
        page = daemon.get(f"/v1/silences?limit=1000{after}")
        items += page["items"]
        if page["next"] is None:
            return items
        after = "&after=" + quote(page["next"], safe="")


def _match(pairs: Sequence[str]) -> dict[str, Any]:
    """What the pairs state. Raises NoAnswer for a text that is no pair."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, is_pair, value = pair.partition("=")
        if is_pair and value and key in _KEYS:
            found[key] = value
        elif is_pair and value and key.startswith(LABEL_PREFIX):
            found.setdefault("labels", {})[key.removeprefix(LABEL_PREFIX)] = value
        else:
            known = ", ".join(f"{k}=" for k in _KEYS)
            raise NoAnswer(f"--match: found {pair!r}, expected one of {known}, label.NAME=", is_wrong_use=True)
    return found


def time_of(text: str | None, flag: str) -> str | None:
    """A time that a text names, such as 2026-01-05T10:00:00Z. Raises NoAnswer."""
    try:
        return None if text is None else stamp(instant(text))
    except (Invalid, ValueError) as e:
        raise NoAnswer(f"{flag}: {e}, expected a time such as 2026-01-05T10:00:00Z", is_wrong_use=True) from None


def time_from_now(text: str | None, flag: str = "--until") -> str | None:
    """The time that a text names, or a duration from now. Raises NoAnswer."""
    if text is None:
        return None
    try:
        if re.match(r"\d+-", text):
            return stamp(instant(text))
        when: datetime = SystemClock().utc() + read(timedelta, text)
        return stamp(when)
    except (Invalid, ValueError) as e:
        raise NoAnswer(f"{flag}: {e}, or a time such as 2026-01-05T10:00:00Z", is_wrong_use=True) from None
