/** What a page asks for again and again. A failure keeps what was there, and says that it is old. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get } from "../api";

export interface Polled<T> {
  readonly data: T | null;
  /** When `data` came, by this machine's clock. */
  readonly at: number;
  readonly error: ApiError | null;
  readonly again: () => void;
}

const NOTHING = { data: null, at: 0, error: null };

/** Asks for `path` now and then every `everyMs` while the page is looked at (0: once). A null path asks for nothing. */
export function usePolled<T>(path: string | null, everyMs: number, trigger: unknown = null): Polled<T> {
  const [state, setState] = useState<Omit<Polled<T>, "again"> & { path: string | null }>({ ...NOTHING, path });
  const ask = useRef<() => void>(() => {});
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    let timer = 0;
    let busy = false;
    let wanted = false;
    const look = async (): Promise<void> => {
      if (busy) {
        wanted = true;
        return;
      }
      busy = true;
      window.clearTimeout(timer);
      try {
        const data = await get<T>(path, stop.signal);
        setState({ data, at: Date.now(), error: null, path });
      } catch (e) {
        if (stop.signal.aborted) return;
        const error = e instanceof ApiError ? e : new ApiError(0, "error", String(e));
        setState((old) => (old.path === path ? { ...old, error } : { ...NOTHING, error, path }));
      }
      busy = false;
      // One more look where something moved meanwhile, but no more than one in flight.
      if (everyMs || wanted) timer = window.setTimeout(tick, wanted ? 500 : everyMs);
      wanted = false;
    };
    const tick = (): void => {
      if (document.visibilityState === "visible") void look();
      else timer = window.setTimeout(tick, 1000);
    };
    ask.current = () => void look();
    void look();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
    };
  }, [path, everyMs]);
  useEffect(() => {
    if (trigger !== null) ask.current();
  }, [trigger]);
  const known = state.path === path ? state : { ...NOTHING, path };
  return { data: known.data, at: known.at, error: known.error, again: () => ask.current() };
}
