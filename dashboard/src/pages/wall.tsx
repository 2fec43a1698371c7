/** The wall: one dark picture for a large screen that nobody touches. Worst groups, deadlines, prices, feeds, channels. */

import { useEffect, useRef, useState } from "preact/hooks";
import { STAGES } from "../alerts.generated";
import type { ChannelItem, ChannelList, GroupRow } from "../answers.generated";
import { EVERY_GROUP, live } from "../live/live";
import { usePolled } from "../live/polled";
import { ordered } from "../live/rows";
import { clock, useStore } from "../live/store";
import { stateOf } from "../parts/channelstate";
import {
  alertTitle,
  Countdown,
  count,
  numbers,
  ShortUsd,
  StagePill,
  stageName,
  Time,
  times,
  words,
} from "../parts/figures";
import { LevelText, LtvBar } from "../parts/ltvbar";
import { Banner, PulseLamp } from "../parts/pulselamp";
import { to } from "../router";
import { applyTheme } from "../settings";
import { say, term } from "../words/say";

/** Read from across a room: a row is so high, in CSS pixels. */
const ROW_PX = 56;
const DEADLINES = 8;
const ALERTS = 6;

export function WallPage() {
  const pulse = useStore(live.pulse);
  const isLive = pulse.phase === "live";
  useEffect(() => {
    // Whoever looked at a part of the book before: the wall shows all of it.
    live.show(EVERY_GROUP);
    // A large bright screen in a room tires everybody: the wall is dark whatever the reader chose.
    document.documentElement.dataset.theme = "dark";
    return applyTheme;
  }, []);
  return (
    <main id="main" tabIndex={-1} class="wall" data-live={isLive}>
      <header class="walltop">
        <h1>
          <a href={to.overview}>{say("loanMonitor")}</a>
        </h1>
        <PulseLamp pulse={pulse} />
        <Clock />
      </header>
      <Banner pulse={pulse} />
      <div class={`wallbody ${isLive ? "" : "old"}`}>
        <Stages />
        <div class="wallgrid">
          <Worst />
          <div class="wallside">
            <Deadlines />
            <Health />
            <Said />
          </div>
        </div>
      </div>
    </main>
  );
}

function Clock() {
  const now = useStore(clock);
  return (
    <time class="num wallclock" dateTime={new Date(now).toISOString()}>
      {times.clockOf(now)} <small>{times.zone}</small>
    </time>
  );
}

