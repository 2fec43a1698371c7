/** What would follow: shocks, repayments, additions and withdrawals of one group, answered by the monitor itself. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { GroupDetail, WhatIfAnswer } from "../answers.generated";
import { ApiError, path, post } from "../api";
import { asTyped } from "../format/coin";
import { sum } from "../format/decimal";
import { amountOf, type Entered, shockOf } from "../format/entered";
import { usePolled } from "../live/polled";
import { Compared } from "../parts/compared";
import { EnteredField, EnteredInput } from "../parts/enteredfield";
import { numbers, Panel } from "../parts/figures";
import { Failure, Fresh } from "../parts/notices";
import { to } from "../router";
import { say } from "../words/say";

type Kind = "shock" | "repay" | "add" | "remove";
/** What stands in the fields, as it was typed. */
type Texts = Readonly<Record<Kind, Readonly<Record<string, string>>>>;
type Read = Readonly<Record<Kind, Readonly<Record<string, Entered>>>>;

const NOTHING: Texts = { shock: {}, repay: {}, add: {}, remove: {} };
/** Long enough that a slider that is drawn along asks a few times a second. */
const PAUSE_MS = 120;

/** What is asked of the monitor, or what must be said first: no answer stands for a number that was not understood. */
export function askedOf(read: Read): { asked: string } | { unclear: string[] } {
  const unclear: string[] = [];
  const asked = Object.fromEntries(
    Object.entries(read).map(([kind, fields]) => [
      kind,
      Object.fromEntries(
        Object.entries(fields).flatMap(([asset, entered]) => {
          if (entered.kind === "ask" || entered.kind === "wrong") unclear.push(asset);
          return entered.kind === "value" ? [[asset, entered.value]] : [];
        }),
      ),
    ]),
  );
  return unclear.length ? { unclear } : { asked: JSON.stringify(asked) };
}

export function WhatIfPage({ id }: { id: string }) {
  const group = usePolled<GroupDetail>(path("groups", id), 5000);
  return (
    <article>
      <header class="pagehead">
        <h1>
          {say("whatIf")} <a href={to.group(id)}>{id}</a>
        </h1>
        <p class="quiet">{say("nothingIsChangedThe")}</p>
      </header>
      <Fresh of={group} what={say("thisGroup")}>
        {(detail) => <Question group={detail} />}
      </Fresh>
    </article>
  );
}

function Question({ group }: { group: GroupDetail }) {
  const [texts, setTexts] = useState<Texts>(NOTHING);
  const read = useMemo(() => readOf(texts, group), [texts, group.contributions, group.loans]);
  const what = askedOf(read);
  const { answer, error, busy } = useAnswer(group.id, "asked" in what ? what.asked : null, group.at);
  const set = (kind: Kind, asset: string, value: string): void =>
    setTexts((old) => {
      const { [asset]: _, ...rest } = old[kind];
      return { ...old, [kind]: value === "" && kind !== "add" ? rest : { ...rest, [asset]: value } };
    });
  const held = group.contributions.map((c) => c.asset);
  const owed = [...new Set(group.loans.map((l) => l.asset))];
  const moved = [...new Set([...held, ...owed])];
  const field = (kind: Kind) => ({
    texts: texts[kind],
    read: read[kind],
    set: (a: string, v: string) => set(kind, a, v),
  });
  return (
    <div class="grid whatif">
      <Panel title={say("prices")} aside={<Reset texts={texts} onReset={() => setTexts(NOTHING)} />}>
        <div class="body">
          <Shocks assets={moved} {...field("shock")} />
          <All assets={held} set={(v) => setTexts((old) => ({ ...old, shock: shockAll(old.shock, held, v) }))} />
        </div>
      </Panel>
      <Panel title={say("result")} class={busy ? "busy" : ""}>
        {"unclear" in what ? (
          <p class="unclear" role="status">
            {say("firstSayWhatYou", { unclear: [...new Set(what.unclear)].join(", ") })}
          </p>
        ) : (
          <>
            {error && <Failure error={error} what={say("whatIfWithin")} />}
            {answer && <Compared answer={answer} lines={group.thresholds} />}
          </>
        )}
      </Panel>
      <Panel title={say("repay")}>
        <Amounts kind="repay" assets={owed} {...field("repay")} hint={(a) => owes(group, a)} />
      </Panel>
      <Panel title={say("withdraw")}>
        <Amounts kind="remove" assets={held} {...field("remove")} hint={(a) => holds(group, a)} />
      </Panel>
      <Panel title={say("add")} class="wide">
        <Amounts
          kind="add"
          assets={[...new Set([...held, ...Object.keys(texts.add)])]}
          {...field("add")}
          hint={() => ""}
        />
        <Another onAsset={(a) => set("add", a, "")} />
      </Panel>
    </div>
  );
}

function readOf(texts: Texts, group: GroupDetail): Read {
  const amounts = (of: Readonly<Record<string, string>>, whole: (asset: string) => string | null) =>
    Object.fromEntries(
      Object.entries(of).map(([asset, text]) => [asset, amountOf(text, numbers, asset, whole(asset))]),
    );
  const has = (asset: string): string | null => group.contributions.find((c) => c.asset === asset)?.quantity ?? null;
  return {
    shock: Object.fromEntries(Object.entries(texts.shock).map(([asset, text]) => [asset, shockOf(text, numbers)])),
    repay: amounts(texts.repay, (asset) => owedOf(group, asset)),
    add: amounts(texts.add, has),
    remove: amounts(texts.remove, has),
  };
}

