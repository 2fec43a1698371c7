/** How wide the screen is, where that changes what is drawn and not only how. */

import { useEffect, useState } from "preact/hooks";

const CARDS = "(max-width: 719px)";
const MENU = "(max-width: 1179px)";

/** Too narrow for a table: rows become cards of another height. */
export function useNarrow(): boolean {
  return useMedia(CARDS);
}

/** Too narrow for the names of all pages in one line: they go into a menu. */
export function useMenu(): boolean {
  return useMedia(MENU);
}

function useMedia(condition: string): boolean {
  const [matches, setMatches] = useState(() => window.matchMedia(condition).matches);
  useEffect(() => {
    const query = window.matchMedia(condition);
    const look = (): void => setMatches(query.matches);
    query.addEventListener("change", look);
    return () => query.removeEventListener("change", look);
  }, [condition]);
  return matches;
}
