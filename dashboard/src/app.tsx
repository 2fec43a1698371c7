/** Which page is shown. */

import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { announce } from "./alarm";
import { whenUnauthorized } from "./api";
import { live } from "./live/live";
import { useStore } from "./live/store";
import { Overview } from "./pages/overview";
import { SignIn } from "./pages/signin";
import { Shell } from "./parts/shell";
import { route } from "./router";
import { access, look } from "./session";
import { say } from "./words/say";

type Load = () => Promise<ComponentType<{ id: string }>>;

/** The first page comes at once; the others when they are looked at. */
const LATER: Readonly<Record<string, Load>> = {
  group: () => import("./pages/group").then((m) => m.GroupPage),
  "what-if": () => import("./pages/whatif").then((m) => m.WhatIfPage),
  statement: () => import("./pages/statement").then((m) => m.StatementPage),
  borrower: () => import("./pages/borrower").then((m) => m.BorrowerPage),
  stress: () => import("./pages/stress").then((m) => m.StressPage),
  alerts: () => import("./pages/alerts").then((m) => m.AlertsPage),
  prices: () => import("./pages/prices").then((m) => m.PricesPage),
  proposals: () => import("./pages/proposals").then((m) => m.ProposalsPage),
  exposure: () => import("./pages/exposure").then((m) => m.ExposurePage),
  books: () => import("./pages/books").then((m) => m.BooksPage),
  import: () => import("./pages/import").then((m) => m.ImportPage),
  channels: () => import("./pages/channels").then((m) => m.ChannelsPage),
  audit: () => import("./pages/audit").then((m) => m.AuditPage),
  wall: () => import("./pages/wall").then((m) => m.WallPage),
};

export function App() {
  const { state } = useStore(access);
  const { page } = useStore(route);
  useEffect(() => {
    whenUnauthorized(() => access.set({ state: "sign-in", who: null }));
    void look();
  }, []);
  const isIn = state === "open" || state === "signed-in";
  useEffect(() => {
    if (!isIn) return;
    live.scoped = Object.keys(access.get().who?.scope ?? {}).length > 0;
    live.onAlert = announce;
    void live.start();
    return () => live.stop();
  }, [isIn]);
  if (state === "sign-in") return <SignIn />;
  if (!isIn) return null;
  // A wall is looked at from across the room: nothing on it can be touched.
  if (page === "wall") return <Current />;
  return (
    <Shell>
      <Current />
    </Shell>
  );
}

/** Another page begins at its top, also for who reads by ear or goes by keyboard. */
function useNewPage(page: string, id: string): void {
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) {
      window.scrollTo(0, 0);
      document.getElementById("main")?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [page, id]);
}

function Current() {
  const { page, id } = useStore(route);
  const [shown, setShown] = useState<{ page: string; Page: ComponentType<{ id: string }> } | null>(null);
  const [failed, setFailed] = useState(false);
  useNewPage(page, id);
  useEffect(() => {
    const load = LATER[page];
    setFailed(false);
    if (load)
      load().then(
        (Page) => setShown({ page, Page }),
        () => setFailed(true),
      );
    document.title = page ? say("pageLoanMonitor", { page: id || page }) : say("loanMonitor");
  }, [page, id]);
  if (!(page in LATER)) return <Overview />;
  if (failed)
    return (
      <p class="failure" role="alert">
        {say("thisPageCouldNot")}
      </p>
    );
  return shown?.page === page ? <shown.Page key={id} id={id} /> : <p class="quiet">{say("loading")}</p>;
}
