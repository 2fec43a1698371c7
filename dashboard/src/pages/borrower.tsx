/** The statement of a borrower for one UTC day, made to be printed: the sums of all groups, then each group. */

import type { BorrowerStatement } from "../answers.generated";
import { path } from "../api";
import { Balance, GroupDay, Span, Sums } from "../parts/daystatement";
import { many, Panel, words } from "../parts/figures";
import { StatementOf } from "../parts/statementof";
import { to } from "../router";
import { say } from "../words/say";

export function BorrowerPage({ id }: { id: string }) {
  return (
    <StatementOf<BorrowerStatement>
      whose={id}
      where={<a href={to.exposure}>{say("exposure")}</a>}
      from={path("borrowers", id, "statement")}
      body={(of) => (
        <>
          <Span of={of} />
          <Panel title={many(of.groups.length, "allGroup")} class="wide">
            <Balance rows={of.balance} />
          </Panel>
          <Sums of={of.call_sums} />
          {of.groups.map((group) => (
            <section key={group.group} class="ofgroup" aria-label={say("groupGroup", { group: group.group })}>
              <h2>
                <a href={to.group(group.group)}>{group.group}</a>
                <small>
                  {group.product ? ` ${words(group.product)}` : say("isNotInThe")}
                  {group.receiving_account &&
                    say("paidToReceivingaccount", { receivingAccount: group.receiving_account })}
                </small>
              </h2>
              <GroupDay of={group} />
            </section>
          ))}
        </>
      )}
    />
  );
}
