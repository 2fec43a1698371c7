import { expect, test } from "vitest";
import type { CallItem } from "../answers.generated";
import { amountOf, moreOf } from "./call";

const OPENED: CallItem = {
  kind: "call",
  cursor: "1",
  at: "2026-01-05T09:00:00.000Z",
  what: "opened",
  call: 1,
  call_alert: "evt_1",
  target: "0.72",
  due: "2026-01-06T09:00:00.000Z",
  called_usd: "19.45",
  received_usd: "0",
  outstanding_usd: "19.45",
  paid_usd: null,
  entry: null,
  announced: null,
  asset: null,
  quantity: null,
  value_usd: null,
  expected: null,
  dispute: null,
  disputed_usd: null,
  why: null,
  by: null,
  in_transit_usd: null,
  on_expiry: null,
  stage: null,
  supersedes_call: null,
};

test("a row of a call shows the amount that it is about", () => {
  expect(amountOf(OPENED)).toBe("19.45");
  expect(amountOf({ ...OPENED, what: "payment", paid_usd: "4" })).toBe("4");
  expect(amountOf({ ...OPENED, what: "announced", value_usd: "11" })).toBe("11");
  expect(amountOf({ ...OPENED, what: "disputed", disputed_usd: "2" })).toBe("2");
});

test("the rest of a row is said in words, and what is not there is not", () => {
  expect(moreOf(OPENED)).toBe("");
  expect(moreOf({ ...OPENED, supersedes_call: 1 })).toBe("replaces call 1");
  expect(moreOf({ ...OPENED, why: "price", by: "ACME", entry: "x-1" })).toBe("“price”, by ACME, entry x-1");
});
