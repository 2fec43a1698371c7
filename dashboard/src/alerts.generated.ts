/** Made by `python -m tools.alerts` from the catalogue of alerts; change that, not this file. */

export const STAGES = ["liquidation", "delayed_liquidation", "margin_call", "normal"] as const;
export type Stage = (typeof STAGES)[number];

export const SEVERITIES = ["critical", "warning", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

export const STAGE_NAMES: Readonly<Record<Stage, string>> = {
  liquidation: "Liquidation",
  delayed_liquidation: "Delayed liquidation",
  margin_call: "Margin call",
  normal: "Normal",
};

/** What a list of alerts can be narrowed to. */
export const FAMILIES: Readonly<Record<string, string>> = {
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
  "channel.*": "channels",
  "book.*": "the book",
  "monitor.*": "the monitor",
  "security.*": "security",
};

/** What an alert says in a few words, by type. */
export const TITLES: Readonly<Record<string, string>> = {
  "loan_group.early_warning": "Early warning",
  "loan_group.margin_call.opened": "Margin call",
  "loan_group.margin_call.reminder": "Margin call (reminder)",
  "loan_group.margin_call.cured": "Margin call cured",
  "loan_group.delayed_liquidation.started": "Delayed liquidation",
  "loan_group.delayed_liquidation.reminder": "Delayed liquidation (reminder)",
  "loan_group.delayed_liquidation.cured": "Delayed liquidation cured",
  "loan_group.liquidation.triggered": "Liquidation",
  "loan_group.liquidation.cleared": "Liquidation cleared",
  "loan_group.closed": "Closed: no longer watched",
  "loan.renewal_open": "Renewal open",
  "loan.maturing": "Loan maturing",
  "loan.interest_shortfall": "Interest shortfall",
  "loan.overpaid": "More was repaid than was owed",
  "loan.overdue": "Loan overdue",
  "price.stale": "Price stale",
  "price.suspect": "Price suspect",
  "price.restored": "Price restored",
  "price.contradiction": "Prices contradict each other",
  "price.agreed": "Prices agree again",
  "feed.down": "Feed down",
  "feed.up": "Feed up again",
  "feed.clock": "Clock of a feed is off",
  "feed.clock_restored": "Clock of a feed is right again",
  "price.decided": "Price decided by an operator",
  "price.decision_ended": "Decision about a price ended",
  "rules.changed": "Rules changed",
  "fund.exceeded": "Insurance fund exceeded",
  "fund.restored": "Insurance fund suffices again",
  "exposure.concentration": "Share of the book too large",
  "exposure.restored": "Share of the book back in its limit",
  "book.refused": "Loan book line refused",
  "book.left_out": "Part of a book line left out",
  "book.drift": "Loan book drift",
  "delivery.failing": "Delivery failing",
  "delivery.restored": "Delivery works again",
  "channel.off": "Channel switched off",
  "channel.on": "Channel switched on",
  "delivery.lost": "Notice lost",
  "delivery.recipient_refused": "Recipient refused",
  "monitor.clock_jump": "Clock jump",
  "monitor.clock_off": "Our clock is off",
  "monitor.clock_restored": "Our clock is right again",
  "monitor.degraded": "Monitor degraded",
  "monitor.stalled": "Monitor stood still",
  "monitor.recovered": "Monitor recovered",
  "security.guessing": "Somebody guesses tokens",
  "loan_group.escalated": "Nobody has acknowledged",
  "loan_group.escalation_ended": "No longer asked for",
  "monitor.escalated": "Nobody has acknowledged",
  "monitor.escalation_ended": "No longer asked for",
  "monitor.heartbeat": "Heartbeat",
};
