"""What is said of one loan group: of its stage, and of its loans. The rest of the catalogue is in `catalogue`, and so is how
to add a row."""

from __future__ import annotations

from monitor.core.alerts.alert_facts import (
    LENDER_SAYS,
    LOAN_FACTS,
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
        "Ask for more collateral or a repayment: `cure` says how much.",
        TOLD_AGAIN_FACTS, news="bad",
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
        TOLD_AGAIN_FACTS, news="bad",
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
        "See `reason`: `ltv`, `immediate`, `grace_expired`, `overdue`, `lender`.",
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
