/** Times for people: in their own zone, with UTC at hand. A time is RFC 3339 text in UTC, as the API sends it. */

import { say } from "../words/say";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export class Times {
  private readonly clock: Intl.DateTimeFormat;
  private readonly day: Intl.DateTimeFormat;
  readonly zone: string;

  constructor(locale?: string, zone?: string) {
    const own = zone === undefined ? {} : { timeZone: zone };
    this.clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", ...own });
    this.day = new Intl.DateTimeFormat(locale, { day: "2-digit", month: "short", ...own });
    this.zone = this.clock.resolvedOptions().timeZone;
  }

  /** The time of day, with the date where it is not today's. */
  short(at: string | number, now: number): string {
    const then = new Date(at);
    const date = this.day.format(then);
    const clock = this.clock.format(then);
    return date === this.day.format(new Date(now)) ? clock : `${date} ${clock}`;
  }

  clockOf(at: number): string {
    return this.clock.format(new Date(at));
  }
}

/** For a title: `2026-01-05 10:00:00.000 UTC`. */
export function utc(at: string | number): string {
  return new Date(at).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** A time in the desk's own zone, with the zone's name: `15:05 CET`. Empty where this browser does not know the zone. */
export function inZone(at: string | number, zone: string): string {
  try {
    const how = { timeZone: zone, day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" } as const;
    return new Intl.DateTimeFormat("en-GB", { ...how, timeZoneName: "short" }).format(new Date(at));
  } catch {
    return "";
  }
}

/** Two units at most: `23 h 59 min`, `4 min 05 s`, `12 s`. */
export function span(ms: number): string {
  const left = Math.max(0, Math.floor(ms / SECOND) * SECOND);
  if (left >= 10 * DAY) return say("spanDays", { d: Math.floor(left / DAY) });
  if (left >= DAY) return say("spanDaysHours", { d: Math.floor(left / DAY), h: Math.floor((left % DAY) / HOUR) });
  if (left >= HOUR) return say("spanHoursMinutes", { h: Math.floor(left / HOUR), min: pad((left % HOUR) / MINUTE) });
  if (left >= MINUTE)
    return say("spanMinutesSeconds", { min: Math.floor(left / MINUTE), s: pad((left % MINUTE) / SECOND) });
  return say("spanSeconds", { s: left / SECOND });
}

/** An age or an estimate in its largest unit. */
export function rough(ms: number): string {
  if (ms >= 2 * DAY) return say("spanDays", { d: Math.round(ms / DAY) });
  if (ms >= 2 * HOUR) return say("spanHours", { h: Math.round(ms / HOUR) });
  if (ms >= 2 * MINUTE) return say("spanMinutes", { min: Math.round(ms / MINUTE) });
  return say("spanSeconds", { s: Math.max(0, Math.round(ms / SECOND)) });
}

function pad(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}
