"""What webhooks and the stream send is as the AsyncAPI document says, and the document is one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft7Validator

from monitor.core.alerts.catalogue import CATALOGUE
from tests.book_lines import line
from tests.web.desk import WebDesk
from tests.web.test_admission import ask
from tests.web.test_contract import conforms

Session = aiohttp.ClientSession
SPEC = Path(__file__).parents[2] / "dashboard/node_modules/@asyncapi/specs/schemas/3.0.0.json"


@pytest.fixture
async def document(http: Session) -> dict[str, Any]:
    status, _, found = await ask(http, "GET", "/asyncapi.json")
    assert status == 200
    return dict(found)


@pytest.mark.skipif(not SPEC.exists(), reason="the schema of AsyncAPI is not there: `make setup` with node and npm")
async def test_the_document_is_valid(document: dict[str, Any]) -> None:
    """By the schema that the specification publishes."""
    validator = Draft7Validator(json.loads(SPEC.read_text()))
    assert [e.message for e in validator.iter_errors(document)] == []
    document["operations"]["sendWebhook"]["action"] = "shout"
    assert list(validator.iter_errors(document))


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for ref in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        place: Any = document
        for part in ref.split("/"):
            place = place[part]
        assert place


async def test_every_type_of_alert_is_a_message_of_both_channels(document: dict[str, Any]) -> None:
    for channel in document["channels"].values():
        assert set(channel["messages"]) == set(CATALOGUE)
    assert {m["name"] for m in document["components"]["messages"].values()} == set(CATALOGUE)


async def test_what_is_sent_meets_the_message_of_its_type(
    desk: WebDesk, http: Session, document: dict[str, Any]
) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    desk.prices({"BTC": "10000", "SOL": "20"})
    items = (await ask(http, "GET", "/v1/alerts"))[2]["items"]
    assert items
    for item in items:
        payload = document["components"]["messages"][item["type"]]["payload"]
        assert conforms(document, payload, item) == []
        assert conforms(document, payload, {**item, "data": {}}) != []
