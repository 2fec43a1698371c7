/** The parts of a group's page that explain it: assets and tiers, loans, lines, cure and permissions. */

import type { Contribution, GroupDetail, LenderShown, Tier } from "../answers.generated";
import { compare, position } from "../format/decimal";
import {
  Age,
  Countdown,
  numbers,
  PinnedPill,
  Quantity,
  Scroll,
  Share,
  StagePill,
  Time,
  TrustPill,
  Usd,
  words,
} from "./figures";

export function Why({ group }: { group: GroupDetail }) {
  return (
    <Scroll label="Assets that count">
      <table>
        <thead>
          <tr>
            <th>Asset</th>
            <th class="right">Quantity</th>
            <th class="right">Price</th>
            <th>Source</th>
            <th>Trust</th>
            <th class="right">Value</th>
            <th>Tiers of the ladder</th>
            <th class="right">Recognised</th>
          </tr>
        </thead>
        <tbody>
          {group.contributions.map((c) => (
            <tr key={c.asset}>
              <th scope="row">{c.asset}</th>
              <td
                class="right"
                title={Object.entries(c.accounts)
                  .map(([a, q]) => `${a}: ${q}`)
                  .join("\n")}
              >
                <Quantity value={c.quantity} />
              </td>
              <td class="right">
                <Usd value={c.price} places={c.price && position(c.price) < 10 ? 6 : 2} />
              </td>
              <td>
                {c.source ?? "–"}{" "}
                <small>
                  <Age at={c.price_at ?? c.received_at} /> old
                </small>
              </td>
              <td>
                <TrustPill trust={c.trust} reason={c.reason} />
                <PinnedPill by={c.pinned} />
              </td>
              <td class="right">
                <Usd value={c.value_usd} places={2} />
              </td>
              <td>
                <Tiers of={c} />
              </td>
              <td class="right">
                <Usd value={c.recognised_usd} places={2} />
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Together</th>
            <td colSpan={4} />
            <td class="right">
              <Usd value={group.market_usd} places={2} />
            </td>
            <td />
            <td class="right">
              <strong>
                <Usd value={group.recognised_usd} places={2} />
              </strong>
            </td>
          </tr>
        </tfoot>
      </table>
    </Scroll>
  );
}

function Tiers({ of }: { of: Contribution }) {
  if (!of.tiers.length) return <span class="none">–</span>;
  return (
    <ul class="tiers">
      {of.tiers.map((t) => (
        <li key={t.from} title={`from ${t.from} to ${t.to ?? "any"} USD`}>
          <Share value={t.share} places={1} />
          <meter min={0} max={1} value={filled(t)} aria-label={`filled of the tier from ${t.from} USD`} />
          <small>
            of <Usd value={t.value_usd} />
          </small>
        </li>
      ))}
    </ul>
  );
}

/** How much of a tier is used; one without an end counts as full. */
function filled(tier: Tier): number {
  if (tier.to === null) return 1;
  const width = position(tier.to) - position(tier.from);
  return width > 0 ? Math.min(1, position(tier.value_usd) / width) : 1;
}

export function Loans({ group }: { group: GroupDetail }) {
  return (
    <Scroll label="Loans">
      <table>
        <thead>
          <tr>
            <th>Loan</th>
            <th class="right">Principal</th>
            <th class="right">Interest</th>
            <th>Rate a day</th>
            <th>Term</th>
            <th>Matures</th>
            <th class="right">Price</th>
            <th class="right">Debt</th>
          </tr>
        </thead>
        <tbody>
          {group.loans.map((l) => (
            <tr key={l.id}>
              <th scope="row">{l.id}</th>
              <td class="right">
                <Quantity value={l.principal} unit={l.asset} />
              </td>
              <td class="right">
                <Quantity value={l.interest} places={8} />
              </td>
              <td>
                <Share value={l.daily_rate} places={4} /> <small>{l.rate.kind}</small>
                {l.late_factor !== "1" && <span class="pill bad"> × {l.late_factor}, late</span>}
              </td>
              <td>{l.term}</td>
              <td>
                {l.matures_at ? <Time at={l.matures_at} /> : "open"}
                {l.overdue && <span class="pill bad">overdue</span>}
              </td>
              <td class="right">
                <Usd value={l.price} places={4} />
              </td>
              <td class="right">
                <Usd value={l.value_usd} places={2} />
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Together</th>
            <td colSpan={6} />
            <td class="right">
              <strong>
                <Usd value={group.debt_usd} places={2} />
              </strong>
            </td>
          </tr>
        </tfoot>
      </table>
    </Scroll>
  );
}

/** In which figures the group differs from its agreement, and who states each. */
export function Terms({ group }: { group: GroupDetail }) {
  return (
    <table>
      <tbody>
        {group.terms.map((each) => (
          <tr key={each.figure}>
            <th scope="row">{words(each.figure)}</th>
            <td class="num">{each.value}</td>
            <td>{each.origin === "line" ? "its own line" : each.origin}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The group's own lines, and at which price of each asset alone the liquidation line is met. */
export function Lines({ group }: { group: GroupDetail }) {
  const falls = group.margin_level !== undefined || group.health_factor !== undefined;
  const prices = new Map(group.contributions.map((c) => [c.asset, c.price]));
  return (
    <>
      <table>
        <tbody>
          {Object.entries(group.thresholds).map(([name, level]) => (
            <tr key={name}>
              <th scope="row">{words(name)}</th>
              <td class="right num" title={level}>
                {falls ? numbers.exact(level) : numbers.percent(level, 2, [level])}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {group.liquidation_price && (
        <table>
          <caption>Liquidation price, if this one alone moves</caption>
          <tbody>
            {Object.entries(group.liquidation_price).map(([asset, price]) => (
              <tr key={asset}>
                <th scope="row">{asset}</th>
                <td class="right">
                  {price === null ? (
                    <span class="none">never</span>
                  ) : (
                    <Usd value={price} places={position(price) < 10 ? 6 : 2} />
                  )}
                </td>
                <td class="right">
                  <Away price={price} from={prices.get(asset) ?? null} />
                </td>
              </tr>
            ))}
            {(group.liquidation_together ?? []).map((joint) => (
              <tr key={joint.coins.join()}>
                <th scope="row">{joint.coins.join(" and ")} together</th>
                <td class="right" colSpan={2}>
                  {joint.factor === null ? (
                    <span class="none">never</span>
                  ) : (
                    `${numbers.exact(joint.factor, 4)} times their prices`
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

/** How far a price is from now: a hint beside the exact price. */
function Away({ price, from }: { price: string | null; from: string | null }) {
  if (price === null || from === null || position(from) === 0) return null;
  const percent = (position(price) / position(from) - 1) * 100;
  return <small class="num">{`${percent > 0 ? "+" : "−"}${Math.abs(percent).toFixed(1)}%`}</small>;
}

export function Cure({ group }: { group: GroupDetail }) {
  const { cure } = group;
  if (!cure) return <p class="quiet">It cannot be told while a price is missing.</p>;
  if (compare(cure.repay_usd, "0") === 0)
    return <p class="quiet">Nothing is needed: the group is at or below its initial line.</p>;
  return (
    <>
      <p>
        To <strong>{cure.to_ltv ? numbers.percent(cure.to_ltv, 2, [cure.to_ltv]) : cure.to_level}</strong>: repay{" "}
        <strong>
          <Usd value={cure.repay_usd} places={2} />
        </strong>{" "}
        or add{" "}
        <strong>
          <Usd value={cure.add_recognised_usd} places={2} />
        </strong>{" "}
        of recognised value. Rounded up, so that it suffices.
      </p>
      <table>
        <caption>To add of one asset alone</caption>
        <tbody>
          {Object.entries(cure.by_asset).map(([asset, amount]) => (
            <tr key={asset}>
              <th scope="row">{asset}</th>
              <td class="right">
                {amount === null ? <span class="none">cannot cure it</span> : <Quantity value={amount} unit={asset} />}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

export function Permitted({ group }: { group: GroupDetail }) {
  const may = group.permitted;
  const what: readonly [string, boolean][] = [
    ["Add collateral", true],
    ["Repay", group.loans.length > 0],
    ["Trade on spot", may.trade],
    ["Move within the group", may.move_within_group],
    ["Withdraw", may.withdraw],
    ["Take a new loan", may.new_order],
  ];
  const refused = what.filter(([name, yes]) => !yes && name !== "Repay").map(([name]) => name.toLowerCase());
  return (
    <>
      <ul class="permitted">
        {what
          .filter(([, yes]) => yes)
          .map(([name]) => (
            <li key={name} class="yes">
              <span aria-hidden="true">✓</span> {name}
            </li>
          ))}
      </ul>
      {refused.length > 0 && <p class="quiet">Not now: {refused.join(", ")}.</p>}
      {Object.entries(may.not_stated).map(([name, why]) => (
        <p key={name} class="none">
          {name.replaceAll("_", " ")}: not stated. {why.text}.
        </p>
      ))}
      {Object.keys(may.withdrawable).length > 0 && (
        <table>
          <caption>May leave, of one asset alone</caption>
          <tbody>
            {Object.entries(may.withdrawable).map(([asset, amount]) => (
              <tr key={asset}>
                <th scope="row">{asset}</th>
                <td class="right">
                  <Quantity value={amount} unit={asset} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {may.removable_accounts.length > 0 && <p>Accounts that may be removed: {may.removable_accounts.join(", ")}</p>}
    </>
  );
}

/** What the lender's own system said last, beside ours. */
export function Lender({ said }: { said: LenderShown }) {
  return (
    <>
      {said.differs.length > 0 && (
        <p>
          <span class="pill warn">differs</span> from ours: {said.differs.join(", ")}.
        </p>
      )}
      {!said.compared && <p class="quiet">Levels were not compared: our prices were not trusted.</p>}
      <table>
        <tbody>
          <tr>
            <th scope="row">Level</th>
            <td>{said.level ?? "not stated"}</td>
          </tr>
          <tr>
            <th scope="row">Stage</th>
            <td>
              {said.stage ? <StagePill stage={said.stage} /> : "not stated"} {said.words && <small>{said.words}</small>}
            </td>
          </tr>
          <tr>
            <th scope="row">Deadline</th>
            <td>{said.deadline ? <Countdown at={said.deadline} /> : "not stated"}</td>
          </tr>
          <tr>
            <th scope="row">Said</th>
            <td>
              <Age at={said.as_of} /> ago{said.old && " (old)"}
            </td>
          </tr>
          {Object.entries(said.figures).map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{words(name)}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
