/**
 * A group's day on paper: exact figures, so that each can be worked out again, and times in UTC, as nothing can be hovered over.
 */

import type { AlertItem, CallItem, CallSums, CoinBalance, DayStatement } from "../answers.generated";
import { utc } from "../format/time";
import { say, term } from "../words/say";
import { amountOf, moreOf } from "./call";
import { alertTitle, numbers, Panel, Scroll, words } from "./figures";

/** Which day it is, from when to when, and what is not said of it. */
export function Span({ of }: { of: Pick<DayStatement, "day" | "since" | "until" | "final" | "cut"> }) {
  return (
    <p>
      {say("dayFromSinceTo", {
        day: of.day,
        since: second(of.since),
        until: second(of.until),
        final: !of.final && say("notFinalTheDay"),
        cut: of.cut && say("moreHappenedThanA"),
      })}
    </p>
  );
}

export function GroupDay({ of }: { of: DayStatement }) {
  const parts = partsOf(of).filter(([, , rows]) => rows.length > 0);
  const nothing = parts.length === 0 && of.balance.length === 0;
  return (
    <div class="grid">
      {nothing && <p class="quiet">{say("nothingWasOwedOn")}</p>}
      {of.balance.length > 0 && (
        <Panel title={say("fromTheBeginningTo")} class="wide" of={of.group}>
          <Balance rows={of.balance} />
        </Panel>
      )}
      {of.call && (
        <Panel title={say("marginCallThatStands")} class="wide" of={of.group}>
          <Standing call={of.call} />
        </Panel>
      )}
      {parts.map(([title, head, rows, figures]) => (
        <Panel key={title} title={title} class="wide" of={of.group}>
          <Rows label={title} head={head} rows={rows} figures={figures} />
        </Panel>
      ))}
    </div>
  );
}

/** Title, heads, rows, and how many of the last columns are figures. */
type Part = [string, string[], string[][], number];

function partsOf(of: DayStatement): Part[] {
  return [
    [
      say("owedAtTheEnd"),
      [say("loan"), say("coin"), say("principal"), say("interest"), say("owed")],
      of.owed.map((x) => [x.loan, x.asset, exact(x.principal), exact(x.interest), exact(x.owed)]),
      3,
    ],
    [
      say("interestCharged"),
      [say("loan"), say("coin"), say("principal"), say("rate"), say("late"), say("periods"), say("amount")],
      of.interest.map((x) => [
        x.loan,
        x.asset,
        exact(x.principal),
        `× ${x.rate} a ${term(x.period)}`,
        `× ${x.late_factor}`,
        `× ${x.periods}`,
        exact(x.amount),
      ]),
      5,
    ],
    [
      say("repaid"),
      [WHEN, say("loan"), say("coin"), say("entry"), say("ofInterest"), say("ofPrincipal"), say("amount")],
      of.repayments.map((x) => [
        second(x.at),
        x.loan,
        x.asset,
        x.entry,
        exact(x.interest_paid),
        exact(x.principal_paid),
        exact(x.amount),
      ]),
      3,
    ],
    [
      say("marginCalls"),
      [WHEN, say("call"), say("what"), MORE, say("amountUsd"), say("outstandingUsd")],
      of.calls.map((x) => [
        second(x.at),
        String(x.call),
        term(x.what),
        moreOf(x),
        exact(amountOf(x)),
        exact(x.outstanding_usd),
      ]),
      2,
    ],
    [
      say("loansAndLiquidations"),
      [WHEN, say("what"), ABOUT],
      [
        ...of.loans.map((x) => [
          second(x.at),
          say("loanWhat", { what: term(x.what) }),
          say("loanPrincipalAssetAnd", {
            loan: x.loan,
            principal: exact(x.principal),
            asset: x.asset,
            interest: exact(x.interest),
            x: was(x),
          }),
        ]),
        ...of.liquidations.map((x) => [
          second(x.at),
          say("liquidationWhat", { what: term(x.what) }),
          x.reason ? words(x.reason) : "",
        ]),
      ],
      0,
    ],
    [
      say("whatWasSaidWith"),
      [WHEN, say("what"), FIGURES_FROM, say("recognisedUsd"), say("debtUsd"), say("ltv")],
      of.alerts.map((x) => alertRow(x, of)),
      3,
    ],
  ];
}

