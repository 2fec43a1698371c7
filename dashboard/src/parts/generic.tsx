/** A value of an answer by what it is: for tables whose columns are the answer's own. */

import { isDecimal } from "../format/decimal";
import { rough } from "../format/time";
import { numbers, Time } from "./figures";

export type Item = Readonly<Record<string, unknown>>;

const STAMP = /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/;

export function Cell({ value, name }: { value: unknown; name: string }) {
  if (value === null || value === undefined || value === "") return <span class="none">–</span>;
  if (typeof value === "boolean") return <span class={`pill ${value ? "good" : "bad"}`}>{value ? "yes" : "no"}</span>;
  if (typeof value === "number")
    return (
      <span class="num">{name.endsWith("_s") ? rough(value * 1000) : numbers.exact(String(Math.round(value)))}</span>
    );
  if (typeof value === "string")
    return STAMP.test(value) ? <Time at={value} /> : isDecimal(value) ? numbers.exact(value) : value;
  if (Array.isArray(value)) return <>{value.map(String).join(", ") || "–"}</>;
  const inner = Object.entries(value as Item).map(([k, v]) => `${k.replaceAll("_", " ")} ${String(v)}`);
  return <>{inner.join(", ") || "–"}</>;
}
