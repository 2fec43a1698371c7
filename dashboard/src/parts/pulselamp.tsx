/** Whether what is shown is live: the lamp, and the banner with the reason where it is not. */

import { rough } from "../format/time";
import { live } from "../live/live";
import type { Pulse } from "../live/pulse";
import { clock, useStore } from "../live/store";
import { times } from "./figures";

export function PulseLamp({ pulse }: { pulse: Pulse }) {
  const now = useStore(clock);
  const names = { connecting: "Connecting", live: "Live", quiet: "Quiet", cut: "Cut off", refused: "Refused" };
  return (
    <span class={`lamp ${pulse.phase}`} role="status" title={`All times are shown in ${times.zone}`}>
      <i aria-hidden="true" />
      <b>{names[pulse.phase]}</b>
      <time class="num" aria-hidden="true">
        {times.clockOf(now)}
      </time>
    </span>
  );
}

/** Why what is shown may be wrong: the line, or the monitor itself. */
export function Banner({ pulse }: { pulse: Pulse }) {
  const status = useStore(live.status);
  const now = useStore(clock);
  if (pulse.phase === "cut" || pulse.phase === "quiet") {
    const since = pulse.heard ? `These figures are ${rough(now - pulse.heard)} old and not live: ` : "";
    return (
      <p class="banner bad" role="alert">
        {since}
        {pulse.reason}. Trying again.
      </p>
    );
  }
  const reasons = Object.entries(status?.reasons ?? {});
  if (!reasons.length) return null;
  return (
    <p class="banner bad" role="alert">
      The monitor is not ready. {reasons.map(([part, text]) => (text ? `${part}: ${text}` : part)).join("; ")}
    </p>
  );
}
