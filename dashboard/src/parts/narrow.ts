/** Whether the screen is too narrow for a table: rows become cards of another height. */

import { useEffect, useState } from "preact/hooks";

const query = window.matchMedia("(max-width: 719px)");

export function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const look = (): void => setNarrow(query.matches);
    query.addEventListener("change", look);
    return () => query.removeEventListener("change", look);
  }, []);
  return narrow;
}
