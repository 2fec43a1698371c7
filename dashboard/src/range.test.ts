import { expect, test } from "vitest";
import { changed } from "./changes";
import { bounds, tableOf, within, zoomed } from "./history";

const HOUR = 3600_000;
const NOW = Date.parse("2026-01-05T12:00:00Z");

test("a range never goes beyond now nor before what is kept, and keeps its width", () => {
  expect(within({ from: NOW, to: NOW + 2 * HOUR }, NOW)).toEqual({ from: NOW - 2 * HOUR, to: NOW });
  const old = within({ from: NOW - 900 * 24 * HOUR, to: NOW - 899 * 24 * HOUR }, NOW);
  expect(old).toEqual({ from: NOW - 30 * 24 * HOUR, to: NOW - 29 * 24 * HOUR });
});

test("zooming keeps the moment that it is about in its place", () => {
  const near = zoomed({ from: 0, to: 4 * HOUR }, 0.5, 3 * HOUR);
  expect(near).toEqual({ from: 1.5 * HOUR, to: 3.5 * HOUR });
  expect(zoomed(near, 2, 3 * HOUR)).toEqual({ from: 0, to: 4 * HOUR });
});

test("the next line is on the chart, one that is far away is not", () => {
  const point = { from: 0, to: 0, low: "0.70", high: "0.71", last: "0.70" };
  const [low, high] = bounds([point], { margin_call: "0.77", immediate: "0.95" });
  expect(low).toBeLessThan(70);
  expect(high).toBeGreaterThan(77);
  expect(high).toBeLessThan(80);
});

test("a file has every point and every mark in the order of time", () => {
  const point = { from: NOW - 60_000, to: NOW, low: "0.4", high: "0.6", last: "0.5" };
  const lines = tableOf([point], [{ at: NOW - 1000, kind: "deposit", says: "deposit by desk" }]).split("\r\n");
  expect(lines).toEqual([
    "at_utc,since_utc,ltv,lowest,highest,mark,what",
    "2026-01-05T11:59:59.000Z,,,,,deposit,deposit by desk",
    "2026-01-05T12:00:00.000Z,2026-01-05T11:59:00.000Z,0.5,0.4,0.6,,",
    "",
  ]);
});

test("an audit names what differs, and nothing else", () => {
  expect(changed({ a: 1, b: { c: "x" } }, { a: 1, b: { c: "y" }, d: [2] })).toEqual(["b.c: x → y", "d.0: 2"]);
  expect(changed({ a: 1 }, null)).toEqual(["a: 1 → gone"]);
});
