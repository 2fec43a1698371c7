"""All that the monitor can say: one row for each type of alert.

Severities, titles, the JSON schemas of the contract, docs/alerts.md and the dashboard's words come from this table. For a new
type write a row here and raise it; `python -m tools.alerts` then writes the page and the dashboard's file again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
INFO: Final = "info"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
SEVERITY_RANK: Mapping[str, int] = {CRITICAL: 0, WARNING: 1, INFO: 2}
"""The worst first."""
COLOUR: Mapping[str, str] = {CRITICAL: "bold red", WARNING: "yellow", INFO: "green"}
"""Of a severity on a terminal."""

BOOK_REFUSED = "book.refused"
BOOK_LEFT_OUT = "book.left_out"
STALLED = "monitor.stalled"
DELIVERY_FAILING = "delivery.failing"
RECIPIENT_REFUSED = "delivery.recipient_refused"
DELIVERY_LOST = "delivery.lost"
DELIVERY_RESTORED, CHANNEL_OFF, CHANNEL_ON = "delivery.restored", "channel.off", "channel.on"
ENDS: Mapping[str, str] = {DELIVERY_FAILING: DELIVERY_RESTORED, CHANNEL_OFF: CHANNEL_ON}
"""What is told when something that was told is over. Of all else that the shell notices the end is not told."""
DIGEST = "digest"
"""No alert, but the type of a notice that tells of many."""
HEARTBEAT = "monitor.heartbeat"
GROUP_ESCALATED, GROUP_ESCALATION_ENDED = "loan_group.escalated", "loan_group.escalation_ended"
ESCALATED, ESCALATION_ENDED = "monitor.escalated", "monitor.escalation_ended"
ASKS = frozenset({GROUP_ESCALATED, ESCALATED})
"""Steps of escalations: they ask people to acknowledge."""
TO_PEOPLE = ASKS | {GROUP_ESCALATION_ENDED, ESCALATION_ENDED}
"""Alerts that go to the people whom they name, whatever the routes say."""
"""The type that a book, a rate file and core itself raise."""

GROUP = "group"
LOAN = "loan of a group"
"""An alert about these has the group with its figures; any other has a `subject` and facts."""

TEXT: Mapping[str, Any] = {"type": "string"}
AMOUNT: Mapping[str, Any] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
TIME: Mapping[str, Any] = {"type": "string", "format": "date-time"}
COUNT: Mapping[str, Any] = {"type": "integer"}
COUNTS: Mapping[str, Any] = {"type": "object", "additionalProperties": COUNT}
FLAG: Mapping[str, Any] = {"type": "boolean"}
NAMES: Mapping[str, Any] = {"type": "array", "items": TEXT}
ROWS: Mapping[str, Any] = {"type": "array", "items": {"type": "object"}}


class Fact(msgspec.Struct, frozen=True):
    """One thing that an alert states beside its figures."""

    name: str
    schema: Mapping[str, Any]
    words: str
    optional: bool = False
    """It may be null or absent."""


class AlertType(msgspec.Struct, frozen=True):
    """A row of the catalogue. Texts are Markdown."""

    type: str
    severity: Severity
    title: str
    """A few words for people: the subject line of a mail, a row of the dashboard."""
    about: str
    means: str
    todo: str
    facts: tuple[Fact, ...] = ()
    news: Literal["bad", "good"] | None = None
    """Whether it tells of a new stage: a worse one, or a better one."""
    critical_by: str | None = None
    """The fact that makes it critical where it says so: what the alert is about was."""
    ends: tuple[str, ...] = ()
    """The types whose alerts about the same subject are over with it."""

    def may_be(self, severity: str | None) -> bool:
        """Whether an alert of this type can have that severity; None stands for any."""
        return severity in (None, self.severity) or (severity == CRITICAL and self.critical_by is not None)


_LOAN = (
    Fact("loan", TEXT, "its id"),
    Fact("asset", TEXT, "the coin that is owed"),
)
_UNSENT = (
    Fact("alert", TEXT, "id of the alert that did not get through"),
    Fact("alert_type", TEXT, "its type"),
    Fact("about", TEXT, "its subject"),
)
_TOLD_AGAIN = (
    Fact("silence", TEXT, "the silence that ended: the alert tells again what it hid", optional=True),
    Fact("hidden", TEXT, "id of the alert that it hid", optional=True),
)
_ASKED = (
    Fact("escalation", TEXT, "the [[escalation]] of the configuration"),
    Fact("people", NAMES, "whom the notice goes to"),
    Fact("alert", TEXT, "id of the alert that nobody has acknowledged"),
    Fact("alert_type", TEXT, "its type"),
    Fact("about", TEXT, "its subject"),
    Fact("since", TIME, "when it was raised"),
)
_STEP = (
    *_ASKED,
    Fact("step", COUNT, "which step this is, counted from 1"),
    Fact("expires", TIME, "until when the link and the reply to this notice count"),
    Fact("answered", NAMES, "who has acknowledged already, where more than one must"),
)
_ENDED = (
    *_ASKED,
    Fact("why", TEXT, "`acknowledged` or `over`"),
    Fact("by", NAMES, "who acknowledged"),
)
_TERM = (
    *_LOAN,
    Fact("principal", AMOUNT, "in the coin"),
    Fact("interest", AMOUNT, "of the day, in the coin"),
    Fact("matures_at", TIME, "when the loan is due"),
    Fact("closes_at", TIME, "when the renewal window closes"),
    Fact("renewable", FLAG, "whether a renewal would be taken now"),
    Fact("refusals", ROWS, "why a renewal would be refused now: a list of `reason` and `text`"),
)
_EXPOSED = (
    Fact("groups", COUNT, "how many groups need the price"),
    Fact("debt_usd", AMOUNT, "what they owe", optional=True),
    Fact("recognised_usd", AMOUNT, "their recognised collateral", optional=True),
    Fact("group_ids", NAMES, "at most 50 of them"),
    Fact("group_ids_cut", COUNT, "how many are not named"),
    Fact("sums", TEXT, "`indicative` where the sums are the screen's", optional=True),
)
_FLAPS = (
    Fact("flaps", COUNT, "how often trust went and came, where it does so again and again", optional=True),
    Fact("flapping", FLAG, "the next word comes when it has been calm for a while", optional=True),
)
_PRICE = (
    Fact("asset", TEXT, "the coin"),
    Fact("trust", TEXT, "`good`, `suspect`, `stale`, or `missing`: no price was ever seen"),
    Fact("reason", TEXT, "why the price is not trusted", optional=True),
    Fact("price", AMOUNT, "the last trusted price, in USD", optional=True),
    Fact("source", TEXT, "the feed that it came from", optional=True),
    Fact("price_at", TIME, "the venue's time of it", optional=True),
    Fact("received_at", TIME, "when the monitor received it", optional=True),
    Fact("candidate", AMOUNT, "the price that waits to be confirmed", optional=True),
    *_EXPOSED,
    *_FLAPS,
)
_FEED = (
    Fact("feed", TEXT, "its name"),
    Fact("cause", TEXT, "why, in the words of `/readyz`", optional=True),
    Fact("assets", NAMES, "the coins that went or came back together, at most 500"),
    Fact("assets_cut", COUNT, "how many are not named"),
    Fact("still_blind", NAMES, "coins that went with it and are not back", optional=True),
    *_EXPOSED,
    *_FLAPS,
)
_CONTRADICTION = (
    Fact("asset", TEXT, "the coin, or the first of several"),
    Fact("assets", NAMES, "the coins, where more than five are contradicted at once; at most 500", optional=True),
    Fact("reason", TEXT, "what contradicts what", optional=True),
    Fact("price", AMOUNT, "the price in force, in USD", optional=True),
    Fact("since", TIME, "since when", optional=True),
    Fact(
        "sources",
        ROWS,
        "each source: `source`, `price` in `quote`, `age_s`, `exchange_age_s`, `state`",
        optional=True,
    ),
    Fact("worst_usd", AMOUNT, "the live price that is worst for the groups; null for several coins", optional=True),
    Fact(
        "worse",
        ROWS,
        "groups that it would make worse: `from`, `to`, `groups`, `debt_usd`",
        optional=True,
    ),
    Fact("worse_ids", NAMES, "at most 50 of these groups, the worst first", optional=True),
    *_EXPOSED,
)
_CLOCK_OFF = (
    Fact("offset_s", AMOUNT, "by how many seconds the clock is ahead; negative where it is behind"),
    Fact("since", TIME, "since when", optional=True),
)
_DECISION = (
    Fact("asset", TEXT, "the coin"),
    Fact("act", TEXT, "`pin`, `exclude` or `believe`"),
    Fact("price", AMOUNT, "the price that is pinned (USD) or believed (as quoted)", optional=True),
    Fact("source", TEXT, "the feed that is left out", optional=True),
    Fact("until", TIME, "when it ends", optional=True),
    Fact("by", TEXT, "name of the operator's token"),
    Fact("reason", TEXT, "what the operator wrote"),
    Fact("price_now", AMOUNT, "the price in force now, in USD", optional=True),
    Fact("trust", TEXT, "whether that is believed"),
    Fact("groups", COUNT, "how many groups need the price"),
    Fact("debt_usd", AMOUNT, "what they owe"),
    Fact("group_ids", NAMES, "at most 50 of them"),
    Fact("group_ids_cut", COUNT, "how many are not named"),
)
_FUND = (
    Fact("balance_usd", AMOUNT, "what the fund holds"),
    Fact("draw_usd", AMOUNT, "what groups in liquidation would leave unpaid"),
    Fact("fees_usd", AMOUNT, "what they would pay in, which the draw does not count"),
    Fact("groups", COUNT, "how many groups would be bankrupt"),
    Fact("in_liquidation", COUNT, "how many groups are in liquidation"),
    Fact("unknown", COUNT, "how many of those have a missing price and are in no sum"),
    Fact("worst", NAMES, "at most 50 bankrupt groups, the largest shortfall first"),
    Fact("worst_cut", COUNT, "how many are not named"),
)
_SHARE = (
    Fact("by", TEXT, "`asset`, `product` or a label"),
    Fact("key", TEXT, "which coin, product or borrower"),
    Fact("share", AMOUNT, "its part of the book, from 0 to 1", optional=True),
    Fact("max_share", AMOUNT, "its limit", optional=True),
    Fact("of", TEXT, "what is shared: `market_usd` of collateral, or `debt_usd`", optional=True),
    Fact("value_usd", AMOUNT, "its value", optional=True),
    Fact("total_usd", AMOUNT, "the whole", optional=True),
    Fact("groups", COUNT, "how many groups hold or owe it", optional=True),
    Fact("sums", TEXT, "`indicative` where the sums are the screen's", optional=True),
)

_ROWS = (
    AlertType(
        "loan_group.early_warning", INFO, "early warning", GROUP,
        "LTV reached an early-warning level, in stage normal.",
        "Look at the group; nothing is due.",
    ),
    AlertType(
        "loan_group.margin_call.opened", WARNING, "margin call", GROUP,
        "LTV reached the margin-call line.",
        "Ask for more collateral or a repayment: `cure` says how much.",
        _TOLD_AGAIN, news="bad",
    ),
    AlertType(
        "loan_group.margin_call.reminder", WARNING, "margin call (reminder)", GROUP,
        "The margin call is still open.",
        "The same, with the figures of now.",
    ),
    AlertType(
        "loan_group.margin_call.cured", INFO, "margin call cured", GROUP,
        "LTV is at the initial level, or stayed below the line for the hold.",
        "Nothing.",
        news="good",
    ),
    AlertType(
        "loan_group.delayed_liquidation.started", CRITICAL, "delayed liquidation", GROUP,
        "LTV reached the liquidation line; the group is enrolled.",
        "Reach the borrower before `deadline`. Only the initial level cures.",
        _TOLD_AGAIN, news="bad",
    ),
    AlertType(
        "loan_group.delayed_liquidation.reminder", CRITICAL, "delayed liquidation (reminder)", GROUP,
        "The deadline comes nearer.",
        "The same.",
    ),
    AlertType(
        "loan_group.delayed_liquidation.cured", INFO, "delayed liquidation cured", GROUP,
        "LTV is at the initial level, in time.",
        "Nothing.",
        news="good",
    ),
    AlertType(
        "loan_group.liquidation.triggered", CRITICAL, "liquidation", GROUP,
        "See `reason`: `ltv`, `immediate`, `grace_expired`, `overdue`.",
        "Liquidate, or say why not. The monitor does not.",
        _TOLD_AGAIN, news="bad",
    ),
    AlertType(
        "loan_group.liquidation.cleared", INFO, "liquidation cleared", GROUP,
        "The debt is gone or LTV is at the initial level.",
        "Close the case.",
        news="good",
    ),
    AlertType(
        "loan.renewal_open", INFO, "renewal open", LOAN,
        "The renewal window of a term loan opened.",
        "Ask the borrower. `facts.refusals` says why a renewal would be refused now.",
        _TERM,
    ),
    AlertType(
        "loan.maturing", INFO, "loan maturing", LOAN,
        "A term loan matures soon (`maturity_notice`).",
        "Have it renewed or repaid; `facts` as above.",
        _TERM,
    ),
    AlertType(
        "loan.interest_shortfall", WARNING, "interest shortfall", GROUP,
        "The stated Spot balances do not pay a coin's interest.",
        "Ask for `facts.short` of the coin: without it no loan in it is renewed.",
        (
            Fact("asset", TEXT, "the coin"),
            Fact("interest", AMOUNT, "what is owed, in the coin"),
            Fact("balance", AMOUNT, "what the balances hold"),
            Fact("short", AMOUNT, "what is missing"),
        ),
    ),
    AlertType(
        "loan.overdue", CRITICAL, "loan overdue", LOAN,
        "A term loan matured and is not repaid.",
        "Collect. `facts.liquidation_at` is when the group is liquidated, an assumption.",
        (
            *_LOAN,
            Fact("matured_at", TIME, "when the loan was due"),
            Fact("liquidation_at", TIME, "when the group is liquidated"),
            Fact("assumed", FLAG, "the lender does not state that time"),
        ),
    ),
    AlertType(
        "price.stale", WARNING, "price stale", "coin",
        "A coin that a group needs was not heard of within the limit, or never (`facts.trust` is `missing`).",
        "Look at the feed. The named groups cannot be cured meanwhile.",
        _PRICE,
    ),
    AlertType(
        "price.suspect", WARNING, "price suspect", "coin",
        "A jump is not confirmed, or too few sources show the price.",
        "Compare with another venue.",
        _PRICE,
    ),
    AlertType(
        "price.restored", INFO, "price restored", "coin",
        "The coin's price is trusted again.",
        "Nothing.",
        _PRICE,
        ends=("price.stale", "price.suspect",),
    ),
    AlertType(
        "price.contradiction", CRITICAL, "prices contradict each other", "coin",
        "Live sources of a coin differ by more than `max_spread`, too few are left, or a price moved by a power of ten. The "
        "last good price stays in force.",
        "Find out which source is right, and decide: `monitor price`. The named groups may stand worse than they seem.",
        _CONTRADICTION,
    ),
    AlertType(
        "price.agreed", INFO, "prices agree again", "coin",
        "The sources of the coin no longer contradict each other.",
        "Nothing.",
        _CONTRADICTION,
        ends=("price.contradiction",),
    ),
    AlertType(
        "feed.down", CRITICAL, "feed down", "feed",
        "At least half of the coins that groups need from a feed, and more than two, lost their price within five seconds.",
        "Look at the cause. The named groups cannot be cured meanwhile.",
        _FEED,
    ),
    AlertType(
        "feed.up", INFO, "feed up again", "feed",
        "The coins that went with the feed have trusted prices again.",
        "Nothing, unless `still_blind` names coins.",
        _FEED,
        ends=("feed.down",),
    ),
    AlertType(
        "feed.clock", WARNING, "clock of a feed is off", "feed",
        "A venue dates its prices by a clock that is off. Its prices are judged by ours.",
        "Compare the clocks. If ours is right, tell the venue.",
        _CLOCK_OFF,
    ),
    AlertType(
        "feed.clock_restored", INFO, "clock of a feed is right again", "feed",
        "The venue's clock agrees with ours again, or the feed has a new connection.",
        "Nothing.",
        _CLOCK_OFF,
        ends=("feed.clock",),
    ),
    AlertType(
        "price.decided", WARNING, "price decided by an operator", "coin",
        "An operator has pinned a price, left out a source, or believes a price that waited to be confirmed.",
        "Nothing, if you know of it. `monitor price` shows what is in force, and `--release` ends it.",
        _DECISION,
    ),
    AlertType(
        "price.decision_ended", INFO, "decision about a price ended", "coin",
        "A pin or an exclusion is over: the price comes from all of its sources again.",
        "Look whether the price is trusted.",
        (
            *_DECISION,
            Fact("ended_by", TEXT, "who ended it; null where its time was over", optional=True),
            Fact("why", TEXT, "why it ended"),
        ),
        ends=("price.decided",),
    ),
    AlertType(
        "rules.changed", INFO, "rules changed", "product",
        "A version of a product came into force at its date. (A reload is in the audit.)",
        'Look at the sums, and at the alerts with `"cause": "rules"`.',
        (
            Fact("product", TEXT, "the product"),
            Fact("from", TEXT, "the version before"),
            Fact("to", TEXT, "the version in force"),
            Fact("groups", COUNT, "how many groups the product has"),
            Fact("ladders", NAMES, "coins whose ladder changed, at most 500"),
            Fact("ladders_cut", COUNT, "how many are not named"),
            Fact("recognised_before_usd", AMOUNT, "recognised collateral under the version before"),
            Fact("recognised_after_usd", AMOUNT, "the same under the version in force"),
            Fact("is_exact", FLAG, "false where the sums are the screen's"),
        ),
    ),
    AlertType(
        "fund.exceeded", CRITICAL, "insurance fund exceeded", "insurance fund",
        "Groups in liquidation would leave more unpaid than the [insurance fund](configuration.md#fund) holds.",
        "Fill the fund, or liquidate the named groups while there is something left.",
        _FUND,
    ),
    AlertType(
        "fund.restored", INFO, "insurance fund suffices again", "insurance fund",
        "The draw is below the balance again, by `clear_margin` of it, on trusted prices.",
        "Nothing.",
        _FUND,
        ends=("fund.exceeded",),
    ),
    AlertType(
        "exposure.concentration", WARNING, "share of the book too large", "share of the book",
        "A coin, a product or a borrower is more of the book than `[exposure] max_share` allows.",
        "Look at `GET /v1/exposure`: lend less against it, or to them.",
        _SHARE,
    ),
    AlertType(
        "exposure.restored", INFO, "share of the book back in its limit", "share of the book",
        "The share is below its limit again.",
        "Nothing.",
        _SHARE,
        ends=("exposure.concentration",),
    ),
    AlertType(
        BOOK_REFUSED, WARNING, "loan book line refused", "place in a book",
        "A line of the loan book cannot be used, or rates of a file cannot.",
        "Mend the line. The group stays as it was before, or is not watched at all. Rates stay as they were.",
        (
            Fact("problem", TEXT, "what is wrong, as a sentence"),
            Fact("reason", TEXT, "the same as a short name"),
            Fact("source", TEXT, "the book or the file of rates"),
            Fact("group", TEXT, "the group of the line", optional=True),
            Fact("product", TEXT, "the product of the rates", optional=True),
            Fact("lines", NAMES, "at most 50 bad lines of a file of rates", optional=True),
            Fact("lines_cut", COUNT, "how many are not named", optional=True),
            Fact("rates", ROWS, "at most 50 rates that came too late", optional=True),
            Fact("rates_cut", COUNT, "how many are not named", optional=True),
        ),
    ),
    AlertType(
        BOOK_LEFT_OUT, WARNING, "part of a book line left out", "place in a book",
        "A group is taken, but a contact of its line cannot be used, or its labels are too many or too long.",
        "Mend the line. The group is watched meanwhile; a borrower without a usable contact counts as one without any.",
        (
            Fact("problem", TEXT, "what is left out and why, as a sentence"),
            Fact("reason", TEXT, "`contacts` or `labels`"),
            Fact("source", TEXT, "the book"),
            Fact("group", TEXT, "the group of the line"),
        ),
    ),
    AlertType(
        "book.drift", WARNING, "loan book drift", "book",
        "Reserved: this version does not raise it.",
        "Nothing.",
    ),
    AlertType(
        DELIVERY_FAILING, WARNING, "delivery failing", "channel",
        "A channel failed three times in a row, or refuses everything. All its notices wait. Told on another channel.",
        "Mend the channel: what waits then goes out by itself; see `GET /v1/channels`.",
        (
            Fact("notifier", TEXT, "the channel"),
            Fact("reason", TEXT, "what the last attempt met"),
            Fact("failures", COUNT, "how many in a row"),
            Fact("channels", ROWS, "all that fail, where many began to within ten seconds", optional=True),
            *_UNSENT,
        ),
    ),
    AlertType(
        DELIVERY_RESTORED, INFO, "delivery works again", "channel",
        "A channel that was said to fail takes notices again. What waited goes out now.", "Nothing.",
        (Fact("notifier", TEXT, "the channel"),),
    ),
    AlertType(
        CHANNEL_OFF, WARNING, "channel switched off", "channel",
        "A channel sends no more: its address answered twice, a minute apart, that it is gone for good (410), or an operator "
        "switched it off. Its critical notices go to its fallback, all others wait. Told again each day.",
        "Mend the address and reload, or `monitor channel enable NAME`: what waits is sent then.",
        (
            Fact("notifier", TEXT, "the channel"),
            Fact("reason", TEXT, "why"),
            Fact("waiting", COUNT, "notices that wait for it"),
            Fact("days", COUNT, "for how many whole days it has been off"),
        ),
    ),
    AlertType(
        CHANNEL_ON, INFO, "channel switched on", "channel",
        "A channel that was off sends again, and what waited for it goes out.", "Nothing.",
        (Fact("notifier", TEXT, "the channel"),),
    ),
    AlertType(
        DELIVERY_LOST, WARNING, "notice lost", "group, or what the notice is about",
        "A notice is not tried again: it is refused for its own sake, or its time is over. Critical where the notice was.",
        "Tell the people yourself, then `POST /v1/deliveries/{id}/retry`; see `GET /v1/deliveries?state=failed`.",
        (
            Fact("notifier", TEXT, "the channel"),
            Fact("reason", TEXT, "what the last attempt met"),
            Fact("severity", TEXT, "that of the notice"),
            *_UNSENT,
        ),
        critical_by="severity",
    ),
    AlertType(
        RECIPIENT_REFUSED, WARNING, "recipient refused", "channel and recipient",
        "One recipient of a channel is refused for good; the others have the notice. Told once, until it is taken again.",
        "Correct the address or number in the configuration or in the loan book.",
        (
            Fact("notifier", TEXT, "the channel"),
            Fact("recipient", TEXT, "the address or number"),
            Fact("reason", TEXT, "what the other side said"),
            *_UNSENT,
        ),
    ),
    AlertType(
        "monitor.clock_jump", WARNING, "clock jump", "clock",
        "The wall clock jumped.",
        "Look at the time service: deadlines follow the wall clock.",
        (
            Fact("seconds", AMOUNT, "how far, negative where it was set back"),
            Fact("wall", TIME, "the time that it shows"),
            Fact("policy", TEXT, "what the monitor goes by"),
        ),
    ),
    AlertType(
        "monitor.clock_off", WARNING, "our clock is off", "clock",
        "Our wall clock is off: it jumped, or all live sources differ from it by the same amount. Prices then age by their "
        "receipt.",
        "Look at the time service: deadlines follow the wall clock.",
        _CLOCK_OFF,
    ),
    AlertType(
        "monitor.clock_restored", INFO, "our clock is right again", "clock",
        "Our wall clock agrees with the venues again.",
        "Nothing.",
        _CLOCK_OFF,
        ends=("monitor.clock_off",),
    ),
    AlertType(
        "monitor.degraded", CRITICAL, "monitor degraded", "part of the monitor",
        "The store could not be written for three seconds.",
        'Make room or mend the disk. Alerts go out with `"durable": false` meanwhile.',
        (
            Fact("part", TEXT, "`store`"),
            Fact("reason", TEXT, "what the store said"),
            Fact("durable", FLAG, "false: alerts are not on disk"),
        ),
    ),
    AlertType(
        STALLED, WARNING, "monitor stood still", "part of the monitor",
        "The event loop or core stood still for five seconds or more; prices and notices were late by as much.",
        "Look at the load and the memory of the machine, and at a paused virtual machine.",
        (
            Fact("part", TEXT, "`event loop` or `core`"),
            Fact("seconds", AMOUNT, "for how long"),
        ),
    ),
    AlertType(
        "monitor.recovered", INFO, "monitor recovered", "part of the monitor",
        "The store is written again.",
        "Nothing.",
        (
            Fact("part", TEXT, "`store`"),
            Fact("failed_s", AMOUNT, "for how many seconds it could not be written"),
        ),
        ends=("monitor.degraded",),
    ),
    AlertType(
        GROUP_ESCALATED, CRITICAL, "nobody has acknowledged", GROUP,
        "A critical alert about the group stays unacknowledged; it goes to the people of the next step.",
        "Take it in hand: open the link and press the button, answer the text, or acknowledge the alert.",
        _STEP,
    ),
    AlertType(
        GROUP_ESCALATION_ENDED, INFO, "no longer asked for", GROUP,
        "Somebody has the group in hand, or what the alert told of is over. It goes to everybody who was asked.",
        "Nothing.",
        _ENDED,
    ),
    AlertType(
        ESCALATED, CRITICAL, "nobody has acknowledged", "what the alert is about",
        "A critical alert stays unacknowledged; it goes to the people of the next step.",
        "Take it in hand: open the link and press the button, or answer the text.",
        _STEP,
    ),
    AlertType(
        ESCALATION_ENDED, INFO, "no longer asked for", "what the alert is about",
        "Somebody has the alert in hand. It goes to everybody who was asked.",
        "Nothing.",
        _ENDED,
    ),
    AlertType(
        HEARTBEAT, INFO, "heartbeat", "notifier, or `test`",
        "Feed, core, store and channel work: a notifier with `heartbeat` gets it so often, and it is in no list of alerts. "
        'Also what `monitor send-test` sends, with `"test": true`.',
        "Nothing while it comes. Where it does not come, or `last_tick_age_s` grows, look at the monitor.",
        (
            Fact("message", TEXT, "that it is a test", optional=True),
            Fact("last_tick_at", TIME, "when the newest price came", optional=True),
            Fact("last_tick_age_s", AMOUNT, "seconds since then", optional=True),
            Fact("groups", COUNTS, "how many groups are in each stage", optional=True),
            Fact("digest", TEXT, "SHA-256 over stages, prices and what the monitor remembers", optional=True),
            Fact("cursor", COUNT, "the end of the log of alerts", optional=True),
        ),
    ),
)  # fmt: skip

CATALOGUE: Mapping[str, AlertType] = {row.type: row for row in _ROWS}

FAMILIES: Mapping[str, str] = {
    "loan_group.*": "stages of groups",
    "loan_group.margin_call.*": "margin calls",
    "loan_group.delayed_liquidation.*": "delayed liquidations",
    "loan_group.liquidation.*": "liquidations",
    "loan.*": "loans",
    "price.*": "prices",
    "feed.*": "feeds",
    "rules.*": "rules",
    "fund.*": "the insurance fund",
    "exposure.*": "concentrations",
    "delivery.*": "deliveries",
    "book.*": "the book",
    "monitor.*": "the monitor",
}
"""What a list of alerts can be narrowed to."""

BAD_STAGE_NEWS = frozenset(row.type for row in _ROWS if row.news == "bad")
GOOD_STAGE_NEWS = frozenset(row.type for row in _ROWS if row.news == "good")
STAGE_NEWS = BAD_STAGE_NEWS | GOOD_STAGE_NEWS
"""Alerts that tell of a new stage: each cancels the older undelivered `loan_group.*` notices of its group."""


ENDED_BY: Mapping[str, str] = {ended: row.type for row in _ROWS for ended in row.ends}
"""The type that ends another one, about the same subject. What is of a group's stage ends with its episode."""


def title_of(type_: str) -> str:
    """The words for a type; one that an older or a newer version knows is spelled out."""
    row = CATALOGUE.get(type_)
    return type_.replace(".", " ").replace("_", " ") if row is None else row.title


def schema_of(row: AlertType) -> dict[str, Any]:
    """The JSON schema of what is particular to alerts of a type: severity, subject and facts."""
    facts = {
        "type": "object",
        "properties": {fact.name: _fact_schema(fact) for fact in row.facts},
        "required": [fact.name for fact in row.facts if not fact.optional],
    }
    has_group = row.about in (GROUP, LOAN)
    own = {"severity": {"const": row.severity}, **({"facts": facts} if row.facts else {})}
    needed = ["group" if has_group else "subject", *(["facts"] if facts["required"] else [])]
    return {
        "description": row.means,
        "type": "object",
        "properties": {"type": {"const": row.type}, "data": {"type": "object", "properties": own, "required": needed}},
        "required": ["type", "timestamp", "data"],
    }


def _fact_schema(fact: Fact) -> dict[str, Any]:
    whole = {**fact.schema, "description": fact.words}
    return {"anyOf": [whole, {"type": "null"}]} if fact.optional else whole
