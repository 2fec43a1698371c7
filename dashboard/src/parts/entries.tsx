/** What the desk enters each day: a top-up, a repayment, a longer grace period. Each is looked at before it is entered. */

import { useState } from "preact/hooks";
import type {
  EntryAnswer,
  GroupDetail,
  LeverItem,
  LeverPreview,
  ProposalItem,
  WhatIfAnswer,
} from "../answers.generated";
import { ApiError, path, post, postIfAt } from "../api";
import { asTyped } from "../format/coin";
import { sum } from "../format/decimal";
import { amountOf, type Entered } from "../format/entered";
import { mayFeed, mayOperate } from "../session";
import { say } from "../words/say";
import { Compared } from "./compared";
import { Effects } from "./effects";
import { EnteredField } from "./enteredfield";
import { numbers } from "./figures";
import { leverOf } from "./levers";
import { Failure } from "./notices";

type Kind = "deposit" | "repay" | "extend_grace";

interface Draft {
  readonly kind: Kind;
  readonly account: string;
  readonly asset: string;
  readonly amount: string;
  readonly hours: string;
  readonly reason: string;
}

/** What was looked at: only that is entered, and only while the group is still the one that was looked at. */
type Looked =
  | { readonly kind: "entry"; readonly answer: WhatIfAnswer; readonly version: number; readonly id: string }
  | { readonly kind: "lever"; readonly preview: LeverPreview };

const HOURS = ["1", "4", "12", "24", "72"];

