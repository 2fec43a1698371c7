/** How the whole book stands: a tile per stage, which is also its filter, money at risk, and the prices. */

import { STAGES } from "../alerts.generated";
import { sum } from "../format/decimal";
import { live } from "../live/live";
import { useStore } from "../live/store";
import { to } from "../router";
import { say, term } from "../words/say";
import { count, many, ShortUsd, stageName } from "./figures";

export function Tiles() {
  const counts = useStore(live.counts);
  const filter = useStore(live.filter);
  const risk = counts && sum(STAGES.filter((s) => s !== "normal").map((s) => counts.debt_usd[s]));
  return (
    <ul class="tiles" aria-label={say("groupsByStage")}>
      {STAGES.map((stage, i) => {
        const chosen = filter.stages.includes(stage);
        return (
          <li key={stage}>
            <button
              type="button"
              class={`tile stage-${stage} ${counts?.stages[stage] ? "" : "zero"}`}
              aria-pressed={chosen}
              title={say("showOnlyTheseI", { i: i + 1 })}
              onClick={() => live.show({ ...filter, stages: chosen ? [] : [stage] })}
            >
              <span class="name">{stageName(stage)}</span>
              <span class="count num">{counts ? count(counts.stages[stage]) : "…"}</span>
              <span class="sum">{counts && <ShortUsd value={counts.debt_usd[stage]} />}</span>
            </button>
          </li>
        );
      })}
      <li>
        <div class="tile risk" title={say("whatIsOwedBy")}>
          <span class="name">{say("debtAtRisk")}</span>
          <span class="count">{risk ? <ShortUsd value={risk} /> : "…"}</span>
          <span class="sum">{counts && many(counts.total - counts.stages.normal, "groupPastALine")}</span>
        </div>
      </li>
      <PriceTile />
    </ul>
  );
}

function PriceTile() {
  const prices = useStore(live.prices);
  const counts = useStore(live.counts);
  const bad = [...prices.values()].filter((p) => p.trust !== "good");
  return (
    <li>
      <a class={`tile prices ${bad.length ? "bad" : ""}`} href={to.prices}>
        <span class="name">{say("prices")}</span>
        <span class="count num">
          {bad.length
            ? say("countNotTrusted", { count: count(bad.length) })
            : prices.size
              ? say("allGood")
              : say("noneYet")}
        </span>
        <span class="sum">
          {bad.length
            ? bad
                .slice(0, 4)
                .map((p) => `${p.asset} ${term(p.trust)}`)
                .join(", ")
            : counts
              ? `${many(prices.size, "asset")} · ${many(counts.blind, "groupBlind")}`
              : ""}
        </span>
      </a>
    </li>
  );
}
