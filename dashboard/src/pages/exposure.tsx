/** What the book depends on: borrowers, coins, products, wrong-way pairs, and the fund behind it. */

import { useState } from "preact/hooks";
import type { ExposureItem, ExposureList, FundShown, IssuerPair } from "../answers.generated";
import { query } from "../api";
import { position } from "../format/decimal";
import { usePolled } from "../live/polled";
import { numbers, Panel, Quantity, Scroll, Share, ShortUsd, Time, Usd } from "../parts/figures";
import { Fresh } from "../parts/notices";
import { to } from "../router";

const WAYS: readonly [string, string][] = [
  ["label.borrower", "Borrower"],
  ["asset", "Coin"],
  ["product", "Product"],
  ["label.desk", "Desk"],
];

export function ExposurePage() {
  const [by, setBy] = useState("label.borrower");
  const found = usePolled<ExposureList>(`/v1/exposure${query({ by, limit: 500 })}`, 10_000);
  const name = WAYS.find(([way]) => way === by)?.[1] ?? by;
  return (
    <article>
      <header class="pagehead">
        <h1>Exposure</h1>
        <div class="spans">
          {WAYS.map(([way, title]) => (
            <button key={way} type="button" class="small" aria-pressed={by === way} onClick={() => setBy(way)}>
              {title}
            </button>
          ))}
        </div>
      </header>
      <div class="grid">
        <Panel title={`By ${name.toLowerCase()}`} class="wide">
          <Fresh of={found} what="exposure">
            {(answer) => <Table answer={answer} name={name} />}
          </Fresh>
        </Panel>
        {by === "asset" && found.data && <WrongWay pairs={found.data.wrong_way} />}
        <Fund />
      </div>
    </article>
  );
}

function Table({ answer, name }: { answer: ExposureList; name: string }) {
  const isCoin = answer.by === "asset";
  if (!answer.items.length) return <p class="empty">There is no group that has it.</p>;
  return (
    <>
      <p class="body quiet">
        <Time at={answer.at} /> · {numbers.exact(String(answer.total.groups))} groups, debt{" "}
        <ShortUsd value={answer.total.debt_usd} />
        {answer.unknown > 0 &&
          ` · ${answer.unknown} ${answer.unknown === 1 ? "group" : "groups"} cannot be valued and are left out`}{" "}
        · {answer.is_exact ? "every figure is exact" : "sums are rounded to cents"} · shares are of the{" "}
        {isCoin ? "market value of the collateral" : "debt"}
      </p>
      <Scroll label="Exposure" high>
        <table>
          <thead>
            <tr>
              <th>{name}</th>
              <th class="right">Share</th>
              <th>
                <span class="hidden">Share as a bar</span>
              </th>
              <th class="right">Groups</th>
              <th class="right">{isCoin ? "Owed in it" : "Debt"}</th>
              <th class="right">Market value</th>
              <th class="right">Recognised</th>
              <th class="right">Nearest line</th>
              <th class="right">Average line</th>
              {isCoin && <th class="right">Quantity</th>}
              {isCoin && <th class="right">Days to sell</th>}
            </tr>
          </thead>
          <tbody>
            {answer.items.map((item) => (
              <Row key={item.key ?? ""} item={item} by={answer.by} />
            ))}
          </tbody>
        </table>
        {answer.next && <p class="quiet">The first {answer.items.length} are shown; the API pages through all.</p>}
      </Scroll>
    </>
  );
}

/** A borrower leads to the statement of the day. */
function named(key: string, by: string) {
  return by === "label.borrower" ? <a href={to.borrower(key)}>{key}</a> : key;
}

