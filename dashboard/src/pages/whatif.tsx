/** What would follow: shocks, repayments, additions and withdrawals of one group, answered by the monitor itself. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { GroupDetail, WhatIfAnswer, WhatIfStanding } from "../answers.generated";
import { ApiError, path, post } from "../api";
import { asTyped } from "../format/coin";
import { isDecimal } from "../format/decimal";
import { usePolled } from "../live/polled";
import { alertTitle, numbers, Panel, Scroll, StagePill, Usd } from "../parts/figures";
import type { Lines } from "../parts/ltvbar";
import { LevelText, LtvBar } from "../parts/ltvbar";
import { lineWords } from "../parts/nextline";
import { Failure, Fresh } from "../parts/notices";
import { to } from "../router";

type Kind = "shock" | "repay" | "add" | "remove";
type Asked = Readonly<Record<Kind, Readonly<Record<string, string>>>>;

const NOTHING: Asked = { shock: {}, repay: {}, add: {}, remove: {} };
/** Long enough that a slider that is drawn along asks a few times a second. */
const PAUSE_MS = 120;

export function WhatIfPage({ id }: { id: string }) {
  const group = usePolled<GroupDetail>(path("groups", id), 5000);
  return (
    <article>
      <header class="pagehead">
        <h1>
          What if… <a href={to.group(id)}>{id}</a>
        </h1>
        <p class="quiet">Nothing is changed: the monitor only says what would follow.</p>
      </header>
      <Fresh of={group} what="this group">
        {(detail) => <Question group={detail} />}
      </Fresh>
    </article>
  );
}

function Question({ group }: { group: GroupDetail }) {
  const [asked, setAsked] = useState<Asked>(NOTHING);
  const { answer, error, busy } = useAnswer(group.id, asked, group.at);
  const set = (kind: Kind, asset: string, value: string): void =>
    setAsked((old) => {
      const { [asset]: _, ...rest } = old[kind];
      return { ...old, [kind]: value === "" ? rest : { ...rest, [asset]: value } };
    });
  const held = group.contributions.map((c) => c.asset);
  const owed = [...new Set(group.loans.map((l) => l.asset))];
  const moved = [...new Set([...held, ...owed])];
  return (
    <div class="grid whatif">
      <Panel title="Prices" aside={<Reset asked={asked} onReset={() => setAsked(NOTHING)} />}>
        <div class="body">
          <Shocks assets={moved} asked={asked.shock} set={(a, v) => set("shock", a, v)} />
          <All assets={held} set={(v) => setAsked((old) => ({ ...old, shock: shockAll(old.shock, held, v) }))} />
        </div>
      </Panel>
      <Panel title="Result" class={busy ? "busy" : ""}>
        {error && <Failure error={error} what="what-if" />}
        {answer && <Result answer={answer} lines={group.thresholds} />}
      </Panel>
      <Panel title="Repay">
        <Amounts
          kind="repay"
          assets={owed}
          asked={asked.repay}
          set={(a, v) => set("repay", a, v)}
          hint={(a) => owes(group, a)}
        />
      </Panel>
      <Panel title="Withdraw">
        <Amounts
          kind="remove"
          assets={held}
          asked={asked.remove}
          set={(a, v) => set("remove", a, v)}
          hint={(a) => holds(group, a)}
        />
      </Panel>
      <Panel title="Add" class="wide">
        <Amounts
          kind="add"
          assets={[...new Set([...held, ...Object.keys(asked.add)])]}
          asked={asked.add}
          set={(a, v) => set("add", a, v)}
          hint={() => ""}
        />
        <Another onAsset={(a) => set("add", a, "1")} />
      </Panel>
    </div>
  );
}

function holds(group: GroupDetail, asset: string): string {
  return `holds ${numbers.exact(group.contributions.find((c) => c.asset === asset)?.quantity ?? "0")}`;
}

function owes(group: GroupDetail, asset: string): string {
  const loans = group.loans.filter((l) => l.asset === asset);
  return `owes ${loans.map((l) => numbers.exact(l.principal)).join(" + ")}`;
}

function shockAll(old: Asked["shock"], assets: readonly string[], value: string): Asked["shock"] {
  return { ...old, ...Object.fromEntries(assets.map((a) => [a, value])) };
}

