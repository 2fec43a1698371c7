"""Sends notices as mail that a treasurer can act on: text and HTML, by SMTP or into a folder of .eml files."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import socket
import ssl
from collections.abc import Sequence
from decimal import Decimal
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import aiosmtplib
import jinja2
import msgspec

from monitor import permit
from monitor.addresses import check_certificates, check_port, is_host, shown_url
from monitor.clock import Clock, SystemClock
from monitor.core.alerts.catalogue import DIGEST
from monitor.core.alerts.titles import title_of
from monitor.notifiers import _base as base
from monitor.notifiers import _stage_words as stage_words
from monitor.notifiers._addresses import mail_address
from monitor.notifiers._base import Accepted, DeliveryError, Fault, Notice, Receipt, RefusedRecipient
from monitor.notifiers._borrowers import BROKEN, BorrowerTexts, desk_examples
from monitor.notifiers._borrowers import examples as borrower_examples
from monitor.notifiers._facts import told_facts
from monitor.secret_files import read_secret

TIMEOUT_S = 30.0
"""For the whole exchange. Mail servers greet slowly on purpose, so it is longer than a webhook's."""

# Narrower than RFC 5322: a contact in a loan book cannot hide quotes, comments, line breaks or a second address.
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", re.ASCII
)

_POLICY = SMTP.clone(max_line_length=900)
"""A header that has to be folded within a word becomes an encoded word, and then threads no mails. RFC 5322 allows 998."""

_OURS = jinja2.PackageLoader("monitor.notifiers", "templates")


