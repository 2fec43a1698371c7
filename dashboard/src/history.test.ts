import { expect, test } from "vitest";
import type { AlertItem, LtvHistory, LtvItem, TimelineItem } from "./answers.generated";
import { columns, joined, KEPT, kept, marksOf, nearest, type Seen, seen } from "./history";

const POINT = { blind: false, unknown: false, unrecognised: false, gap: false };

function history(step_s: number, to: string, ...items: Partial<LtvItem>[]): LtvHistory {
  const whole = items.map((i) => ({ ...POINT, at: "", low: null, high: null, last: null, ...i }));
  return { id: "G", from: "2026-01-05T10:00:00.000Z", to, step_s, items: whole };
}

const at = (text: string): number => Date.parse(`2026-01-05T${text}Z`) / 1000;

test("the last value of a step is drawn at the step's end, that of now at now", () => {
  const points = kept(
    history(
      900,
      "2026-01-05T10:20:00.000Z",
      { at: "2026-01-05T10:00:00.000Z", last: "0.5", low: "0.4", high: "0.6" },
      { at: "2026-01-05T10:15:00.000Z", last: "0.7", low: "0.6", high: "0.8" },
    ),
  );
  expect(columns(points)).toEqual([
    [at("10:15:00"), at("10:20:00")],
    [50, 70],
  ]);
  expect(points[0]).toMatchObject({ from: at("10:00:00") * 1000, low: "0.4", high: "0.6" });
});

test("a time in which the group could not be valued, or nothing was kept, is a gap, never a zero", () => {
  const [, levels] = columns(
    kept(
      history(
        60,
        "2026-01-05T12:00:00.000Z",
        { at: "2026-01-05T10:00:00.000Z", last: "0.5" },
        { at: "2026-01-05T10:01:00.000Z", gap: true },
        { at: "2026-01-05T11:00:00.000Z", last: null },
        { at: "2026-01-05T11:01:00.000Z", last: "0.6" },
      ),
    ),
  );
  expect(levels).toEqual([50, null, null, 60]);
});

test("times only rise, also where a gap begins with the end of a step", () => {
  const [times] = columns(
    kept(
      history(
        60,
        "2026-01-05T12:00:00.000Z",
        { at: "2026-01-05T10:00:00.000Z", last: "0.5" },
        { at: "2026-01-05T10:01:00.000Z", gap: true },
      ),
    ),
  );
  expect(times[1]).toBeGreaterThan(times[0] ?? 0);
});

test("what the page saw itself is bounded, never goes back in time, and follows what was kept", () => {
  let points: readonly Seen[] = seen([], "2026-01-05T10:00:00.000Z", "0.5");
  expect(seen(points, "2026-01-05T10:00:00.000Z", "0.6")).toBe(points);
  for (let i = 0; i < KEPT + 10; i++)
    points = seen(points, new Date(Date.parse("2026-01-06T00:00:00Z") + i * 1000).toISOString(), "0.5");
  expect(points).toHaveLength(KEPT);
  const before = kept(history(60, "2026-01-06T00:05:00.000Z", { at: "2026-01-06T00:04:00.000Z", last: "0.5" }));
  const all = joined(before, points, 0, Number.POSITIVE_INFINITY);
  expect(all[1]?.to).toBe(Date.parse("2026-01-06T00:05:01Z"));
});

test("alerts and entries are marks at their own time, oldest first", () => {
  const alert = { type: "x", timestamp: "2026-01-05T10:05:00Z", data: { severity: "critical" } } as AlertItem;
  const acts = [
    { kind: "entry", at: "2026-01-05T10:04:00Z", action: "entry repay", who: "desk" },
    { kind: "entry", at: "2026-01-05T10:06:00Z", action: "entry deposit", who: "desk" },
    { kind: "ack", at: "2026-01-05T10:06:30Z" },
  ] as TimelineItem[];
  expect(marksOf([alert], acts, () => "Liquidation").map((m) => [m.kind, m.says])).toEqual([
    ["repayment", "repay by desk"],
    ["critical", "Liquidation"],
    ["deposit", "deposit by desk"],
  ]);
});

test("the pointer finds the nearest point", () => {
  expect(nearest([1, 5, 9], 6)).toBe(1);
  expect(nearest([], 6)).toBe(-1);
});