function Stages() {
  const counts = useStore(live.counts);
  return (
    <dl class="wallstages">
      {STAGES.map((stage) => (
        <div key={stage} class={`tile stage-${stage} ${counts?.stages[stage] ? "" : "zero"}`}>
          <dt class="name">{stageName(stage)}</dt>
          <dd>
            <span class="count num">{counts ? count(counts.stages[stage]) : "…"}</span>{" "}
            <span class="sum">{counts && <ShortUsd value={counts.debt_usd[stage]} />}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** As many of the worst as the screen holds: nobody scrolls a wall. */
function Worst() {
  const rows = useStore(live.rows);
  const counts = useStore(live.counts);
  const box = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(10);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const size = new ResizeObserver(() => setRoom(Math.max(3, Math.floor(element.clientHeight / ROW_PX))));
    size.observe(element);
    return () => size.disconnect();
  }, []);
  const worst = ordered(rows.byId.values(), "ltv").slice(0, room);
  const left = (counts?.total ?? 0) - worst.length;
  return (
    <section class="panel" aria-labelledby="wall-worst">
      <header>
        <h2 id="wall-worst">{say("worstGroups")}</h2>
        <small>{left > 0 ? say("andLeftMore", { left: count(left) }) : ""}</small>
      </header>
      <div class="wallrows" ref={box}>
        {worst.map((group) => (
          <WallRow key={group.id} group={group} />
        ))}
        {rows.complete && !worst.length && <p class="empty">{say("thereIsNoGroup2")}</p>}
      </div>
    </section>
  );
}

function WallRow({ group: g }: { group: GroupRow }) {
  return (
    <div class={`wallrow stage-${g.stage}`}>
      <span class="wallid">
        {g.id}
        <small>{g.labels.borrower ?? ""}</small>
      </span>
      <StagePill stage={g.stage} />
      <strong>
        <LevelText group={g} />
      </strong>
      <LtvBar group={g} />
      <span class="num wallnext">
        {g.next_line
          ? say("distancepercentToName", {
              distancePercent: numbers.exact(g.next_line.distance_percent, 2, true),
              name: words(g.next_line.name),
            })
          : "–"}
      </span>
      <ShortUsd value={g.debt_usd} />
    </div>
  );
}

function Deadlines() {
  const rows = useStore(live.rows);
  const due = ordered(rows.byId.values(), "deadline").filter((g) => g.deadline !== null);
  return (
    <section class="panel" aria-labelledby="wall-deadlines">
      <header>
        <h2 id="wall-deadlines">{say("deadlines")}</h2>
        <small>
          {due.length > DEADLINES ? say("theNextDeadlinesOf", { deadlines: DEADLINES, count: count(due.length) }) : ""}
        </small>
      </header>
      {due.length ? (
        <ul class="walllist">
          {due.slice(0, DEADLINES).map((g) => (
            <li key={g.id}>
              <span>{g.id}</span>
              <strong>{g.deadline && <Countdown at={g.deadline} />}</strong>
            </li>
          ))}
        </ul>
      ) : (
        <p class="quiet">{say("noClockRuns")}</p>
      )}
    </section>
  );
}

/** What the figures rest on: the worst first, each in words. */
function Health() {
  const status = useStore(live.status);
  const prices = useStore(live.prices);
  const channels = usePolled<ChannelList>("/v1/channels?limit=1000", 5000);
  const feeds = Object.entries(status?.feeds ?? {});
  const cutOff = feeds.filter(([, connected]) => !connected).map(([name]) => name);
  const bad = [...prices.values()].filter((p) => p.trust !== "good");
  const failing = (channels.data?.items ?? []).filter((c) => stateOf(c)[0] === "bad");
  return (
    <section class="panel" aria-labelledby="wall-health">
      <header>
        <h2 id="wall-health">{say("feedsPricesChannels")}</h2>
      </header>
      <ul class="walllist">
        <Line name={say("feeds")} bad={cutOff.length > 0 || !feeds.length}>
          {!feeds.length
            ? say("none")
            : cutOff.length
              ? say("cutOffCutoff", { cutOff: cutOff.join(", ") })
              : say("countConnected", { count: count(feeds.length) })}
        </Line>
        <Line name={say("prices")} bad={bad.length > 0}>
          {bad.length
            ? bad
                .slice(0, 5)
                .map((p) => `${p.asset} ${term(p.trust)}`)
                .join(", ")
            : say("sizeTrusted", { size: prices.size })}
        </Line>
        <Line name={say("channels")} bad={failing.length > 0 || channels.error !== null}>
          {channels.error ? channels.error.message : channelWords(channels.data?.items ?? [], failing)}
        </Line>
      </ul>
    </section>
  );
}

function channelWords(all: readonly ChannelItem[], failing: readonly ChannelItem[]): string {
  if (failing.length) return failing.map((c) => `${c.name} ${stateOf(c)[1]}`).join(", ");
  return all.length ? say("countSending", { count: count(all.length) }) : say("none");
}

function Line({ name, bad, children }: { name: string; bad: boolean; children: preact.ComponentChildren }) {
  return (
    <li>
      <span>{name}</span>
      <span class={`pill wrapped ${bad ? "bad" : "good"}`}>{children}</span>
    </li>
  );
}

function Said() {
  const alerts = useStore(live.alerts);
  return (
    <section class="panel" aria-labelledby="wall-said">
      <header>
        <h2 id="wall-said">{say("newestAlerts")}</h2>
      </header>
      <ul class="walllist">
        {alerts.slice(0, ALERTS).map(({ type, timestamp, data }) => (
          <li key={data.id} class={`severity-${data.severity}`}>
            <span>
              {alertTitle(type)} <small>{data.group?.id ?? data.subject}</small>
            </span>
            <Time at={timestamp} />
          </li>
        ))}
      </ul>
      {!alerts.length && <p class="quiet">{say("noAlertYet")}</p>}
    </section>
  );
}