def _environment(loader: jinja2.BaseLoader) -> jinja2.Environment:
    return jinja2.Environment(
        loader=loader,
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_TEMPLATES = _environment(_OURS)


def _desk_templates(folder: Path | None) -> jinja2.Environment:
    """The desk's mail.txt and mail.html, those of a folder first. Raises ValueError where one cannot be used."""
    if folder is None:
        return _TEMPLATES
    found = _environment(jinja2.ChoiceLoader([jinja2.FileSystemLoader(folder), _OURS]))
    for notice in (*borrower_examples(), *desk_examples()):
        for name in ("mail.txt", "mail.html"):
            try:
                found.get_template(name).render(view(notice))
            except (*BROKEN, AttributeError) as e:
                raise ValueError(f"templates: {name}: {base.one_line(e)} ({notice.type})") from None
    return found


FACT_CHARS = 5000
"""A line of a fact: 50 names beside each other may be long."""
FOR_PEOPLE = True
"""A route may gather its notices into digests."""


class Config(msgspec.Struct, frozen=True):
    """`smtp` is smtp://host:port, smtps://host:port or file:folder (relative to the working directory).

    `starttls`: "auto" encrypts where the server offers it, and insists on it where a password is sent.
    """

    smtp: str
    sender: str
    to: tuple[str, ...] = ()
    starttls: Literal["auto", "require", "never"] = "auto"
    ehlo: str | None = None
    """The name that we greet the server with; by default that of this machine."""
    ca_file: Path | None = None
    """Certificates that we trust in place of the system's, for a server with a private authority."""
    username: str | None = None
    password: str | None = None
    password_file: Path | None = None
    languages: tuple[str, ...] = ()
    """In which borrowers may be written to, beside English."""
    templates: Path | None = None
    """A folder with texts that replace ours."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.smtp)
        if parts.scheme not in ("smtp", "smtps", "file") or (parts.scheme != "file" and not is_host(parts.hostname)):
            raise ValueError(
                f"smtp: found {shown_url(self.smtp)!r}, expected smtp://host:port, smtps://host:port or file:folder"
            )
        check_port("smtp", self.smtp)
        if parts.scheme == "file" and not self.smtp.removeprefix("file:").strip():
            raise ValueError(f"smtp: found {self.smtp!r}, expected file: and a folder, such as file:var/mail")
        _check_sender(self.sender)
        if self.ehlo is not None and not is_host(self.ehlo):
            raise ValueError(f"ehlo: found {self.ehlo!r}, expected a host name such as risk.desk.example")
        if "@" in parts.netloc:
            raise ValueError("smtp: state user and password as username and password_file, not in the address")
        for i, stated in enumerate(self.to):
            if not _ADDRESS.fullmatch(stated):
                raise ValueError(f"to[{i}]: found {stated!r}, expected a mail address such as risk@desk.example")
        if (self.username is None) != (self.password is None and self.password_file is None):
            raise ValueError("username and password_file (or password) belong together")

    def __repr__(self) -> str:
        return f"email.Config({self.smtp}, to={self.to})"


def _check_sender(stated: str) -> None:
    """Raises ValueError unless it is one address, with or without a name: a group or a second one cannot send."""
    try:
        message = EmailMessage(policy=_POLICY)
        message["From"] = stated
        header = message["From"]
        is_one = len(header.addresses) == 1 and len(header.groups) == 1 and header.groups[0].display_name is None
        is_one = is_one and not header.defects and bool(_ADDRESS.fullmatch(header.addresses[0].addr_spec))
    except (ValueError, IndexError):  # a line break, or a text that the parser of the library cannot read
        is_one = False
    if not is_one or not stated.isprintable():
        expected = 'expected one mail address such as risk@desk.example, or "Risk desk <risk@desk.example>"'
        raise ValueError(f"sender: found {stated!r}, {expected}")


def _own_name() -> str:
    """This machine's name for EHLO, without asking a name server: an address literal where it has none that is allowed."""
    name = socket.gethostname()
    return name if is_host(name) else "[127.0.0.1]"


def build(name: str, config: Config) -> EmailNotifier:
    """Raises BadSecret, and ValueError where the file of certificates cannot be read."""
    if config.ca_file is not None:
        check_certificates("ca_file", config.ca_file)
    return EmailNotifier(name, config, SystemClock())


def contact(text: str) -> str:
    """The address of a borrower as the mail is sent to it. Raises ValueError."""
    return mail_address(text)


class EmailNotifier:
    """One mail for each notice, to all its recipients, over a connection of its own."""

    def __init__(self, name: str, config: Config, clock: Clock, *, timeout_s: float = TIMEOUT_S) -> None:
        self.name = name
        self._config = config
        self._clock = clock
        self._timeout_s = timeout_s
        has_user = config.username is not None
        self._password = read_secret(config.password, config.password_file) if has_user else None
        self._accepted = Accepted()
        self._texts = BorrowerTexts(config.languages, config.templates)
        self._templates = _desk_templates(config.templates)

    def __repr__(self) -> str:
        return f"EmailNotifier({self.name!r}, {self._config!r})"

    async def send(self, notice: Notice) -> Receipt:
        """Sends one mail. A later attempt goes only to those who did not get it yet."""
        wanted = notice.to or self._config.to
        good = [a for a in wanted if _ADDRESS.fullmatch(a)]
        unusable = tuple(RefusedRecipient(base.one_line(a, 80), "not a mail address") for a in wanted if a not in good)
        if not good:
            words = base.refused_words(unusable) or "nobody to send it to"
            raise DeliveryError(words, fault=Fault.NOTICE, receipt=Receipt(refused=unusable))
        writing = Writing(self._texts, self._templates)
        message = compose(notice, self._config.sender, good, self._clock, writing)
        if self._config.smtp.startswith("file:"):
            folder = Path(self._config.smtp.removeprefix("file:"))
            detail = await asyncio.to_thread(_store, folder, notice, message)
            return Receipt(base.partial(detail, unusable), tuple(good), unusable)
        return await self._transmit(notice, message, self._accepted.left(notice, good), unusable)

    async def close(self) -> None:
        """Nothing to free: a connection lives for one mail."""

    async def _transmit(
        self, notice: Notice, message: EmailMessage, to: list[str], unusable: tuple[RefusedRecipient, ...]
    ) -> Receipt:
        """Hands the mail over. Recipients that the server refuses for good are reported and not tried again."""
        smtp = self._client()
        try:
            async with asyncio.timeout(self._timeout_s):
                await smtp.connect()
                permit.check()
                answers, said = await smtp.sendmail(parseaddr(self._config.sender)[1], to, message.as_bytes())
            await _part(smtp)
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout_s:g} s") from None
        except aiosmtplib.SMTPRecipientsRefused as e:
            raise _nobody(e.recipients, unusable) from None
        except aiosmtplib.SMTPAuthenticationError as e:
            raise DeliveryError(_answer("server", e.code, e.message), fault=Fault.CHANNEL) from None
        except aiosmtplib.SMTPResponseException as e:
            fault = Fault.CHANNEL if 500 <= e.code < 600 else Fault.PASSING
            raise DeliveryError(_answer("server", e.code, e.message), fault=fault) from None
        except ssl.SSLError as e:
            raise DeliveryError(base.one_line(f"{type(e).__name__}: {e}"), fault=Fault.CHANNEL) from None
        except (aiosmtplib.SMTPException, OSError) as e:
            raise DeliveryError(base.one_line(f"{type(e).__name__}: {e}")) from None
        finally:
            smtp.close()
        took = [a for a in to if a not in answers]
        refused = (*unusable, *(_refusal(a, r.code, r.message) for a, r in answers.items() if _is_for_good(r)))
        later = tuple(_refusal(a, r.code, r.message) for a, r in answers.items() if not _is_for_good(r))
        if later:
            # A recipient who was refused for good counts as done too: a second attempt would get the same answer.
            self._accepted.note(notice, [*took, *(a for a, r in answers.items() if _is_for_good(r))])
            words = base.one_line(base.refused_words((*later, *refused)), 500)
            raise DeliveryError(words, receipt=Receipt("", tuple(took), refused, later))
        self._accepted.forget(notice)
        return Receipt(base.partial(base.one_line(f"accepted: {said}", 300), refused), tuple(took), refused)

    def _client(self) -> aiosmtplib.SMTP:
        """Sends a password over an encrypted connection only, unless the configuration says never to encrypt."""
        parts, config = urlsplit(self._config.smtp), self._config
        must = config.starttls == "require" or (config.starttls == "auto" and config.username is not None)
        is_tls = parts.scheme == "smtps"
        return aiosmtplib.SMTP(
            hostname=parts.hostname,
            port=parts.port,
            username=config.username,
            password=self._password,
            use_tls=is_tls,
            start_tls=False if is_tls or config.starttls == "never" else (True if must else None),
            timeout=self._timeout_s,
            local_hostname=config.ehlo or _own_name(),
            cert_bundle=None if config.ca_file is None else str(config.ca_file),
        )


