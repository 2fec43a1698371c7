/** The alert log with filters, what became of each alert, and silences. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { FAMILIES, SEVERITIES } from "../alerts.generated";
import type { AlertItem, AlertList } from "../answers.generated";
import { type ApiError, get, query } from "../api";
import { labelQuery } from "../live/label";
import { live } from "../live/live";
import { useStore } from "../live/store";
import { Acknowledge } from "../parts/acknowledge";
import { ChooseColumns, type Column, ListTable, useColumns } from "../parts/columns";
import { alertFigure, alertTitle, Panel, SeverityPill, Time, words } from "../parts/figures";
import { LabelFilter, TimeFilter, utcOf } from "../parts/filters";
import { Failure } from "../parts/notices";
import { SaveList } from "../parts/save";
import { SentAlerts } from "../parts/sentalerts";
import { Silences } from "../parts/silences";
import { to } from "../router";
import { familyOf, say } from "../words/say";

interface Wanted {
  readonly severity: string;
  readonly type: string;
  readonly group: string;
  readonly label: string;
  readonly from: string;
  readonly to: string;
}

const ALL: Wanted = { severity: "", type: "", group: "", label: "", from: "", to: "" };
const TYPES: readonly [string, string][] = [
  ["", say("everyKind")],
  ...Object.keys(FAMILIES).map((type): [string, string] => [type, familyOf(type)]),
];
const PAGE = 200;

const COLUMNS: readonly Column<AlertItem>[] = [
  { key: "at", name: say("when"), show: (a) => <Time at={a.timestamp} />, text: (a) => a.timestamp },
  {
    key: "severity",
    name: say("severity"),
    show: (a) => <SeverityPill severity={a.data.severity} />,
    text: (a) => a.data.severity,
  },
  { key: "what", name: say("what"), show: (a) => <What of={a} />, text: (a) => alertTitle(a.type), wrap: true },
  {
    key: "of",
    name: say("of"),
    show: (a) => <Of of={a} />,
    text: (a) => a.data.group?.id ?? a.data.subject,
    wrap: true,
  },
  {
    key: "ltv",
    name: say("ltv"),
    show: (a) => alertFigure(a.data) ?? "–",
    text: (a) => a.data.ltv,
    right: true,
  },
  { key: "type", name: say("type"), show: (a) => a.type, text: (a) => a.type, extra: true },
  { key: "stage", name: say("stage"), show: (a) => stageOf(a) ?? "–", text: stageOf, extra: true },
  { key: "reason", name: say("reason"), show: (a) => a.data.reason ?? "–", text: (a) => a.data.reason, extra: true },
  {
    key: "deadline",
    name: say("deadline"),
    show: (a) => <Time at={a.data.deadline} />,
    text: (a) => a.data.deadline,
    extra: true,
  },
  { key: "labels", name: say("labels"), show: labelsOf, text: labelsOf, wrap: true, extra: true },
  { key: "id", name: say("id"), show: (a) => a.data.id, text: (a) => a.data.id, extra: true },
];

export function AlertsPage() {
  const [wanted, setWanted] = useState<Wanted>(ALL);
  const { alerts, more, error } = useLog(wanted);
  const columns = useColumns("alerts", COLUMNS);
  return (
    <article>
      <header class="pagehead">
        <h1>{say("alerts")}</h1>
      </header>
      <div class="grid">
        <Panel title={say("log")} class="wide">
          <Filters wanted={wanted} onChange={setWanted} columns={columns} />
          {error && <Failure error={error} what={say("theAlertLog")} />}
          {alerts.length ? <Log alerts={alerts} columns={columns} /> : <p class="empty">{say("noAlertOfThis")}</p>}
          {more && (
            <p class="body">
              <button type="button" onClick={more}>
                {say("olderAlerts")}
              </button>
            </p>
          )}
        </Panel>
        <Panel title={say("silences")} class="wide">
          <Silences />
        </Panel>
      </div>
    </article>
  );
}

function Filters(props: { wanted: Wanted; onChange: (wanted: Wanted) => void; columns: readonly Column<AlertItem>[] }) {
  const { wanted, onChange } = props;
  return (
    <div class="toolbar">
      <label>
        <span class="hidden">{say("severity")}</span>
        <select
          value={wanted.severity}
          aria-label={say("severity")}
          onChange={(e) => onChange({ ...wanted, severity: e.currentTarget.value })}
        >
          <option value="">{say("everySeverity")}</option>
          {SEVERITIES.map((s) => (
            <option key={s} value={s}>
              {s}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="hidden">{say("kind")}</span>
        <select
          value={wanted.type}
          aria-label={say("kind")}
          onChange={(e) => onChange({ ...wanted, type: e.currentTarget.value })}
        >
          {TYPES.map(([type, name]) => (
            <option key={type} value={type}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="search">
        <span class="hidden">{say("group")}</span>
        <input
          type="search"
          placeholder={say("exactIdOfA")}
          value={wanted.group}
          onChange={(e) => onChange({ ...wanted, group: e.currentTarget.value.trim() })}
        />
      </label>
      <LabelFilter value={wanted.label} onValue={(label) => onChange({ ...wanted, label })} />
      <TimeFilter name={say("from")} value={wanted.from} onValue={(from) => onChange({ ...wanted, from })} />
      <TimeFilter name="to" value={wanted.to} onValue={(to) => onChange({ ...wanted, to })} />
      <ChooseColumns list="alerts" all={COLUMNS} />
      <SaveList name="alerts" columns={props.columns} read={(after) => page(wanted, after, 1000)} />
    </div>
  );
}

/** Newest first, as the log is looked at. */
function page(wanted: Wanted, after: string | number | null, limit: number): Promise<AlertList> {
  const { severity, type, group } = wanted;
  const times = { from: utcOf(wanted.from), to: utcOf(wanted.to) };
  return get<AlertList>(
    `/v1/alerts${query({ severity, type, group, ...times, ...labelQuery(wanted), order: "newest", after, limit })}`,
  );
}

