/** Whether the channels deliver; each can be tested, switched off and on again. */

import { useState } from "preact/hooks";
import type { ChannelItem, ChannelList, TestedEndpoint } from "../answers.generated";
import { ApiError, path, post } from "../api";
import { rough } from "../format/time";
import { usePolled } from "../live/polled";
import { stateOf } from "../parts/channelstate";
import { numbers, Panel, Scroll, Time } from "../parts/figures";
import { Failure, Fresh } from "../parts/notices";
import { mayOperate } from "../session";

export function ChannelsPage() {
  const channels = usePolled<ChannelList>("/v1/channels?limit=1000", 3000);
  return (
    <article>
      <header class="pagehead">
        <h1>Channels</h1>
        <p class="quiet">Where alerts go. A test sends one notice that says that it is a test.</p>
      </header>
      <Panel title="Channels">
        <Fresh of={channels} what="a list of channels">
          {(page) =>
            page.items.length ? (
              <Channels channels={page.items} again={channels.again} />
            ) : (
              <p class="empty">No channel is configured: alerts stand in the log alone.</p>
            )
          }
        </Fresh>
      </Panel>
    </article>
  );
}

function Channels({ channels, again }: { channels: readonly ChannelItem[]; again: () => void }) {
  return (
    <Scroll label="State of each channel">
      <table>
        <thead>
          <tr>
            <th>Channel</th>
            <th>Kind</th>
            <th>State</th>
            <th class="right">Waiting</th>
            <th class="right">Oldest of it</th>
            <th>Delivered last</th>
            <th>Failed last</th>
            <th>Fallback</th>
            {mayOperate() && <th>Test</th>}
          </tr>
        </thead>
        <tbody>
          {channels.map((channel) => (
            <Row key={channel.name} channel={channel} again={again} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Row({ channel: c, again }: { channel: ChannelItem; again: () => void }) {
  const [kind, text] = stateOf(c);
  return (
    <tr>
      <th scope="row">{c.name}</th>
      <td>{c.kind}</td>
      <td class="wrap">
        <span class={`pill ${kind}`}>{text}</span>
        {c.off_at && (
          <small>
            {" "}
            since <Time at={c.off_at} />: {c.off_reason}
          </small>
        )}
      </td>
      <td class="right num">
        {numbers.exact(String(c.queued))}
        {c.held > 0 && <small> and {numbers.exact(String(c.held))} held</small>}
      </td>
      <td class="right num">{c.oldest_age_s === null ? "–" : rough(c.oldest_age_s * 1000)}</td>
      <td>
        <Time at={c.last_delivered_at} />
      </td>
      <td class="wrap">
        <Time at={c.last_failed_at} /> {c.last_failure}
      </td>
      <td>{c.fallback ?? "–"}</td>
      {mayOperate() && (
        <td class="wrap">
          <Acts channel={c} again={again} />
        </td>
      )}
    </tr>
  );
}

function Acts({ channel: c, again }: { channel: ChannelItem; again: () => void }) {
  const [tested, setTested] = useState<TestedEndpoint | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const act = async (work: Promise<unknown>): Promise<void> => {
    setBusy(true);
    setError(null);
    setTested(null);
    try {
      const answer = await work;
      if (typeof answer === "object" && answer !== null && "took_ms" in answer) setTested(answer as TestedEndpoint);
    } catch (e) {
      setError(e instanceof ApiError ? e : new ApiError(0, "error", String(e)));
    }
    setBusy(false);
    again();
  };
  return (
    <>
      <span class="buttons">
        <button
          type="button"
          class="small"
          disabled={busy}
          onClick={() => void act(post(path("channels", c.name, "test"), {}))}
        >
          {busy ? "Sending…" : "Send a test"}
          <span class="hidden"> to {c.name}</span>
        </button>
        {c.off_at ? (
          <button
            type="button"
            class="small"
            disabled={busy}
            onClick={() => void act(post(path("channels", c.name, "enable"), {}))}
          >
            Switch on
            <span class="hidden"> {c.name}</span>
          </button>
        ) : (
          <Off name={c.name} onOff={(reason) => void act(post(path("channels", c.name, "disable"), { reason }))} />
        )}
      </span>
      <span role="status">
        {tested && (
          <span class={`pill ${tested.delivered ? "good" : "bad"} wrapped`}>
            {tested.delivered ? "delivered" : "not delivered"} after {Math.round(tested.took_ms)} ms
            {tested.detail && `: ${tested.detail}`}
          </span>
        )}
      </span>
      {error && <Failure error={error} what="testing channels" />}
    </>
  );
}

/** What is switched off tells nobody: it needs a reason, which the others read. */
function Off({ name, onOff }: { name: string; onOff: (reason: string) => void }) {
  const [reason, setReason] = useState("");
  return (
    <details>
      <summary>
        Switch off<span class="hidden"> {name}</span>
      </summary>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          onOff(reason.trim());
        }}
      >
        <label class="field">
          Why
          <input required value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
        </label>
        <button type="submit">Switch {name} off</button>
      </form>
    </details>
  );
}
