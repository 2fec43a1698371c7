"""All that the monitor can say: one row for each type of alert.

Severities, titles, the JSON schemas of the contract, docs/alerts.md and the dashboard's words come from this table. For a new
type write a row here and raise it; `python -m tools.alerts` then writes the page and the dashboard's file again.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.core.alerts.alert_facts import (
    BOOK_FACTS,
    CLOCK_OFF_FACTS,
    CONTRADICTION_FACTS,
    DECISION_FACTS,
    DRIFT_FACTS,
    ENDED_FACTS,
    EXPOSED_FACTS,
    FEED_FACTS,
    FUND_FACTS,
    LEVER_FACTS,
    MANY_FACTS,
    PRICE_FACTS,
    RULES_DRIFT_FACTS,
    SHARE_FACTS,
    STEP_FACTS,
    UNSENT_FACTS,
)
from monitor.core.alerts.alert_type import (
    AMOUNT,
    COUNT,
    COUNTS,
    CRITICAL,
    FLAG,
    INFO,
    NAMES,
    ROWS,
    TEXT,
    TIME,
    WARNING,
    AlertType,
    Fact,
)
from monitor.core.alerts.group_alerts import GROUP as GROUP
from monitor.core.alerts.group_alerts import GROUP_ROWS
from monitor.core.alerts.group_alerts import LOAN as LOAN
from monitor.core.alerts.state_alerts import STATE_ENDS, STATE_ROWS

BOOK_REFUSED = "book.refused"
"""The type that a book, a rate file and core itself raise."""
BOOK_LEFT_OUT = "book.left_out"
STALLED = "monitor.stalled"
DELIVERY_FAILING = "delivery.failing"
RECIPIENT_REFUSED = "delivery.recipient_refused"
DELIVERY_LOST = "delivery.lost"
DELIVERY_RESTORED, CHANNEL_OFF, CHANNEL_ON = "delivery.restored", "channel.off", "channel.on"
BOOK_DRIFT, BOOK_AGREED, BOOK_GAP, BOOK_WHOLE = "book.drift", "book.agreed", "book.gap", "book.whole"
RULES_DRIFT, RULES_AGREED = "rules.drift", "rules.agreed"
ENDS: Mapping[str, str] = {
    DELIVERY_FAILING: DELIVERY_RESTORED,
    CHANNEL_OFF: CHANNEL_ON,
    RULES_DRIFT: RULES_AGREED,
    BOOK_GAP: BOOK_WHOLE,
    **STATE_ENDS,
}
"""What is told when something that was told is over. Of all else that the shell notices the end is not told."""
DIGEST = "digest"
"""No alert, but the type of a notice that tells of many."""
GUESSING = "security.guessing"
HEARTBEAT = "monitor.heartbeat"
LEVER_PROPOSED, LEVER_EMERGENCY, LEVER_SETTLED = "lever.proposed", "lever.emergency", "lever.settled"
LEVER_PULLED, LEVER_ENDED = "lever.pulled", "lever.ended"
GROUP_ESCALATED, GROUP_ESCALATION_ENDED = "loan_group.escalated", "loan_group.escalation_ended"
ESCALATED, ESCALATION_ENDED = "monitor.escalated", "monitor.escalation_ended"
ASKS = frozenset({GROUP_ESCALATED, ESCALATED})
"""Steps of escalations: they ask people to acknowledge."""
TO_PEOPLE = ASKS | {GROUP_ESCALATION_ENDED, ESCALATION_ENDED}
"""Alerts that go to the people whom they name, whatever the routes say."""
OF_THE_DESK = TO_PEOPLE | {BOOK_DRIFT, BOOK_AGREED}
"""Alerts about a group that no borrower gets: whether our books agree with the lender's is the desk's alone."""

_ROWS = (
    *GROUP_ROWS,
    *STATE_ROWS,
    AlertType(
        "price.stale", WARNING, "price stale", "coin",
        "A coin that a group needs was not heard of within the limit, or never (`facts.trust` is `missing`).",
        "Look at the feed. The named groups cannot be cured meanwhile.",
        PRICE_FACTS,
    ),
    AlertType(
        "price.suspect", WARNING, "price suspect", "coin",
        "A jump is not confirmed, or too few sources show the price.",
        "Compare with another venue.",
        PRICE_FACTS,
    ),
    AlertType(
        "price.restored", INFO, "price restored", "coin",
        "The coin's price is trusted again.",
        "Nothing.",
        PRICE_FACTS,
        ends=("price.stale", "price.suspect",),
    ),
    AlertType(
        "price.missing", CRITICAL, "price missing", "coin",
        "A coin that groups need has had no price for `missing_after`, and some of them may stand worse than they seem: a "
        "coin that is held may be worth nothing, one that is owed any sum. What is past a line whatever the coin is worth is "
        "decided without it, and says `bound`.",
        "Give the coin a price: by a feed that has it, or a pin. `facts.worst_case` says how bad it may be.",
        (
            Fact("asset", TEXT, "the coin"),
            Fact("since", TIME, "since when it is needed"),
            Fact("reason", TEXT, "why it has no price"),
            Fact("worst_case", TEXT, "the worst of the groups, as a sentence"),
            Fact("endangered", COUNT, "how many groups may stand worse than they are told to"),
            Fact("worst", ROWS, "at most 20 of them, with the figure and the band at worst"),
            Fact("worst_cut", COUNT, "how many are not named"),
            *EXPOSED_FACTS,
            Fact("also", NAMES, "at most 20 other coins of which the same was found just now", optional=True),
        ),
    ),
    AlertType(
        "price.found", INFO, "price found", "coin",
        "A coin that was said to be missing has a price, or no group needs it any more.",
        "Nothing.",
        (
            Fact("asset", TEXT, "the coin"),
            Fact("price", AMOUNT, "its price in USD; null where no group needs it any more", optional=True),
        ),
        ends=("price.missing",),
    ),
    AlertType(
        "price.contradiction", CRITICAL, "prices contradict each other", "coin",
        "Live sources of a coin differ by more than `max_spread`, too few are left, or a price moved by a power of ten. The "
        "last good price stays in force.",
        "Find out which source is right, and decide: `monitor price`. The named groups may stand worse than they seem.",
        CONTRADICTION_FACTS,
    ),
    AlertType(
        "price.agreed", INFO, "prices agree again", "coin",
        "The sources of the coin no longer contradict each other.",
        "Nothing.",
        CONTRADICTION_FACTS,
        ends=("price.contradiction",),
    ),
    AlertType(
        "feed.down", CRITICAL, "feed down", "feed",
        "At least half of the coins that groups need from a feed, and more than two, lost their price within five seconds.",
        "Look at the cause. The named groups cannot be cured meanwhile.",
        FEED_FACTS,
    ),
    AlertType(
        "feed.up", INFO, "feed up again", "feed",
        "The coins that went with the feed have trusted prices again.",
        "Nothing, unless `still_blind` names coins.",
        FEED_FACTS,
        ends=("feed.down",),
    ),
    AlertType(
        "feed.clock", WARNING, "clock of a feed is off", "feed",
        "A venue dates its prices by a clock that is off. Its prices are judged by ours.",
        "Compare the clocks. If ours is right, tell the venue.",
        CLOCK_OFF_FACTS,
    ),
    AlertType(
        "feed.clock_restored", INFO, "clock of a feed is right again", "feed",
        "The venue's clock agrees with ours again, or the feed has a new connection.",
        "Nothing.",
        CLOCK_OFF_FACTS,
        ends=("feed.clock",),
    ),
    AlertType(
        "price.decided", WARNING, "price decided by an operator", "coin",
        "An operator has pinned a price, left out a source, or believes a price that waited to be confirmed.",
        "Nothing, if you know of it. `monitor price` shows what is in force, and `--release` ends it.",
        DECISION_FACTS,
    ),
    AlertType(
        "price.decision_ended", INFO, "decision about a price ended", "coin",
        "A pin or an exclusion is over: the price comes from all of its sources again.",
        "Look whether the price is trusted.",
        (
            *DECISION_FACTS,
            Fact("ended_by", TEXT, "who ended it; null where its time was over", optional=True),
            Fact("why", TEXT, "why it ended"),
        ),
        ends=("price.decided",),
    ),
    AlertType(
        "rules.changed", INFO, "rules changed", "product",
        "A version of a product came into force at its date, or a reload made something easier for borrowers (`loosened`). "
        "(Every reload is in the audit.)",
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
            Fact("loosened", ROWS, "at most 50 of what is easier now: `what`, `from` and `to`", optional=True),
            Fact("loosened_cut", COUNT, "how many are not named", optional=True),
        ),
    ),
    AlertType(
        LEVER_PROPOSED, WARNING, "another person must approve", "proposal",
        "Somebody proposes what needs a second person: a lever, a pin, or a silence of a critical stage. It also goes to the "
        "people who may approve.",
        "Look at it: `monitor proposals`. Approve or reject it before `expires`.",
        (
            *LEVER_FACTS,
            Fact("expires", TIME, "when the proposal is void"),
            Fact("people", NAMES, "who may approve"),
        ),
    ),
    AlertType(
        LEVER_EMERGENCY, CRITICAL, "done alone in an emergency", "proposal",
        "Somebody did alone what needs a second person. It goes to every channel, and ends by itself at `expires` unless "
        "another person approves.",
        "Look at it: `monitor proposals`. Approve it, or reject it to end it at once.",
        (
            *LEVER_FACTS,
            Fact("emergency", TEXT, "why nobody else was asked first"),
            Fact("expires", TIME, "when it ends unless it is approved"),
            Fact("people", NAMES, "who may approve"),
        ),
    ),
    AlertType(
        LEVER_SETTLED, INFO, "proposal decided", "proposal",
        "A proposal is approved, rejected, or void as its time is over.",
        "Nothing.",
        (
            *LEVER_FACTS,
            Fact("outcome", TEXT, "`approved`, `rejected`, `expired`, or `ended`: the lever of an emergency was ended"),
            Fact("settled_by", TEXT, "who decided; null where its time was over", optional=True),
            Fact("why", TEXT, "why it was rejected", optional=True),
        ),
        ends=(LEVER_PROPOSED, LEVER_EMERGENCY),
    ),
    AlertType(
        LEVER_PULLED, WARNING, "lever pulled", "lever",
        "The desk extended a grace period, waived a liquidation, put other lines in force or moved groups.",
        "Nothing, if you know of it. `monitor levers` shows what is in force.",
        (
            *LEVER_FACTS,
            Fact("approved_by", TEXT, "the other person, where one had to approve", optional=True),
            Fact("refused", ROWS, "at most 50 groups to which it could not apply, with the reason", optional=True),
        ),
    ),
    AlertType(
        LEVER_ENDED, INFO, "lever ended", "lever",
        "What a lever changed is over: the groups are as they were before, and were decided again.",
        "Look at the groups; an alert of theirs that it caused has `\"cause\": \"lever_ended\"`.",
        (
            *LEVER_FACTS,
            Fact("ended_by", TEXT, "who ended it; null where its time was over", optional=True),
            Fact("why", TEXT, "why it ended"),
            Fact("kept", NAMES, "groups that stay as they are, as the former rules do not fit them any more", optional=True),
        ),
        ends=(LEVER_PULLED,),
    ),
    AlertType(
        "fund.exceeded", CRITICAL, "insurance fund exceeded", "insurance fund",
        "Groups in liquidation would leave more unpaid than the [insurance fund](configuration.md#fund) holds.",
        "Fill the fund, or liquidate the named groups while there is something left.",
        FUND_FACTS,
    ),
    AlertType(
        "fund.restored", INFO, "insurance fund suffices again", "insurance fund",
        "The draw is below the balance again, by `clear_margin` of it, on trusted prices.",
        "Nothing.",
        FUND_FACTS,
        ends=("fund.exceeded",),
    ),
    AlertType(
        "exposure.concentration", WARNING, "share of the book too large", "share of the book",
        "A coin, a product or a borrower is more of the book than `[exposure] max_share` allows.",
        "Look at `GET /v1/exposure`: lend less against it, or to them.",
        SHARE_FACTS,
    ),
    AlertType(
        "exposure.restored", INFO, "share of the book back in its limit", "share of the book",
        "The share is below its limit again.",
        "Nothing.",
        SHARE_FACTS,
        ends=("exposure.concentration",),
    ),
    AlertType(
        BOOK_REFUSED, WARNING, "loan book or rates refused", "place in a book",
        "A line of the loan book cannot be used, a book is missing or cannot be read, or rates of a file cannot be used.",
        "Mend the line or the file. The group stays as it was before, or is not watched at all. Rates stay as they were.",
        (
            Fact("problem", TEXT, "what is wrong, as a sentence"),
            Fact("reason", TEXT, "the same as a short name"),
            Fact("source", TEXT, "the book or the file of rates"),
            Fact("group", TEXT, "the group of the line", optional=True),
            Fact("product", TEXT, "the product of the rates", optional=True),
            Fact("place", TEXT, "where in the book", optional=True),
            Fact("cells", ROWS, "at most 10 cells of the line: `cell`, `value` and `remedy`", optional=True),
            *MANY_FACTS,
            Fact("rates", ROWS, "at most 50 rates that came too late", optional=True),
            Fact("rates_cut", COUNT, "how many are not named", optional=True),
        ),
    ),
    AlertType(
        BOOK_LEFT_OUT, WARNING, "part of a book line left out", "place in a book",
        "A group is taken, but dates of its loans cannot be, a contact cannot be used, or its labels are too many or too "
        "long, or hold control characters.",
        "Mend the line. The group is watched by its LTV meanwhile; of loans without usable dates no maturity is told.",
        (
            Fact("problem", TEXT, "what is left out and why, as a sentence"),
            Fact("reason", TEXT, "`dates`, `contacts` or `labels`"),
            Fact("source", TEXT, "the book"),
            Fact("group", TEXT, "the group of the line", optional=True),
            Fact("place", TEXT, "where in the book", optional=True),
            *MANY_FACTS,
        ),
    ),
    AlertType(
        "book.stale", WARNING, "loan book not refreshed", "book",
        "A loan book is older than its limit (`stale_after`). Its groups are still watched, on what it said last.",
        "Find out why its source gives nothing newer: `GET /v1/status` and the log say what a reading meets.",
        BOOK_FACTS,
    ),
    AlertType(
        "book.outdated", CRITICAL, "loan book outdated", "book",
        "A loan book is older than twice its limit. Collateral that came or went since is in no figure of its groups.",
        "The same, now. Until then check by hand before you act on a group of this book.",
        BOOK_FACTS,
    ),
    AlertType(
        "book.refreshed", INFO, "loan book refreshed", "book",
        "The loan book is newer than its limit again, or has no limit any more.",
        "Nothing.",
        BOOK_FACTS,
        ends=("book.stale", "book.outdated"),
    ),
    AlertType(
        BOOK_GAP, CRITICAL, "entries of a loan book are missing", "book",
        "A source of entries has removed some before they were read. Holdings of its groups may be wrong.",
        "Wait for the snapshot that `problem` promises, or put the groups again. Keep more of the stream.",
        (
            Fact("problem", TEXT, "which entries are missing, and what mends it"),
            Fact("source", TEXT, "the [[book]] of the configuration"),
        ),
    ),
    AlertType(
        BOOK_WHOLE, INFO, "loan book whole again", "book",
        "The groups of the book were read again as a whole, or it is no book of the configuration any more.",
        "Nothing.",
        (Fact("source", TEXT, "the [[book]] of the configuration"),),
        ends=(BOOK_GAP,),
    ),
    AlertType(
        "book.unknown_coin", CRITICAL, "coin that nobody knows", "coin",
        "Groups hold a coin that no product lists and no feed prices. It counts nothing, which nobody may have meant.",
        "Look whether it is another name of a coin: then state it in the `aliases` of the book. Or list it, or take it out.",
        (
            Fact("asset", TEXT, "the coin, as the book writes it"),
            Fact("problem", TEXT, "what is not known, and which coin it may be"),
            Fact("groups", COUNT, "how many groups hold it"),
            Fact("group_ids", NAMES, "at most 50 of them"),
            Fact("group_ids_cut", COUNT, "how many are not named"),
        ),
    ),
    AlertType(
        "book.coin_known", INFO, "coin is known", "coin",
        "A coin that nobody knew is listed or priced now, or no group holds it any more.",
        "Nothing.",
        (Fact("asset", TEXT, "the coin"),),
        ends=("book.unknown_coin",),
    ),
    AlertType(
        BOOK_DRIFT, WARNING, "the lender says otherwise", GROUP,
        "What the lender's own system says of a group is not what we work out: its level, its stage or its deadline. "
        "Critical where the lender is worse or earlier.",
        "Act by the worse of the two. Then compare holdings, debts, lines and prices with the lender's.",
        DRIFT_FACTS, critical_by="severity",
    ),
    AlertType(
        BOOK_AGREED, INFO, "the lender agrees again", GROUP,
        "What was told by `book.drift` is over: the readings agree with ours again, or the group is closed.",
        "Nothing.",
        DRIFT_FACTS, ends=(BOOK_DRIFT,),
    ),
    AlertType(
        RULES_DRIFT, WARNING, "the lender's rules differ", "rule of a lender",
        "A ladder, a line or a rate that the lender publishes is not the one that the monitor counts by.",
        "Bring the product's file up to date, or find out why the lender's terms for this desk are others.",
        RULES_DRIFT_FACTS,
    ),
    AlertType(
        RULES_AGREED, INFO, "the lender's rules agree again", "rule of a lender",
        "What was told by `rules.drift` is over.",
        "Nothing.",
        RULES_DRIFT_FACTS, ends=(RULES_DRIFT,),
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
            *UNSENT_FACTS,
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
            *UNSENT_FACTS,
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
            *UNSENT_FACTS,
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
        CLOCK_OFF_FACTS,
    ),
    AlertType(
        "monitor.clock_restored", INFO, "our clock is right again", "clock",
        "Our wall clock agrees with the venues again.",
        "Nothing.",
        CLOCK_OFF_FACTS,
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
        GUESSING, WARNING, "somebody guesses tokens", "part of the monitor",
        "One address sent more than 20 wrong tokens within a minute. Told once, and again after an hour without guesses.",
        "Find out who is at that address: a program with an old token, or a stranger. The right token always passes.",
        (
            Fact("address", TEXT, "who sends them"),
            Fact("wrong", COUNT, "how many so far"),
            Fact("within_s", AMOUNT, "within so many seconds"),
        ),
    ),
    AlertType(
        GROUP_ESCALATED, CRITICAL, "nobody has acknowledged", GROUP,
        "A critical alert about the group stays unacknowledged; it goes to the people of the next step.",
        "Take it in hand: open the link and press the button, answer the text, or acknowledge the alert.",
        STEP_FACTS,
    ),
    AlertType(
        GROUP_ESCALATION_ENDED, INFO, "no longer asked for", GROUP,
        "Somebody has the group in hand, or what the alert told of is over. It goes to everybody who was asked.",
        "Nothing.",
        ENDED_FACTS,
    ),
    AlertType(
        ESCALATED, CRITICAL, "nobody has acknowledged", "what the alert is about",
        "A critical alert stays unacknowledged; it goes to the people of the next step.",
        "Take it in hand: open the link and press the button, or answer the text.",
        STEP_FACTS,
    ),
    AlertType(
        ESCALATION_ENDED, INFO, "no longer asked for", "what the alert is about",
        "Somebody has the alert in hand. It goes to everybody who was asked.",
        "Nothing.",
        ENDED_FACTS,
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
            Fact("audit_head", TEXT, "the last audit record, for `monitor audit verify --head`", optional=True),
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
    "config.*": "the configuration",
    "lever.*": "levers of the desk",
    "fund.*": "the insurance fund",
    "exposure.*": "concentrations",
    "delivery.*": "deliveries",
    "channel.*": "channels",
    "book.*": "the book",
    "shard.*": "shards of the book",
    "monitor.*": "the monitor",
    "security.*": "security",
}
"""What a list of alerts can be narrowed to."""

BAD_STAGE_NEWS = frozenset(row.type for row in _ROWS if row.news == "bad")
GOOD_STAGE_NEWS = frozenset(row.type for row in _ROWS if row.news == "good")
STAGE_NEWS = BAD_STAGE_NEWS | GOOD_STAGE_NEWS
"""Alerts that tell of a new stage: each cancels the older undelivered `loan_group.*` notices of its group."""


ENDED_BY: Mapping[str, str] = {ended: row.type for row in _ROWS for ended in row.ends}
"""The type that ends another one, about the same subject. What is of a group's stage ends with its episode."""
