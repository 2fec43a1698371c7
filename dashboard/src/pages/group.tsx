/** One group: why it stands where it stands, what was said of it, and what would cure it. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { AlertItem, AlertList, GroupDetail } from "../answers.generated";
import { get, path, query } from "../api";
import { live } from "../live/live";
import { usePolled } from "../live/polled";
import { useStore } from "../live/store";
import { Acknowledge } from "../parts/acknowledge";
import { MarginCall } from "../parts/call";
import { Entries } from "../parts/entries";
import { Deadline, numbers, Panel, Quantity, StagePill, Time, Usd, words } from "../parts/figures";
import { Cure, Lender, Lines, Loans, Permitted, Terms, Why } from "../parts/groupparts";
import { Levers } from "../parts/levers";
import { LevelText, LtvBar } from "../parts/ltvbar";
import { LtvOverTime } from "../parts/ltvhistory";
import { NextLine } from "../parts/nextline";
import { Fresh } from "../parts/notices";
import { Timeline } from "../parts/timeline";
import { to } from "../router";
import { mayFeed, mayOperate } from "../session";

export function GroupPage({ id }: { id: string }) {
  // Exact figures are asked for every two seconds, and at once when something was said.
  const alerts = useStore(live.alerts);
  const detail = usePolled<GroupDetail>(path("groups", id), 2000, alerts);
  return (
    <article class="group" data-at={detail.data?.at}>
      <Fresh of={detail} what="this group">
        {(group) => <Body group={group} again={detail.again} />}
      </Fresh>
    </article>
  );
}

function Body({ group, again }: { group: GroupDetail; again: () => void }) {
  const alerts = useGroupAlerts(group.id);
  const stageAlert = alerts.findLast((a) => a.data.stage?.to === group.stage && group.stage !== "normal");
  return (
    <>
      <header class="grouphead">
        <div>
          <p class="path">
            <a href={to.overview}>Groups</a> / {words(group.product)}
          </p>
          <h1>{group.id}</h1>
          <p class="quiet">
            {Object.entries(group.labels)
              .map(([k, v]) => `${k} ${v}`)
              .join(" · ")}
          </p>
        </div>
        <div class="headline">
          <span class="big">
            <LevelText group={group} />
          </span>
          <StagePill stage={group.stage} />
          {group.blind && <span class="pill blind">{group.unknown ? "unknown" : "blind"}</span>}
          {group.reason && <small>reason: {words(group.reason)}</small>}
        </div>
        <div class="actions">
          {stageAlert && (
            <Acknowledge alert={stageAlert.data.id} acknowledged={group.acknowledged} onDone={again} keyed />
          )}
          <a class="button" href={to.whatIf(group.id)}>
            What if…
          </a>
          <a class="button" href={to.statement(group.id)}>
            Statement
          </a>
        </div>
      </header>
      <LtvBar group={group} />
      {group.missing.length > 0 && (
        <p class="failure" role="alert">
          No price of {group.missing.join(", ")}: the group cannot be valued, and nothing is permitted.
          {group.bounds && ` At worst it is ${end(group.bounds.worst)}, at best ${end(group.bounds.best)}.`}
        </p>
      )}
      <dl class="facts">
        <Fact name="Debt">
          <Usd value={group.debt_usd} places={2} />
        </Fact>
        <Fact name="Recognised">
          <Usd value={group.recognised_usd} places={2} />
        </Fact>
        <Fact name="Market value">
          <Usd value={group.market_usd} places={2} />
        </Fact>
        <Fact name="May still borrow">
          <Usd value={group.borrowable_usd} places={2} />
        </Fact>
        <Fact name="What counts next">
          <NextLine group={group} isLevel={isByLevel(group)} />
        </Fact>
        <Fact name="Deadline">{group.deadline ? <Deadline at={group.deadline} /> : "none"}</Fact>
        <Fact name="In this stage since">
          <Time at={group.since} />
        </Fact>
        <Fact name="Valued">
          <Time at={group.at} />
        </Fact>
        {group.book && (
          <Fact name={`Book ${group.book.source}`}>
            <Time at={group.book.as_of} />
            {group.book.stale && <span class="pill blind">not refreshed</span>}
          </Fact>
        )}
      </dl>
      <div class="grid">
        <LtvOverTime group={group} alerts={alerts} />
        <Panel title="Lines" class="third">
          <Lines group={group} />
        </Panel>
        <MarginCall group={group} />
        {group.terms.length > 0 && (
          <Panel title="Other than its agreement" class="wide">
            <Terms group={group} />
          </Panel>
        )}
        {group.lender && (
          <Panel title="What the lender says" aside={<small>{group.lender.source}</small>}>
            <Lender said={group.lender} />
          </Panel>
        )}
        <Panel title={`Why this ${metricOf(group)}`} class="wide" aside={<small>rules {group.rules}</small>}>
          <Why group={group} />
        </Panel>
        <Panel title="Loans and interest" class="wide">
          <Loans group={group} />
        </Panel>
        <Panel title="What cures it">
          <Cure group={group} />
        </Panel>
        <Panel title="Permitted now">
          <Permitted group={group} />
        </Panel>
        {(mayFeed() || mayOperate()) && (
          <Panel title="Daily entries" class="wide">
            <Entries group={group} again={again} />
          </Panel>
        )}
        <Panel title="Levers" class="wide">
          <Levers group={group} again={again} />
        </Panel>
        <Panel title="What happened, and who was told" class="wide">
          <Timeline group={group.id} sequence={group.sequence} />
        </Panel>
        {group.uncounted.length > 0 && (
          <Panel title="Not counted" class="wide">
            <p class="quiet">The rules of {words(group.product)} do not recognise these coins.</p>
            <p>
              {group.uncounted.map((u) => (
                <span key={u.asset} class="chip">
                  <Quantity value={u.quantity} unit={u.asset} />
                </span>
              ))}
            </p>
          </Panel>
        )}
      </div>
    </>
  );
}

/** Where a group stands with its missing coins at one end; nothing limits an end that is null. */
function end(at: NonNullable<GroupDetail["bounds"]>["best"]): string {
  if (at === null) return "without limit";
  const figure = at.level ? numbers.level(at.level, 4) : at.ltv ? numbers.percent(at.ltv) : "debt on nothing";
  return `${figure} (${words(at.band)})`;
}

