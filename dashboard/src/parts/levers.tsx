/** The levers of the desk on one group: each is looked at before it is pulled, and waits where another must approve. */

import { useState } from "preact/hooks";
import type { GroupDetail, LeverItem, LeverList, LeverPreview, ProposalItem } from "../answers.generated";
import { type ApiError, path, post, remove } from "../api";
import { usePolled } from "../live/polled";
import { to } from "../router";
import { mayOperate } from "../session";
import { say } from "../words/say";
import { Effects } from "./effects";
import { Time, words } from "./figures";
import { Failure } from "./notices";

type Kind = "extend_grace" | "waive" | "override" | "move";

const KINDS: Readonly<Record<Kind, string>> = {
  override: say("otherLinesUntilA"),
  extend_grace: say("extendTheGracePeriod"),
  waive: say("waiveTheLiquidationOf"),
  move: say("moveToAnotherProduct"),
};

interface Draft {
  readonly kind: Kind;
  readonly line: string;
  readonly level: string;
  readonly product: string;
  readonly hours: string;
  readonly reason: string;
  readonly emergency: string;
}

const EMPTY: Draft = { kind: "override", line: "", level: "", product: "", hours: "4", reason: "", emergency: "" };

/** The body that a draft states; the until of a grace period counts from its present end, as it never gets shorter. */
export function leverOf(draft: Draft, group: string, deadline: string | null, now: number) {
  const from = draft.kind === "extend_grace" && deadline ? Date.parse(deadline) : now;
  const until = new Date(from + Number(draft.hours) * 3600_000).toISOString();
  const parts = {
    extend_grace: { until },
    waive: { until },
    override: { until, thresholds: { [draft.line]: draft.level.trim() } },
    move: { product: draft.product.trim() },
  };
  const lever = { type: draft.kind, reason: draft.reason.trim(), ...parts[draft.kind] };
  return { lever, groups: [group], ...(draft.emergency.trim() ? { emergency: draft.emergency.trim() } : {}) };
}

export function Levers({ group, again }: { group: GroupDetail; again: () => void }) {
  const found = usePolled<LeverList>("/v1/levers?limit=1000", 5000);
  const [error, setError] = useState<ApiError | null>(null);
  const mine = (found.data?.items ?? []).filter((each) => each.group_ids.includes(group.id));
  const end = (id: string): void => {
    remove(`${path("levers", id)}?reason=${encodeURIComponent("ended on the page")}`).then(() => {
      found.again();
      again();
    }, setError);
  };
  return (
    <>
      {mine.map((each) => (
        <InForce key={each.id} lever={each} onEnd={() => end(each.id)} />
      ))}
      {mine.length === 0 && <p class="quiet">{say("noLeverIsInForce")}</p>}
      {error && <Failure error={error} what={say("leversWithin")} />}
      {mayOperate() && <Puller group={group} onDone={() => [found.again(), again()]} />}
    </>
  );
}

function InForce({ lever, onEnd }: { lever: LeverItem; onEnd: () => void }) {
  return (
    <p class="lever">
      <strong>{lever.id}</strong> {words(lever.act)}: {lever.change}
      {lever.until && (
        <>
          {" "}
          {say("until")} <Time at={lever.until} />
        </>
      )}
      {say("byByApprovedbyReason", {
        by: lever.by,
        approvedBy: lever.approved_by && say("approvedByApprovedby", { approvedBy: lever.approved_by }),
        reason: lever.reason,
      })}{" "}
      {lever.emergency && !lever.approved_by && (
        <span class="pill bad">{say("aloneEmergency", { emergency: lever.emergency })}</span>
      )}{" "}
      {mayOperate() && (
        <button type="button" class="small" onClick={onEnd}>
          {say("endIt")}
        </button>
      )}
    </p>
  );
}

