/** Whether what is shown is live, and if not, why. Pure. */

import { say } from "../words/say";

export type Phase = "connecting" | "live" | "quiet" | "cut" | "refused";

export interface Pulse {
  readonly phase: Phase;
  /** When the last event came, by this machine's clock; 0 before the first. */
  readonly heard: number;
  /** What to tell people where the phase is not live. */
  readonly reason: string;
  /** The daemon's clock minus this machine's: countdowns and ages are told by the daemon's. */
  readonly ahead: number;
}

export const START: Pulse = { phase: "connecting", heard: 0, reason: "", ahead: 0 };

/** The daemon says something every 5 s; two missed and a little are too many. */
export const QUIET_MS = 12_000;

export function heard(pulse: Pulse, now: number, saidAt?: string): Pulse {
  const ahead = saidAt === undefined ? pulse.ahead : Date.parse(saidAt) - now;
  // A difference of a second is the way of the message and the tick; it must not make ages flicker.
  const steady = Math.abs(ahead - pulse.ahead) < 1000 ? pulse.ahead : ahead;
  return { phase: "live", heard: now, reason: "", ahead: steady };
}

export function cut(pulse: Pulse, reason: string): Pulse {
  return { ...pulse, phase: "cut", reason };
}

export function looked(pulse: Pulse, now: number): Pulse {
  if (pulse.phase !== "live" || now - pulse.heard <= QUIET_MS) return pulse;
  return { ...pulse, phase: "quiet", reason: say("theMonitorHasSaid") };
}
