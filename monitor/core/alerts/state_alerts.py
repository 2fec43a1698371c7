"""What is said of the configuration, and of what was not mended before a start; the rest is in `catalogue`."""

from __future__ import annotations

from monitor.core.alerts.alert_type import (
    AMOUNT,
    COUNT,
    CRITICAL,
    INFO,
    NAMES,
    ROWS,
    TEXT,
    TIME,
    WARNING,
    AlertType,
    Fact,
)

CONFIG_REFUSED, CONFIG_TAKEN = "config.refused", "config.taken"
RULES_HELD, RULES_RELEASED = "rules.held", "rules.released"
UNMENDED = "monitor.unmended"
CONTRADICTED = "monitor.contradiction"
SHARD_MISSING, SHARD_BACK = "shard.missing", "shard.back"
SHARD_FULL, SHARD_ROOM = "shard.full", "shard.room"
STATE_ENDS = {
    CONFIG_REFUSED: CONFIG_TAKEN,
    RULES_HELD: RULES_RELEASED,
    SHARD_MISSING: SHARD_BACK,
    SHARD_FULL: SHARD_ROOM,
}

STATE_ROWS = (
    AlertType(
        CONTRADICTED,
        CRITICAL,
        "decision contradicted",
        "part of the monitor",
        "A stage was decided by column, and the exact figures of its alert do not bear it out. That must never be: until a "
        "restart every group is valued exactly before it is decided.",
        "Look at the group by hand, keep the event log of the time, and report it. A restart decides by column again.",
        (
            Fact("group", TEXT, "the group"),
            Fact("decided_at", TIME, "when it was decided"),
            Fact("stage", TEXT, "where the group stood"),
            Fact("decided", TEXT, "what was decided, in words"),
            Fact("exact", TEXT, "what the exact figures say, in words; empty for nothing"),
        ),
    ),
    AlertType(
        SHARD_MISSING,
        CRITICAL,
        "groups are not watched",
        "shard",
        "A shard of the book gave no answer in time and was abandoned. Nobody looks at the prices of its groups: they are "
        "blind, and nothing good is said of them. Their deadlines run on.",
        "A replacement is loaded by itself. If none comes up, look at the log, and at the memory and load of the machine.",
        (
            Fact("groups", COUNT, "how many groups nobody watches; 0 where another copy of the shard does"),
            Fact("debt_usd", AMOUNT, "what they owed when the shard saw prices last"),
        ),
    ),
    AlertType(
        SHARD_BACK,
        INFO,
        "groups are watched again",
        "shard",
        "A replacement of the shard is loaded. The first prices after it decide what is due for its groups.",
        "Nothing.",
        ends=(SHARD_MISSING,),
    ),
    AlertType(
        SHARD_FULL,
        CRITICAL,
        "no shard has room",
        "shards",
        "No shard takes more groups: each is at `max_groups`, at `max_memory_mb`, or short of memory on its machine. Groups "
        "that no shard took are blind, as nobody looks at their prices; their deadlines run on. New groups that came singly "
        "are watched by the head, which takes longer for each.",
        "Give `[engine]` more `shards`, which a reload takes, or the machines more memory.",
        (
            Fact("groups", COUNT, "how many groups nobody watches"),
            Fact("group_ids", NAMES, "at most 50 of them"),
            Fact("group_ids_cut", COUNT, "how many are not named"),
        ),
    ),
    AlertType(
        SHARD_ROOM,
        INFO,
        "shards have room",
        "shards",
        "Some shard takes groups again. Those that nobody watched are handed to it.",
        "Nothing.",
        ends=(SHARD_FULL,),
    ),
    AlertType(
        CONFIG_REFUSED,
        WARNING,
        "reload refused",
        "configuration",
        "A reload found problems in the configuration. Nothing of it is taken; the old one stays in force.",
        "Mend what `problems` names, and reload. `monitor check-config` says the same before a reload.",
        (
            Fact("problem", TEXT, "the first problem, as a sentence"),
            Fact("problems", NAMES, "at most 50 problems"),
            Fact("problems_cut", COUNT, "how many are not named"),
        ),
    ),
    AlertType(
        CONFIG_TAKEN,
        INFO,
        "configuration in order",
        "configuration",
        "What was told by `config.refused` is over: a later reload or a start took the configuration.",
        "Nothing.",
        ends=(CONFIG_REFUSED,),
    ),
    AlertType(
        RULES_HELD,
        WARNING,
        "new rules wait to be confirmed",
        "configuration",
        "The rules of a reload would have moved more groups to another stage than `reload_max_moves`. All but the rules "
        "(products and `[lifecycle]`) is taken; the old rules stay in force.",
        "Look at the list. If it is meant, `monitor reload --confirm`; if not, mend the rules and reload.",
        (
            Fact("problem", TEXT, "how many groups would move, as a sentence"),
            Fact("groups_moved", COUNT, "how many groups would change their stage"),
            Fact("limit", COUNT, "`reload_max_moves`"),
            Fact("moves", ROWS, "how many would move `from` which stage `to` which: `groups`"),
            Fact("groups", ROWS, "at most 50 of them, the worst first: `group`, `from`, `to`"),
            Fact("groups_cut", COUNT, "how many are not named"),
        ),
    ),
    AlertType(
        RULES_RELEASED,
        INFO,
        "no rules wait any more",
        "configuration",
        "The rules that were held are in force, or a later reload or a start took others.",
        "Nothing.",
        ends=(RULES_HELD,),
    ),
    AlertType(
        UNMENDED,
        WARNING,
        "still not mended",
        "monitor",
        "Said some seconds after a start: what was found before it, and still is not known or not in order.",
        "Mend it: the page **Books**, or `GET /v1/status`, says what and since when.",
        (
            Fact("problem", TEXT, "how many there are, as a sentence"),
            Fact("count", COUNT, "how many there are"),
            Fact("unwatched", COUNT, "loan groups that are not watched for it"),
            Fact("troubles", ROWS, "at most 50 of them: `kind`, `subject`, `since`, `text`"),
            Fact("troubles_cut", COUNT, "how many are not named"),
        ),
    ),
)
