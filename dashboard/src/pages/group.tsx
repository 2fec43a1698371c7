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
import { say } from "../words/say";

export function GroupPage({ id }: { id: string }) {
  // Exact figures are asked for every two seconds, and at once when something was said.
  const alerts = useStore(live.alerts);
  const detail = usePolled<GroupDetail>(path("groups", id), 2000, alerts);
  return (
    <article class="group" data-at={detail.data?.at}>
      <Fresh of={detail} what={say("thisGroup")}>
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
            <a href={to.overview}>{say("groups")}</a> / {words(group.product)}
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
          {group.blind && <span class="pill blind">{group.unknown ? say("unknown") : say("blind")}</span>}
          {group.reason && <small>{say("reasonReason", { reason: words(group.reason) })}</small>}
        </div>
        <div class="actions">
          {stageAlert && (
            <Acknowledge alert={stageAlert.data.id} acknowledged={group.acknowledged} onDone={again} keyed />
          )}
          <a class="button" href={to.whatIf(group.id)}>
            {say("whatIf")}
          </a>
          <a class="button" href={to.statement(group.id)}>
            {say("statement")}
          </a>
        </div>
      </header>
      <LtvBar group={group} />
      {group.missing.length > 0 && (
        <p class="failure" role="alert">
          {say("noPriceOfMissing", {
            missing: group.missing.join(", "),
            bounds:
              group.bounds && say("atWorstItIs", { worst: end(group.bounds.worst), best: end(group.bounds.best) }),
          })}
        </p>
      )}
      <dl class="facts">
        <Fact name={say("debt2")}>
          <Usd value={group.debt_usd} places={2} />
        </Fact>
        <Fact name={say("recognised")}>
          <Usd value={group.recognised_usd} places={2} />
        </Fact>
        <Fact name={say("marketValue")}>
          <Usd value={group.market_usd} places={2} />
        </Fact>
        <Fact name={say("mayStillBorrow")}>
          <Usd value={group.borrowable_usd} places={2} />
        </Fact>
        <Fact name={say("whatCountsNext")}>
          <NextLine group={group} isLevel={isByLevel(group)} />
        </Fact>
        <Fact name={say("deadline")}>{group.deadline ? <Deadline at={group.deadline} /> : say("none")}</Fact>
        <Fact name={say("inThisStageSince")}>
          <Time at={group.since} />
        </Fact>
        <Fact name={say("valued")}>
          <Time at={group.at} />
        </Fact>
        {group.book && (
          <Fact name={say("bookSource", { source: group.book.source })}>
            <Time at={group.book.as_of} />
            {group.book.stale && <span class="pill blind">{say("notRefreshed")}</span>}
          </Fact>
        )}
      </dl>
      <div class="grid">
        <LtvOverTime group={group} alerts={alerts} />
        <Panel title={say("lines")} class="third">
          <Lines group={group} />
        </Panel>
        <MarginCall group={group} />
        {group.terms.length > 0 && (
          <Panel title={say("otherThanItsAgreement")} class="wide">
            <Terms group={group} />
          </Panel>
        )}
        {group.lender && (
          <Panel title={say("whatTheLenderSays")} aside={<small>{group.lender.source}</small>}>
            <Lender said={group.lender} />
          </Panel>
        )}
        <Panel
          title={say("whyThisGroup", { group: metricOf(group) })}
          class="wide"
          aside={<small>{say("rulesRules", { rules: group.rules })}</small>}
        >
          <Why group={group} />
        </Panel>
        <Panel title={say("loansAndInterest")} class="wide">
          <Loans group={group} />
        </Panel>
        <Panel title={say("whatCuresIt")}>
          <Cure group={group} />
        </Panel>
        <Panel title={say("permittedNow")}>
          <Permitted group={group} />
        </Panel>
        {(mayFeed() || mayOperate()) && (
          <Panel title={say("dailyEntries")} class="wide">
            <Entries group={group} again={again} />
          </Panel>
        )}
        <Panel title={say("levers")} class="wide">
          <Levers group={group} again={again} />
        </Panel>
        <Panel title={say("whatHappenedAndWho")} class="wide">
          <Timeline group={group.id} sequence={group.sequence} />
        </Panel>
        {group.uncounted.length > 0 && (
          <Panel title={say("notCounted")} class="wide">
            <p class="quiet">{say("theRulesOfProduct", { product: words(group.product) })}</p>
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
  if (at === null) return say("withoutLimit");
  const figure = at.level ? numbers.level(at.level, 4) : at.ltv ? numbers.percent(at.ltv) : say("debtOnNothing");
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
  if (group.health_factor !== undefined) return say("healthFactor");
  return group.margin_level !== undefined ? say("marginLevel") : say("ltv");
}

function isByLevel(group: GroupDetail): boolean {
  return group.margin_level !== undefined || group.health_factor !== undefined;
}
