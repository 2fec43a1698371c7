/** The operations of the API. Made by `python -m tools.clients` from the contract; change that, not this file. */
import { Connection, type Settings } from "./http.js";
import type * as m from "./models.js";

/** A running monitor: a method for each operation. Each throws ApiProblem where the monitor refuses. */
export class MonitorClient {
  readonly #to: Connection;

  /** `url`: its address, such as http://127.0.0.1:8080; `token`: the secret of a token, where it has some. */
  constructor(url: string, settings: Settings = {}) {
    this.#to = new Connection(url, settings);
  }

  /** Acknowledges the stage that an alert told of: its reminders rest. */
  ackAlert(id: string, body?: m.AckBody): Promise<m.AckAnswer> {
    return this.#to.ask("POST", "/v1/alerts/{}/ack", { ids: [id], body });
  }

  /** Applies one book entry. Its `id`, or the header Idempotency-Key, makes it happen once. */
  applyEntry(id: string, body: m.ApplyEntryBody, options: { dryRun?: "true" | "false"; ifMatch?: string; idempotencyKey?: string } = {}): Promise<m.EntryAnswer> {
    return this.#to.ask("POST", "/v1/groups/{}/entries", { ids: [id], query: { "dry_run": options.dryRun }, headers: { "If-Match": options.ifMatch, "Idempotency-Key": options.idempotencyKey }, body });
  }

  /** Approves what another person proposed: it is done now. */
  approveProposal(id: string, body?: m.ApproveBody): Promise<m.ProposalAnswer> {
    return this.#to.ask("POST", "/v1/proposals/{}/approve", { ids: [id], body });
  }

  /** Closes a group: it is no longer watched. */
  closeGroup(id: string, options: { ifMatch?: string } = {}): Promise<void> {
    return this.#to.ask("DELETE", "/v1/groups/{}", { ids: [id], headers: { "If-Match": options.ifMatch } });
  }

  /** Makes an endpoint, and its key: the answer shows the secret once. */
  createEndpoint(body: m.EndpointBody): Promise<m.EndpointWithSecret> {
    return this.#to.ask("POST", "/v1/endpoints", { body });
  }

  /** Pins a price (202 where another person must approve it first), leaves out a source, or believes a price that waits. */
  createPriceDecision(id: string, body: m.DecisionBody, options: { dryRun?: "true" | "false" } = {}): Promise<m.LeverPreview | m.PriceItem | m.ProposalItem> {
    return this.#to.ask("POST", "/v1/prices/{}/decisions", { ids: [id], query: { "dry_run": options.dryRun }, body });
  }

  /** Takes over the file of the configuration. Rules that would move many groups are held until they are confirmed. */
  createReload(options: { dryRun?: "true" | "false"; confirm?: "true" | "false" } = {}): Promise<m.ReloadEffect> {
    return this.#to.ask("POST", "/v1/reload", { query: { "dry_run": options.dryRun, "confirm": options.confirm } });
  }

  /** Hides the deliveries of what matches, but nothing worse than what is bad already; 200 for a preview, 202 where */
  createSilence(body: m.SilenceBody, options: { preview?: "true" | "false" } = {}): Promise<m.SilencePreview | m.SilenceItem | m.ProposalItem> {
    return this.#to.ask("POST", "/v1/silences", { query: { "preview": options.preview }, body });
  }

  /** Deletes an endpoint. What waits for it goes by the routes of now. */
  deleteEndpoint(id: string): Promise<void> {
    return this.#to.ask("DELETE", "/v1/endpoints/{}", { ids: [id] });
  }

  /** Ends the pin of an asset and the exclusions of its sources; with `source` only that exclusion. */
  deletePriceDecisions(id: string, options: { source?: string; reason?: string } = {}): Promise<void> {
    return this.#to.ask("DELETE", "/v1/prices/{}/decisions", { ids: [id], query: { "source": options.source, "reason": options.reason } });
  }

  /** Ends a silence. The desk is told what it hid that is still bad. */
  deleteSilence(id: string): Promise<void> {
    return this.#to.ask("DELETE", "/v1/silences/{}", { ids: [id] });
  }

  /** Switches a channel off: nothing is sent, critical notices go to its fallback, all others wait. */
  disableChannel(id: string, body: m.OffBody): Promise<m.ChannelItem> {
    return this.#to.ask("POST", "/v1/channels/{}/disable", { ids: [id], body });
  }