interface Read {
  readonly items: readonly AlertItem[];
  readonly next: number | string | null;
}

/** The log as it was read, and in front of it what came since. */
function useLog(wanted: Wanted) {
  const newest = useStore(live.alerts);
  const [read, setRead] = useState<Read | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const load = async (before: readonly AlertItem[], after: number | string | null, isOver: () => boolean) => {
    try {
      let found = await page(wanted, after, PAGE);
      // A page that a filter by label left empty says nothing of the next one.
      while (!found.items.length && found.next !== null && !isOver()) found = await page(wanted, found.next, PAGE);
      if (isOver()) return;
      setRead({ items: [...before, ...found.items], next: found.next });
      setError(null);
    } catch (e) {
      if (!isOver()) setError(e as ApiError);
    }
  };
  useEffect(() => {
    let over = false;
    setRead(null);
    void load([], null, () => over);
    return () => {
      over = true;
    };
  }, [wanted]);
  const alerts = useMemo(() => {
    const known = new Set(read?.items.map((a) => a.data.id));
    const first = read?.items[0];
    const fresh = newest.filter((a) => matches(a, wanted) && !known.has(a.data.id) && isBehind(a, first));
    return [...fresh, ...(read?.items ?? [])];
  }, [newest, read, wanted]);
  const next = read?.next ?? null;
  const more = next === null ? null : () => void load(read?.items ?? [], next, () => false);
  return { alerts, more, error };
}

/** An alert of the stream that is not among those that were read. */
function isBehind(alert: AlertItem, newest: AlertItem | undefined): boolean {
  if (alert.data.cursor === null) return alert.timestamp >= (newest?.timestamp ?? "");
  return alert.data.cursor > (newest?.data.cursor ?? 0);
}

export function matches(alert: AlertItem, wanted: Wanted): boolean {
  const prefix = wanted.type.replace(/\*$/, "");
  const at = Date.parse(alert.timestamp);
  const labels = Object.entries(labelQuery(wanted)).map(
    ([key, value]) => [key.replace(/^label\./, ""), value] as const,
  );
  return (
    (!wanted.severity || alert.data.severity === wanted.severity) &&
    alert.type.startsWith(prefix) &&
    (!wanted.group || alert.data.group?.id === wanted.group) &&
    (!wanted.from || at >= Date.parse(wanted.from)) &&
    (!wanted.to || at < Date.parse(wanted.to)) &&
    labels.every(([key, value]) => alert.data.group?.labels[key] === value)
  );
}

function Log({ alerts, columns }: { alerts: readonly AlertItem[]; columns: readonly Column<AlertItem>[] }) {
  const [open, setOpen] = useState<string | null>(null);
  const turn = (id: string): void => setOpen(open === id ? null : id);
  return (
    <ListTable
      label={say("alertLog")}
      class="log"
      columns={columns}
      rows={alerts}
      keyOf={(a) => a.data.id}
      rowClass={(a) => `severity-${a.data.severity}`}
      end={(a) => (
        <button type="button" class="small" aria-expanded={open === a.data.id} onClick={() => turn(a.data.id)}>
          {open === a.data.id ? say("close") : say("whoWasTold")}
        </button>
      )}
      below={(a) => (open === a.data.id ? <Opened alert={a} onDone={() => setOpen(null)} /> : null)}
    />
  );
}

function What({ of: { type, data } }: { of: AlertItem }) {
  return (
    <>
      {alertTitle(type)}
      {data.reason && data.reason !== "ltv" && <small> {words(data.reason)}</small>}
      {data.blind && <span class="pill blind">{say("blind")}</span>}
      {!data.durable && <span class="pill bad">{say("notDurable")}</span>}
    </>
  );
}

function Of({ of: { data } }: { of: AlertItem }) {
  return data.group ? <a href={to.group(data.group.id)}>{data.group.id}</a> : data.subject;
}

function stageOf({ data }: AlertItem): string | null {
  return data.stage?.to ? words(data.stage.to) : null;
}

function labelsOf({ data }: AlertItem): string {
  return Object.entries(data.group?.labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}

function Opened({ alert: { data }, onDone }: { alert: AlertItem; onDone: () => void }) {
  const isBad = data.group && data.stage?.to && data.stage.to !== "normal";
  return (
    <>
      <SentAlerts alert={data.id} />
      {data.facts && <p class="quiet">{factsOf(data.facts)}</p>}
      {isBad && <Acknowledge alert={data.id} acknowledged={data.acknowledged} onDone={onDone} />}
      <small>
        {data.id}
        {data.cursor !== null && say("cursorCursor", { cursor: data.cursor })}
      </small>
    </>
  );
}

/** Whatever a kind of alert says beside its figures, each fact by its name. */
function factsOf(facts: Readonly<Record<string, unknown>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${words(name)}: ${factOf(value)}`)
    .join(" · ");
}

function factOf(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.map(factOf).join(", ") || "–";
  if (typeof value === "object") return `(${factsOf(value as Readonly<Record<string, unknown>>)})`;
  return String(value);
}
