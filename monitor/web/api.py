"""The API as a table: each path, who may ask, what it takes and gives. The contract is made of the same rows."""

from __future__ import annotations

from typing import NamedTuple

from monitor.core.alerts.payload import AlertItem
from monitor.core.events.entries import Entry
from monitor.core.loans.group import GroupLine
from monitor.core.portfolio.exposure import ExposureList
from monitor.core.portfolio.stress import MatrixAnswer, ReverseAnswer, Stress, StressAnswer
from monitor.core.queries.explain import GroupDetail, GroupRow
from monitor.core.queries.what_if import WhatIf, WhatIfAnswer
from monitor.core.valuation.clearance import FundShown
from monitor.web import deskshapes, query, shapes, statusshapes
from monitor.web.auth import ADMIN, FEED, OPERATE, READ
from monitor.web.http import OPEN, Endpoint, Handler
from monitor.web.resources.alerts import RecordApi
from monitor.web.resources.exposure import ExposureApi
from monitor.web.resources.fund import FundApi
from monitor.web.resources.groups import GroupsApi
from monitor.web.resources.history import HistoryApi, HistoryList
from monitor.web.resources.rates import RateList, RatesAnswer, RatesApi, RatesBody
from monitor.web.resources.session import SessionApi, SignIn
from monitor.web.resources.silences import AckBody, OperateApi, SilenceBody
from monitor.web.resources.status import StatusApi
from monitor.web.resources.stress import StressApi
from monitor.web.resources.timeline import TimelineApi


class Apis(NamedTuple):
    """The handlers by what they are about."""

    groups: GroupsApi
    history: HistoryApi
    timeline: TimelineApi
    rates: RatesApi
    record: RecordApi
    operate: OperateApi
    fund: FundApi
    exposure: ExposureApi
    stress: StressApi
    status: StatusApi
    session: SessionApi
    stream: Handler


