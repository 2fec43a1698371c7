/** Columns of a list, which a reader chooses and a browser remembers; the same columns are what is saved as CSV. */

import type { ComponentChildren } from "preact";
import { useStore } from "../live/store";
import { settings } from "../settings";
import { say } from "../words/say";
import { Scroll } from "./figures";

export interface Column<T> {
  readonly key: string;
  readonly name: string;
  readonly show: (row: T) => ComponentChildren;
  /** For a file: every digit, times in UTC. */
  readonly text: (row: T) => string | null | undefined;
  readonly right?: boolean;
  readonly wrap?: boolean;
  /** Not shown until it is chosen. */
  readonly extra?: boolean;
}

/** The columns of a list that this reader sees, in their order. */
export function useColumns<T>(list: string, all: readonly Column<T>[]): readonly Column<T>[] {
  const { columns } = useStore(settings);
  const chosen = columns[list];
  return all.filter((c) => (chosen ? chosen.includes(c.key) : !c.extra));
}

export function ChooseColumns(props: {
  readonly list: string;
  readonly all: readonly { readonly key: string; readonly name: string; readonly extra?: boolean }[];
}) {
  const { list, all } = props;
  const { columns } = useStore(settings);
  const chosen = columns[list] ?? all.filter((c) => !c.extra).map((c) => c.key);
  const turn = (key: string): void => {
    const now = chosen.includes(key) ? chosen.filter((k) => k !== key) : [...chosen, key];
    // A list without any column would be no list.
    if (now.length) settings.change({ columns: { ...columns, [list]: now } });
  };
  return (
    <details class="menu chooser">
      <summary>{say("columns")}</summary>
      <fieldset>
        <legend class="hidden">{say("columnsOfThisList")}</legend>
        {all.map((c) => (
          <label key={c.key}>
            <input type="checkbox" checked={chosen.includes(c.key)} onChange={() => turn(c.key)} /> {c.name}
          </label>
        ))}
      </fieldset>
    </details>
  );
}

export function ListTable<T>(props: {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  readonly rowClass?: (row: T) => string;
  readonly class?: string;
  /** A button at the end of each row, and what it opens below the row. */
  readonly end?: (row: T) => ComponentChildren;
  readonly below?: (row: T) => ComponentChildren;
}) {
  const { columns } = props;
  return (
    <Scroll label={props.label} high>
      <table class={props.class}>
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c.key} class={c.right ? "right" : ""}>
                {c.name}
              </th>
            ))}
            {props.end && (
              <th>
                <span class="hidden">{say("more")}</span>
              </th>
            )}
          </tr>
        </thead>
        {props.rows.map((row) => {
          const below = props.below?.(row);
          return (
            <tbody key={props.keyOf(row)}>
              <tr class={props.rowClass?.(row)}>
                {columns.map((c) => (
                  <td key={c.key} class={`${c.right ? "right num" : ""} ${c.wrap ? "wrap" : ""}`}>
                    {c.show(row)}
                  </td>
                ))}
                {props.end && <td>{props.end(row)}</td>}
              </tr>
              {below && (
                <tr>
                  <td colSpan={columns.length + (props.end ? 1 : 0)} class="wrap">
                    {below}
                  </td>
                </tr>
              )}
            </tbody>
          );
        })}
      </table>
    </Scroll>
  );
}
