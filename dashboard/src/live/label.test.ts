import { expect, test } from "vitest";
import { labelQuery } from "./label";

test.each([
  ["borrower=ACME", { "label.borrower": "ACME" }],
  [" desk = A = B ", { "label.desk": "A = B" }],
  ["borrower=", {}],
  ["borrower", {}],
  ["=ACME", {}],
])("%s", (label, asked) => {
  expect(labelQuery({ label })).toEqual(asked);
});
