import { expect, test } from "vitest";
import { Drift } from "./drift";
import { row } from "./example";

const MINUTE = 60_000;

function driven(levels: readonly string[], stepMs: number): { drift: Drift; at: number } {
  const drift = new Drift();
  for (const [i, ltv] of levels.entries()) drift.take([row("g", { ltv })], i * stepMs);
  return { drift, at: (levels.length - 1) * stepMs };
}

test("a steady rise meets the line when it would", () => {
  const { drift, at } = driven(["0.60", "0.61", "0.62", "0.63"], MINUTE);
  const ms = drift.toLine(row("g", { ltv: "0.63" }), at);
  expect(Math.round((ms ?? 0) / MINUTE)).toBe(9);
});

test("what moves away, stands still or was seen too briefly has no time", () => {
  const away = driven(["0.63", "0.62", "0.61"], MINUTE);
  expect(away.drift.toLine(row("g", { ltv: "0.61" }), away.at)).toBeNull();
  const still = driven(["0.6", "0.6"], MINUTE);
  expect(still.drift.toLine(row("g", { ltv: "0.6" }), still.at)).toBeNull();
  const brief = driven(["0.60", "0.61"], 2000);
  expect(brief.drift.toLine(row("g", { ltv: "0.61" }), brief.at)).toBeNull();
});

test("a level that falls towards its line is counted down as well", () => {
  const drift = new Drift();
  const at = (level: string) =>
    row("g", {
      ltv: null,
      margin_level: level,
      next_line: { name: "liquidation", level: "1.1", distance_percent: "9" },
    });
  for (const [i, level] of ["1.4", "1.3", "1.2"].entries()) drift.take([at(level)], i * MINUTE);
  expect(Math.round((drift.toLine(at("1.2"), 2 * MINUTE) ?? 0) / MINUTE)).toBe(1);
});

test("a blind group has no drift: its figure may be old", () => {
  const { drift, at } = driven(["0.60", "0.61", "0.62"], MINUTE);
  drift.take([row("g", { ltv: "0.63", blind: true })], at + MINUTE);
  expect(drift.toLine(row("g", { ltv: "0.63" }), at + MINUTE)).toBeNull();
});

test("memory is bounded by the list and by five minutes", () => {
  const drift = new Drift();
  for (let i = 0; i < 5000; i++) drift.take([row("g", { ltv: `0.${5000 + i}` }), row(`x${i}`)], i * 100);
  drift.keepOnly(new Map([["g", 1]]));
  expect(drift.size).toBe(1);
});
