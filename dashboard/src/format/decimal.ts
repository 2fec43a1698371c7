/**
 * Decimal numbers as text: compared, added and shown without ever becoming a float, so that an exact figure stays exact.
 * A text is plain notation, as the API sends it: an optional minus, digits, and maybe a point and more digits.
 */

const PLAIN = /^-?\d+(\.\d+)?$/;

/** Whole number of units of 10^-places. */
interface Scaled {
  readonly units: bigint;
  readonly places: number;
}

function scaled(text: string): Scaled {
  if (!PLAIN.test(text)) throw new RangeError(`not a plain decimal: ${text.slice(0, 40)}`);
  const [whole = "0", fraction = ""] = text.split(".");
  return { units: BigInt(whole + fraction), places: fraction.length };
}

function aligned(a: string, b: string): [bigint, bigint, number] {
  const x = scaled(a);
  const y = scaled(b);
  const places = Math.max(x.places, y.places);
  return [x.units * 10n ** BigInt(places - x.places), y.units * 10n ** BigInt(places - y.places), places];
}

function text(units: bigint, places: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const fraction = places ? digits.slice(digits.length - places).replace(/0+$/, "") : "";
  const plain = fraction ? `${whole}.${fraction}` : whole;
  return units < 0n && plain !== "0" ? `-${plain}` : plain;
}

/** Negative, zero or positive, as `a` is below, equal to or above `b`. */
export function compare(a: string, b: string): number {
  const [x, y] = aligned(a, b);
  return x < y ? -1 : x > y ? 1 : 0;
}

export function add(a: string, b: string): string {
  const [x, y, places] = aligned(a, b);
  return text(x + y, places);
}

export function subtract(a: string, b: string): string {
  const [x, y, places] = aligned(a, b);
  return text(x - y, places);
}

export function times(a: string, b: string): string {
  const x = scaled(a);
  const y = scaled(b);
  return text(x.units * y.units, x.places + y.places);
}

export function sum(values: Iterable<string>): string {
  let total = "0";
  for (const value of values) total = add(total, value);
  return total;
}

export function isDecimal(value: string): boolean {
  return PLAIN.test(value);
}

/** To so many places, half to even. */
export function nearest(value: string, places: number): string {
  const { units, places: has } = scaled(value);
  if (has <= places) return text(units, has);
  const unit = 10n ** BigInt(has - places);
  const whole = units / unit;
  const rest = 2n * (units - whole * unit);
  const size = rest < 0n ? -rest : rest;
  const away = size > unit || (size === unit && whole % 2n !== 0n);
  return text(away ? whole + (units < 0n ? -1n : 1n) : whole, places);
}

/** To the nearest of so many places, or of more: below, on or above each line as the value is. */
function beside(value: string, places: number, lines: readonly string[]): string {
  const has = scaled(value).places;
  for (let digits = places; digits < has; digits++) {
    const shown = nearest(value, digits);
    if (lines.every((line) => compare(shown, line) === compare(value, line))) return shown;
  }
  return nearest(value, has);
}

/** Towards zero, to so many places: what is shown is never more than what is. */
export function cut(value: string, places: number): string {
  const { units, places: has } = scaled(value);
  return has <= places ? text(units, has) : text(units / 10n ** BigInt(has - places), places);
}

/** The value times 10^by. */
export function shift(value: string, by: number): string {
  const { units, places } = scaled(value);
  return places >= by ? text(units, places - by) : text(units * 10n ** BigInt(by - places), 0);
}

/** For positions on a screen and estimates that say so, never for a figure. */
export function position(value: string | null | undefined): number {
  return value === null || value === undefined ? Number.NaN : Number(value);
}

/** The reader's way to write numbers: separators from the locale, digits from the text. */
export class Numbers {
  private readonly whole: Intl.NumberFormat;
  readonly point: string;
  /** What stands between thousands. */
  readonly group: string;

  constructor(readonly locale?: string) {
    this.whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0, numberingSystem: "latn" });
    const parts = new Intl.NumberFormat(locale, { numberingSystem: "latn" }).formatToParts(1.5);
    this.point = parts.find((p) => p.type === "decimal")?.value ?? ".";
    this.group = this.whole.formatToParts(10_000_000).find((p) => p.type === "group")?.value ?? "";
  }

  /** All digits that there are, or cut to `places` (and filled up to them where `fixed`). */
  exact(value: string, places?: number, fixed = false): string {
    const shown = places === undefined ? cut(value, 64) : cut(value, places);
    const negative = shown.startsWith("-");
    const [whole = "0", fraction = ""] = shown.replace("-", "").split(".");
    const filled = fixed && places ? fraction.padEnd(places, "0") : fraction;
    return (negative ? "−" : "") + this.whole.format(BigInt(whole)) + (filled ? this.point + filled : "");
  }

  /** A level such as `1.0000004`, to the nearest of `places`, or of more where that would stand on another side of a line. */
  level(value: string, places: number, lines: Iterable<string> = [nearest(value, places - 1)]): string {
    return this.exact(beside(value, places, [...lines]));
  }

  /**
   * A share as percent: `0.77120434` is `77.12%`. To the nearest, with more places where that would stand on another side of a
   * line than the share does. Where its lines are not known, any tenth of a percent may be one.
   */
  percent(share: string, places = 2, lines: Iterable<string> = [nearest(share, places + 1)]): string {
    const shown = beside(share, places + 2, [...lines]);
    const digits = (shown.split(".")[1] ?? "").length - 2;
    return `${this.exact(shift(shown, 2), Math.max(places, digits), true)}%`;
  }

  /** To the nearest, as mails and the terminal say it; amounts that must suffice come rounded up already. */
  usd(value: string, places = 0): string {
    const shown = this.exact(nearest(value, places), places, places > 0);
    return shown.startsWith("−") ? `−$${shown.slice(1)}` : `$${shown}`;
  }

  /** Large sums in three to four digits: `$12.34M`. The exact figure belongs into the title. */
  short(value: string): string {
    const size = nearest(value, 0).replace("-", "").length;
    if (size > 12) return `${this.usd(shift(value, -12), 2)}T`;
    if (size > 9) return `${this.usd(shift(value, -9), 2)}B`;
    if (size > 6) return `${this.usd(shift(value, -6), 2)}M`;
    return this.usd(value);
  }
}
