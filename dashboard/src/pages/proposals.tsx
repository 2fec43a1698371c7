/** What waits for another person, as it was proposed and as it would be by now; and the levers in force. */

import { useState } from "preact/hooks";
import type { LeverItem, LeverList, ProposalItem, ProposalList, ProposalLook } from "../answers.generated";
import { type ApiError, get, path, post } from "../api";
import { usePolled } from "../live/polled";
import { Effects } from "../parts/effects";
import { Countdown, Panel, Scroll, Time, words } from "../parts/figures";
import { Failure, Fresh } from "../parts/notices";
import { mayOperate } from "../session";
import { say } from "../words/say";

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
        <h1>{say("proposalsAndLevers")}</h1>
      </header>
      <div class="grid">
        <Panel title={say("waitsForAnotherPerson")} class="wide">
          <Fresh of={proposals} what={say("proposals")}>
            {(page) =>
              page.items.length ? (
                page.items.map((each) => <Proposal key={each.id} proposal={each} onDone={again} />)
              ) : (
                <p class="quiet">{say("nothingWaitsForAnother")}</p>
              )
            }
          </Fresh>
        </Panel>
        <Panel title={say("leversInForce")} class="wide">
          <Fresh of={levers} what={say("leversWithin")}>
            {(page) => (page.items.length ? <Levers items={page.items} /> : <p class="quiet">{say("noLeverIsIn")}</p>)}
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
    <section class="proposal" aria-label={say("proposalId", { id: proposal.id })}>
      <p>
        <strong>{proposal.id}</strong> {words(proposal.act)}: {proposal.change}
        {proposal.until && (
          <>
            {" "}
            {say("until")} <Time at={proposal.until} />
          </>
        )}
        {say("proposedByPersonBy", { person: proposal.person, by: proposal.by, reason: proposal.reason })}
      </p>
      <p>
        {proposal.emergency && (
          <span class="pill bad">{say("doneAloneEmergency", { emergency: proposal.emergency })}</span>
        )}{" "}
        {proposal.lever ? say("itEndsIn") : say("itIsVoidIn")} <Countdown at={proposal.expires} />
      </p>
      {look && (
        <div role="status">
          <Effects of={look.proposal.effects} title={say("whenItWasProposed")} />
          <Effects of={look.now} title={say("now")} />
        </div>
      )}
      {error && <Failure error={error} what={say("proposals")} />}
      <form class="fields" onSubmit={reject}>
        <p class="buttons">
          <button type="button" onClick={see}>
            {look ? say("lookAgain") : say("seeWhatItDoes")}
          </button>
          {mayOperate() && look && (
            <button type="button" class="primary" onClick={approve}>
              {say("approveId", { id: proposal.id })}
            </button>
          )}
        </p>
        {mayOperate() && (
          <>
            <label class="field">
              {say("reasonToReject")}
              <input value={reason} required onInput={(e) => setReason(e.currentTarget.value)} />
            </label>
            <p class="buttons">
              <button type="submit">{say("rejectId", { id: proposal.id })}</button>
            </p>
          </>
        )}
      </form>
    </section>
  );
}

function Levers({ items }: { items: readonly LeverItem[] }) {
  return (
    <Scroll label={say("leversInForce")}>
      <table>
        <thead>
          <tr>
            <th>{say("lever")}</th>
            <th>{say("what")}</th>
            <th>{say("until2")}</th>
            <th>{say("groups")}</th>
            <th>{say("by")}</th>
            <th>{say("why")}</th>
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
                {each.approved_by ? say("approvedByApprovedby", { approvedBy: each.approved_by }) : ""}
                {each.emergency && !each.approved_by && <span class="pill bad">{say("alone")}</span>}
              </td>
              <td class="wrap">{each.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