/** Asks a moment after the last change, and again when the group was valued again. Only the newest answer counts. */
function useAnswer(id: string, asked: Asked, at: string) {
  const [state, setState] = useState<{ answer: WhatIfAnswer | null; error: ApiError | null }>({
    answer: null,
    error: null,
  });
  const [busy, setBusy] = useState(false);
  const first = useRef(true);
  useEffect(() => {
    const stop = new AbortController();
    setBusy(true);
    const ask = async (): Promise<void> => {
      try {
        const answer = await post<WhatIfAnswer>(path("groups", id, "what-if"), asked, stop.signal);
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

function Reset({ asked, onReset }: { asked: Asked; onReset: () => void }) {
  const some = Object.values(asked).some((part) => Object.keys(part).length > 0);
  return (
    <button type="button" class="small" disabled={!some} onClick={onReset}>
      Start over
    </button>
  );
}

interface Field {
  readonly assets: readonly string[];
  readonly asked: Readonly<Record<string, string>>;
  readonly set: (asset: string, value: string) => void;
}

function Shocks({ assets, asked, set }: Field) {
  return (
    <>
      {assets.map((asset) => (
        <div class="shock" key={asset}>
          <span class="asset">{asset}</span>
          <Slider label={`Change of ${asset} in percent`} value={asked[asset]} onValue={(v) => set(asset, v)} />
          <input
            aria-label={`Change or price of ${asset}`}
            class="num"
            placeholder="% or price"
            value={asked[asset] ?? ""}
            onChange={(e) => set(asset, e.currentTarget.value.trim().replace("−", "-"))}
          />
        </div>
      ))}
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
      aria-valuetext={props.value ?? "no change"}
      onInput={(e) => props.onValue(e.currentTarget.value === "0" ? "" : `${e.currentTarget.value}%`)}
    />
  );
}

function All({ assets, set }: { assets: readonly string[]; set: (value: string) => void }) {
  if (assets.length < 2) return null;
  return (
    <p class="buttons">
      All collateral:
      {["-5%", "-10%", "-20%", "-30%", "-50%"].map((v) => (
        <button type="button" class="small" key={v} onClick={() => set(v)}>
          {v.replace("-", "−")}
        </button>
      ))}
    </p>
  );
}

function Amounts({ kind, assets, asked, set, hint }: Field & { kind: Kind; hint: (asset: string) => string }) {
  const names: Partial<Record<Kind, string>> = { repay: "Repay", add: "Add", remove: "Withdraw" };
  return (
    <div class="body amounts">
      {assets.map((asset) => (
        <label class="field" key={asset}>
          <span>
            {names[kind]} {asset} <small>{hint(asset)}</small>
          </span>
          <input
            class="num"
            inputMode="decimal"
            value={asked[asset] ?? ""}
            aria-invalid={asked[asset] !== undefined && !isDecimal(asked[asset])}
            onInput={(e) => set(asset, e.currentTarget.value.trim())}
          />
        </label>
      ))}
      {!assets.length && <p class="quiet">There is nothing of this kind.</p>}
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
        Another coin <input size={8} value={text} onInput={(e) => setText(e.currentTarget.value)} />
      </label>
      <button type="submit">Add it</button>
    </form>
  );
}

function Result({ answer, lines }: { answer: WhatIfAnswer; lines: Lines }) {
  const { before, after } = answer;
  return (
    <>
      <div class="body">
        <LtvBar group={{ ...after, thresholds: lines }} />
      </div>
      <Scroll label="Now and then">
        <table class="compare">
          <thead>
            <tr>
              <th>
                <span class="hidden">Figure</span>
              </th>
              <th class="right">Now</th>
              <th class="right">Then</th>
            </tr>
          </thead>
          <tbody>
            <Row name="LTV" of={(s) => <LevelText group={s} />} before={before} after={after} />
            <Row name="Stage" of={(s) => <StagePill stage={s.stage} />} before={before} after={after} />
            <Row name="Debt" of={(s) => <Usd value={s.debt_usd} places={2} />} before={before} after={after} />
            <Row
              name="Recognised"
              of={(s) => <Usd value={s.recognised_usd} places={2} />}
              before={before}
              after={after}
            />
            <Row
              name="Market value"
              of={(s) => <Usd value={s.market_usd} places={2} />}
              before={before}
              after={after}
            />
            <Row
              name="May still borrow"
              of={(s) => <Usd value={s.borrowable_usd} places={2} />}
              before={before}
              after={after}
            />
            <Row name="To next line" of={next} before={before} after={after} />
            <Row
              name="Repay to cure"
              of={(s) => <Usd value={s.cure?.repay_usd} places={2} />}
              before={before}
              after={after}
            />
            <Row name="Permitted" of={may} before={before} after={after} />
          </tbody>
        </table>
      </Scroll>
      <p aria-live="polite">
        {after.alerts.length ? (
          <strong>It would raise: {after.alerts.map(alertTitle).join(", ")}</strong>
        ) : (
          <span class="quiet">It would raise no alert.</span>
        )}
      </p>
    </>
  );
}

function next(s: WhatIfStanding) {
  return s.next_line ? `${numbers.exact(s.next_line.distance_percent, 2, true)}% to ${lineWords(s.next_line)}` : "–";
}

function may(s: WhatIfStanding): string {
  const p = s.permitted;
  const found = [
    p.trade && "trade",
    p.move_within_group && "move",
    p.withdraw && "withdraw",
    p.new_order && "borrow",
    ...Object.keys(p.not_stated).map((name) => `${name} not stated`),
  ].filter(Boolean);
  return found.join(", ") || "only to add collateral or repay";
}

function Row(props: {
  name: string;
  of: (s: WhatIfStanding) => preact.ComponentChildren;
  before: WhatIfStanding;
  after: WhatIfStanding;
}) {
  return (
    <tr>
      <th scope="row">{props.name}</th>
      <td class="right">{props.of(props.before)}</td>
      <td class="right" data-after={props.name}>
        {props.of(props.after)}
      </td>
    </tr>
  );
}
