"""The JSON schema of what is particular to alerts of a type, as the contract states it."""

from __future__ import annotations

from typing import Any

from monitor.core.alerts.alert_type import CRITICAL, AlertType, Fact
from monitor.core.alerts.group_alerts import GROUP, LOAN


def schema_of(row: AlertType) -> dict[str, Any]:
    """The JSON schema of what is particular to alerts of a type: severity, subject and facts."""
    facts = {
        "type": "object",
        "properties": {fact.name: _fact_schema(fact) for fact in row.facts},
        "required": [fact.name for fact in row.facts if not fact.optional],
    }
    has_group = row.about in (GROUP, LOAN)
    severity = {"enum": [row.severity, CRITICAL]} if row.critical_by is not None else {"const": row.severity}
    own = {"severity": severity, **({"facts": facts} if row.facts else {})}
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
