/** A field for a number, how it was read, and the question where it could mean two things. */

import { useId } from "preact/hooks";
import type { Entered } from "../format/entered";

interface Props {
  readonly label: string;
  readonly hint?: string;
  readonly placeholder?: string;
  readonly text: string;
  readonly entered: Entered;
  readonly onText: (text: string) => void;
}

export function EnteredField({ label, hint, text, entered, onText, placeholder }: Props) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        {label} {hint && <small>{hint}</small>}
      </label>
      <EnteredInput id={id} text={text} entered={entered} onText={onText} placeholder={placeholder} />
    </div>
  );
}

export function EnteredInput(props: {
  readonly id?: string;
  readonly label?: string;
  readonly text: string;
  readonly entered: Entered;
  readonly onText: (text: string) => void;
  readonly placeholder?: string | undefined;
}) {
  const { entered, text } = props;
  const said = useId();
  return (
    <>
      <input
        id={props.id}
        aria-label={props.label}
        class="num"
        inputMode="text"
        autocomplete="off"
        placeholder={props.placeholder}
        value={text}
        aria-invalid={entered.kind === "wrong" || entered.kind === "ask"}
        aria-describedby={said}
        onInput={(e) => props.onText(e.currentTarget.value)}
      />
      <output class="read" id={said}>
        {entered.kind === "value" && <small>{entered.says}</small>}
        {entered.kind === "wrong" && <span class="bad">{entered.why}</span>}
        {entered.kind === "ask" && (
          <>
            <span class="bad">{entered.why}</span>{" "}
            {entered.choices.map((choice) => (
              <button type="button" class="small" key={choice.text} onClick={() => props.onText(choice.text)}>
                {choice.says}
              </button>
            ))}
          </>
        )}
      </output>
    </>
  );
}
