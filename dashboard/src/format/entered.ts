/**
 * Numbers as people type them, made plain for the monitor. What could mean two things is asked, never guessed: a wrong
 * answer to a question that nobody asked costs more than one more click.
 */

import { say } from "../words/say";
import { compare, cut, type Numbers, shift, times } from "./decimal";

export interface Choice {
  /** What the reader sees on the button. */
  readonly says: string;
  /** What then stands in the field. */
  readonly text: string;
}

export type Entered =
  | { readonly kind: "nothing" }
  /** `value` is what the monitor is asked; `says` tells the reader how it was read; `percent` is of what share it is. */
  | { readonly kind: "value"; readonly value: string; readonly says: string; readonly percent?: string }
  | { readonly kind: "ask"; readonly why: string; readonly choices: readonly Choice[] }
  | { readonly kind: "wrong"; readonly why: string };

type Plain = { readonly plain: string } | Extract<Entered, { kind: "ask" | "wrong" }>;

const NOTHING: Entered = { kind: "nothing" };
/** Places of a quantity; what is finer does not exist. */
const PLACES = 24;
/** Up to here a number without a unit may as well be a percentage. */
const LIKE_A_PERCENTAGE = "100";
/** The places that the monitor takes of a shock in percent. */
const SHOCK_PLACES = 6;

/** A number by the separators of the reader's language, where those decide; the unit is gone already. */
function plainOf(text: string, numbers: Numbers): Plain {
  const match = /^([+-]?)([\d.,]+)$/.exec(spaced(text));
  if (!match) return { kind: "wrong", why: say("textIsNotA", { text }) };
  const [, sign = "", digits = ""] = match;
  const minus = sign === "-" ? "-" : "";
  const marks = digits.replace(/\d/g, "");
  const last = marks.at(-1) ?? "";
  if (!marks) return { plain: minus + digits };
  const isMixed = new Set(marks).size === 2;
  const isGroups = /^\d{1,3}([.,]\d{3})+$/.test(digits);
  if (!isMixed && marks.length > 1)
    return isGroups
      ? { plain: minus + digits.replace(/[.,]/g, "") }
      : { kind: "wrong", why: say("textIsNotOne", { text }) };
  const [whole = "", fraction = ""] = splitAtLast(digits, last);
  if (isMixed) {
    const hasGroups = /^\d{1,3}([.,]\d{3})+$/.test(whole) && !whole.includes(last);
    return hasGroups ? decimal(minus, whole, fraction, text) : { kind: "wrong", why: say("textIsNotOne", { text }) };
  }
  const isEither = isGroups && !whole.startsWith("0") && last !== numbers.point && last !== numbers.group;
  if (isEither) {
    const [fine, large] = [`${minus}${whole}${numbers.point}${fraction}`, minus + whole + fraction];
    const choices = [fine, large].map((t) => ({ says: numbers.exact(normal(t, numbers.point)), text: t }));
    return { kind: "ask", why: say("isTextAFraction", { text }), choices };
  }
  if (isGroups && !whole.startsWith("0") && last === numbers.group) return { plain: minus + whole + fraction };
  return decimal(minus, whole, fraction, text);
}

