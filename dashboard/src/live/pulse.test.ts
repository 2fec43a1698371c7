import { expect, test } from "vitest";
import type { AlertItem } from "../answers.generated";
import { added, gapBefore, KEPT } from "./log";
import { cut, heard, looked, QUIET_MS, START } from "./pulse";

test("silence of the monitor is noticed, and ends with the next word", () => {
  const live = heard(START, 1000);
  expect(looked(live, 1000 + QUIET_MS)).toBe(live);
  const quiet = looked(live, 1001 + QUIET_MS);
  expect(quiet.phase).toBe("quiet");
  expect(heard(quiet, 20_000).phase).toBe("live");
});

test("a cut says why, and keeps when something was heard last", () => {
  const pulse = cut(heard(START, 5000), "the connection was cut");
  expect([pulse.phase, pulse.heard, pulse.reason]).toEqual(["cut", 5000, "the connection was cut"]);
});

test("a clock that is wrong by more than the way of a message is made up for", () => {
  const now = Date.parse("2026-01-05T10:00:00.000Z");
  expect(heard(START, now, "2026-01-05T10:00:00.400Z").ahead).toBe(0);
  expect(heard(START, now, "2026-01-05T10:05:00.000Z").ahead).toBe(300_000);
});

function alert(cursor: number, durable = true): AlertItem {
  return { type: "t", timestamp: "", data: { id: `e${cursor}`, cursor, durable } as AlertItem["data"] };
}

test("alerts are newest first, each once, and bounded", () => {
  const log = added([], [alert(1), alert(3)]);
  expect(added(log, [alert(2), alert(3)]).map((a) => a.data.cursor)).toEqual([3, 2, 1]);
  expect(added(log, [alert(3)])).toBe(log);
  const many = Array.from({ length: KEPT + 50 }, (_, i) => alert(i + 10));
  expect(added(log, many)).toHaveLength(KEPT);
  expect(added(log, many)[0]?.data.cursor).toBe(KEPT + 59);
});

test("without cursors the newest come first too, and what came last of one time", () => {
  const at = (id: string, time: string) =>
    ({ type: "t", timestamp: "", data: { id, cursor: null, detected_at: time, durable: true } }) as AlertItem;
  const log = added([], [at("a", "10:00"), at("b", "10:01"), at("c", "10:01")]);
  expect(log.map((a) => a.data.id)).toEqual(["c", "b", "a"]);
  expect(added(log, [at("d", "10:00")]).map((a) => a.data.id)).toEqual(["c", "b", "d", "a"]);
  expect(gapBefore(7, at("e", "10:02"), false)).toBeNull();
});

test("a missing cursor is seen, but not where a scope hides alerts, and not by one that is not durable", () => {
  expect(gapBefore(7, alert(8), false)).toBeNull();
  expect(gapBefore(7, alert(10), false)).toBe(7);
  expect(gapBefore(7, alert(10), true)).toBeNull();
  expect(gapBefore(7, alert(10, false), false)).toBeNull();
  expect(gapBefore(0, alert(10), false)).toBeNull();
});
