/** The alert log with filters, what became of each alert, and silences. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { FAMILIES, SEVERITIES } from "../alerts.generated";
import type { AlertItem, AlertList } from "../answers.generated";
import { type ApiError, get, query } from "../api";
import { live } from "../live/live";
import { useStore } from "../live/store";
import { Acknowledge } from "../parts/acknowledge";
import { alertFigure, alertTitle, Panel, Scroll, SeverityPill, Time, words } from "../parts/figures";
import { Failure } from "../parts/notices";
import { SentAlerts } from "../parts/sentalerts";
import { Silences } from "../parts/silences";
import { to } from "../router";

interface Wanted {
  readonly severity: string;
  readonly type: string;
  readonly group: string;
}

const TYPES: readonly [string, string][] = [["", "every kind"], ...Object.entries(FAMILIES)];
const PAGE = 200;
const DAY_MS = 86_400_000;
/** The monitor keeps its log for 400 days where nothing else is configured. */
const OLDEST_MS = 800 * DAY_MS;

export function AlertsPage() {
  const [wanted, setWanted] = useState<Wanted>({ severity: "", type: "", group: "" });
  const { alerts, more, error } = useLog(wanted);
  return (
    <article>
      <header class="pagehead">
        <h1>Alerts</h1>
      </header>
      <div class="grid">
        <Panel title="Log" class="wide">
          <Filters wanted={wanted} onChange={setWanted} />
          {error && <Failure error={error} what="the alert log" />}
          {alerts.length ? <Log alerts={alerts} /> : <p class="empty">No alert of this kind.</p>}
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

function Filters({ wanted, onChange }: { wanted: Wanted; onChange: (wanted: Wanted) => void }) {
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
    </div>
  );
}

/** The log goes by rising cursors: the newest page is found by looking back, further each time it is not filled. */
function useLog(wanted: Wanted) {
  const newest = useStore(live.alerts);
  const [older, setOlder] = useState<{ items: readonly AlertItem[]; from: number } | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const load = async (before: number, items: readonly AlertItem[]): Promise<void> => {
    try {
      let from = before;
      let found: AlertItem[] = [];
      const [first, end] = live.scoped ? [DAY_MS, Date.now() - OLDEST_MS] : [PAGE, 0];
      for (let step = first; from > end && found.length < PAGE; step *= 8) {
        const after = Math.max(end, from - 1 - step);
        found = [...(await (live.scoped ? betweenTimes : between)(wanted, after, from)), ...found];
        from = after;
      }
      setOlder({ items: [...items, ...found.reverse()], from });
      setError(null);
    } catch (e) {
      setError(e as ApiError);
    }
  };
  useEffect(() => {
    setOlder(null);
    const top = live.alerts.get()[0]?.data.cursor ?? 0;
    void load(live.scoped ? Date.now() : top + 1, []);
  }, [wanted]);
  const alerts = useMemo(() => {
    const known = new Set(older?.items.map((a) => a.data.id));
    const fresh = newest.filter((a) => matches(a, wanted) && !known.has(a.data.id) && isBehind(a, older?.items[0]));
    return [...fresh, ...(older?.items ?? [])];
  }, [newest, older, wanted]);
  const end = live.scoped ? Date.now() - OLDEST_MS + DAY_MS : 0;
  const more = older && older.from > end ? () => void load(older.from + 1, older.items) : null;
  return { alerts, more, error };
}

async function between(wanted: Wanted, after: number, before: number): Promise<AlertItem[]> {
  const found: AlertItem[] = [];
  let next: number | string | null = after;
  while (next !== null) {
    const page: AlertList = await get(`/v1/alerts${query({ ...wanted, after: next, limit: 1000 })}`);
    found.push(...page.items.filter((a) => (a.data.cursor ?? before) < before));
    next = (page.items.at(-1)?.data.cursor ?? before) >= before - 1 ? null : page.next;
  }
  return found;
}

/** The same by time, in milliseconds: a reader with a scope has no cursors to look back by. */
async function betweenTimes(wanted: Wanted, after: number, before: number): Promise<AlertItem[]> {
  const found: AlertItem[] = [];
  const from = new Date(after).toISOString();
  let next: number | string | null | undefined;
  do {
    const page: AlertList = await get(`/v1/alerts${query({ ...wanted, from, after: next, limit: 1000 })}`);
    found.push(...page.items.filter((a) => Date.parse(a.timestamp) < before && Date.parse(a.timestamp) >= after));
    const last = page.items.at(-1);
    next = last && Date.parse(last.timestamp) >= before ? null : page.next;
  } while (next !== null);
  return found;
}

/** An alert of the stream that is not among those that were read back. */
function isBehind(alert: AlertItem, newest: AlertItem | undefined): boolean {
  if (alert.data.cursor === null) return alert.timestamp >= (newest?.timestamp ?? "");
  return alert.data.cursor > (newest?.data.cursor ?? 0);
}

function matches(alert: AlertItem, wanted: Wanted): boolean {
  const prefix = wanted.type.replace(/\*$/, "");
  return (
    (!wanted.severity || alert.data.severity === wanted.severity) &&
    alert.type.startsWith(prefix) &&
    (!wanted.group || alert.data.group?.id === wanted.group)
  );
}

function Log({ alerts }: { alerts: readonly AlertItem[] }) {
  const [open, setOpen] = useState<string | null>(null);
  return (
    <Scroll label="Alert log" high>
      <table class="log">
        <thead>
          <tr>
            <th>When</th>
            <th>Severity</th>
            <th>What</th>
            <th>Of</th>
            <th class="right">LTV</th>
            <th>Told</th>
          </tr>
        </thead>
        <tbody>
          {alerts.map((a) => (
            <AlertRow
              key={a.data.id}
              alert={a}
              open={open === a.data.id}
              onOpen={() => setOpen(open === a.data.id ? null : a.data.id)}
            />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function AlertRow({ alert: a, open, onOpen }: { alert: AlertItem; open: boolean; onOpen: () => void }) {
  const { data } = a;
  const isBad = data.group && data.stage?.to && data.stage.to !== "normal";
  return (
    <>
      <tr class={`severity-${data.severity}`}>
        <td>
          <Time at={a.timestamp} />
        </td>
        <td>
          <SeverityPill severity={data.severity} />
        </td>
        <td>
          {alertTitle(a.type)}
          {data.reason && data.reason !== "ltv" && <small> {words(data.reason)}</small>}
          {data.blind && <span class="pill blind">blind</span>}
          {!data.durable && <span class="pill bad">not durable</span>}
        </td>
        <td class="wrap">{data.group ? <a href={to.group(data.group.id)}>{data.group.id}</a> : data.subject}</td>
        <td class="right num">{alertFigure(data) ?? "–"}</td>
        <td>
          <button type="button" class="small" aria-expanded={open} onClick={onOpen}>
            {open ? "Close" : "Who was told"}
          </button>
        </td>
      </tr>
      {open && (
        <tr>
          <td colSpan={6} class="wrap">
            <SentAlerts alert={data.id} />
            {data.facts && <p class="quiet">{JSON.stringify(data.facts)}</p>}
            {isBad && <Acknowledge alert={data.id} acknowledged={data.acknowledged} onDone={onOpen} />}
            <small>
              {data.id}
              {data.cursor !== null && ` · cursor ${data.cursor}`}
            </small>
          </td>
        </tr>
      )}
    </>
  );
}
