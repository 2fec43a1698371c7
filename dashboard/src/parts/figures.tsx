/** Figures, times and states as every page shows them. The exact text is always at hand in the title. */

import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";
import type { Severity } from "../alerts.generated";
import type { AlertData, PinnedShown } from "../answers.generated";
import { Numbers } from "../format/decimal";
import { inZone, rough, span, Times, utc } from "../format/time";
import { daemonNow } from "../live/live";
import { clock, useStore } from "../live/store";
import { access } from "../session";
import { capital, plural, say, type Thing, term, titleOf, type Values } from "../words/say";
import { useNamedCells } from "./cards";
import { useNarrow } from "./narrow";

export const numbers = new Numbers();
export const times = new Times();

interface Figure {
  value: string | null | undefined;
}

const NONE = <span class="none">–</span>;

export function Usd({ value, places = 0 }: Figure & { places?: number }) {
  if (value == null) return NONE;
  return (
    <span class="num" title={`${value} USD`}>
      {numbers.usd(value, places)}
    </span>
  );
}

export function ShortUsd({ value }: Figure) {
  if (value == null) return NONE;
  return (
    <span class="num" title={`${value} USD`}>
      {numbers.short(value)}
    </span>
  );
}

/** A ratio such as an LTV, in percent; `lines` are those of its group. */
export function Share({
  value,
  places = 2,
  lines,
}: Figure & { places?: number; lines?: Readonly<Record<string, string>> }) {
  if (value == null) return NONE;
  return (
    <span class="num" title={value}>
      {numbers.percent(value, places, lines && Object.values(lines))}
    </span>
  );
}

/** The figure of an alert: its LTV in percent, or the level of a product that is judged by one, with its name. */
export function alertFigure(data: AlertData): string | null {
  const lines = Object.values(data.thresholds ?? {});
  const level = data.metric === "health_factor" ? data.health_factor : data.metric ? data.margin_level : null;
  if (data.metric && level) return `${words(data.metric)} ${numbers.level(level, 4, lines)}`;
  return data.ltv ? numbers.percent(data.ltv, 2, data.metric ? undefined : lines) : null;
}

export function Quantity({ value, unit, places }: Figure & { unit?: string; places?: number }) {
  if (value == null) return NONE;
  return (
    <span class="num" title={value}>
      {numbers.exact(value, places)}
      {unit && <small> {unit}</small>}
    </span>
  );
}

/** Local time, UTC on hover. */
export function Time({ at }: { at: string | number | null | undefined }) {
  if (at == null) return NONE;
  return (
    <time dateTime={new Date(at).toISOString()} title={say("atShownInZone", { at: utc(at), zone: times.zone })}>
      {times.short(at, Date.now())}
    </time>
  );
}

/** How long ago, growing by itself. */
export function Age({ at }: { at: string | null | undefined }) {
  const now = useStore(clock);
  if (at == null) return NONE;
  return <span title={utc(at)}>{rough(Math.max(0, daemonNow(now) - Date.parse(at)))}</span>;
}

/** How old a price is by the exchange's own time; a clock that is ahead is shown as ahead. */
export function ExchangeAge({ at }: { at: string | null | undefined }) {
  const now = useStore(clock);
  if (at == null) return <span title={say("theVenueSendsNo")}>{say("noTime")}</span>;
  const age = daemonNow(now) - Date.parse(at);
  return <span title={utc(at)}>{age < -1000 ? say("ageAhead", { age: rough(-age) }) : rough(Math.max(0, age))}</span>;
}

export function Countdown({ at }: { at: string }) {
  const now = useStore(clock);
  const left = Date.parse(at) - daemonNow(now);
  return (
    <time dateTime={at} title={utc(at)} class={`num countdown ${left < 3600_000 ? "soon" : ""}`}>
      {left > 0 ? span(left) : say("passed")}
    </time>
  );
}

/** A deadline that nobody may read in the wrong zone: how long is left, the desk's time, and UTC beside it. */
export function Deadline({ at }: { at: string }) {
  const zone = useStore(access).who?.zone;
  return (
    <>
      <Countdown at={at} />{" "}
      <small class="num">
        {zone && `${inZone(at, zone)}, `}
        {utc(at).slice(0, 16)} UTC
      </small>
    </>
  );
}

export function StagePill({ stage }: { stage: string | null }) {
  return <span class={`pill stage-${stage}`}>{stage ? stageName(stage) : "–"}</span>;
}

export function SeverityPill({ severity }: { severity: Severity }) {
  return <span class={`pill severity-${severity}`}>{term(severity)}</span>;
}

export function TrustPill({ trust, reason }: { trust: string; reason?: string | null }) {
  return (
    <span class={`pill trust-${trust}`} title={reason ?? undefined}>
      {term(trust)}
    </span>
  );
}

/** The price is an operator's: who pinned it, until when, and why. */
export function PinnedPill({ by }: { by: PinnedShown | undefined }) {
  if (!by) return null;
  return (
    <span class="pill ack" title={say("byUntilUntilReason", { by: by.by, until: utc(by.until), reason: by.reason })}>
      {say("pinned")}
    </span>
  );
}

/** `1 group`, `2,000 groups`: the form that the reader's language has for so many. */
export function many(number: number, of: Thing, values: Values = {}): string {
  return plural(of, number, { ...values, n: count(number) });
}

/** A count, in the reader's figures. */
export function count(number: number): string {
  return numbers.exact(String(number));
}

/** A name of the monitor's, such as of a line, a state or a product, in words. */
export function words(name: string): string {
  return term(name);
}

export function stageName(stage: string): string {
  return capital(term(stage));
}

/** What an alert says in a few words; a type that this page does not know is spelled out. */
export function alertTitle(type: string): string {
  return titleOf(type) ?? words(type.replaceAll(".", " "));
}

export function Panel(props: {
  title: string;
  children: ComponentChildren;
  aside?: ComponentChildren;
  class?: string;
  /** What it is of, where a page has several panels of this title. */
  of?: string;
}) {
  const id = useId();
  return (
    <section class={`panel ${props.class ?? ""}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>
          {props.title}
          {props.of && <span class="hidden"> {say("ofProps", { props: props.of })}</span>}
        </h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}

interface Scrolled {
  readonly label: string;
  readonly children: ComponentChildren;
  readonly high?: boolean;
  /** The table stays one on a narrow screen, as it fits there or is a map. */
  readonly whole?: boolean;
}

/** A table that scrolls by itself, and by keyboard; on a narrow screen its rows are cards. */
export function Scroll({ label, children, high, whole }: Scrolled) {
  const box = useRef<HTMLDivElement>(null);
  useNamedCells(box, useNarrow() && !whole);
  return (
    <div
      class={`scroll ${high ? "high" : ""} ${whole ? "" : "cards"}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      // Not a landmark of its own: the panel around it is one, often of the same name.
      role="group"
      aria-label={label}
      ref={box}
    >
      {children}
    </div>
  );
}