/** Spaces and apostrophes between groups of three digits go; any other space stays and is no number. */
function spaced(text: string): string {
  const joined = text.replace(/[\u00a0\u2009\u202f]/g, " ").replace(/[’']/g, " ");
  return /^[+-]?\d{1,3}( \d{3})+([.,]\d*)?$/.test(joined) ? joined.replaceAll(" ", "") : joined;
}

function splitAtLast(digits: string, mark: string): [string, string] {
  const at = digits.lastIndexOf(mark);
  return [digits.slice(0, at), digits.slice(at + 1)];
}

function decimal(minus: string, whole: string, fraction: string, text: string): Plain {
  if (!whole && !fraction) return { kind: "wrong", why: say("textIsNotA", { text }) };
  return { plain: `${minus}${whole.replace(/[.,]/g, "") || "0"}${fraction ? `.${fraction}` : ""}` };
}

function normal(text: string, point: string): string {
  return text.replace(point, ".");
}

interface Typed {
  readonly text: string;
  readonly isPercent: boolean;
  readonly isUsd: boolean;
}

/** The text without its unit. */
function typed(text: string): Typed {
  const signs = text
    .trim()
    .replace(/[−–—]/g, "-")
    .replace(/^([+-])\s+/, "$1");
  const isPercent = /(%|percent)$/i.test(signs);
  const isUsd = /\$|usd$/i.test(signs);
  const bare = signs
    .replace(/\s*(%|percent)$/i, "")
    .replace(/\$/g, "")
    .replace(/\s*usd$/i, "")
    .trim();
  return { text: bare, isPercent, isUsd };
}

/** What is typed for a quantity of a coin. A percentage is one of `whole`, such as of what is owed. */
export function amountOf(text: string, numbers: Numbers, coin: string, whole: string | null): Entered {
  if (!text.trim()) return NOTHING;
  const what = typed(text.replace(new RegExp(`\\s*${escaped(coin)}$`, "i"), ""));
  const read = plainOf(what.text, numbers);
  if (!("plain" in read)) return read;
  const { plain } = read;
  if (plain.startsWith("-") && compare(plain, "0") < 0) return { kind: "wrong", why: say("anAmountIsNever") };
  if (what.isUsd) return { kind: "wrong", why: say("typeAQuantityOf", { coin }) };
  if (compare(plain, "0") === 0) return NOTHING;
  if (!what.isPercent) return { kind: "value", value: cut(plain, PLACES), says: `${numbers.exact(plain)} ${coin}` };
  if (whole === null) return { kind: "wrong", why: say("plainOfWhatType", { plain: numbers.exact(plain), coin }) };
  const part = cut(times(whole, shift(plain, -2)), PLACES);
  if (compare(part, "0") === 0) return NOTHING;
  const says = say("plainOfWholeIs", {
    plain: numbers.exact(plain),
    whole: numbers.exact(whole),
    part: numbers.exact(part),
    coin,
  });
  return { kind: "value", value: part, says, percent: plain };
}

/** What is typed for another price of a coin: a change in percent, or the price itself. */
export function shockOf(text: string, numbers: Numbers): Entered {
  if (!text.trim()) return NOTHING;
  const what = typed(text);
  const read = plainOf(what.text, numbers);
  if (!("plain" in read)) return read;
  const { plain } = read;
  const isSigned = /^[+-]/.test(what.text);
  if (what.isUsd && what.isPercent) return { kind: "wrong", why: say("aChangeInPercent") };
  if (what.isUsd) return plain.startsWith("-") ? { kind: "wrong", why: say("aPriceIsNever") } : price(plain, numbers);
  const isRise = what.isPercent && compare(plain, "100") > 0; // nothing falls by more than all
  if (isSigned || isRise) return change(plain, numbers);
  if (compare(plain, "0") === 0) return NOTHING;
  if (!what.isPercent && compare(plain, LIKE_A_PERCENTAGE) > 0) return price(plain, numbers);
  const shown = numbers.exact(plain);
  const choices = [
    { says: say("aFallOfShown", { shown }), text: `−${shown}%` },
    { says: say("aRiseOfShown", { shown }), text: `+${shown}%` },
  ];
  if (what.isPercent) return { kind: "ask", why: say("whatIsShown", { shown: `${shown}%` }), choices };
  const itself = { says: say("aPriceOfShown", { price: `$${shown}` }), text: `$${shown}` };
  return { kind: "ask", why: say("whatIsShown", { shown }), choices: [...choices, itself] };
}

function change(plain: string, numbers: Numbers): Entered {
  const percent = cut(plain, SHOCK_PLACES);
  if (compare(percent, "0") === 0) return NOTHING;
  if (compare(percent, "-100") < 0) return { kind: "wrong", why: say("nothingFallsByMore") };
  const size = numbers.exact(percent.replace("-", ""));
  return {
    kind: "value",
    value: `${percent}%`,
    says: percent.startsWith("-") ? say("fallsBySize", { size }) : say("risesBySize", { size }),
  };
}

function price(plain: string, numbers: Numbers): Entered {
  return { kind: "value", value: cut(plain, 18), says: say("isPlain", { price: `$${numbers.exact(plain)}` }) };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