  /** Switches an endpoint off: what waits for it stays, and it gets no new alert. */
  disableEndpoint(id: string): Promise<m.EndpointItem> {
    return this.#to.ask("POST", "/v1/endpoints/{}/disable", { ids: [id] });
  }

  /** Switches a channel on; what waits for it is sent. */
  enableChannel(id: string): Promise<m.ChannelItem> {
    return this.#to.ask("POST", "/v1/channels/{}/enable", { ids: [id] });
  }

  /** Switches an endpoint on: what waited for it goes out. */
  enableEndpoint(id: string): Promise<m.EndpointItem> {
    return this.#to.ask("POST", "/v1/endpoints/{}/enable", { ids: [id] });
  }

  /** Ends a lever before its time: its groups are as they were before. */
  endLever(id: string, options: { reason?: string } = {}): Promise<void> {
    return this.#to.ask("DELETE", "/v1/levers/{}", { ids: [id], query: { "reason": options.reason } });
  }

  /** One alert. */
  getAlert(id: string): Promise<m.AlertItem> {
    return this.#to.ask("GET", "/v1/alerts/{}", { ids: [id] });
  }

  /** What webhooks and the stream send, as an AsyncAPI document. */
  getAsyncapiJson(): Promise<Readonly<Record<string, unknown>>> {
    return this.#to.ask("GET", "/asyncapi.json");
  }

  /** What became of a borrower's groups in one UTC day, with their sums, and all that the figures follow from. */
  getBorrowerStatement(id: string, options: { day: string; by?: string }): Promise<m.BorrowerStatement> {
    return this.#to.ask("GET", "/v1/borrowers/{}/statement", { ids: [id], query: { "day": options.day, "by": options.by } });
  }

  /** One delivery with every attempt. */
  getDelivery(id: string): Promise<m.DeliveryDetail> {
    return this.#to.ask("GET", "/v1/deliveries/{}", { ids: [id] });
  }

  /** One endpoint that was made by API. */
  getEndpoint(id: string): Promise<m.EndpointItem> {
    return this.#to.ask("GET", "/v1/endpoints/{}", { ids: [id] });
  }

  /** Critical alerts that people are asked about. */
  getEscalations(): Promise<m.EscalationList> {
    return this.#to.ask("GET", "/v1/escalations");
  }

  /** What groups in liquidation would draw from the insurance fund; 404 where none is configured. */
  getFund(): Promise<m.FundShown> {
    return this.#to.ask("GET", "/v1/fund");
  }

  /** One group, exact. Its version is in ETag. */
  getGroup(id: string): Promise<m.GroupDetail> {
    return this.#to.ask("GET", "/v1/groups/{}", { ids: [id] });
  }

  /** LTV over time, for groups in a bad stage, near a line or looked at lately. */
  getGroupLtv(id: string, options: { from?: string; to?: string; points?: number } = {}): Promise<m.LtvHistory> {
    return this.#to.ask("GET", "/v1/groups/{}/ltv", { ids: [id], query: { "from": options.from, "to": options.to, "points": options.points } });
  }

  /** What became of a group in one UTC day, with all that its figures follow from. */
  getGroupStatement(id: string, options: { day: string }): Promise<m.DayStatement> {
    return this.#to.ask("GET", "/v1/groups/{}/statement", { ids: [id], query: { "day": options.day } });
  }

  /** The event loop runs. */
  getHealthz(): Promise<m.Alive> {
    return this.#to.ask("GET", "/healthz");
  }

  /** Prometheus metrics. */
  getMetrics(): Promise<string> {
    return this.#to.ask("GET", "/metrics");
  }

  /** This document. */
  getOpenapiJson(): Promise<Readonly<Record<string, unknown>>> {
    return this.#to.ask("GET", "/openapi.json");
  }

  /** One price, its trust and its sources. */
  getPrice(id: string): Promise<m.PriceItem> {
    return this.#to.ask("GET", "/v1/prices/{}", { ids: [id] });
  }

  /** One proposal, as it was proposed and as it would be by now. */
  getProposal(id: string): Promise<m.ProposalLook> {
    return this.#to.ask("GET", "/v1/proposals/{}", { ids: [id] });
  }

