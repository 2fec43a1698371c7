/** What the book depends on: borrowers, coins, products, wrong-way pairs, and the fund behind it. */

import { useState } from "preact/hooks";
import { query } from "../api";
import { usePolled } from "../live/polled";
import { Panel, Scroll, Share, ShortUsd } from "../parts/figures";
import { Cell, type Item } from "../parts/generic";
import { Fresh } from "../parts/notices";

interface ExposureAnswer {
  readonly items: readonly Item[];
  readonly wrong_way?: readonly Item[];
  readonly at?: string;
}

const WAYS: readonly [string, string][] = [
  ["label.borrower", "Borrower"],
  ["asset", "Coin"],
  ["product", "Product"],
  ["label.desk", "Desk"],
];

export function ExposurePage() {
  const [by, setBy] = useState("label.borrower");
  const found = usePolled<ExposureAnswer>(`/v1/exposure${query({ by, limit: 500 })}`, 10_000);
  const fund = usePolled<Item>("/v1/fund", 10_000);
  return (
    <article>
      <header class="pagehead">
        <h1>Exposure</h1>
        <div class="spans">
          {WAYS.map(([way, name]) => (
            <button key={way} type="button" class="small" aria-pressed={by === way} onClick={() => setBy(way)}>
              {name}
            </button>
          ))}
        </div>
      </header>
      <div class="grid">
        <Panel title={`By ${WAYS.find(([way]) => way === by)?.[1].toLowerCase()}`} class="wide">
          <Fresh of={found} what="exposure">
            {(answer) => <Table items={answer.items} label="Exposure" />}
          </Fresh>
        </Panel>
        {found.data?.wrong_way && (
          <Panel title="Wrong-way pairs" class="wide">
            <p class="quiet">Debt and collateral of one issuer: both fail together.</p>
            <Table items={found.data.wrong_way} label="Wrong-way pairs" />
          </Panel>
        )}
        <Panel title="Insurance fund" class="wide">
          <Fresh of={fund} what="an insurance fund">
            {(answer) => <Facts of={answer} />}
          </Fresh>
        </Panel>
      </div>
    </article>
  );
}

function Table({ items, label }: { items: readonly Item[]; label: string }) {
  const keys = [...new Set(items.flatMap((i) => Object.keys(i)))];
  if (!items.length) return <p class="empty">There is nothing of this kind.</p>;
  return (
    <Scroll label={label}>
      <table>
        <thead>
          <tr>
            {keys.map((k) => (
              <th key={k} class={isFigure(k) ? "right" : ""}>
                {k.replace(/_usd$/, "").replaceAll("_", " ")}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((item, i) => (
            <tr key={String(item.key ?? i)}>
              {keys.map((k) => (
                <td key={k} class={isFigure(k) ? "right" : "wrap"}>
                  <Figure name={k} value={item[k]} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function isFigure(key: string): boolean {
  return /_usd$|share|groups|days|distance|quantity/.test(key);
}

function Figure({ name, value }: { name: string; value: unknown }) {
  if (typeof value !== "string") return <Cell name={name} value={value} />;
  if (name.endsWith("_usd")) return <ShortUsd value={value} />;
  if (name.includes("share")) return <Share value={value} />;
  if (name.endsWith("_percent")) return <span class="num">{value}%</span>;
  return <Cell name={name} value={value} />;
}

function Facts({ of }: { of: Item }) {
  return (
    <dl class="facts body">
      {Object.entries(of).map(([key, value]) => (
        <div key={key}>
          <dt>{key.replace(/_usd$/, "").replaceAll("_", " ")}</dt>
          <dd>
            <Figure name={key} value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
