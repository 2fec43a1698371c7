/** On a narrow screen each row of a table is a card. Every cell then says by itself which column it is of. */

import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

/** Names the cells below an element, as long as `on`; rows that come later too. */
export function useNamedCells(box: RefObject<HTMLElement | null>, on: boolean): void {
  useEffect(() => {
    const element = box.current;
    if (!element || !on) return;
    const name = (): void => {
      for (const table of element.querySelectorAll("table")) nameCells(table);
    };
    name();
    const watch = new MutationObserver(name);
    watch.observe(element, { childList: true, subtree: true });
    return () => watch.disconnect();
  }, [on]);
}

function nameCells(table: HTMLTableElement): void {
  const names = [...(table.tHead?.rows[0]?.cells ?? [])].map((cell) => cell.textContent?.trim() ?? "");
  for (const row of table.rows) {
    if (row.parentElement === table.tHead) continue;
    let column = 0;
    for (const cell of row.cells) {
      // What stretches over columns is of none of them.
      if (cell.colSpan === 1) cell.dataset.name = names[column] ?? "";
      column += cell.colSpan;
    }
  }
}
