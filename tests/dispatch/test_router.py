"""Where alerts go."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor import config as configuration
from monitor.config import Route
from monitor.core import schema
from monitor.core.alerts.alert import Alert, GroupRef
from monitor.core.alerts.matching import Match, takes
from monitor.core.loans.group import ContactTo
from monitor.dispatch.router import route
from monitor.quiet_times import QuietTimes
from monitor.stores._base import Target
from tests.fakes import alert

CHANNELS = {"hook": "webhook", "mail": "email", "mail-2": "email", "phone": "sms"}


def names(one: Alert, *routes: Route, channels: dict[str, str] = CHANNELS) -> list[str]:
    return [t.notifier for t in route(one, routes, channels)]


def grouped(**labels: str) -> Alert:
    return msgspec.structs.replace(alert(subject="EU-7"), group=GroupRef("EU-7", "vip_loan", "a", labels))


LIQUIDATION = alert("loan_group.liquidation.triggered")
CALL = alert("loan_group.margin_call.opened")
STALE = alert("price.stale", "BTC")


def test_the_first_route_that_matches_decides() -> None:
    routes = (Route(("phone",), Match(severity="critical")), Route(("hook", "mail")))
    assert names(LIQUIDATION, *routes) == ["phone"]
    assert names(CALL, *routes) == ["hook", "mail"]


def test_a_route_that_goes_on_adds_the_next_match_and_names_nobody_twice() -> None:
    routes = (Route(("phone", "mail"), Match(severity="critical"), True), Route(("mail", "hook")), Route(("mail-2",)))
    assert names(LIQUIDATION, *routes) == ["phone", "mail", "hook"]


@pytest.mark.parametrize(
    ("match", "is_taken"),
    [
        (Match(), True),
        (Match(type="loan_group.*"), True),
        (Match(type="loan_group.margin_call.opened"), True),
        (Match(type="price.*"), False),
        (Match(severity="warning"), True),
        (Match(severity="critical"), False),
        (Match(product="vip_loan"), True),
        (Match(product="other"), False),
        (Match(group="EU-*"), True),
        (Match(group="US-*"), False),
        (Match(labels={"desk": "EU"}), True),
        (Match(labels={"desk": "E*", "borrower": "ACME"}), True),
        (Match(labels={"desk": "EU", "borrower": "Other"}), False),
        (Match(labels={"missing": "*"}), False),
        (Match(type="loan_group.*", severity="critical"), False),
    ],
)
def test_all_that_a_match_states_must_hold(match: Match, is_taken: bool) -> None:
    assert takes(match, grouped(desk="EU", borrower="ACME")) is is_taken


@pytest.mark.parametrize("match", [Match(product="*"), Match(group="*"), Match(labels={"desk": "*"})])
def test_an_alert_about_no_group_matches_no_group(match: Match) -> None:
    assert takes(match, STALE) is False
    assert takes(Match(type="price.*"), STALE) is True


def test_a_silenced_alert_goes_nowhere_however_critical() -> None:
    silenced = msgspec.structs.replace(LIQUIDATION, silenced_by="sil_1")
    assert names(silenced) == []
    assert names(silenced, Route(("mail",), Match(type="price.*"))) == []


def test_without_routes_everything_goes_everywhere() -> None:
    assert names(STALE) == list(CHANNELS)


def test_an_unrouted_alert_goes_to_the_log_alone_but_a_critical_one_to_everybody() -> None:
    only_prices = Route(("mail",), Match(type="price.*"))
    assert names(CALL, only_prices) == []
    assert names(LIQUIDATION, only_prices) == list(CHANNELS)


def test_a_route_to_nobody_is_kept_even_for_a_critical_alert() -> None:
    assert names(LIQUIDATION, Route(()), Route(("mail",))) == []


def test_contacts_go_through_the_first_notifier_of_their_kind() -> None:
    one = msgspec.structs.replace(CALL, contacts={"email": ("a@acme.example", "a@acme.example"), "sms": ("+15550100",)})
    assert route(one, [Route(("hook", "contacts"))], CHANNELS) == (
        Target("hook"),
        Target("mail", ("a@acme.example",)),
        Target("phone", ("+15550100",)),
    )


def test_the_desk_and_the_borrower_both_get_theirs_through_one_notifier() -> None:
    one = msgspec.structs.replace(CALL, contacts={"email": ("a@acme.example",)})
    assert route(one, [Route(("mail", "contacts", "mail"))], CHANNELS) == (
        Target("mail"),
        Target("mail", ("a@acme.example",)),
    )


def test_a_critical_alert_for_a_borrower_without_contacts_goes_to_everybody() -> None:
    only_contacts = Route(("contacts",))
    assert names(CALL, only_contacts) == []
    assert names(LIQUIDATION, only_contacts) == list(CHANNELS)


@pytest.mark.parametrize(
    ("routes", "channels", "told"),
    [
        ([Route(("hook", "mail"))], CHANNELS, ["mail"]),
        ([Route(("hook",))], CHANNELS, ["mail", "mail-2", "phone"]),
        ([], CHANNELS, ["mail", "mail-2", "phone"]),
        ([Route(("hook",))], {"hook": "webhook"}, ["hook"]),
    ],
)
def test_a_failing_channel_is_told_of_on_another_one(routes: Any, channels: dict[str, str], told: list[str]) -> None:
    assert names(alert("delivery.failing", "hook"), *routes, channels=channels) == told


def test_routes_are_read_from_the_configuration_with_the_key_continue() -> None:
    table = {"match": {"type": "price.*", "labels": {"desk": "EU"}}, "to": ["mail"], "continue": True}
    read = schema.read(Route, table, "route[0]", Path())
    assert read == Route(("mail",), Match(type="price.*", labels={"desk": "EU"}), True)


@pytest.mark.parametrize("type_", ["margin_call.opened", "delayed_liquidation.started", "liquidation.triggered"])
def test_rule_15_a_call_and_a_liquidation_go_to_the_inbox_and_to_the_borrower_by_mail_and_sms(type_: str) -> None:
    """By the routes of the demonstration; the inbox is the alert log, which is written whatever the routes say."""
    config = configuration.load(Path(__file__).parents[2] / "config" / "monitor.toml")
    group = GroupRef("G-1", "vip_loan", "a", {})
    to = {"email": ("treasury@acme.example",), "sms": ("+15550100",)}
    one = msgspec.structs.replace(alert(f"loan_group.{type_}", "G-1"), group=group, contacts=to)
    channels = {part.name: part.kind for part in config.notifiers}
    told = {(channels[t.notifier], t.to) for t in route(one, config.routes, channels)}
    assert {("email", to["email"]), ("sms", to["sms"])} <= told
    assert set(channels.values()) >= {"email", "sms"}


def owing(**contacts: Any) -> Alert:
    return msgspec.structs.replace(
        grouped(), type="loan_group.liquidation.triggered", contacts={k: tuple(v) for k, v in contacts.items()}
    )


TO_CONTACTS = (Route(("contacts",)),)


@pytest.mark.parametrize(
    "contacts", [{}, {"email": ["cfo@acme,example"]}, {"sms": ["5550100"]}, {"fax": ["1"]}, {"email": []}]
)
def test_a_borrower_whose_contacts_cannot_be_used_counts_as_one_without(contacts: dict[str, list[str]]) -> None:
    assert names(owing(**contacts), *TO_CONTACTS) == list(CHANNELS)


def test_an_address_is_sent_to_as_the_notifier_reads_it_and_a_bad_one_beside_it_is_named_there() -> None:
    one = owing(email=["Jane <jane@acme.example> ", "cfo@acme,example"], sms=["00 1 555-0100"])
    assert route(one, TO_CONTACTS, CHANNELS) == (
        Target("mail", ("jane@acme.example", "cfo@acme,example")),
        Target("phone", ("+15550100",)),
    )


def test_each_language_and_template_is_a_delivery_of_its_own() -> None:
    one = owing(email=["a@x.example", ContactTo("b@x.example", "pl"), ContactTo("c@x.example", "pl"), "d@x.example"])
    assert route(one, TO_CONTACTS, CHANNELS) == (
        Target("mail", ("a@x.example", "d@x.example")),
        Target("mail", ("b@x.example", "c@x.example")),
    )


def test_a_borrower_hears_of_the_own_loans_only() -> None:
    """An alert about the desk's own affairs never reaches a contact, though it may name a group."""
    other = msgspec.structs.replace(owing(email=["a@x.example"]), type="delivery.lost", facts={"severity": "critical"})
    assert all(not target.to for target in route(other, TO_CONTACTS, CHANNELS))


