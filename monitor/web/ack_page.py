"""The page behind the link of a notice, and replies by SMS: people acknowledge without signing in.

Mail scanners follow links, so only the button's POST acknowledges. The page shows the one alert that the link is for.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import NamedTuple

from aiohttp import web

from monitor.ack_links import PATH
from monitor.core.alerts.alert import Alert, Figures
from monitor.core.alerts.catalogue import ASKS
from monitor.core.alerts.silences import TakeInHand
from monitor.core.alerts.titles import title_of
from monitor.core.groups.watcher_states import OpenEscalation
from monitor.core.money import ZERO, plain
from monitor.core.valuation.shown_figures import shown_figure
from monitor.core.valuation.valuation import Weight
from monitor.notifiers._base import moment, one_line, percent, usd
from monitor.web.guessing import Failures
from monitor.web.http import READ_TIMEOUT_S, Rejected, unreadable
from monitor.web.proxy import client_of
from monitor.web.site import Site

SMS_PATH = "/v1/hooks/sms"
PATHS = frozenset({PATH + "{token}", SMS_PATH})
"""What is served here, and is no part of the API's contract."""
HEADERS = web.RequestKey("headers", dict[str, str])
"""Set on requests whose answer needs other headers than an answer of the API."""
MOST_SEEN = 10_000
"""Messages remembered, so that one that is sent again does nothing: a week of a busy desk."""
MOST_FORM_BYTES = 64_000

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:34em;margin:2em auto;padding:0 1em;color:#111}"
    "button{font-size:1.2em;padding:.6em 1.2em}dt{color:#555}dd{margin:0 0 .6em}h1{font-size:1.3em}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # Not no-referrer: then browsers would send `Origin: null` with the form. The path holds the token and is never sent.
    "Referrer-Policy": "strict-origin",
    "X-Robots-Tag": "noindex",
}


class _Asked(NamedTuple):
    """What a link is for."""

    step: Alert
    person: str
    state: OpenEscalation | None
    """The escalation, while this step is its last one."""


def _is_left_to_the_last(state: OpenEscalation) -> bool:
    """No step follows, and nobody has answered: after an outage the last step may be over before its notice is read."""
    return state.due is None and not state.answers


class AckPage:
    """Serves the links and takes replies."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._failures = Failures(site.daemon.clock)

    def add(self, app: web.Application) -> None:
        """Both need no token: a link and the signature of a gateway speak for themselves."""
        app.router.add_get(PATH + "{token}", self._show)
        app.router.add_post(PATH + "{token}", self._take)
        app.router.add_post(SMS_PATH, self._reply)

    # -- the link --

    async def _show(self, request: web.Request) -> web.Response:
        request[HEADERS] = _PAGE_HEADERS
        asked = await self._asked(request.match_info["token"])
        if asked is None:
            return _page(404, "This link is not known", "", None)
        return self._page_of(asked)

    async def _take(self, request: web.Request) -> web.Response:
        request[HEADERS] = _PAGE_HEADERS
        asked = await self._asked(request.match_info["token"])
        if asked is None:
            return _page(404, "This link is not known", "", None)
        if asked.state is None or self._is_late(asked):
            return self._page_of(asked)
        refused = await self._take_in_hand(asked.step, asked.person, "by the link of a notice")
        if refused is not None:
            return _page(409, "Not acknowledged", refused, asked.step, self._zone)
        words = f"Acknowledged by {asked.person}. You may close this page."
        return _page(200, "You have it in hand", words, asked.step, self._zone)

    @property
    def _zone(self) -> str | None:
        return self._site.daemon.zone()

    async def _asked(self, token: str) -> _Asked | None:
        links = self._site.daemon.links
        found = links.read(token) if links is not None else None
        if found is None:
            return None
        logged = await self._site.daemon.store.alert(found[0])
        if logged is None or logged.alert.type not in ASKS or found[1] not in logged.alert.facts.get("people", ()):
            return None
        state = next((e for e in self._site.daemon.view.escalations if e.last == found[0]), None)
        return _Asked(logged.alert, found[1], state)

    def _is_late(self, asked: _Asked) -> bool:
        """The time of the step is over. The last people may answer for as long as nobody else is asked."""
        if asked.state is not None and _is_left_to_the_last(asked.state):
            return False
        return self._site.daemon.clock.utc() >= datetime.fromisoformat(asked.step.facts["expires"])

    def _page_of(self, asked: _Asked) -> web.Response:
        state, step = asked.state, asked.step
        if state is not None and state.answers and (state.due is None or asked.person in {a.by for a in state.answers}):
            who = ", ".join(a.by for a in state.answers)
            return _page(200, "Somebody has it in hand", f"Acknowledged by {who}.", step, self._zone)
        if state is None or self._is_late(asked):
            words = "A newer notice was sent, somebody acknowledged, or what it told of is over. Nothing was changed."
            return _page(410, "This link counts no longer", words, step, self._zone)
        words = f"You are asked as {asked.person}. The link counts until {moment(step.facts['expires'], self._zone)}."
        return _page(200, "Nobody has acknowledged this yet", words, step, self._zone, has_button=True)

    async def _take_in_hand(self, step: Alert, person: str, note: str) -> str | None:
        """Acknowledges; returns why not."""
        acted = await self._site.daemon.inbox.act(TakeInHand(step.id, note), person, step.subject)
        return None if acted.refused is None else str(acted.refused)

    # -- replies by SMS --

    async def _reply(self, request: web.Request) -> web.Response:
        """A text that somebody sent back, as the gateway hands it over. Raises Rejected where it is not the gateway."""
        request[HEADERS] = {}
        secret, url = self._site.sms_secret, self._site.public_url
        if not secret or url is None:
            raise Rejected("not-found", "replies by SMS are not configured; see [sms_replies]")
        form = await _form(request)
        signed = sms_signature(secret, url.rstrip("/") + SMS_PATH, form)
        given = request.headers.get("X-Twilio-Signature", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(signed.encode(), given):
            self._failures.count(client_of(request, self._site.trusted_proxies))
            raise Rejected("forbidden", "the signature of the gateway is missing or wrong")
        message = form.get("MessageSid", "")
        if message in self._seen:
            return _said("")
        words = await self._answer_to(form.get("From", ""), form.get("Body", ""))
        if message:
            self._seen[message] = None
            if len(self._seen) > MOST_SEEN:
                self._seen.popitem(last=False)
        return _said(words)

    async def _answer_to(self, sender: str, body: str) -> str:
        """Acknowledges what the text names, or the one thing that its sender is asked about; returns the words for it."""
        contacts = self._site.daemon.contacts()
        people = {p for p, by in contacts.items() if sender and sender in by.values()}
        now, links = self._site.daemon.clock.utc(), self._site.daemon.links
        words = body.upper().split()
        steps: list[tuple[str, str, OpenEscalation]] = [
            (e.last, p, e)
            for e in self._site.daemon.view.escalations
            for p in e.last_people
            if p in people and e.last is not None and (_is_left_to_the_last(e) or (e.due is not None and e.due > now))
        ]
        assert links is not None
        named = [each for each in steps if links.code(each[0], each[1]) in words]
        plain = steps if len(steps) == 1 and words[:1] in (["OK"], ["ACK"], ["YES"]) and len(words) == 1 else []
        for step, person, _ in (named or plain)[:1]:
            logged = await self._site.daemon.store.alert(step)
            if logged is not None:
                refused = await self._take_in_hand(logged.alert, person, "by SMS")
                return (
                    one_line(refused, 140) if refused else f"{person}: {one_line(logged.alert.subject, 60)} is in hand"
                )
        if not steps:
            return "Nothing is asked of this number now."
        return "Not understood. Answer OK and the code of the text that you mean."


def sms_signature(secret: str, url: str, form: Mapping[str, str]) -> str:
    """How the gateway signs: HMAC-SHA1 of the address, and of names and values of the form in the order of the names."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(
        hmac.new(secret.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha1).digest()
    ).decode()


