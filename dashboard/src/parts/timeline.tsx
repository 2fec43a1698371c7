/** What happened to a group, newest first: what was said, who was told on which channel and when, and who did what. */

import { useMemo } from "preact/hooks";
import type { GroupTimeline, TimelineItem } from "../answers.generated";
import { path, query } from "../api";
import { usePolled } from "../live/polled";
import { say, term } from "../words/say";
import { alertTitle, many, numbers, Scroll, SeverityPill, Time, words } from "./figures";
import { Fresh } from "./notices";

const DAY_MS = 24 * 3600_000;
const HOUR_MS = 3600_000;
const LIMIT = 1000;

export function Timeline({ group, sequence }: { group: string; sequence: number }) {
  // The list is oldest first, so the newest are found from a beginning; it moves on by the hour, not with every look.
  const hour = Math.floor(Date.now() / HOUR_MS);
  const from = useMemo(() => new Date(hour * HOUR_MS - DAY_MS).toISOString(), [hour]);
  const found = usePolled<GroupTimeline>(
    `${path("groups", group, "timeline")}${query({ from, limit: LIMIT })}`,
    5000,
    sequence,
  );
  return (
    <Fresh of={found} what={say("aTimeline")}>
      {(page) =>
        page.items.length ? (
          <>
            <List items={[...page.items].reverse()} />
            {page.next && <p class="quiet">{say("moreHappenedSinceThan", { limit: LIMIT })}</p>}
          </>
        ) : (
          <p class="empty">{say("nothingHappenedInThe")}</p>
        )
      }
    </Fresh>
  );
}

function List({ items }: { items: readonly TimelineItem[] }) {
  return (
    <Scroll label={say("whatHappened")} high>
      <table class="timeline">
        <thead>
          <tr>
            <th>{say("when")}</th>
            <th>{say("what")}</th>
            <th class="right">{say("ltv")}</th>
            <th>{say("episode")}</th>
            <th>{say("whoWasTold")}</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item, i) => (
            <tr key={item.id ?? `${item.at} ${item.kind} ${items.length - i}`}>
              <td>
                <Time at={item.at} />
              </td>
              <td class="wrap">
                <What item={item} />
              </td>
              <td class="right num">{item.ltv ? numbers.percent(item.ltv) : "–"}</td>
              <td class="num">{item.episode || "–"}</td>
              <td class="wrap">
                <Who item={item} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function What({ item }: { item: TimelineItem }) {
  if (item.type)
    return (
      <>
        {item.severity && <SeverityPill severity={item.severity} />} {alertTitle(item.type)}
        {item.reason && item.reason !== "ltv" && <small> {words(item.reason)}</small>}
        {item.blind && <span class="pill blind">{say("blind")}</span>}
      </>
    );
  return (
    <>
      <span class="pill">{term(item.kind)}</span> {words(item.action ?? item.kind)}{" "}
      <small>{say("byWhoWithin", { who: item.who ?? say("nobodyNamed") })}</small>
      {item.note && <q>{item.note}</q>}
      {item.until && (
        <small>
          {" "}
          {say("until")} <Time at={item.until} />
        </small>
      )}
    </>
  );
}

const STATE: Readonly<Record<string, string>> = { delivered: "good", pending: "warn", failed: "bad", superseded: "" };

function Who({ item }: { item: TimelineItem }) {
  if (item.silenced_by) return <span class="pill warn">{say("silenced")}</span>;
  if (!item.type) return null;
  if (!item.told?.length) return <span class="none">{say("nobody")}</span>;
  return (
    <ul class="deliveries">
      {item.told.map((t) => (
        <li key={t.delivery} title={t.detail}>
          {t.state !== "delivered" && (
            <span class={`pill ${STATE[t.state]}`}>{t.held_until ? say("heldWithin") : term(t.state)}</span>
          )}{" "}
          {t.notifier}
          {t.to.length > 0 && <small> {t.to.join(", ")}</small>}{" "}
          <small>
            {t.delivered_at && <Time at={t.delivered_at} />}
            {t.held_until && (
              <>
                {" "}
                {say("until")} <Time at={t.held_until} />
              </>
            )}
            {t.attempts > 1 && ` (${many(t.attempts, "attempt")})`}
          </small>
        </li>
      ))}
    </ul>
  );
}
