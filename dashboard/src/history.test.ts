import { expect, test } from "vitest";
import { columns, KEPT, seen } from "./history";

test("a time in which the group could not be valued is a gap in the line, never a zero", () => {
  const [at, last, low, high] = columns([
    { at: "2026-01-05T10:00:00.000Z", last: "0.5", low: "0.4", high: "0.6" },
    { at: "2026-01-05T10:01:00.000Z", last: null, low: null, high: null },
  ]);
  expect(at).toEqual([1767607200, 1767607260]);
  expect([last, low, high]).toEqual([
    [50, null],
    [40, null],
    [60, null],
  ]);
});

test("where nothing was kept there is no line", () => {
  const point = { low: "0.5", high: "0.5", last: "0.5" };
  const [at, last] = columns([
    { at: "2026-01-05T10:00:00.000Z", ...point, gap: true },
    { at: "2026-01-05T12:00:00.000Z", ...point },
  ]);
  expect(at).toEqual([1767607200, 1767607201, 1767614400]);
  expect(last).toEqual([50, null, 50]);
});

test("what the page saw itself is bounded and never goes back in time", () => {
  let points = seen([], "2026-01-05T10:00:00.000Z", "0.5");
  expect(seen(points, "2026-01-05T10:00:00.000Z", "0.6")).toBe(points);
  for (let i = 0; i < KEPT + 10; i++)
    points = seen(points, new Date(Date.parse("2026-01-06T00:00:00Z") + i * 1000).toISOString(), "0.5");
  expect(points).toHaveLength(KEPT);
});
