/** One price with all its sources, and what operators decide about it: a pin, a source left out, a jump believed. */

import { useState } from "preact/hooks";
import type { DecisionShown, PriceItem, ProposalItem, SourceShown } from "../answers.generated";
import { type ApiError, path, post, query, remove } from "../api";
import { usePolled } from "../live/polled";
import { mayOperate } from "../session";
import { say } from "../words/say";
import { Age, ExchangeAge, numbers, Scroll, Time } from "./figures";
import { Failure, Fresh } from "./notices";

export function PriceDetail({ asset }: { asset: string }) {
  const found = usePolled<PriceItem>(path("prices", asset), 2000);
  return (
    <div class="body">
      <Fresh of={found} what={say("theSourcesOfA")}>
        {(price) => (
          <>
            <Sources sources={price.sources ?? []} />
            <Decisions price={price} onDone={found.again} />
            {mayOperate() && <Decide price={price} onDone={found.again} />}
          </>
        )}
      </Fresh>
    </div>
  );
}

function Sources({ sources }: { sources: readonly SourceShown[] }) {
  if (!sources.length) return <p class="quiet">{say("noSourceHasSaid")}</p>;
  return (
    <Scroll label={say("sources")}>
      <table>
        <thead>
          <tr>
            <th>{say("source")}</th>
            <th class="right">{say("price")}</th>
            <th>{say("state")}</th>
            <th class="right">{say("byTheExchange")}</th>
            <th class="right">{say("received")}</th>
            <th class="right">{say("lastChange")}</th>
            <th>{say("why")}</th>
          </tr>
        </thead>
        <tbody>
          {sources.map((s) => (
            <tr key={s.source}>
              <th scope="row">{s.source}</th>
              <td class="right num">
                {numbers.exact(s.price)} {s.quote}
              </td>
              <td>
                <span class={`pill ${s.state === "live" ? "good" : "bad"}`}>{s.state.replaceAll("_", " ")}</span>
              </td>
              <td class="right">
                <ExchangeAge at={s.price_at} />
              </td>
              <td class="right">
                <Age at={s.received_at} />
              </td>
              <td class="right">
                <Age at={s.changed_at} />
              </td>
              <td class="wrap">{s.reason ?? ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Decisions({ price, onDone }: { price: PriceItem; onDone: () => void }) {
  const [error, setError] = useState<ApiError | null>(null);
  const end = (d: DecisionShown): void => {
    const which = query({ reason: "ended on the page", source: d.source });
    remove(`${path("prices", price.asset, "decisions")}${which}`).then(onDone, setError);
  };
  return (
    <>
      {(price.decisions ?? []).map((d) => (
        <p key={d.source ?? "pin"} class="decision">
          <span class="pill ack">
            {d.act === "pin" ? say("pinnedAtPriceUsd", { price: d.price }) : say("sourceLeftOut", { source: d.source })}
          </span>{" "}
          {say("byWithin")} <strong>{d.by}</strong> {say("until")} <Time at={d.until} />: <q>{d.reason}</q>{" "}
          {mayOperate() && (
            <button type="button" class="small" onClick={() => end(d)}>
              {d.act === "pin" ? say("endThePin") : say("takeItAgain")}
            </button>
          )}
        </p>
      ))}
      {error && <Failure error={error} what={say("decisionsAboutPrices")} />}
    </>
  );
}

export interface PriceDraft {
  readonly act: "pin" | "exclude" | "believe";
  readonly price: string;
  readonly source: string;
  readonly hours: string;
  readonly reason: string;
  readonly confirmed: boolean;
}

const EMPTY: PriceDraft = { act: "pin", price: "", source: "", hours: "4", reason: "", confirmed: false };

/** The body of a decision; the candidate is the one that was looked at. */
export function decisionOf(
  draft: PriceDraft,
  candidate: string | null | undefined,
  now: number,
): Readonly<Record<string, unknown>> {
  const reason = draft.reason.trim();
  if (draft.act === "believe") return { believe: candidate, reason };
  const until = new Date(now + Number(draft.hours) * 3600_000).toISOString();
  if (draft.act === "exclude") return { exclude: draft.source, until, reason };
  return { pin: draft.price.trim(), until, reason, ...(draft.confirmed && { confirmed: true }) };
}

function Decide({ price, onDone }: { price: PriceItem; onDone: () => void }) {
  const [draft, setDraft] = useState<PriceDraft>(EMPTY);
  const [error, setError] = useState<ApiError | null>(null);
  const set = (part: Partial<PriceDraft>): void => {
    setDraft({ ...draft, ...part });
    setError(null);
  };
  const sources = (price.sources ?? []).map((s) => s.source);
  const source = draft.source || (sources[0] ?? "");
  // Whoever presses again after that refusal, with nothing changed, means it.
  const isFar = error?.status === 409 && error.message.includes("confirm it");
  const [told, setTold] = useState<string | null>(null);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    try {
      const made = await post<PriceItem | ProposalItem>(
        path("prices", price.asset, "decisions"),
        decisionOf({ ...draft, source, confirmed: isFar }, price.candidate, Date.now()),
      );
      setTold("expires" in made ? say("proposedIdAnotherPerson", { id: made.id }) : null);
      setDraft(EMPTY);
      setError(null);
      onDone();
    } catch (e) {
      setError(e as ApiError);
    }
  };
  return (
    <form class="fields" onSubmit={submit} aria-label={say("decideAboutAsset", { asset: price.asset })}>
      <label class="field">
        {say("decide")}
        <select value={draft.act} onChange={(e) => set({ act: e.currentTarget.value as PriceDraft["act"] })}>
          <option value="pin">{say("pinAPrice")}</option>
          {sources.length > 0 && <option value="exclude">{say("leaveOutASource")}</option>}
          {price.candidate && (
            <option value="believe">{say("believeCandidate", { candidate: price.candidate })}</option>
          )}
        </select>
      </label>
      {draft.act === "pin" && (
        <label class="field">
          {say("priceInUsd")}
          <input
            required
            inputMode="decimal"
            value={draft.price}
            onInput={(e) => set({ price: e.currentTarget.value })}
          />
        </label>
      )}
      {draft.act === "exclude" && (
        <label class="field">
          {say("source")}
          <select value={source} onChange={(e) => set({ source: e.currentTarget.value })}>
            {sources.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      {draft.act !== "believe" && (
        <label class="field">
          {say("forHours")}
          <select value={draft.hours} onChange={(e) => set({ hours: e.currentTarget.value })}>
            {["1", "4", "12", "24", "72", "168"].map((h) => (
              <option key={h}>{h}</option>
            ))}
          </select>
        </label>
      )}
      <label class="field">
        {say("why")}
        <input required maxLength={500} value={draft.reason} onInput={(e) => set({ reason: e.currentTarget.value })} />
      </label>
      <p class="buttons">
        <button type="submit" class="primary">
          {isFar ? say("itIsMeantPin") : say("decide")}
        </button>
      </p>
      {error && <Failure error={error} what={say("decisionsAboutPrices")} />}
      {told && <p role="status">{told}</p>}
    </form>
  );
}