async def _part(smtp: aiosmtplib.SMTP) -> None:
    """Says goodbye. The server has the mail already, so a failure here changes nothing."""
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await smtp.quit(timeout=1)


def _answer(who: str, code: int, text: str) -> str:
    return base.one_line(f"{who}: {code} {text}")


_ENHANCED = re.compile(r"[245]\.(\d{1,3})\.\d{1,3}\b", re.ASCII)
"""The status code of RFC 3463 at the start of an answer; its middle says what it is about."""
_OF_THE_RECIPIENT = ("1", "2")
"""Addressing status and mailbox status."""
_NO_SUCH_MAILBOX = frozenset({550, 551, 553})


def _is_of_recipient(code: int, text: str) -> bool:
    """Whether a refusal is plainly about this recipient: 5.1.x or 5.2.x."""
    status = _ENHANCED.match(text)
    return code >= 500 and status is not None and status[1] in _OF_THE_RECIPIENT


def _is_for_good(answer: aiosmtplib.SMTPResponse) -> bool:
    """Whether a recipient who was refused beside others who were not will never have the mail."""
    has_status = _ENHANCED.match(answer.message) is not None
    is_unknown = answer.code in _NO_SUCH_MAILBOX and not has_status
    return is_unknown or _is_of_recipient(answer.code, answer.message)


def _refusal(recipient: str, code: int, text: str) -> RefusedRecipient:
    return RefusedRecipient(base.one_line(recipient, 80), base.one_line(f"{code} {text}"))


def _nobody(
    answers: Sequence[aiosmtplib.SMTPRecipientRefused], unusable: tuple[RefusedRecipient, ...]
) -> DeliveryError:
    """All recipients were refused: for their own sake, for the channel's, or nobody can say."""
    refused = tuple(_refusal(r.recipient, r.code, r.message) for r in answers if _is_of_recipient(r.code, r.message))
    later = tuple(_refusal(r.recipient, r.code, r.message) for r in answers if not _is_of_recipient(r.code, r.message))
    texts = [_answer(r.recipient, r.code, r.message) for r in answers]
    words = "; ".join([base.refused_words(unusable), *texts] if unusable else texts)
    if any(r.code < 500 for r in answers):
        fault = Fault.PASSING
    elif len(refused) == len(answers):
        fault = Fault.NOTICE
    elif all(r.code in _NO_SUCH_MAILBOX and not _ENHANCED.match(r.message) for r in answers):
        fault = Fault.DOUBTFUL
    else:
        fault = Fault.CHANNEL
    return DeliveryError(
        words, fault=fault, answer=f"RCPT {answers[0].code}", receipt=Receipt("", (), (*unusable, *refused), later)
    )


