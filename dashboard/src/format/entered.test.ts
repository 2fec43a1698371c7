import { describe, expect, test } from "vitest";
import { Numbers } from "./decimal";
import { amountOf, type Entered, shockOf } from "./entered";

const en = new Numbers("en-US");
const de = new Numbers("de-DE");
const sv = new Numbers("sv-SE");

function value(entered: Entered): string {
  return entered.kind === "value" ? entered.value : entered.kind;
}

describe("amounts as people type them", () => {
  test.each([
    ["1,000,000", "1000000"],
    ["1.000.000", "1000000"],
    ["1 000 000", "1000000"],
    ["1’000’000.5", "1000000.5"],
    ["1,234,567.89", "1234567.89"],
    ["1.234.567,89", "1234567.89"],
    ["0.125", "0.125"],
    ["0,125", "0.125"],
    [".5", "0.5"],
    ["12,5", "12.5"],
    ["1234,567", "1234.567"],
    ["2.5 BTC", "2.5"],
    ["20 %", "0.4"],
    ["20%", "0.4"],
    ["100 percent", "2"],
  ])("%s is %s", (text, meant) => {
    expect(value(amountOf(text, en, "BTC", "2"))).toBe(meant);
  });

  test("one separator before three digits is what the reader's language makes of it", () => {
    expect(value(amountOf("1,500", en, "BTC", null))).toBe("1500");
    expect(value(amountOf("1.500", en, "BTC", null))).toBe("1.5");
    expect(value(amountOf("1,500", de, "BTC", null))).toBe("1.5");
    expect(value(amountOf("1.500", de, "BTC", null))).toBe("1500");
  });

  test("where the language cannot say, the reader is asked, and each answer is one number", () => {
    const asked = amountOf("1.500", sv, "BTC", null);
    if (asked.kind !== "ask") throw new Error(asked.kind);
    expect(asked.choices.map((c) => value(amountOf(c.text, sv, "BTC", null)))).toEqual(["1.5", "1500"]);
  });

  test.each(["1,00,0", "1 5", "abc", "-2", "$5", "1..2", ","])("%s is refused in words", (text) => {
    expect(amountOf(text, en, "BTC", "2").kind).toBe("wrong");
  });

  test("a share of nothing known is refused, nothing is nothing", () => {
    expect(amountOf("20%", en, "SOL", null).kind).toBe("wrong");
    expect(amountOf("0", en, "SOL", null).kind).toBe("nothing");
    expect(amountOf("  ", en, "SOL", null).kind).toBe("nothing");
  });
});

describe("other prices as people type them", () => {
  test.each([
    ["-20", "-20%"],
    ["−20", "-20%"],
    ["- 20 %", "-20%"],
    ["+20 %", "20%"],
    ["+20", "20%"],
    ["250 %", "250%"],
    ["-12,5%", "-12.5%"],
    ["95000", "95000"],
    ["95,000", "95000"],
    ["$0.97", "0.97"],
    ["90 USD", "90"],
  ])("%s is %s", (text, meant) => {
    expect(value(shockOf(text, en))).toBe(meant);
  });

  test("a small number without sign or unit may be three things, and the reader says which", () => {
    const asked = shockOf("20", en);
    if (asked.kind !== "ask") throw new Error(asked.kind);
    expect(asked.choices.map((c) => value(shockOf(c.text, en)))).toEqual(["-20%", "20%", "20"]);
  });

  test.each(["20 %", "20%", "100 percent"])(
    "%s without a sign may be a fall or a rise, and the reader says which",
    (text) => {
      const asked = shockOf(text, en);
      if (asked.kind !== "ask") throw new Error(asked.kind);
      const size = Number.parseInt(text, 10);
      const meant = asked.choices.map((c) => shockOf(c.text, en));
      expect(meant.map(value)).toEqual([`-${size}%`, `${size}%`]);
    },
  );

  test("no change is no question", () => {
    expect(shockOf("0 %", en).kind).toBe("nothing");
  });

  test("nothing falls by more than all, no price is below nothing", () => {
    expect(shockOf("-120", en).kind).toBe("wrong");
    expect(shockOf("-$5", en).kind).toBe("wrong");
  });
});
