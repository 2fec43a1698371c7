/** A group as it is and as it would be, figure by figure, and which alerts would be raised on the way. */

import type { ComponentChildren } from "preact";
import type { WhatIfAnswer, WhatIfStanding } from "../answers.generated";
import { say } from "../words/say";
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
      <Scroll label={say("nowAndThen")} whole>
        <table class="compare">
          <thead>
            <tr>
              <th>
                <span class="hidden">{say("figure")}</span>
              </th>
              <th class="right">{say("now")}</th>
              <th class="right">{say("thenTitle")}</th>
            </tr>
          </thead>
          <tbody>
            <Row name={say("ltv")} of={(s) => <LevelText group={s} />} before={before} after={after} />
            <Row name={say("stage")} of={(s) => <StagePill stage={s.stage} />} before={before} after={after} />
            <Row name={say("debt2")} of={(s) => <Usd value={s.debt_usd} places={2} />} before={before} after={after} />
            <Row
              name={say("recognised")}
              of={(s) => <Usd value={s.recognised_usd} places={2} />}
              before={before}
              after={after}
            />
            <Row
              name={say("marketValue")}
              of={(s) => <Usd value={s.market_usd} places={2} />}
              before={before}
              after={after}
            />
            <Row
              name={say("mayStillBorrow")}
              of={(s) => <Usd value={s.borrowable_usd} places={2} />}
              before={before}
              after={after}
            />
            <Row name={say("toNextLine")} of={next} before={before} after={after} />
            <Row
              name={say("repayToCure")}
              of={(s) => <Usd value={s.cure?.repay_usd} places={2} />}
              before={before}
              after={after}
            />
            <Row name={say("permitted")} of={may} before={before} after={after} />
          </tbody>
        </table>
      </Scroll>
      <p aria-live="polite">
        {after.alerts.length ? (
          <strong>{say("itWouldRaiseAlerttitle", { alertTitle: after.alerts.map(alertTitle).join(", ") })}</strong>
        ) : (
          <span class="quiet">{say("itWouldRaiseNo")}</span>
        )}
      </p>
    </>
  );
}

function next(s: WhatIfStanding) {
  return s.next_line
    ? say("distancepercentToNextline", {
        distancePercent: numbers.exact(s.next_line.distance_percent, 2, true),
        nextLine: lineWords(s.next_line),
      })
    : "–";
}

function may(s: WhatIfStanding): string {
  const p = s.permitted;
  const found = [
    p.trade && "trade",
    p.move_within_group && "move",
    p.withdraw && "withdraw",
    p.new_order && "borrow",
    ...Object.keys(p.not_stated).map((name) => say("nameNotStated", { name })),
  ].filter(Boolean);
  return found.join(", ") || say("onlyToAddCollateral");
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
