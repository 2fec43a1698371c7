/** A group as it is and as it would be, figure by figure, and which alerts would be raised on the way. */

import type { ComponentChildren } from "preact";
import type { WhatIfAnswer, WhatIfStanding } from "../answers.generated";
import { alertTitle, numbers, Scroll, StagePill, Usd } from "./figures";
import type { Lines } from "./ltvbar";
import { LevelText, LtvBar } from "./ltvbar";
import { lineWords } from "./nextline";

export function Compared({ answer, lines }: { answer: WhatIfAnswer; lines: Lines }) {
  const { before, after } = answer;
  return (
    <>
      <div class="body">
        <LtvBar group={{ ...after, thresholds: lines }} />
      </div>
      <Scroll label="Now and then" whole>
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
  of: (s: WhatIfStanding) => ComponentChildren;
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
