"""Facts that several types of alert state. A type of its own facts has them in its row (`catalogue.py`)."""

from __future__ import annotations

from monitor.core.alerts.alert_type import AMOUNT, COUNT, FLAG, NAMES, ROWS, TEXT, TIME, Fact

LOAN_FACTS = (
    Fact("loan", TEXT, "its id"),
    Fact("asset", TEXT, "the coin that is owed"),
)
UNSENT_FACTS = (
    Fact("alert", TEXT, "id of the alert that did not get through"),
    Fact("alert_type", TEXT, "its type"),
    Fact("about", TEXT, "its subject"),
)
TOLD_AGAIN_FACTS = (
    Fact("silence", TEXT, "the silence that ended: the alert tells again what it hid", optional=True),
    Fact("hidden", TEXT, "id of the alert that it hid", optional=True),
)
ASKED_FACTS = (
    Fact("escalation", TEXT, "the [[escalation]] of the configuration"),
    Fact("people", NAMES, "whom the notice goes to"),
    Fact("alert", TEXT, "id of the alert that nobody has acknowledged"),
    Fact("alert_type", TEXT, "its type"),
    Fact("about", TEXT, "its subject"),
    Fact("since", TIME, "when it was raised"),
)
STEP_FACTS = (
    *ASKED_FACTS,
    Fact("step", COUNT, "which step this is, counted from 1"),
    Fact("expires", TIME, "until when the link and the reply to this notice count"),
    Fact("answered", NAMES, "who has acknowledged already, where more than one must"),
)
ENDED_FACTS = (
    *ASKED_FACTS,
    Fact("why", TEXT, "`acknowledged` or `over`"),
    Fact("by", NAMES, "who acknowledged"),
)
CALL_FACTS = (
    Fact("call", COUNT, "its number in the episode"),
    Fact("call_alert", TEXT, "id of the alert that opened it, from whose figures the amount recomputes"),
    Fact("called_usd", AMOUNT, "the called amount, of recognised value"),
    Fact("received_usd", AMOUNT, "what came since, less what left, each at the prices of its arrival"),
    Fact("outstanding_usd", AMOUNT, "what is still asked for"),
    Fact("target", AMOUNT, "the level that the call asks for"),
    Fact("due", TIME, "until when"),
)
IN_TRANSIT = Fact("in_transit_usd", AMOUNT, "what is announced and not past its own time")
OPENED_FACTS = (
    *(Fact(f.name, f.schema, f"{f.words}, where the product's calls have a clock", optional=True) for f in CALL_FACTS),
    Fact("supersedes_call", COUNT, "the number of the open call that this one replaces", optional=True),
)
TERM_FACTS = (
    *LOAN_FACTS,
    Fact("principal", AMOUNT, "in the coin"),
    Fact("interest", AMOUNT, "of the day, in the coin"),
    Fact("matures_at", TIME, "when the loan is due"),
    Fact("closes_at", TIME, "when the renewal window closes"),
    Fact("renewable", FLAG, "whether a renewal would be taken now"),
    Fact("refusals", ROWS, "why a renewal would be refused now: a list of `reason` and `text`"),
)
EXPOSED_FACTS = (
    Fact("groups", COUNT, "how many groups need the price"),
    Fact("debt_usd", AMOUNT, "what they owe", optional=True),
    Fact("recognised_usd", AMOUNT, "their recognised collateral", optional=True),
    Fact("group_ids", NAMES, "at most 50 of them"),
    Fact("group_ids_cut", COUNT, "how many are not named"),
    Fact("sums", TEXT, "`indicative` where the sums are the screen's", optional=True),
)
FLAPS_FACTS = (
    Fact("flaps", COUNT, "how often trust went and came, where it does so again and again", optional=True),
    Fact("flapping", FLAG, "the next word comes when it has been calm for a while", optional=True),
)
PRICE_FACTS = (
    Fact("asset", TEXT, "the coin"),
    Fact("trust", TEXT, "`good`, `suspect`, `stale`, or `missing`: no price was ever seen"),
    Fact("reason", TEXT, "why the price is not trusted", optional=True),
    Fact("price", AMOUNT, "the last trusted price, in USD", optional=True),
    Fact("source", TEXT, "the feed that it came from", optional=True),
    Fact("price_at", TIME, "the venue's time of it", optional=True),
    Fact("received_at", TIME, "when the monitor received it", optional=True),
    Fact("candidate", AMOUNT, "the price that waits to be confirmed", optional=True),
    *EXPOSED_FACTS,
    *FLAPS_FACTS,
)
FEED_FACTS = (
    Fact("feed", TEXT, "its name"),
    Fact("cause", TEXT, "why, in the words of `/readyz`", optional=True),
    Fact("assets", NAMES, "the coins that went or came back together, at most 500"),
    Fact("assets_cut", COUNT, "how many are not named"),
    Fact("still_blind", NAMES, "coins that went with it and are not back", optional=True),
    *EXPOSED_FACTS,
    *FLAPS_FACTS,
)
CONTRADICTION_FACTS = (
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
    *EXPOSED_FACTS,
)
CLOCK_OFF_FACTS = (
    Fact("offset_s", AMOUNT, "by how many seconds the clock is ahead; negative where it is behind"),
    Fact("since", TIME, "since when", optional=True),
)
BOOK_FACTS = (
    Fact("source", TEXT, "the [[book]] of the configuration"),
    Fact("as_of", TIME, "the time of the book; without it, it was not read at all yet", optional=True),
    Fact("age_s", COUNT, "how old that is, in seconds", optional=True),
    Fact("limit_s", COUNT, "`stale_after` in seconds; without it the book has no limit any more", optional=True),
    Fact("version", TEXT, "what the source calls this state of its book", optional=True),
)
DECISION_FACTS = (
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
FUND_FACTS = (
    Fact("balance_usd", AMOUNT, "what the fund holds"),
    Fact("draw_usd", AMOUNT, "what groups in liquidation would leave unpaid"),
    Fact("fees_usd", AMOUNT, "what they would pay in, which the draw does not count"),
    Fact("groups", COUNT, "how many groups would be bankrupt"),
    Fact("in_liquidation", COUNT, "how many groups are in liquidation"),
    Fact("unknown", COUNT, "how many of those have a missing price and are in no sum"),
    Fact("worst", NAMES, "at most 50 bankrupt groups, the largest shortfall first"),
    Fact("worst_cut", COUNT, "how many are not named"),
)
SHARE_FACTS = (
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
LEVER_FACTS = (
    Fact("act", TEXT, "`extend_grace`, `waive`, `override`, `move`, `pin` or `silence`"),
    Fact("change", TEXT, "what it changes, in words"),
    Fact("by", TEXT, "the token that asked for it"),
    Fact("person", TEXT, "whose token it is, where it is a person's", optional=True),
    Fact("reason", TEXT, "why"),
    Fact("until", TIME, "until when it holds; null for a move", optional=True),
    Fact("lever", TEXT, "the lever, where it was pulled", optional=True),
    Fact("groups", COUNT, "how many groups it is about"),
    Fact("group_ids", NAMES, "at most 50 of them"),
    Fact("group_ids_cut", COUNT, "how many are not named"),
    Fact("moves", ROWS, "at most 50 groups whose stage it changes: `group`, `from`, `to`", optional=True),
    Fact("moves_cut", COUNT, "how many are not named", optional=True),
)
LENDER_SAYS = Fact("lender", TEXT, "what the lender's own system says, where that decides", optional=True)
DRIFT_FACTS = (
    Fact("says", TEXT, "the lender's stage and deadline, then ours, as a sentence"),
    Fact("severity", TEXT, "`critical` where the lender is worse or earlier, else `warning`; `info` at the end"),
    Fact("causes", NAMES, "what differs: `level`, `stage`, `deadline`"),
    Fact("source", TEXT, "the book that read it"),
    Fact("words", TEXT, "the lender's own words"),
    Fact("as_of", TIME, "when the lender said it"),
    Fact("lender_level", AMOUNT, "the lender's level, in the metric of the product", optional=True),
    Fact("our_level", AMOUNT, "ours at that moment", optional=True),
    Fact("lender_stage", TEXT, "the lender's stage in our words", optional=True),
    Fact("our_stage", TEXT, "ours"),
    Fact("lender_deadline", TIME, "when the lender's clock ends", optional=True),
    Fact("our_deadline", TIME, "when ours does", optional=True),
)
RULES_DRIFT_FACTS = (
    Fact("source", TEXT, "the book that read it"),
    Fact("product", TEXT, "the product"),
    Fact("figure", TEXT, "which rule: `ladder BTC`, `rate USDT`, `line BTC liquidation`"),
    Fact("lender", TEXT, "the lender's figure"),
    Fact("ours", TEXT, "ours"),
)
