/** Saves a list as CSV: all of it, page by page, with the columns that the reader chose. */

import { useRef, useState } from "preact/hooks";
import { ApiError } from "../api";
import { csv, fileName, saveText } from "../export";
import { say } from "../words/say";
import type { Column } from "./columns";
import { count } from "./figures";

/** More rows than this are no table that a person reads, and would fill the memory of the browser. */
const MOST = 200_000;

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | number | null;
}

export function SaveList<T>(props: {
  readonly name: string;
  readonly columns: readonly Column<T>[];
  readonly read: (after: string | number | null) => Promise<Page<T>>;
}) {
  const [done, setDone] = useState<number | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const stopped = useRef(false);
  const save = async (): Promise<void> => {
    setError(null);
    stopped.current = false;
    const rows: (string | null | undefined)[][] = [];
    try {
      let after: string | number | null = null;
      do {
        setDone(rows.length);
        const page: Page<T> = await props.read(after);
        for (const item of page.items) rows.push(props.columns.map((c) => c.text(item)));
        after = page.next;
      } while (after !== null && rows.length < MOST && !stopped.current);
      if (!stopped.current) {
        const names = props.columns.map((c) => c.name);
        saveText(`${fileName(props.name, new Date().toISOString().slice(0, 16))}.csv`, csv(names, rows));
      }
    } catch (e) {
      setError(e instanceof ApiError ? e : new ApiError(0, "error", String(e)));
    }
    setDone(null);
  };
  return (
    <>
      {done === null ? (
        <button type="button" onClick={() => void save()}>
          {say("saveAsCsv")}
        </button>
      ) : (
        <button
          type="button"
          onClick={() => {
            stopped.current = true;
          }}
        >
          {say("stopCountRead", { count: count(done) })}
        </button>
      )}
      {error && (
        <p class="failure" role="alert">
          {error.message}
        </p>
      )}
    </>
  );
}
