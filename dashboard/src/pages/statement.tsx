/** The statement of a group for one UTC day, made to be printed: what is owed, charged, paid and called, and what was said. */

import { useState } from "preact/hooks";
import type { AlertItem, CallItem, DayStatement } from "../answers.generated";
import { path, query } from "../api";
import { usePolled } from "../live/polled";
import { amountOf, moreOf } from "../parts/call";
import { alertTitle, Panel, Quantity, Scroll, Time, Usd, words } from "../parts/figures";
import { Fresh } from "../parts/notices";
import { to } from "../router";

export function StatementPage({ id }: { id: string }) {
  const [day, setDay] = useState(new Date().toISOString().slice(0, 10));
  const found = usePolled<DayStatement>(day ? `${path("groups", id, "statement")}${query({ day })}` : null, 0);
  return (
    <article class="statement">
      <header class="grouphead">
        <div>
          <p class="path toolbar">
            <a href={to.group(id)}>{id}</a> / statement
          </p>
          <h1>Statement of {id}</h1>
        </div>
        <div class="actions toolbar">
          <label>
            Day (UTC){" "}
            <input type="date" value={day} onChange={(e) => setDay((e.currentTarget as HTMLInputElement).value)} />
          </label>
          <button type="button" onClick={() => window.print()}>
            Print
          </button>
        </div>
      </header>
      <Fresh of={found} what="this statement">
        {(of) => <Body of={of} />}
      </Fresh>
    </article>
  );
}

function Body({ of }: { of: DayStatement }) {
  return (
    <>
      <p>
        {Object.entries(of.labels)
          .map(([k, v]) => `${k} ${v}`)
          .join(" · ")}
        {of.product && ` · ${words(of.product)}`}
        {of.receiving_account && ` · paid to ${of.receiving_account}`}
      </p>
      <p>
        {of.day}, from <Time at={of.since} /> to <Time at={of.until} />.
        {!of.final && " Not final: the day is not over, or its interest is not settled yet."}
        {of.cut && " More happened than a statement holds; the histories have all."}
      </p>
      <div class="grid">
        <Panel title="Owed at the end" class="wide">
          <Table
            label="What is owed"
            head={["Loan", "Principal", "Interest", "Owed"]}
            rows={of.owed.map((x) => [
              x.loan,
              <Quantity key="p" value={x.principal} unit={x.asset} />,
              <Quantity key="i" value={x.interest} unit={x.asset} />,
              <Quantity key="o" value={x.owed} unit={x.asset} />,
            ])}
          />
        </Panel>
        <Panel title="Interest charged" class="wide" aside={<small>{sums(of.charged)}</small>}>
          <Table
            label="Interest of the day"
            head={["Loan", "Principal", "Rate", "Late", "Periods", "Amount"]}
            rows={of.interest.map((x) => [
              x.loan,
              <Quantity key="p" value={x.principal} unit={x.asset} />,
              `${x.rate} a ${x.period}`,
              `× ${x.late_factor}`,
              `× ${x.periods}`,
              <Quantity key="a" value={x.amount} unit={x.asset} />,
            ])}
          />
        </Panel>
        <Panel title="Repaid" class="wide" aside={<small>{sums(of.repaid)}</small>}>
          <Table
            label="Repayments"
            head={["When", "Loan", "Amount", "Of interest", "Of principal", "Entry"]}
            rows={of.repayments.map((x) => [
              <Time key="t" at={x.at} />,
              x.loan,
              <Quantity key="a" value={x.amount} unit={x.asset} />,
              x.interest_paid,
              x.principal_paid,
              x.entry,
            ])}
          />
        </Panel>
        <Panel title="Margin calls" class="wide">
          <Table
            label="Margin calls"
            head={["When", "Call", "What", "Amount", "Outstanding", "More"]}
            rows={of.calls.map(callRow)}
          />
        </Panel>
        <Panel title="Loans and liquidations" class="wide">
          <Table
            label="Changes"
            head={["When", "What", "About"]}
            rows={[
              ...of.loans.map((x) => [
                <Time key="t" at={x.at} />,
                `loan ${x.what}`,
                `${x.loan}: ${x.principal} ${x.asset}`,
              ]),
              ...of.liquidations.map((x) => [<Time key="t" at={x.at} />, `liquidation ${x.what}`, x.reason ?? ""]),
            ]}
          />
        </Panel>
        <Panel title="What was said, with the figures of then" class="wide">
          <Table
            label="Alerts"
            head={["When", "What", "LTV", "Debt", "Recognised", "From"]}
            rows={of.alerts.map(alertRow)}
          />
        </Panel>
      </div>
    </>
  );
}

function Table({ label, head, rows }: { label: string; head: string[]; rows: preact.ComponentChildren[][] }) {
  if (rows.length === 0) return <p class="empty">Nothing.</p>;
  return (
    <Scroll label={label}>
      <table>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name}>{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={`${label} ${i}`}>
              {row.map((cell, j) => (
                <td key={head[j]} class="wrap">
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

function callRow(item: CallItem): preact.ComponentChildren[] {
  return [
    <Time key="t" at={item.at} />,
    item.call,
    item.what,
    <Usd key="a" value={amountOf(item)} places={2} />,
    <Usd key="o" value={item.outstanding_usd} places={2} />,
    moreOf(item),
  ];
}

/** An alert with the quantities and prices that its figures follow from. */
function alertRow(item: AlertItem): preact.ComponentChildren[] {
  const held = (item.data.inputs ?? []).map((x) => `${x.quantity} ${x.asset} at ${x.price ?? "no price"}`);
  const owed = (item.data.debts ?? []).map(
    (x) => `${x.loan}: ${x.principal} + ${x.interest} ${x.asset} at ${x.price ?? "no price"}`,
  );
  return [
    <Time key="t" at={item.timestamp} />,
    alertTitle(item.type),
    item.data.ltv ?? "–",
    <Usd key="d" value={item.data.debt_usd ?? null} places={2} />,
    <Usd key="r" value={item.data.recognised_usd ?? null} places={2} />,
    [...held, ...owed].join("; "),
  ];
}

function sums(of: Readonly<Record<string, string>>): string {
  return Object.entries(of)
    .map(([asset, amount]) => `${amount} ${asset}`)
    .join(", ");
}
