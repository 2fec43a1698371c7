/** What surrounds every page: where one may go, whether the figures are live, and what this reader chose. */

import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { enableNotices, enableSound } from "../alarm";
import icon from "../icon.svg";
import { live } from "../live/live";
import { useStore } from "../live/store";
import { route, to } from "../router";
import { access, mayAdminister, signOut } from "../session";
import { settings, type Theme } from "../settings";
import { Help } from "./help";
import { Icon } from "./icon";
import { useMenu } from "./narrow";
import { Banner, PulseLamp } from "./pulselamp";

const PAGES: readonly [string, string, string][] = [
  ["", "Overview", to.overview],
  ["alerts", "Alerts", to.alerts],
  ["stress", "Stress", to.stress],
  ["exposure", "Exposure", to.exposure],
  ["prices", "Prices", to.prices],
  ["books", "Books", to.books],
  ["channels", "Channels", to.channels],
  ["import", "Import", to.imports],
  ["proposals", "Proposals", to.proposals],
  ["audit", "Audit", to.audit],
  ["wall", "Wall", to.wall],
];

export function Shell({ children }: { children: ComponentChildren }) {
  const pulse = useStore(live.pulse);
  const isLive = pulse.phase === "live";
  const pinned = useRef<HTMLDivElement>(null);
  usePinnedHeight(pinned);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <div class="pinned" ref={pinned}>
        <header class="top">
          <a class="brand" href={to.overview} aria-label="Loan monitor">
            <img src={icon} alt="" width="24" height="24" />
            <span>Loan monitor</span>
          </a>
          <Pages />
          <PulseLamp pulse={pulse} />
          <Choices />
        </header>
        <Banner pulse={pulse} />
      </div>
      <main id="main" tabIndex={-1} class={isLive ? "" : "old"} data-live={isLive}>
        {children}
      </main>
    </>
  );
}

/** What is pinned above must never cover what has the focus: the page scrolls by so much less. */
function usePinnedHeight(pinned: RefObject<HTMLDivElement | null>): void {
  useEffect(() => {
    const element = pinned.current;
    if (!element) return;
    const size = new ResizeObserver(() =>
      document.documentElement.style.setProperty("--pinned", `${element.offsetHeight}px`),
    );
    size.observe(element);
    return () => size.disconnect();
  }, []);
}

/** The names of the pages: in a line, or in a menu where the line would not hold them. */
function Pages() {
  const { page } = useStore(route);
  const inMenu = useMenu();
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    if (menu.current) menu.current.open = false;
  }, [page]);
  const links = PAGES.filter(([name]) => name !== "audit" || mayAdminister()).map(([name, title, href]) => (
    <a key={name} href={href} aria-current={page === name ? "page" : undefined}>
      {title}
    </a>
  ));
  if (!inMenu) return <nav aria-label="Pages">{links}</nav>;
  return (
    <nav aria-label="Pages">
      <details class="menu" ref={menu} onKeyDown={(e) => closeByKey(e, menu.current)}>
        <summary>{PAGES.find(([name]) => name === page)?.[1] ?? "Pages"}</summary>
        <div>{links}</div>
      </details>
    </nav>
  );
}

function closeByKey(event: KeyboardEvent, menu: HTMLDetailsElement | null): void {
  if (event.key !== "Escape" || !menu) return;
  menu.open = false;
  menu.querySelector("summary")?.focus();
}

const NEXT_THEME: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };

function Choices() {
  const { sound, notices, theme } = useStore(settings);
  const { who, state } = useStore(access);
  const [help, setHelp] = useState(false);
  const [told, setTold] = useState<string | null>(null);
  useEffect(() => {
    const onKey = (e: KeyboardEvent): void => {
      if (e.key === "?" && !(e.target as HTMLElement).closest("input, select, textarea")) setHelp(true);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return (
    <div class="choices">
      <button
        type="button"
        aria-pressed={sound}
        title="Sound for critical alerts"
        onClick={() => void enableSound(!sound)}
      >
        <Icon name={sound ? "bell" : "bell-off"} />
        <span class="hidden">Sound for critical alerts</span>
      </button>
      <button
        type="button"
        aria-pressed={notices}
        title="Desktop notices for critical alerts"
        onClick={() => void enableNotices(!notices).then(setTold)}
      >
        <Icon name={notices ? "notice" : "notice-off"} />
        <span class="hidden">Desktop notices for critical alerts</span>
      </button>
      <button type="button" title={`Colours: ${theme}`} onClick={() => settings.change({ theme: NEXT_THEME[theme] })}>
        <Icon name={theme} />
        <span class="hidden">Colours: {theme}</span>
      </button>
      <button type="button" title="Keys and words (?)" onClick={() => setHelp(true)}>
        <Icon name="help" />
        <span class="hidden">Keys and words</span>
      </button>
      {state === "signed-in" && (
        <button type="button" title={`Signed in as ${who?.name} (${who?.role})`} onClick={() => void signOut()}>
          Sign out
        </button>
      )}
      {told && (
        <p class="failure" role="alert">
          {told}
        </p>
      )}
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}
