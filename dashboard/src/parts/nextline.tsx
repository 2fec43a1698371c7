/** What counts next for a group: that depends on its stage (decision 121). The same words as in mails and the terminal. */

import type { CallBrief, NextLineShown } from "../answers.generated";
import { say } from "../words/say";
import { numbers, Time, Usd, words } from "./figures";

export interface Standing {
  readonly stage: string;
  readonly deadline: string | null;
  readonly unknown: boolean;
  readonly next_line: NextLineShown | null;
  readonly thresholds: Readonly<Record<string, string>>;
  readonly call?: CallBrief;
}

/** A line as people write it: an LTV in percent, a level as it is. */
export function lineText(line: NextLineShown): string {
  return line.level === undefined ? levelText(line.ltv ?? "0", false) : levelText(line.level, true);
}

export function levelText(level: string, isLevel: boolean): string {
  if (isLevel) return numbers.exact(level);
  const places = (level.split(".")[1] ?? "").length - 2;
  return numbers.percent(level, Math.max(0, places), [level]);
}

/** `to liquidation at 91%`, `to immediate liquidation above 95%`. */
export function lineWords(line: NextLineShown): string {
  const name = line.name === "immediate" ? say("immediateLiquidation") : words(line.name);
  const level = lineText(line);
  if (!line.strict) return say("nameAtLevel", { name, level });
  return line.level === undefined ? say("nameAboveLevel", { name, level }) : say("nameBelowLevel", { name, level });
}

/** What ends the stage: `cured at 72%`, and in a liquidation what clears it. */
export function wayOut(group: Standing, isLevel: boolean): string | null {
  const initial = group.thresholds.initial;
  if (group.stage === "normal" || initial === undefined) return null;
  const level = levelText(initial, isLevel);
  return group.stage === "liquidation" ? say("clearedAtLevelOr", { level }) : say("curedAtLevel", { level });
}

/** For a cell of the list: one figure and one short line; all of it is in the title. */
export function NextLineCell({ group, isLevel }: { group: Standing; isLevel: boolean }) {
  const line = group.next_line;
  const out = wayOut(group, isLevel);
  const open = openCall(group);
  if (!line && !out) return <span class="none">{group.unknown ? "–" : say("beyondAll")}</span>;
  const all = [line && say("toLine", { line: lineWords(line) }), out].filter(Boolean).join("; ");
  return (
    <span title={all}>
      {line && <span class="num">{numbers.exact(line.distance_percent, 2, true)}%</span>}
      <small>
        {open
          ? say("outstandingusdCalled", { outstandingUsd: numbers.usd(open.outstanding_usd) })
          : line
            ? say("toName", { name: words(line.name) })
            : brief(out)}
      </small>
    </span>
  );
}

function brief(out: string | null): string {
  return out?.split(",")[0] ?? "";
}

function openCall(group: Standing): CallBrief | null {
  return group.call && group.call.status !== "met" && group.call.outstanding_usd !== "0" ? group.call : null;
}

/** In full, for the group's own page: the distance to the line ahead, what is asked for, and the way out of a bad stage. */
export function NextLine({ group, isLevel }: { group: Standing; isLevel: boolean }) {
  const line = group.next_line;
  const out = wayOut(group, isLevel);
  const open = openCall(group);
  if (!line && !out) return <span class="none">{group.unknown ? "–" : say("beyondAll")}</span>;
  return (
    <>
      {line && (
        <div>
          <span class="num">{numbers.exact(line.distance_percent, 2, true)}%</span>{" "}
          <small>{say("toLine", { line: lineWords(line) })}</small>
        </div>
      )}
      {open && (
        <div>
          <small>
            <Usd value={open.outstanding_usd} places={2} /> {say("outstandingDue")} <Time at={open.due} />
          </small>
        </div>
      )}
      {out && (
        <div>
          <small>{out}</small>
        </div>
      )}
    </>
  );
}
