/** What waits for another person, as it was proposed and as it would be by now; and the levers in force. */

import { useState } from "preact/hooks";
import type { LeverItem, LeverList, ProposalItem, ProposalList, ProposalLook } from "../answers.generated";
import { type ApiError, get, path, post } from "../api";
import { usePolled } from "../live/polled";
import { Effects } from "../parts/effects";
import { Countdown, Panel, Scroll, Time, words } from "../parts/figures";
import { Failure, Fresh } from "../parts/notices";
import { mayOperate } from "../session";

export function ProposalsPage() {
  const proposals = usePolled<ProposalList>("/v1/proposals?limit=1000", 3000);
  const levers = usePolled<LeverList>("/v1/levers?limit=1000", 5000);
  const again = (): void => {
    proposals.again();
    levers.again();
  };
  return (
    <article>
      <header class="pagehead">
        <h1>Proposals and levers</h1>
      </header>
      <div class="grid">
        <Panel title="Waits for another person" class="wide">
          <Fresh of={proposals} what="proposals">
            {(page) =>
              page.items.length ? (
                page.items.map((each) => <Proposal key={each.id} proposal={each} onDone={again} />)
              ) : (
                <p class="quiet">Nothing waits for another person.</p>
              )
            }
          </Fresh>
        </Panel>
        <Panel title="Levers in force" class="wide">
          <Fresh of={levers} what="levers">
            {(page) => (page.items.length ? <Levers items={page.items} /> : <p class="quiet">No lever is in force.</p>)}
          </Fresh>
        </Panel>
      </div>
    </article>
  );
}

function Proposal({ proposal, onDone }: { proposal: ProposalItem; onDone: () => void }) {
  const [look, setLook] = useState<ProposalLook | null>(null);
  const [reason, setReason] = useState("");
  const [error, setError] = useState<ApiError | null>(null);
  const act = (work: Promise<unknown>, after: () => void): void => {
    setError(null);
    work.then(after, setError);
  };
  const see = (): void => act(get<ProposalLook>(path("proposals", proposal.id)).then(setLook), () => undefined);
  const approve = (): void =>
    act(post(path("proposals", proposal.id, "approve"), { seen: look?.now.seen ?? "" }), onDone);
  const reject = (e: Event): void => {
    e.preventDefault();
    act(post(path("proposals", proposal.id, "reject"), { reason: reason.trim() }), onDone);
  };
  return (
    <section class="proposal" aria-label={`Proposal ${proposal.id}`}>
      <p>
        <strong>{proposal.id}</strong> {words(proposal.act)}: {proposal.change}
        {proposal.until && (
          <>
            {" "}
            until <Time at={proposal.until} />
          </>
        )}
        . Proposed by {proposal.person} ({proposal.by}): {proposal.reason}
      </p>
      <p>
        {proposal.emergency && <span class="pill bad">done alone: {proposal.emergency}</span>}{" "}
        {proposal.lever ? "It ends in" : "It is void in"} <Countdown at={proposal.expires} />
      </p>
      {look && (
        <div role="status">
          <Effects of={look.proposal.effects} title="When it was proposed" />
          <Effects of={look.now} title="Now" />
        </div>
      )}
      {error && <Failure error={error} what="proposals" />}
      <form class="fields" onSubmit={reject}>
        <p class="buttons">
          <button type="button" onClick={see}>
            {look ? "Look again" : "See what it does"}
          </button>
          {mayOperate() && look && (
            <button type="button" class="primary" onClick={approve}>
              Approve {proposal.id}
            </button>
          )}
        </p>
        {mayOperate() && (
          <>
            <label class="field">
              Reason to reject
              <input value={reason} required onInput={(e) => setReason(e.currentTarget.value)} />
            </label>
            <p class="buttons">
              <button type="submit">Reject {proposal.id}</button>
            </p>
          </>
        )}
      </form>
    </section>
  );
}

function Levers({ items }: { items: readonly LeverItem[] }) {
  return (
    <Scroll label="Levers in force">
      <table>
        <thead>
          <tr>
            <th>Lever</th>
            <th>What</th>
            <th>Until</th>
            <th>Groups</th>
            <th>By</th>
            <th>Why</th>
          </tr>
        </thead>
        <tbody>
          {items.map((each) => (
            <tr key={each.id}>
              <th scope="row">{each.id}</th>
              <td class="wrap">
                {words(each.act)}: {each.change}
              </td>
              <td>{each.until ? <Time at={each.until} /> : "–"}</td>
              <td>{each.groups || "–"}</td>
              <td>
                {each.by}
                {each.approved_by ? `, approved by ${each.approved_by}` : ""}
                {each.emergency && !each.approved_by && <span class="pill bad">alone</span>}
              </td>
              <td class="wrap">{each.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
