/** Silences: what is kept from the channels, until when, and a look at what a new one would hide. */

import { useState } from "preact/hooks";
import { SEVERITIES, STAGES } from "../alerts.generated";
import type { Match, ProposalItem, SilenceItem, SilenceList, SilencePreview } from "../answers.generated";
import { type ApiError, path, post, remove } from "../api";
import { usePolled } from "../live/polled";
import { mayOperate } from "../session";
import { say } from "../words/say";
import { alertTitle, Scroll, StagePill, stageName, Time } from "./figures";
import { Failure, Fresh } from "./notices";

export function Silences() {
  const found = usePolled<SilenceList>("/v1/silences", 5000);
  const [error, setError] = useState<ApiError | null>(null);
  const end = (id: string): void => {
    remove(path("silences", id)).then(found.again, setError);
  };
  return (
    <>
      <Fresh of={found} what={say("silencesWithin")}>
        {(page) =>
          page.items.length ? <List items={page.items} onEnd={end} /> : <p class="quiet">{say("nothingIsSilenced")}</p>
        }
      </Fresh>
      {error && <Failure error={error} what={say("silencesWithin")} />}
      {mayOperate() && !found.error?.isAbsent && <Maker onMade={found.again} />}
    </>
  );
}

function List({ items, onEnd }: { items: readonly SilenceItem[]; onEnd: (id: string) => void }) {
  return (
    <Scroll label={say("silences")}>
      <table>
        <thead>
          <tr>
            <th>{say("what")}</th>
            <th>{say("until2")}</th>
            <th>{say("why")}</th>
            <th>{say("atWorst")}</th>
            <th>{say("by")}</th>
            <th>
              <span class="hidden">{say("end")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((s) => (
            <tr key={s.id}>
              <th scope="row">{described(s.match)}</th>
              <td>
                <Time at={s.until} />
              </td>
              <td class="wrap">{s.reason}</td>
              <td>
                {s.even_worse ? <span class="pill bad">{say("everything")}</span> : (s.up_to ?? say("theStageOfThen"))}
              </td>
              <td>
                {s.by}, <Time at={s.at} />
              </td>
              <td>
                {mayOperate() && (
                  <button type="button" class="small" onClick={() => onEnd(s.id)}>
                    {say("endIt")}
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function described(match: Match): string {
  const labels = Object.entries(match.labels ?? {}).map(([k, v]) => `${k} = ${v}`);
  const { type, severity, product, group, group_id } = match;
  const groups = [group && say("groupsGroup", { group }), group_id && say("groupGroupid", { groupId: group_id })];
  return [type, severity, product, ...groups, ...labels].filter(Boolean).join(", ");
}

interface Draft {
  readonly type: string;
  readonly severity: string;
  readonly group: string;
  readonly label: string;
  readonly hours: string;
  readonly reason: string;
  readonly upTo: string;
}

const PAST_A_LINE = STAGES.filter((stage) => stage !== "normal").reverse();
const EMPTY: Draft = { type: "", severity: "", group: "", label: "", hours: "4", reason: "", upTo: "" };

export function bodyOf(draft: Draft, now: number): Readonly<Record<string, unknown>> {
  const [key, ...value] = draft.label.split("=");
  const labels = draft.label.includes("=") ? { [(key ?? "").trim()]: value.join("=").trim() } : undefined;
  const match = Object.fromEntries(
    Object.entries({ type: draft.type.trim(), severity: draft.severity, group: draft.group.trim(), labels }).filter(
      ([, v]) => v,
    ),
  );
  const until = new Date(now + Number(draft.hours) * 3600_000).toISOString();
  const limit = draft.upTo === "everything" ? { even_worse: true } : draft.upTo ? { up_to: draft.upTo } : {};
  return { match, until, reason: draft.reason.trim(), ...limit };
}

/** A silence is made only of what was looked at: a change of the draft asks for another look. */
function Maker({ onMade }: { onMade: () => void }) {
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const [preview, setPreview] = useState<SilencePreview | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [told, setTold] = useState<string | null>(null);
  const set = (part: Partial<Draft>): void => {
    setDraft({ ...draft, ...part });
    setPreview(null);
  };
  const send = async (isPreview: boolean): Promise<void> => {
    setError(null);
    const body = bodyOf(draft, Date.now());
    try {
      if (isPreview) setPreview(await post<SilencePreview>("/v1/silences?preview=true", body));
      else {
        const made = await post<SilenceItem | ProposalItem>("/v1/silences", body);
        setTold("expires" in made ? say("proposedIdAnotherPerson", { id: made.id }) : null);
        setDraft(EMPTY);
        setPreview(null);
        onMade();
      }
    } catch (e) {
      setError(e as ApiError);
    }
  };
  return (
    <details class="maker">
      <summary>{say("newSilence")}</summary>
      <form
        class="fields"
        onSubmit={(e) => {
          e.preventDefault();
          void send(preview === null);
        }}
      >
        <Text name={say("groupMayHave")} value={draft.group} onValue={(group) => set({ group })} />
        <Text name={say("labelSuchAsBorrower")} value={draft.label} onValue={(label) => set({ label })} />
        <Text name={say("typeSuchAsLoan")} value={draft.type} onValue={(type) => set({ type })} />
        <Choice
          name={say("severity")}
          value={draft.severity}
          of={["", ...SEVERITIES]}
          onValue={(severity) => set({ severity })}
        />
        <Choice
          name={say("hidesAtWorst")}
          value={draft.upTo}
          of={["", ...PAST_A_LINE, "everything"]}
          none={say("theStageOfNow")}
          onValue={(upTo) => set({ upTo })}
        />
        <Choice
          name={say("forHours")}
          value={draft.hours}
          of={["1", "4", "12", "24", "72", "168"]}
          onValue={(hours) => set({ hours })}
        />
        <Text name={say("why")} value={draft.reason} onValue={(reason) => set({ reason })} required />
        <p class="buttons">
          <button type="submit" class={preview ? "primary" : ""}>
            {preview ? say("silenceIt") : say("seeWhatItWouldHide")}
          </button>
        </p>
      </form>
      {error && <Failure error={error} what={say("silencesWithin")} />}
      {told && <p role="status">{told}</p>}
      {preview && <Shown preview={preview} />}
    </details>
  );
}

function Shown({ preview: { groups, alerts } }: { preview: SilencePreview }) {
  return (
    <div class="body" role="status">
      <p>
        {say("ofTheLast24")} <strong>{alerts.hidden}</strong>{" "}
        {say("alertsAndToldTold", { told: alerts.told, whole: alerts.whole ? "" : say("asFarAsWas") })}{" "}
        <strong>{groups.count}</strong> {say("groupsThatArePast", { whole: groups.whole ? "" : say("asFarAsWas") })}
      </p>
      <p class="quiet">
        {Object.entries(alerts.types)
          .map(([type, n]) => `${n} × ${alertTitle(type)}`)
          .join(", ")}
      </p>
      <ul class="hiddengroups">
        {groups.items.slice(0, 20).map((g) => (
          <li key={g.id}>
            {g.id} <StagePill stage={g.stage} /> <small>{say("hiddenUpToUpto", { upTo: stageName(g.up_to) })}</small>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Text(props: { name: string; value: string; onValue: (value: string) => void; required?: boolean }) {
  return (
    <label class="field">
      {props.name}
      <input value={props.value} required={props.required} onInput={(e) => props.onValue(e.currentTarget.value)} />
    </label>
  );
}

function Choice(props: {
  name: string;
  value: string;
  of: readonly string[];
  none?: string;
  onValue: (value: string) => void;
}) {
  return (
    <label class="field">
      {props.name}
      <select value={props.value} onChange={(e) => props.onValue(e.currentTarget.value)}>
        {props.of.map((o) => (
          <option key={o} value={o}>
            {o.replaceAll("_", " ") || (props.none ?? say("any"))}
          </option>
        ))}
      </select>
    </label>
  );
}