/** Newest alerts of a group that the page keeps; a line through all others would hide the chart. */
const KEPT_ALERTS = 500;

/** The alerts of a group, oldest first: the log goes forward, so it is read to its end once; then the stream goes on. */
function useGroupAlerts(id: string): readonly AlertItem[] {
  const newest = useStore(live.alerts);
  const [logged, setLogged] = useState<readonly AlertItem[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    const read = async (): Promise<void> => {
      let found: AlertItem[] = [];
      let after: number | string | null = 0;
      while (after !== null) {
        const asked: string = `/v1/alerts${query({ group: id, after, limit: 1000 })}`;
        const page: AlertList = await get(asked, stop.signal);
        found = [...found, ...page.items].slice(-KEPT_ALERTS);
        after = page.next;
      }
      setLogged(found);
    };
    read().catch(() => {
      // The stream's alerts are there; the timeline says what it cannot read.
    });
    return () => stop.abort();
  }, [id]);
  return useMemo(() => {
    const known = new Set(logged.map((a) => a.data.id));
    const fresh = newest.filter((a) => a.data.group?.id === id && !known.has(a.data.id));
    return [...logged, ...fresh.reverse()];
  }, [logged, newest, id]);
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function metricOf(group: GroupDetail): string {
  if (group.health_factor !== undefined) return "health factor";
  return group.margin_level !== undefined ? "margin level" : "LTV";
}

function isByLevel(group: GroupDetail): boolean {
  return group.margin_level !== undefined || group.health_factor !== undefined;
}
