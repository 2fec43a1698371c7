/** Who changed what: the signed record of all that people did, newest first. */

import { useEffect, useState } from "preact/hooks";
import type { AuditItem, AuditList } from "../answers.generated";
import { ApiError, get, query } from "../api";
import { changed } from "../changes";
import { ChooseColumns, type Column, ListTable, useColumns } from "../parts/columns";
import { count, Panel, Time } from "../parts/figures";
import { TimeFilter, utcOf } from "../parts/filters";
import { Failure } from "../parts/notices";
import { SaveList } from "../parts/save";
import { to } from "../router";
import { say } from "../words/say";

interface Wanted {
  readonly who: string;
  readonly action: string;
  readonly subject: string;
  readonly since: string;
  readonly until: string;
}

const ALL: Wanted = { who: "", action: "", subject: "", since: "", until: "" };
const PAGE = 200;

const COLUMNS: readonly Column<AuditItem>[] = [
  { key: "at", name: say("when"), show: (a) => <Time at={a.at} />, text: (a) => a.at },
  { key: "who", name: say("who"), show: (a) => a.who, text: (a) => a.who },
  { key: "action", name: say("what"), show: (a) => a.action, text: (a) => a.action },
  { key: "subject", name: say("toWhat"), show: (a) => <Subject of={a} />, text: (a) => a.subject, wrap: true },
  { key: "change", name: say("change"), show: (a) => <Change of={a} />, text: changeOf, wrap: true },
  {
    key: "number",
    name: say("number"),
    show: (a) => a.cursor,
    text: (a) => String(a.cursor),
    right: true,
    extra: true,
  },
  {
    key: "before",
    name: say("before"),
    show: (a) => whole(a.before),
    text: (a) => whole(a.before),
    wrap: true,
    extra: true,
  },
  {
    key: "after",
    name: say("after"),
    show: (a) => whole(a.after),
    text: (a) => whole(a.after),
    wrap: true,
    extra: true,
  },
];

export function AuditPage() {
  const [wanted, setWanted] = useState<Wanted>(ALL);
  const { found, more, error, head } = useAudit(wanted);
  const columns = useColumns("audit", COLUMNS);
  const set = (part: Partial<Wanted>): void => setWanted({ ...wanted, ...part });
  return (
    <article>
      <header class="pagehead">
        <h1>{say("audit")}</h1>
        <p class="quiet">{say("allThatPeopleDid")}</p>
      </header>
      <Panel title={say("record")} aside={head && <small>{say("lastRecordNumber", { number: head.number })}</small>}>
        <div class="toolbar">
          {(["who", "action", "subject"] as const).map((key) => (
            <input
              key={key}
              size={14}
              aria-label={NAMES[key]}
              placeholder={NAMES[key]}
              value={wanted[key]}
              onChange={(e) => set({ [key]: e.currentTarget.value.trim() })}
            />
          ))}
          <TimeFilter name={say("from")} value={wanted.since} onValue={(since) => set({ since })} />
          <TimeFilter name="to" value={wanted.until} onValue={(until) => set({ until })} />
          <ChooseColumns list="audit" all={COLUMNS} />
          <SaveList name="audit" columns={columns} read={(after) => page(wanted, after, 1000)} />
        </div>
        {error && <Failure error={error} what={say("anAuditRecord")} />}
        {found.length ? (
          <ListTable label={say("auditRecord")} columns={columns} rows={found} keyOf={(a) => String(a.cursor)} />
        ) : (
          !error && <p class="empty">{say("nobodyDidAnyOf")}</p>
        )}
        {more && (
          <p class="body">
            <button type="button" onClick={more}>
              {say("olderRecords")}
            </button>
          </p>
        )}
      </Panel>
    </article>
  );
}

const NAMES = { who: say("who"), action: say("whatSuchAsEndpoint"), subject: say("toWhat") };

function page(wanted: Wanted, after: string | number | null, limit: number): Promise<AuditList> {
  const times = { since: utcOf(wanted.since), until: utcOf(wanted.until) };
  return get<AuditList>(`/v1/audit${query({ ...wanted, ...times, order: "newest", after, limit })}`);
}

function useAudit(wanted: Wanted) {
  const [state, setState] = useState<{
    items: readonly AuditItem[];
    next: number | null;
    head: AuditList["head"];
  } | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const load = async (before: readonly AuditItem[], after: number | null, isStopped: () => boolean): Promise<void> => {
    try {
      const found = await page(wanted, after, PAGE);
      if (isStopped()) return;
      setState({ items: [...before, ...found.items], next: found.next, head: found.head });
      setError(null);
    } catch (e) {
      if (!isStopped()) setError(e instanceof ApiError ? e : new ApiError(0, "error", String(e)));
    }
  };
  useEffect(() => {
    let stopped = false;
    void load([], null, () => stopped);
    return () => {
      stopped = true;
    };
  }, [wanted]);
  const next = state?.next ?? null;
  const more = next === null ? null : () => void load(state?.items ?? [], next, () => false);
  return { found: state?.items ?? [], head: state?.head ?? null, more, error };
}

function Subject({ of: { subject, action } }: { of: AuditItem }) {
  const isGroup = action.startsWith("entry ") || action.endsWith(" group");
  return isGroup ? <a href={to.group(subject)}>{subject}</a> : subject;
}

function Change({ of }: { of: AuditItem }) {
  const changes = changed(of.before, of.after);
  if (!changes.length) return <span class="none">–</span>;
  return (
    <ul class="changes">
      {changes.slice(0, SHOWN).map((text) => (
        <li key={text}>{text}</li>
      ))}
      {changes.length > SHOWN && (
        <li class="none">{say("andShownMoreChoose", { shown: count(changes.length - SHOWN) })}</li>
      )}
    </ul>
  );
}

const SHOWN = 6;

function changeOf({ before, after }: AuditItem): string {
  return changed(before, after).join("; ");
}

function whole(value: unknown): string {
  return value === null || value === undefined ? "" : JSON.stringify(value);
}
