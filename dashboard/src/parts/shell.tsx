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
import { say } from "../words/say";
import { Help } from "./help";
import { Icon } from "./icon";
import { Language } from "./language";
import { useMenu } from "./narrow";
import { Banner, PulseLamp } from "./pulselamp";

const PAGES: readonly [string, string, string][] = [
  ["", say("overview"), to.overview],
  ["alerts", say("alerts"), to.alerts],
  ["stress", say("stress"), to.stress],
  ["exposure", say("exposure"), to.exposure],
  ["prices", say("prices"), to.prices],
  ["books", say("books"), to.books],
  ["channels", say("channels"), to.channels],
  ["import", say("import"), to.imports],
  ["proposals", say("proposals2"), to.proposals],
  ["audit", say("audit"), to.audit],
  ["wall", say("wall"), to.wall],
];

export function Shell({ children }: { children: ComponentChildren }) {
  const pulse = useStore(live.pulse);
  const isLive = pulse.phase === "live";
  const pinned = useRef<HTMLDivElement>(null);
  usePinnedHeight(pinned);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        {say("skipToTheContent")}
      </button>
      <div class="pinned" ref={pinned}>
        <header class="top">
          <a class="brand" href={to.overview} aria-label={say("loanMonitor")}>
            <img src={icon} alt="" width="24" height="24" />
            <span>{say("loanMonitor")}</span>
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
  if (!inMenu) return <nav aria-label={say("pages")}>{links}</nav>;
  return (
    <nav aria-label={say("pages")}>
      <details class="menu" ref={menu} onKeyDown={(e) => closeByKey(e, menu.current)}>
        <summary>{PAGES.find(([name]) => name === page)?.[1] ?? say("pages")}</summary>
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
        title={say("soundForCriticalAlerts")}
        onClick={() => void enableSound(!sound)}
      >
        <Icon name={sound ? "bell" : "bell-off"} />
        <span class="hidden">{say("soundForCriticalAlerts")}</span>
      </button>
      <button
        type="button"
        aria-pressed={notices}
        title={say("desktopNoticesForCritical")}
        onClick={() => void enableNotices(!notices).then(setTold)}
      >
        <Icon name={notices ? "notice" : "notice-off"} />
        <span class="hidden">{say("desktopNoticesForCritical")}</span>
      </button>
      <button
        type="button"
        title={say("coloursTheme", { theme })}
        onClick={() => settings.change({ theme: NEXT_THEME[theme] })}
      >
        <Icon name={theme} />
        <span class="hidden">{say("coloursTheme", { theme })}</span>
      </button>
      <button type="button" title={say("keysAndWords2")} onClick={() => setHelp(true)}>
        <Icon name="help" />
        <span class="hidden">{say("keysAndWords")}</span>
      </button>
      <Language />
      {state === "signed-in" && (
        <button
          type="button"
          title={say("signedInAsName", { name: who?.name, role: who?.role })}
          onClick={() => void signOut()}
        >
          {say("signOut")}
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
