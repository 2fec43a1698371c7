import { expect, test } from "vitest";
import { inZone, rough, span, Times, utc } from "./time";

test("a time of today is a time of day, another has its date; both in the reader's zone", () => {
  const stockholm = new Times("en-GB", "Europe/Stockholm");
  const now = Date.parse("2026-01-05T22:30:00Z");
  expect(stockholm.short("2026-01-05T10:00:00.000Z", now)).toBe("11:00:00");
  expect(stockholm.short("2026-01-04T10:00:00.000Z", now)).toBe("04 Jan 11:00:00");
  // Half past eleven in UTC is the next day already in Stockholm.
  expect(stockholm.short("2026-01-05T23:30:00.000Z", now)).toBe("06 Jan 00:30:00");
});

test("a deadline is told in the desk's zone, by its name", () => {
  expect(inZone("2026-11-22T14:05:59.000Z", "Europe/Stockholm")).toContain("15:05");
  expect(inZone("2026-11-22T23:30:00.000Z", "Europe/Stockholm")).toContain("23 Nov");
  expect(inZone("2026-11-22T14:05:59.000Z", "No/Where")).toBe("");
});

test("UTC is at hand with all that is known", () => {
  expect(utc("2026-01-05T10:00:00.123Z")).toBe("2026-01-05 10:00:00.123 UTC");
});

test("a countdown has two units and never goes below nothing", () => {
  expect(span(24 * 3600_000 - 1000)).toBe("23 h 59 min");
  expect(span(65_000)).toBe("1 min 05 s");
  expect(span(999)).toBe("0 s");
  expect(span(-5000)).toBe("0 s");
  expect(span(3 * 24 * 3600_000 + 3600_000)).toBe("3 d 1 h");
});

test("an estimate has one unit", () => {
  expect(rough(12 * 60_000)).toBe("12 min");
  expect(rough(90_000)).toBe("90 s");
  expect(rough(5 * 3600_000)).toBe("5 h");
});
