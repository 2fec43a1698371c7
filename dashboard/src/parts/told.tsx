/** The alerts of a group with every delivery: what happened, who was told on which channel, and when. */

import { useMemo, useState } from "preact/hooks";
import { type ApiError, path, post, query } from "../api";
import { usePolled } from "../live/polled";
import { mayOperate } from "../session";
import type { Alert, Delivery, Page } from "../types";
import { alertTitle, numbers, Scroll, SeverityPill, Time } from "./figures";
import { Failure } from "./notices";

/** Of the newest alerts: what is older stands in the log. */
const SHOWN = 30;

export function Told({ group, alerts, sequence }: { group: string; alerts: readonly Alert[]; sequence: number }) {
  const shown = useMemo(() => [...alerts].reverse().slice(0, SHOWN), [alerts]);
  if (!shown.length) return <p class="empty">Nothing was said of {group} yet.</p>;
  return (
    <Scroll label="What happened">
      <table class="told" data-sequence={sequence}>
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
          {shown.map((a) => (
            <tr key={a.data.id}>
              <td>
                <Time at={a.timestamp} />
              </td>
              <td>
                <SeverityPill severity={a.data.severity} /> {alertTitle(a.type)}
                {a.data.reason && a.data.reason !== "ltv" && <small> {a.data.reason}</small>}
              </td>
              <td class="right num">{a.data.ltv ? numbers.percent(a.data.ltv) : "–"}</td>
              <td class="num">{a.data.episode || "–"}</td>
              <td>
                <Deliveries alert={a.data.id} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {alerts.length > SHOWN && (
        <p class="quiet">
          The {SHOWN} newest of {alerts.length}; the alert log has all.
        </p>
      )}
    </Scroll>
  );
}

export function Deliveries({ alert }: { alert: string }) {
  const found = usePolled<Page<Delivery>>(`/v1/deliveries${query({ alert, limit: 100 })}`, 0);
  const pending = found.data?.items.some((d) => d.state === "pending");
  // What is still on its way is looked at again.
  usePolled<unknown>(pending ? `/v1/deliveries${query({ alert, limit: 100 })}` : null, 3000);
  if (found.error) return <Failure error={found.error} what="deliveries" />;
  if (!found.data) return <span class="none">…</span>;
  if (!found.data.items.length) return <span class="none">nobody: no route, or silenced</span>;
  return (
    <ul class="deliveries">
      {found.data.items.map((d) => (
        <DeliveryLine key={d.id} delivery={d} again={found.again} />
      ))}
    </ul>
  );
}

const STATE: Readonly<Record<Delivery["state"], string>> = {
  delivered: "good",
  pending: "warn",
  failed: "bad",
  superseded: "",
};

function DeliveryLine({ delivery: d, again }: { delivery: Delivery; again: () => void }) {
  const [error, setError] = useState<ApiError | null>(null);
  const retry = (): void => {
    post(path("deliveries", d.id, "retry"), {}).then(again, setError);
  };
  return (
    <li title={d.detail}>
      <span class={`pill ${STATE[d.state]}`}>{d.state}</span> {d.notifier}
      {d.to.length > 0 && <small> to {d.to.join(", ")}</small>}
      {d.attempts > 1 && <small> ({d.attempts} attempts)</small>}
      {d.state !== "superseded" && mayOperate() && (d.state === "failed" || d.state === "pending") && (
        <button type="button" class="small" onClick={retry}>
          Send again
        </button>
      )}
      {error && <Failure error={error} what="sending again" />}
    </li>
  );
}
