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

interface Wanted {
  readonly severity: string;
  readonly type: string;
  readonly group: string;
  readonly label: string;
  readonly from: string;
  readonly to: string;
}

const ALL: Wanted = { severity: "", type: "", group: "", label: "", from: "", to: "" };
const TYPES: readonly [string, string][] = [["", "every kind"], ...Object.entries(FAMILIES)];
const PAGE = 200;

const COLUMNS: readonly Column<AlertItem>[] = [
  { key: "at", name: "When", show: (a) => <Time at={a.timestamp} />, text: (a) => a.timestamp },
  {
    key: "severity",
    name: "Severity",
    show: (a) => <SeverityPill severity={a.data.severity} />,
    text: (a) => a.data.severity,
  },
  { key: "what", name: "What", show: (a) => <What of={a} />, text: (a) => alertTitle(a.type), wrap: true },
  { key: "of", name: "Of", show: (a) => <Of of={a} />, text: (a) => a.data.group?.id ?? a.data.subject, wrap: true },
  {
    key: "ltv",
    name: "LTV",
    show: (a) => alertFigure(a.data) ?? "–",
    text: (a) => a.data.ltv,
    right: true,
  },
  { key: "type", name: "Type", show: (a) => a.type, text: (a) => a.type, extra: true },
  { key: "stage", name: "Stage", show: (a) => stageOf(a) ?? "–", text: stageOf, extra: true },
  { key: "reason", name: "Reason", show: (a) => a.data.reason ?? "–", text: (a) => a.data.reason, extra: true },
  {
    key: "deadline",
    name: "Deadline",
    show: (a) => <Time at={a.data.deadline} />,
    text: (a) => a.data.deadline,
    extra: true,
  },
  { key: "labels", name: "Labels", show: labelsOf, text: labelsOf, wrap: true, extra: true },
  { key: "id", name: "Id", show: (a) => a.data.id, text: (a) => a.data.id, extra: true },
];

export function AlertsPage() {
  const [wanted, setWanted] = useState<Wanted>(ALL);
  const { alerts, more, error } = useLog(wanted);
  const columns = useColumns("alerts", COLUMNS);
  return (
    <article>
      <header class="pagehead">
        <h1>Alerts</h1>
      </header>
      <div class="grid">
        <Panel title="Log" class="wide">
          <Filters wanted={wanted} onChange={setWanted} columns={columns} />
          {error && <Failure error={error} what="the alert log" />}
          {alerts.length ? <Log alerts={alerts} columns={columns} /> : <p class="empty">No alert of this kind.</p>}
          {more && (
            <p class="body">
              <button type="button" onClick={more}>
                Older alerts
              </button>
            </p>
          )}
        </Panel>
        <Panel title="Silences" class="wide">
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
        <span class="hidden">Severity</span>
        <select
          value={wanted.severity}
          aria-label="Severity"
          onChange={(e) => onChange({ ...wanted, severity: e.currentTarget.value })}
        >
          <option value="">every severity</option>
          {SEVERITIES.map((s) => (
            <option key={s} value={s}>
              {s}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="hidden">Kind</span>
        <select
          value={wanted.type}
          aria-label="Kind"
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
        <span class="hidden">Group</span>
        <input
          type="search"
          placeholder="Exact id of a group"
          value={wanted.group}
          onChange={(e) => onChange({ ...wanted, group: e.currentTarget.value.trim() })}
        />
      </label>
      <LabelFilter value={wanted.label} onValue={(label) => onChange({ ...wanted, label })} />
      <TimeFilter name="From" value={wanted.from} onValue={(from) => onChange({ ...wanted, from })} />
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
      label="Alert log"
      class="log"
      columns={columns}
      rows={alerts}
      keyOf={(a) => a.data.id}
      rowClass={(a) => `severity-${a.data.severity}`}
      end={(a) => (
        <button type="button" class="small" aria-expanded={open === a.data.id} onClick={() => turn(a.data.id)}>
          {open === a.data.id ? "Close" : "Who was told"}
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
      {data.blind && <span class="pill blind">blind</span>}
      {!data.durable && <span class="pill bad">not durable</span>}
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
      {data.facts && <p class="quiet">{JSON.stringify(data.facts)}</p>}
      {isBad && <Acknowledge alert={data.id} acknowledged={data.acknowledged} onDone={onDone} />}
      <small>
        {data.id}
        {data.cursor !== null && ` · cursor ${data.cursor}`}
      </small>
    </>
  );
}
