/**
 * The words of the page, in the language that the reader chose of those that the monitor offers.
 *
 * They are there before anything else runs: English is a part of the page, a draft is loaded while the page starts. Another
 * choice loads the page again, so no part has to follow the language. A draft that cannot be loaded leaves English.
 */

import { en } from "./en";

/** A text with one form for each plural of its language; which is taken follows from the number. */
export type Forms = Readonly<Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }>;
export type Key = keyof typeof en.texts;
export type Thing = keyof typeof en.things;

/** What a file of a language holds: every text and thing of the English one. */
export interface Words {
  readonly texts: Readonly<Record<Key, string>>;
  readonly things: Readonly<Record<Thing, Forms>>;
  /** Names of the monitor's: stages, lines, states, kinds. What is not here is shown as the monitor names it. */
  readonly terms: Readonly<Record<string, string>>;
  /** What alerts say, by type, and families of them; English ones come from the monitor's catalogue. */
  readonly titles: Readonly<Record<string, string>>;
  readonly families: Readonly<Record<string, string>>;
}

export type Values = Readonly<Record<string, string | number | boolean | null | undefined>>;

const DRAFTS: Readonly<Record<string, () => Promise<Words>>> = {
  pl: () => import("./pl").then((m) => m.pl),
  pt: () => import("./pt").then((m) => m.pt),
  ru: () => import("./ru").then((m) => m.ru),
  sv: () => import("./sv").then((m) => m.sv),
};
const ENGLISH = "en";

/** What a reader may choose: English, and the drafts that this monitor offers. */
export const languages: readonly string[] = offered();
const loaded = await words(chosen());
export const language = loaded.name;
const current = loaded.words;
const plurals = new Intl.PluralRules(language);
if (typeof document !== "undefined") document.documentElement.lang = language;

function offered(): readonly string[] {
  if (typeof document === "undefined") return [ENGLISH];
  const said = document.querySelector<HTMLMetaElement>('meta[name="languages"]')?.content ?? "";
  return [...new Set([ENGLISH, ...said.split(" ").filter((name) => name in DRAFTS)])];
}

function chosen(): string {
  try {
    const kept = JSON.parse(localStorage.getItem("loan-monitor") ?? "{}").language;
    return languages.includes(kept) ? kept : ENGLISH;
  } catch {
    return ENGLISH;
  }
}

async function words(name: string): Promise<{ name: string; words: Words }> {
  try {
    const draft = await DRAFTS[name]?.();
    return draft ? { name, words: draft } : { name: ENGLISH, words: en };
  } catch {
    return { name: ENGLISH, words: en };
  }
}

/** A text, with its values put in; what is not there or not so leaves nothing. */
export function say(key: Key, values?: Values): string {
  return filled(current.texts[key], values);
}

/** A text about a number of things. */
export function plural(thing: Thing, number: number, values?: Values): string {
  const forms: Forms = current.things[thing];
  return filled(forms[plurals.select(number)] ?? forms.other, values);
}

/** A name of the monitor's in words: `margin_call` is margin call. */
export function term(name: string): string {
  return current.terms[name] ?? name.replaceAll("_", " ");
}

/** What an alert of this type says in a few words. */
export function titleOf(type: string): string | undefined {
  return current.titles[type] ?? en.titles[type];
}

/** What a list of alerts can be narrowed to, in words. */
export function familyOf(family: string): string {
  return current.families[family] ?? en.families[family] ?? family;
}

/** The name of a language in itself. */
export function nameOf(name: string): string {
  return capital(new Intl.DisplayNames([name], { type: "language" }).of(name) ?? name);
}

export function capital(text: string): string {
  return text.slice(0, 1).toLocaleUpperCase(language) + text.slice(1);
}

export function uncapital(text: string): string {
  return text.slice(0, 1).toLocaleLowerCase(language) + text.slice(1);
}

function filled(text: string, values: Values = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    if (!(name in values)) return whole;
    const value = values[name];
    return value == null || value === false ? "" : String(value);
  });
}
