/** What an act does to each group, before it is done: a preview, a proposal as it was, and a proposal as it is now. */

import type { EffectShown, EffectsShown, StandShown } from "../answers.generated";
import { to } from "../router";
import { say } from "../words/say";
import { count, many, numbers, Scroll, Share, StagePill, Time, words } from "./figures";
import { levelText } from "./nextline";

export function Effects({ of, title }: { of: EffectsShown; title: string }) {
  const moves = Object.entries(of.moves);
  return (
    <div class="effects">
      <p>
        <strong>{title}</strong>: {many(of.groups, "group")},{" "}
        {moves.length
          ? moves.map(([move, n]) => say("nFromMove", { n: count(n), move: moved(move) })).join(", ")
          : say("noStageChanges")}
        {of.refused > 0 && say("refusedCannotBeChanged", { refused: count(of.refused) })}.
      </p>
      <Scroll label={title}>
        <table>
          <thead>
            <tr>
              <th>{say("group")}</th>
              <th>{say("before")}</th>
              <th>{say("after")}</th>
            </tr>
          </thead>
          <tbody>
            {of.items.map((item) => (
              <Row key={item.group} item={item} />
            ))}
          </tbody>
        </table>
      </Scroll>
      {of.items.length < of.groups && (
        <p class="quiet">{say("theFirstCountAreListed", { count: count(of.items.length) })}</p>
      )}
    </div>
  );
}

function moved(move: string): string {
  return move.split(" > ").map(words).join(say("to"));
}

function Row({ item }: { item: EffectShown }) {
  return (
    <tr>
      <th scope="row">
        <a href={to.group(item.group)}>{item.group}</a>
      </th>
      {item.refused ? (
        <td class="wrap" colSpan={2}>
          {item.refused}
        </td>
      ) : (
        <>
          <td>
            <Stand of={item.before} />
          </td>
          <td>
            <Stand of={item.after} />
          </td>
        </>
      )}
    </tr>
  );
}

function Stand({ of }: { of: StandShown | null }) {
  if (!of) return <>–</>;
  return (
    <>
      <StagePill stage={of.stage} /> <Figure of={of} />
      <br />
      <small>
        {lineOf(of)}
        {of.liquidated_at && (
          <>
            {say("liquidated")} <Time at={of.liquidated_at} />
          </>
        )}
      </small>
    </>
  );
}

/** An LTV in percent, or a level under its own name, on its side of the group's lines. */
export function Figure({ of }: { of: StandShown }) {
  const lines = of.lines.length ? of.lines : undefined;
  if (of.figure === null || of.metric === "ltv")
    return <Share value={of.figure} lines={lines && Object.fromEntries(lines.entries())} />;
  return (
    <span class="num" title={of.figure}>
      {words(of.metric)} {numbers.level(of.figure, 4, lines)}
    </span>
  );
}

function lineOf(of: StandShown): string {
  if (of.next_line)
    return say("nextLineNextlineMetric", {
      nextLine: words(of.next_line),
      metric: levelText(of.next_level ?? "0", of.metric !== "ltv"),
    });
  if (of.figure === null) return say("notKnownAPrice");
  return of.stage === "liquidation" ? say("clearedAtItsInitial") : say("pastItsLines");
}
