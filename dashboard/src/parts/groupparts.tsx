/** The parts of a group's page that explain it: assets and tiers, loans, lines, cure and permissions. */

import type { Contribution, GroupDetail, LenderShown, Tier } from "../answers.generated";
import { compare, position } from "../format/decimal";
import { say, term, uncapital } from "../words/say";
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
    <Scroll label={say("assetsThatCount")}>
      <table>
        <thead>
          <tr>
            <th>{say("asset")}</th>
            <th class="right">{say("quantity")}</th>
            <th class="right">{say("price")}</th>
            <th>{say("source")}</th>
            <th>{say("trust")}</th>
            <th class="right">{say("value")}</th>
            <th>{say("tiersOfTheLadder")}</th>
            <th class="right">{say("recognised")}</th>
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
                  <Age at={c.price_at ?? c.received_at} /> {say("old")}
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
            <th scope="row">{say("together")}</th>
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
        <li key={t.from} title={say("fromFromToTo", { from: t.from, to: t.to ?? say("any") })}>
          <Share value={t.share} places={1} />
          <meter min={0} max={1} value={filled(t)} aria-label={say("filledOfTheTier", { from: t.from })} />
          <small>
            {say("ofWithin")} <Usd value={t.value_usd} />
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
    <Scroll label={say("loans")}>
      <table>
        <thead>
          <tr>
            <th>{say("loan")}</th>
            <th class="right">{say("principal")}</th>
            <th class="right">{say("interest")}</th>
            <th>{say("rateADay")}</th>
            <th>{say("term")}</th>
            <th>{say("matures")}</th>
            <th class="right">{say("price")}</th>
            <th class="right">{say("debt2")}</th>
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
                <Share value={l.daily_rate} places={4} /> <small>{term(l.rate.kind)}</small>
                {l.late_factor !== "1" && (
                  <span class="pill bad"> {say("latefactorLate", { lateFactor: l.late_factor })}</span>
                )}
              </td>
              <td>{l.term}</td>
              <td>
                {l.matures_at ? <Time at={l.matures_at} /> : term("open")}
                {l.overdue && <span class="pill bad">{say("overdue")}</span>}
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
            <th scope="row">{say("together")}</th>
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
            <td>{each.origin === "line" ? say("itsOwnLine") : each.origin}</td>
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
          <caption>{say("liquidationPriceIfThis")}</caption>
          <tbody>
            {Object.entries(group.liquidation_price).map(([asset, price]) => (
              <tr key={asset}>
                <th scope="row">{asset}</th>
                <td class="right">
                  {price === null ? (
                    <span class="none">{say("never")}</span>
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
                <th scope="row">{say("coinsTogether", { coins: joint.coins.join(say("and")) })}</th>
                <td class="right" colSpan={2}>
                  {joint.factor === null ? (
                    <span class="none">{say("never")}</span>
                  ) : (
                    say("factorTimesTheirPrices", { factor: numbers.exact(joint.factor, 4) })
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
  return <small class="num">{`${percent > 0 ? "+" : "−"}${numbers.exact(Math.abs(percent).toFixed(1))}%`}</small>;
}

export function Cure({ group }: { group: GroupDetail }) {
  const { cure } = group;
  if (!cure) return <p class="quiet">{say("itCannotBeTold")}</p>;
  if (compare(cure.repay_usd, "0") === 0) return <p class="quiet">{say("nothingIsNeededThe")}</p>;
  return (
    <>
      <p>
        {say("to2")} <strong>{cure.to_ltv ? numbers.percent(cure.to_ltv, 2, [cure.to_ltv]) : cure.to_level}</strong>
        {say("repay2")}{" "}
        <strong>
          <Usd value={cure.repay_usd} places={2} />
        </strong>{" "}
        {say("orAdd")}{" "}
        <strong>
          <Usd value={cure.add_recognised_usd} places={2} />
        </strong>{" "}
        {say("ofRecognisedValueRounded")}
      </p>
      <table>
        <caption>{say("toAddOfOne")}</caption>
        <tbody>
          {Object.entries(cure.by_asset).map(([asset, amount]) => (
            <tr key={asset}>
              <th scope="row">{asset}</th>
              <td class="right">
                {amount === null ? (
                  <span class="none">{say("cannotCureIt")}</span>
                ) : (
                  <Quantity value={amount} unit={asset} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

const REPAY = say("repay");

export function Permitted({ group }: { group: GroupDetail }) {
  const may = group.permitted;
  const what: readonly [string, boolean][] = [
    [say("addCollateral"), true],
    [REPAY, group.loans.length > 0],
    [say("tradeOnSpot"), may.trade],
    [say("moveWithinTheGroup"), may.move_within_group],
    [say("withdraw"), may.withdraw],
    [say("takeANewLoan"), may.new_order],
  ];
  const refused = what.filter(([name, yes]) => !yes && name !== REPAY).map(([name]) => uncapital(name));
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
      {refused.length > 0 && <p class="quiet">{say("notNowRefused", { refused: refused.join(", ") })}</p>}
      {Object.entries(may.not_stated).map(([name, why]) => (
        <p key={name} class="none">
          {say("nameNotStatedText", { name: name.replaceAll("_", " "), text: why.text })}
        </p>
      ))}
      {Object.keys(may.withdrawable).length > 0 && (
        <table>
          <caption>{say("mayLeaveOfOne")}</caption>
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
      {may.removable_accounts.length > 0 && (
        <p>{say("accountsThatMayBe", { removableAccounts: may.removable_accounts.join(", ") })}</p>
      )}
    </>
  );
}

/** What the lender's own system said last, beside ours. */
export function Lender({ said }: { said: LenderShown }) {
  return (
    <>
      {said.differs.length > 0 && (
        <p>
          <span class="pill warn">{say("differs")}</span> {say("fromOursDiffers", { differs: said.differs.join(", ") })}
        </p>
      )}
      {!said.compared && <p class="quiet">{say("levelsWereNotCompared")}</p>}
      <table>
        <tbody>
          <tr>
            <th scope="row">{say("level")}</th>
            <td>{said.level ?? say("notStated")}</td>
          </tr>
          <tr>
            <th scope="row">{say("stage")}</th>
            <td>
              {said.stage ? <StagePill stage={said.stage} /> : say("notStated")}{" "}
              {said.words && <small>{said.words}</small>}
            </td>
          </tr>
          <tr>
            <th scope="row">{say("deadline")}</th>
            <td>{said.deadline ? <Countdown at={said.deadline} /> : say("notStated")}</td>
          </tr>
          <tr>
            <th scope="row">{say("said")}</th>
            <td>
              <Age at={said.as_of} /> {say("agoOld", { old: said.old && say("old2") })}
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
