"""The operations of the API. Made by `python -m tools.clients` from the contract; change that, not this file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from loan_monitor_client._http import Connection
from loan_monitor_client.models import (
    AckAnswer,
    AckBody,
    AlertItem,
    AlertList,
    Alive,
    ApplyEntryBody,
    ApproveBody,
    AuditList,
    BorrowerStatement,
    CallList,
    ChannelItem,
    ChannelList,
    DayStatement,
    DecisionBody,
    DeliveryDetail,
    DeliveryItem,
    DeliveryList,
    EndpointBody,
    EndpointItem,
    EndpointList,
    EndpointWithSecret,
    EntryAnswer,
    EscalationList,
    ExposureList,
    FeedList,
    FundShown,
    GroupDetail,
    GroupLine,
    GroupList,
    GroupTimeline,
    HistoryList,
    ImportAnswer,
    LeverBody,
    LeverItem,
    LeverList,
    LeverPreview,
    LtvHistory,
    MatrixAnswer,
    OffBody,
    PriceItem,
    PriceList,
    ProposalAnswer,
    ProposalItem,
    ProposalList,
    ProposalLook,
    PutAnswer,
    RateList,
    RatesAnswer,
    RatesBody,
    Readiness,
    RejectBody,
    ReloadEffect,
    ReplayBody,
    Replayed,
    Retried,
    RetryBody,
    ReverseAnswer,
    RotaList,
    RotationBody,
    RulesBody,
    RulesPreview,
    SessionItem,
    ShardList,
    SignIn,
    SilenceBody,
    SilenceItem,
    SilenceList,
    SilencePreview,
    SourceList,
    Status,
    Stress,
    StressAnswer,
    TellOfCallBody,
    TestedEndpoint,
    WhatIf,
    WhatIfAnswer,
)


class MonitorClient:
    """A running monitor: a method for each operation. Each raises ApiProblem where the monitor refuses, and NoAnswer."""

    def __init__(self, url: str, token: str | None = None, timeout_s: float = 15.0) -> None:
        """`url`: its address, such as http://127.0.0.1:8080; `token`: the secret of one, where it has some."""
        self._to = Connection(url, token, timeout_s)

    def ack_alert(
        self,
        id_: str,
        body: AckBody | None = None,
    ) -> AckAnswer:
        """Acknowledges the stage that an alert told of: its reminders rest."""
        return cast(
            "AckAnswer",
            self._to.ask(
                "POST",
                "/v1/alerts/{}/ack",
                ids=(id_,),
                body=body,
            ),
        )

    def apply_entry(
        self,
        id_: str,
        body: ApplyEntryBody,
        *,
        dry_run: Literal["true", "false"] | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> EntryAnswer:
        """Applies one book entry. Its `id`, or the header Idempotency-Key, makes it happen once."""
        return cast(
            "EntryAnswer",
            self._to.ask(
                "POST",
                "/v1/groups/{}/entries",
                ids=(id_,),
                query={"dry_run": dry_run},
                headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def approve_proposal(
        self,
        id_: str,
        body: ApproveBody | None = None,
    ) -> ProposalAnswer:
        """Approves what another person proposed: it is done now."""
        return cast(
            "ProposalAnswer",
            self._to.ask(
                "POST",
                "/v1/proposals/{}/approve",
                ids=(id_,),
                body=body,
            ),
        )

    def close_group(
        self,
        id_: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Closes a group: it is no longer watched."""
        self._to.ask(
            "DELETE",
            "/v1/groups/{}",
            ids=(id_,),
            headers={"If-Match": if_match},
        )

    def create_endpoint(
        self,
        body: EndpointBody,
    ) -> EndpointWithSecret:
        """Makes an endpoint, and its key: the answer shows the secret once."""
        return cast(
            "EndpointWithSecret",
            self._to.ask(
                "POST",
                "/v1/endpoints",
                body=body,
            ),
        )

    def create_price_decision(
        self,
        id_: str,
        body: DecisionBody,
        *,
        dry_run: Literal["true", "false"] | None = None,
    ) -> LeverPreview | PriceItem | ProposalItem:
        """Pins a price (202 where another person must approve it first), leaves out a source, or believes a price that waits."""
        return cast(
            "LeverPreview | PriceItem | ProposalItem",
            self._to.ask(
                "POST",
                "/v1/prices/{}/decisions",
                ids=(id_,),
                query={"dry_run": dry_run},
                body=body,
            ),
        )

    def create_reload(
        self,
        *,
        dry_run: Literal["true", "false"] | None = None,
        confirm: Literal["true", "false"] | None = None,
    ) -> ReloadEffect:
        """Takes over the file of the configuration. Rules that would move many groups are held until they are confirmed."""
        return cast(
            "ReloadEffect",
            self._to.ask(
                "POST",
                "/v1/reload",
                query={"dry_run": dry_run, "confirm": confirm},
            ),
        )

    def create_silence(
        self,
        body: SilenceBody,
        *,
        preview: Literal["true", "false"] | None = None,
    ) -> SilencePreview | SilenceItem | ProposalItem:
        """Hides the deliveries of what matches, but nothing worse than what is bad already; 200 for a preview, 202 where"""
        return cast(
            "SilencePreview | SilenceItem | ProposalItem",
            self._to.ask(
                "POST",
                "/v1/silences",
                query={"preview": preview},
                body=body,
            ),
        )

    def delete_endpoint(
        self,
        id_: str,
    ) -> None:
        """Deletes an endpoint. What waits for it goes by the routes of now."""
        self._to.ask(
            "DELETE",
            "/v1/endpoints/{}",
            ids=(id_,),
        )

    def delete_price_decisions(
        self,
        id_: str,
        *,
        source: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Ends the pin of an asset and the exclusions of its sources; with `source` only that exclusion."""
        self._to.ask(
            "DELETE",
            "/v1/prices/{}/decisions",
            ids=(id_,),
            query={"source": source, "reason": reason},
        )

    def delete_silence(
        self,
        id_: str,
    ) -> None:
        """Ends a silence. The desk is told what it hid that is still bad."""
        self._to.ask(
            "DELETE",
            "/v1/silences/{}",
            ids=(id_,),
        )

    def disable_channel(
        self,
        id_: str,
        body: OffBody,
    ) -> ChannelItem:
        """Switches a channel off: nothing is sent, critical notices go to its fallback, all others wait."""
        return cast(
            "ChannelItem",
            self._to.ask(
                "POST",
                "/v1/channels/{}/disable",
                ids=(id_,),
                body=body,
            ),
        )

    def disable_endpoint(
        self,
        id_: str,
    ) -> EndpointItem:
        """Switches an endpoint off: what waits for it stays, and it gets no new alert."""
        return cast(
            "EndpointItem",
            self._to.ask(
                "POST",
                "/v1/endpoints/{}/disable",
                ids=(id_,),
            ),
        )

    def enable_channel(
        self,
        id_: str,
    ) -> ChannelItem:
        """Switches a channel on; what waits for it is sent."""
        return cast(
            "ChannelItem",
            self._to.ask(
                "POST",
                "/v1/channels/{}/enable",
                ids=(id_,),
            ),
        )

    def enable_endpoint(
        self,
        id_: str,
    ) -> EndpointItem:
        """Switches an endpoint on: what waited for it goes out."""
        return cast(
            "EndpointItem",
            self._to.ask(
                "POST",
                "/v1/endpoints/{}/enable",
                ids=(id_,),
            ),
        )

    def end_lever(
        self,
        id_: str,
        *,
        reason: str | None = None,
    ) -> None:
        """Ends a lever before its time: its groups are as they were before."""
        self._to.ask(
            "DELETE",
            "/v1/levers/{}",
            ids=(id_,),
            query={"reason": reason},
        )

    def get_alert(
        self,
        id_: str,
    ) -> AlertItem:
        """One alert."""
        return cast(
            "AlertItem",
            self._to.ask(
                "GET",
                "/v1/alerts/{}",
                ids=(id_,),
            ),
        )

    def get_asyncapi_json(
        self,
    ) -> dict[str, Any]:
        """What webhooks and the stream send, as an AsyncAPI document."""
        return cast(
            "dict[str, Any]",
            self._to.ask(
                "GET",
                "/asyncapi.json",
            ),
        )

    def get_borrower_statement(
        self,
        id_: str,
        *,
        day: str,
        by: str | None = None,
    ) -> BorrowerStatement:
        """What became of a borrower's groups in one UTC day, with their sums, and all that the figures follow from."""
        return cast(
            "BorrowerStatement",
            self._to.ask(
                "GET",
                "/v1/borrowers/{}/statement",
                ids=(id_,),
                query={"day": day, "by": by},
            ),
        )

    def get_delivery(
        self,
        id_: str,
    ) -> DeliveryDetail:
        """One delivery with every attempt."""
        return cast(
            "DeliveryDetail",
            self._to.ask(
                "GET",
                "/v1/deliveries/{}",
                ids=(id_,),
            ),
        )

    def get_endpoint(
        self,
        id_: str,
    ) -> EndpointItem:
        """One endpoint that was made by API."""
        return cast(
            "EndpointItem",
            self._to.ask(
                "GET",
                "/v1/endpoints/{}",
                ids=(id_,),
            ),
        )

    def get_escalations(
        self,
    ) -> EscalationList:
        """Critical alerts that people are asked about."""
        return cast(
            "EscalationList",
            self._to.ask(
                "GET",
                "/v1/escalations",
            ),
        )

    def get_fund(
        self,
    ) -> FundShown:
        """What groups in liquidation would draw from the insurance fund; 404 where none is configured."""
        return cast(
            "FundShown",
            self._to.ask(
                "GET",
                "/v1/fund",
            ),
        )

    def get_group(
        self,
        id_: str,
    ) -> GroupDetail:
        """One group, exact. Its version is in ETag."""
        return cast(
            "GroupDetail",
            self._to.ask(
                "GET",
                "/v1/groups/{}",
                ids=(id_,),
            ),
        )

    def get_group_ltv(
        self,
        id_: str,
        *,
        from_: str | None = None,
        to: str | None = None,
        points: int | None = None,
    ) -> LtvHistory:
        """LTV over time, for groups in a bad stage, near a line or looked at lately."""
        return cast(
            "LtvHistory",
            self._to.ask(
                "GET",
                "/v1/groups/{}/ltv",
                ids=(id_,),
                query={"from": from_, "to": to, "points": points},
            ),
        )

    def get_group_statement(
        self,
        id_: str,
        *,
        day: str,
    ) -> DayStatement:
        """What became of a group in one UTC day, with all that its figures follow from."""
        return cast(
            "DayStatement",
            self._to.ask(
                "GET",
                "/v1/groups/{}/statement",
                ids=(id_,),
                query={"day": day},
            ),
        )

    def get_healthz(
        self,
    ) -> Alive:
        """The event loop runs."""
        return cast(
            "Alive",
            self._to.ask(
                "GET",
                "/healthz",
            ),
        )

    def get_metrics(
        self,
    ) -> str:
        """Prometheus metrics."""
        return cast(
            "str",
            self._to.ask(
                "GET",
                "/metrics",
            ),
        )

    def get_openapi_json(
        self,
    ) -> dict[str, Any]:
        """This document."""
        return cast(
            "dict[str, Any]",
            self._to.ask(
                "GET",
                "/openapi.json",
            ),
        )

    def get_price(
        self,
        id_: str,
    ) -> PriceItem:
        """One price, its trust and its sources."""
        return cast(
            "PriceItem",
            self._to.ask(
                "GET",
                "/v1/prices/{}",
                ids=(id_,),
            ),
        )

    def get_proposal(
        self,
        id_: str,
    ) -> ProposalLook:
        """One proposal, as it was proposed and as it would be by now."""
        return cast(
            "ProposalLook",
            self._to.ask(
                "GET",
                "/v1/proposals/{}",
                ids=(id_,),
            ),
        )

    def get_readyz(
        self,
    ) -> Readiness:
        """Whether the daemon does its work, and why not."""
        return cast(
            "Readiness",
            self._to.ask(
                "GET",
                "/readyz",
                also=(503,),
            ),
        )

    def get_rota(
        self,
    ) -> RotaList:
        """Who is on duty now and next."""
        return cast(
            "RotaList",
            self._to.ask(
                "GET",
                "/v1/rota",
            ),
        )

    def get_session(
        self,
    ) -> SessionItem:
        """Who asks, and what they may do."""
        return cast(
            "SessionItem",
            self._to.ask(
                "GET",
                "/v1/session",
            ),
        )

    def get_shards(
        self,
    ) -> ShardList:
        """Where the book is held, if it is spread over shards: each copy, its groups, its memory and its last answer."""
        return cast(
            "ShardList",
            self._to.ask(
                "GET",
                "/v1/shards",
            ),
        )

    def get_status(
        self,
    ) -> Status:
        """The daemon at a glance."""
        return cast(
            "Status",
            self._to.ask(
                "GET",
                "/v1/status",
            ),
        )

    def give_rates(
        self,
        body: RatesBody,
    ) -> RatesAnswer:
        """Gives flexible rates of a product, from now or later on."""
        return cast(
            "RatesAnswer",
            self._to.ask(
                "POST",
                "/v1/rates",
                body=body,
            ),
        )

    def import_groups(
        self,
        body: bytes,
        *,
        name: str | None = None,
        file: str | None = None,
        dry_run: Literal["true", "false"] | None = None,
        close_missing: Literal["true", "false"] | None = None,
        map_: Sequence[str] | None = None,
        set_: Sequence[str] | None = None,
        sheet: Sequence[str] | None = None,
        decimal: Literal["point", "comma"] | None = None,
        dates: Literal["dmy", "mdy"] | None = None,
        encoding: str | None = None,
    ) -> ImportAnswer:
        """Takes a table (.xlsx or CSV) as one whole, or not at all; with `dry_run=true` it shows how each group would stand."""
        return cast(
            "ImportAnswer",
            self._to.ask(
                "POST",
                "/v1/import",
                query={
                    "name": name,
                    "file": file,
                    "dry_run": dry_run,
                    "close_missing": close_missing,
                    "map": map_,
                    "set": set_,
                    "sheet": sheet,
                    "decimal": decimal,
                    "dates": dates,
                    "encoding": encoding,
                },
                body=body,
            ),
        )

    def list_alerts(
        self,
        *,
        after: int | str | None = None,
        from_: str | None = None,
        to: str | None = None,
        order: Literal["oldest", "newest"] | None = None,
        group: str | None = None,
        type_: str | None = None,
        severity: Literal["info", "warning", "critical"] | None = None,
        limit: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AlertList:
        """The alert log, oldest or newest first."""
        return cast(
            "AlertList",
            self._to.ask(
                "GET",
                "/v1/alerts",
                query={
                    "after": after,
                    "from": from_,
                    "to": to,
                    "order": order,
                    "group": group,
                    "type": type_,
                    "severity": severity,
                    "limit": limit,
                },
                labels=labels,
            ),
        )

    def list_audit(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: str | None = None,
        until: str | None = None,
        order: Literal["oldest", "newest"] | None = None,
        after: int | str | None = None,
        limit: int | None = None,
    ) -> AuditList:
        """Who changed what."""
        return cast(
            "AuditList",
            self._to.ask(
                "GET",
                "/v1/audit",
                query={
                    "who": who,
                    "action": action,
                    "subject": subject,
                    "since": since,
                    "until": until,
                    "order": order,
                    "after": after,
                    "limit": limit,
                },
            ),
        )

    def list_books(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> SourceList:
        """Books of loans and sources of rates: how fresh each is, and what of it is refused."""
        return cast(
            "SourceList",
            self._to.ask(
                "GET",
                "/v1/books",
                query={"limit": limit, "after": after},
            ),
        )

    def list_channels(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> ChannelList:
        """Notifiers: breaker, queue, last attempts."""
        return cast(
            "ChannelList",
            self._to.ask(
                "GET",
                "/v1/channels",
                query={"limit": limit, "after": after},
            ),
        )

    def list_deliveries(
        self,
        *,
        state: Literal["pending", "delivered", "superseded", "failed"] | None = None,
        notifier: str | None = None,
        alert: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> DeliveryList:
        """Deliveries of alerts to notifiers."""
        return cast(
            "DeliveryList",
            self._to.ask(
                "GET",
                "/v1/deliveries",
                query={"state": state, "notifier": notifier, "alert": alert, "limit": limit, "after": after},
            ),
        )

    def list_endpoint_deliveries(
        self,
        id_: str,
        *,
        state: Literal["pending", "delivered", "superseded", "failed"] | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> DeliveryList:
        """Deliveries to an endpoint, oldest alert first."""
        return cast(
            "DeliveryList",
            self._to.ask(
                "GET",
                "/v1/endpoints/{}/deliveries",
                ids=(id_,),
                query={"state": state, "limit": limit, "after": after},
            ),
        )

    def list_endpoints(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> EndpointList:
        """Endpoints that were made by API."""
        return cast(
            "EndpointList",
            self._to.ask(
                "GET",
                "/v1/endpoints",
                query={"limit": limit, "after": after},
            ),
        )

    def list_exposure(
        self,
        *,
        by: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> ExposureList:
        """The book by borrower, product or coin, the largest share first."""
        return cast(
            "ExposureList",
            self._to.ask(
                "GET",
                "/v1/exposure",
                query={"by": by, "limit": limit, "after": after},
            ),
        )

    def list_feeds(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> FeedList:
        """Price sources."""
        return cast(
            "FeedList",
            self._to.ask(
                "GET",
                "/v1/feeds",
                query={"limit": limit, "after": after},
            ),
        )

    def list_group_calls(
        self,
        id_: str,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> CallList:
        """The margin call of a group with its amount and its clock, and what became of its calls, newest last."""
        return cast(
            "CallList",
            self._to.ask(
                "GET",
                "/v1/groups/{}/calls",
                ids=(id_,),
                query={"limit": limit, "after": after},
            ),
        )

    def list_group_history(
        self,
        id_: str,
        *,
        kind: Literal["loan", "repayment", "liquidation", "call", "interest"],
        loan: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> HistoryList:
        """What became of a group's loans, what was repaid, liquidated and charged; newest last."""
        return cast(
            "HistoryList",
            self._to.ask(
                "GET",
                "/v1/groups/{}/history",
                ids=(id_,),
                query={"kind": kind, "loan": loan, "limit": limit, "after": after},
            ),
        )

    def list_group_timeline(
        self,
        id_: str,
        *,
        from_: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> GroupTimeline:
        """What happened to a group, who was told and who did what, oldest first."""
        return cast(
            "GroupTimeline",
            self._to.ask(
                "GET",
                "/v1/groups/{}/timeline",
                ids=(id_,),
                query={"from": from_, "limit": limit, "after": after},
            ),
        )

    def list_groups(
        self,
        *,
        stage: Sequence[Literal["normal", "margin_call", "delayed_liquidation", "liquidation"]] | None = None,
        product: Sequence[str] | None = None,
        q: str | None = None,
        sort: Literal["ltv", "id", "debt_usd", "deadline", "-ltv", "-id", "-debt_usd", "-deadline"] | None = None,
        limit: int | None = None,
        after: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> GroupList:
        """Groups, worst first."""
        return cast(
            "GroupList",
            self._to.ask(
                "GET",
                "/v1/groups",
                query={"stage": stage, "product": product, "q": q, "sort": sort, "limit": limit, "after": after},
                labels=labels,
            ),
        )

    def list_levers(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> LeverList:
        """Levers in force."""
        return cast(
            "LeverList",
            self._to.ask(
                "GET",
                "/v1/levers",
                query={"limit": limit, "after": after},
            ),
        )

    def list_prices(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> PriceList:
        """Prices, their trust and their sources."""
        return cast(
            "PriceList",
            self._to.ask(
                "GET",
                "/v1/prices",
                query={"limit": limit, "after": after},
            ),
        )

    def list_proposals(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> ProposalList:
        """What waits for another person."""
        return cast(
            "ProposalList",
            self._to.ask(
                "GET",
                "/v1/proposals",
                query={"limit": limit, "after": after},
            ),
        )

    def list_rates(
        self,
        *,
        product: str | None = None,
        asset: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> RateList:
        """Flexible rates in force and to come, by product, coin and time."""
        return cast(
            "RateList",
            self._to.ask(
                "GET",
                "/v1/rates",
                query={"product": product, "asset": asset, "limit": limit, "after": after},
            ),
        )

    def list_silences(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> SilenceList:
        """Silences in force."""
        return cast(
            "SilenceList",
            self._to.ask(
                "GET",
                "/v1/silences",
                query={"limit": limit, "after": after},
            ),
        )

    def preview_rules(
        self,
        body: RulesBody,
    ) -> RulesPreview:
        """Which groups a reload with these rules would move to another stage, at the prices of now; nothing is changed."""
        return cast(
            "RulesPreview",
            self._to.ask(
                "POST",
                "/v1/rules/preview",
                body=body,
            ),
        )

    def pull_lever(
        self,
        body: LeverBody,
        *,
        dry_run: Literal["true", "false"] | None = None,
    ) -> LeverPreview | LeverItem | ProposalItem:
        """Pulls a lever, or proposes it where another person must approve (202); 200 for a dry run."""
        return cast(
            "LeverPreview | LeverItem | ProposalItem",
            self._to.ask(
                "POST",
                "/v1/levers",
                query={"dry_run": dry_run},
                body=body,
            ),
        )

    def put_group(
        self,
        id_: str,
        body: GroupLine,
        *,
        dry_run: Literal["true", "false"] | None = None,
        if_match: str | None = None,
        if_none_match: Literal["*"] | None = None,
    ) -> PutAnswer:
        """Puts a group, or replaces its holdings; with `dry_run=true` it says what that would do."""
        return cast(
            "PutAnswer",
            self._to.ask(
                "PUT",
                "/v1/groups/{}",
                ids=(id_,),
                query={"dry_run": dry_run},
                headers={"If-Match": if_match, "If-None-Match": if_none_match},
                body=body,
            ),
        )

    def reject_proposal(
        self,
        id_: str,
        body: RejectBody,
    ) -> ProposalAnswer:
        """Rejects a proposal, or takes one's own back; what was done in an emergency ends."""
        return cast(
            "ProposalAnswer",
            self._to.ask(
                "POST",
                "/v1/proposals/{}/reject",
                ids=(id_,),
                body=body,
            ),
        )

    def replay_deliveries(
        self,
        body: ReplayBody,
    ) -> Replayed:
        """Sends alerts again to one notifier, oldest first, each under its own id."""
        return cast(
            "Replayed",
            self._to.ask(
                "POST",
                "/v1/deliveries/replay",
                body=body,
            ),
        )

    def retry_deliveries(
        self,
        body: RetryBody,
    ) -> Retried:
        """Makes deliveries due at once, by channel, type and time; at most 10,000 in one call, oldest first."""
        return cast(
            "Retried",
            self._to.ask(
                "POST",
                "/v1/deliveries/retry",
                body=body,
            ),
        )

    def retry_delivery(
        self,
        id_: str,
    ) -> DeliveryItem:
        """Makes a delivery due at once."""
        return cast(
            "DeliveryItem",
            self._to.ask(
                "POST",
                "/v1/deliveries/{}/retry",
                ids=(id_,),
            ),
        )

    def rotate_endpoint(
        self,
        id_: str,
        body: RotationBody | None = None,
    ) -> EndpointWithSecret:
        """Gives an endpoint a new key, which the answer shows once; the old one signs beside it for a while."""
        return cast(
            "EndpointWithSecret",
            self._to.ask(
                "POST",
                "/v1/endpoints/{}/rotate",
                ids=(id_,),
                body=body,
            ),
        )

    def sign_in(
        self,
        body: SignIn,
    ) -> SessionItem:
        """Signs in with a token; the answer sets a cookie."""
        return cast(
            "SessionItem",
            self._to.ask(
                "POST",
                "/v1/session",
                body=body,
            ),
        )

    def sign_out(
        self,
    ) -> None:
        """Signs out."""
        self._to.ask(
            "DELETE",
            "/v1/session",
        )

    def stress_book(
        self,
        body: Stress,
        *,
        format_: Literal["json", "csv"] | None = None,
    ) -> StressAnswer | MatrixAnswer | ReverseAnswer | str:
        """The whole book under shocks, a scenario, a matrix of shocks, or the fall that a loss takes; nothing is changed."""
        return cast(
            "StressAnswer | MatrixAnswer | ReverseAnswer | str",
            self._to.ask(
                "POST",
                "/v1/stress",
                query={"format": format_},
                body=body,
            ),
        )

    def tell_of_call(
        self,
        id_: str,
        body: TellOfCallBody,
        *,
        dry_run: Literal["true", "false"] | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> EntryAnswer:
        """Takes what is said of a margin call: something is on its way, a part is disputed, or the dispute is settled."""
        return cast(
            "EntryAnswer",
            self._to.ask(
                "POST",
                "/v1/groups/{}/calls",
                ids=(id_,),
                query={"dry_run": dry_run},
                headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def test_channel(
        self,
        id_: str,
    ) -> TestedEndpoint:
        """Sends one test notice through a channel, and says how that went. It passes the queue and supersedes nothing."""
        return cast(
            "TestedEndpoint",
            self._to.ask(
                "POST",
                "/v1/channels/{}/test",
                ids=(id_,),
            ),
        )

    def test_endpoint(
        self,
        id_: str,
    ) -> TestedEndpoint:
        """Sends one test notice, and says what the endpoint answered."""
        return cast(
            "TestedEndpoint",
            self._to.ask(
                "POST",
                "/v1/endpoints/{}/test",
                ids=(id_,),
            ),
        )

    def unack_alert(
        self,
        id_: str,
    ) -> None:
        """Takes an acknowledgement back."""
        self._to.ask(
            "DELETE",
            "/v1/alerts/{}/ack",
            ids=(id_,),
        )

    def what_if_group(
        self,
        id_: str,
        body: WhatIf,
    ) -> WhatIfAnswer:
        """What would follow; nothing is changed."""
        return cast(
            "WhatIfAnswer",
            self._to.ask(
                "POST",
                "/v1/groups/{}/what-if",
                ids=(id_,),
                body=body,
            ),
        )
