/** Whether the channels deliver; each can be tested, switched off and on again. */

import { useState } from "preact/hooks";
import type { ChannelItem, ChannelList, TestedEndpoint } from "../answers.generated";
import { ApiError, path, post } from "../api";
import { rough } from "../format/time";
import { usePolled } from "../live/polled";
import { stateOf } from "../parts/channelstate";
import { count, Panel, Scroll, Time } from "../parts/figures";
import { Failure, Fresh } from "../parts/notices";
import { mayOperate } from "../session";
import { say } from "../words/say";

export function ChannelsPage() {
  const channels = usePolled<ChannelList>("/v1/channels?limit=1000", 3000);
  return (
    <article>
      <header class="pagehead">
        <h1>{say("channels")}</h1>
        <p class="quiet">{say("whereAlertsGoA")}</p>
      </header>
      <Panel title={say("channels")}>
        <Fresh of={channels} what={say("aListOfChannels")}>
          {(page) =>
            page.items.length ? (
              <Channels channels={page.items} again={channels.again} />
            ) : (
              <p class="empty">{say("noChannelIsConfigured")}</p>
            )
          }
        </Fresh>
      </Panel>
    </article>
  );
}

function Channels({ channels, again }: { channels: readonly ChannelItem[]; again: () => void }) {
  return (
    <Scroll label={say("stateOfEachChannel")}>
      <table>
        <thead>
          <tr>
            <th>{say("channel")}</th>
            <th>{say("kind")}</th>
            <th>{say("state")}</th>
            <th class="right">{say("waiting")}</th>
            <th class="right">{say("oldestOfIt")}</th>
            <th>{say("deliveredLast")}</th>
            <th>{say("failedLast")}</th>
            <th>{say("fallback")}</th>
            {mayOperate() && <th>{say("test")}</th>}
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
            {say("sinceWithin")} <Time at={c.off_at} />: {c.off_reason}
          </small>
        )}
      </td>
      <td class="right num">
        {count(c.queued)}
        {c.held > 0 && <small> {say("andHeldHeld", { held: count(c.held) })}</small>}
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
          {busy ? say("sending") : say("sendATest")}
          <span class="hidden"> {say("toName", { name: c.name })}</span>
        </button>
        {c.off_at ? (
          <button
            type="button"
            class="small"
            disabled={busy}
            onClick={() => void act(post(path("channels", c.name, "enable"), {}))}
          >
            {say("switchOn")}
            <span class="hidden"> {c.name}</span>
          </button>
        ) : (
          <Off name={c.name} onOff={(reason) => void act(post(path("channels", c.name, "disable"), { reason }))} />
        )}
      </span>
      <span role="status">
        {tested && (
          <span class={`pill ${tested.delivered ? "good" : "bad"} wrapped`}>
            {say("deliveredAfterTookmsMs", {
              delivered: tested.delivered ? say("delivered") : say("notDelivered"),
              tookMs: Math.round(tested.took_ms),
              detail: tested.detail && `: ${tested.detail}`,
            })}
          </span>
        )}
      </span>
      {error && <Failure error={error} what={say("testingChannels")} />}
    </>
  );
}

/** What is switched off tells nobody: it needs a reason, which the others read. */
function Off({ name, onOff }: { name: string; onOff: (reason: string) => void }) {
  const [reason, setReason] = useState("");
  return (
    <details>
      <summary>
        {say("switchOff")}
        <span class="hidden"> {name}</span>
      </summary>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          onOff(reason.trim());
        }}
      >
        <label class="field">
          {say("why")}
          <input required value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
        </label>
        <button type="submit">{say("switchNameOff", { name })}</button>
      </form>
    </details>
  );
}
