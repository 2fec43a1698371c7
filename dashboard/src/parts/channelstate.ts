/** What a channel does, for the page of channels and for the wall. Pure. */

import type { ChannelItem } from "../answers.generated";

/** What a channel does, in words: a breaker that is open only lets probes through. */
export function stateOf(channel: ChannelItem): readonly ["good" | "warn" | "bad", string] {
  if (channel.off_at) return ["bad", "switched off"];
  if (channel.breaker === "open") return ["bad", "fails: only probed"];
  return channel.last_failed_at && channel.last_failed_at > (channel.last_delivered_at ?? "")
    ? ["warn", "sending, the last attempt failed"]
    : ["good", "sending"];
}