def test_a_route_gathers_for_people_and_not_for_programs() -> None:
    routes = [Route(("hook", "mail"), group_by=("severity",))]
    assert route(LIQUIDATION, routes, CHANNELS) == (Target("hook"), Target("mail", (), "10|300|10|severity=critical"))


def test_an_outage_of_many_is_told_on_a_channel_that_works() -> None:
    outage = alert("delivery.failing", "channels", facts={"channels": [{"notifier": "hook"}, {"notifier": "mail"}]})
    assert names(outage) == ["mail-2", "phone"]
    assert names(alert("channel.off", "mail")) == ["hook", "mail-2", "phone"]


def test_a_borrowers_notice_is_in_no_digest() -> None:
    """A digest names other groups; the desk's own mail on the same route is gathered."""
    gathered = Route(("mail", "contacts"), group_by=("severity",), group_wait=timedelta(seconds=30))
    desk, borrower = route(owing(email=["a@x.example"]), (gathered,), CHANNELS)
    assert desk.gather
    assert borrower.to == ("a@x.example",)
    assert not borrower.gather


# -- quiet times --

NIGHT = QuietTimes(("22:00-07:00",))
MORNING = datetime(2026, 1, 6, 7, tzinfo=UTC)


def untils(one: Alert, *routes: Route, people: Any = None) -> dict[str, datetime | None]:
    found = route(one, routes, CHANNELS, people or {}, lambda quiet: MORNING if quiet == NIGHT else None)
    return {t.notifier: t.until for t in found}