/** A lever is pulled only as it was looked at: a change of the draft asks for another look. */
function Puller({ group, onDone }: { group: GroupDetail; onDone: () => void }) {
  const lines = Object.keys(group.thresholds);
  const [draft, setDraft] = useState<Draft>({ ...EMPTY, line: lines[0] ?? "" });
  const [preview, setPreview] = useState<LeverPreview | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [told, setTold] = useState<string | null>(null);
  const set = (part: Partial<Draft>): void => {
    setDraft({ ...draft, ...part });
    if (!("emergency" in part)) setPreview(null);
  };
  const send = async (): Promise<void> => {
    setError(null);
    setTold(null);
    const body = leverOf(draft, group.id, group.deadline, Date.now());
    try {
      if (preview === null) setPreview(await post<LeverPreview>("/v1/levers?dry_run=true", body));
      else {
        const made = await post<LeverItem | ProposalItem>("/v1/levers", body);
        const waits = "expires" in made;
        setTold(waits ? say("proposedIdAnotherPerson", { id: made.id }) : say("idIsInForce", { id: made.id }));
        setDraft({ ...EMPTY, line: lines[0] ?? "" });
        setPreview(null);
        onDone();
      }
    } catch (e) {
      setError(e as ApiError);
    }
  };
  return (
    <details class="maker">
      <summary>{say("pullALever")}</summary>
      <form
        class="fields"
        onSubmit={(e) => {
          e.preventDefault();
          void send();
        }}
      >
        <label class="field">
          {say("lever")}
          <select value={draft.kind} onChange={(e) => set({ kind: e.currentTarget.value as Kind })}>
            {Object.entries(KINDS).map(([kind, name]) => (
              <option key={kind} value={kind}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {draft.kind === "override" && (
          <>
            <label class="field">
              {say("line")}
              <select value={draft.line} onChange={(e) => set({ line: e.currentTarget.value })}>
                {lines.map((line) => (
                  <option key={line} value={line}>
                    {words(line)}
                  </option>
                ))}
              </select>
            </label>
            <Text name={say("levelSuchAs0")} value={draft.level} onValue={(level) => set({ level })} required />
          </>
        )}
        {draft.kind === "move" && (
          <Text name={say("product")} value={draft.product} onValue={(product) => set({ product })} required />
        )}
        {draft.kind !== "move" && (
          <label class="field">
            {draft.kind === "extend_grace" ? say("hoursLonger") : say("forHours")}
            <select value={draft.hours} onChange={(e) => set({ hours: e.currentTarget.value })}>
              {["1", "4", "12", "24", "72", "168"].map((h) => (
                <option key={h} value={h}>
                  {h}
                </option>
              ))}
            </select>
          </label>
        )}
        <Text name={say("reason")} value={draft.reason} onValue={(reason) => set({ reason })} required />
        {preview?.needs_approval && (
          <Text name={say("inAnEmergencyWhy")} value={draft.emergency} onValue={(emergency) => set({ emergency })} />
        )}
        <p class="buttons">
          <button type="submit" class={preview ? "primary" : ""}>
            {buttonOf(preview, draft.emergency)}
          </button>
        </p>
      </form>
      {error && <Failure error={error} what={say("leversWithin")} />}
      {told && (
        <p role="status">
          {told} <a href={to.proposals}>{say("proposals2")}</a>
        </p>
      )}
      {preview && (
        <div class="body" role="status">
          <Effects of={preview.effects} title={`${words(preview.act)}: ${preview.change}`} />
        </div>
      )}
    </details>
  );
}

function buttonOf(preview: LeverPreview | null, emergency: string): string {
  if (preview === null) return say("seeWhatItWould");
  if (!preview.needs_approval) return say("pullIt");
  return emergency.trim() ? say("pullItAlone") : say("proposeIt");
}

function Text(props: { name: string; value: string; onValue: (value: string) => void; required?: boolean }) {
  return (
    <label class="field">
      {props.name}
      <input value={props.value} required={props.required} onInput={(e) => props.onValue(e.currentTarget.value)} />
    </label>
  );
}
