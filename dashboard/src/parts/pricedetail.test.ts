import { expect, test } from "vitest";
import { decisionOf, type PriceDraft } from "./pricedetail";

const DRAFT: PriceDraft = {
  act: "pin",
  price: " 39000 ",
  source: "venue",
  hours: "4",
  reason: " the venue is down ",
  confirmed: false,
};
const NOW = Date.parse("2026-01-05T10:00:00Z");
const AT_TWO = "2026-01-05T14:00:00.000Z";

test("a pin states its price, its end and why", () => {
  expect(decisionOf(DRAFT, null, NOW)).toEqual({ pin: "39000", until: AT_TWO, reason: "the venue is down" });
});

test("a pin that is far away is confirmed only when the operator says so", () => {
  expect(decisionOf({ ...DRAFT, confirmed: true }, null, NOW)).toMatchObject({ confirmed: true });
  expect(decisionOf(DRAFT, null, NOW)).not.toHaveProperty("confirmed");
});

test("an exclusion names the source", () => {
  expect(decisionOf({ ...DRAFT, act: "exclude" }, null, NOW)).toEqual({
    exclude: "venue",
    until: AT_TWO,
    reason: "the venue is down",
  });
});

test("a candidate is believed as it was seen, and once", () => {
  expect(decisionOf({ ...DRAFT, act: "believe" }, "31000", NOW)).toEqual({
    believe: "31000",
    reason: "the venue is down",
  });
});
