/** What happened to a group, newest first: what was said, who was told on which channel and when, and who did what. */

import { useMemo } from "preact/hooks";
import type { GroupTimeline, TimelineItem } from "../answers.generated";
import { path, query } from "../api";
import { usePolled } from "../live/polled";
import { alertTitle, numbers, Scroll, SeverityPill, Time, words } from "./figures";
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
    <Fresh of={found} what="a timeline">
      {(page) =>
        page.items.length ? (
          <>
            <List items={[...page.items].reverse()} />
            {page.next && (
              <p class="quiet">More happened since than the {LIMIT} that are shown; the alert log has all.</p>
            )}
          </>
        ) : (
          <p class="empty">Nothing happened in the last 24 hours.</p>
        )
      }
    </Fresh>
  );
}

function List({ items }: { items: readonly TimelineItem[] }) {
  return (
    <Scroll label="What happened" high>
      <table class="timeline">
        <thead>
          <tr>
            <th>When</th>
            <th>What</th>
            <th class="right">LTV</th>
            <th>Episode</th>
            <th>Who was told</th>
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
        {item.blind && <span class="pill blind">blind</span>}
      </>
    );
  return (
    <>
      <span class="pill">{item.kind}</span> {words(item.action ?? item.kind)}{" "}
      <small>by {item.who ?? "nobody named"}</small>
      {item.note && <q>{item.note}</q>}
      {item.until && (
        <small>
          {" "}
          until <Time at={item.until} />
        </small>
      )}
    </>
  );
}

const STATE: Readonly<Record<string, string>> = { delivered: "good", pending: "warn", failed: "bad", superseded: "" };

function Who({ item }: { item: TimelineItem }) {
  if (item.silenced_by) return <span class="pill warn">silenced</span>;
  if (!item.type) return null;
  if (!item.told?.length) return <span class="none">nobody</span>;
  return (
    <ul class="deliveries">
      {item.told.map((t) => (
        <li key={t.delivery} title={t.detail}>
          {t.state !== "delivered" && <span class={`pill ${STATE[t.state]}`}>{t.held_until ? "held" : t.state}</span>}{" "}
          {t.notifier}
          {t.to.length > 0 && <small> {t.to.join(", ")}</small>}{" "}
          <small>
            {t.delivered_at && <Time at={t.delivered_at} />}
            {t.held_until && (
              <>
                {" "}
                until <Time at={t.held_until} />
              </>
            )}
            {t.attempts > 1 && ` (${t.attempts} attempts)`}
          </small>
        </li>
      ))}
    </ul>
  );
}
