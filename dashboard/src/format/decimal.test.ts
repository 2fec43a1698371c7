import { describe, expect, test } from "vitest";
import { add, compare, cut, Numbers, nearest, shift, subtract, sum } from "./decimal";

const en = new Numbers("en-US");
const sv = new Numbers("sv-SE");
const hi = new Numbers("hi-IN");

describe("exact figures never become floats", () => {
  test("what a float cannot hold is shown whole", () => {
    expect(en.exact("12345678901234567890.123456789012345678")).toBe("12,345,678,901,234,567,890.123456789012345678");
    expect(add("0.1", "0.2")).toBe("0.3");
    expect(subtract("1", "0.000000000000000000000001")).toBe("0.999999999999999999999999");
    expect(sum(["9007199254740993", "0.5", "-0.5"])).toBe("9007199254740993");
  });

  test("comparison is by value, not by text", () => {
    expect(compare("10", "9.99")).toBe(1);
    expect(compare("1.0", "1")).toBe(0);
    expect(compare("-2", "-1")).toBe(-1);
    expect(compare("0.77000000000000000001", "0.77")).toBe(1);
  });

  test("what is no plain decimal is refused", () => {
    for (const text of ["", "1e3", "NaN", "1,5", "--1", "."]) expect(() => add(text, "1")).toThrow(RangeError);
  });
});

describe("figures as the reader writes them", () => {
  test("separators come from the locale", () => {
    expect(en.usd("1234567.891", 2)).toBe("$1,234,567.89");
    expect(sv.exact("1234567.5").replace(/\s/g, " ")).toBe("1 234 567,5");
    expect(hi.exact("1234567")).toBe("12,34,567");
    expect(en.usd("999.996", 2)).toBe("$1,000.00");
    expect(en.usd("57000.0000001", 2)).toBe("$57,000.00");
  });

  test("a share is rounded to the nearest, and never onto a line on which it is not or past it", () => {
    expect(en.percent("0.76996", 2, ["0.72", "0.77"])).toBe("76.996%");
    expect(en.percent("0.76999999", 2, ["0.77"])).toBe("76.999999%");
    expect(en.percent("0.950000000001666667", 2, ["0.95"])).toBe("95.0000000002%");
    expect(en.percent("0.77", 2, ["0.77"])).toBe("77.00%");
    expect(en.percent("0.76456", 2, ["0.77"])).toBe("76.46%");
    expect(en.percent("0.76999999")).toBe("76.999999%");
    expect(en.percent("0.7645")).toBe("76.45%");
    expect(en.percent("0.77120434")).toBe("77.12%");
    expect(en.percent("1.5", 1)).toBe("150.0%");
  });

  test("a level stands on its side of its lines as well", () => {
    expect(en.level("0.999999999998717949", 4, ["1.1", "1"])).toBe("0.999999999999");
    expect(en.level("1.00004", 4, ["1.1", "1"])).toBe("1.00004");
    expect(en.level("1.04567", 4, ["1.1", "1"])).toBe("1.0457");
    expect(en.level("-0.00004", 4, ["1"])).toBe("0");
  });

  test("half way it goes to the even one, on both sides of zero", () => {
    expect([nearest("0.125", 2), nearest("0.135", 2), nearest("-0.135", 2)]).toEqual(["0.12", "0.14", "-0.14"]);
    expect(nearest("5", 3)).toBe("5");
  });

  test("large sums are short", () => {
    expect(en.short("999999.49")).toBe("$999,999");
    expect(en.short("999999.99")).toBe("$1.00M");
    expect(en.short("35615001")).toBe("$35.62M");
    expect(en.short("35610000")).toBe("$35.61M");
    expect(en.short("1234567890")).toBe("$1.23B");
    expect(en.short("5000000000000")).toBe("$5.00T");
    expect(en.short("-35610000")).toBe("−$35.61M");
  });

  test("cutting and shifting keep the sign and drop no digit before the point", () => {
    expect(cut("-1.999", 2)).toBe("-1.99");
    expect(cut("-0.001", 2)).toBe("0");
    expect(shift("0.0001", 2)).toBe("0.01");
    expect(shift("12345", -2)).toBe("123.45");
    expect(shift("5", 3)).toBe("5000");
  });
});
