import { expect, test } from "vitest";
import { lineWords, type Standing, wayOut } from "./nextline";

const group: Standing = {
  stage: "delayed_liquidation",
  deadline: null,
  unknown: false,
  next_line: null,
  thresholds: { initial: "0.72", margin_call: "0.77", liquidation: "0.91", immediate: "0.95" },
};

test("a strict line is one that must be passed, on the side on which it is worse", () => {
  expect(lineWords({ name: "immediate", ltv: "0.95", distance_percent: "3", strict: true })).toBe(
    "immediate liquidation above 95%",
  );
  expect(lineWords({ name: "liquidation", ltv: "0.915", distance_percent: "3" })).toBe("liquidation at 91.5%");
  expect(lineWords({ name: "liquidation", level: "1", distance_percent: "3", strict: true })).toBe(
    "liquidation below 1",
  );
});

test("what ends a stage is its initial level; a liquidation is cleared, and a normal group has no way out to show", () => {
  expect(wayOut(group, false)).toBe("cured at 72%");
  expect(wayOut({ ...group, stage: "liquidation" }, false)).toBe("cleared at 72%, or when nothing is owed");
  expect(wayOut({ ...group, thresholds: { initial: "1.1", liquidation: "1" } }, true)).toBe("cured at 1.1");
  expect(wayOut({ ...group, stage: "normal" }, false)).toBe(null);
});
