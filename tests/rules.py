"""The table of docs/rules.md: each rule of the domain (DOMAIN section 1) and the tests that are named after it.

`python -m tests.rules` writes it. A test names its rules at the start: test_rule_36_..., test_vip_faq_24_25_...,
test_vip_faq_17_to_20_... (the numbers of the VIP FAQ are those of the first 31 rules).
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "rules.md"
_TEST = re.compile(r"^(?:async )?def (test_(?:vip_faq|rule)_(\d+(?:_(?:to_)?\d+)*)_\w+)", re.MULTILINE)

RULES = {
    1: "VIP loans are for VIP users of the lender",
    2: "A master account applies; money settles into the receiving account",
    3: "No transaction fee, none for early repayment; 2 % of what is liquidated",
    4: "Proceeds may be used for anything",
    5: "Only designated coins in the collateral accounts count",
    6: "A group is one receiving account, its collateral accounts and all its orders; an account is in one group",
    7: "No new order while one is in margin call or collateral does not suffice",
    8: "An account leaves below initial, and to at most initial",
    9: "Initial, margin-call and liquidation LTV by default 72, 77, 91 %; a group may have its own",
    10: "Margin call where LTV reaches its line",
    11: "Liquidation where LTV reaches its line",
    12: "All outstanding loans of the group are liquidated",
    13: "Enrolled groups have 24 hours to come down to the initial level",
    14: "Above 95 % the delay ends at once; 95 % itself does not",
    15: "Notices by message, email and SMS",
    16: "A liquidation cancels the margin call's notice",
    17: "Below margin call assets move within the group and are traded",
    18: "Below initial collateral may leave, as long as LTV stays below",
    19: "Turning collateral into another coin raises LTV",
    20: "What is permitted at each LTV",
    21: "Open, 30 and 60 day terms; fixed rates for 30 and 60 only",
    22: "Fixed rates stay, flexible ones vary",
    23: "Fixed and flexible change by a new order only",
    24: "Interest accrues daily at 00:00 UTC",
    25: "Late repayment bears triple interest and leads to liquidation",
    26: "Repay interest and principal, by amount or percent",
    27: "Renewal of term loans, within seven days before maturity",
    28: "A Spot balance that cannot pay its coin's interest is shown",
    29: "The collateral ratio is marginal per asset",
    30: "5 million at 100 % up to 1 and 80 % above count 4.2 million",
    31: "Ratios change by date",
    32: "Interest for loans from 2020-09-21 on; free days are those of the opening",
    33: "Three free UTC days, that of borrowing included",
    34: "Charged at 00:00 UTC on the principal; LTV is refreshed",
    35: "The worked example of free days and of 0.72 USDT",
    36: "A repayment goes to all interest first, oldest order first",
    37: "The margin level is net equity over maintenance margin, by liability tiers",
    38: "A tier has a limit, a leverage, two rates and a maintenance amount",
    39: "The tiers that the example implies",
    40: "75,327.1 of initial and 31,330 of maintenance margin",
    41: "The marginal sum and the quick deduction agree",
    42: "5 % off interest that is paid in BNB; limits by VIP level",
    43: "Bankrupt: assets below liabilities after liquidation",
    44: "What flows into the insurance fund",
    45: "Clearance fees by product",
    46: "1.32 % of ADA/ETH in tier 3",
    47: "A fee is capped by what is left and moves no liquidation price",
}


def by_rule() -> dict[int, list[str]]:
    """Names of tests by the rule that they name, in the order of files."""
    found: dict[int, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, numbers in _TEST.findall(path.read_text()):
            for rule in _named(numbers):
                found.setdefault(rule, []).append(f"`{path.relative_to(ROOT / 'tests')}` `{name}`")
    return found


def _named(numbers: str) -> list[int]:
    """`24_25` names two rules, `17_to_20` four."""
    first, _, last = numbers.partition("_to_")
    return list(range(int(first), int(last) + 1)) if last else [int(n) for n in first.split("_")]


def table() -> str:
    """The document as it must stand."""
    found = by_rule()
    rows = [f"| {n} | {text} | {'<br>'.join(found.get(n, ['-']))} |" for n, text in RULES.items()]
    head = (
        "# Rules and their tests\n\nWritten by `python -m tests.rules`; a test holds it to the tests that there are. The"
        " numbers are those of the domain's rule\nbook: 1-31 VIP loans, 32-36 Cross Collateral, 37-42 Cross Margin Pro,"
        " 43-47 the insurance fund. A dash: no test names\nthe rule.\n\n| rule | says | tests |\n|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table())