async def _form(request: web.Request) -> dict[str, str]:
    if (request.content_length or 0) > MOST_FORM_BYTES:
        raise Rejected("too-large", f"the form may have {MOST_FORM_BYTES} bytes")
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            form = await request.post()
    except TimeoutError:
        raise Rejected("timeout", f"the form did not arrive within {READ_TIMEOUT_S} s") from None
    # aiohttp raises all of these for a form that is none.
    except (web.RequestPayloadError, ConnectionError, ValueError, AssertionError) as e:
        raise unreadable(e) from None
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _said(words: str) -> web.Response:
    """An answer that the gateway sends back as a text."""
    message = f"<Message>{escape(words)}</Message>" if words else ""
    xml = f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'
    return web.Response(text=xml, content_type="text/xml")


def _page(
    status: int, head: str, words: str, step: Alert | None, zone: str | None = None, *, has_button: bool = False
) -> web.Response:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in _rows(step, zone))
    button = '<form method="post"><button type="submit">I have it in hand</button></form>' if has_button else ""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(head)}</title><style>{_STYLE}</style></head><body><h1>{escape(head)}</h1>"
        f"<p>{escape(words)}</p><dl>{rows}</dl>{button}</body></html>"
    )
    return web.Response(text=html, status=status, content_type="text/html")


def _figure(figures: Figures) -> tuple[str, str]:
    """The metric of the group's product, and what it was."""
    lines = figures.thresholds
    if not lines.falls or figures.debt_usd is None or figures.recognised_usd is None:
        return "LTV", percent(figures.ltv or ZERO, lines.shown)
    level = shown_figure(Weight(figures.debt_usd, figures.recognised_usd), lines)
    return lines.metric.name.replace("_", " "), "-" if level is None else plain(level)


def _rows(step: Alert | None, zone: str | None) -> list[tuple[str, str]]:
    """What the alert says, for somebody who may see nothing else."""
    if step is None:
        return []
    rows = [("Alert", title_of(step.facts["alert_type"])), ("About", one_line(step.subject, 128))]
    rows.append(("Since", moment(step.facts["since"], zone)))
    if step.figures is not None and step.figures.ltv is not None and step.figures.debt_usd is not None:
        rows += [_figure(step.figures), ("Debt", f"{usd(str(step.figures.debt_usd))} USD")]
    if step.deadline is not None:
        rows.append(("Cure by", moment(step.deadline.isoformat(), zone)))
    return rows
