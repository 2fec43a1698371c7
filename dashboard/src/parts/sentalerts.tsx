/** Where an alert was sent, how that went, and sending it again. */

import { useState } from "preact/hooks";
import type { DeliveryItem, DeliveryList } from "../answers.generated";
import { type ApiError, path, post, query } from "../api";
import { usePolled } from "../live/polled";
import { mayOperate } from "../session";
import { say, term } from "../words/say";
import { many, Time } from "./figures";
import { Failure } from "./notices";

/** What is on its way moves on by itself; an operator waits for it. */
const LOOK_MS = 3000;

export function SentAlerts({ alert }: { alert: string }) {
  const found = usePolled<DeliveryList>(`/v1/deliveries${query({ alert, limit: 100 })}`, LOOK_MS);
  if (found.error) return <Failure error={found.error} what={say("deliveries")} />;
  if (!found.data) return <span class="none">…</span>;
  if (!found.data.items.length) return <span class="none">{say("nobodyThereIsNo")}</span>;
  return (
    <ul class="deliveries">
      {found.data.items.map((d) => (
        <SentAlert key={d.id} delivery={d} again={found.again} />
      ))}
    </ul>
  );
}

const STATE: Readonly<Record<DeliveryItem["state"], string>> = {
  delivered: "good",
  pending: "warn",
  failed: "bad",
  superseded: "",
};

function SentAlert({ delivery: d, again }: { delivery: DeliveryItem; again: () => void }) {
  const [error, setError] = useState<ApiError | null>(null);
  const retry = (): void => {
    post(path("deliveries", d.id, "retry"), {}).then(again, setError);
  };
  return (
    <li title={d.detail}>
      <span class={`pill ${STATE[d.state]}`}>{d.held_until ? say("heldWithin") : term(d.state)}</span> {d.notifier}
      {d.to.length > 0 && <small> {d.to.join(", ")}</small>}
      {d.attempts > 1 && <small> ({many(d.attempts, "attempt")})</small>}
      {d.held_until && (
        <small>
          {" "}
          {say("quietUntil")} <Time at={d.held_until} />
        </small>
      )}
      {d.state !== "superseded" && mayOperate() && (
        <button type="button" class="small" onClick={retry}>
          {say("sendAgain")}
        </button>
      )}
      {error && <Failure error={error} what={say("sendingAgain")} />}
    </li>
  );
}
