/** The deliveries of an alert: who was told, and sending again. */

import { useState } from "preact/hooks";
import { type ApiError, path, post, query } from "../api";
import { usePolled } from "../live/polled";
import { mayOperate } from "../session";
import type { Delivery, DeliveryList } from "../types";
import { Failure } from "./notices";

/** What is on its way moves on by itself; an operator waits for it. */
const LOOK_MS = 3000;

export function Deliveries({ alert }: { alert: string }) {
  const found = usePolled<DeliveryList>(`/v1/deliveries${query({ alert, limit: 100 })}`, LOOK_MS);
  if (found.error) return <Failure error={found.error} what="deliveries" />;
  if (!found.data) return <span class="none">…</span>;
  if (!found.data.items.length) return <span class="none">Nobody: there is no route, or it was silenced.</span>;
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
      {d.to.length > 0 && <small> {d.to.join(", ")}</small>}
      {d.attempts > 1 && <small> ({d.attempts} attempts)</small>}
      {d.state !== "superseded" && mayOperate() && (
        <button type="button" class="small" onClick={retry}>
          Send again
        </button>
      )}
      {error && <Failure error={error} what="sending again" />}
    </li>
  );
}
