/** Where a group stands among its own lines, as a bar. Positions only: the figure itself stands beside it as text. */

import type { GroupRow } from "../answers.generated";
import { position } from "../format/decimal";
import { say } from "../words/say";
import { numbers, words } from "./figures";

export type Lines = GroupRow["thresholds"];

interface Level {
  readonly ltv: string | null;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
  /** It gives the bar its colour: what a group is in counts, not where its level is just now. */
  readonly stage: string;
  readonly thresholds: Lines;
  readonly blind: boolean;
}

const WIDTH = 100;

/** Places on the bar, from 0 to 100. Where a lower level is worse, its inverse moves like an LTV. */
export function layout(group: Level): { level: number | null; lines: { name: string; x: number; text: string }[] } {
  const falls = group.margin_level !== undefined || group.health_factor !== undefined;
  const measure = (text: string | null | undefined): number => {
    const value = position(text);
    return falls ? 1 / value : value;
  };
  const stated = Object.entries(group.thresholds);
  const measured = stated.map(([, text]) => measure(text));
  // From half the first line to a little beyond the last: below that a group is far from everything.
  const start = Math.min(...measured) / 2;
  const end = Math.max(...measured) + (Math.max(...measured) - start) * 0.06;
  const x = (value: number): number => Math.max(0, Math.min(WIDTH, ((value - start) / (end - start)) * WIDTH));
  const level = measure(falls ? (group.margin_level ?? group.health_factor) : group.ltv);
  return {
    level: Number.isFinite(level) ? x(level) : null,
    lines: stated.map(([name, text]) => ({
      name,
      x: x(measure(text)),
      text: falls ? numbers.exact(text) : numbers.percent(text, 1, [text]),
    })),
  };
}

export function LtvBar({ group }: { group: Level }) {
  const { level, lines } = layout(group);
  const told = lines.map((l) => `${words(l.name)} ${l.text}`).join(", ");
  return (
    <svg
      class={`ltvbar stage-${group.stage} ${group.blind ? "blind" : ""}`}
      viewBox="0 0 100 10"
      preserveAspectRatio="none"
      role="img"
      aria-label={say("linesTold", { told })}
    >
      <title>{say("linesTold", { told })}</title>
      <rect class="track" x="0" y="2" width="100" height="6" />
      {level !== null && <rect class="fill" x="0" y="2" width={level} height="6" />}
      {lines.map((l) => (
        <line key={l.name} class={`line-${l.name}`} x1={l.x} x2={l.x} y1="0" y2="10" />
      ))}
    </svg>
  );
}

/** The figure that the lines are about. */
export function LevelText({
  group,
}: {
  group: Omit<Level, "thresholds" | "stage"> & { thresholds?: Lines; unknown: boolean };
}) {
  const level = group.margin_level ?? group.health_factor;
  const lines = group.thresholds && Object.values(group.thresholds);
  if (group.unknown) return <span class="num none">{say("noPrice")}</span>;
  if (level != null)
    return (
      <span class="num" title={level}>
        {numbers.level(level, 4, lines)}
      </span>
    );
  if (group.ltv === null) return <span class="num">∞</span>;
  return (
    <span class="num" title={group.ltv}>
      {numbers.percent(group.ltv, 2, lines)}
    </span>
  );
}
