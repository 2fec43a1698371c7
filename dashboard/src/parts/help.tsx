/** Keys and words, for a reader who asks; and a hint for the first visit. */

import { useEffect, useRef } from "preact/hooks";
import { useStore } from "../live/store";
import { settings } from "../settings";

const KEYS: readonly [string, string][] = [
  ["/", "search groups"],
  ["j k", "next and previous group"],
  ["Enter", "open the group"],
  ["1 2 3 4", "only one stage, worst first; 0 shows all"],
  ["s", "another order"],
  ["a", "acknowledge, on the page of a group"],
  ["?", "this help"],
];

const WORDS: readonly [string, string][] = [
  ["LTV", "what is owed over what the collateral is recognised for. The bar shows it among the group's own lines."],
  ["To next line", "by how many percent the recognised value may fall until the next line is met."],
  ["At this drift", "when that would be at the movement of the last five minutes: an estimate."],
  ["Blind", "a price is stale or suspect. Bad news is still told; good news waits."],
  ["Unknown", "a price is missing, so that the group cannot be valued."],
];

export function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="help-title">
      <h2 id="help-title">Keys and words</h2>
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
        Close
      </button>
    </dialog>
  );
}

export function FirstHint() {
  const { hintSeen } = useStore(settings);
  if (hintSeen) return null;
  return (
    <aside class="hint" aria-label="First steps">
      <p>
        <strong>New here?</strong> Groups stand worst first, live. A tile filters by its stage; a group opens with why
        it stands where it stands, and what would cure it. Press <kbd>?</kbd> for keys and words, and switch the bell on
        to hear critical alerts.
      </p>
      <button type="button" onClick={() => settings.change({ hintSeen: true })}>
        Got it
      </button>
    </aside>
  );
}
