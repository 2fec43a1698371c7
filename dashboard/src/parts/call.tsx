/** The margin call of a group with its amount and its clock, and the timeline of what came of its calls. */

import { useEffect, useState } from "preact/hooks";
import type { CallItem, CallList, CallShown, GroupDetail } from "../answers.generated";
import { get, path, query } from "../api";
import { say } from "../words/say";
import { Deadline, numbers, Panel, Scroll, Time, Usd, words } from "./figures";
import { levelText } from "./nextline";

/** Rows that the page keeps of a group's calls, the newest. */
const KEPT = 500;

export function MarginCall({ group }: { group: GroupDetail }) {
  const items = useItems(group);
  if (!group.call && !group.returnable_usd && items.length === 0) return null;
  return (
    <Panel title={say("marginCall")} class="wide">
      {group.call && (
        <Amounts call={group.call} isLevel={group.margin_level !== undefined || group.health_factor !== undefined} />
      )}
      {group.returnable_usd && (
        <p>
          {say("mayBeAskedBack")} <Usd value={group.returnable_usd} places={2} /> {say("ofRecognisedValue")}
        </p>
      )}
      {items.length > 0 && <Rows items={items} />}
    </Panel>
  );
}

/** All rows of the group's calls, oldest first; read again when something was said of the group or its book changed. */
function useItems(group: GroupDetail): readonly CallItem[] {
  const [found, setFound] = useState<readonly CallItem[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    const read = async (): Promise<void> => {
      let items: CallItem[] = [];
      let after: string | null = "";
      while (after !== null) {
        const asked: string = `${path("groups", group.id, "calls")}${query(after ? { limit: 1000, after } : { limit: 1000 })}`;
        const page: CallList = await get(asked, stop.signal);
        items = [...items, ...page.items].slice(-KEPT);
        after = page.next;
      }
      setFound(items);
    };
    read().catch(() => {
      // The call itself is in the group's figures; the next change asks again.
    });
    return () => stop.abort();
  }, [group.id, group.sequence, group.version]);
  return found;
}

function Amounts({ call, isLevel }: { call: CallShown; isLevel: boolean }) {
  return (
    <>
      <dl class="facts">
        <div>
          <dt>{say("callNumber", { number: call.number })}</dt>
          <dd>
            <span class="pill">{call.status}</span>
          </dd>
        </div>
        <div>
          <dt>{say("called")}</dt>
          <dd>
            <Usd value={call.called_usd} places={2} />
          </dd>
        </div>
        <div>
          <dt>{say("received")}</dt>
          <dd>
            <Usd value={call.received_usd} places={2} />
          </dd>
        </div>
        <div>
          <dt>{say("outstanding")}</dt>
          <dd>
            <Usd value={call.outstanding_usd} places={2} />
          </dd>
        </div>
        <div>
          <dt>{say("onItsWay")}</dt>
          <dd>
            <Usd value={call.in_transit_usd} places={2} />
          </dd>
        </div>
        <div>
          <dt>{say("due")}</dt>
          <dd>
            {call.status === "open" || call.status === "disputed" ? <Deadline at={call.due} /> : <Time at={call.due} />}
          </dd>
        </div>
      </dl>
      <p class="quiet">
        {say("targetIslevelAtExpiry", {
          isLevel: levelText(call.target, isLevel),
          onExpiry: words(call.on_expiry),
          alert: call.alert,
        })}
      </p>
    </>
  );
}

function Rows({ items }: { items: readonly CallItem[] }) {
  return (
    <Scroll label={say("whatCameOfThe")} high>
      <table class="timeline">
        <thead>
          <tr>
            <th>{say("when")}</th>
            <th>{say("call")}</th>
            <th>{say("what")}</th>
            <th class="right">{say("amount")}</th>
            <th class="right">{say("outstanding")}</th>
            <th>{say("more")}</th>
          </tr>
        </thead>
        <tbody>
          {[...items].reverse().map((item) => (
            <tr key={item.cursor}>
              <td>
                <Time at={item.at} />
              </td>
              <td class="num">{item.call}</td>
              <td>{item.what}</td>
              <td class="right num">
                <Usd value={amountOf(item)} places={2} />
              </td>
              <td class="right num">
                <Usd value={item.outstanding_usd} places={2} />
              </td>
              <td class="wrap">{moreOf(item)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** What the row itself is about: a payment, what is announced or disputed, and for the others the called amount. */
export function amountOf(item: CallItem): string {
  return item.paid_usd ?? item.value_usd ?? item.disputed_usd ?? item.called_usd;
}

/** The rest of a row in words. */
export function moreOf(item: CallItem): string {
  const parts = [
    item.announced &&
      say("quantityAssetAsAnnounced", {
        quantity: item.quantity && numbers.exact(item.quantity),
        asset: item.asset,
        announced: item.announced,
      }),
    item.expected && say("expectedExpected", { expected: item.expected }),
    item.why && `“${item.why}”`,
    item.by && say("byBy", { by: item.by }),
    item.entry && say("entryEntry", { entry: item.entry }),
    item.on_expiry && say("thenOnexpiry", { onExpiry: words(item.on_expiry) }),
    item.stage &&
      (item.stage === "closed" ? say("theGroupWasClosed") : say("theGroupIsIn", { stage: words(item.stage) })),
    item.supersedes_call && say("replacesCallSupersedescall", { supersedesCall: item.supersedes_call }),
  ];
  return parts.filter(Boolean).join(", ");
}
