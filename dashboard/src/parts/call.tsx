/** The margin call of a group with its amount and its clock, and the timeline of what came of its calls. */

import { useEffect, useState } from "preact/hooks";
import type { CallItem, CallList, CallShown, GroupDetail } from "../answers.generated";
import { get, path, query } from "../api";
import { Deadline, Panel, Scroll, Time, Usd, words } from "./figures";
import { levelText } from "./nextline";

/** Rows that the page keeps of a group's calls, the newest. */
const KEPT = 500;

export function MarginCall({ group }: { group: GroupDetail }) {
  const items = useItems(group);
  if (!group.call && !group.returnable_usd && items.length === 0) return null;
  return (
    <Panel title="Margin call" class="wide">
      {group.call && (
        <Amounts call={group.call} isLevel={group.margin_level !== undefined || group.health_factor !== undefined} />
      )}
      {group.returnable_usd && (
        <p>
          May be asked back: <Usd value={group.returnable_usd} places={2} /> of recognised value.
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
          <dt>Call {call.number}</dt>
          <dd>
            <span class="pill">{call.status}</span>
          </dd>
        </div>
        <div>
          <dt>Called</dt>
          <dd>
            <Usd value={call.called_usd} places={2} />
          </dd>
        </div>
        <div>
          <dt>Received</dt>
          <dd>
            <Usd value={call.received_usd} places={2} />
          </dd>
        </div>
        <div>
          <dt>Outstanding</dt>
          <dd>
            <Usd value={call.outstanding_usd} places={2} />
          </dd>
        </div>
        <div>
          <dt>On its way</dt>
          <dd>
            <Usd value={call.in_transit_usd} places={2} />
          </dd>
        </div>
        <div>
          <dt>Due</dt>
          <dd>
            {call.status === "open" || call.status === "disputed" ? <Deadline at={call.due} /> : <Time at={call.due} />}
          </dd>
        </div>
      </dl>
      <p class="quiet">
        Target {levelText(call.target, isLevel)}. At expiry: {words(call.on_expiry)}. The amount recomputes from the
        figures of alert {call.alert}.
      </p>
    </>
  );
}

function Rows({ items }: { items: readonly CallItem[] }) {
  return (
    <Scroll label="What came of the calls" high>
      <table class="timeline">
        <thead>
          <tr>
            <th>When</th>
            <th>Call</th>
            <th>What</th>
            <th class="right">Amount</th>
            <th class="right">Outstanding</th>
            <th>More</th>
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
    item.announced && `${item.quantity} ${item.asset} as ${item.announced}`,
    item.expected && `expected ${item.expected}`,
    item.why && `“${item.why}”`,
    item.by && `by ${item.by}`,
    item.entry && `entry ${item.entry}`,
    item.on_expiry && `then ${words(item.on_expiry)}`,
    item.stage && (item.stage === "closed" ? "the group was closed" : `the group is in ${words(item.stage)}`),
    item.supersedes_call && `replaces call ${item.supersedes_call}`,
  ];
  return parts.filter(Boolean).join(", ");
}
