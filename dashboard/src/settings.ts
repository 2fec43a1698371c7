/** What this reader chose, kept in this browser. */

import { Store } from "./live/store";

export type Theme = "auto" | "light" | "dark";

export interface Settings {
  readonly theme: Theme;
  readonly sound: boolean;
  readonly notices: boolean;
  readonly hintSeen: boolean;
  /** Of the page, where the monitor offers more than English. */
  readonly language: string;
  /** The columns that this reader chose, by list. */
  readonly columns: Readonly<Record<string, readonly string[]>>;
}

const KEY = "loan-monitor";
const DEFAULTS: Settings = {
  theme: "auto",
  sound: false,
  notices: false,
  hintSeen: false,
  language: "en",
  columns: {},
};

function kept(): Settings {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return DEFAULTS;
  }
}

export const settings = new Store<Settings>(kept());

export function applyTheme(): void {
  const { theme } = settings.get();
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

settings.subscribe(() => {
  applyTheme();
  try {
    localStorage.setItem(KEY, JSON.stringify(settings.get()));
  } catch {
    // A browser that keeps nothing still shows everything.
  }
});
