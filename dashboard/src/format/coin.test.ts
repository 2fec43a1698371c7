import { expect, test } from "vitest";
import { asTyped } from "./coin";

test.each([
  ["btc", "BTC"],
  [" 1inch ", "1INCH"],
  ["wstETH", "wstETH"],
  ["BTC-Earn", "BTC-Earn"],
  ["币安人生", "币安人生"],
])("%s means %s", (typed, meant) => {
  expect(asTyped(typed)).toBe(meant);
});
