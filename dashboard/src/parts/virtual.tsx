/** A long table that draws only the rows in sight. Rows have one height; the place of each is computed. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const BEYOND = 8;

export interface VirtualProps<T> {
  readonly label: string;
  readonly items: readonly T[];
  /** How many there are in all, or null where it is not known. */
  readonly total: number | null;
  readonly keyOf: (item: T) => string;
  readonly rowHeight: number;
  readonly head: ComponentChildren;
  readonly row: (item: T) => ComponentChildren;
  readonly rowClass: (item: T, index: number) => string;
  /** The widths of the columns, as a grid has them. */
  readonly widths: string;
  /** The last drawn row came near the end: more are wanted. */
  readonly onEnd: () => void;
  /** The rows in sight, for the code that keeps them fresh. */
  readonly onSight?: (first: number, last: number) => void;
}

export function Virtual<T>(props: VirtualProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [sight, setSight] = useState({ top: 0, height: 600 });
  const { items, rowHeight } = props;
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const look = (): void => setSight({ top: element.scrollTop, height: element.clientHeight });
    let frame = 0;
    const later = (): void => {
      window.cancelAnimationFrame(frame);
      frame = window.requestAnimationFrame(look);
    };
    look();
    element.addEventListener("scroll", later, { passive: true });
    const size = new ResizeObserver(later);
    size.observe(element);
    return () => {
      element.removeEventListener("scroll", later);
      size.disconnect();
      window.cancelAnimationFrame(frame);
    };
  }, []);
  const first = Math.max(0, Math.min(items.length - 1, Math.floor(sight.top / rowHeight) - BEYOND));
  const last = Math.min(items.length, Math.ceil((sight.top + sight.height) / rowHeight) + BEYOND);
  useEffect(() => {
    props.onSight?.(first, last);
    if (last >= items.length - 2 * BEYOND) props.onEnd();
  }, [first, last, items.length]);
  return (
    <div
      class="virtual"
      ref={box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      role="table"
      aria-label={props.label}
      aria-rowcount={props.total ?? -1}
      style={{ "--columns": props.widths }}
    >
      <div class="vhead" role="rowgroup">
        <div class="vrow" role="row" aria-rowindex={1}>
          {props.head}
        </div>
      </div>
      <div class="vbody" role="rowgroup" style={{ height: `${items.length * rowHeight}px` }}>
        {items.slice(first, last).map((item, i) => (
          <div
            key={props.keyOf(item)}
            class={`vrow ${props.rowClass(item, first + i)}`}
            role="row"
            aria-rowindex={first + i + 2}
            style={{ transform: `translateY(${(first + i) * rowHeight}px)`, height: `${rowHeight}px` }}
          >
            {props.row(item)}
          </div>
        ))}
      </div>
    </div>
  );
}
