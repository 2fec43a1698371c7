/** The whole book under shocks: who crosses which line, a matrix of two coins, and the fall that it takes. */

import { useState } from "preact/hooks";
import type { MatrixAnswer, ReverseAnswer, StressAnswer } from "../answers.generated";
import { type ApiError, post, postFor } from "../api";
import { saveFile } from "../export";
import { asTyped } from "../format/coin";
import { shift } from "../format/decimal";
import { amountOf, shockOf } from "../format/entered";
import { live } from "../live/live";
import { useStore } from "../live/store";
import { EnteredInput } from "../parts/enteredfield";
import { numbers, Panel, Time } from "../parts/figures";
import { HeatMap } from "../parts/heatmap";
import { Failure } from "../parts/notices";
import { Outcome, Sides } from "../parts/stressparts";
import { say } from "../words/say";
import { Slider } from "./whatif";

/** As typed. */
type Shocks = Readonly<Record<string, string>>;

/** The shocks that are asked, or null while one of them could mean two things. */
function readShocks(shocks: Shocks): Shocks | null {
  const read: Record<string, string> = {};
  for (const [asset, text] of Object.entries(shocks)) {
    const entered = shockOf(text, numbers);
    if (entered.kind === "ask" || entered.kind === "wrong") return null;
    // A coin without a change is part of the question too: its price is needed.
    read[asset] = entered.kind === "value" ? entered.value : "0%";
  }
  return read;
}

const PRESETS: readonly [string, Shocks][] = [
  [say("crypto10"), { BTC: "-10%", ETH: "-10%", SOL: "-10%" }],
  [say("crypto30"), { BTC: "-30%", ETH: "-35%", SOL: "-45%" }],
  [say("stablecoin3"), { USDT: "-3%" }],
];

export function StressPage() {
  return (
    <article>
      <header class="pagehead">
        <h1>{say("stress")}</h1>
        <p class="quiet">{say("theWholeBookOn")}</p>
      </header>
      <div class="grid">
        <ShockPanel />
        <MatrixPanel />
        <ReversePanel />
      </div>
    </article>
  );
}

/** One question at a time, and what became of it. */
function useQuestion<T>() {
  const [answer, setAnswer] = useState<T | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const ask = async (body: unknown): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      setAnswer(await post<T>("/v1/stress", body));
    } catch (e) {
      setAnswer(null);
      setError(e as ApiError);
    }
    setBusy(false);
  };
  return { answer, error, busy, ask };
}

function ShockPanel() {
  const [shocks, setShocks] = useState<Shocks>({ BTC: "-20%", ETH: "-25%" });
  const [scenario, setScenario] = useState("");
  const { answer, error, busy, ask } = useQuestion<StressAnswer>();
  const [saving, setSaving] = useState<ApiError | null>(null);
  const read = readShocks(shocks);
  const body = scenario ? { scenario } : { shocks: read };
  const isAsked = scenario !== "" || (read !== null && Object.keys(read).length > 0);
  const save = (): void => {
    setSaving(null);
    postFor("/v1/stress", body, "text/csv").then((list) => saveFile("stress.csv", list), setSaving);
  };
  return (
    <Panel title={say("shocks")} class="wide">
      <form
        class="body"
        onSubmit={(e) => {
          e.preventDefault();
          void ask(body);
        }}
      >
        {!scenario && <ShockFields shocks={shocks} onChange={setShocks} />}
        <p class="buttons">
          {PRESETS.map(([name, preset]) => (
            <button type="button" class="small" key={name} onClick={() => setShocks(preset)}>
              {name}
            </button>
          ))}
          <label>
            {say("orTheFallsOf")}{" "}
            <input
              size={12}
              placeholder="2021-05-19"
              value={scenario}
              onInput={(e) => setScenario(e.currentTarget.value.trim())}
            />
          </label>
        </p>
        <p class="buttons">
          <button type="submit" class="primary" disabled={busy || !isAsked}>
            {busy ? say("weighing") : say("stressTheBook")}
          </button>
          <button type="button" onClick={save} disabled={!answer}>
            {say("saveTheListAs")}
          </button>
        </p>
      </form>
      {error && <Failure error={error} what={say("stressTests")} />}
      {saving && <Failure error={saving} what={say("listsAsCsv")} />}
      {answer && <Outcome answer={answer} />}
    </Panel>
  );
}