@pytest.mark.parametrize(
    ("one", "is_held"),
    [
        (CALL, True),
        (STALE, True),
        (alert("loan_group.margin_call.cured", stage_from="margin_call"), True),
        (alert("loan_group.closed", stage_from="margin_call"), True),
        (alert("price.restored", "BTC"), True),
        (LIQUIDATION, False),
        (alert("price.contradiction", "BTC"), False),
        (alert("delivery.lost", "G-1", facts={"severity": "critical"}), False),
        # The end of something critical closes an incident, and lets those sleep whom it woke.
        (alert("loan_group.delayed_liquidation.cured", stage_from="delayed_liquidation"), False),
        (alert("loan_group.liquidation.cleared", stage_from="liquidation"), False),
        (alert("loan_group.closed", stage_from="liquidation"), False),
        (alert("price.agreed", "BTC"), False),
        (alert("feed.up", "venue"), False),
    ],
)
def test_quiet_times_hold_info_and_warning_and_never_what_is_critical_or_ends_it(one: Alert, is_held: bool) -> None:
    assert untils(one, Route(("mail",), quiet=NIGHT)) == {"mail": MORNING if is_held else None}


def test_only_the_targets_of_a_quiet_route_are_held() -> None:
    routes = (Route(("mail",), quiet=NIGHT, continue_=True), Route(("mail", "hook")))
    assert untils(CALL, *routes) == {"mail": MORNING, "hook": None}


def test_a_borrower_is_left_alone_in_quiet_times_too() -> None:
    one = msgspec.structs.replace(grouped(), contacts={"email": ("a@b.example",)})
    found = route(one, [Route(("contacts",), quiet=NIGHT)], CHANNELS, {}, lambda _: MORNING)
    assert [(t.to, t.until) for t in found] == [(("a@b.example",), MORNING)]


def test_a_step_of_an_escalation_is_never_held() -> None:
    for type_ in ("loan_group.escalated", "loan_group.escalation_ended"):
        step = alert(type_, facts={"people": ["anna"]})
        assert untils(step, Route(("mail",), quiet=NIGHT), people={"anna": {"mail": "anna@b.example"}}) == {
            "mail": None
        }


def test_what_keeps_an_incident_open_hears_of_its_end_at_night_too() -> None:
    cured = alert("loan_group.margin_call.cured", stage_from="margin_call")
    kinds = {"pager": "pagerduty", "board": "jira_service_management", "am": "alertmanager", "mail": "email"}
    night = [Route(tuple(kinds), quiet=NIGHT)]
    for one, held in ((CALL, set(kinds)), (cured, {"mail"})):
        found = route(one, night, kinds, {}, lambda _: MORNING)
        assert {t.notifier for t in found if t.until == MORNING} == held


def test_what_was_done_alone_goes_to_every_channel_and_a_proposal_to_those_who_may_approve() -> None:
    people = {"bo": {"mail": "bo@desk.example"}, "cy": {"phone": "+46701740605"}}
    routes = (Route((), Match(type="lever.*")),)
    alone = msgspec.structs.replace(alert("lever.emergency", "P-1"), facts={"people": ["bo"]})
    every = [*map(Target, CHANNELS), Target("mail", ("bo@desk.example",))]
    assert list(route(alone, routes, CHANNELS, people)) == every
    proposed = msgspec.structs.replace(alert("lever.proposed", "P-1"), facts={"people": ["bo", "cy"]})
    asked = [Target("mail", ("bo@desk.example",)), Target("phone", ("+46701740605",))]
    assert list(route(proposed, routes, CHANNELS, people)) == asked
    assert list(route(proposed, (Route(("hook",)),), CHANNELS, people)) == [Target("hook"), *asked]


def test_another_deadline_goes_to_those_who_were_told_the_old_one() -> None:
    routes = (
        Route(("phone", "mail"), Match(type="loan_group.delayed_liquidation.started")),
        Route(("hook",), Match(type="loan_group.*")),
    )
    assert names(alert("loan_group.delayed_liquidation.extended"), *routes) == ["phone", "mail"]
    assert names(alert("loan_group.delayed_liquidation.cured"), *routes) == ["hook"]
