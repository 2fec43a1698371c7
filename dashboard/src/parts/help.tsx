/** Keys and words, for a reader who asks; and a hint for the first visit. */

import { useEffect, useRef } from "preact/hooks";
import { useStore } from "../live/store";
import { settings } from "../settings";
import { say } from "../words/say";

const KEYS: readonly [string, string][] = [
  ["/", say("searchGroupsWithin")],
  ["j k", say("nextAndPreviousGroup")],
  [say("enter"), say("openTheGroup")],
  ["1 2 3 4", say("onlyOneStageWorst")],
  ["s", say("anotherOrder")],
  ["a", say("acknowledgeOnThePage")],
  ["?", say("thisHelp")],
];

const WORDS: readonly [string, string][] = [
  [say("ltv"), say("whatIsOwedOver")],
  [say("toNextLine"), say("byHowManyPercent")],
  [say("atThisDrift"), say("whenThatWouldBe")],
  [say("blind2"), say("aPriceIsStale")],
  [say("unknown2"), say("aPriceIsMissingSo")],
];

export function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="help-title">
      <h2 id="help-title">{say("keysAndWords")}</h2>
      <dl class="keys">
        {KEYS.map(([key, does]) => (
          <div key={key}>
            <dt>
              {key.split(" ").map((k) => (
                <kbd key={k}>{k}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <dl>
        {WORDS.map(([word, means]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{means}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={() => dialog.current?.close()}>
        {say("close")}
      </button>
    </dialog>
  );
}

export function FirstHint() {
  const { hintSeen } = useStore(settings);
  if (hintSeen) return null;
  return (
    <aside class="hint" aria-label={say("firstSteps")}>
      <p>
        <strong>{say("newHere")}</strong> {say("groupsStandWorstFirst")} <kbd>?</kbd> {say("forKeysAndWords")}
      </p>
      <button type="button" onClick={() => settings.change({ hintSeen: true })}>
        {say("gotIt")}
      </button>
    </aside>
  );
}
