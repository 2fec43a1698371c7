/** A matrix of two shocks: the darker, the more debt at the liquidation line. The figure stands in every cell. */

import type { MatrixAnswer } from "../answers.generated";
import { position } from "../format/decimal";
import { say } from "../words/say";
import { count, numbers, Scroll, Time } from "./figures";

/** Steps of colour: more could not be told apart. */
export const HEATS = 6;

export function heat(value: number, most: number): number {
  return most > 0 && value > 0 ? Math.min(HEATS, 1 + Math.floor((value / most) * (HEATS - 1))) : 0;
}

export function HeatMap({ answer: { at, x, y, cells } }: { answer: MatrixAnswer }) {
  const most = Math.max(...cells.flat().map((c) => position(c.liquidation_debt_usd)));
  return (
    <>
      <p class="body quiet">
        {say("debtAtOrBeyond", { asset: x.asset, asset2: y.asset })} <Time at={at} />
      </p>
      <Scroll label={say("debtAtTheLiquidation", { asset: x.asset, asset2: y.asset })} whole>
        <table class="heatmap">
          <thead>
            <tr>
              <th scope="col">
                {y.asset} ╲ {x.asset}
              </th>
              {x.shocks.map((s) => (
                <th key={s} scope="col" class="right num">
                  {shown(s)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {cells.map((row, i) => (
              <tr key={y.shocks[i]}>
                <th scope="row" class="num">
                  {shown(y.shocks[i] ?? "")}
                </th>
                {row.map((cell, j) => {
                  const debt = cell.liquidation_debt_usd;
                  const groups = cell.stages.liquidation + cell.stages.delayed_liquidation;
                  return (
                    <td
                      key={x.shocks[j]}
                      class={`right num heat-${heat(position(debt), most)}`}
                      title={say("debtUsdOfGroups", {
                        debt: numbers.exact(debt),
                        groups: count(groups),
                        shortfallUsd: numbers.exact(cell.shortfall_usd),
                      })}
                    >
                      {numbers.short(debt)}
                      <small>{count(groups)}</small>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </>
  );
}

function shown(shock: string): string {
  return shock.replace("-", "−");
}
