/** Files that a reader saves: tables as CSV, pictures as they are. Nothing leaves the browser but by the reader's hand. */

/** A table as RFC 4180 has it. A text that a spreadsheet would take for a formula stays a text. */
export function csv(names: readonly string[], rows: Iterable<readonly (string | null | undefined)[]>): string {
  const lines = [names.map(field).join(",")];
  for (const row of rows) lines.push(row.map((value) => field(value ?? "")).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

function field(text: string): string {
  const isNumber = /^-?\d+(\.\d+)?$/.test(text);
  const safe = !isNumber && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function saveText(name: string, text: string): void {
  // The mark tells spreadsheets that it is UTF-8.
  saveFile(name, new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
}

export function saveFile(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** A part of a file's name: only what every system takes. */
export function fileName(...parts: string[]): string {
  return parts.join("-").replace(/[^A-Za-z0-9._]+/g, "-");
}
