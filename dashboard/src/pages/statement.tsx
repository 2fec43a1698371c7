/** The statement of a group for one UTC day, made to be printed: what is owed, charged, paid and called, and what was said. */

import type { DayStatement } from "../answers.generated";
import { path } from "../api";
import { GroupDay, Span } from "../parts/daystatement";
import { words } from "../parts/figures";
import { StatementOf } from "../parts/statementof";
import { to } from "../router";
import { say } from "../words/say";

export function StatementPage({ id }: { id: string }) {
  return (
    <StatementOf<DayStatement>
      whose={id}
      where={<a href={to.group(id)}>{id}</a>}
      from={path("groups", id, "statement")}
      body={(of) => (
        <>
          <p>
            {Object.entries(of.labels)
              .map(([k, v]) => `${k} ${v}`)
              .join(" · ")}
            {of.product && ` · ${words(of.product)}`}
            {of.receiving_account && say("paidToReceivingaccount", { receivingAccount: of.receiving_account })}
          </p>
          <Span of={of} />
          {of.labels.borrower && (
            <p class="onscreen">
              <a href={to.borrower(of.labels.borrower)}>
                {say("allGroupsOfBorrower", { borrower: of.labels.borrower })}
              </a>
            </p>
          )}
          <GroupDay of={of} />
        </>
      )}
    />
  );
}
