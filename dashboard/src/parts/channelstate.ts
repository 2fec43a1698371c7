/** What a channel does, for the page of channels and for the wall. Pure. */

import type { ChannelItem } from "../answers.generated";
import { say } from "../words/say";

/** What a channel does, in words: a breaker that is open only lets probes through. */
export function stateOf(channel: ChannelItem): readonly ["good" | "warn" | "bad", string] {
  if (channel.off_at) return ["bad", say("switchedOff")];
  if (channel.breaker === "open") return ["bad", say("failsOnlyProbed")];
  return channel.last_failed_at && channel.last_failed_at > (channel.last_delivered_at ?? "")
    ? ["warn", say("sendingTheLastAttempt")]
    : ["good", say("sendingWithin")];
}