function ShockFields({ shocks, onChange }: { shocks: Shocks; onChange: (shocks: Shocks) => void }) {
  const prices = useStore(live.prices);
  const free = [...prices.keys()].filter((a) => !(a in shocks)).sort();
  const set = (asset: string, value: string): void => onChange({ ...shocks, [asset]: value });
  const drop = (asset: string): void => {
    const { [asset]: _, ...rest } = shocks;
    onChange(rest);
  };
  return (
    <>
      {Object.entries(shocks).map(([asset, text]) => {
        const entered = shockOf(text, numbers);
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
              text={text}
              entered={entered}
              onText={(v) => set(asset, v)}
            />
            <button
              type="button"
              class="small drop-shock"
              onClick={() => drop(asset)}
              aria-label={say("noShockOfAsset", { asset })}
            >
              ✕
            </button>
          </div>
        );
      })}
      <label>
        {say("anotherCoin")}{" "}
        <select value="" onChange={(e) => e.currentTarget.value && set(e.currentTarget.value, "-20%")}>
          <option value="">{say("choose")}</option>
          {free.map((a) => (
            <option key={a}>{a}</option>
          ))}
        </select>
      </label>
    </>
  );
}

const STEPS = ["-60%", "-50%", "-40%", "-30%", "-20%", "-10%", "0%", "10%", "20%"];

function MatrixPanel() {
  const [x, setX] = useState("BTC");
  const [y, setY] = useState("ETH");
  const { answer, error, busy, ask } = useQuestion<MatrixAnswer>();
  return (
    <Panel title={say("matrixOfTwoCoins")} class="wide">
      <form
        class="body buttons"
        onSubmit={(e) => {
          e.preventDefault();
          void ask({ matrix: { x: { asset: asTyped(x), shocks: STEPS }, y: { asset: asTyped(y), shocks: STEPS } } });
        }}
      >
        <label>
          {say("across")} <input size={7} value={x} onInput={(e) => setX(e.currentTarget.value)} />
        </label>
        <label>
          {say("down")} <input size={7} value={y} onInput={(e) => setY(e.currentTarget.value)} />
        </label>
        <button type="submit" class="primary" disabled={busy}>
          {busy ? say("weighing") : say("drawTheMatrix")}
        </button>
      </form>
      {error && <Failure error={error} what={say("aMatrix")} />}
      {answer && <HeatMap answer={answer} />}
    </Panel>
  );
}

function ReversePanel() {
  const [percent, setPercent] = useState("10");
  const [assets, setAssets] = useState("");
  const { answer, error, busy, ask } = useQuestion<ReverseAnswer>();
  const entered = amountOf(percent, numbers, "%", null);
  return (
    <Panel title={say("howFarMustIt")} class="wide">
      <form
        class="body buttons"
        onSubmit={(e) => {
          e.preventDefault();
          const named = assets
            .split(/[\s,]+/)
            .filter(Boolean)
            .map(asTyped);
          if (entered.kind === "value")
            void ask({ reverse: { share: shift(entered.value, -2), ...(named.length && { assets: named }) } });
        }}
      >
        <label>
          {say("until")}{" "}
          <input
            class="num"
            size={4}
            inputMode="decimal"
            value={percent}
            aria-invalid={entered.kind !== "value"}
            onInput={(e) => setPercent(e.currentTarget.value)}
          />{" "}
          {say("ofTheDebtIs")}
        </label>
        <label>
          {say("coinsThatFall")}{" "}
          <input
            size={16}
            placeholder={say("allButStablecoins")}
            value={assets}
            onInput={(e) => setAssets(e.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={busy || entered.kind !== "value"}>
          {busy ? say("searching") : say("search")}
        </button>
      </form>
      {error && <Failure error={error} what={say("aReverseStressTest")} />}
      {answer && (
        <div class="body">
          <p class="answer">
            {answer.fall_percent === null ? (
              answer.reason
            ) : (
              <>
                {say("aCommonFallOf")} <strong class="num">{numbers.exact(answer.fall_percent)}%</strong>{" "}
                {say("ofAssets", { assets: answer.assets.join(", ") })}
              </>
            )}{" "}
            <small>
              <Time at={answer.at} />
            </small>
          </p>
          <Sides answer={answer} />
        </div>
      )}
    </Panel>
  );
}
