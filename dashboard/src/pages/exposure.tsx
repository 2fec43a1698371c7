/** What the book depends on: borrowers, coins, products, wrong-way pairs, and the fund behind it. */

import { useState } from "preact/hooks";
import type { ExposureItem, ExposureList, FundShown, IssuerPair } from "../answers.generated";
import { query } from "../api";
import { position } from "../format/decimal";
import { usePolled } from "../live/polled";
import { count, many, numbers, Panel, Quantity, Scroll, Share, ShortUsd, Time, Usd } from "../parts/figures";
import { Fresh } from "../parts/notices";
import { to } from "../router";
import { say } from "../words/say";

/** The way, its name, and the title of its table. */
const WAYS: readonly [string, string, string][] = [
  ["label.borrower", say("borrower"), say("byBorrower")],
  ["asset", say("coin"), say("byCoin")],
  ["product", say("product"), say("byProduct")],
  ["label.desk", say("desk"), say("byDesk")],
];

export function ExposurePage() {
  const [by, setBy] = useState("label.borrower");
  const found = usePolled<ExposureList>(`/v1/exposure${query({ by, limit: 500 })}`, 10_000);
  const [, name, heading] = WAYS.find(([way]) => way === by) ?? [by, by, by];
  return (
    <article>
      <header class="pagehead">
        <h1>{say("exposure")}</h1>
        <div class="spans">
          {WAYS.map(([way, title]) => (
            <button key={way} type="button" class="small" aria-pressed={by === way} onClick={() => setBy(way)}>
              {title}
            </button>
          ))}
        </div>
      </header>
      <div class="grid">
        <Panel title={heading} class="wide">
          <Fresh of={found} what={say("exposureWithin")}>
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
  if (!answer.items.length) return <p class="empty">{say("thereIsNoGroup")}</p>;
  return (
    <>
      <p class="body quiet">
        <Time at={answer.at} /> {say("groupsDebt", { groups: many(answer.total.groups, "group") })}{" "}
        <ShortUsd value={answer.total.debt_usd} />
        {say("unknownIsexactSharesAre", {
          unknown: answer.unknown > 0 && ` · ${many(answer.unknown, "groupLeftOut")}`,
          isExact: answer.is_exact ? say("everyFigureIsExact") : say("sumsAreRoundedTo"),
          isCoin: isCoin ? say("marketValueOfThe") : say("debt"),
        })}
      </p>
      <Scroll label={say("exposure")} high>
        <table>
          <thead>
            <tr>
              <th>{name}</th>
              <th class="right">{say("share")}</th>
              <th>
                <span class="hidden">{say("shareAsABar")}</span>
              </th>
              <th class="right">{say("groups")}</th>
              <th class="right">{isCoin ? say("owedInIt") : say("debt2")}</th>
              <th class="right">{say("marketValue")}</th>
              <th class="right">{say("recognised")}</th>
              <th class="right">{say("nearestLine")}</th>
              <th class="right">{say("averageLine")}</th>
              {isCoin && <th class="right">{say("quantity")}</th>}
              {isCoin && <th class="right">{say("daysToSell")}</th>}
            </tr>
          </thead>
          <tbody>
            {answer.items.map((item) => (
              <Row key={item.key ?? ""} item={item} by={answer.by} />
            ))}
          </tbody>
        </table>
        {answer.next && <p class="quiet">{say("theFirstCountAre", { count: count(answer.items.length) })}</p>}
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
        {item.key === null ? <span class="none">{say("withoutTheLabel")}</span> : named(item.key, by)}
        {item.is_above && (
          <span class="pill bad">
            {" "}
            {say("aboveMaxshare", { maxShare: item.max_share && numbers.percent(item.max_share, 0) })}
          </span>
        )}
      </th>
      <td class="right">
        <Share value={item.share} />
      </td>
      <td>
        <meter
          min={0}
          max={1}
          value={position(item.share ?? "0")}
          aria-label={say("shareOfKey", { key: item.key ?? say("none") })}
        />
      </td>
      <td class="right num">{count(item.groups)}</td>
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
            item.daily_volume_usd
              ? say("atADailyVolume", { dailyVolumeUsd: item.daily_volume_usd })
              : say("noVolumeIsConfigured")
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
    <Panel title={say("wrongWayPairs")} class="wide">
      <p class="quiet">{say("debtAndCollateralOf")}</p>
      {pairs.length > 0 && (
        <Scroll label={say("wrongWayPairs")}>
          <table>
            <thead>
              <tr>
                <th>{say("issuer")}</th>
                <th>{say("owed")}</th>
                <th>{say("held")}</th>
                <th class="right">{say("groups")}</th>
                <th class="right">{say("debt2")}</th>
                <th class="right">{say("marketValue")}</th>
              </tr>
            </thead>
            <tbody>
              {pairs.map((p) => (
                <tr key={`${p.issuer} ${p.debt} ${p.collateral}`}>
                  <th scope="row">{p.issuer}</th>
                  <td>{p.debt}</td>
                  <td>{p.collateral}</td>
                  <td class="right num">{count(p.groups)}</td>
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
      {!pairs.length && <p class="empty">{say("thereAreNone")}</p>}
    </Panel>
  );
}

/** What the insurance fund would have to pay now. A monitor for which none is configured has no such answer. */
function Fund() {
  const found = usePolled<FundShown>("/v1/fund", 10_000);
  if (found.error?.status === 404 || (!found.data && !found.error)) return null;
  return (
    <Panel title={say("insuranceFund")} class="wide">
      <Fresh of={found} what={say("anInsuranceFund")}>
        {(fund) => <FundFigures fund={fund} />}
      </Fresh>
    </Panel>
  );
}

function FundFigures({ fund }: { fund: FundShown }) {
  const figures: readonly [string, string][] = [
    [say("balance"), fund.balance_usd],
    [say("itWouldHaveTo"), fund.draw_usd],
    [say("feesComingIn"), fund.fees_usd],
  ];
  return (
    <>
      {fund.exceeded && (
        <p class="failure" role="alert">
          {say("whatItWouldHave")}
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
          <dt>{say("groupsWithAShortfall")}</dt>
          <dd class="num">
            {count(fund.groups)}{" "}
            <small>{say("ofInliquidationInLiquidation", { inLiquidation: count(fund.in_liquidation) })}</small>
          </dd>
        </div>
        <div>
          <dt>{say("lookedAt")}</dt>
          <dd>
            <Time at={fund.at} /> {fund.blind && <span class="pill blind">{say("blind")}</span>}
            {fund.unknown > 0 && <small> {say("unknownCannotBeValued", { unknown: count(fund.unknown) })}</small>}
          </dd>
        </div>
      </dl>
    </>
  );
}
