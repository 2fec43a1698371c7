/** Filters that lists share: a label and a time. */

import { say } from "../words/say";

export function LabelFilter({ value, onValue }: { value: string; onValue: (value: string) => void }) {
  return (
    <input
      aria-label={say("onlyWithThisLabel")}
      placeholder={say("labelBorrowerAcme")}
      size={20}
      value={value}
      onChange={(e) => onValue(e.currentTarget.value.trim())}
    />
  );
}

export function TimeFilter(props: { name: string; value: string; onValue: (value: string) => void }) {
  return (
    <label>
      {props.name}{" "}
      <input type="datetime-local" value={props.value} onChange={(e) => props.onValue(e.currentTarget.value)} />
    </label>
  );
}

/** A time of the reader's zone as the monitor is asked; empty where none was chosen. */
export function utcOf(local: string): string {
  const at = Date.parse(local);
  return Number.isNaN(at) ? "" : new Date(at).toISOString();
}