const WHEN = say("whenUtc");
const MORE = say("more");
const ABOUT = say("about");
const FIGURES_FROM = say("from");
/** Columns of sentences; all others stay on one line. */
const WORDY = [MORE, ABOUT, FIGURES_FROM];

/** What leads from what was owed to what is owed; columns in which nothing stands are left out. */
export function Balance({ rows }: { rows: readonly CoinBalance[] }) {
  if (rows.length === 0) return <p class="empty">{say("nothingIsOwed")}</p>;
  const parts = PARTS.filter(([part, , always]) => always || rows.some((x) => x[part] !== "0"));
  return (
    <Rows
      label={say("balanceByCoin")}
      head={[say("coin"), ...parts.map(([, name]) => name)]}
      figures={parts.length}
      rows={rows.map((x) => [x.asset, ...parts.map(([part]) => exact(x[part]))])}
    />
  );
}

const PARTS: readonly [Exclude<keyof CoinBalance, "asset">, string, boolean][] = [
  ["before", say("atTheBeginning"), true],
  ["charged", say("interest2"), true],
  ["borrowed", say("borrowed"), true],
  ["repaid", say("repaid2"), true],
  ["written_off", say("writtenOff"), false],
  ["restated", say("restated"), false],
  ["moved", say("cameOrWent"), false],
  ["owed", say("atTheEnd"), true],
];

export function Sums({ of }: { of: CallSums }) {
  if (of.called_usd === "0" && of.received_usd === "0" && of.outstanding_usd === "0") return null;
  return (
    <p>
      {say("marginCallsCalledCalledusd", {
        calledUsd: exact(of.called_usd),
        receivedUsd: exact(of.received_usd),
        outstandingUsd: exact(of.outstanding_usd),
      })}
    </p>
  );
}

function Standing({ call }: { call: CallItem }) {
  return (
    <p class="body">
      {say("callCallStandsAt", {
        call: call.call,
        calledUsd: exact(call.called_usd),
        receivedUsd: exact(call.received_usd),
        outstandingUsd: exact(call.outstanding_usd),
        due: second(call.due),
        callAlert: call.call_alert,
        target: call.target,
      })}
    </p>
  );
}

/** A table whose last columns are figures. */
function Rows(props: { label: string; head: string[]; rows: string[][]; figures: number }) {
  const { label, head, rows, figures } = props;
  const style = (column: number): string => {
    if (column >= head.length - figures) return "right num";
    return WORDY.includes(head[column] ?? "") ? "wrap" : "";
  };
  return (
    <Scroll label={label}>
      <table>
        <thead>
          <tr>
            {head.map((name, i) => (
              <th key={name} class={style(i)}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={`${label} ${i}`}>
              {row.map((cell, j) => (
                <td key={head[j]} class={style(j)}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** An alert with the quantities and prices that its figures follow from; with its id where a margin call names it. */
function alertRow(item: AlertItem, of: DayStatement): string[] {
  const isNamed = [of.call, ...of.calls].some((x) => x?.call_alert === item.data.id);
  const held = (item.data.inputs ?? []).map((x) =>
    say("quantityAssetAtPrice", {
      quantity: exact(x.quantity),
      asset: x.asset,
      price: figure(x.price),
      recognisedUsd: figure(x.recognised_usd),
    }),
  );
  const owed = (item.data.debts ?? []).map((x) =>
    say("loanPrincipalInterestAsset", {
      loan: x.loan,
      principal: exact(x.principal),
      interest: exact(x.interest),
      asset: x.asset,
      price: figure(x.price),
    }),
  );
  return [
    second(item.timestamp),
    alertTitle(item.type),
    (isNamed ? `${item.data.id}: ` : "") + [...held, ...owed].join("; "),
    figure(item.data.recognised_usd),
    figure(item.data.debt_usd),
    item.data.ltv ?? "–",
  ];
}

function was(of: { principal_before: string | null; interest_before: string | null }): string {
  if (of.principal_before === null || of.interest_before === null) return "";
  return say("beforePrincipalbeforeAndInterestbefore", {
    principalBefore: exact(of.principal_before),
    interestBefore: exact(of.interest_before),
  });
}

function exact(value: string): string {
  return numbers.exact(value);
}

function figure(value: string | null | undefined): string {
  return value == null ? "–" : exact(value);
}

/** `2026-01-05 10:00:00`, with thousandths where there are any. */
function second(at: string): string {
  return utc(at).replace(/(\.000)? UTC$/, "");
}
