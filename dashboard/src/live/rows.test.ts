import { describe, expect, test } from "vitest";
import type { Stage } from "../alerts.generated";
import type { GroupRow, GroupsEvent } from "../answers.generated";
import { row } from "./example";
import { applied, NO_ROWS, ordered } from "./rows";

function event(rows: GroupRow[], part: Partial<GroupsEvent> = {}): GroupsEvent {
  return { at: "2026-01-05T10:00:00.000Z", snapshot: false, rows, gone: [], ...part };
}

const ids = (rows: Iterable<GroupRow>, sort: Parameters<typeof ordered>[1]): string[] =>
  ordered(rows, sort).map((r) => r.id);

describe("what the stream tells", () => {
  test("a snapshot replaces everything, so that nothing old survives a cut", () => {
    const before = applied(NO_ROWS, event([row("old")], { snapshot: true }));
    expect([...applied(before, event([row("new")], { snapshot: true })).byId.keys()]).toEqual(["new"]);
  });

  test("a change before the first snapshot is of a list that we do not have", () => {
    expect(applied(NO_ROWS, event([row("a")]))).toBe(NO_ROWS);
  });

  test("changed rows replace theirs and rows that left are gone", () => {
    const before = applied(NO_ROWS, event([row("a"), row("b")], { snapshot: true }));
    const after = applied(before, event([row("a", { ltv: "0.6" })], { gone: ["b"] }));
    expect([...after.byId.values()].map((r) => [r.id, r.ltv])).toEqual([["a", "0.6"]]);
    expect(before.byId.size).toBe(2);
  });
});

describe("the order is that of the server", () => {
  const of = (id: string, stage: Stage, ltv: string | null, unknown = false): GroupRow =>
    row(id, { stage, ltv, unknown });
  const rows = [
    of("no-debt", "normal", "0"),
    of("b-tie", "normal", "0.7"),
    of("a-tie", "normal", "0.7"),
    of("close", "normal", "0.70000001"),
    of("unknown", "normal", null, true),
    of("nothing-counted", "normal", null),
    of("call", "margin_call", "0.8"),
    of("delayed", "delayed_liquidation", "0.92"),
    of("liquidated", "liquidation", "0.5"),
  ];

  test("worst first: stage, then what cannot be valued, then LTV, then id", () => {
    const worst = ["liquidated", "delayed", "call", "nothing-counted", "unknown", "close", "a-tie", "b-tie", "no-debt"];
    expect(ids(rows, "ltv")).toEqual(worst);
    expect(ids(rows, "-ltv")).toEqual([...worst].reverse());
  });

  test("rows without a value come last either way", () => {
    const some = [row("a", { debt_usd: "5" }), row("b", { debt_usd: null }), row("c", { debt_usd: "40" })];
    expect(ids(some, "debt_usd")).toEqual(["a", "c", "b"]);
    expect(ids(some, "-debt_usd")).toEqual(["c", "a", "b"]);
    const due = [
      row("x"),
      row("y", { deadline: "2026-01-05T12:00:00.000Z" }),
      row("z", { deadline: "2026-01-05T11:00:00.000Z" }),
    ];
    expect(ids(due, "deadline")).toEqual(["z", "y", "x"]);
    expect(ids(due, "-deadline")).toEqual(["y", "z", "x"]);
  });

  test("sums that a float holds for equal are told apart", () => {
    const some = [
      row("a", { debt_usd: "1000000000000000000000.2" }),
      row("b", { debt_usd: "1000000000000000000000.1" }),
    ];
    expect(ids(some, "debt_usd")).toEqual(["b", "a"]);
  });
});