function holds(group: GroupDetail, asset: string): string {
  return say("holdsQuantity", {
    quantity: numbers.exact(group.contributions.find((c) => c.asset === asset)?.quantity ?? "0"),
  });
}

/** What is owed in a coin now, with its interest. */
function owedOf(group: GroupDetail, asset: string): string {
  return sum(group.loans.filter((l) => l.asset === asset).flatMap((l) => [l.principal, l.interest]));
}

function owes(group: GroupDetail, asset: string): string {
  return say("owesAsset", { asset: numbers.exact(owedOf(group, asset), 8) });
}

function shockAll(old: Texts["shock"], assets: readonly string[], value: string): Texts["shock"] {
  return { ...old, ...Object.fromEntries(assets.map((a) => [a, value])) };
}

/** Asks a moment after the last change, and again when the group was valued again. Only the newest answer counts. */
function useAnswer(id: string, asked: string | null, at: string) {
  const [state, setState] = useState<{ answer: WhatIfAnswer | null; error: ApiError | null }>({
    answer: null,
    error: null,
  });
  const [busy, setBusy] = useState(false);
  const first = useRef(true);
  useEffect(() => {
    if (asked === null) return;
    const stop = new AbortController();
    setBusy(true);
    const ask = async (): Promise<void> => {
      try {
        const answer = await post<WhatIfAnswer>(path("groups", id, "what-if"), JSON.parse(asked), stop.signal);
        setState({ answer, error: null });
      } catch (e) {
        // The answer to another question must not stand beside what could not be asked.
        if (!stop.signal.aborted)
          setState({ answer: null, error: e instanceof ApiError ? e : new ApiError(0, "error", String(e)) });
      }
      if (!stop.signal.aborted) setBusy(false);
    };
    const timer = window.setTimeout(() => void ask(), first.current ? 0 : PAUSE_MS);
    first.current = false;
    return () => {
      stop.abort();
      window.clearTimeout(timer);
    };
  }, [id, asked, at]);
  return { ...state, busy };
}

function Reset({ texts, onReset }: { texts: Texts; onReset: () => void }) {
  const some = Object.values(texts).some((part) => Object.keys(part).length > 0);
  return (
    <button type="button" class="small" disabled={!some} onClick={onReset}>
      {say("startOver")}
    </button>
  );
}

interface Field {
  readonly assets: readonly string[];
  readonly texts: Readonly<Record<string, string>>;
  readonly read: Readonly<Record<string, Entered>>;
  readonly set: (asset: string, value: string) => void;
}

const EMPTY: Entered = { kind: "nothing" };

function Shocks({ assets, texts, read, set }: Field) {
  return (
    <>
      {assets.map((asset) => {
        const entered = read[asset] ?? EMPTY;
        return (
          <div class="shock" key={asset}>
            <span class="asset">{asset}</span>
            <Slider
              label={say("changeOfAssetIn", { asset })}
              value={entered.kind === "value" ? entered.value : undefined}
              onValue={(v) => set(asset, v.replace("-", "−"))}
            />
            <EnteredInput
              label={say("changeOrPriceOf", { asset })}
              placeholder={say("orPrice")}
              text={texts[asset] ?? ""}
              entered={entered}
              onText={(v) => set(asset, v)}
            />
          </div>
        );
      })}
    </>
  );
}

export function Slider(props: { label: string; value: string | undefined; onValue: (value: string) => void }) {
  const percent = props.value?.endsWith("%") ? Number(props.value.slice(0, -1)) : 0;
  return (
    <input
      type="range"
      min={-90}
      max={100}
      step={1}
      aria-label={props.label}
      value={Number.isFinite(percent) ? percent : 0}
      aria-valuetext={props.value ?? say("noChange")}
      onInput={(e) => props.onValue(e.currentTarget.value === "0" ? "" : `${e.currentTarget.value}%`)}
    />
  );
}

function All({ assets, set }: { assets: readonly string[]; set: (value: string) => void }) {
  if (assets.length < 2) return null;
  return (
    <p class="buttons">
      {say("allCollateral")}
      {["-5%", "-10%", "-20%", "-30%", "-50%"].map((v) => (
        <button type="button" class="small" key={v} onClick={() => set(v)}>
          {v.replace("-", "−")}
        </button>
      ))}
    </p>
  );
}

function Amounts({ kind, assets, texts, read, set, hint }: Field & { kind: Kind; hint: (asset: string) => string }) {
  const names: Partial<Record<Kind, string>> = { repay: say("repay"), add: say("add"), remove: say("withdraw") };
  return (
    <div class="body amounts">
      {assets.map((asset) => (
        <EnteredField
          key={asset}
          label={`${names[kind]} ${asset}`}
          hint={hint(asset)}
          text={texts[asset] ?? ""}
          entered={read[asset] ?? EMPTY}
          onText={(v) => set(asset, v)}
        />
      ))}
      {!assets.length && <p class="quiet">{say("thereIsNothingOf")}</p>}
    </div>
  );
}

function Another({ onAsset }: { onAsset: (asset: string) => void }) {
  const [text, setText] = useState("");
  return (
    <form
      class="body buttons"
      onSubmit={(e) => {
        e.preventDefault();
        if (text.trim()) onAsset(asTyped(text));
        setText("");
      }}
    >
      <label>
        {say("anotherCoin")} <input size={8} value={text} onInput={(e) => setText(e.currentTarget.value)} />
      </label>
      <button type="submit">{say("addIt")}</button>
    </form>
  );
}
