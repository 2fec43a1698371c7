/** Whether what is shown is live: the lamp, and the banner with the reason where it is not. */

import { rough } from "../format/time";
import { live } from "../live/live";
import type { Pulse } from "../live/pulse";
import { clock, useStore } from "../live/store";
import { say } from "../words/say";
import { times } from "./figures";

export function PulseLamp({ pulse }: { pulse: Pulse }) {
  const now = useStore(clock);
  const names = {
    connecting: say("connecting"),
    live: say("live"),
    quiet: say("quiet"),
    cut: say("cutOff2"),
    refused: say("refused"),
  };
  return (
    <span class={`lamp ${pulse.phase}`} role="status" title={say("allTimesAreShown", { zone: times.zone })}>
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
    const since = pulse.heard ? say("theseFiguresAreHeard", { heard: rough(now - pulse.heard) }) : "";
    return (
      <p class="banner bad" role="alert">
        {say("sinceReasonTryingAgain", { since, reason: pulse.reason })}
      </p>
    );
  }
  const reasons = Object.entries(status?.reasons ?? {});
  if (!reasons.length) return null;
  return (
    <p class="banner bad" role="alert">
      {say("theMonitorIsNot", { part: reasons.map(([part, text]) => (text ? `${part}: ${text}` : part)).join("; ") })}
    </p>
  );
}
