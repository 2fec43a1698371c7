/** The frame of a statement: whose it is, the day, and the button that prints it. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { query } from "../api";
import { usePolled } from "../live/polled";
import { say } from "../words/say";
import { Fresh } from "./notices";

export function StatementOf<T>(props: {
  whose: string;
  where: ComponentChildren;
  from: string;
  body: (found: T) => ComponentChildren;
}) {
  const [day, setDay] = useState(new Date().toISOString().slice(0, 10));
  const found = usePolled<T>(day ? `${props.from}${query({ day })}` : null, 0);
  return (
    <article class="statement">
      <header class="grouphead">
        <div>
          <p class="path onscreen">
            {props.where} / {say("statementWithin")}
          </p>
          <h1>{say("statementOfWhose", { whose: props.whose })}</h1>
        </div>
        <div class="actions onscreen">
          <label>
            {say("dayUtc")}{" "}
            <input type="date" value={day} onChange={(e) => setDay((e.currentTarget as HTMLInputElement).value)} />
          </label>
          <button type="button" onClick={() => window.print()}>
            {say("print")}
          </button>
        </div>
      </header>
      <Fresh of={found} what={say("thisStatement")}>
        {props.body}
      </Fresh>
    </article>
  );
}