class Writing(NamedTuple):
    """The texts that a mail is made of: those for borrowers, and the desk's."""

    texts: BorrowerTexts
    templates: jinja2.Environment


def compose(notice: Notice, sender: str, to: list[str], clock: Clock, writing: Writing | None = None) -> EmailMessage:
    """The whole mail. Its Message-ID is the notice's id, so a mail program shows a duplicate once."""
    domain = parseaddr(sender)[1].rpartition("@")[2]
    message = EmailMessage(policy=_POLICY)
    letter = writing.texts.mail(notice) if writing is not None and notice.is_to_borrower else None
    message["Subject"] = base.headline(notice) if letter is None else letter.subject
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(clock.utc())
    message["Message-ID"] = f"<{notice.id}@{domain}>"
    if (thread := _thread(notice, domain)) is not None:
        # Mail programs then show one episode of a group as one conversation, whatever they missed of it.
        earlier = notice.data.get("supersedes")
        message["In-Reply-To"] = f"<{earlier}@{domain}>" if earlier else thread
        message["References"] = f"{thread} <{earlier}@{domain}>" if earlier else thread
    message["Auto-Submitted"] = "auto-generated"
    if notice.severity == "critical":
        message["X-Priority"] = "1 (Highest)"
        message["Importance"] = "high"
    if letter is not None:
        message.set_content(letter.body, cte="quoted-printable")
        return message
    shown = view(notice)
    templates = _TEMPLATES if writing is None else writing.templates
    message.set_content(templates.get_template("mail.txt").render(shown), cte="quoted-printable")
    html = templates.get_template("mail.html").render(shown)
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def _thread(notice: Notice, domain: str) -> str | None:
    """The id that all mails of an episode of a group refer to; no mail has it."""
    group, episode = notice.data.get("group"), notice.data.get("episode")
    if not group or not episode:
        return None
    place = hashlib.sha256(f"{group.get('id')}|{episode}".encode()).hexdigest()[:32]
    return f"<episode-{place}@{domain}>"


def _store(folder: Path, notice: Notice, message: EmailMessage) -> str:
    """Writes the mail whole or not at all, and says where. A second attempt replaces the file of the first."""
    stamp = re.sub(r"[^0-9TZ]", "", notice.timestamp)
    whose = "-" + hashlib.sha256(",".join(notice.to).encode()).hexdigest()[:8] if notice.to else ""
    path = folder / f"{stamp}-{re.sub(r'[^A-Za-z0-9_-]', '_', notice.id)}{whose}.eml"
    part = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(message.as_bytes())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        base.sync_folder(folder)
    except OSError as e:
        raise DeliveryError(f"cannot write {path.name}: {e.strerror}", retry=True) from None
    return f"written: {path.name}"


# What the templates show: finished texts. The templates decide their order and their looks.


def view(notice: Notice) -> dict[str, Any]:
    """Every name that the templates use. What the alert lacks is None or empty, never an error."""
    data = notice.data
    zone = data.get("zone")
    group = data.get("group") or {}
    return {
        "headline": base.headline(notice),
        "title": base.title(notice),
        "subject": base.subject_of(notice),
        "type": base.one_line(notice.type),
        "page": base.page_of(notice),
        "severity": notice.severity,
        "test": bool(data.get("test")),
        "blind": bool(data.get("blind")),
        "durable": data.get("durable", True),
        "at": base.moment(notice.timestamp, zone),
        "is_group": bool(group),
        "product": base.one_line(group.get("product") or ""),
        "labels": [(base.isolated(k, 60), base.isolated(v, 120)) for k, v in (group.get("labels") or {}).items()],
        "figure": base.metric_of(data),
        "ltv": _ltv(data),
        "stage": _stage(data),
        "reason": stage_words.why_liquidated(notice.type, data),
        "cause": _cause(data),
        "crossed": stage_words.crossed(data),
        "following": stage_words.ahead_with_distance(data),
        "way_out": stage_words.way_out(data),
        "deadline": base.moment(data["deadline"], zone) if data.get("deadline") else None,
        "called": _called(data),
        "sums": [
            (words, text)
            for words, text in (
                ("debt", _maybe(base.usd, data.get("debt_usd"))),
                ("recognised collateral", _maybe(base.usd, data.get("recognised_usd"))),
                ("market value", _maybe(base.usd, data.get("market_usd"))),
            )
            if text is not None
        ],
        "cure": _cure(data.get("cure")),
        "ways": _ways(data),
        "apart": base.coins_apart(data),
        "inputs": [_input(i) for i in data.get("inputs") or ()],
        "inputs_cut": data.get("inputs_cut") or 0,
        "debts": [_debt(d) for d in data.get("debts") or ()],
        "acknowledge": data.get("acknowledge"),
        "facts": [
            (name, "\n".join(base.isolated(line, FACT_CHARS) for line in lines) or "none")
            for name, lines in told_facts(notice)
        ],
        "digest": base.digest_lines(notice) if notice.type == DIGEST else [],
        "suppressed": [base.one_line(title_of(t)) for t in data.get("suppressed") or ()],
        "foot": _foot(data),
    }