export function Entries({ group, again }: { group: GroupDetail; again: () => void }) {
  const kinds = kindsOf(group);
  const [draft, setDraft] = useState<Draft>(() => emptyOf(group, kinds[0]?.[0] ?? "deposit"));
  const [looked, setLooked] = useState<Looked | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [told, setTold] = useState<string | null>(null);
  if (!kinds.length) return <p class="quiet">{say("yourTokenEntersNothing")}</p>;
  const entered = amountOf(draft.amount, numbers, draft.asset, wholeOf(group, draft));
  const set = (part: Partial<Draft>): void => {
    setDraft({ ...draft, ...part });
    setLooked(null);
    setTold(null);
  };
  const send = async (): Promise<void> => {
    setError(null);
    try {
      if (looked === null) setLooked(await look(group, draft, entered));
      else {
        setTold(await enter(group, draft, entered, looked));
        setDraft(emptyOf(group, draft.kind));
        setLooked(null);
        again();
      }
    } catch (e) {
      setLooked(null);
      setError(e instanceof ApiError ? e : new ApiError(0, "error", String(e)));
    }
  };
  return (
    <div class="body">
      <form
        class="fields"
        onSubmit={(e) => {
          e.preventDefault();
          void send();
        }}
      >
        <label class="field">
          {say("entry")}
          <select value={draft.kind} onChange={(e) => set(emptyOf(group, e.currentTarget.value as Kind))}>
            {kinds.map(([kind, name]) => (
              <option key={kind} value={kind}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {draft.kind === "extend_grace" ? (
          <Grace draft={draft} set={set} />
        ) : (
          <Money group={group} draft={draft} entered={entered} set={set} />
        )}
        <p class="buttons">
          <button
            type="submit"
            class={looked ? "primary" : ""}
            disabled={draft.kind !== "extend_grace" && entered.kind !== "value"}
          >
            {looked ? buttonOf(looked) : say("seeWhatItChanges")}
          </button>
        </p>
      </form>
      {error && <Failure error={error} what={say("entries")} />}
      {told && <p role="status">{told}</p>}
      {looked && (
        <div role="status">
          {looked.kind === "lever" ? (
            <Effects of={looked.preview.effects} title={say("aLongerGracePeriod")} />
          ) : (
            <>
              <Returned answer={looked.answer} />
              <Compared answer={looked.answer} lines={group.thresholds} />
            </>
          )}
        </div>
      )}
    </div>
  );
}

function kindsOf(group: GroupDetail): readonly [Kind, string][] {
  const found: [Kind, string][] = [];
  if (mayFeed() && accountsOf(group).length) found.push(["deposit", say("topUpCollateralCame")]);
  if (mayFeed() && group.loans.length) found.push(["repay", say("repayment2")]);
  if (mayOperate() && group.deadline && group.stage === "delayed_liquidation")
    found.push(["extend_grace", say("extendTheGracePeriod")]);
  return found;
}

function accountsOf(group: GroupDetail): string[] {
  return [...new Set(group.contributions.flatMap((c) => Object.keys(c.accounts)))].sort();
}

function assetsOf(group: GroupDetail, kind: Kind): string[] {
  const of = kind === "repay" ? group.loans : group.contributions;
  return [...new Set(of.map((each) => each.asset))];
}

function emptyOf(group: GroupDetail, kind: Kind): Draft {
  const [asset = ""] = assetsOf(group, kind);
  return { kind, account: accountsOf(group)[0] ?? "", asset, amount: "", hours: "4", reason: "" };
}

/** Of what a percentage is one: of all that is owed in the coin. Nobody tops up by a percentage. */
function wholeOf(group: GroupDetail, { kind, asset }: Draft): string | null {
  if (kind !== "repay") return null;
  return sum(group.loans.filter((l) => l.asset === asset).flatMap((l) => [l.principal, l.interest]));
}

async function look(group: GroupDetail, draft: Draft, entered: Entered): Promise<Looked> {
  if (draft.kind === "extend_grace")
    return { kind: "lever", preview: await post<LeverPreview>("/v1/levers?dry_run=true", graceOf(group, draft)) };
  const change = { [draft.asset]: entered.kind === "value" ? entered.value : "" };
  const asked = draft.kind === "deposit" ? { add: change } : { repay: change };
  const answer = await post<WhatIfAnswer>(path("groups", group.id, "what-if"), asked);
  return { kind: "entry", answer, version: group.version, id: newId() };
}

async function enter(group: GroupDetail, draft: Draft, entered: Entered, looked: Looked): Promise<string> {
  if (looked.kind === "lever") {
    const made = await post<LeverItem | ProposalItem>("/v1/levers", graceOf(group, draft));
    return "expires" in made ? say("proposedIdAnotherPerson", { id: made.id }) : say("idIsInForce", { id: made.id });
  }
  const body = { id: looked.id, ...entryOf(draft, entered) };
  await postIfAt<EntryAnswer>(path("groups", group.id, "entries"), body, looked.version);
  const amount = entered.kind === "value" ? entered.says : draft.amount;
  return draft.kind === "deposit" ? say("topUpOfAmount", { amount }) : say("repaymentOfAmountIs", { amount });
}

/** What is repaid by percentage is entered as one: interest goes on between the look and the entry. */
export function entryOf(draft: Draft, entered: Entered): Readonly<Record<string, string>> {
  if (entered.kind !== "value") return {};
  const { asset, account } = draft;
  if (draft.kind === "deposit") return { type: "deposit", account, asset, quantity: entered.value };
  return entered.percent === undefined
    ? { type: "repay", asset, amount: entered.value }
    : { type: "repay", asset, percent: entered.percent };
}

function graceOf(group: GroupDetail, { hours, reason }: Draft) {
  const lever = { kind: "extend_grace", line: "", level: "", product: "", hours, reason, emergency: "" } as const;
  return leverOf(lever, group.id, group.deadline, Date.now());
}

/** An entry with an id happens once, however often it is sent. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `page-${[...bytes].map((b) => b.toString(16).padStart(2, "0")).join("")}`;
}

function buttonOf(looked: Looked): string {
  if (looked.kind === "entry") return say("enterIt");
  return looked.preview.needs_approval ? say("proposeIt") : say("extendIt");
}

interface Part {
  readonly draft: Draft;
  readonly set: (part: Partial<Draft>) => void;
}

function Money({ group, draft, entered, set }: Part & { group: GroupDetail; entered: Entered }) {
  const isDeposit = draft.kind === "deposit";
  const accounts = accountsOf(group);
  return (
    <>
      {isDeposit && accounts.length > 1 && (
        <label class="field">
          {say("intoAccount")}
          <select value={draft.account} onChange={(e) => set({ account: e.currentTarget.value })}>
            {accounts.map((account) => (
              <option key={account}>{account}</option>
            ))}
          </select>
        </label>
      )}
      {isDeposit ? (
        <label class="field">
          {say("coin")}
          <input
            required
            size={8}
            value={draft.asset}
            onChange={(e) => set({ asset: asTyped(e.currentTarget.value) })}
          />
        </label>
      ) : (
        <label class="field">
          {say("coin")}
          <select value={draft.asset} onChange={(e) => set({ asset: e.currentTarget.value })}>
            {assetsOf(group, draft.kind).map((asset) => (
              <option key={asset}>{asset}</option>
            ))}
          </select>
        </label>
      )}
      <EnteredField
        label={isDeposit ? say("quantityThatCameIn") : say("amountOr100For")}
        text={draft.amount}
        entered={entered}
        onText={(amount) => set({ amount })}
      />
    </>
  );
}

function Grace({ draft, set }: Part) {
  return (
    <>
      <label class="field">
        {say("hoursLonger")}
        <select value={draft.hours} onChange={(e) => set({ hours: e.currentTarget.value })}>
          {HOURS.map((h) => (
            <option key={h}>{h}</option>
          ))}
        </select>
      </label>
      <label class="field">
        {say("reasonForTheLonger")}
        <input required value={draft.reason} onInput={(e) => set({ reason: e.currentTarget.value })} />
      </label>
    </>
  );
}

function Returned({ answer }: { answer: WhatIfAnswer }) {
  const back = Object.entries(answer.returned);
  if (!back.length) return null;
  return (
    <p class="failure">
      {say("thatIsTooMuch", { amount: back.map(([asset, amount]) => `${numbers.exact(amount)} ${asset}`).join(", ") })}
    </p>
  );
}