  /** Whether the daemon does its work, and why not. */
  getReadyz(): Promise<m.Readiness> {
    return this.#to.ask("GET", "/readyz", { also: [503] });
  }

  /** Who is on duty now and next. */
  getRota(): Promise<m.RotaList> {
    return this.#to.ask("GET", "/v1/rota");
  }

  /** Who asks, and what they may do. */
  getSession(): Promise<m.SessionItem> {
    return this.#to.ask("GET", "/v1/session");
  }

  /** Where the book is held, if it is spread over shards: each copy, its groups, its memory and its last answer. */
  getShards(): Promise<m.ShardList> {
    return this.#to.ask("GET", "/v1/shards");
  }

  /** The daemon at a glance. */
  getStatus(): Promise<m.Status> {
    return this.#to.ask("GET", "/v1/status");
  }

  /** Gives flexible rates of a product, from now or later on. */
  giveRates(body: m.RatesBody): Promise<m.RatesAnswer> {
    return this.#to.ask("POST", "/v1/rates", { body });
  }

  /** Takes a table (.xlsx or CSV) as one whole, or not at all; with `dry_run=true` it shows how each group would stand. */
  importGroups(body: Uint8Array, options: { name?: string; file?: string; dryRun?: "true" | "false"; closeMissing?: "true" | "false"; map?: ReadonlyArray<string>; set?: ReadonlyArray<string>; sheet?: ReadonlyArray<string>; decimal?: "point" | "comma"; dates?: "dmy" | "mdy"; encoding?: string } = {}): Promise<m.ImportAnswer> {
    return this.#to.ask("POST", "/v1/import", { query: { "name": options.name, "file": options.file, "dry_run": options.dryRun, "close_missing": options.closeMissing, "map": options.map, "set": options.set, "sheet": options.sheet, "decimal": options.decimal, "dates": options.dates, "encoding": options.encoding }, body });
  }

  /** The alert log, oldest or newest first. */
  listAlerts(options: { after?: number | string; from?: string; to?: string; order?: "oldest" | "newest"; group?: string; type?: string; severity?: "info" | "warning" | "critical"; limit?: number; labels?: Readonly<Record<string, string>> } = {}): Promise<m.AlertList> {
    return this.#to.ask("GET", "/v1/alerts", { query: { "after": options.after, "from": options.from, "to": options.to, "order": options.order, "group": options.group, "type": options.type, "severity": options.severity, "limit": options.limit }, labels: options.labels });
  }

  /** Who changed what. */
  listAudit(options: { who?: string; action?: string; subject?: string; since?: string; until?: string; order?: "oldest" | "newest"; after?: number | string; limit?: number } = {}): Promise<m.AuditList> {
    return this.#to.ask("GET", "/v1/audit", { query: { "who": options.who, "action": options.action, "subject": options.subject, "since": options.since, "until": options.until, "order": options.order, "after": options.after, "limit": options.limit } });
  }

  /** Books of loans and sources of rates: how fresh each is, and what of it is refused. */
  listBooks(options: { limit?: number; after?: string } = {}): Promise<m.SourceList> {
    return this.#to.ask("GET", "/v1/books", { query: { "limit": options.limit, "after": options.after } });
  }

  /** Notifiers: breaker, queue, last attempts. */
  listChannels(options: { limit?: number; after?: string } = {}): Promise<m.ChannelList> {
    return this.#to.ask("GET", "/v1/channels", { query: { "limit": options.limit, "after": options.after } });
  }

  /** Deliveries of alerts to notifiers. */
  listDeliveries(options: { state?: "pending" | "delivered" | "superseded" | "failed"; notifier?: string; alert?: string; limit?: number; after?: string } = {}): Promise<m.DeliveryList> {
    return this.#to.ask("GET", "/v1/deliveries", { query: { "state": options.state, "notifier": options.notifier, "alert": options.alert, "limit": options.limit, "after": options.after } });
  }

  /** Deliveries to an endpoint, oldest alert first. */
  listEndpointDeliveries(id: string, options: { state?: "pending" | "delivered" | "superseded" | "failed"; limit?: number; after?: string } = {}): Promise<m.DeliveryList> {
    return this.#to.ask("GET", "/v1/endpoints/{}/deliveries", { ids: [id], query: { "state": options.state, "limit": options.limit, "after": options.after } });
  }