def _cause(data: dict[str, Any]) -> str | None:
    """What else than a price raised the alert: another version, or another text of the version that was in force."""
    if not base.by_rules(data):
        return None
    before = base.one_line(data.get("rules_from") or "", 80)
    if before and before == base.one_line(data.get("rules") or "", 80):
        return f"new rules, not prices (the text of {before} was changed)"
    return f"new rules, not prices{f' (before: {before})' if before else ''}"


def _maybe(words: Any, value: object) -> str | None:
    return None if value is None else str(words(value))


def _ltv(data: dict[str, Any]) -> str | None:
    """The figure that is compared with the lines: the LTV, or the level of a product that has one."""
    if (shown := base.value_of(data)) is not None or data.get("metric"):
        return shown
    return "none: no collateral is recognised" if data.get("recognised_usd") == "0" else None


def _stage(data: dict[str, Any]) -> str | None:
    stage = data.get("stage") or {}
    was, now = (base.one_line(stage.get(k) or "").replace("_", " ") for k in ("from", "to"))
    return f"{was} → {now}" if was and now and was != now else now or None


def _called(data: dict[str, Any]) -> tuple[str, str] | None:
    """What is outstanding of the margin call, and when it is due."""
    call = stage_words.called(data)
    return None if call is None else (base.usd(call[0]), base.moment(call[1], data.get("zone")))


def _cure(cure: dict[str, Any] | None) -> dict[str, str] | None:
    """How to cure the group; None where it needs nothing."""
    if not cure or Decimal(cure["repay_usd"]) == 0:
        return None
    return {
        "to": stage_words.line_percent(cure["to_ltv"]) if "to_ltv" in cure else cure["to_level"],
        "repay": base.usd_up(cure["repay_usd"]),
        "add": base.usd_up(cure["add_recognised_usd"]),
    }


def _ways(data: dict[str, Any]) -> list[dict[str, str]]:
    """For each collateral coin: how much of it alone would cure, its price now, and the price that leads to liquidation."""
    to_add = (data.get("cure") or {}).get("by_asset") or {}
    lethal = data.get("liquidation_price") or {}
    prices = {i["asset"]: i.get("price") for i in data.get("inputs") or ()}
    needs = _cure(data.get("cure")) is not None
    return [
        {
            "asset": base.one_line(asset, 40),
            "add": (_maybe(base.number, to_add.get(asset)) or "not by this asset") if needs else "-",
            "price": _maybe(base.number, prices.get(asset)) or "-",
            "liquidation": _maybe(base.number, lethal.get(asset)) or "none",
        }
        for asset in dict.fromkeys((*to_add, *lethal))
    ]


def _input(one: dict[str, Any]) -> dict[str, str]:
    trust = one.get("trust") or "good"
    return {
        "asset": base.one_line(one["asset"], 40),
        "quantity": base.number(one["quantity"]),
        "price": _maybe(base.number, one.get("price")) or "no price",
        "source": base.one_line(one.get("source") or "-", 40) + ("" if trust == "good" else f" ({trust})"),
        "value": _maybe(base.usd, one.get("value_usd")) or "-",
        "recognised": _maybe(base.usd, one.get("recognised_usd")) or "-",
    }


def _debt(one: dict[str, Any]) -> dict[str, str]:
    return {
        "loan": base.one_line(one["loan"], 40),
        "asset": base.one_line(one["asset"], 40),
        "principal": base.number(one["principal"]),
        "interest": base.number(one["interest"]),
        "value": _maybe(base.usd, one.get("value_usd")) or "-",
    }


def _foot(data: dict[str, Any]) -> str:
    """Where to find the alert again: its id, its place in the log, its number within the group."""
    keys = ("cursor", "episode", "sequence", "rules", "supersedes")
    parts = [f"{k} {base.one_line(data[k])}" for k in keys if data.get(k) is not None]
    return " · ".join([str(data["id"]), *parts])
