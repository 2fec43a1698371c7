/** Pages by the part of the address behind `#`: a reload or a link shows the same page, and no server has to know. */

import { Store } from "./live/store";

export interface Route {
  readonly page: string;
  readonly id: string;
}

export function parse(hash: string): Route {
  const [page = "", ...rest] = hash.replace(/^#\/?/, "").split("/");
  let id = rest.join("/");
  try {
    id = decodeURIComponent(id);
  } catch {
    // A hand-made address; it is taken as it is.
  }
  return { page, id };
}

export const route = new Store<Route>(parse(location.hash));

window.addEventListener("hashchange", () => route.set(parse(location.hash)));

export const to = {
  overview: "#/",
  group: (id: string) => `#/group/${encodeURIComponent(id)}`,
  whatIf: (id: string) => `#/what-if/${encodeURIComponent(id)}`,
  statement: (id: string) => `#/statement/${encodeURIComponent(id)}`,
  borrower: (id: string) => `#/borrower/${encodeURIComponent(id)}`,
  stress: "#/stress",
  alerts: "#/alerts",
  prices: "#/prices",
  exposure: "#/exposure",
  imports: "#/import",
  proposals: "#/proposals",
  books: "#/books",
  channels: "#/channels",
  audit: "#/audit",
  wall: "#/wall",
};
