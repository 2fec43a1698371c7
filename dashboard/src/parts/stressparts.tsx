/** What became of a stress test: stages before and after, losses, and who moves. */

import { useState } from "preact/hooks";
import { STAGE_NAMES, STAGES, type Stage } from "../alerts.generated";
import type { FallReach, ReverseAnswer, StressAnswer } from "../answers.generated";
import { to } from "../router";
import { many, numbers, Scroll, Share, ShortUsd, StagePill, Time, Usd } from "./figures";

export function Outcome({ answer }: { answer: StressAnswer }) {
  return (
    <div aria-live="polite">
      <p class="body quiet">
        <Time at={answer.at} /> · {many(answer.groups, "group")}
        {answer.unknown > 0 && `, ${answer.unknown} more cannot be valued`} ·{" "}
        {answer.is_exact.sums ? "every figure is exact" : "counts are exact, sums rounded to cents"} ·{" "}
        {Object.entries(answer.shocks)
          .map(([a, s]) => `${a} ${s.shock}`)
          .join(", ")}
      </p>
      <dl class="facts body">
        <Figure name="Shortfall" value={answer.shortfall_usd} />
        {answer.fund_draw_usd !== undefined && <Figure name="Draw on the fund" value={answer.fund_draw_usd} />}
        <Figure name="Liquidation fees" value={answer.fees_usd} />
        <div>
          <dt>Bankrupt groups</dt>
          <dd class="num">{numbers.exact(String(answer.bankrupt))}</dd>
        </div>
      </dl>
      <Stages answer={answer} />
      <Movers answer={answer} />
    </div>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Usd value={value} places={2} />
      </dd>
    </div>
  );
}

function Stages({ answer }: { answer: StressAnswer }) {
  return (
    <Scroll label="Stages before and after">
      <table>
        <thead>
          <tr>
            <th>Stage</th>
            <th class="right">Groups now</th>
            <th class="right">Groups then</th>
            <th class="right">Debt now</th>
            <th class="right">Debt then</th>
            <th class="right">Recognised now</th>
            <th class="right">Recognised then</th>
            <th>Comes from</th>
          </tr>
        </thead>
        <tbody>
          {STAGES.map((stage) => (
            <tr key={stage}>
              <th scope="row">
                <StagePill stage={stage} />
              </th>
              <td class="right num">{numbers.exact(String(answer.before[stage].groups))}</td>
              <td class="right num">
                <strong>{numbers.exact(String(answer.after[stage].groups))}</strong>
              </td>
              <td class="right">
                <ShortUsd value={answer.before[stage].debt_usd} />
              </td>
              <td class="right">
                <strong>
                  <ShortUsd value={answer.after[stage].debt_usd} />
                </strong>
              </td>
              <td class="right">
                <ShortUsd value={answer.before[stage].recognised_usd} />
              </td>
              <td class="right">
                <ShortUsd value={answer.after[stage].recognised_usd} />
              </td>
              <td>
                {answer.moves
                  .filter((m) => m.to === stage && m.from !== stage && m.groups > 0)
                  .map((m) => `${m.groups} ${STAGE_NAMES[m.from].toLowerCase()}`)
                  .join(", ") || "–"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Movers({ answer }: { answer: StressAnswer }) {
  const [stage, setStage] = useState<Stage>("liquidation");
  const newly = answer.newly[stage];
  return (
    <>
      <p class="body buttons">
        Newly in
        {STAGES.map((s) => (
          <button type="button" key={s} class="small" aria-pressed={s === stage} onClick={() => setStage(s)}>
            {STAGE_NAMES[s]} ({numbers.exact(String(answer.newly[s].groups))})
          </button>
        ))}
      </p>
      {newly.items.length ? (
        <Scroll label="Groups that move">
          <table>
            <thead>
              <tr>
                <th>Group</th>
                <th>From</th>
                <th class="right">LTV now</th>
                <th class="right">LTV then</th>
                <th class="right">Debt</th>
                <th class="right">Market value</th>
                <th class="right">Shortfall</th>
              </tr>
            </thead>
            <tbody>
              {newly.items.map((m) => (
                <tr key={m.id}>
                  <th scope="row">
                    <a href={to.group(m.id)}>{m.id}</a>
                  </th>
                  <td>
                    <StagePill stage={m.from} />
                  </td>
                  <td class="right">
                    <Share value={m.ltv_before} />
                  </td>
                  <td class="right">
                    <Share value={m.ltv} />
                  </td>
                  <td class="right">
                    <Usd value={m.debt_usd} />
                  </td>
                  <td class="right">
                    <Usd value={m.market_usd} />
                  </td>
                  <td class="right">
                    <Usd value={m.shortfall_usd} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {newly.cut > 0 && <p class="quiet">{newly.cut} more are in the CSV.</p>}
        </Scroll>
      ) : (
        <p class="empty">No group is new in this stage.</p>
      )}
    </>
  );
}

/** Both sides of the edge, so that anybody can see that it is one. */
export function Sides({ answer }: { answer: ReverseAnswer }) {
  const sides: readonly [string, FallReach | null][] = [
    ["at this fall", answer.reached],
    ["just before", answer.below],
  ];
  return (
    <Scroll label="At the fall and just before">
      <table>
        <thead>
          <tr>
            <th>
              <span class="hidden">Side</span>
            </th>
            <th class="right">Fall</th>
            <th class="right">Groups at the line</th>
            <th class="right">Their debt</th>
            <th class="right">Share of the debt</th>
          </tr>
        </thead>
        <tbody>
          {sides.map(
            ([name, side]) =>
              side && (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td class="right num">{numbers.exact(side.fall_percent)}%</td>
                  <td class="right num">{numbers.exact(String(side.groups))}</td>
                  <td class="right">
                    <Usd value={side.debt_usd} />
                  </td>
                  <td class="right">
                    <Share value={side.share} />
                  </td>
                </tr>
              ),
          )}
        </tbody>
      </table>
    </Scroll>
  );
}
