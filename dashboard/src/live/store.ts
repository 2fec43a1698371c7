/** A value that parts of the page follow. */

import { useEffect, useState } from "preact/hooks";

export class Store<T> {
  private listeners = new Set<() => void>();

  constructor(private value: T) {}

  get(): T {
    return this.value;
  }

  set(value: T): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const listener of [...this.listeners]) listener();
  }

  change(part: Partial<T>): void {
    this.set({ ...this.value, ...part });
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/** What `select` says of the store; the part is drawn again only when that is another value. */
export function useStore<T, S = T>(store: Store<T>, select: (value: T) => S = (value) => value as unknown as S): S {
  const selected = select(store.get());
  const [, draw] = useState(0);
  useEffect(() => {
    let shown = select(store.get());
    return store.subscribe(() => {
      const now = select(store.get());
      if (!Object.is(now, shown)) {
        shown = now;
        draw((n) => n + 1);
      }
    });
  }, [store]);
  return selected;
}

/** The time, once a second: for ages and countdowns. */
export const clock = new Store(Date.now());
setInterval(() => clock.set(Date.now()), 1000);
