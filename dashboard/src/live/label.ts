/** A label to filter by, as a person types it. */

interface Labelled {
  readonly label: string;
}

/** `borrower=ACME` as the monitor is asked; null for what is not yet a label and its value. */
export function labelQuery({ label }: Labelled): Readonly<Record<string, string>> {
  const at = label.indexOf("=");
  const [key, value] = [label.slice(0, at).trim(), label.slice(at + 1).trim()];
  return at > 0 && key && value ? { [`label.${key}`]: value } : {};
}
