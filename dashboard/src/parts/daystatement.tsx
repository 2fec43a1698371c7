/**
 * A group's day on paper: exact figures, so that each can be worked out again, and times in UTC, as nothing can be hovered over.
 */

import type { AlertItem, CallItem, CallSums, CoinBalance, DayStatement } from "../answers.generated";
import { utc } from "../format/time";
import { amountOf, moreOf } from "./call";
import { alertTitle, numbers, Panel, Scroll, words } from "./figures";

/** Which day it is, from when to when, and what is not said of it. */
export function Span({ of }: { of: Pick<DayStatement, "day" | "since" | "until" | "final" | "cut"> }) {
  return (
    <p>
      {of.day}, from {second(of.since)} to {second(of.until)} (UTC).
      {!of.final && " Not final: the day is not over, or its interest is not settled yet."}
      {of.cut && " More happened than a statement holds; the histories have all."}
    </p>
  );
}

export function GroupDay({ of }: { of: DayStatement }) {
  const parts = partsOf(of).filter(([, , rows]) => rows.length > 0);
  const nothing = parts.length === 0 && of.balance.length === 0;
  return (
    <div class="grid">
      {nothing && <p class="quiet">Nothing was owed on this day, and nothing happened.</p>}
      {of.balance.length > 0 && (
        <Panel title="From the beginning to the end" class="wide" of={of.group}>
          <Balance rows={of.balance} />
        </Panel>
      )}
      {of.call && (
        <Panel title="Margin call that stands" class="wide" of={of.group}>
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
      "Owed at the end",
      ["Loan", "Coin", "Principal", "Interest", "Owed"],
      of.owed.map((x) => [x.loan, x.asset, exact(x.principal), exact(x.interest), exact(x.owed)]),
      3,
    ],
    [
      "Interest charged",
      ["Loan", "Coin", "Principal", "Rate", "Late", "Periods", "Amount"],
      of.interest.map((x) => [
        x.loan,
        x.asset,
        exact(x.principal),
        `× ${x.rate} a ${x.period}`,
        `× ${x.late_factor}`,
        `× ${x.periods}`,
        exact(x.amount),
      ]),
      5,
    ],
    [
      "Repaid",
      [WHEN, "Loan", "Coin", "Entry", "Of interest", "Of principal", "Amount"],
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
      "Margin calls",
      [WHEN, "Call", "What", "More", "Amount USD", "Outstanding USD"],
      of.calls.map((x) => [
        second(x.at),
        String(x.call),
        x.what,
        moreOf(x),
        exact(amountOf(x)),
        exact(x.outstanding_usd),
      ]),
      2,
    ],
    [
      "Loans and liquidations",
      [WHEN, "What", "About"],
      [
        ...of.loans.map((x) => [
          second(x.at),
          `loan ${x.what}`,
          `${x.loan}: ${exact(x.principal)} ${x.asset} and ${exact(x.interest)} interest${was(x)}`,
        ]),
        ...of.liquidations.map((x) => [second(x.at), `liquidation ${x.what}`, x.reason ? words(x.reason) : ""]),
      ],
      0,
    ],
    [
      "What was said, with the figures of then",
      [WHEN, "What", "From", "Recognised USD", "Debt USD", "LTV"],
      of.alerts.map((x) => alertRow(x, of)),
      3,
    ],
  ];
}

const WHEN = "When (UTC)";
/** Columns of sentences; all others stay on one line. */
const WORDY = ["More", "About", "From"];

/** What leads from what was owed to what is owed; columns in which nothing stands are left out. */
export function Balance({ rows }: { rows: readonly CoinBalance[] }) {
  if (rows.length === 0) return <p class="empty">Nothing is owed.</p>;
  const parts = PARTS.filter(([part, , always]) => always || rows.some((x) => x[part] !== "0"));
  return (
    <Rows
      label="Balance by coin"
      head={["Coin", ...parts.map(([, name]) => name)]}
      figures={parts.length}
      rows={rows.map((x) => [x.asset, ...parts.map(([part]) => exact(x[part]))])}
    />
  );
}

const PARTS: readonly [Exclude<keyof CoinBalance, "asset">, string, boolean][] = [
  ["before", "At the beginning", true],
  ["charged", "+ interest", true],
  ["borrowed", "+ borrowed", true],
  ["repaid", "− repaid", true],
  ["written_off", "− written off", false],
  ["restated", "+ restated", false],
  ["moved", "+ came or went", false],
  ["owed", "= at the end", true],
];

export function Sums({ of }: { of: CallSums }) {
  if (of.called_usd === "0" && of.received_usd === "0" && of.outstanding_usd === "0") return null;
  return (
    <p>
      Margin calls: called {exact(of.called_usd)} USD, received {exact(of.received_usd)} USD, outstanding at the end{" "}
      {exact(of.outstanding_usd)} USD.
    </p>
  );
}

function Standing({ call }: { call: CallItem }) {
  return (
    <p class="body">
      Call {call.call} stands at the end: called {exact(call.called_usd)} USD − received {exact(call.received_usd)} USD
      = outstanding {exact(call.outstanding_usd)} USD, due {second(call.due)} (UTC). Its amount follows from the figures
      of alert {call.call_alert} and the target {call.target}.
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
  const held = (item.data.inputs ?? []).map(
    (x) => `${exact(x.quantity)} ${x.asset} at ${figure(x.price)}, recognised ${figure(x.recognised_usd)}`,
  );
  const owed = (item.data.debts ?? []).map(
    (x) => `${x.loan}: ${exact(x.principal)} + ${exact(x.interest)} ${x.asset} at ${figure(x.price)}`,
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
  return `, before ${exact(of.principal_before)} and ${exact(of.interest_before)}`;
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
