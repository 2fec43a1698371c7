"""What is said of one loan group: of its stage, and of its loans. The rest of the catalogue is in `catalogue`, and so is how
to add a row."""

from __future__ import annotations

from monitor.core.alerts.alert_facts import (
    CALL_FACTS,
    IN_TRANSIT,
    LENDER_SAYS,
    LOAN_FACTS,
    OPENED_FACTS,
    TERM_FACTS,
    TOLD_AGAIN_FACTS,
)
from monitor.core.alerts.alert_type import (
    AMOUNT,
    CRITICAL,
    FLAG,
    INFO,
    TEXT,
    TIME,
    WARNING,
    AlertType,
    Fact,
)

GROUP = "group"
LOAN = "loan of a group"
"""An alert about these has the group with its figures; any other has a `subject` and facts."""

GROUP_ROWS = (
    AlertType(
        "loan_group.early_warning", INFO, "early warning", GROUP,
        "LTV reached an early-warning level, in stage normal.",
        "Look at the group; nothing is due.",
    ),
    AlertType(
        "loan_group.margin_call.opened", WARNING, "margin call", GROUP,
        "LTV reached the margin-call line.",
        "Ask for more collateral or a repayment: `cure` says how much. Where the product's calls have a clock, `facts` says "
        "what is called and until when.",
        (*TOLD_AGAIN_FACTS, *OPENED_FACTS), news="bad",
    ),
    AlertType(
        "loan_group.margin_call.due", WARNING, "margin call due soon", GROUP,
        "The time of a margin call is nearly over (`due_reminders`), and it is not met.",
        "Ask for `facts.outstanding_usd` before `facts.due`.",
        (*CALL_FACTS, IN_TRANSIT),
    ),
    AlertType(
        "loan_group.margin_call.partly_met", INFO, "margin call partly met", GROUP,
        "Collateral or a repayment has come, and the call is not met by it.",
        "Ask for the rest: `facts.outstanding_usd`.",
        (
            *CALL_FACTS,
            Fact("paid_usd", AMOUNT, "what came now, at the prices of now"),
            Fact("entry", TEXT, "id of the entry; empty where a book stated it"),
        ),
    ),
    AlertType(
        "loan_group.margin_call.met", INFO, "margin call met", GROUP,
        "Nothing is outstanding, or the level is at the call's target.",
        "Nothing.",
        CALL_FACTS,
    ),
    AlertType(
        "loan_group.margin_call.withdrawn", INFO, "margin call withdrawn", GROUP,
        "The margin call was cured by prices before it was met.",
        "Nothing. What is on its way is not asked for any more.",
        CALL_FACTS,
    ),
    AlertType(
        "loan_group.margin_call.expired", CRITICAL, "margin call expired", GROUP,
        "The call is due, and at least the minimum transfer is outstanding.",
        "Decide. `facts.on_expiry` says what the product does by itself: nothing, a grace period, or liquidation.",
        (*CALL_FACTS, IN_TRANSIT, Fact("on_expiry", TEXT, "`notice`, `delayed_liquidation` or `liquidation`")),
    ),
    AlertType(
        "loan_group.margin_call.disputed", WARNING, "margin call disputed", GROUP,
        "Somebody does not agree to a part of a call, or such a dispute was settled (`facts.dispute`).",
        "Settle it, and enter `resolve`. The clock runs on, unless the product stops it for the disputed part.",
        (
            *CALL_FACTS,
            Fact("dispute", TEXT, "`open` or `resolved`"),
            Fact("disputed_usd", AMOUNT, "the part"),
            Fact("why", TEXT, "the reason, as it was entered"),
            Fact("by", TEXT, "who disputes or settles it"),
        ),
    ),
    AlertType(
        "loan_group.collateral.returnable", INFO, "collateral may be asked back", GROUP,
        "The level is better than `return_below`, and so much may leave.",
        "Offer it, or not. It is said once, and again when it changes by the minimum transfer.",
        (
            Fact("returnable_usd", AMOUNT, "recognised value that may leave"),
            Fact("return_below", AMOUNT, "the level that must hold afterwards"),
        ),
    ),
    AlertType(
        "loan_group.margin_call.reminder", WARNING, "margin call (reminder)", GROUP,
        "The margin call is still open.",
        "The same, with the figures of now.",
        OPENED_FACTS[:-1],
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
        TOLD_AGAIN_FACTS, news="bad",
    ),
    AlertType(
        "loan_group.delayed_liquidation.reminder", CRITICAL, "delayed liquidation (reminder)", GROUP,
        "The deadline comes nearer.",
        "The same.",
    ),
    AlertType(
        "loan_group.delayed_liquidation.extended", CRITICAL, "delayed liquidation, new deadline", GROUP,
        "The end of the grace period was moved: it was extended, or the extension was taken back. It goes where the alert "
        "goes that starts a grace period.",
        "Tell the borrower that `deadline` holds in place of `facts.was`.",
        (Fact("was", TIME, "the deadline that was told before"),),
    ),
    AlertType(
        "loan_group.delayed_liquidation.cured", INFO, "delayed liquidation cured", GROUP,
        "LTV is at the initial level, in time.",
        "Nothing.",
        news="good",
    ),
    AlertType(
        "loan_group.liquidation.triggered", CRITICAL, "liquidation", GROUP,
        "See `reason`: `ltv`, `immediate`, `grace_expired`, `overdue`, `lender`, `call_expired`.",
        "Liquidate, or say why not. The monitor does not. With `lender` the lender's own system liquidates already.",
        (*TOLD_AGAIN_FACTS, LENDER_SAYS), news="bad",
    ),
    AlertType(
        "loan_group.liquidation.cleared", INFO, "liquidation cleared", GROUP,
        "The debt is gone or LTV is at the initial level.",
        "Close the case.",
        news="good",
    ),
    AlertType(
        "loan_group.closed", INFO, "closed: no longer watched", GROUP,
        "A group was closed in a margin call, a delayed liquidation or a liquidation. What was told of it is over. Whether "
        "the loans are settled is not known here.",
        "Nothing, if you know of it. Otherwise find out why it was closed: nobody watches it now.",
        (
            Fact("source", TEXT, "who closed it: `api`, or the book that holds it no longer"),
            Fact("left_at", TIME, "when the book left it out, where it could have come back until now"),
        ),
        news="good",
    ),
    AlertType(
        "loan.renewal_open", INFO, "renewal open", LOAN,
        "The renewal window of a term loan opened.",
        "Ask the borrower. `facts.refusals` says why a renewal would be refused now.",
        TERM_FACTS,
    ),
    AlertType(
        "loan.maturing", INFO, "loan maturing", LOAN,
        "A term loan matures soon (`maturity_notice`).",
        "Have it renewed or repaid; `facts` as above.",
        TERM_FACTS,
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
        "loan.overpaid", INFO, "more was repaid than was owed", GROUP,
        "A repayment was taken whole, and the loans of its coin are closed. What was too much goes back to the balance that "
        "paid.",
        "See that `facts.returned` was paid back, and that the repayment was meant for this group and this coin.",
        (
            Fact("asset", TEXT, "the coin"),
            Fact("entry", TEXT, "id of the repayment"),
            Fact("paid", AMOUNT, "what was paid, in the coin"),
            Fact("owed", AMOUNT, "what was owed before"),
            Fact("returned", AMOUNT, "what goes back, in the lender's places"),
            Fact("account", TEXT, "whose balance paid, where the entry says so", optional=True),
        ),
    ),
    AlertType(
        "loan.overdue", CRITICAL, "loan overdue", LOAN,
        "A term loan matured and is not repaid.",
        "Collect. `facts.liquidation_at` is when the group is liquidated, an assumption.",
        (
            *LOAN_FACTS,
            Fact("matured_at", TIME, "when the loan was due"),
            Fact("liquidation_at", TIME, "when the group is liquidated"),
            Fact("assumed", FLAG, "the lender does not state that time"),
        ),
    ),
)  # fmt: skip
