/** Which prices may be believed, and what the feeds do. */

import { useState } from "preact/hooks";
import type { FeedList, NamedFeed, PriceItem } from "../answers.generated";
import { live } from "../live/live";
import { usePolled } from "../live/polled";
import { useStore } from "../live/store";
import { Age, ExchangeAge, numbers, Panel, PinnedPill, Scroll, TrustPill, Usd } from "../parts/figures";
import { Fresh } from "../parts/notices";
import { PriceDetail } from "../parts/pricedetail";

const BAD_FIRST: readonly string[] = ["missing", "suspect", "stale", "good"];

export function PricesPage() {
  const feeds = usePolled<FeedList>("/v1/feeds", 3000);
  return (
    <article>
      <header class="pagehead">
        <h1>Prices</h1>
      </header>
      <div class="grid">
        <Prices />
        <Panel title="Feeds" class="wide">
          <Fresh of={feeds} what="a list of feeds">
            {(page) => <Feeds feeds={page.items} />}
          </Fresh>
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
  const [open, setOpen] = useState<string | null>(null);
  return (
    <Panel
      title="Prices"
      class="wide"
      aside={<small>{bad ? `${bad} of ${shown.length} not trusted` : `${shown.length}, all trusted`}</small>}
    >
      {shown.length ? (
        <Scroll label="Price of each coin">
          <table>
            <thead>
              <tr>
                <th>Asset</th>
                <th class="right">Price</th>
                <th>Trust</th>
                {bad > 0 && <th>Why</th>}
                <th>Source</th>
                <th class="right">Quoted as</th>
                <th class="right">By the exchange</th>
                <th class="right">Received</th>
                <th class="right">Last change</th>
                <th>
                  <span class="hidden">Sources</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((p) => (
                <PriceRow
                  key={p.asset}
                  price={p}
                  withReason={bad > 0}
                  open={open === p.asset}
                  onOpen={() => setOpen(open === p.asset ? null : p.asset)}
                />
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
function PriceRow(props: { price: PriceItem; withReason: boolean; open: boolean; onOpen: () => void }) {
  const { price: p, withReason, open } = props;
  return (
    <>
      <tr class={p.trust === "good" ? "" : "untrusted"}>
        <th scope="row">{p.asset}</th>
        <td class="right">
          <Usd value={p.price} places={p.price !== null && p.price.length > 2 && p.price.startsWith("0.") ? 8 : 4} />
        </td>
        <td>
          <TrustPill trust={p.trust} reason={p.reason} />
          <PinnedPill by={p.pinned} />
        </td>
        {withReason && <td class="wrap">{p.reason ?? ""}</td>}
        <td>{p.source ?? "–"}</td>
        <td class="right num">{p.quote_price ? `${numbers.exact(p.quote_price)} ${p.quote}` : "–"}</td>
        <td class="right">{p.received_at ? <ExchangeAge at={p.price_at} /> : "–"}</td>
        <td class="right">
          <Age at={p.received_at} />
        </td>
        <td class="right">
          <Age at={p.changed_at} />
        </td>
        <td>
          <button type="button" class="small" aria-expanded={open} onClick={props.onOpen}>
            {open ? "Close" : "Sources"}
          </button>
        </td>
      </tr>
      {open && (
        <tr>
          <td colSpan={withReason ? 10 : 9}>
            <PriceDetail asset={p.asset} />
          </td>
        </tr>
      )}
    </>
  );
}

function Feeds({ feeds }: { feeds: readonly NamedFeed[] }) {
  if (!feeds.length) return <p class="empty">No feed is configured: prices come from nowhere.</p>;
  return (
    <Scroll label="State of each feed">
      <table>
        <thead>
          <tr>
            <th>Feed</th>
            <th>State</th>
            <th class="right">Last frame</th>
            <th class="right">Lag</th>
            <th class="right">Clock</th>
            <th>Symbols</th>
            <th class="right">Frames</th>
            <th class="right">Quotes</th>
            <th class="right">Reconnects</th>
            <th>Refused</th>
          </tr>
        </thead>
        <tbody>
          {feeds.map((f) => (
            <tr key={f.name}>
              <th scope="row">{f.name}</th>
              <td class="wrap">
                <span class={`pill ${f.connected ? "good" : "bad"}`}>{f.connected ? "connected" : "cut off"}</span>{" "}
                {f.cause ?? ""}
              </td>
              <td class="right">
                <Age at={f.last_frame_at} />
              </td>
              <td class="right num">{f.lag_s === null ? "–" : `${f.lag_s} s`}</td>
              <td class="right num">{f.clock_offset_s === null ? "–" : `${f.clock_offset_s} s`}</td>
              <td>{f.instruments}</td>
              <td class="right num">{numbers.exact(String(f.frames))}</td>
              <td class="right num">{numbers.exact(String(f.quotes))}</td>
              <td class="right num">{f.reconnects}</td>
              <td class="wrap">
                {[...Object.entries(f.refused), ...Object.entries(f.dropped)]
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
