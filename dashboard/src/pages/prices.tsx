/** Which prices may be believed, and what the feeds do. */

import { useState } from "preact/hooks";
import type { FeedList, NamedFeed, PriceItem } from "../answers.generated";
import { live } from "../live/live";
import { usePolled } from "../live/polled";
import { useStore } from "../live/store";
import { Age, count, ExchangeAge, numbers, Panel, PinnedPill, Scroll, TrustPill, Usd, words } from "../parts/figures";
import { Fresh } from "../parts/notices";
import { PriceDetail } from "../parts/pricedetail";
import { say } from "../words/say";

const BAD_FIRST: readonly string[] = ["missing", "suspect", "stale", "good"];

export function PricesPage() {
  const feeds = usePolled<FeedList>("/v1/feeds", 3000);
  return (
    <article>
      <header class="pagehead">
        <h1>{say("prices")}</h1>
      </header>
      <div class="grid">
        <Prices />
        <Panel title={say("feeds")} class="wide">
          <Fresh of={feeds} what={say("aListOfFeeds")}>
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
      title={say("prices")}
      class="wide"
      aside={
        <small>
          {bad
            ? say("badOfCountNot", { bad: count(bad), count: count(shown.length) })
            : say("countAllTrusted", { count: count(shown.length) })}
        </small>
      }
    >
      {shown.length ? (
        <Scroll label={say("priceOfEachCoin")}>
          <table>
            <thead>
              <tr>
                <th>{say("asset")}</th>
                <th class="right">{say("price")}</th>
                <th>{say("trust")}</th>
                {bad > 0 && <th>{say("why")}</th>}
                <th>{say("source")}</th>
                <th class="right">{say("quotedAs")}</th>
                <th class="right">{say("byTheExchange")}</th>
                <th class="right">{say("received")}</th>
                <th class="right">{say("lastChange")}</th>
                <th>
                  <span class="hidden">{say("sources")}</span>
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
        <p class="empty">{say("noPriceCameYet")}</p>
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
            {open ? say("close") : say("sources")}
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
  if (!feeds.length) return <p class="empty">{say("noFeedIsConfigured")}</p>;
  return (
    <Scroll label={say("stateOfEachFeed")}>
      <table>
        <thead>
          <tr>
            <th>{say("feed")}</th>
            <th>{say("state")}</th>
            <th class="right">{say("lastFrame")}</th>
            <th class="right">{say("lag")}</th>
            <th class="right">{say("clock")}</th>
            <th>{say("symbols")}</th>
            <th class="right">{say("frames")}</th>
            <th class="right">{say("quotes")}</th>
            <th class="right">{say("reconnects")}</th>
            <th>{say("refused")}</th>
          </tr>
        </thead>
        <tbody>
          {feeds.map((f) => (
            <tr key={f.name}>
              <th scope="row">{f.name}</th>
              <td class="wrap">
                <span class={`pill ${f.connected ? "good" : "bad"}`}>
                  {f.connected ? say("connected") : say("cutOff")}
                </span>{" "}
                {f.cause ?? ""}
              </td>
              <td class="right">
                <Age at={f.last_frame_at} />
              </td>
              <td class="right num">{f.lag_s === null ? "–" : `${thousandths(f.lag_s)} s`}</td>
              <td class="right num">{f.clock_offset_s === null ? "–" : `${thousandths(f.clock_offset_s)} s`}</td>
              <td>{f.instruments}</td>
              <td class="right num">{count(f.frames)}</td>
              <td class="right num">{count(f.quotes)}</td>
              <td class="right num">{count(f.reconnects)}</td>
              <td class="wrap">
                {[...Object.entries(f.refused), ...Object.entries(f.dropped)]
                  .map(([why, n]) => `${words(why)} ${numbers.exact(String(n))}`)
                  .join(", ") || "–"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** Seconds as the desk reads them; a figure of a clock means nothing beyond its thousandths. */
function thousandths(seconds: number): string {
  return numbers.exact(String(Number(seconds.toFixed(3))));
}
