/** Which prices may be believed, what the feeds do, and whether the channels deliver. */

import { live } from "../live/live";
import { usePolled } from "../live/polled";
import { useStore } from "../live/store";
import { Age, numbers, Panel, Scroll, TrustPill, Usd } from "../parts/figures";
import { Cell, type Item } from "../parts/generic";
import { Fresh } from "../parts/notices";
import type { Feed, Page, Price, Status } from "../types";

const BAD_FIRST: readonly string[] = ["missing", "suspect", "stale", "good"];

export function PricesPage() {
  const status = usePolled<Status>("/v1/status", 2000);
  const channels = usePolled<Page<Item>>("/v1/channels", 3000);
  const feeds = usePolled<Page<Item>>("/v1/feeds", 3000);
  return (
    <article>
      <header class="pagehead">
        <h1>Prices and channels</h1>
      </header>
      <div class="grid">
        <Prices />
        <Panel title="Feeds" class="wide">
          {feeds.error?.isAbsent ? (
            <Fresh of={status} what="feeds">
              {(s) => <Feeds feeds={s.feeds} />}
            </Fresh>
          ) : (
            <Fresh of={feeds} what="feeds">
              {(page) => <Items items={page.items} label="Feeds" />}
            </Fresh>
          )}
        </Panel>
        <Panel title="Channels" class="wide">
          {channels.error?.isAbsent ? (
            <Fresh of={status} what="channels">
              {(s) => <Channels oldest={s.oldest_undelivered_s} />}
            </Fresh>
          ) : (
            <Fresh of={channels} what="channels">
              {(page) => <Items items={page.items} label="Channels" />}
            </Fresh>
          )}
        </Panel>
      </div>
    </article>
  );
}

function Prices() {
  const prices = useStore(live.prices);
  const shown = [...prices.values()].sort(
    (a, b) => BAD_FIRST.indexOf(a.trust) - BAD_FIRST.indexOf(b.trust) || (a.asset < b.asset ? -1 : 1),
  );
  const bad = shown.filter((p) => p.trust !== "good").length;
  return (
    <Panel
      title="Prices"
      class="wide"
      aside={<small>{bad ? `${bad} of ${shown.length} not trusted` : `${shown.length}, all trusted`}</small>}
    >
      {shown.length ? (
        <Scroll label="Prices">
          <table>
            <thead>
              <tr>
                <th>Asset</th>
                <th class="right">Price</th>
                <th>Trust</th>
                {bad > 0 && <th>Why</th>}
                <th>Source</th>
                <th class="right">Quoted as</th>
                <th class="right">Received</th>
                <th class="right">Last change</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((p) => (
                <PriceRow key={p.asset} price={p} withReason={bad > 0} />
              ))}
            </tbody>
          </table>
        </Scroll>
      ) : (
        <p class="empty">No price came yet.</p>
      )}
    </Panel>
  );
}

/** A price that is not trusted is the last one that was: it must not look like today's. */
function PriceRow({ price: p, withReason }: { price: Price; withReason: boolean }) {
  return (
    <tr class={p.trust === "good" ? "" : "untrusted"}>
      <th scope="row">{p.asset}</th>
      <td class="right">
        <Usd value={p.price} places={p.price !== null && p.price.length > 2 && p.price.startsWith("0.") ? 8 : 4} />
      </td>
      <td>
        <TrustPill trust={p.trust} reason={p.reason} />
      </td>
      {withReason && <td class="wrap">{p.reason ?? ""}</td>}
      <td>{p.source ?? "–"}</td>
      <td class="right num">{p.quote_price ? `${numbers.exact(p.quote_price)} ${p.quote}` : "–"}</td>
      <td class="right">
        <Age at={p.received_at} />
      </td>
      <td class="right">
        <Age at={p.changed_at} />
      </td>
    </tr>
  );
}

function Feeds({ feeds }: { feeds: Readonly<Record<string, Feed>> }) {
  const names = Object.keys(feeds);
  if (!names.length) return <p class="empty">No feed is configured: prices come from nowhere.</p>;
  return (
    <Scroll label="Feeds">
      <table>
        <thead>
          <tr>
            <th>Feed</th>
            <th>State</th>
            <th class="right">Last frame</th>
            <th class="right">Frames</th>
            <th class="right">Quotes</th>
            <th class="right">Reconnects</th>
            <th>Refused</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(feeds).map(([name, f]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="wrap">
                <span class={`pill ${f.connected ? "good" : "bad"}`}>{f.connected ? "connected" : "cut off"}</span>{" "}
                {f.reason}
              </td>
              <td class="right">
                <Age at={f.last_frame_at} />
              </td>
              <td class="right num">{numbers.exact(String(f.frames))}</td>
              <td class="right num">{numbers.exact(String(f.quotes))}</td>
              <td class="right num">{f.reconnects}</td>
              <td class="wrap">
                {Object.entries(f.refused)
                  .map(([why, n]) => `${why} ${n}`)
                  .join(", ") || "–"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Channels({ oldest }: { oldest: Readonly<Record<string, number>> }) {
  return (
    <Scroll label="Channels">
      <table>
        <thead>
          <tr>
            <th>Channel</th>
            <th class="right">Oldest undelivered notice</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(oldest).map(([name, seconds]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="right num">{seconds > 0 ? `${Math.round(seconds)} s` : "none"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Items({ items, label }: { items: readonly Item[]; label: string }) {
  const keys = [...new Set(items.flatMap((i) => Object.keys(i)))];
  if (!items.length) return <p class="empty">There are none.</p>;
  return (
    <Scroll label={label}>
      <table>
        <thead>
          <tr>
            {keys.map((k) => (
              <th key={k}>{k.replaceAll("_", " ")}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((item, i) => (
            <tr key={String(item.name ?? item.notifier ?? i)}>
              {keys.map((k) => (
                <td key={k} class="wrap">
                  <Cell value={item[k]} name={k} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
