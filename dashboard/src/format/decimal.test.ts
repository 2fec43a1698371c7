import { describe, expect, test } from "vitest";
import { add, compare, cut, Numbers, shift, subtract, sum } from "./decimal";

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
  });

  test("a share is cut, so that no line looks crossed that is not", () => {
    expect(en.percent("0.76999999")).toBe("76.99%");
    expect(en.percent("0.77")).toBe("77.00%");
    expect(en.percent("1.5", 1)).toBe("150.0%");
  });

  test("large sums are short", () => {
    expect(en.short("999999.99")).toBe("$999,999");
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
