/** What is not known or not in order, on the first page: how many loans nobody watches, and what else waits to be mended. */

import { live } from "../live/live";
import { useStore } from "../live/store";
import { to } from "../router";
import { many } from "./figures";

export function NotInOrder() {
  const counts = useStore(live.counts);
  const status = useStore(live.status);
  const unwatched = counts?.unwatched ?? 0;
  const things = (status?.degraded ?? []).reduce((sum, each) => sum + (each.count ?? 1), 0);
  if (!unwatched && !things) return null;
  return (
    <p class="notinorder" role="status">
      <a href={to.books}>
        {unwatched > 0 && <strong>{`${many(unwatched, "notWatched")} `}</strong>}
        {many(things, "notInOrder")}
      </a>
    </p>
  );
}