def routes(apis: Apis) -> tuple[Endpoint, ...]:
    """Every route but the contract's own."""
    groups, history, timeline, rates, record, operate, fund, exposure, stress, status, session, stream = apis
    s, d = shapes, deskshapes
    return (
        Endpoint("GET", "/healthz", status.healthz, OPEN, "The event loop runs.", answers={200: dict[str, bool]}),
        Endpoint(
            "GET", "/readyz", status.readyz, OPEN, "Whether the daemon does its work, and why not.",
            answers={200: statusshapes.Readiness, 503: statusshapes.Readiness},
        ),
        Endpoint("GET", "/metrics", status.metrics, READ, "Prometheus metrics.", media="text/plain"),
        Endpoint("GET", "/v1/status", status.status, READ, "The daemon at a glance.", answers={200: statusshapes.Status}),
        Endpoint(
            "GET", "/v1/groups", groups.list, READ, "Groups, worst first.", query.GROUPS, answers={200: s.GroupList}
        ),
        Endpoint(
            "GET", "/v1/groups/{id}", groups.detail, READ, "One group, exact. Its version is in ETag.",
            answers={200: GroupDetail},
        ),
        Endpoint(
            "PUT", "/v1/groups/{id}", groups.put, FEED, "Puts a group, or replaces its holdings.",
            body=GroupLine, answers={200: GroupRow, 201: GroupRow},
        ),
        Endpoint(
            "DELETE", "/v1/groups/{id}", groups.close, FEED, "Closes a group: it is no longer watched.",
            answers={204: None},
        ),
        Endpoint(
            "POST", "/v1/groups/{id}/entries", groups.entry, FEED,
            "Applies one book entry. Its `id`, or the header Idempotency-Key, makes it happen once.",
            body=Entry, answers={200: s.EntryAnswer},
        ),
        Endpoint(
            "POST", "/v1/groups/{id}/what-if", groups.what_if, READ, "What would follow; nothing is changed.",
            body=WhatIf, answers={200: WhatIfAnswer},
        ),
        Endpoint(
            "GET", "/v1/groups/{id}/history", history.history, READ,
            "What became of a group's loans, what was repaid, liquidated and charged; newest last.",
            query.HISTORY, answers={200: HistoryList},
        ),
        Endpoint(
            "GET", "/v1/groups/{id}/ltv", timeline.ltv, READ,
            "LTV over time, for groups in a bad stage, near a line or looked at lately.", query.LTV,
            answers={200: d.LtvHistory},
        ),
        Endpoint(
            "GET", "/v1/groups/{id}/timeline", timeline.timeline, READ,
            "What happened to a group, who was told and who did what, oldest first.", query.TIMELINE,
            answers={200: d.GroupTimeline},
        ),
        Endpoint(
            "GET", "/v1/exposure", exposure.exposure, READ, "The book by borrower, product or coin, the largest share first.",
            query.EXPOSURE, answers={200: ExposureList},
        ),
        Endpoint(
            "POST", "/v1/stress", stress.stress, READ,
            "The whole book under shocks, a scenario, a matrix of shocks, or the fall that a loss takes; nothing is changed.",
            query.STRESS, body=Stress, answers={200: StressAnswer | MatrixAnswer | ReverseAnswer},
        ),
        Endpoint(
            "GET", "/v1/alerts", record.alerts, READ, "The alert log, oldest first.", query.ALERTS,
            answers={200: s.AlertList},
        ),
        Endpoint("GET", "/v1/alerts/{id}", record.alert, READ, "One alert.", answers={200: AlertItem}),
        Endpoint(
            "POST", "/v1/alerts/{id}/ack", operate.acknowledge, OPERATE,
            "Acknowledges the stage that an alert told of: its reminders rest.", body=AckBody, answers={200: d.AckAnswer},
        ),
        Endpoint(
            "DELETE", "/v1/alerts/{id}/ack", operate.unacknowledge, OPERATE, "Takes an acknowledgement back.",
            answers={204: None},
        ),
        Endpoint(
            "GET", "/v1/silences", operate.silences, READ, "Silences in force.", query.SILENCES,
            answers={200: d.SilenceList},
        ),
        Endpoint(
            "POST", "/v1/silences", operate.silence, OPERATE,
            "Hides the deliveries of what matches, but nothing worse than what is bad already; 200 for a preview.",
            query.SILENCE, body=SilenceBody, answers={200: d.SilencePreview, 201: d.SilenceItem},
        ),
        Endpoint(
            "DELETE", "/v1/silences/{id}", operate.unsilence, OPERATE,
            "Ends a silence; what it hid and is still bad is told.", answers={204: None},
        ),
        Endpoint(
            "GET", "/v1/deliveries", record.deliveries, READ, "Deliveries of alerts to notifiers.", query.DELIVERIES,
            answers={200: s.DeliveryList},
        ),
        Endpoint(
            "GET", "/v1/deliveries/{id}", record.delivery, READ, "One delivery with every attempt.",
            answers={200: s.DeliveryDetail},
        ),
        Endpoint(
            "POST", "/v1/deliveries/{id}/retry", record.retry, OPERATE, "Makes a delivery due at once.",
            answers={200: s.DeliveryItem},
        ),
        Endpoint(
            "GET", "/v1/rates", rates.list, READ, "Flexible rates in force and to come, by product, coin and time.",
            query.RATES, answers={200: RateList},
        ),
        Endpoint(
            "POST", "/v1/rates", rates.give, OPERATE, "Gives flexible rates of a product, from now or later on.",
            body=RatesBody, answers={200: RatesAnswer},
        ),
        Endpoint(
            "GET", "/v1/prices", status.prices, READ, "Prices and their trust.", query.PRICES,
            answers={200: s.PriceList},
        ),
        Endpoint(
            "GET", "/v1/fund", fund.fund, READ,
            "What groups in liquidation would draw from the insurance fund; 404 where none is configured.",
            answers={200: FundShown},
        ),
        Endpoint(
            "GET", "/v1/channels", status.channels, READ, "Notifiers: breaker, queue, last attempts.", query.CHANNELS,
            answers={200: d.ChannelList},
        ),
        Endpoint("GET", "/v1/feeds", status.feeds, READ, "Price sources.", query.FEEDS, answers={200: statusshapes.FeedList}),
        Endpoint(
            "POST", "/v1/session", session.sign_in, OPEN, "Signs in with a token; the answer sets a cookie.", body=SignIn,
            answers={200: d.SessionItem},
        ),
        Endpoint(
            "GET", "/v1/session", session.session, READ, "Who asks, and what they may do.",
            answers={200: d.SessionItem},
        ),
        Endpoint("DELETE", "/v1/session", session.sign_out, READ, "Signs out.", answers={204: None}),
        Endpoint("GET", "/v1/audit", record.audit, ADMIN, "Who changed what.", query.AUDIT, answers={200: s.AuditList}),
        Endpoint(
            "GET", "/v1/stream", stream, READ,
            "Server-sent events: alert (id = cursor), groups, prices, status, gap.", query.STREAM,
            media="text/event-stream",
        ),
    )  # fmt: skip
