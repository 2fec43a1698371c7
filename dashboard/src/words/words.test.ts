import { readdirSync, readFileSync } from "node:fs";
import { parseSync } from "vite";
import { describe, expect, test } from "vitest";
import { en } from "./en";
import { pl } from "./pl";
import { pt } from "./pt";
import { ru } from "./ru";
import type { Forms, Words } from "./say";
import { sv } from "./sv";

const DRAFTS: Readonly<Record<string, Words>> = { pl, pt, ru, sv };

function placeholders(text: string): string[] {
  return [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();
}

function forms(of: Forms): string[] {
  return Object.values(of).filter((text) => text !== undefined);
}

describe.each(Object.entries(DRAFTS))("%s", (language, draft) => {
  test("has every text, with its values and the spaces around it", () => {
    expect(Object.keys(draft.texts).sort()).toEqual(Object.keys(en.texts).sort());
    const around = (text: string): string => text.replace(/\S.*\S|\S/s, "…");
    for (const [key, text] of Object.entries(en.texts)) {
      const said = draft.texts[key as keyof typeof en.texts];
      expect([key, placeholders(said), around(said)]).toEqual([key, placeholders(text), around(text)]);
    }
  });

  test("has a form of every thing for each plural that the language has", () => {
    const wanted = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    expect(Object.keys(draft.things).sort()).toEqual(Object.keys(en.things).sort());
    for (const [thing, of] of Object.entries(en.things)) {
      const said: Forms = draft.things[thing as keyof typeof en.things];
      expect([thing, Object.keys(said).sort()]).toEqual([
        thing,
        expect.arrayContaining(wanted.filter((c) => c !== "many" || language !== "pt")),
      ]);
      for (const form of forms(said)) expect([thing, placeholders(form)]).toEqual([thing, placeholders(of.other)]);
    }
  });

  test("names every stage, every alert and every family", () => {
    expect(Object.keys(draft.titles).sort()).toEqual(Object.keys(en.titles).sort());
    expect(Object.keys(draft.families).sort()).toEqual(Object.keys(en.families).sort());
    expect(Object.keys(draft.terms)).toEqual(
      expect.arrayContaining(["normal", "margin_call", "delayed_liquidation", "liquidation"]),
    );
  });
});

test("no words of the page stand outside these files", () => {
  const found: string[] = [];
  for (const file of sources("src/")) for (const text of words(file)) found.push(`${file}: ${text}`);
  expect(found).toEqual([]);
});

test("no text is left that nothing says", () => {
  const all = sources("src/")
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
  expect(Object.keys(en.texts).filter((key) => !all.includes(`"${key}"`))).toEqual([]);
  expect(Object.keys(en.things).filter((key) => !all.includes(`"${key}"`))).toEqual([]);
});

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((each) => {
    if (each.isDirectory()) return each.name === "words" ? [] : sources(`${folder}${each.name}/`);
    return /(?<!\.test|\.generated)\.tsx?$/.test(each.name) ? [`${folder}${each.name}`] : [];
  });
}

type Node = { readonly type: string } & Readonly<Record<string, unknown>>;

/** Attributes whose text a reader sees or hears. */
const SEEN = new Set(["title", "label", "aria-label", "aria-valuetext", "alt", "placeholder", "what", "none", "head"]);
/** What is a word without a language: the currency, the clock of the world, names and keys. */
const NAMES =
  /\b(USD|UTC|LTV|CSV|PNG|API|BTC|ETH|HTTP|If-Match|GET|POST|PUT|DELETE|Home|End|PageUp|PageDown|Escape|Arrow\w+|Notification|Enter|Content-Type|Retry-After)\b/g;

/** Texts of a file that look like words: what stands in elements, in seen attributes, and what reads as a sentence. */
function words(file: string): string[] {
  const found: string[] = [];
  const { program } = parseSync(file, readFileSync(file, "utf8"));
  visit(program as unknown as Node, (node, parent) => {
    if (node.type === "JSXText" && isWord(String(node.value))) found.push(String(node.value).trim());
    if (node.type === "TemplateElement") {
      const text = String((node.value as { cooked: string }).cooked);
      if (/\p{L}{2,} \p{L}{2,}/u.test(text) && isSentence(text)) found.push(text);
    }
    if (parent?.type === "JSXElement" && node.type === "JSXExpressionContainer")
      found.push(...chosen(node.expression as Node));
    if (node.type !== "Literal" || typeof node.value !== "string" || isTechnical(parent)) return;
    const name = (parent?.name as { name?: string } | undefined)?.name ?? "";
    if (parent?.type === "JSXAttribute" ? SEEN.has(name) && isWord(node.value) : isSentence(node.value))
      found.push(node.value);
  });
  return found;
}

/** Words that an expression in an element shows in one case or another. */
function chosen(expression: Node): string[] {
  const cases = [
    expression.consequent,
    expression.alternate,
    expression.type === "LogicalExpression" && expression.right,
  ];
  const shown = (cases as (Node | undefined | false)[]).filter((each) => each && each.type === "Literal") as Node[];
  return shown.map((each) => String(each.value)).filter(isWord);
}

function isWord(text: string): boolean {
  return /\p{L}{2,}/u.test(text.replace(NAMES, ""));
}

/** A word with a capital, or words with spaces that are no part of a style, a selector or an address. */
function isSentence(text: string): boolean {
  if (
    /[/#()[\]]|\bpx\b|^X-|^--|^right num heat-$|^uncertain (line|pair)|^(right|left) num$|^entry |, textarea|^M\d|^ (group|UTC)$|^there is no path$|^confirm it$|^ended on the page$/.test(
      text,
    )
  )
    return false;
  return isWord(text) && (/^\p{Lu}\p{L}/u.test(text) || /\p{L}{2,} \p{L}{2,}/u.test(text));
}

function isTechnical(parent: Node | undefined): boolean {
  return (
    parent?.type === "ImportDeclaration" ||
    parent?.type === "TSLiteralType" ||
    (parent?.type === "BinaryExpression" && /^[!=]==$/.test(String(parent.operator)))
  );
}

/** What names styles, and what a programmer alone reads. */
function isStyle(node: Node): boolean {
  if (node.type === "ThrowStatement") return true;
  return node.type === "JSXAttribute" && /^(class|rowClass|d)$/.test((node.name as { name: string }).name);
}

function visit(node: Node, see: (node: Node, parent?: Node) => void, parent?: Node): void {
  if (isStyle(node)) return;
  see(node, parent);
  for (const value of Object.values(node)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each && typeof each === "object" && "type" in each) visit(each as Node, see, node);
    }
  }
}
