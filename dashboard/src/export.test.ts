import { expect, test } from "vitest";
import { csv, fileName } from "./export";

test("quotes, commas and lines stay inside their cell", () => {
  expect(
    csv(
      ["a", "b"],
      [
        ['say "x"', "1,5"],
        ["two\nlines", null],
      ],
    ),
  ).toBe('a,b\r\n"say ""x""","1,5"\r\n"two\nlines",\r\n');
});

test("a label that looks like a formula is a text, a negative number stays a number", () => {
  expect(csv(["x"], [["=1+1"], ["-12.5"], ["-cmd"], ["@x"]])).toBe("x\r\n'=1+1\r\n-12.5\r\n'-cmd\r\n'@x\r\n");
});

test("a file has a name that every system takes", () => {
  expect(fileName("ltv", "G/1 ü", "x")).toBe("ltv-G-1-x");
});
