"""The texts that chats, pagers and boards share: a few lines of figures below the headline. Nothing in them is markup."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from monitor.core.alerts.catalogue import DIGEST
from monitor.core.alerts.titles import title_of
from monitor.notifiers._base import (
    Notice,
    coins_apart,
    figure_of,
    lender_says,
    moment,
    number,
    one_line,
    subject_of,
    usd,
    whole_usd_up,
)
from monitor.notifiers._facts import told_facts
from monitor.notifiers._stage_words import ahead, called, in_time, way_out

LONGEST_FACT = 300
MOST_FACTS = 16
"""A chat shows what to do, not the whole alert; the link and the id lead to the rest."""


def facts_of(notice: Notice) -> list[tuple[str, str]]:
    """Names and values in the desk's words, the most urgent first, one line each."""
    data = notice.data
    if notice.type == DIGEST:
        return [*_digest(data), ("ref", one_line(notice.id, 80))]
    found = [("about", subject_of(notice))]
    if (says := lender_says(data)) is not None:
        found.append(("the lender", says.removeprefix("the lender: ")))
    if (late := in_time(notice.type, data)) is not None:
        found.append(("reason", late))
    if (figure := figure_of(data)) is not None:
        name, _, value = figure.rpartition(" ") if not figure.startswith("LTV ") else ("LTV", "", figure[4:])
        found.append((name, value))
    found += _figures(data)
    said = {"says"} | ({"outstanding_usd", "due"} if called(data) is not None else set())
    of_facts = {k: v for k, v in (data.get("facts") or {}).items() if k not in said}
    rest = msgspec.structs.replace(notice, data={**data, "facts": of_facts})
    found += [(name[:40], one_line("; ".join(lines), LONGEST_FACT)) for name, lines in told_facts(rest)]
    labels = (data.get("group") or {}).get("labels") or {}
    found += [(one_line(k, 40), one_line(v, 80)) for k, v in labels.items()]
    shown = [(name, value) for name, value in found if value][: MOST_FACTS - 1]
    return [*shown, ("ref", one_line(notice.id, 80))]


def _digest(data: dict[str, Any]) -> list[tuple[str, str]]:
    """The groups of a digest that owe most."""
    rows = data["largest"][: MOST_FACTS - 2]
    found = []
    for row in rows:
        debt = f", debt {usd(row['debt_usd'])} USD" if row.get("debt_usd") else ""
        found.append((one_line(row["subject"], 128), one_line(title_of(row["type"])) + debt))
    if more := data["cut"] + len(data["largest"]) - len(rows):
        found.append(("more", f"{more:,}, see the log from {data['from_cursor']} on"))
    return found


def _figures(data: dict[str, Any]) -> list[tuple[str, str]]:
    found, zone = [], data.get("zone")
    if (call := called(data)) is not None:
        found += [("outstanding", f"{usd(call[0])} USD"), ("due", moment(call[1], zone))]
    if data.get("deadline"):
        found.append(("cure by", moment(data["deadline"], zone)))
    if (words := ahead(data)) is not None:
        found.append(("next", words))
    if (way := way_out(data)) is not None:
        found.append((way[0].lower(), way[1]))
    if (repay := (data.get("cure") or {}).get("repay_usd")) not in (None, "0"):
        found.append(("to cure", f"repay {whole_usd_up(repay)} USD or add collateral"))
    if data.get("debt_usd") is not None:
        found.append(("debt", f"{usd(data['debt_usd'])} USD"))
    if data.get("recognised_usd") is not None:
        found.append(("recognised", f"{usd(data['recognised_usd'])} USD"))
    for asset, price in list((data.get("liquidation_price") or {}).items())[:4]:
        if price is not None:
            found.append((f"liquidation at {one_line(asset, 20)}", number(price)))
    found += [("note", words) for words in coins_apart(data)]
    if data.get("blind"):
        found.append(("prices", "not current"))
    if data.get("durable") is False:
        found.append(("record", "not on disk yet"))
    if ack := data.get("acknowledged"):
        found.append(("in hand", one_line(ack.get("by", ""), 80)))
    return found


def cut(text: str, limit: int) -> str:
    """A text of at most so many characters; three dots say that there was more."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


_MENTION = re.compile(r"@(?=\w)")


def no_mention(text: str) -> str:
    """A text in which no program finds somebody to call: an invisible joiner stands behind each @ before a word."""
    return _MENTION.sub("@\u2060", text)
