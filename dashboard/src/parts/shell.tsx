/** What surrounds every page: where one may go, whether the figures are live, and what this reader chose. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { enableNotices, enableSound } from "../alarm";
import { rough } from "../format/time";
import icon from "../icon.svg";
import { live } from "../live/live";
import type { Pulse } from "../live/pulse";
import { clock, useStore } from "../live/store";
import { route, to } from "../router";
import { access, signOut } from "../session";
import { settings, type Theme } from "../settings";
import { times } from "./figures";
import { Help } from "./help";
import { Icon } from "./icon";

const PAGES: readonly [string, string, string][] = [
  ["", "Overview", to.overview],
  ["alerts", "Alerts", to.alerts],
  ["stress", "Stress", to.stress],
  ["exposure", "Exposure", to.exposure],
  ["prices", "Prices", to.prices],
  ["books", "Books", to.books],
  ["import", "Import", to.imports],
  ["proposals", "Proposals", to.proposals],
];

export function Shell({ children }: { children: ComponentChildren }) {
  const { page } = useStore(route);
  const pulse = useStore(live.pulse);
  const isLive = pulse.phase === "live";
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <a class="brand" href={to.overview} aria-label="Loan monitor">
          <img src={icon} alt="" width="24" height="24" />
          <span>Loan monitor</span>
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([name, title, href]) => (
            <a key={name} href={href} aria-current={page === name ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <PulseLamp pulse={pulse} />
        <Choices />
      </header>
      <Banner pulse={pulse} />
      <main id="main" tabIndex={-1} class={isLive ? "" : "old"} data-live={isLive}>
        {children}
      </main>
    </>
  );
}

function PulseLamp({ pulse }: { pulse: Pulse }) {
  const now = useStore(clock);
  const names = { connecting: "Connecting", live: "Live", quiet: "Quiet", cut: "Cut off", refused: "Refused" };
  return (
    <span class={`lamp ${pulse.phase}`} role="status" title={`All times are shown in ${times.zone}`}>
      <i aria-hidden="true" />
      {names[pulse.phase]}
      <time class="num" aria-hidden="true">
        {times.clockOf(now)}
      </time>
    </span>
  );
}

/** Why what is shown may be wrong: the line, or the monitor itself. */
function Banner({ pulse }: { pulse: Pulse }) {
  const status = useStore(live.status);
  const now = useStore(clock);
  if (pulse.phase === "cut" || pulse.phase === "quiet") {
    const since = pulse.heard ? `These figures are ${rough(now - pulse.heard)} old and not live: ` : "";
    return (
      <p class="banner bad" role="alert">
        {since}
        {pulse.reason}. Trying again.
      </p>
    );
  }
  const reasons = Object.entries(status?.reasons ?? {});
  if (!reasons.length) return null;
  return (
    <p class="banner bad" role="alert">
      The monitor is not ready. {reasons.map(([part, text]) => (text ? `${part}: ${text}` : part)).join("; ")}
    </p>
  );
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
