/** What an act changed, for people to read. Pure. */

/** What differs, key by key; whole states are in the columns Before and After. */
export function changed(before: unknown, after: unknown): string[] {
  const [was, is] = [flat(before), flat(after)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((key) => was.get(key) !== is.get(key))
    .map((key) => {
      const name = key ? `${key}: ` : "";
      if (!was.has(key)) return `${name}${is.get(key)}`;
      return `${name}${was.get(key)} → ${is.get(key) ?? "gone"}`;
    });
}

function flat(value: unknown, at = ""): Map<string, string> {
  if (value === null || value === undefined) return new Map();
  if (typeof value !== "object") return new Map([[at, String(value)]]);
  const entries = Object.entries(value).flatMap(([key, part]) => [...flat(part, at ? `${at}.${key}` : key)]);
  return new Map(entries);
}
