/** What became of a stress test: stages before and after, losses, and who moves. */

import { useState } from "preact/hooks";
import { STAGES, type Stage } from "../alerts.generated";
import type { FallReach, ReverseAnswer, StressAnswer } from "../answers.generated";
import { to } from "../router";
import { say, term } from "../words/say";
import { count, many, numbers, Scroll, Share, ShortUsd, StagePill, stageName, Time, Usd } from "./figures";

export function Outcome({ answer }: { answer: StressAnswer }) {
  return (
    <div aria-live="polite">
      <p class="body quiet">
        <Time at={answer.at} /> · {many(answer.groups, "group")}
        {answer.unknown > 0 && `, ${many(answer.unknown, "moreNotValued")}`} ·{" "}
        {answer.is_exact.sums ? say("everyFigureIsExact") : say("countsAreExactSums")} ·{" "}
        {Object.entries(answer.shocks)
          .map(([a, s]) => `${a} ${s.shock}`)
          .join(", ")}
      </p>
      <dl class="facts body">
        <Figure name={say("shortfall")} value={answer.shortfall_usd} />
        {answer.fund_draw_usd !== undefined && <Figure name={say("drawOnTheFund")} value={answer.fund_draw_usd} />}
        <Figure name={say("liquidationFees")} value={answer.fees_usd} />
        <div>
          <dt>{say("bankruptGroups")}</dt>
          <dd class="num">{count(answer.bankrupt)}</dd>
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
    <Scroll label={say("stagesBeforeAndAfter")}>
      <table>
        <thead>
          <tr>
            <th>{say("stage")}</th>
            <th class="right">{say("groupsNow")}</th>
            <th class="right">{say("groupsThen")}</th>
            <th class="right">{say("debtNow")}</th>
            <th class="right">{say("debtThen")}</th>
            <th class="right">{say("recognisedNow")}</th>
            <th class="right">{say("recognisedThen")}</th>
            <th>{say("comesFrom")}</th>
          </tr>
        </thead>
        <tbody>
          {STAGES.map((stage) => (
            <tr key={stage}>
              <th scope="row">
                <StagePill stage={stage} />
              </th>
              <td class="right num">{count(answer.before[stage].groups)}</td>
              <td class="right num">
                <strong>{count(answer.after[stage].groups)}</strong>
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
                  .map((m) => `${count(m.groups)} ${term(m.from)}`)
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
        {say("newlyIn")}
        {STAGES.map((s) => (
          <button type="button" key={s} class="small" aria-pressed={s === stage} onClick={() => setStage(s)}>
            {stageName(s)} ({count(answer.newly[s].groups)})
          </button>
        ))}
      </p>
      {newly.items.length ? (
        <Scroll label={say("groupsThatMove")}>
          <table>
            <thead>
              <tr>
                <th>{say("group")}</th>
                <th>{say("from")}</th>
                <th class="right">{say("ltvNow")}</th>
                <th class="right">{say("ltvThen")}</th>
                <th class="right">{say("debt2")}</th>
                <th class="right">{say("marketValue")}</th>
                <th class="right">{say("shortfall")}</th>
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
          {newly.cut > 0 && <p class="quiet">{many(newly.cut, "moreInCsv")}</p>}
        </Scroll>
      ) : (
        <p class="empty">{say("noGroupIsNew")}</p>
      )}
    </>
  );
}

/** Both sides of the edge, so that anybody can see that it is one. */
export function Sides({ answer }: { answer: ReverseAnswer }) {
  const sides: readonly [string, FallReach | null][] = [
    [say("atThisFall"), answer.reached],
    [say("justBefore"), answer.below],
  ];
  return (
    <Scroll label={say("atTheFallAnd")}>
      <table>
        <thead>
          <tr>
            <th>
              <span class="hidden">{say("side")}</span>
            </th>
            <th class="right">{say("fall")}</th>
            <th class="right">{say("groupsAtTheLine")}</th>
            <th class="right">{say("theirDebt")}</th>
            <th class="right">{say("shareOfTheDebt")}</th>
          </tr>
        </thead>
        <tbody>
          {sides.map(
            ([name, side]) =>
              side && (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td class="right num">{numbers.exact(side.fall_percent)}%</td>
                  <td class="right num">{count(side.groups)}</td>
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