function Row({ item, by }: { item: ExposureItem; by: string }) {
  const isCoin = by === "asset";
  return (
    <tr>
      <th scope="row">
        {item.key === null ? <span class="none">without the label</span> : named(item.key, by)}
        {item.is_above && <span class="pill bad"> above {item.max_share && numbers.percent(item.max_share, 0)}</span>}
      </th>
      <td class="right">
        <Share value={item.share} />
      </td>
      <td>
        <meter min={0} max={1} value={position(item.share ?? "0")} aria-label={`share of ${item.key ?? "none"}`} />
      </td>
      <td class="right num">{numbers.exact(String(item.groups))}</td>
      <td class="right">
        <ShortUsd value={item.debt_usd} />
      </td>
      <td class="right">
        <ShortUsd value={item.market_usd} />
      </td>
      <td class="right">
        <ShortUsd value={item.recognised_usd} />
      </td>
      <td class="right num">{item.nearest_percent === null ? "–" : `${item.nearest_percent}%`}</td>
      <td class="right num">{item.average_percent === null ? "–" : `${item.average_percent}%`}</td>
      {isCoin && (
        <td class="right">
          <Quantity value={item.quantity} places={4} />
        </td>
      )}
      {isCoin && (
        <td
          class="right"
          title={
            item.daily_volume_usd ? `at a daily volume of ${item.daily_volume_usd} USD` : "no volume is configured"
          }
        >
          <Quantity value={item.days_to_sell} places={1} />
        </td>
      )}
    </tr>
  );
}

function WrongWay({ pairs }: { pairs: readonly IssuerPair[] }) {
  return (
    <Panel title="Wrong-way pairs" class="wide">
      <p class="quiet">Debt and collateral of one issuer: where the issuer fails, the collateral fails with it.</p>
      {pairs.length > 0 && (
        <Scroll label="Wrong-way pairs">
          <table>
            <thead>
              <tr>
                <th>Issuer</th>
                <th>Owed</th>
                <th>Held</th>
                <th class="right">Groups</th>
                <th class="right">Debt</th>
                <th class="right">Market value</th>
              </tr>
            </thead>
            <tbody>
              {pairs.map((p) => (
                <tr key={`${p.issuer} ${p.debt} ${p.collateral}`}>
                  <th scope="row">{p.issuer}</th>
                  <td>{p.debt}</td>
                  <td>{p.collateral}</td>
                  <td class="right num">{p.groups}</td>
                  <td class="right">
                    <ShortUsd value={p.debt_usd} />
                  </td>
                  <td class="right">
                    <ShortUsd value={p.market_usd} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {!pairs.length && <p class="empty">There are none.</p>}
    </Panel>
  );
}

/** What the insurance fund would have to pay now. A monitor for which none is configured has no such answer. */
function Fund() {
  const found = usePolled<FundShown>("/v1/fund", 10_000);
  if (found.error?.status === 404 || (!found.data && !found.error)) return null;
  return (
    <Panel title="Insurance fund" class="wide">
      <Fresh of={found} what="an insurance fund">
        {(fund) => <FundFigures fund={fund} />}
      </Fresh>
    </Panel>
  );
}

function FundFigures({ fund }: { fund: FundShown }) {
  const figures: readonly [string, string][] = [
    ["Balance", fund.balance_usd],
    ["It would have to pay", fund.draw_usd],
    ["Fees coming in", fund.fees_usd],
  ];
  return (
    <>
      {fund.exceeded && (
        <p class="failure" role="alert">
          What it would have to pay is more than it has.
        </p>
      )}
      <dl class="facts body">
        {figures.map(([name, usd]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <Usd value={usd} places={2} />
            </dd>
          </div>
        ))}
        <div>
          <dt>Groups with a shortfall</dt>
          <dd class="num">
            {fund.groups} <small>of {fund.in_liquidation} in liquidation</small>
          </dd>
        </div>
        <div>
          <dt>Looked at</dt>
          <dd>
            <Time at={fund.at} /> {fund.blind && <span class="pill blind">blind</span>}
            {fund.unknown > 0 && <small> {fund.unknown} cannot be valued</small>}
          </dd>
        </div>
      </dl>
    </>
  );
}