  /** Endpoints that were made by API. */
  listEndpoints(options: { limit?: number; after?: string } = {}): Promise<m.EndpointList> {
    return this.#to.ask("GET", "/v1/endpoints", { query: { "limit": options.limit, "after": options.after } });
  }

  /** The book by borrower, product or coin, the largest share first. */
  listExposure(options: { by?: string; limit?: number; after?: string } = {}): Promise<m.ExposureList> {
    return this.#to.ask("GET", "/v1/exposure", { query: { "by": options.by, "limit": options.limit, "after": options.after } });
  }

  /** Price sources. */
  listFeeds(options: { limit?: number; after?: string } = {}): Promise<m.FeedList> {
    return this.#to.ask("GET", "/v1/feeds", { query: { "limit": options.limit, "after": options.after } });
  }

  /** The margin call of a group with its amount and its clock, and what became of its calls, newest last. */
  listGroupCalls(id: string, options: { limit?: number; after?: string } = {}): Promise<m.CallList> {
    return this.#to.ask("GET", "/v1/groups/{}/calls", { ids: [id], query: { "limit": options.limit, "after": options.after } });
  }

  /** What became of a group's loans, what was repaid, liquidated and charged; newest last. */
  listGroupHistory(id: string, options: { kind: "loan" | "repayment" | "liquidation" | "call" | "interest"; loan?: string; limit?: number; after?: string }): Promise<m.HistoryList> {
    return this.#to.ask("GET", "/v1/groups/{}/history", { ids: [id], query: { "kind": options.kind, "loan": options.loan, "limit": options.limit, "after": options.after } });
  }

  /** What happened to a group, who was told and who did what, oldest first. */
  listGroupTimeline(id: string, options: { from?: string; limit?: number; after?: string } = {}): Promise<m.GroupTimeline> {
    return this.#to.ask("GET", "/v1/groups/{}/timeline", { ids: [id], query: { "from": options.from, "limit": options.limit, "after": options.after } });
  }

  /** Groups, worst first. */
  listGroups(options: { stage?: ReadonlyArray<"normal" | "margin_call" | "delayed_liquidation" | "liquidation">; product?: ReadonlyArray<string>; q?: string; sort?: "ltv" | "id" | "debt_usd" | "deadline" | "-ltv" | "-id" | "-debt_usd" | "-deadline"; limit?: number; after?: string; labels?: Readonly<Record<string, string>> } = {}): Promise<m.GroupList> {
    return this.#to.ask("GET", "/v1/groups", { query: { "stage": options.stage, "product": options.product, "q": options.q, "sort": options.sort, "limit": options.limit, "after": options.after }, labels: options.labels });
  }

  /** Levers in force. */
  listLevers(options: { limit?: number; after?: string } = {}): Promise<m.LeverList> {
    return this.#to.ask("GET", "/v1/levers", { query: { "limit": options.limit, "after": options.after } });
  }

  /** Prices, their trust and their sources. */
  listPrices(options: { limit?: number; after?: string } = {}): Promise<m.PriceList> {
    return this.#to.ask("GET", "/v1/prices", { query: { "limit": options.limit, "after": options.after } });
  }

  /** What waits for another person. */
  listProposals(options: { limit?: number; after?: string } = {}): Promise<m.ProposalList> {
    return this.#to.ask("GET", "/v1/proposals", { query: { "limit": options.limit, "after": options.after } });
  }

  /** Flexible rates in force and to come, by product, coin and time. */
  listRates(options: { product?: string; asset?: string; limit?: number; after?: string } = {}): Promise<m.RateList> {
    return this.#to.ask("GET", "/v1/rates", { query: { "product": options.product, "asset": options.asset, "limit": options.limit, "after": options.after } });
  }

  /** Silences in force. */
  listSilences(options: { limit?: number; after?: string } = {}): Promise<m.SilenceList> {
    return this.#to.ask("GET", "/v1/silences", { query: { "limit": options.limit, "after": options.after } });
  }

  /** Which groups a reload with these rules would move to another stage, at the prices of now; nothing is changed. */
  previewRules(body: m.RulesBody): Promise<m.RulesPreview> {
    return this.#to.ask("POST", "/v1/rules/preview", { body });
  }

