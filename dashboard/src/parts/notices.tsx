/** What a page says when it cannot show what it should: never an old number as if it were new. */

import type { ComponentChildren } from "preact";
import type { ApiError } from "../api";
import { rough } from "../format/time";
import type { Polled } from "../live/polled";
import { clock, useStore } from "../live/store";
import { say } from "../words/say";

export function Failure({ error, what }: { error: ApiError; what: string }) {
  if (error.isAbsent) return <p class="quiet">{say("thisMonitorDoesNot", { what })}</p>;
  return (
    <div class="failure" role="alert">
      <p>{error.message}</p>
      {error.problems.length > 0 && (
        <ul>
          {error.problems.map((p) => (
            <li key={`${p.where}: ${p.what}`}>
              <code>{p.where}</code> {p.what}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** The content of a polled answer; greyed, with its age, once it could not be renewed. */
export function Fresh<T>(props: { of: Polled<T>; what: string; children: (data: T) => ComponentChildren }) {
  const now = useStore(clock);
  const { data, error, at } = props.of;
  if (data === null) return error ? <Failure error={error} what={props.what} /> : <p class="quiet">{say("loading")}</p>;
  if (!error) return <>{props.children(data)}</>;
  return (
    <>
      <p class="failure" role="alert">
        {say("fromAtAgoAnd", { at: rough(now - at), message: error.message })}
      </p>
      <div class="old">{props.children(data)}</div>
    </>
  );
}