  /** Pulls a lever, or proposes it where another person must approve (202); 200 for a dry run. */
  pullLever(body: m.LeverBody, options: { dryRun?: "true" | "false" } = {}): Promise<m.LeverPreview | m.LeverItem | m.ProposalItem> {
    return this.#to.ask("POST", "/v1/levers", { query: { "dry_run": options.dryRun }, body });
  }

  /** Puts a group, or replaces its holdings; with `dry_run=true` it says what that would do. */
  putGroup(id: string, body: m.GroupLine, options: { dryRun?: "true" | "false"; ifMatch?: string; ifNoneMatch?: "*" } = {}): Promise<m.PutAnswer> {
    return this.#to.ask("PUT", "/v1/groups/{}", { ids: [id], query: { "dry_run": options.dryRun }, headers: { "If-Match": options.ifMatch, "If-None-Match": options.ifNoneMatch }, body });
  }

  /** Rejects a proposal, or takes one's own back; what was done in an emergency ends. */
  rejectProposal(id: string, body: m.RejectBody): Promise<m.ProposalAnswer> {
    return this.#to.ask("POST", "/v1/proposals/{}/reject", { ids: [id], body });
  }

  /** Sends alerts again to one notifier, oldest first, each under its own id. */
  replayDeliveries(body: m.ReplayBody): Promise<m.Replayed> {
    return this.#to.ask("POST", "/v1/deliveries/replay", { body });
  }

  /** Makes deliveries due at once, by channel, type and time; at most 10,000 in one call, oldest first. */
  retryDeliveries(body: m.RetryBody): Promise<m.Retried> {
    return this.#to.ask("POST", "/v1/deliveries/retry", { body });
  }

  /** Makes a delivery due at once. */
  retryDelivery(id: string): Promise<m.DeliveryItem> {
    return this.#to.ask("POST", "/v1/deliveries/{}/retry", { ids: [id] });
  }

  /** Gives an endpoint a new key, which the answer shows once; the old one signs beside it for a while. */
  rotateEndpoint(id: string, body?: m.RotationBody): Promise<m.EndpointWithSecret> {
    return this.#to.ask("POST", "/v1/endpoints/{}/rotate", { ids: [id], body });
  }

  /** Signs in with a token; the answer sets a cookie. */
  signIn(body: m.SignIn): Promise<m.SessionItem> {
    return this.#to.ask("POST", "/v1/session", { body });
  }

  /** Signs out. */
  signOut(): Promise<void> {
    return this.#to.ask("DELETE", "/v1/session");
  }

  /** The whole book under shocks, a scenario, a matrix of shocks, or the fall that a loss takes; nothing is changed. */
  stressBook(body: m.Stress, options: { format?: "json" | "csv" } = {}): Promise<m.StressAnswer | m.MatrixAnswer | m.ReverseAnswer | string> {
    return this.#to.ask("POST", "/v1/stress", { query: { "format": options.format }, body });
  }

  /** Takes what is said of a margin call: something is on its way, a part is disputed, or the dispute is settled. */
  tellOfCall(id: string, body: m.TellOfCallBody, options: { dryRun?: "true" | "false"; ifMatch?: string; idempotencyKey?: string } = {}): Promise<m.EntryAnswer> {
    return this.#to.ask("POST", "/v1/groups/{}/calls", { ids: [id], query: { "dry_run": options.dryRun }, headers: { "If-Match": options.ifMatch, "Idempotency-Key": options.idempotencyKey }, body });
  }

  /** Sends one test notice through a channel, and says how that went. It passes the queue and supersedes nothing. */
  testChannel(id: string): Promise<m.TestedEndpoint> {
    return this.#to.ask("POST", "/v1/channels/{}/test", { ids: [id] });
  }

  /** Sends one test notice, and says what the endpoint answered. */
  testEndpoint(id: string): Promise<m.TestedEndpoint> {
    return this.#to.ask("POST", "/v1/endpoints/{}/test", { ids: [id] });
  }

  /** Takes an acknowledgement back. */
  unackAlert(id: string): Promise<void> {
    return this.#to.ask("DELETE", "/v1/alerts/{}/ack", { ids: [id] });
  }

  /** What would follow; nothing is changed. */
  whatIfGroup(id: string, body: m.WhatIf): Promise<m.WhatIfAnswer> {
    return this.#to.ask("POST", "/v1/groups/{}/what-if", { ids: [id], body });
  }
}
